//! Verdicts as series of points: gaps are points without figures, long spans are means of several minutes.

use std::collections::BTreeMap;
use std::ops::Range;

use super::account::{Point, Series};
use crate::columns::StoredVerdict;
use crate::detect::{Drift, SinceOnset, SliceVerdict, Verdict};
use crate::impact::Loss;
use crate::model::{Minute, Slice, SliceId};

/// Most points of a series; longer spans are brought down to means.
const MOST_POINTS: i32 = 720;
/// Minutes that one point may stand for.
const STEPS: [i32; 9] = [1, 2, 5, 10, 15, 30, 60, 120, 1440];

/// The verdicts of one slice by minute.
pub(super) type ByMinute<'a> = BTreeMap<Minute, &'a StoredVerdict>;

/// How many minutes one point of this span stands for.
pub(super) fn step(shown: &Range<Minute>) -> i32 {
    let minutes = shown.end.0 - shown.start.0;
    STEPS.into_iter().find(|step| minutes / step <= MOST_POINTS).unwrap_or(minutes / MOST_POINTS + 1)
}

/// Verdicts by slice and minute; of several hosts the first one's.
pub(super) fn by_slice(verdicts: &[StoredVerdict]) -> BTreeMap<&Slice, ByMinute<'_>> {
    let mut slices: BTreeMap<&Slice, ByMinute<'_>> = BTreeMap::new();
    for verdict in verdicts {
        slices.entry(&*verdict.slice).or_default().entry(verdict.minute).or_insert(verdict);
    }
    slices
}

/// A slice's points over `shown`, and what it lost in the minutes of the `incident`.
pub(super) fn of(
    slice: &Slice,
    name: String,
    verdicts: &ByMinute<'_>,
    shown: &Range<Minute>,
    incident: &Range<Minute>,
) -> Series {
    let step = step(shown);
    let starts = (shown.start.0..shown.end.0).step_by(step as usize).map(Minute);
    let points = starts.map(|start| point(verdicts, start..start.plus(step).min(shown.end))).collect();
    let loss = loss(verdicts, incident);
    let is_known = loss.expected > 0.0;
    Series {
        slice: slice.clone(),
        name,
        lost: is_known.then(|| loss.orders()),
        remaining: is_known.then_some(loss.observed / loss.expected),
        points,
    }
}

/// What a slice lost in these minutes.
pub(super) fn loss(verdicts: &ByMinute<'_>, minutes: &Range<Minute>) -> Loss {
    let mut loss = Loss::default();
    verdicts.range(minutes.clone()).for_each(|(_, verdict)| loss.add(&as_judged(verdict)));
    loss
}

fn point(verdicts: &ByMinute<'_>, minutes: Range<Minute>) -> Point {
    let minute = minutes.start.start().to_rfc3339();
    let rows: Vec<&StoredVerdict> = verdicts.range(minutes).map(|(_, verdict)| *verdict).collect();
    let mean = |figure: &dyn Fn(&StoredVerdict) -> Option<f64>| {
        let known: Vec<f64> = rows.iter().filter_map(|row| figure(row)).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    Point {
        minute,
        observed: mean(&|row| row.observed.map(|observed| observed as f64)),
        expected: mean(&|row| row.expected),
        low: mean(&|row| row.low),
        high: mean(&|row| row.high),
        verdict: worst(&rows),
        completeness: mean(&|row| Some(row.completeness)),
    }
}

/// The verdict that says most of several minutes.
fn worst(rows: &[&StoredVerdict]) -> &'static str {
    let order = [Verdict::Drop, Verdict::NoData, Verdict::Incomplete, Verdict::Learning, Verdict::Ok];
    let found = order.into_iter().find(|verdict| rows.iter().any(|row| row.verdict == *verdict));
    found.map_or("none", Verdict::name)
}

/// A stored verdict as the detector gave it, as far as a loss is reckoned from it.
fn as_judged(stored: &StoredVerdict) -> SliceVerdict {
    SliceVerdict {
        slice: SliceId(0),
        verdict: stored.verdict,
        observed: stored.observed,
        observed_max: stored.observed_max,
        expected: stored.expected,
        low: stored.low,
        high: stored.high,
        completeness: stored.completeness,
        evidence: stored.evidence,
        threshold: 0.0,
        onset: None,
        since_onset: SinceOnset::default(),
        deep: false,
        recovering: false,
        escalated: false,
        drift: Drift::default(),
        declared: None,
        before_drop: None,
        at_normal: None,
    }
}
