//! A period of the past as a table of leaves: what was counted, and what was to be expected.

use ebbd_core::alarm::State;
use ebbd_core::alarm::block::instant;
use ebbd_core::localize::LeafTable;
use ebbd_core::model::{Minute, TimeUs};
use ebbd_core::replay::Leaves;
use ebbd_core::report::visible;
use jiff::tz::TimeZone;

use super::ExplainArgs;
use crate::command::alarms::what;
use crate::command::failure::Failure;
use crate::command::figures::{clock, span};
use crate::command::lookup::{no_alarm, slice_of};
use crate::command::past_period::{PastPeriod, directories};
use crate::stored::{AlarmName, Period, Stored, StoredError};

/// Incidents so long before the period are no history for it.
const LOOKED_BACK_US: i64 = 29 * 86_400_000_000;

/// What was asked about, as a table of leaves.
pub(super) struct Asked {
    /// Which alarm it is and when it was, in two lines; none for a period, which the person has just typed.
    pub(super) heading: Option<String>,
    /// Its leaves.
    pub(super) table: LeafTable,
}

/// The table of an alarm or a period.
pub(super) fn table(args: &ExplainArgs) -> Result<Asked, Failure> {
    let dirs = directories(&args.data_dir, args.config.as_deref())?;
    let stored = Stored::open(&dirs).map_err(told)?;
    let (span, stream, heading) = match &args.alarm {
        Some(name) => of_alarm(&stored, name)?,
        None => ([args.from.unwrap_or_default(), args.to.unwrap_or_default()], args.stream.clone(), None),
    };
    let within = slice_of(&args.slice)?;
    let mut period = PastPeriod::open(&dirs, args.config.as_deref(), stream.as_deref(), span)?;
    let incidents = incidents(&stored, &period)?;
    let mut leaves = Leaves::new(&period.spec, within.clone(), period.minutes.clone(), incidents);
    let held = period.hold(&within, true, &mut |moment| leaves.tell(moment))?;
    period.notes.iter().for_each(|note| eprintln!("ebbd explain: {note}"));
    if leaves.history_minutes() == 0 {
        return Err(Failure::trouble("there are no data of the same minutes in the four weeks before"));
    }
    if leaves.arrived() < 0.999 {
        eprintln!(
            "ebbd explain: {:.1} % of the data is missing and taken out of what is expected",
            100.0 * (1.0 - leaves.arrived())
        );
    }
    if leaves.left_out() > 0 {
        eprintln!(
            "ebbd explain: {} rows of combinations beyond the first 500,000 are left out",
            leaves.left_out()
        );
    }
    let mut table = leaves.table(&held);
    for name in &args.ignore {
        let before = table.dimensions.len();
        table.dimensions.retain(|dimension| dimension.name != *name);
        if table.dimensions.len() == before && !period.spec.dimension_names().contains(&name.as_str()) {
            return Err(Failure::usage(format!("no dimension is called {name:?}")));
        }
    }
    Ok(Asked { heading, table })
}

/// When and where something was, and its heading.
type When = ([TimeUs; 2], Option<String>, Option<String>);

/// The time of an alarm, its stream, and what it was.
fn of_alarm(stored: &Stored, name: &AlarmName) -> Result<When, Failure> {
    let found = stored.alarm(name).map_err(told)?;
    let history = found.ok_or_else(|| no_alarm(stored, name))?;
    let record = history.newest();
    let onset = record.onset.as_ref().and_then(|onset| instant(&onset[1]));
    let end = record.ended.as_deref().unwrap_or(&record.minute);
    let end = instant(end).map(|end| if record.ended.is_some() { end } else { end.minute().end() });
    let (Some(onset), Some(end)) = (onset, end) else {
        return Err(Failure::usage("this alarm has no onset: it is about ebbd itself"));
    };
    let so_far = if record.ended.is_some() { "" } else { " so far" };
    let long = span((end.since_us(onset).max(0) / 1_000_000) as u64);
    let [from, to] = [onset, end].map(|at| clock(&at.to_rfc3339(), "", &TimeZone::UTC));
    let heading = format!("{}  {}\n   {from} to {to} ({long}{so_far})\n", record.no, visible(&what(record)));
    Ok(([onset, end], Some(record.stream.clone()), Some(heading)))
}

/// When incidents were, as far as they lie in the weeks before.
fn incidents(stored: &Stored, period: &PastPeriod) -> Result<Vec<std::ops::Range<Minute>>, Failure> {
    let end = period.minutes.start.start();
    let span = Period { from: end.plus_us(-LOOKED_BACK_US), to: end };
    let rows = stored.incidents(span).map_err(told)?.into_iter().map(|incident| incident.row);
    let own = rows.filter(|row| row.stream == period.spec.name && row.state != State::Withdrawn);
    Ok(own.map(|row| row.onset.minute()..row.ended.unwrap_or(end).minute()).collect())
}

pub(super) fn told(error: StoredError) -> Failure {
    Failure::trouble(error.to_string())
}

/// The minute that a time lies in.
pub(super) fn minute_span(at: TimeUs) -> [TimeUs; 2] {
    [at.minute().start(), at.minute().end()]
}
