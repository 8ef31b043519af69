//! What the dashboard shows of times before its memory: verdicts and alarms from the Parquet, and where there
//! are no verdicts (an `ingest`, a shop's history) the counts.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ebbd_core::alarm::AlarmRecord;
use ebbd_core::columns::{ColumnsError, Dataset, StoredVerdict, read_minutes};
use ebbd_core::model::{Minute, Slice, StreamSpec};

use super::outlets::Present;
use crate::outlet::{Past, Point};
use crate::stored::{AlarmName, Period, Stored, StoredError, parquet_files, read_day};

/// Answers that are kept.
const ANSWERS: usize = 64;
/// An answer serves this long: what has come since is seen then.
const FRESH: Duration = Duration::from_secs(600);
/// Days whose counts are larger than this are not read for a picture.
const COUNTS_BYTES: u64 = 64 << 20;
/// A hole at the beginning that is worth looking for counts.
const HOLE_MIN: i32 = 15;

/// The data directory as the dashboard asks it.
pub(super) struct StoredPast {
    present: Arc<Present>,
    answers: Mutex<VecDeque<Answer>>,
}

struct Answer {
    stream: String,
    slice: Slice,
    minutes: Range<Minute>,
    at: Instant,
    points: Arc<[Point]>,
}

impl StoredPast {
    /// Asks the data directory of the present configuration.
    pub(super) fn new(present: Arc<Present>) -> StoredPast {
        StoredPast { present, answers: Mutex::default() }
    }
}

impl Past for StoredPast {
    fn minutes(&self, stream: &str, slice: &Slice, minutes: Range<Minute>) -> Arc<[Point]> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|answer| answer.at.elapsed() < FRESH);
        let is_same = |answer: &&Answer| {
            (answer.stream.as_str(), &answer.slice, &answer.minutes) == (stream, slice, &minutes)
        };
        if let Some(known) = answers.iter().find(is_same) {
            return Arc::clone(&known.points);
        }
        let config = &self.present.view().config;
        let spec = config.streams.iter().find(|spec| spec.name == stream);
        let points: Arc<[Point]> = spec.map_or_else(Arc::default, |spec| {
            read(&config.data_dir, spec, slice, minutes.clone())
                .unwrap_or_else(|error| {
                    tracing::warn!("the dashboard cannot show older minutes: {error}");
                    Vec::new()
                })
                .into()
        });
        answers.truncate(ANSWERS - 1);
        answers.push_front(Answer {
            stream: stream.to_owned(),
            slice: slice.clone(),
            minutes,
            at: Instant::now(),
            points: Arc::clone(&points),
        });
        points
    }

    fn alarm(&self, no: u64) -> Vec<AlarmRecord> {
        let data_dir = self.present.view().config.data_dir.clone();
        let found = Stored::open(&[data_dir]).and_then(|stored| stored.alarm(&AlarmName::No(no)));
        match found {
            Ok(history) => history.map(|history| history.records).unwrap_or_default(),
            Err(StoredError::Bare(_)) => Vec::new(),
            Err(error) => {
                tracing::warn!("the dashboard cannot show alarm {no}: {error}");
                Vec::new()
            }
        }
    }
}

/// The verdicts of a slice, and before the first of them its counts.
fn read(
    data_dir: &Path,
    spec: &StreamSpec,
    slice: &Slice,
    minutes: Range<Minute>,
) -> Result<Vec<Point>, StoredError> {
    let stored = match Stored::open(&[data_dir.to_owned()]) {
        Err(StoredError::Bare(_)) => return Ok(Vec::new()),
        stored => stored?,
    };
    let period = Period { from: minutes.start.start(), to: minutes.end.start() };
    let rows = stored.verdicts(&spec.name, period, |known| known == slice)?;
    let mut judged: Vec<Point> = rows.iter().map(point).collect();
    judged.dedup_by_key(|point| point.minute);
    let first = judged.first().map_or(minutes.end, |point| point.minute);
    if first <= minutes.start.plus(HOLE_MIN) {
        return Ok(judged);
    }
    let mut points = counts(data_dir, spec, slice, minutes.start..first)?;
    points.append(&mut judged);
    Ok(points)
}

fn point(row: &StoredVerdict) -> Point {
    let short = |figure: Option<f64>| figure.map(|figure| figure as f32);
    Point {
        minute: row.minute,
        observed: row.observed,
        expected: short(row.expected),
        low: short(row.low),
        high: short(row.high),
        completeness: row.completeness as f32,
        verdict: Some(row.verdict),
    }
}

/// The watched events of a slice by minute. A minute without any row is not known; one that has rows, but none
/// of the slice, is zero.
fn counts(
    data_dir: &Path,
    spec: &StreamSpec,
    slice: &Slice,
    minutes: Range<Minute>,
) -> Result<Vec<Point>, StoredError> {
    let place = |name: &String| spec.dimensions.iter().position(|dimension| dimension.name == *name);
    let conditions: Option<Vec<(usize, &str)>> =
        slice.0.iter().map(|(name, value)| Some((place(name)?, value.as_str()))).collect();
    let Some(conditions) = conditions else { return Ok(Vec::new()) };
    let mut known: BTreeMap<Minute, i64> = BTreeMap::new();
    let last = minutes.end.plus(-1).start().utc_date();
    let mut at = minutes.start.start();
    while at.utc_date() <= last {
        let day = data_dir.join(Dataset::Minutes.directory(&spec.name, at));
        if day.exists() && size(&day)? <= COUNTS_BYTES {
            for (minute, count) in
                read_day(&day, "minutes", |file| of_file(spec, &conditions, &minutes, file))?
            {
                *known.entry(minute).or_default() += count;
            }
        }
        at = at.plus_us(86_400_000_000);
    }
    Ok(known.into_iter().map(counted).collect())
}

