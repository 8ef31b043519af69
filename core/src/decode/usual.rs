//! Numbers as nearly all senders write them, read together with looking for their end.
//!
//! In: the place where a number begins. Out: its value and the place behind it, or `None` where it isn't a
//! usual one; then the general reading decides. What may follow a number is for the caller to check: a
//! point or an exponent there means that it hasn't ended. Must not know: columns.

use crate::model::{MICROS_PER_SECOND, TimeUs};
use crate::simd::scan::{WINDOW, digit_mask, window, word};

use super::time;

/// `00000000`.
const ZEROS: u64 = 0x3030_3030_3030_3030;
/// Powers of ten.
const TENS: [i64; 10] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// An amount without sign and exponent, `7` or `19.99`, in units of `scale` digits behind the point: up to
/// eight digits before it and no more than `scale` behind it.
#[inline(always)]
pub(super) fn amount(bytes: &[u8], at: usize, scale: u8) -> Option<(i64, usize)> {
    let (units, len) = amount_in(window(bytes, at)?, scale)?;
    Some((units, at + len))
}

/// [`amount`], where a window begins with it: its value and its length.
#[inline(always)]
pub(super) fn amount_in(here: &[u8; WINDOW], scale: u8) -> Option<(i64, usize)> {
    let digits = !digit_mask(here);
    let whole = digits.trailing_zeros() as usize;
    if !(1..=8).contains(&whole) || (here[0] == b'0' && whole > 1) {
        return None;
    }
    if here[whole] != b'.' {
        return Some((value(word(here, 0)?, whole) * *TENS.get(usize::from(scale))?, whole));
    }
    let fraction = (digits >> (whole + 1)).trailing_zeros() as usize;
    if !(1..=8).contains(&fraction) {
        return None;
    }
    let missing = *TENS.get(usize::from(scale).checked_sub(fraction)?)?;
    let len = whole + 1 + fraction;
    if whole + fraction <= 8 {
        // All digits as one number: those behind the point move up to those before it.
        let before = (1u64 << ((8 * whole as u32) & 63)) - 1;
        let digits = (word(here, 0)? & before) | (word(here, 1)? & !before);
        return Some((value(digits, whole + fraction) * missing, len));
    }
    let units = value(word(here, 0)?, whole) * *TENS.get(usize::from(scale))?;
    Some((units + value(word(here, whole + 1)?, fraction) * missing, len))
}

/// A time as a number of nanoseconds, microseconds, milliseconds or seconds of our days, seconds perhaps
/// with up to eight digits behind the point.
#[inline(always)]
pub(super) fn stamp(bytes: &[u8], at: usize) -> Option<(TimeUs, usize)> {
    let (time, len) = stamp_in(window(bytes, at)?)?;
    Some((time, at + len))
}

/// [`stamp`], where a window begins with it: the time and its length.
#[inline(always)]
pub(super) fn stamp_in(here: &[u8; WINDOW]) -> Option<(TimeUs, usize)> {
    let digits = !digit_mask(here);
    let whole = digits.trailing_zeros() as usize;
    if here[0] == b'0' || whole >= WINDOW {
        return None;
    }
    let first = value(word(here, 0)?, 8);
    let next = word(here, 8)?;
    let (micros, end) = match (whole, here[whole] == b'.') {
        (19 | 16, false) => (first * TENS[8] + value(next, 8), whole),
        (13, false) => ((first * TENS[5] + value(next, 5)) * TENS[3], whole),
        (10, false) => ((first * TENS[2] + value(next, 2)) * TENS[6], whole),
        (10, true) => {
            let fraction = (digits >> 11).trailing_zeros() as usize;
            if !(1..=8).contains(&fraction) {
                return None;
            }
            let kept = fraction.min(6);
            let micros = value(word(here, 11)?, kept) * TENS[6 - kept];
            ((first * TENS[2] + value(next, 2)) * TENS[6] + micros, 11 + fraction)
        }
        _ => return None,
    };
    Some((TimeUs(micros), end))
}

