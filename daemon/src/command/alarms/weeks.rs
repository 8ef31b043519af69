//! The same minute of the weeks before, in the slice's own local time: what that slice usually has then.

use ebbd_core::alarm::AlarmRecord;
use ebbd_core::alarm::block::instant;
use ebbd_core::columns::StoredVerdict;
use ebbd_core::model::{MICROS_PER_MINUTE, Minute, Slice, StreamSpec, TimeUs};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::stored::{Period, Stored, StoredError};

/// Weeks that are looked back on.
const WEEKS: i64 = 4;

/// A minute of a week before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WeekAgo {
    /// The minute.
    pub(super) minute: Minute,
    /// What was said of the slice then; none if that is not kept.
    pub(super) verdict: Option<StoredVerdict>,
}

/// The minute that a record is of, of the weeks before, the latest first.
///
/// # Errors
/// Those of reading.
pub(super) fn before(
    stored: &Stored,
    spec: &StreamSpec,
    record: &AlarmRecord,
) -> Result<Vec<WeekAgo>, StoredError> {
    let Some(at) = instant(&record.minute) else { return Ok(Vec::new()) };
    let minutes = (1..=WEEKS).filter_map(|weeks| ago(at, weeks, &zone(spec, &record.slice)));
    minutes.map(|minute| week_ago(stored, spec, &record.slice, minute)).collect()
}

fn week_ago(
    stored: &Stored,
    spec: &StreamSpec,
    slice: &Slice,
    minute: Minute,
) -> Result<WeekAgo, StoredError> {
    let period = Period { from: minute.start(), to: minute.start().plus_us(MICROS_PER_MINUTE) };
    let rows = stored.verdicts(&spec.name, period, |other| other == slice)?;
    Ok(WeekAgo { minute, verdict: rows.into_iter().next() })
}

/// So many weeks before by the clock of `zone`.
fn ago(at: TimeUs, weeks: i64, zone: &TimeZone) -> Option<Minute> {
    let local = Timestamp::from_microsecond(at.0).ok()?.to_zoned(zone.clone());
    let before = local.checked_sub(Span::new().weeks(weeks)).ok()?;
    Some(TimeUs(before.timestamp().as_microsecond()).minute())
}

/// The zone that a slice lives in.
fn zone(spec: &StreamSpec, slice: &Slice) -> TimeZone {
    let by = spec.timezones.by.map(|at| &spec.dimensions[at].name);
    let own = by.and_then(|by| slice.0.get(by)).and_then(|value| spec.timezones.zones.get(value));
    TimeZone::get(own.unwrap_or(&spec.timezones.default)).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_go_by_the_clock_of_the_slice() {
        let mut spec = StreamSpec::example();
        spec.timezones.by = Some(0);
        spec.timezones.zones.insert("DE".to_owned(), "Europe/Berlin".to_owned());
        let at: TimeUs = instant("2026-11-08T13:06:00Z").unwrap();
        let de = Slice::of([("marketplace", "DE"), ("feature", "one-click")]);
        // Summer time ended between: noon was an hour earlier by UTC.
        let before = ago(at, 3, &zone(&spec, &de)).unwrap();
        assert_eq!(before.to_string(), "2026-10-18T12:06:00Z");
        let utc = ago(at, 3, &zone(&spec, &Slice::default())).unwrap();
        assert_eq!(utc.to_string(), "2026-10-18T13:06:00Z");
    }
}
