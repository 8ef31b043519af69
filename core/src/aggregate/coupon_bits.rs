//! A coupon from its 32 bits: the way back of [`bits_of`], which the library does not offer.
//!
//! A coupon is the end of a hash. The hash (Murmur3, 128 bits) of exactly 16 bytes can be turned round, so for
//! every 32 bits there are 16 bytes whose coupon has them; the library is asked for the coupon of those.

use std::hash::{Hash, Hasher};

use datasketches::hll::Coupon;

use super::sketch::bits_of;

/// The library's seed.
const SEED: u64 = 9001;
const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;
const ADDED: [u64; 2] = [0x52dc_e729, 0x3849_5ab5];
const FINAL: [u64; 2] = [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53];
/// Bits of a coupon's slot; the rank above them is never 0.
const SLOT_BITS: u32 = 26;

/// Two numbers that are hashed as 16 bytes.
struct Pair([u64; 2]);

impl Hash for Pair {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.0[0].to_le_bytes());
        bytes[8..].copy_from_slice(&self.0[1].to_le_bytes());
        state.write(&bytes);
    }
}

/// The coupon with these 32 bits; `None` if no coupon has them.
pub(super) fn coupon_of(bits: u32) -> Option<Coupon> {
    let (slot, rank) = (bits & ((1 << SLOT_BITS) - 1), bits >> SLOT_BITS);
    let high = 1u64.checked_shl(64u32.checked_sub(rank)?).filter(|_| rank > 0)?;
    let coupon = Coupon::from_value(Pair(bytes_of([u64::from(slot), high])));
    (bits_of(coupon) == bits).then_some(coupon)
}

/// What has this hash.
fn bytes_of([low, high]: [u64; 2]) -> [u64; 2] {
    const LENGTH: u64 = 16;
    let high = high.wrapping_sub(low);
    let (low, high) = (unfinished(low.wrapping_sub(high)), unfinished(high));
    let high = high.wrapping_sub(low);
    let (low, high) = (low.wrapping_sub(high) ^ LENGTH, high ^ LENGTH);
    let before = |end: u64, added: u64, other: u64, by: u32| {
        const OVER_5: u64 = inverse(5);
        end.wrapping_sub(added).wrapping_mul(OVER_5).wrapping_sub(other).rotate_right(by) ^ SEED
    };
    let unmixed = |mixed: u64, [first, last]: [u64; 2], by: u32| {
        mixed.wrapping_mul(last).rotate_right(by).wrapping_mul(first)
    };
    const OVER_C1: u64 = inverse(C1);
    const OVER_C2: u64 = inverse(C2);
    [
        unmixed(before(low, ADDED[0], SEED, 27), [OVER_C1, OVER_C2], 31),
        unmixed(before(high, ADDED[1], low, 31), [OVER_C2, OVER_C1], 33),
    ]
}

/// Turns the hash's last mixing round.
fn unfinished(mut number: u64) -> u64 {
    const OVER: [u64; 2] = [inverse(FINAL[1]), inverse(FINAL[0])];
    for over in OVER {
        number = (number ^ number >> 33).wrapping_mul(over);
    }
    number ^ number >> 33
}

/// The number that an odd one is multiplied by to give 1, modulo 2^64.
const fn inverse(odd: u64) -> u64 {
    // Newton's way doubles the right bits: 3, 6, 12, 24, 48, 96.
    let (mut found, mut step) = (odd, 0);
    while step < 5 {
        found = found.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(found)));
        step += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn bits_and_coupon_are_the_same(bits: u32, value: u64) {
            let made = coupon_of(bits);
            prop_assert_eq!(made.is_some(), bits >> SLOT_BITS > 0);
            prop_assert!(made.is_none_or(|coupon| bits_of(coupon) == bits));
            let coupon = Coupon::from_value(value);
            prop_assert_eq!(coupon_of(bits_of(coupon)), Some(coupon));
        }
    }

    #[test]
    fn every_rank_has_its_coupon() {
        for rank in 0..64 {
            let bits = rank << SLOT_BITS | 0x123_4567;
            assert_eq!(coupon_of(bits).map(bits_of), (rank > 0).then_some(bits));
        }
    }
}