/// As many nanoseconds since 1970 as take 19 digits: all from 2001 on.
#[inline(always)]
pub(super) fn nanos_in(here: &[u8; WINDOW]) -> Option<(TimeUs, usize)> {
    const DIGITS: usize = 19;
    let micros = value(word(here, 0)?, 8) * TENS[8] + value(word(here, 8)?, 8);
    let is_time = (!digit_mask(here)).trailing_zeros() as usize == DIGITS && micros < i64::MAX / 1000;
    is_time.then_some((TimeUs(micros), DIGITS))
}

/// The minute of the last date that was read: the next one is mostly of the same.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastMinute {
    /// `2026-11-22T13:04`; nothing at first.
    text: [u8; 16],
    start: TimeUs,
}

/// `2026-11-22T13:04:05.123Z`, with one to nine digits behind the point or none.
#[inline(always)]
pub(super) fn date(bytes: &[u8], at: usize, last: &mut LastMinute) -> Option<(TimeUs, usize)> {
    let (time, len) = date_in(window(bytes, at)?, last)?;
    Some((time, at + len))
}

/// [`date`], where a window begins with it: the time and its length.
#[inline(always)]
pub(super) fn date_in(here: &[u8; WINDOW], last: &mut LastMinute) -> Option<(TimeUs, usize)> {
    if here.first_chunk() != Some(&last.text) {
        *last = minute(here)?;
    }
    let digits = !digit_mask(here);
    let seconds = value(word(here, 17)?, 2);
    // Two digits, then something else, behind a colon.
    if here[16] != b':' || (digits >> 17).trailing_zeros() != 2 || seconds > 59 {
        return None;
    }
    let start = last.start.0 + seconds * MICROS_PER_SECOND;
    if here[19] != b'.' {
        return (here[19] == b'Z').then_some((TimeUs(start), 20));
    }
    let fraction = (digits >> 20).trailing_zeros() as usize;
    if !(1..=9).contains(&fraction) || here[20 + fraction] != b'Z' {
        return None;
    }
    let kept = fraction.min(6);
    let micros = value(word(here, 20)?, kept) * TENS[6 - kept];
    Some((TimeUs(start + micros), 21 + fraction))
}

/// The minute with whose text a window begins.
#[inline(never)]
fn minute(here: &[u8; WINDOW]) -> Option<LastMinute> {
    let text = *here.first_chunk()?;
    let mut whole = *b"____-__-__T__:__:00Z";
    whole[..text.len()].copy_from_slice(&text);
    let start = time::from_text(std::str::from_utf8(&whole).ok()?)?;
    Some(LastMinute { text, start })
}

