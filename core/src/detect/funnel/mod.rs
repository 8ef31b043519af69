//! Funnels: what a stream has brought against what another one should have brought in it.
//!
//! The expectation of a minute is not a weekly profile but the other stream's minutes before it, each with the
//! learnt share that comes after so long ([`Lags`]). Everything behind the expectation (levels, dispersion, the
//! bank of tests, the life of a drop) is the [`Detector`]'s.
//!
//! In: sealed minutes of both streams, each stream's in ascending order. Out: verdicts of a minute once both
//! streams have it.

mod lags;
mod state;
#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use lags::Lags;
pub use state::FunnelState;

use super::{DetectKnobs, Detector, SliceVerdict, Verdict};
use crate::model::{
    Completeness, DimensionSpec, FunnelSpec, Minute, OTHER, SealedMinute, SealedRow, SealedRows, SeriesKey,
    Slice, StreamSpec, Timezones, WatchedFilter,
};

/// Most slices of a funnel; what belongs to later ones is in [`OTHER`].
const MOST_SLICES: usize = 512;
/// Most minutes that one stream may be ahead of the other: a day of history, read stream by stream, and some.
const MOST_AHEAD: usize = 1_600;
/// Minutes of the first stream that have to be known, unless `within` is shorter.
const LEAST_KNOWN: u32 = 1_440;
/// Minutes for which only lags are learnt, before levels and dispersion are.
const LAGS_FIRST: u32 = 1_440;

/// Counts of one minute by slice.
type Counts = Vec<(Slice, i64)>;

/// Judges one funnel.
#[derive(Debug)]
pub struct FunnelDetector {
    spec: FunnelSpec,
    detector: Detector,
    lags: Lags,
    /// What came in the first stream, by slice: per bucket of the lags, the latest last.
    came: BTreeMap<Slice, VecDeque<f32>>,
    /// Minutes of the first stream that are not in `came` yet, those of the other that wait for them.
    ahead: BTreeMap<Minute, Counts>,
    waiting: BTreeMap<Minute, (Counts, Completeness)>,
    /// The last minute in `came`, and how many in a row are known.
    last: Option<Minute>,
    known: u32,
    /// Minutes that taught lags.
    taught: u32,
}

/// A minute of a funnel as it was judged.
#[derive(Clone, Debug)]
pub struct FunnelMinute {
    /// What the second stream had, by the funnel's dimensions, with what is known to be missing of it.
    pub sealed: SealedMinute,
    /// The verdicts with their slices, in id order.
    pub rows: Vec<(Arc<Slice>, SliceVerdict)>,
}

impl FunnelMinute {
    fn falls(&self, slice: &Slice) -> bool {
        self.rows.iter().any(|(own, verdict)| **own == *slice && verdict.verdict == Verdict::Drop)
    }
}

impl FunnelDetector {
    /// A detector that knows nothing yet. `to` is the second stream.
    pub fn new(spec: FunnelSpec, to: &StreamSpec, knobs: &DetectKnobs) -> FunnelDetector {
        let detector =
            Detector::new(&own_stream(&spec, to), &DetectKnobs { max_slices: MOST_SLICES, ..*knobs });
        FunnelDetector {
            lags: Lags::new(spec.within_min),
            spec,
            detector,
            came: BTreeMap::new(),
            ahead: BTreeMap::new(),
            waiting: BTreeMap::new(),
            last: None,
            known: 0,
            taught: 0,
        }
    }

    /// What it judges.
    pub fn spec(&self) -> &FunnelSpec {
        &self.spec
    }

    /// Takes a sealed minute of either stream; returns the minutes that both now have, judged. Minutes of other
    /// streams, revisions and minutes that were taken before change nothing.
    pub fn take(&mut self, sealed: &SealedMinute) -> Vec<FunnelMinute> {
        let news = |last: Option<Minute>| last.is_none_or(|last| sealed.minute > last);
        if sealed.revision > 0 || !news(self.last) {
            return Vec::new();
        }
        if sealed.stream == self.spec.from {
            // What is not known counts as nothing: less is expected then, and no drop is made of it.
            self.ahead.insert(sealed.minute, self.counts(sealed, true));
        }
        if sealed.stream == self.spec.to && news(self.detector.last_minute()) {
            let counts = self.counts(sealed, false);
            self.waiting.insert(sealed.minute, (counts, sealed.completeness.clone()));
        }
        self.judge_both()
    }

    fn judge_both(&mut self) -> Vec<FunnelMinute> {
        let mut judged = Vec::new();
        while let Some(minute) = self.next_minute() {
            let came = self.ahead.remove(&minute);
            self.advance(minute, came);
            if let Some((counts, completeness)) = self.waiting.remove(&minute) {
                judged.extend(self.judge(minute, &counts, completeness));
            }
        }
        judged
    }

    /// The earliest minute that both have or that one lacks for good.
    fn next_minute(&self) -> Option<Minute> {
        let (first, second) = (self.ahead.first_key_value(), self.waiting.first_key_value());
        let (first, second) = (first.map(|(minute, _)| *minute), second.map(|(minute, _)| *minute));
        match (first, second) {
            (Some(first), Some(second)) => Some(first.min(second)),
            (first, second) => {
                let full = self.ahead.len().max(self.waiting.len()) > MOST_AHEAD;
                first.or(second).filter(|_| full)
            }
        }
    }

