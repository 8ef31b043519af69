//! The goals for speed: what must be reached, and what is aimed at.

/// A bound of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    /// The figure may not be above.
    AtMost(f64),
    /// The figure may not be below.
    AtLeast(f64),
}

/// A goal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    /// Its number; a letter where one goal has several figures.
    pub(super) id: &'static str,
    /// What is measured.
    pub(super) what: &'static str,
    pub(super) must: Bound,
    pub(super) aim: Bound,
}

const fn at_most(id: &'static str, what: &'static str, must: f64, aim: f64) -> Goal {
    Goal { id, what, must: Bound::AtMost(must), aim: Bound::AtMost(aim) }
}

/// Every goal, in order.
pub(super) const GOALS: [Goal; 18] = [
    at_most("S1", "NDJSON over a UNIX stream ÷ line-counting sink", 3.5, 2.2),
    at_most("S2", "NDJSON files to Parquet ÷ DuckDB", 1.0 / 3.0, 1.0 / 6.0),
    at_most("S3", "the same ÷ Polars", 1.0 / 5.0, 1.0 / 9.0),
    at_most("S3b", "the same ÷ chDB", 1.0 / 8.0, 1.0 / 15.0),
    at_most("S4", "line protocol files to Parquet ÷ the better of Polars and DuckDB", 1.0 / 3.0, 1.0 / 7.0),
    at_most("S4b", "NDJSON over a UNIX stream ÷ Vector", 1.0 / 40.0, 1.0 / 120.0),
    at_most("S5", "packed DogStatsD over UDP ÷ brubeck", 1.0, 0.6),
    at_most("S5b", "the same ÷ statsite", 0.9, 0.5),
    at_most("S6", "one line per datagram ÷ recvmmsg null sink", 1.5, 1.15),
    at_most("S7", "shuffled keys, unknown fields, escapes ÷ sonic-rs typed", 1.0, 0.6),
    at_most("S8a", "CPU per event at 1e4 series ÷ at 1e3", 1.3, 1.15),
    at_most("S8b", "at 1e5 series ÷ at 1e3", 2.5, 1.8),
    at_most("S8c", "at 1e6 series ÷ at 1e3", 5.0, 3.2),
    at_most("S9", "bytes of memory per active series", 1024.0, 300.0),
    at_most("S11", "seconds for a year of 1,000 slices through the judge, one core", 60.0, 8.0),
    at_most("S12", "ms from the seal to the records, 100,000 slices, ten fall", 250.0, 50.0),
    Goal {
        id: "S13",
        what: "throughput with two lanes ÷ one",
        must: Bound::AtLeast(1.7),
        aim: Bound::AtLeast(1.95),
    },
    at_most("S14", "seconds from the seal to readable Parquet, beyond roll", 5.0, 5.0),
];

impl Bound {
    /// Whether a figure keeps it.
    pub(super) fn holds(self, figure: f64) -> bool {
        match self {
            Bound::AtMost(most) => figure <= most,
            Bound::AtLeast(least) => figure >= least,
        }
    }

    /// As it is written in a table.
    pub(super) fn text(self) -> String {
        match self {
            Bound::AtMost(most) => format!("≤ {}", number(most)),
            Bound::AtLeast(least) => format!("≥ {}", number(least)),
        }
    }
}

/// Three digits that matter; fractions below a half as one over something, as ratios are written.
pub(super) fn number(value: f64) -> String {
    if value > 0.0 && value < 0.45 { format!("1/{}", plain(1.0 / value)) } else { plain(value) }
}

/// A figure of this unit: only ratios are written as one over something.
pub(super) fn figure(value: f64, unit: &str) -> String {
    if unit == "×" { number(value) } else { plain(value) }
}

/// Three digits that matter.
fn plain(value: f64) -> String {
    match value {
        v if v.is_nan() => "–".to_owned(),
        v if v.abs() >= 99.5 => format!("{v:.0}"),
        v => {
            let decimals = if v.abs() >= 9.95 { 1 } else { 2 };
            format!("{v:.decimals$}").trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 0.6, 1.0 / 3.0, 1.0 / 15.0, 2.2, 39.051, 855.6, f64::NAN].map(number);
        assert_eq!(shown, ["0", "0.6", "1/3", "1/15", "2.2", "39.1", "856", "–"]);
    }

    #[test]
    fn only_ratios_are_fractions() {
        assert_eq!((figure(0.25, "×"), figure(0.25, "% of a core")), ("1/4".to_owned(), "0.25".to_owned()));
    }

    #[test]
    fn bounds_hold_on_their_side() {
        assert!(Bound::AtMost(1.0).holds(1.0) && !Bound::AtMost(1.0).holds(1.01));
        assert!(Bound::AtLeast(1.7).holds(1.8) && !Bound::AtLeast(1.7).holds(f64::NAN));
    }
}
