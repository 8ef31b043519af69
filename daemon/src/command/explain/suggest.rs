//! Which groupings, if they were watched, would have seen past incidents sooner.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use ebbd_core::alarm::{Kind, State};
use ebbd_core::columns::IncidentRow;
use ebbd_core::model::{Minute, Slice};
use ebbd_core::replay::{Onsets, Started};
use ebbd_core::report::{escape, visible_json};
use serde_json::json;

use super::{ExplainArgs, period};
use crate::command::failure::Failure;
use crate::command::past_period::{PastPeriod, directories};
use crate::command::{NO, OK};
use crate::stored::{Period, Stored};

/// A drop that began so long before the incident's onset is not of it.
const BEFORE: i32 = 10;

/// What a grouping would have brought.
struct Suggestion {
    dimensions: Vec<String>,
    slices: usize,
    /// Minutes by which each incident that it sees sooner would have been seen sooner.
    sooner: Vec<i32>,
    /// Drops that are of no incident.
    more: usize,
}

/// Tries every grouping of up to two dimensions that is not watched, and those of causes; gives the exit code: 1
/// when none would have helped.
pub(super) fn run(args: &ExplainArgs, json: bool, out: &mut dyn Write) -> Result<i32, Failure> {
    let dirs = directories(&args.data_dir, args.config.as_deref())?;
    let stored = Stored::open(&dirs).map_err(period::told)?;
    let span = [args.from.unwrap_or_default(), args.to.unwrap_or_default()];
    let mut period = PastPeriod::open(&dirs, args.config.as_deref(), args.stream.as_deref(), span)?;
    let rows = stored.incidents(Period { from: span[0], to: span[1] }).map_err(period::told)?;
    let name = period.spec.name.clone();
    let own = |row: &IncidentRow| {
        let excused = row.label.as_deref().is_some_and(|label| label != "real");
        row.stream == name && row.kind == Kind::Drop && row.state != State::Withdrawn && !excused
    };
    let incidents: Vec<IncidentRow> = rows.into_iter().map(|incident| incident.row).filter(own).collect();
    if incidents.is_empty() {
        return Err(Failure::trouble("there is no incident in the period that could have been seen sooner"));
    }
    let tried = candidates(&period, &incidents);
    let onsets = period.onsets(&tried)?;
    let mut suggestions: Vec<Suggestion> =
        tried.iter().map(|grouping| weigh(grouping, &period, &onsets, &incidents)).collect();
    suggestions.retain(|suggestion| !suggestion.sooner.is_empty());
    let gained = |suggestion: &Suggestion| suggestion.sooner.iter().sum::<i32>();
    suggestions.sort_by(|a, b| gained(b).cmp(&gained(a)).then(a.slices.cmp(&b.slices)));
    let text = if json { lines(&suggestions) } else { words(&suggestions, incidents.len()) };
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(if suggestions.is_empty() { NO } else { OK })
}

fn candidates(period: &PastPeriod, incidents: &[IncidentRow]) -> Vec<Vec<usize>> {
    let names = period.spec.dimension_names();
    let mut tried: Vec<Vec<usize>> = (0..names.len()).map(|at| vec![at]).collect();
    for first in 0..names.len() {
        tried.extend((first + 1..names.len()).map(|second| vec![first, second]));
    }
    for cause in incidents.iter().filter_map(|row| row.cause.as_ref()) {
        let place = |name: &String| names.iter().position(|own| own == name);
        let mut grouping: Vec<usize> = cause.0.keys().filter_map(place).collect();
        grouping.sort_unstable();
        tried.push(grouping);
    }
    tried.sort();
    tried.dedup();
    // A dimension that the stream is filtered by has one value.
    let filtered = |at: &usize| period.spec.watched.0.iter().any(|(d, values)| d == at && values.len() == 1);
    tried.retain(|grouping| {
        !grouping.is_empty() && !period.spec.watch.contains(grouping) && !grouping.iter().any(filtered)
    });
    tried
}

fn weigh(grouping: &[usize], period: &PastPeriod, onsets: &Onsets, incidents: &[IncidentRow]) -> Suggestion {
    let names = period.spec.dimension_names();
    let dimensions: Vec<String> = grouping.iter().map(|at| names[*at].to_owned()).collect();
    let own: Vec<&Started> =
        onsets.started().iter().filter(|started| is_of(&started.slice, &dimensions)).collect();
    let mut first: BTreeMap<&str, Minute> = BTreeMap::new();
    let mut more = 0;
    for started in &own {
        let meets = |row: &&IncidentRow| {
            let end = row.ended.map_or(Minute(i32::MAX), |ended| ended.minute());
            let within = started.at >= row.onset.minute().plus(-BEFORE) && started.at < end;
            within && is_kin(&started.slice, row)
        };
        match incidents.iter().find(meets) {
            Some(row) => drop(first.entry(&row.id).or_insert(started.at)),
            None => more += 1,
        }
    }
    let gain = |row: &IncidentRow| {
        let seen = first.get(row.id.as_str())?;
        Some(row.detected.minute().0 - 1 - seen.0).filter(|minutes| *minutes > 0)
    };
    let slices = onsets.slices(|slice| is_of(slice, &dimensions));
    Suggestion { slices, sooner: incidents.iter().filter_map(gain).collect(), more, dimensions }
}

fn is_of(slice: &Slice, dimensions: &[String]) -> bool {
    slice.0.len() == dimensions.len() && dimensions.iter().all(|name| slice.0.contains_key(name))
}

/// Whether a slice has nothing against lying in what the incident was about.
fn is_kin(slice: &Slice, row: &IncidentRow) -> bool {
    let about = row.cause.as_ref().unwrap_or(&row.slice);
    about.0.iter().all(|(dimension, value)| slice.0.get(dimension).is_none_or(|own| own == value))
}

fn median(minutes: &[i32]) -> i32 {
    let mut sorted = minutes.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}

fn words(suggestions: &[Suggestion], incidents: usize) -> String {
    if suggestions.is_empty() {
        return format!("none: no grouping would have seen the {incidents} incidents sooner\n");
    }
    let mut out = String::new();
    for suggestion in suggestions {
        let names: Vec<String> =
            suggestion.dimensions.iter().map(|name| format!("{:?}", escape(name))).collect();
        let _ = writeln!(
            out,
            "watch [{}]\n  {} of {incidents} incidents sooner, by {} min in the middle; {} more slices, {} more drops",
            names.join(", "),
            suggestion.sooner.len(),
            median(&suggestion.sooner),
            suggestion.slices,
            suggestion.more
        );
    }
    out
}

fn lines(suggestions: &[Suggestion]) -> String {
    let line = |suggestion: &Suggestion| {
        let line = json!({
            "type": "watch", "dimensions": suggestion.dimensions, "sooner": suggestion.sooner.len(),
            "minutes_sooner": median(&suggestion.sooner), "slices": suggestion.slices, "other_drops": suggestion.more,
        });
        visible_json(&line.to_string()) + "\n"
    };
    suggestions.iter().map(line).collect()
}
