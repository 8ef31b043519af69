//! A stream's specification as the core uses it: checked, with every duration in microseconds.

use std::collections::BTreeMap;

use super::StreamId;

/// Where a record names its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamRoute {
    /// Every record belongs to this stream.
    Fixed(StreamId),
    /// The value of a field decides; a value that is not listed takes `other`, else it is an unknown stream.
    ByField {
        /// Path of the deciding field.
        field: String,
        /// Field value → stream; `None` ignores the record.
        routes: BTreeMap<String, Option<StreamId>>,
        /// What unlisted values become: `None` rejects them, `Some(None)` ignores them.
        other: Option<Option<StreamId>>,
    },
    /// The measurement or metric names the stream (influx, statsd); unknown names are rejected.
    ByName(BTreeMap<String, StreamId>),
}

/// A dimension: its column name and the field (dotted path) it is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DimensionSpec {
    /// Column name.
    pub name: String,
    /// Dotted path in the record.
    pub field: String,
}

/// A sum: fixed point at `scale` digits, never added up across currencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumSpec {
    /// Column name; the currency's column is `{name}_currency`.
    pub name: String,
    /// Dotted path of the number.
    pub field: String,
    /// Digits behind the point, 0 to 9.
    pub scale: u8,
    /// Dotted path of the currency, if there is one.
    pub currency: Option<String>,
}

/// A field counted distinctly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinctSpec {
    /// Name; its column is `{name}_hll`.
    pub name: String,
    /// Dotted path of the value.
    pub field: String,
}

/// Which events are judged: for each named dimension (by index) the values that are. Empty: all are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchedFilter(pub Vec<(usize, Vec<String>)>);

impl WatchedFilter {
    /// Whether an event with these dimension values (in the stream's order) is judged.
    pub fn admits<S: AsRef<str>>(&self, dimensions: &[S]) -> bool {
        self.0.iter().all(|(at, values)| values.iter().any(|v| v == dimensions[*at].as_ref()))
    }
}

/// Local time for the weekly profile, by the value of one dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timezones {
    /// IANA name used where nothing else applies.
    pub default: String,
    /// Dimension (by index) that selects a zone.
    pub by: Option<usize>,
    /// Dimension value → IANA name.
    pub zones: BTreeMap<String, String>,
}

/// What this daemon sees of the shop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// All of the shop's events come here.
    #[default]
    Whole,
    /// One host of many.
    Part,
}

impl View {
    /// `whole` or `part`.
    pub fn name(self) -> &'static str {
        match self {
            View::Whole => "whole",
            View::Part => "part",
        }
    }
}

/// A declared stream, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamSpec {
    /// Its name: a directory of the datasets.
    pub name: String,
    /// Dotted path of the event time.
    pub time: String,
    /// What events are counted by, in column order (at most [`Limits::DIMENSIONS`]).
    pub dimensions: Vec<DimensionSpec>,
    /// What is summed (at most [`Limits::SUMS`]).
    pub sums: Vec<SumSpec>,
    /// What is counted distinctly (at most [`Limits::DISTINCTS`]).
    pub distincts: Vec<DistinctSpec>,
    /// Dotted path of the sending host, for completeness and ledger.
    pub origin: Option<String>,
    /// Dotted paths that together identify an event; empty: no deduplication.
    pub id: Vec<String>,
    /// How long ids are remembered.
    pub dedupe_us: i64,
    /// Which events are judged.
    pub watched: WatchedFilter,
    /// Groupings that are judged, each a sorted list of dimension indices; `[]` is the whole stream.
    pub watch: Vec<Vec<usize>>,
    /// Smaller shortfalls (in orders) never alarm.
    pub min_loss: f64,
    /// Local times of the weekly profile.
    pub timezones: Timezones,
    /// A minute is sealed at the latest this long after its end.
    pub seal_us: i64,
    /// Older events are rejected as too late.
    pub lateness_us: i64,
    /// Events further ahead are rejected as in the future.
    pub future_us: i64,
    /// Later data still revises the Parquet, no longer verdicts and alarms.
    pub revise_us: i64,
}

impl StreamSpec {
    /// The names of the dimensions, in column order.
    pub fn dimension_names(&self) -> Vec<&str> {
        self.dimensions.iter().map(|d| d.name.as_str()).collect()
    }

    /// The stream of the documentation: what runs without any configuration.
    pub fn example() -> StreamSpec {
        let dimension = |name: &str| DimensionSpec { name: name.to_owned(), field: name.to_owned() };
        let minute_us = super::MICROS_PER_MINUTE;
        StreamSpec {
            name: "orders".to_owned(),
            time: "ts".to_owned(),
            dimensions: ["marketplace", "feature", "payment", "status"].map(dimension).to_vec(),
            sums: vec![SumSpec {
                name: "amount".to_owned(),
                field: "amount".to_owned(),
                scale: 2,
                currency: Some("currency".to_owned()),
            }],
            distincts: vec![DistinctSpec { name: "customer".to_owned(), field: "customer".to_owned() }],
            origin: Some("host".to_owned()),
            id: Vec::new(),
            dedupe_us: 10 * minute_us,
            watched: WatchedFilter(vec![(3, vec!["placed".to_owned()])]),
            watch: vec![vec![], vec![0], vec![1], vec![0, 1]],
            min_loss: 5.0,
            timezones: Timezones { default: "UTC".to_owned(), by: None, zones: BTreeMap::new() },
            seal_us: 5 * super::MICROS_PER_SECOND,
            lateness_us: 7 * 24 * 60 * minute_us,
            future_us: 2 * minute_us,
            revise_us: 120 * minute_us,
        }
    }
}

/// Every bound of the core in one place. What hits a bound is counted, never silently lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Live series per stream; beyond, values become [`super::OTHER`].
    pub series: usize,
    /// Longest line in bytes, without its end.
    pub line: usize,
    /// Origins per source; beyond, they share one called [`super::OTHER`].
    pub origins: usize,
    /// Remembered event ids per stream.
    pub dedupe_ids: usize,
}

impl Limits {
    /// Most dimensions of a stream.
    pub const DIMENSIONS: usize = 24;
    /// Most sums of a stream.
    pub const SUMS: usize = 8;
    /// Most distinct counts of a stream.
    pub const DISTINCTS: usize = 4;
    /// Deepest nesting of a JSON line.
    pub const DEPTH: u8 = 32;
    /// Longest dimension value in bytes; longer ones are cut at a character and end in `…`.
    pub const VALUE_BYTES: usize = 256;
    /// Distinct currencies per stream; beyond, an amount counts as bad.
    pub const CURRENCIES: usize = 512;
}

impl Default for Limits {
    fn default() -> Self {
        Limits { series: 200_000, line: 64 * 1024, origins: 1024, dedupe_ids: 4_000_000 }
    }
}
