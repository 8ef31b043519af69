//! `[detect]`: the false-alarm budget.

use super::checked::DetectConfig;
use super::written::{Item, Section};

/// Units with how many of them a week has.
const PER_WEEK: [(&str, f64); 5] =
    [("hour", 168.0), ("day", 7.0), ("week", 1.0), ("month", 7.0 / 30.436_875), ("year", 7.0 / 365.2425)];

/// Reads `[detect]`.
pub(super) fn read(section: &Section<'_>) -> DetectConfig {
    let false_alarms_per_week = section.get("false_alarms").and_then(|item| budget(&item)).unwrap_or(1.0);
    section.finish();
    DetectConfig { false_alarms_per_week }
}

fn budget(item: &Item<'_>) -> Option<f64> {
    let hint = "write false_alarms = \"1 per week\", \"0.5 per day\", \"9 per week\"";
    let Some(text) = item.as_text() else {
        return item.wrong_type("a rate in quotes", "false_alarms = \"1 per week\"");
    };
    let Some(per_week) = parse_rate(text) else {
        item.error(format!("{text:?} is no rate of false alarms"), hint);
        return None;
    };
    if !(0.001..=10_000.0).contains(&per_week) {
        item.error(format!("{text:?} is out of bounds"), "allowed: 0.001 to 10000 per week");
        return None;
    }
    Some(per_week)
}

/// `"0.5 per day"` per week.
fn parse_rate(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace();
    let number = words.next()?;
    let plain = number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let number: f64 = number.parse().ok().filter(|_| plain)?;
    let (per, unit) = (words.next()?, words.next()?);
    let (_, weekly) = PER_WEEK.iter().find(|(name, _)| *name == unit)?;
    (per == "per" && words.next().is_none()).then_some(number * weekly)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_week() {
        assert_eq!(parse_rate("1 per week"), Some(1.0));
        assert_eq!(parse_rate("0.5 per day"), Some(3.5));
        assert_eq!(parse_rate("9  per  week"), Some(9.0));
        for text in [
            "",
            "1",
            "1 week",
            "one per week",
            "1 per fortnight",
            "-1 per week",
            "NaN per day",
            "1 per week x",
        ] {
            assert_eq!(parse_rate(text), None, "{text}");
        }
    }
}
