//! What a distinct value leaves behind: a coupon, the same as everybody's sketches make of its bytes.

use std::hash::{Hash, Hasher};

use datasketches::hash::value::raw_bytes;
use datasketches::hll::Coupon;

use super::cells::mixed;
use crate::intern::Word;

/// The numbers of MurmurHash3 x64 128, and the seed that all sketches share.
const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;
const FIRST_ADDED: u64 = 0x52dc_e729;
const SECOND_ADDED: u64 = 0x3849_5ab5;
const SEED: u64 = 9001;
const _: () = assert!(C1.wrapping_mul(inverse(C1)) == 1 && C2.wrapping_mul(inverse(C2)) == 1);

/// Bytes whose number the compiler knows: then the hash has no loops and copies nothing.
struct Exactly<const LENGTH: usize>([u8; LENGTH]);

impl<const LENGTH: usize> Hash for Exactly<LENGTH> {
    #[inline(always)]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

/// The coupon of a distinct value: of its raw UTF-8 bytes, so that sketches merge with everybody's.
pub(super) fn coupon(value: &str) -> Coupon {
    match Word::of(value) {
        Some(word) => coupon_of_word(word),
        None => of_bytes(value.as_bytes()),
    }
}

/// The coupon of a value that is too long for a word.
fn of_bytes(value: &[u8]) -> Coupon {
    macro_rules! by_length {
        ($($length:literal)*) => {
            match value.len() {
                $($length => match value.first_chunk::<$length>() {
                    Some(bytes) => Coupon::from_value(Exactly(*bytes)),
                    None => any(value),
                },)*
                _ => any(value),
            }
        };
    }
    by_length!(16 17 18 19 20 21 22 23 24 32 36)
}

/// [`coupon`] of a text that a word holds, without a branch on its length: lengths vary, and a wrong guess
/// costs more than the hash.
///
/// Up to 15 bytes are a tail: two numbers, padded with zeros, are mixed into the two halves of the hash's
/// state, then the length. The library hashes whole values only and does not show that state. So it is
/// given the one block of 16 bytes that brings it to the same state: each step of a block can be undone.
/// What it then does again falls away when it is compiled.
#[inline(always)]
pub(super) fn coupon_of_word(word: Word) -> Coupon {
    let (low, high, length) = word.numbers();
    let first = SEED ^ low.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2) ^ length;
    let second = SEED ^ high.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1) ^ length;
    // The library takes the length of the block, 16, into both.
    let (first, second) = (first ^ 16, second ^ 16);
    let low = before(first, FIRST_ADDED).wrapping_sub(SEED).rotate_right(27) ^ SEED;
    let high = before(second, SECOND_ADDED).wrapping_sub(first).rotate_right(31) ^ SEED;
    let low = low.wrapping_mul(const { inverse(C2) }).rotate_right(31).wrapping_mul(const { inverse(C1) });
    let high = high.wrapping_mul(const { inverse(C1) }).rotate_right(33).wrapping_mul(const { inverse(C2) });
    Coupon::from_value(Exactly((u128::from(high) << 64 | u128::from(low)).to_le_bytes()))
}

/// What a block's last step, × 5 + `added`, made `after` of.
#[inline(always)]
fn before(after: u64, added: u64) -> u64 {
    after.wrapping_sub(added).wrapping_mul(const { inverse(5) })
}

/// What undoes a multiplication by an odd number. Each step doubles the bits that are right.
const fn inverse(odd: u64) -> u64 {
    let (mut inverse, mut right) = (odd, 3);
    while right < u64::BITS {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
        right *= 2;
    }
    inverse
}

/// The definition.
#[inline(never)]
fn any(value: &[u8]) -> Coupon {
    Coupon::from_value(raw_bytes::from_slice(value))
}

/// A coupon's place among those of its cell. It must have nothing to do with the coupon's value: a sketch
/// estimates by the order in which coupons come, and is up to 7 % too high when they come by value.
pub(super) fn shuffled(coupon: Coupon) -> u64 {
    let mut place = Shuffle(0);
    coupon.hash(&mut place);
    place.finish()
}

/// Takes one number in and gives it its own place.
struct Shuffle(u64);

impl Hasher for Shuffle {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.0 = self.0 << 8 | u64::from(byte));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = u64::from(number);
    }

    fn finish(&self) -> u64 {
        mixed(self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_that_of_a_word_too(text in "\\PC{0,15}", bytes in prop::collection::vec(0..128u8, 0..16)) {
            for text in [&*text, std::str::from_utf8(&bytes).unwrap()] {
                let Some(word) = Word::of(text) else { continue };
                prop_assert_eq!(coupon_of_word(word), Coupon::from_value(raw_bytes::from_str(text)));
            }
        }
    }

    #[test]
    fn is_by_definition_that_of_the_bytes() {
        let text = "Kundennummer-0123456789-äöüß-abcdefghijklmnopqrstuvwxyz";
        for end in (0..=text.len()).filter(|&end| text.is_char_boundary(end)) {
            for start in (0..=end).filter(|&start| text.is_char_boundary(start)) {
                let part = &text[start..end];
                let by_definition = Coupon::from_value(raw_bytes::from_str(part));
                assert_eq!(coupon(part), by_definition);
                assert!(Word::of(part).is_none_or(|word| coupon_of_word(word) == by_definition));
            }
        }
    }
}
