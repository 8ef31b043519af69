//! One host of many: what falls alike in all its slices is traffic, not a drop.

use super::scene::{SliceRow, Subject};
use crate::detect::Verdict;
use crate::impact::variance;

/// A slice whose share fell explains the whole's fall from this part of it on.
const EXPLAINS: f64 = 0.3;
/// And it misses so many standard deviations of its own.
const DOWN: f64 = 3.0;

impl Subject<'_> {
    /// Whether the whole falls without any slice that falls in it: only then it is traffic that moved. Slices
    /// are judged as shares here, so one that falls alike misses nothing.
    pub(super) fn alike(rows: &[SliceRow]) -> bool {
        let missing = |row: &SliceRow| {
            let (observed, expected) = (row.verdict.observed?, row.verdict.expected?);
            Some(expected - observed as f64)
        };
        let whole = rows.iter().find(|row| row.slice.is_whole());
        let Some(whole) = whole.filter(|row| row.verdict.verdict == Verdict::Drop).and_then(missing) else {
            return false;
        };
        let explains = |row: &SliceRow| {
            let own = missing(row).unwrap_or(0.0);
            own >= EXPLAINS * whole && own > DOWN * variance(&row.verdict).sqrt()
        };
        !rows.iter().any(|row| !row.slice.is_whole() && explains(row))
    }
}
