//! What a counter's values and its sample rate make of it: events, in millionths.

use crate::model::{DecimalError, Reason, Weight, parse_decimal, plain_decimal};

/// Digits behind the point that values are added up with: exact for what clients print.
const VALUE_DIGITS: u8 = 15;
/// Digits for values that have no room for so many (from 1,000).
const LARGE_VALUE_DIGITS: u8 = 8;
/// Digits behind the point of a rate.
const RATE_DIGITS: u8 = 17;

/// Σ values ÷ rate in millionths, rounded to the nearest, halves up. All of it in integers.
///
/// # Errors
/// `BadSyntax` for what is no number, `BadValue` for numbers that are negative or too large, and for
/// rates outside of (0, 1].
#[inline]
pub(super) fn weight(values: &str, rate: Option<&str>) -> Result<Weight, Reason> {
    match (values, rate) {
        ("1", None) => Ok(Weight::ONE),
        _ => {
            usual(values.as_bytes(), rate.map_or(b"1", str::as_bytes)).map_or_else(|| exact(values, rate), Ok)
        }
    }
}

/// One plain value and a plain rate, small enough for machine words: the same sum as [`exact`] does. A
/// millionth of the value, times the rate's power of ten, is whole; halving an odd rate down moves no
/// quotient across a whole number.
fn usual(value: &[u8], rate: &[u8]) -> Option<Weight> {
    let ((value, behind_point), (rate, rate_digits)) = (plain_decimal(value)?, plain_decimal(rate)?);
    let one = 10u64.pow(rate_digits);
    if rate == 0 || rate > one {
        return None;
    }
    let millionths = value.checked_mul(10u64.pow(6u32.checked_sub(behind_point)?))?;
    let scaled = millionths.checked_mul(one)?;
    let weight = i64::try_from(scaled.checked_add(rate / 2)? / rate).ok()?;
    (weight <= Weight::MAX_LINE.0).then_some(Weight(weight))
}

/// [`weight`] without the short way: what that is held to.
#[inline(never)]
pub(super) fn exact(values: &str, rate: Option<&str>) -> Result<Weight, Reason> {
    let mut sum = 0i128;
    for value in values.split(':') {
        sum += counter_value(value)?;
    }
    let rate = rate.map_or(Ok(10i128.pow(RATE_DIGITS.into())), sample_rate)?;
    let most = i128::from(Weight::MAX_LINE.0) * 10i128.pow(u32::from(VALUE_DIGITS) - 6);
    if sum > most {
        return Err(Reason::BadValue);
    }
    let scaled = sum * 10i128.pow(u32::from(RATE_DIGITS + 6 - VALUE_DIGITS));
    let weight = (scaled + rate / 2) / rate;
    i64::try_from(weight).ok().filter(|&w| w <= Weight::MAX_LINE.0).map(Weight).ok_or(Reason::BadValue)
}

/// A value that is not negative, as an integer at [`VALUE_DIGITS`].
fn counter_value(text: &str) -> Result<i128, Reason> {
    let precise = parse_decimal(text.as_bytes(), VALUE_DIGITS).map(i128::from);
    let value = match precise {
        Err(DecimalError::Overflow) => {
            let factor = 10i128.pow(u32::from(VALUE_DIGITS - LARGE_VALUE_DIGITS));
            parse_decimal(text.as_bytes(), LARGE_VALUE_DIGITS).map(|value| i128::from(value) * factor)
        }
        other => other,
    };
    match value {
        Ok(value) if value >= 0 => Ok(value),
        Ok(_) | Err(DecimalError::Overflow) => Err(Reason::BadValue),
        Err(DecimalError::Malformed) => Err(Reason::BadSyntax),
    }
}

/// A rate in (0, 1] as an integer at [`RATE_DIGITS`].
fn sample_rate(text: &str) -> Result<i128, Reason> {
    match parse_decimal(text.as_bytes(), RATE_DIGITS).map(i128::from) {
        Ok(rate) if rate > 0 && rate <= 10i128.pow(RATE_DIGITS.into()) => Ok(rate),
        Ok(_) | Err(DecimalError::Overflow) => Err(Reason::BadValue),
        Err(DecimalError::Malformed) => Err(Reason::BadSyntax),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_usual_sum_is_the_general_one(
            value in "[0-9]{1,10}|[0-9]{0,10}\\.[0-9]{0,7}|[0-9.:-]{0,9}",
            rate in "0?\\.[0-9]{0,7}|1|0\\.[0-9]|[01]\\.[01]{1,3}|[0-9.e-]{0,5}",
        ) {
            prop_assert_eq!(weight(&value, Some(&rate)), exact(&value, Some(&rate)));
            prop_assert_eq!(weight(&value, None), exact(&value, None));
        }
    }
}
