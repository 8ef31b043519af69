//! Counts, money and shares in words.

/// A lower end of a band below this part of the upper one is said in a unit of its own.
const FAR_BELOW: f64 = 0.1;

/// A count that need not be exact: `12`, `0.8`, `540`, `2.1k`, `391k`, `1.2M`.
pub fn count(value: f64) -> String {
    let (scaled, unit, _) = unit_of(value.abs());
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{}{unit}", digits(scaled, unit.is_empty()))
}

/// A magnitude in its unit, the unit, and how much that is.
fn unit_of(magnitude: f64) -> (f64, &'static str, f64) {
    let (unit, each) = match magnitude {
        m if m >= 999_500_000.0 => ("G", 1e9),
        m if m >= 999_500.0 => ("M", 1e6),
        m if m >= 999.5 => ("k", 1e3),
        _ => ("", 1.0),
    };
    (magnitude / each, unit, each)
}

/// A running total that nobody needs exactly, at two digits: `2.1k`, `41k`.
pub fn rough(value: f64) -> String {
    if value.abs() < 100.0 {
        return count(value.round());
    }
    let unit = 10f64.powi(value.abs().log10().floor() as i32 - 1);
    count((value / unit).round() * unit)
}

/// One decimal where it says something: below 10 for plain numbers, below 100 for k, M and G.
fn digits(scaled: f64, plain: bool) -> String {
    let with_decimal = if plain { scaled < 9.95 } else { scaled < 99.95 };
    let text = if with_decimal { format!("{scaled:.1}") } else { format!("{scaled:.0}") };
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// An exact count with thousand separators: `18,204`.
pub fn exact(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `498-585`, `19.4-20.8k`, `1.01-1.14k`: both ends in one unit, which is said once, and with so many decimals
/// that they can be told apart.
pub fn band(low: f64, high: f64) -> String {
    let (_, unit, each) = unit_of(high.abs());
    if unit.is_empty() || low < FAR_BELOW * high {
        return format!("{}-{}", count(low), count(high));
    }
    let (low, high) = (low / each, high / each);
    let fewest = usize::from(high < 99.95);
    let step = |decimals: &usize| 0.1f64.powi(*decimals as i32);
    let decimals = (fewest..3).find(|decimals| 2.0 * step(decimals) <= high - low).unwrap_or(3);
    // Where not even three decimals tell them apart more would be noise.
    let decimals = if step(&3) <= high - low { decimals } else { fewest };
    format!("{low:.decimals$}-{high:.decimals$}{unit}")
}

/// How far `observed` is below `expected`, as `-98 %`. Only nothing at all is `-100 %`.
pub fn percent_down(observed: f64, expected: f64) -> String {
    if expected <= 0.0 {
        return "0 %".to_owned();
    }
    let percent = (100.0 * (observed / expected - 1.0)).round();
    let percent = if observed > 0.0 { percent.max(-99.0) } else { percent };
    if percent > 0.0 { format!("+{percent} %") } else { format!("{} %", percent + 0.0) }
}

/// A fraction as `96 %`, `99.8 %`; only 1 is `100 %`.
pub fn share(fraction: f64) -> String {
    let percent = 100.0 * fraction;
    let text = if percent > 99.0 && percent < 100.0 {
        format!("{:.1}", percent.min(99.9))
    } else if percent > 0.0 && percent < 1.0 {
        format!("{:.1}", percent.max(0.1))
    } else {
        format!("{percent:.0}")
    };
    format!("{text} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short() {
        let words = [0.0, 0.84, 9.0, 12.0, 540.2, 999.4, 999.6, 2110.0, 20_100.0, 391_200.0, 1.21e6, -528.0];
        let words: Vec<String> = words.into_iter().map(count).collect();
        assert_eq!(
            words,
            ["0", "0.8", "9", "12", "540", "999", "1k", "2.1k", "20.1k", "391k", "1.2M", "-528"]
        );
        let rough: Vec<String> =
            [0.0, 7.4, 138.0, 2110.0, 41_200.0, 391_200.0].into_iter().map(rough).collect();
        assert_eq!(rough, ["0", "7", "140", "2.1k", "41k", "390k"]);
        assert_eq!(exact(18_204), "18,204");
        assert_eq!(exact(7), "7");
    }

    #[test]
    fn bands_say_the_unit_once() {
        assert_eq!(band(498.0, 585.0), "498-585");
        assert_eq!(band(19_400.0, 20_800.0), "19.4-20.8k");
        assert_eq!(band(900.0, 1_200.0), "0.9-1.2k");
        assert_eq!(band(90.0, 1_200.0), "90-1.2k");
    }

    #[test]
    fn ends_of_a_band_can_be_told_apart() {
        assert_eq!(band(1_011.0, 1_143.0), "1.01-1.14k");
        assert_eq!(band(20_000.0, 20_320.0), "20.0-20.3k");
        assert_eq!(band(303_860.0, 324_264.0), "304-324k");
        assert_eq!(band(999_600.0, 1_003_000.0), "1.000-1.003M");
        assert_eq!(band(2e6, 2e6), "2.0-2.0M");
    }

    #[test]
    fn percents_do_not_overstate() {
        assert_eq!(percent_down(12.0, 540.0), "-98 %");
        assert_eq!(percent_down(1.0, 5400.0), "-99 %");
        assert_eq!(percent_down(0.0, 540.0), "-100 %");
        assert_eq!(percent_down(540.0, 540.0), "0 %");
        assert_eq!(share(0.9999), "99.9 %");
        assert_eq!(share(1.0), "100 %");
        assert_eq!(share(0.04), "4 %");
        assert_eq!(share(0.0001), "0.1 %");
    }
}
