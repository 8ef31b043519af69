//! What a distinct value leaves behind: a coupon, the same as everybody's sketches make of its bytes.

use std::hash::{Hash, Hasher};

use datasketches::hash::value::raw_bytes;
use datasketches::hll::Coupon;

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
    macro_rules! by_length {
        ($($length:literal)*) => {
            match value.len() {
                $($length => match value.as_bytes().first_chunk::<$length>() {
                    Some(bytes) => Coupon::from_value(Exactly(*bytes)),
                    None => any(value),
                },)*
                _ => any(value),
            }
        };
    }
    by_length!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 32 36)
}

/// The definition.
#[inline(never)]
fn any(value: &str) -> Coupon {
    Coupon::from_value(raw_bytes::from_str(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_by_definition_that_of_the_bytes() {
        let text = "Kundennummer-0123456789-äöüß-abcdefghijklmnopqrstuvwxyz";
        for end in (0..=text.len()).filter(|&end| text.is_char_boundary(end)) {
            for start in (0..=end).filter(|&start| text.is_char_boundary(start)) {
                assert_eq!(coupon(&text[start..end]), any(&text[start..end]));
            }
        }
    }
}