    /// The watched rows of a minute by slice, the whole among them.
    fn counts(&self, sealed: &SealedMinute, first: bool) -> Counts {
        let mut counts: BTreeMap<Slice, i64> = BTreeMap::new();
        for row in sealed.judged_rows().filter(|row| row.key.watched) {
            let slice = self.spec.slice_of(row.key, first);
            let known = counts.contains_key(&slice) || self.came.contains_key(&slice);
            let room = known || self.came.len().max(counts.len()) < MOST_SLICES;
            let slice = if room { slice } else { self.other() };
            *counts.entry(slice).or_default() += row.count;
        }
        counts.into_iter().collect()
    }

    fn other(&self) -> Slice {
        Slice(self.spec.by.iter().map(|by| (by.name.clone(), OTHER.to_owned())).collect())
    }

    /// The first stream goes on to `minute`, with what it had in it.
    fn advance(&mut self, minute: Minute, counts: Option<Counts>) {
        let gap = self.last.map_or(1, |last| minute.0.saturating_sub(last.0));
        self.known = if gap == 1 && counts.is_some() { self.known.saturating_add(1) } else { 0 };
        let buckets = self.lags.buckets_between(self.last, minute);
        for came in self.came.values_mut() {
            (0..buckets).for_each(|_| came.push_back(0.0));
            came.drain(..came.len().saturating_sub(self.lags.buckets()));
        }
        self.last = Some(minute);
        for (slice, count) in counts.unwrap_or_default() {
            let came = self.came.entry(slice).or_default();
            if came.is_empty() {
                came.push_back(0.0);
            }
            if let Some(bucket) = came.back_mut() {
                *bucket += count as f32;
            }
        }
        self.came.retain(|_, came| came.iter().any(|count| *count > 0.0));
    }

    fn judge(&mut self, minute: Minute, counts: &Counts, completeness: Completeness) -> Option<FunnelMinute> {
        if self.known < self.spec.within_min.min(LEAST_KNOWN) {
            return None;
        }
        let means = self.came.iter().map(|(slice, came)| (slice.clone(), self.lags.means(came, minute)));
        let means: BTreeMap<Slice, Vec<f64>> = means.collect();
        let sound = !completeness.no_data && completeness.fraction >= 1.0;
        let judged = (self.taught >= LAGS_FIRST).then(|| self.verdicts(minute, counts, completeness, &means));
        if sound {
            let falls = |slice: &Slice| judged.as_ref().is_some_and(|judged| judged.falls(slice));
            let normal = means.iter().filter(|(slice, _)| !falls(slice));
            let normal: Vec<(f64, &[f64])> =
                normal.map(|(slice, means)| (count_of(counts, slice), &means[..])).collect();
            self.lags.learn(&normal);
            self.taught = self.taught.saturating_add(1);
        }
        judged
    }

    fn verdicts(
        &mut self,
        minute: Minute,
        counts: &Counts,
        completeness: Completeness,
        means: &BTreeMap<Slice, Vec<f64>>,
    ) -> FunnelMinute {
        let sealed = self.own_minute(minute, counts, completeness);
        let expected =
            |slice: &Slice| means.get(slice).map_or(0.0, |means| self.lags.expected_at_least(means));
        let whole: f64 = means.keys().map(expected).sum();
        let given = |slice: &Slice| if slice.is_whole() { whole } else { expected(slice) };
        let mut rows = Vec::new();
        self.detector.judge_given(&sealed, &given, &mut |slice, verdict| {
            rows.push((Arc::clone(slice), verdict));
        });
        FunnelMinute { rows, sealed }
    }

    /// The minute of the second stream by the funnel's dimensions.
    fn own_minute(&self, minute: Minute, counts: &Counts, completeness: Completeness) -> SealedMinute {
        let row = |(slice, count): &(Slice, i64)| SealedRow {
            key: Arc::new(SeriesKey {
                dimensions: self.spec.by.iter().map(|by| slice.0[&by.name].as_str().into()).collect(),
                currencies: Box::default(),
                watched: true,
            }),
            count: *count,
            sums: Box::default(),
            sketches: Box::default(),
        };
        SealedMinute {
            stream: self.spec.to,
            minute,
            revision: 0,
            rows: counts.iter().map(row).collect(),
            earlier: SealedRows::default(),
            completeness,
            sources: Vec::new(),
            sealed_at: minute.end(),
        }
    }
}

fn count_of(counts: &Counts, slice: &Slice) -> f64 {
    counts.iter().find(|(own, _)| own == slice).map_or(0.0, |(_, count)| *count as f64)
}

/// The second stream as the detector sees it: the funnel's dimensions, the whole and each value watched.
fn own_stream(spec: &FunnelSpec, to: &StreamSpec) -> StreamSpec {
    let dimension = |name: &str| DimensionSpec { name: name.to_owned(), field: name.to_owned() };
    let mut watch = vec![vec![]];
    if !spec.by.is_empty() {
        watch.push((0..spec.by.len()).collect());
    }
    StreamSpec {
        dimensions: spec.by.iter().map(|by| dimension(&by.name)).collect(),
        sums: Vec::new(),
        distincts: Vec::new(),
        watched: WatchedFilter::default(),
        watch,
        timezones: Timezones { default: "UTC".to_owned(), by: None, zones: BTreeMap::new() },
        ..to.clone()
    }
}
