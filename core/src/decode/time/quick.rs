//! What nearly every sender writes: times as whole numbers, seconds with a fraction, RFC 3339 in UTC.
//!
//! In: a text. Out: its time, or `None`: then the general reading decides. Must not know: reasons.

use crate::model::{MICROS_PER_SECOND, TimeUs, plain_decimal, whole_number};

use super::{days_from_epoch, days_in, in_range};

const SECONDS_BELOW: u64 = (super::SECONDS_BELOW / 1_000_000) as u64;
const MILLIS_BELOW: u64 = (super::MILLIS_BELOW / 1_000_000) as u64;
const MICROS_BELOW: u64 = (super::MICROS_BELOW / 1_000_000) as u64;

/// Powers of ten that turn `n` digits behind a point into millionths.
const MILLIONTHS: [u64; 7] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// A number without sign and exponent. None of at most 19 digits lies beyond the year 9999.
#[inline]
pub(super) fn number(text: &[u8]) -> Option<TimeUs> {
    let micros = match whole_number(text) {
        Some(seconds) if seconds < SECONDS_BELOW => seconds * MILLIONTHS[0],
        Some(millis) if millis < MILLIS_BELOW => millis * 1000,
        Some(micros) if micros < MICROS_BELOW => micros,
        Some(nanos) => nanos / 1000,
        // In a time digits stand on both sides of the point.
        None if text.first() == Some(&b'.') || text.last() == Some(&b'.') => return None,
        None => {
            let (digits, behind_point) = plain_decimal(text)?;
            let micros = digits.checked_mul(*MILLIONTHS.get(behind_point as usize)?)?;
            (micros < SECONDS_BELOW * MILLIONTHS[0]).then_some(micros)?
        }
    };
    Some(TimeUs(micros as i64))
}

/// Nanoseconds from 1970 on: no digits of an `i64` lie beyond the years that are kept.
#[inline]
pub(super) fn nanos(text: &[u8]) -> Option<TimeUs> {
    let nanos = whole_number(text).filter(|&nanos| nanos <= i64::MAX as u64)?;
    Some(TimeUs((nanos / 1000) as i64))
}

/// `2026-11-22T13:04:05.123Z` with up to nine digits behind the point, or none.
#[inline]
pub(super) fn rfc3339(text: &[u8]) -> Option<TimeUs> {
    let (date, rest) = text.split_first_chunk::<8>()?;
    let (clock, rest) = rest.split_first_chunk::<8>()?;
    let [b':', tens, ones, rest @ .., b'Z'] = rest else { return None };
    let (date, clock) = (DATE.pairs(*date)?, CLOCK.pairs(*clock)?);
    let year = i64::from(date[0]) * 100 + i64::from(date[2]);
    let (month, day) = (i64::from(date[5]), i64::from(clock[0]));
    let (hour, minute) = (i64::from(clock[3]), i64::from(clock[6]));
    let second = i64::from(whole_number(&[*tens, *ones])? as u8);
    let on_calendar = (1..=12).contains(&month) && day >= 1 && (day <= 28 || day <= days_in(year, month));
    if !on_calendar || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = match rest {
        [] => 0,
        [b'.', digits @ ..] if digits.len() <= 6 => whole_number(digits)? * MILLIONTHS[digits.len()],
        [b'.', digits @ ..] if digits.len() <= 9 => whole_number(digits)? / MILLIONTHS[12 - digits.len()],
        _ => return None,
    };
    let seconds = days_from_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    in_range(i128::from(seconds * MICROS_PER_SECOND) + i128::from(micros))
}

/// What eight bytes must look like: a digit where `shape` has `0`, itself elsewhere.
struct Shape {
    bytes: u64,
    /// What a byte may not have once `carry` is added.
    refused: u64,
    carry: u64,
}

const DATE: Shape = Shape::new(b"0000-00-");
const CLOCK: Shape = Shape::new(b"00T00:00");

impl Shape {
    const fn new(shape: &[u8; 8]) -> Shape {
        let (mut refused, mut carry, mut at) = (0, 0, 8);
        while at > 0 {
            at -= 1;
            let digit = shape[at] == b'0';
            refused = refused << 8 | if digit { 0xf0 } else { 0xff };
            carry = carry << 8 | if digit { 6 } else { 0 };
        }
        Shape { bytes: u64::from_le_bytes(*shape), refused, carry }
    }

    /// At the place of each pair of digits, the number that the pair is.
    #[inline]
    fn pairs(&self, text: [u8; 8]) -> Option<[u8; 8]> {
        let digits = u64::from_le_bytes(text) ^ self.bytes;
        // A carry can only come out of a byte that is refused by itself.
        let refused = (digits | digits.wrapping_add(self.carry)) & self.refused;
        (refused == 0).then(|| (digits * 10).wrapping_add(digits >> 8).to_le_bytes())
    }
}
