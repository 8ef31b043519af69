//! Fixed point: money in minor units, weights in millionths, and the one decimal parser for both.

use super::digits::{POWERS, plain_decimal};

/// A cell of a sum never leaves ±(10^18 − 1), so that it fits `decimal(18, scale)`.
pub const MAX_CELL: i64 = 999_999_999_999_999_999;

/// An amount in minor units of its stream's scale (cents at scale 2). Its currency stands beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub i64);

impl Money {
    /// The sum, or `None` when it would leave the range of a cell.
    pub fn checked_add(self, other: Money) -> Option<Money> {
        let sum = self.0.checked_add(other.0)?;
        (sum.abs() <= MAX_CELL).then_some(Money(sum))
    }

    /// The amount in major units, for figures people read; never for counting.
    pub fn to_major(self, scale: u8) -> f64 {
        self.0 as f64 / 10f64.powi(i32::from(scale))
    }
}

/// How many events a line stands for, in millionths: 1 for most, `value ÷ rate` for StatsD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(pub i64);

impl Weight {
    /// One event.
    pub const ONE: Weight = Weight(1_000_000);
    /// Weights in a whole event.
    pub const SCALE: i64 = 1_000_000;
    /// The largest weight of one line: 10^9 events.
    pub const MAX_LINE: Weight = Weight(1_000_000_000 * Self::SCALE);

    /// The sum; weights saturate, which takes 9 × 10^12 events in one cell.
    pub fn plus(self, other: Weight) -> Weight {
        Weight(self.0.saturating_add(other.0))
    }

    /// Whole events, rounded half up; the remainder is `self − rounded`.
    pub fn rounded(self) -> i64 {
        (self.0 + Self::SCALE / 2).div_euclid(Self::SCALE)
    }
}

/// Why a text is no decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a decimal number.
    #[error("not a decimal number")]
    Malformed,
    /// Beyond ±(10^18 − 1) at this scale.
    #[error("too large: beyond 18 digits at this scale")]
    Overflow,
}

/// Reads a decimal (`-12.345`, `1e3`, `+.5`) as an integer at `scale` digits, exactly; digits beyond
/// `scale` round half away from zero. No float is involved.
///
/// # Errors
/// [`DecimalError::Malformed`] for anything but an optional sign, digits with at most one point and
/// an optional exponent; [`DecimalError::Overflow`] beyond ±(10^18 − 1).
#[inline]
pub fn parse_decimal(text: &[u8], scale: u8) -> Result<i64, DecimalError> {
    let (negative, unsigned) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    match short_and_exact(unsigned, scale) {
        Some(magnitude) => Ok(if negative { -magnitude } else { magnitude }),
        None => any_decimal(negative, unsigned, scale),
    }
}

/// What most amounts are: at most 17 bytes, no exponent, no digit beyond `scale`, within a cell.
#[inline]
fn short_and_exact(unsigned: &[u8], scale: u8) -> Option<i64> {
    let (digits, behind_point) = plain_decimal(unsigned)?;
    let power = u32::from(scale).checked_sub(behind_point)?;
    let magnitude = digits.checked_mul(*POWERS.get(power as usize)?)?;
    i64::try_from(magnitude).ok().filter(|&magnitude| magnitude <= MAX_CELL)
}

/// The general reading of an unsigned text, which decides whatever the short one leaves open.
fn any_decimal(negative: bool, unsigned: &[u8], scale: u8) -> Result<i64, DecimalError> {
    let (mantissa, exponent) = split_exponent(unsigned)?;
    let magnitude = scaled(mantissa, exponent.saturating_add(i64::from(scale)))?;
    Ok(if negative { -magnitude } else { magnitude })
}