/// What the first `len` bytes of a word say, from one to eight digits, the first byte being the lowest.
#[inline(always)]
fn value(word: u64, len: usize) -> i64 {
    // The digits move to the top, so that zeros stand in front of them; then pairs, fours, all eight.
    let digits = (word ^ ZEROS) << ((64 - 8 * len as u32) & 63);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff) as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::time::TimeUnit;
    use super::*;
    use crate::model::parse_decimal;

    /// `text` with enough behind it to look at.
    fn followed(text: &str, behind: &str) -> String {
        format!("{text}{behind}{:40}", "")
    }

    proptest! {
        #[test]
        fn amounts_are_those_of_the_general_reading(text in "[0-9]{1,9}(\\.[0-9]{0,9})?", scale in 0u8..10, behind in "[\"},e.]") {
            let line = followed(&text, &behind);
            if let Some((units, end)) = amount(line.as_bytes(), 0, scale) {
                let read = &line[..end];
                prop_assert!(line[end..].starts_with(|c: char| !c.is_ascii_digit()));
                prop_assert_eq!(parse_decimal(read.as_bytes(), scale), Ok(units));
                prop_assert!(read == "0" || read.starts_with("0.") || !read.starts_with('0'));
            }
        }

        #[test]
        fn stamps_are_those_of_the_general_reading(text in "[0-9]{9,20}(\\.[0-9]{0,9})?", behind in "[\"},e.]") {
            let line = followed(&text, &behind);
            if let Some((time, end)) = stamp(line.as_bytes(), 0) {
                prop_assert_eq!(time::from_number(&line[..end]), Some(time));
                prop_assert!(line[end..].starts_with(|c: char| !c.is_ascii_digit()));
            }
        }

        #[test]
        fn nanoseconds_are_those_of_the_general_reading(text in "[0-9]{18,20}|92233720368547[0-9]{5}", behind in "[\\n .x]") {
            let line = followed(&text, &behind);
            if let Some((time, len)) = window(line.as_bytes(), 0).and_then(nanos_in) {
                prop_assert_eq!(time::from_units(&line[..len], TimeUnit::Nanos), Some(time));
                prop_assert!(line[len..].starts_with(|c: char| !c.is_ascii_digit()));
            } else {
                prop_assert!(text.len() != 19 || text.as_str() > "9223372036854775");
            }
        }
    }

    proptest! {
        #[test]
        fn dates_are_those_of_the_general_reading(
            day in "202[0-9]-[0-3][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]",
            ends in prop::collection::vec(":[0-6][0-9](\\.[0-9]{0,10})?(Z|z|\\+01:00|)", 1..4),
        ) {
            let mut last = LastMinute::default();
            for end in ends {
                let line = followed(&format!("{day}{end}"), "\"");
                if let Some((at, behind)) = date(line.as_bytes(), 0, &mut last) {
                    prop_assert_eq!(time::from_text(&line[..behind]), Some(at));
                }
            }
        }
    }

    #[test]
    fn the_next_date_is_of_the_same_minute_or_of_another() {
        let mut last = LastMinute::default();
        let mut at =
            |text: &str| date(followed(text, "\"").as_bytes(), 0, &mut last).map(|(time, end)| (time.0, end));
        let start = 1_795_352_640_000_000;
        assert_eq!(at("2026-11-22T13:04:05Z"), Some((start + 5_000_000, 20)));
        assert_eq!(at("2026-11-22T13:04:59.123Z"), Some((start + 59_123_000, 24)));
        assert_eq!(at("2026-11-22T13:04:00.123456789Z"), Some((start + 123_456, 30)));
        assert_eq!(at("2026-11-22T13:05:00Z"), Some((start + 60_000_000, 20)));
        for odd in [
            "",
            "2026-11-22T13:05:60Z",
            "2026-11-22T13:05:00",
            "2026-11-22T13:05:00.Z",
            "2026-11-22T13:05:0Z",
            "2026-11-22T13:05:00+01:00",
            "2026-13-22T13:05:00Z",
            "2026-11-22T13:05:00.1234567890Z",
            "1795352640",
        ] {
            assert_eq!(at(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_usual_is_usual() {
        let units = |text: &str, scale| amount(followed(text, "\"").as_bytes(), 0, scale);
        assert_eq!(
            (units("19.99", 2), units("7", 2), units("12345678.12345678", 9)),
            (Some((1999, 5)), Some((700, 1)), Some((12_345_678_123_456_780, 17)))
        );
        for odd in ["", ".5", "5.", "01", "-1", "123456789", "1.999"] {
            assert_eq!(units(odd, 2), None, "{odd}");
        }
        let at = |text: &str| stamp(followed(text, ",").as_bytes(), 0).map(|(time, end)| (time.0, end));
        assert_eq!(at("1795352645123000999"), Some((1_795_352_645_123_000, 19)));
        assert_eq!(at("1795352645123456"), Some((1_795_352_645_123_456, 16)));
        assert_eq!(at("1795352645123"), Some((1_795_352_645_123_000, 13)));
        assert_eq!(at("1795352645"), Some((1_795_352_645_000_000, 10)));
        assert_eq!(at("1795352645.1234567"), Some((1_795_352_645_123_456, 18)));
        for odd in ["", "12", "0795352645", "1795352645.", "1795352645123.5", "17953526451230009991"] {
            assert_eq!(at(odd), None, "{odd}");
        }
    }
}
