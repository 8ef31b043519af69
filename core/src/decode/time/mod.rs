//! Times as they stand in lines: numbers told apart by their size, RFC 3339 text, line protocol.

mod quick;

use crate::model::{MICROS_PER_SECOND, TimeUs};

/// Years 0000 to 9999: what can be written back as RFC 3339.
const EARLIEST_US: i128 = -62_167_219_200_000_000;
const LATEST_US: i128 = 253_402_207_199_999_999;

/// Millionths of a number below which it counts seconds, milliseconds, microseconds.
const SECONDS_BELOW: u128 = 100_000_000_000 * 1_000_000;
const MILLIS_BELOW: u128 = 100_000_000_000_000 * 1_000_000;
const MICROS_BELOW: u128 = 100_000_000_000_000_000 * 1_000_000;

/// What a number without further word counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// Nanoseconds: line protocol's default.
    #[default]
    Nanos,
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
}

/// Reads RFC 3339 with an offset, or a number as text.
pub fn from_text(text: &str) -> Option<TimeUs> {
    let bytes = text.as_bytes();
    if bytes.len() >= 20 && bytes[4] == b'-' {
        quick::rfc3339(bytes).or_else(|| rfc3339(bytes))
    } else {
        from_number(text)
    }
}

/// Reads a number of seconds, milliseconds, microseconds or nanoseconds, told apart by size:
/// below 10^11, 10^14, 10^17, and above. Below a microsecond it rounds down.
pub(super) fn from_number(text: &str) -> Option<TimeUs> {
    quick::number(text.as_bytes()).or_else(|| number(text.as_bytes()))
}

/// Reads a whole number of `unit`s.
pub(super) fn from_units(text: &str, unit: TimeUnit) -> Option<TimeUs> {
    let quick = if unit == TimeUnit::Nanos { quick::nanos(text.as_bytes()) } else { None };
    quick.or_else(|| units(text, unit))
}

fn units(text: &str, unit: TimeUnit) -> Option<TimeUs> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count = i128::from(text.parse::<i64>().ok()?);
    in_range(match unit {
        TimeUnit::Nanos => count.div_euclid(1000),
        TimeUnit::Micros => count,
        TimeUnit::Millis => count * 1000,
        TimeUnit::Seconds => count * i128::from(MICROS_PER_SECOND),
        TimeUnit::Minutes => count * i128::from(MICROS_PER_SECOND) * 60,
        TimeUnit::Hours => count * i128::from(MICROS_PER_SECOND) * 3600,
    })
}

fn in_range(micros: i128) -> Option<TimeUs> {
    (EARLIEST_US..=LATEST_US).contains(&micros).then_some(TimeUs(micros as i64))
}

fn number(text: &[u8]) -> Option<TimeUs> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let millionths = millionths(digits)?;
    let per_micro = match millionths {
        m if m < SECONDS_BELOW => 1,
        m if m < MILLIS_BELOW => 1_000,
        m if m < MICROS_BELOW => 1_000_000,
        _ => 1_000_000_000,
    };
    let signed =
        if negative { -(i128::try_from(millionths).ok()?) } else { i128::try_from(millionths).ok()? };
    in_range(signed.div_euclid(per_micro))
}

/// An unsigned decimal times 10^6, rounded down: digits, an optional fraction, an optional exponent.
fn millionths(text: &[u8]) -> Option<u128> {
    if text.len() <= 20 && !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
        return Some(text.iter().fold(0u128, |sum, b| sum * 10 + u128::from(b - b'0')) * 1_000_000);
    }
    let end = text.iter().position(|b| b.eq_ignore_ascii_case(&b'e')).unwrap_or(text.len());
    let (mantissa, fraction_digits) = mantissa(&text[..end])?;
    let exponent = if end == text.len() { 0 } else { exponent(&text[end + 1..])? };
    let power = exponent - i64::from(fraction_digits) + 6;
    if mantissa == 0 {
        return Some(0);
    }
    let factor = u32::try_from(power.unsigned_abs()).ok().and_then(|p| 10u128.checked_pow(p));
    if power >= 0 { mantissa.checked_mul(factor?) } else { Some(factor.map_or(0, |f| mantissa / f)) }
}

/// The digits of `12.345` as a whole number, and how many stood behind the point. Digits of the
/// fraction beyond the thirtieth are dropped.
fn mantissa(text: &[u8]) -> Option<(u128, u32)> {
    const ROOM: u128 = 10u128.pow(30);
    let point = text.iter().position(|&b| b == b'.').unwrap_or(text.len());
    let (whole, fraction) = (&text[..point], text.get(point + 1..));
    if whole.is_empty() || fraction.is_some_and(<[u8]>::is_empty) {
        return None;
    }
    let mut value = 0u128;
    for &byte in whole {
        value = if byte.is_ascii_digit() && value < ROOM {
            value * 10 + u128::from(byte - b'0')
        } else {
            return None;
        };
    }
    let mut kept = 0;
    for &byte in fraction.unwrap_or_default() {
        if !byte.is_ascii_digit() {
            return None;
        }
        if value < ROOM {
            value = value * 10 + u128::from(byte - b'0');
            kept += 1;
        }
    }
    Some((value, kept))
}