fn size(day: &Path) -> Result<u64, StoredError> {
    let files = parquet_files(day)?;
    Ok(files.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|file| file.len()).sum())
}

fn of_file(
    spec: &StreamSpec,
    conditions: &[(usize, &str)],
    wanted: &Range<Minute>,
    file: std::fs::File,
) -> Result<Vec<(Minute, i64)>, ColumnsError> {
    let mut counts = Vec::new();
    for minute in read_minutes(spec, file)? {
        let minute = minute?;
        if wanted.contains(&minute.minute) {
            let rows = minute.rows.iter().filter(|row| row.key.watched);
            let of_slice =
                rows.filter(|row| conditions.iter().all(|(at, value)| &*row.key.dimensions[*at] == *value));
            counts.push((minute.minute, of_slice.map(|row| row.count).sum()));
        }
    }
    Ok(counts)
}

fn counted((minute, count): (Minute, i64)) -> Point {
    Point {
        minute,
        observed: Some(count),
        expected: None,
        low: None,
        high: None,
        completeness: 1.0,
        verdict: None,
    }
}

#[cfg(test)]
mod tests {
    use ebbd_core::columns::{Footer, SliceRowRef, write_minutes, write_slices};
    use ebbd_core::detect::{SliceVerdict, Verdict};
    use ebbd_core::model::{SealedMinute, StreamId};
    use ebbd_core::simulate::{Shop, ShopSpec};

    use super::*;
    use crate::outlet::tests::verdict;
    use crate::store::Place;
    use crate::sys::RealDisk;

    /// Midnight, UTC: what is read lies on both sides of it.
    const MIDNIGHT: Minute = Minute(29_922_480);

    /// Counts from 40 minutes before midnight to 40 after, but for one minute; verdicts of the last 20.
    fn write(dir: &Path, spec: &StreamSpec) -> Vec<Arc<SealedMinute>> {
        let place = Place::new(Arc::new(RealDisk), dir, "web-01");
        let footer =
            Footer { host: "web-01".into(), config: String::new(), sequence: 1, more: Default::default() };
        let shop = Shop::new(ShopSpec::demo(1), spec);
        let minutes = (-40..40).filter(|at| *at != -7).map(|at| MIDNIGHT.plus(at));
        let sealed: Vec<Arc<SealedMinute>> =
            minutes.map(|minute| Arc::new(shop.sealed(minute, StreamId(0), spec))).collect();
        for day in sealed.chunk_by(|a, b| a.minute.start().utc_date() == b.minute.start().utc_date()) {
            let published =
                place.publish(Dataset::Minutes, "orders", day[0].minute.start(), "1", false, |file| {
                    write_minutes(spec, day, &footer, file).map(drop)
                });
            published.expect("written");
        }
        let verdicts: Vec<SliceVerdict> =
            sealed.iter().map(|sealed| verdict(sealed.watched_count(), Verdict::Ok)).collect();
        let whole = Slice::default();
        let judged = sealed.iter().zip(&verdicts).map(|(sealed, verdict)| SliceRowRef {
            minute: sealed.minute,
            slice: &whole,
            verdict,
            revision: 0,
            judged_at: sealed.minute.end(),
        });
        let rows: Vec<SliceRowRef<'_>> = judged.filter(|row| row.minute >= MIDNIGHT.plus(20)).collect();
        let published = place.publish(Dataset::Slices, "orders", MIDNIGHT.start(), "1", true, |file| {
            write_slices(spec, &rows, &footer, file).map(drop)
        });
        published.expect("written");
        sealed
    }

    #[test]
    fn verdicts_and_before_them_counts_come_back_over_midnight() {
        let (dir, spec) = (tempfile::tempdir().expect("a directory"), StreamSpec::example());
        let sealed = write(dir.path(), &spec);
        let wanted = MIDNIGHT.plus(-30)..MIDNIGHT.plus(30);
        let points = read(dir.path(), &spec, &Slice::default(), wanted.clone()).expect("read");
        let known: Vec<(Minute, Option<i64>)> =
            points.iter().map(|point| (point.minute, point.observed)).collect();
        let truth: Vec<(Minute, Option<i64>)> = (sealed.iter())
            .filter(|sealed| wanted.contains(&sealed.minute))
            .map(|sealed| (sealed.minute, Some(sealed.watched_count())))
            .collect();
        assert_eq!(known, truth);
        let judged = |point: &&Point| point.verdict.is_some() && point.low == Some(5.0);
        assert_eq!((points.len(), points.iter().filter(judged).count()), (59, 10));

        let zero =
            read(dir.path(), &spec, &Slice::of([("marketplace", "XX")]), wanted.clone()).expect("read");
        assert!(zero.len() == 59 && zero.iter().all(|point| point.observed == Some(0)), "silent is zero");
        let us = read(dir.path(), &spec, &Slice::of([("marketplace", "US")]), wanted.clone()).expect("read");
        assert!(us.iter().zip(&points).all(|(part, whole)| part.observed < whole.observed));
        let unknown = read(dir.path(), &spec, &Slice::of([("colour", "red")]), wanted).expect("read");
        assert!(unknown.is_empty());
        let empty = tempfile::tempdir().expect("a directory");
        assert!(
            read(empty.path(), &spec, &Slice::default(), MIDNIGHT..MIDNIGHT.next()).expect("read").is_empty()
        );
    }
}
