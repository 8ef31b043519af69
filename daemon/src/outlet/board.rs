//! What the dashboard shows of the last hours: the latest verdicts of the watched slices, the minutes of
//! some of them, the change markers.
//!
//! The judge writes a minute here when it has judged it; whoever reads takes a copy and is gone. Everything
//! has a bound: so many slices with their minutes, so many with their latest verdict, so many markers.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ebbd_core::detect::{SliceVerdict, Verdict};
use ebbd_core::judge::JudgedMinute;
use ebbd_core::model::{Mark, Minute, Slice, StreamSpec};
use tokio::sync::watch;

use crate::telemetry::Telemetry;

/// Minutes that are kept of a slice: six hours.
pub const BOARD_MINUTES: usize = 360;
/// Slices of all streams whose minutes are kept: those that were there first.
const KEPT_SLICES: usize = 256;
/// Slices of a stream whose latest verdicts are kept: those with a drop, and the first of the others.
const TOLD_SLICES: usize = 1_000;
/// Change markers that are kept: the newest.
const MARKS: usize = 512;

/// A watched slice in one minute, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The minute.
    pub minute: Minute,
    /// Watched events; none without data.
    pub observed: Option<i64>,
    /// Expected; none while learning, or where only counts are known.
    pub expected: Option<f32>,
    /// Lower end of the 90 % band.
    pub low: Option<f32>,
    /// Upper end of the 90 % band.
    pub high: Option<f32>,
    /// Believed fraction that arrived.
    pub completeness: f32,
    /// The verdict; none where only counts are known.
    pub verdict: Option<Verdict>,
}

impl Point {
    /// What `verdict` says of `minute`.
    pub fn of(minute: Minute, verdict: &SliceVerdict) -> Point {
        let short = |figure: Option<f64>| figure.map(|figure| figure as f32);
        Point {
            minute,
            observed: verdict.observed,
            expected: short(verdict.expected),
            low: short(verdict.low),
            high: short(verdict.high),
            completeness: verdict.completeness as f32,
            verdict: Some(verdict.verdict),
        }
    }
}

/// A slice and its latest verdict.
#[derive(Clone, Debug)]
pub(super) struct Latest {
    pub(super) slice: Slice,
    pub(super) point: Point,
    /// The likeliest first minute of what is missing, while it is.
    pub(super) since: Option<Minute>,
    /// Evidence for its recovery is accumulating.
    pub(super) recovering: bool,
}

/// The latest minute of a stream.
#[derive(Clone, Debug)]
pub(super) struct StreamBoard {
    pub(super) minute: Minute,
    pub(super) dimensions: Arc<[String]>,
    /// Watched slices by verdict.
    pub(super) verdicts: BTreeMap<&'static str, u64>,
    pub(super) latest: Arc<[Latest]>,
    /// The whole stream, if it is watched.
    pub(super) whole: Option<Point>,
}

/// The board. One per daemon.
#[derive(Debug)]
pub struct Board {
    kept: Mutex<Kept>,
    version: watch::Sender<u64>,
    telemetry: Arc<Telemetry>,
}

#[derive(Debug, Default)]
struct Kept {
    streams: BTreeMap<String, StreamBoard>,
    minutes: BTreeMap<String, HashMap<Slice, VecDeque<Point>>>,
    /// Slices of each stream that there was no room for.
    unkept: BTreeMap<String, usize>,
    marks: VecDeque<Mark>,
}

impl Board {
    /// An empty one. `telemetry` gets its figures.
    pub fn new(telemetry: Arc<Telemetry>) -> Arc<Board> {
        Arc::new(Board { kept: Mutex::default(), version: watch::Sender::new(0), telemetry })
    }

    /// A minute of `stream` was judged.
    pub fn judged(&self, stream: &StreamSpec, judged: &JudgedMinute) {
        if judged.rows.is_empty() {
            return;
        }
        let board = StreamBoard::of(stream, judged);
        let mut kept = self.lock();
        kept.note(&stream.name, judged);
        let unkept: usize = kept.unkept.values().sum();
        self.telemetry.http.slices_unkept.set(i64::try_from(unkept).unwrap_or(i64::MAX));
        kept.streams.insert(stream.name.clone(), board);
        drop(kept);
        self.version.send_modify(|version| *version += 1);
    }