/// Splits `1.5e-3` into its mantissa text and exponent (0 if there is none).
fn split_exponent(text: &[u8]) -> Result<(&[u8], i64), DecimalError> {
    let Some(at) = text.iter().position(|b| b.eq_ignore_ascii_case(&b'e')) else {
        return Ok((text, 0));
    };
    let digits = &text[at + 1..];
    let (sign, digits) = match digits.split_first() {
        Some((b'-', rest)) => (-1, rest),
        Some((b'+', rest)) => (1, rest),
        _ => (1, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::Malformed);
    }
    // Four digits of exponent are far beyond any range kept here.
    let value = digits.iter().fold(0i64, |sum, b| (sum * 10 + i64::from(b - b'0')).min(100_000));
    Ok((&text[..at], sign * value))
}

/// The digits of `mantissa` times 10^`power`, rounded half away from zero to an integer.
fn scaled(mantissa: &[u8], power: i64) -> Result<i64, DecimalError> {
    let mut value: i64 = 0;
    let mut point: Option<usize> = None;
    let mut digits = 0usize;
    let whole_digits = mantissa.iter().position(|&b| b == b'.').unwrap_or(mantissa.len()) as i64;
    let keep = whole_digits.saturating_add(power); // digits that stand before the rounding place
    for (at, &byte) in mantissa.iter().enumerate() {
        if byte == b'.' && point.is_none() {
            point = Some(at);
            continue;
        }
        if !byte.is_ascii_digit() {
            return Err(DecimalError::Malformed);
        }
        let digit = i64::from(byte - b'0');
        if (digits as i64) < keep {
            value = push_digit(value, digit)?;
        } else if digits as i64 == keep && digit >= 5 {
            value += 1;
        }
        digits += 1;
    }
    if digits == 0 {
        return Err(DecimalError::Malformed);
    }
    for _ in digits as i64..keep {
        if value == 0 {
            break;
        }
        value = push_digit(value, 0)?;
    }
    if value > MAX_CELL { Err(DecimalError::Overflow) } else { Ok(value) }
}

fn push_digit(value: i64, digit: i64) -> Result<i64, DecimalError> {
    if value > MAX_CELL / 10 { Err(DecimalError::Overflow) } else { Ok(value * 10 + digit) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cents(text: &str) -> Result<i64, DecimalError> {
        parse_decimal(text.as_bytes(), 2)
    }

    #[test]
    fn reads_exact_decimals() {
        for (text, want) in [
            ("19.99", 1999),
            ("0", 0),
            ("-0.005", -1),
            ("0.005", 1),
            ("0.0049", 0),
            ("1e3", 100_000),
            ("1.5E-1", 15),
            (".5", 50),
            ("5.", 500),
            ("+7", 700),
            ("0.995", 100),
            ("1e-9", 0),
            ("9999999999999999.99", 999_999_999_999_999_999),
            ("0e999999", 0),
        ] {
            assert_eq!(cents(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_decimal() {
        for text in ["", "-", ".", "1.2.3", "1e", "1e+", "0x10", "NaN", "inf", "1 ", "1_000", "--1"] {
            assert_eq!(cents(text), Err(DecimalError::Malformed), "{text}");
        }
        for text in ["1e308", "10000000000000000", "9999999999999999.995", "123456789012345678901"] {
            assert_eq!(cents(text), Err(DecimalError::Overflow), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_short_reading_says_what_the_general_one_says(
            text in "[+-]?[0-9]{0,12}\\.?[0-9]{0,8}|[0-9.eE+-]{0,20}",
            scale in 0u8..20,
        ) {
            let (negative, unsigned) = (text.starts_with('-'), text.strip_prefix(['+', '-']));
            let general = any_decimal(negative, unsigned.unwrap_or(&text).as_bytes(), scale);
            prop_assert_eq!(parse_decimal(text.as_bytes(), scale), general);
        }
    }

    #[test]
    fn weights_round_half_up() {
        assert_eq!(Weight(1_499_999).rounded(), 1);
        assert_eq!(Weight(1_500_000).rounded(), 2);
        assert_eq!(Weight(-400_000).rounded(), 0);
    }
}
