//! A period of the past as a table of leaves: what was counted, and what was to be expected.

use ebbd_core::alarm::State;
use ebbd_core::alarm::block::instant;
use ebbd_core::localize::LeafTable;
use ebbd_core::model::{Minute, TimeUs};
use ebbd_core::replay::Leaves;

use super::ExplainArgs;
use crate::command::failure::Failure;
use crate::command::past_period::{self, PastPeriod, directories};
use crate::stored::{Period, Stored, StoredError};

/// Incidents so long before the period are no history for it.
const LOOKED_BACK_US: i64 = 29 * 86_400_000_000;

/// The table of an alarm or a period.
pub(super) fn table(args: &ExplainArgs) -> Result<LeafTable, Failure> {
    let dirs = directories(&args.data_dir, args.config.as_deref())?;
    let stored = Stored::open(&dirs).map_err(told)?;
    let (span, stream) = match &args.alarm {
        Some(name) => {
            let found = stored.alarm(name).map_err(told)?;
            let history =
                found.ok_or_else(|| Failure::usage("there is no such alarm in the data directory"))?;
            let record = history.newest();
            let onset = record.onset.as_ref().and_then(|onset| instant(&onset[1]));
            let end = record.ended.as_deref().unwrap_or(&record.minute);
            let end = instant(end).map(|end| if record.ended.is_some() { end } else { end.minute().end() });
            let (Some(onset), Some(end)) = (onset, end) else {
                return Err(Failure::usage("this alarm has no onset: it is about ebbd itself"));
            };
            ([onset, end], Some(record.stream.clone()))
        }
        None => ([args.from.unwrap_or_default(), args.to.unwrap_or_default()], args.stream.clone()),
    };
    let within = past_period::slice(&args.slice)?;
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
    Ok(table)
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
