//! Verdicts: counts of a sealed minute against what was expected, evidence accumulated over minutes.
//!
//! In: sealed minutes and baselines. Out: one [`SliceVerdict`] per watched slice and minute.
//! Must not know: alarms, records, files.

mod verdict;

pub use verdict::{SinceOnset, SliceVerdict, Verdict};