    /// A slice's minute was judged anew.
    pub fn revised(&self, stream: &str, minute: Minute, slice: &Slice, verdict: &SliceVerdict) {
        let mut kept = self.lock();
        let Some(points) = kept.minutes.get_mut(stream).and_then(|minutes| minutes.get_mut(slice)) else {
            return;
        };
        if let Ok(at) = points.binary_search_by_key(&minute, |point| point.minute) {
            points[at] = Point::of(minute, verdict);
        }
    }

    /// A marker came; one of the same id is replaced, or goes if it was taken back.
    pub fn marked(&self, mark: &Mark) {
        let mut kept = self.lock();
        kept.marks.retain(|old| old.id != mark.id);
        if !mark.retracted {
            let place = kept.marks.partition_point(|old| old.at <= mark.at);
            kept.marks.insert(place, mark.clone());
        }
        if kept.marks.len() > MARKS {
            kept.marks.pop_front();
        }
        drop(kept);
        self.version.send_modify(|version| *version += 1);
    }

    /// Forgets every stream but these: the configuration has changed.
    pub fn retain(&self, streams: &[StreamSpec]) {
        let mut kept = self.lock();
        let is_there = |name: &String| streams.iter().any(|stream| stream.name == *name);
        kept.streams.retain(|name, _| is_there(name));
        kept.minutes.retain(|name, _| is_there(name));
        kept.unkept.retain(|name, _| is_there(name));
    }

    /// Every stream's latest minute, by name.
    pub(super) fn streams(&self) -> BTreeMap<String, StreamBoard> {
        self.lock().streams.clone()
    }

    /// The kept minutes of a slice, ascending; none if none are kept.
    pub(super) fn minutes(&self, stream: &str, slice: &Slice) -> Option<Vec<Point>> {
        let kept = self.lock();
        Some(kept.minutes.get(stream)?.get(slice)?.iter().copied().collect())
    }

    /// The markers since `from`, oldest first.
    pub(super) fn marks(&self, from: Minute) -> Vec<Mark> {
        let kept = self.lock();
        let ends = |mark: &Mark| mark.until.unwrap_or(mark.at);
        kept.marks.iter().filter(|mark| ends(mark) >= from.start()).cloned().collect()
    }

    /// A bell that rings with each judged minute and each marker.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamBoard {
    fn of(stream: &StreamSpec, judged: &JudgedMinute) -> StreamBoard {
        let mut verdicts = BTreeMap::new();
        for row in &judged.rows {
            *verdicts.entry(row.verdict.verdict.name()).or_insert(0) += 1;
        }
        let falls = |verdict: &SliceVerdict| verdict.verdict == Verdict::Drop;
        let first = judged.rows.iter().filter(|row| falls(&row.verdict));
        let others = judged.rows.iter().filter(|row| !falls(&row.verdict));
        let latest = first.chain(others).take(TOLD_SLICES).map(|row| Latest {
            slice: (*row.slice).clone(),
            point: Point::of(judged.minute, &row.verdict),
            since: row.verdict.onset.filter(|_| falls(&row.verdict)).map(|onset| onset[1]),
            recovering: row.verdict.recovering,
        });
        let whole = judged.rows.iter().find(|row| row.slice.is_whole());
        StreamBoard {
            minute: judged.minute,
            dimensions: stream.dimensions.iter().map(|dimension| dimension.name.clone()).collect(),
            verdicts,
            latest: latest.collect(),
            whole: whole.map(|row| Point::of(judged.minute, &row.verdict)),
        }
    }
}

impl Kept {
    /// Adds a minute to its slices, as far as there is room for them.
    fn note(&mut self, stream: &str, judged: &JudgedMinute) {
        let mut free = KEPT_SLICES.saturating_sub(self.minutes.values().map(HashMap::len).sum());
        let minutes = self.minutes.entry(stream.to_owned()).or_default();
        let oldest = judged.minute.plus(1 - BOARD_MINUTES as i32);
        let mut unkept = 0;
        for row in &judged.rows {
            let point = Point::of(judged.minute, &row.verdict);
            if let Some(points) = minutes.get_mut(&*row.slice) {
                points.push_back(point);
            } else if free > 0 {
                free -= 1;
                minutes.insert((*row.slice).clone(), VecDeque::from([point]));
            } else {
                unkept += 1;
            }
        }
        // Slices that are no longer judged make room once their last minute is too old.
        minutes.retain(|_, points| {
            while points.front().is_some_and(|point| point.minute < oldest) {
                points.pop_front();
            }
            !points.is_empty()
        });
        self.unkept.insert(stream.to_owned(), unkept);
    }
}

#[cfg(test)]
#[path = "tests/board.rs"]
pub(super) mod tests;