fn exponent(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text.split_first()? {
        (b'-', rest) => (-1, rest),
        (b'+', rest) => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(sign * digits.iter().fold(0i64, |sum, b| (sum * 10 + i64::from(b - b'0')).min(100_000)))
}

/// `2026-11-22T13:04:05.123+01:00`: also with lower-case `t` and `z`, a space for the `T`, any number
/// of fraction digits (cut at microseconds), and second 60, which is the last microsecond of its minute.
fn rfc3339(text: &[u8]) -> Option<TimeUs> {
    let head: &[u8; 19] = text.first_chunk()?;
    let separators = head[7] == b'-' && head[13] == b':' && head[16] == b':';
    if !separators || !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = two(head, 0)? * 100 + two(head, 2)?;
    let (month, day) = (two(head, 5)?, two(head, 8)?);
    let (hour, minute, second) = (two(head, 11)?, two(head, 14)?, two(head, 17)?);
    let on_clock = hour < 24 && minute < 60 && second <= 60;
    if !on_clock || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let (fraction_us, zone) = fraction(&text[19..])?;
    let seconds =
        days_from_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset_s(zone)?;
    let micros = if second == 60 { -1 } else { fraction_us };
    in_range(i128::from(seconds * MICROS_PER_SECOND + micros))
}

fn two(text: &[u8], at: usize) -> Option<i64> {
    let (tens, ones) = (text.get(at)?, text.get(at + 1)?);
    (tens.is_ascii_digit() && ones.is_ascii_digit())
        .then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

/// The microseconds of `.123456…`, and what follows them.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else { return Some((0, text)) };
    let count = digits.iter().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
    let kept = &digits[..count.min(6)];
    let micros =
        kept.iter().fold(0, |sum, b| sum * 10 + i64::from(b - b'0')) * 10i64.pow(6 - kept.len() as u32);
    (count > 0).then_some((micros, &digits[count..]))
}

/// Seconds east of UTC of `Z`, `z` or `+hh:mm`.
fn offset_s(zone: &[u8]) -> Option<i64> {
    let sign = match zone {
        b"Z" | b"z" => return Some(0),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (two(zone, 1)?, two(zone, 4)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that
/// the leap day comes last; 719,468 days lie between 0000-03-01 and 1970-01-01.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_told_apart_by_size() {
        let at = Some(TimeUs(1_795_352_645_123_000));
        for text in
            ["1795352645.123", "1795352645123", "1795352645123000", "1795352645123000999", "1.795352645123e9"]
        {
            assert_eq!(from_number(text), at, "{text}");
        }
        assert_eq!(from_number("0"), Some(TimeUs(0)));
        assert_eq!(from_number("-0"), Some(TimeUs(0)));
        assert_eq!(from_number("-1.5"), Some(TimeUs(-1_500_000)));
        assert_eq!(from_number("99999999999"), Some(TimeUs(99_999_999_999_000_000)));
        assert_eq!(from_number("100000000000"), Some(TimeUs(100_000_000_000_000)));
        assert_eq!(from_number("99999999999999"), Some(TimeUs(99_999_999_999_999_000)));
        assert_eq!(from_number("100000000000000"), Some(TimeUs(100_000_000_000_000)));
        assert_eq!(from_number("99999999999999999"), Some(TimeUs(99_999_999_999_999_999)));
        assert_eq!(from_number("100000000000000000"), Some(TimeUs(100_000_000_000_000)));
        assert_eq!(from_number("9223372036854775807"), Some(TimeUs(9_223_372_036_854_775)));
        assert_eq!(from_number("1e-9"), Some(TimeUs(0)));
        assert_eq!(from_number("0e999999999999999999999"), Some(TimeUs(0)));
    }

    #[test]
    fn what_is_no_number_or_out_of_range_is_no_time() {
        for text in
            ["", "-", "1e308", "1e29", "1.", ".5", "+5", "1e", "NaN", "0x10", "1 ", "12a", "--1", "1..2"]
        {
            assert_eq!(from_text(text), None, "{text}");
        }
        assert_eq!(from_number(&"9".repeat(5000)), None);
        assert_eq!(from_number(&format!("1.{}", "9".repeat(5000))), Some(TimeUs(1_999_999)));
    }

    #[test]
    fn reads_rfc3339() {
        let base = 1_795_352_645_000_000;
        for (text, micros) in [
            ("2026-11-22T13:04:05Z", base),
            ("2026-11-22t13:04:05z", base),
            ("2026-11-22 13:04:05Z", base),
            ("2026-11-22T13:04:05.1Z", base + 100_000),
            ("2026-11-22T13:04:05.123456789Z", base + 123_456),
            ("2026-11-22T13:04:05.9999999999999Z", base + 999_999),
            ("2026-11-22T14:04:05+01:00", base),
            ("2026-11-22T07:34:05-05:30", base),
            ("2026-11-22T13:04:05-00:00", base),
            ("1969-12-31T23:59:59.5Z", -500_000),
            ("1970-01-01T00:00:00Z", 0),
            ("2100-03-01T00:00:00Z", 4_107_542_400_000_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000_000),
            ("2016-12-31T23:59:60Z", 1_483_228_799_999_999),
            ("2016-12-31T23:59:60.5Z", 1_483_228_799_999_999),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000_000),
        ] {
            assert_eq!(from_text(text), Some(TimeUs(micros)), "{text}");
        }
    }

    #[test]
    fn refuses_dates_that_do_not_exist_and_times_without_offset() {
        for text in [
            "2026-11-22T13:04:05",
            "2026-11-22T13:04:05.Z",
            "2026-11-22T13:04:05+0100",
            "2026-11-22T13:04:05+24:00",
            "2026-11-22T13:04:05 Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T13:60:00Z",
            "2026-11-22T13:04:61Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "2026/11/22T13:04:05Z",
            "+2026-11-22T13:04:05Z",
            "2026-11-22T13:04:05Zjunk",
        ] {
            assert_eq!(from_text(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_quick_readings_say_what_the_general_ones_say(
            text in "[0-9]{1,20}|[0-9]{1,12}\\.[0-9]{0,9}|-?[0-9.eE+-]{0,20}",
            date in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,12})?[Zz]",
            usual in "20[0-9]{2}-0[1-9]-(0[1-9]|[12][0-9])T[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{3})?Z",
            (at, byte) in (0usize..30, any::<u8>()),
        ) {
            for text in [text, date, usual] {
                let mut bytes = text.into_bytes();
                for broken in [false, true] {
                    if let Some(place) = bytes.get_mut(at).filter(|_| broken) {
                        *place = byte & 0x7f;
                    }
                    let text = std::str::from_utf8(&bytes).unwrap();
                    prop_assert_eq!(from_number(text), number(&bytes));
                    prop_assert_eq!(from_units(text, TimeUnit::Nanos), units(text, TimeUnit::Nanos));
                    prop_assert!(quick::rfc3339(&bytes).is_none_or(|time| rfc3339(&bytes) == Some(time)), "{}", text);
                }
            }
        }
    }

    #[test]
    fn days_agree_with_jiff_on_every_day_of_four_centuries() {
        let mut date = jiff::civil::date(1800, 1, 1);
        let mut days = date.since(jiff::civil::date(1970, 1, 1)).unwrap().get_days() as i64;
        while date < jiff::civil::date(2210, 1, 1) {
            let (y, m, d) = (i64::from(date.year()), i64::from(date.month()), i64::from(date.day()));
            assert_eq!(days_from_epoch(y, m, d), days, "{date}");
            assert!(d <= days_in(y, m));
            date = date.tomorrow().unwrap();
            days += 1;
        }
    }

    #[test]
    fn line_protocol_times_are_whole_numbers_of_their_unit() {
        assert_eq!(from_units("1795352645123000999", TimeUnit::Nanos), Some(TimeUs(1_795_352_645_123_000)));
        assert_eq!(from_units("-1", TimeUnit::Nanos), Some(TimeUs(-1)));
        assert_eq!(from_units("9223372036854775807", TimeUnit::Nanos), Some(TimeUs(9_223_372_036_854_775)));
        assert_eq!(from_units("5", TimeUnit::Micros), Some(TimeUs(5)));
        assert_eq!(from_units("5", TimeUnit::Millis), Some(TimeUs(5000)));
        assert_eq!(from_units("5", TimeUnit::Seconds), Some(TimeUs(5_000_000)));
        assert_eq!(from_units("5", TimeUnit::Minutes), Some(TimeUs(300_000_000)));
        assert_eq!(from_units("-5", TimeUnit::Hours), Some(TimeUs(-18_000_000_000)));
        for text in ["", "-", "+5", "1.5", "9223372036854775808", "1e9"] {
            assert_eq!(from_units(text, TimeUnit::Nanos), None, "{text}");
        }
        assert_eq!(from_units("9223372036854775807", TimeUnit::Seconds), None);
    }
}
