//! Numbers of decimal digits, read eight at a time.
//!
//! In: the bytes of a whole number or of a plain decimal. Out: its value, or that it is none that is
//! read here. Must not know: signs, exponents, scales, units. Who gets `None` asks the general parser.

/// `00000000`.
const ZEROS: u64 = 0x3030_3030_3030_3030;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const POINT: u8 = b'.';

/// Powers of ten up to 10^18.
pub(super) const POWERS: [u64; 19] = {
    let mut powers = [1; 19];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// The value of 1 to 19 digits; `None` for everything else.
#[inline]
pub fn whole_number(text: &[u8]) -> Option<u64> {
    match text.len() {
        1..=8 => eight(padded(text)),
        9..=16 => {
            let (head, tail) = text.split_last_chunk()?;
            Some(eight(padded(head))? * POWERS[8] + eight(u64::from_le_bytes(*tail))?)
        }
        17..=19 => {
            let (head, tail) = text.split_last_chunk()?;
            let (first, middle) = head.split_last_chunk()?;
            let high = eight(padded(first))? * POWERS[8] + eight(u64::from_le_bytes(*middle))?;
            Some(high * POWERS[8] + eight(u64::from_le_bytes(*tail))?)
        }
        _ => None,
    }
}

/// The digits of a decimal (`123.45`, `7`, `.5`, `5.`) as a whole number, and how many of them stood
/// behind the point. `None` unless it has digits, at most one point with at most seven digits behind it,
/// and at most 17 bytes.
#[inline]
pub fn plain_decimal(text: &[u8]) -> Option<(u64, u32)> {
    match text.len() {
        0 => None,
        1 => Some((eight(padded(text))?, 0)),
        2..=8 => {
            let word = padded(text);
            match point(word) {
                Some(at) => Some((eight(without(word, at, b'0'))?, 7 - at / 8)),
                None => Some((eight(word)?, 0)),
            }
        }
        9..=17 => long_decimal(text),
        _ => None,
    }
}

/// [`plain_decimal`] of 9 to 17 bytes.
fn long_decimal(text: &[u8]) -> Option<(u64, u32)> {
    let (head, tail) = text.split_last_chunk()?;
    let word = u64::from_le_bytes(*tail);
    let Some(at) = point(word) else { return whole_number(text).map(|value| (value, 0)) };
    // The digit in front of the word moves in.
    let (last, head) = head.split_last()?;
    let high = if head.is_empty() { 0 } else { eight(padded(head))? };
    Some((high * POWERS[8] + eight(without(word, at, *last))?, 7 - at / 8))
}

/// The bit at which the first point of a word begins.
#[inline]
fn point(word: u64) -> Option<u32> {
    let others = word ^ POINT_BYTES;
    // The lowest mark is exact; those above it need not be.
    let points = others.wrapping_sub(LOW_BITS) & !others & HIGH_BITS;
    (points != 0).then_some(points.trailing_zeros() & !7)
}

/// The word without the byte at bit `at`: what stands in front of it moves up, and `moved_in` in.
#[inline]
fn without(word: u64, at: u32, moved_in: u8) -> u64 {
    let front = (1u64 << at) - 1;
    word & !front & !(0xff << at) | (word & front) << 8 | u64::from(moved_in)
}

const POINT_BYTES: u64 = LOW_BITS * POINT as u64;

/// Up to eight bytes as a little-endian word, the last one on top, filled up with `0` in front.
#[inline]
fn padded(text: &[u8]) -> u64 {
    let bits = 8 * (text.len() as u32 & 7);
    let word = match text.len() {
        0 => return ZEROS,
        1 => u64::from(text[0]) << 56,
        2..=3 => match (text.first_chunk(), text.last_chunk()) {
            (Some(first), Some(last)) => {
                u64::from(u16::from_le_bytes(*first)) << (64 - bits)
                    | u64::from(u16::from_le_bytes(*last)) << 48
            }
            _ => 0,
        },
        4..=7 => match (text.first_chunk(), text.last_chunk()) {
            (Some(first), Some(last)) => {
                u64::from(u32::from_le_bytes(*first)) << (64 - bits)
                    | u64::from(u32::from_le_bytes(*last)) << 32
            }
            _ => 0,
        },
        _ => return text.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)),
    };
    word | ZEROS >> bits
}

/// The value of eight digits, the first in the lowest byte.
#[inline]
fn eight(word: u64) -> Option<u64> {
    let digits = word ^ ZEROS;
    // A carry can only come out of a byte that is no digit by itself.
    if (digits | digits.wrapping_add(LOW_BITS * 6)) & (LOW_BITS * 0xf0) != 0 {
        return None;
    }
    let twos = (digits * 10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos * 100).wrapping_add(twos >> 16) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, byte by byte.
    fn plainly(text: &[u8]) -> Option<(u64, u32)> {
        let text = std::str::from_utf8(text).ok()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction}");
        let fits = (1..=17).contains(&text.len())
            && fraction.len() < 8
            && digits.bytes().all(|b| b.is_ascii_digit());
        Some((digits.parse().ok().filter(|_| fits)?, fraction.len() as u32))
    }

    #[test]
    fn every_length_is_read() {
        let digits = b"12345678901234567890";
        assert_eq!(whole_number(b""), None);
        for len in 1..=19 {
            let text = std::str::from_utf8(&digits[..len]).unwrap();
            assert_eq!(whole_number(&digits[..len]), text.parse().ok(), "{text}");
            for broken in 0..len {
                for byte in [b'/', b':', b'.', b'-', b' ', 0, 0xf9, 0xfa, 0xff] {
                    let mut text = digits[..len].to_vec();
                    text[broken] = byte;
                    assert_eq!(whole_number(&text), None, "{text:?}");
                    assert_eq!(plain_decimal(&text), plainly(&text), "{text:?}");
                }
            }
        }
        assert_eq!(whole_number(digits), None);
        assert_eq!(whole_number(&[b'9'; 19]), Some(9_999_999_999_999_999_999));
    }

    proptest! {
        #[test]
        fn decimals_are_read_as_byte_by_byte(text in "[0-9]{0,10}\\.?[0-9]{0,9}", broken in "[0-9.]{0,18}|[0-9.e+/:é-]{1,17}") {
            prop_assert_eq!(plain_decimal(text.as_bytes()), plainly(text.as_bytes()));
            prop_assert_eq!(plain_decimal(broken.as_bytes()), plainly(broken.as_bytes()));
        }
    }
}
