//! Which column of a table is what.

use super::TableProblems;
use crate::model::{DimensionSpec, Limits, StreamSpec, SumSpec, WatchedFilter};

const MINUTE: &str = "minute";
const COUNT: &str = "count";
const COMPLETENESS: &str = "completeness";
/// What others call the minute, …
const ALSO_MINUTE: [&str; 4] = ["timestamp", "datetime", "time", "ds"];
/// … and the count: a series of figures, rounded where they are fractions.
const ALSO_COUNT: [&str; 2] = ["value", "y"];
/// What public series have beside it: somebody's opinion of the minute.
const OPINIONS: [&str; 3] = ["label", "anomaly", "is_anomaly"];
/// Columns of ebbd's own files that are neither dimensions nor worth a note.
const OWN: [&str; 5] = ["revision", "watched", "host", "stream", "date"];

/// The places of the columns of a table, as a stream wants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) minute: usize,
    pub(super) count: usize,
    /// The counts are another's figures, which may be fractions.
    pub(super) rounds: bool,
    pub(super) completeness: Option<usize>,
    /// Per dimension of the stream.
    pub(super) dimensions: Vec<Source>,
    /// Per sum of the stream: amount and currency.
    pub(super) sums: Vec<(Option<usize>, Option<usize>)>,
    pub(super) notes: Vec<String>,
}

/// Where the value of a dimension comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A column of the table.
    Column(usize),
    /// The table has no such column: every row has this value.
    Always(String),
}

impl Plan {
    pub(super) fn new(spec: &StreamSpec, columns: &[String]) -> Result<Plan, TableProblems> {
        let place = |name: &str| columns.iter().position(|column| column == name);
        let needed = |name: &str| {
            let missing = || format!("no column `{name}`; the columns are: {}", columns.join(", "));
            called(columns, name).and_then(place).ok_or_else(|| TableProblems::one(0, missing()))
        };
        if let Some(twice) = columns.iter().enumerate().find(|(at, name)| columns[..*at].contains(name)) {
            return Err(TableProblems::one(0, format!("column `{}` twice", twice.1)));
        }
        let mut notes = Vec::new();
        let dimension = |(at, dimension): (usize, &DimensionSpec)| match place(&dimension.name) {
            Some(column) => Source::Column(column),
            None => absent(spec, at, &mut notes),
        };
        let dimensions: Vec<Source> = spec.dimensions.iter().enumerate().map(dimension).collect();
        notes.extend(ignored(spec, columns));
        notes.extend(renamed(columns));
        Ok(Plan {
            minute: needed(MINUTE)?,
            count: needed(COUNT)?,
            rounds: called(columns, COUNT).is_some_and(|name| name != COUNT),
            completeness: place(COMPLETENESS),
            dimensions,
            sums: spec.sums.iter().map(|s| (place(&s.name), place(&currency(s)))).collect(),
            notes,
        })
    }
}

/// What a table calls its `minute` or `count`.
fn called<'c>(columns: &'c [String], name: &str) -> Option<&'c str> {
    let also: &[&str] = if name == MINUTE { &ALSO_MINUTE } else { &ALSO_COUNT };
    let find = |name: &&str| columns.iter().map(String::as_str).find(|column| column == name);
    find(&name).or_else(|| also.iter().find_map(find))
}

fn renamed(columns: &[String]) -> Vec<String> {
    let other = |name: &'static str| called(columns, name).filter(|own| *own != name).map(|own| (own, name));
    let taken = [MINUTE, COUNT].into_iter().filter_map(other);
    taken.map(|(own, name)| format!("column `{own}` is taken as {name}")).collect()
}

/// A dimension that a table lacks: counts of watched events alone are taken as such.
fn absent(spec: &StreamSpec, at: usize, notes: &mut Vec<String>) -> Source {
    let name = &spec.dimensions[at].name;
    let filter = spec.watched.0.iter().find(|(dimension, _)| *dimension == at);
    let value = filter.and_then(|(_, values)| values.first());
    notes.push(match value {
        Some(value) => format!("no column `{name}`: every row is taken as {name}={value}, which is watched"),
        None => format!("no column `{name}`: empty in every row"),
    });
    Source::Always(value.cloned().unwrap_or_default())
}

fn ignored(spec: &StreamSpec, columns: &[String]) -> Vec<String> {
    let used = |name: &str| {
        called(columns, MINUTE) == Some(name)
            || called(columns, COUNT) == Some(name)
            || [MINUTE, COUNT, COMPLETENESS].contains(&name)
            || OWN.contains(&name)
            || spec.dimensions.iter().any(|d| d.name == name)
            || spec.sums.iter().any(|s| s.name == name || currency(s) == name)
            || spec.distincts.iter().any(|d| format!("{}_hll", d.name) == name)
    };
    let unused = columns.iter().filter(|name| !used(name));
    unused.map(|name| format!("column `{name}` is no dimension of stream {}: ignored", spec.name)).collect()
}

fn currency(sum: &SumSpec) -> String {
    format!("{}_currency", sum.name)
}

/// A stream made up from a table's columns, for use without a configuration: every column that is not
/// `minute`, `count` or `completeness` (or what others call these) is a dimension, one that has a `_currency` beside it a sum (scale 2);
/// judged are the whole, each dimension, and all together.
pub fn table_spec(name: &str, columns: &[String]) -> StreamSpec {
    let is_sum = |column: &str| columns.iter().any(|c| c.strip_suffix("_currency") == Some(column));
    let is_currency =
        |column: &str| column.strip_suffix("_currency").is_some_and(|sum| columns.iter().any(|c| c == sum));
    let is_dimension = |column: &&String| {
        let name = column.as_str();
        let is_series = called(columns, COUNT).is_some_and(|count| count != COUNT);
        let taken = [MINUTE, COUNT, COMPLETENESS].contains(&name)
            || OWN.contains(&name)
            || [MINUTE, COUNT].iter().any(|what| called(columns, what) == Some(name))
            || is_series && OPINIONS.contains(&name);
        !taken && !is_sum(column) && !is_currency(column) && !column.ends_with("_hll")
    };
    let dimension = |name: &String| DimensionSpec { name: name.clone(), field: name.clone() };
    let sum = |name: &String| SumSpec {
        name: name.clone(),
        field: name.clone(),
        scale: 2,
        currency: Some(format!("{name}_currency")),
    };
    let dimensions: Vec<DimensionSpec> =
        columns.iter().filter(is_dimension).take(Limits::DIMENSIONS).map(dimension).collect();
    let sums = columns.iter().filter(|c| is_sum(c)).take(Limits::SUMS).map(sum).collect();
    StreamSpec {
        name: name.to_owned(),
        time: MINUTE.to_owned(),
        watch: groupings(dimensions.len()),
        dimensions,
        sums,
        distincts: Vec::new(),
        origin: None,
        watched: WatchedFilter::default(),
        ..StreamSpec::example()
    }
}

/// The whole, each dimension, all together.
fn groupings(dimensions: usize) -> Vec<Vec<usize>> {
    let mut groupings = vec![vec![]];
    groupings.extend((0..dimensions).map(|at| vec![at]));
    if dimensions > 1 {
        groupings.push((0..dimensions).collect());
    }
    groupings
}
