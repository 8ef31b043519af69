//! Durations as people write them: `"250ms"`, `"30s"`, `"5m"`, `"1h30m"`, `"7d"`.

/// Units, longest first, with their microseconds.
const UNITS: [(&str, i64); 7] = [
    ("w", 604_800_000_000),
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// Microseconds of a duration: whole numbers, each with a unit (w, d, h, m, s, ms, us), without spaces.
///
/// # Errors
/// What is wrong with the text, as half a sentence.
pub fn parse_duration_us(text: &str) -> Result<i64, String> {
    let mut rest = text;
    let mut sum = 0i64;
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return Err(format!("{text:?} is no duration"));
        }
        let after = &rest[digits..];
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let unit_us = unit_us(&after[..letters], text)?;
        let part = rest[..digits].parse::<i64>().ok().and_then(|n| n.checked_mul(unit_us));
        sum = part.and_then(|p| sum.checked_add(p)).ok_or_else(|| format!("{text:?} is far too long"))?;
        rest = &after[letters..];
    }
    Ok(sum)
}

fn unit_us(unit: &str, text: &str) -> Result<i64, String> {
    match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, us)) => Ok(*us),
        None if unit.is_empty() => Err(format!("{text:?} lacks a unit")),
        None => Err(format!("{text:?} has the unknown unit {unit:?}")),
    }
}

/// The exact text of a duration, in days at most: 5,400,000,000 µs is `1h30m`, zero is `0s`.
pub fn duration_text(us: i64) -> String {
    let mut rest = us.unsigned_abs();
    let mut out = String::from(if us < 0 { "-" } else { "" });
    for (name, unit_us) in UNITS.into_iter().skip(1) {
        let unit_us = unit_us.unsigned_abs();
        if rest >= unit_us {
            out.push_str(&format!("{}{name}", rest / unit_us));
            rest %= unit_us;
        }
    }
    if us == 0 { "0s".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, us) in [
            ("30s", 30_000_000),
            ("5m", 300_000_000),
            ("7d", 604_800_000_000),
            ("1h30m", 5_400_000_000),
            ("250ms", 250_000),
            ("1w", 604_800_000_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration_us(text), Ok(us), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", "s", "5", "5 m", "1.5h", "-5m", "5min", "5m ", "h5", "99999999999999w", "5M"] {
            assert!(parse_duration_us(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_and_value_agree(us in 0i64..10_000_000_000_000) {
            prop_assert_eq!(parse_duration_us(&duration_text(us)), Ok(us));
        }

        #[test]
        fn arbitrary_text_is_answered(text in "\\PC{0,20}|[0-9wdhmsu]{0,30}") {
            let _ = parse_duration_us(&text);
        }
    }
}
