//! The same minute of the weeks before, in the slice's own local time: what that slice usually has then.

use std::fs::File;

use ebbd_core::alarm::AlarmRecord;
use ebbd_core::alarm::block::instant;
use ebbd_core::columns::{ColumnsError, Dataset, StoredVerdict, read_footer, read_minutes};
use ebbd_core::model::{MICROS_PER_MINUTE, Minute, SeriesKey, Slice, StreamSpec, TimeUs};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::stored::{Period, Stored, StoredError, read_day};

/// Of days with more rows than this in a file no count is read.
const MOST_DAY_ROWS: u64 = 5_000_000;
/// Weeks that are looked back on.
const WEEKS: i64 = 4;

/// A minute of a week before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WeekAgo {
    /// The minute.
    pub(super) minute: Minute,
    /// What was said of the slice then; none if that is not kept.
    pub(super) verdict: Option<StoredVerdict>,
    /// What it had then, where no verdict is kept but the counts are.
    pub(super) counted: Option<i64>,
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
    let verdict = rows.into_iter().next();
    let counted = if verdict.is_none() { counted(stored, spec, slice, minute)? } else { None };
    Ok(WeekAgo { minute, verdict, counted })
}

/// What the counts say of a slice's minute; nothing where there are none, or too many for one figure.
fn counted(
    stored: &Stored,
    spec: &StreamSpec,
    slice: &Slice,
    minute: Minute,
) -> Result<Option<i64>, StoredError> {
    let spec = StreamSpec { distincts: Vec::new(), ..spec.clone() };
    let day = Dataset::Minutes.directory(&spec.name, minute.start());
    let mut sums = Vec::new();
    for day in stored.dirs().iter().map(|dir| dir.join(&day)).filter(|day| day.is_dir()) {
        sums.extend(read_day(&day, "minutes", |file| match read_footer(&file)?.rows {
            0..=MOST_DAY_ROWS => count_in(&spec, slice, minute, file),
            _ => Ok(Vec::new()),
        })?);
    }
    Ok((!sums.is_empty()).then(|| sums.iter().sum()))
}

/// The watched events of a slice in one minute of a file, by revision.
fn count_in(spec: &StreamSpec, slice: &Slice, minute: Minute, file: File) -> Result<Vec<i64>, ColumnsError> {
    let names = spec.dimension_names();
    let is_inside = |key: &SeriesKey| {
        let has = |(name, own): (&String, &String)| {
            let at = names.iter().position(|other| other == name);
            at.is_some_and(|at| *key.dimensions[at] == **own)
        };
        key.watched && slice.0.iter().all(has)
    };
    let mut sums = Vec::new();
    for of_file in read_minutes(spec, file)? {
        let of_file = of_file?;
        if of_file.minute == minute {
            sums.push(of_file.rows.iter().filter(|row| is_inside(&row.key)).map(|row| row.count).sum());
        }
    }
    Ok(sums)
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
