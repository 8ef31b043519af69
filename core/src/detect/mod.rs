//! Verdicts: counts of a sealed minute against what was expected, evidence accumulated over minutes.
//!
//! In: sealed minutes and baselines. Out: one [`SliceVerdict`] per watched slice and minute.
//! Must not know: alarms, records, files.

mod adopt;
mod bank;
mod calendar;
mod clock;
mod detector;
mod drift;
mod early;
mod episode;
mod episodes;
mod funnel;
mod labels;
mod learning;
mod loss;
mod parts;
mod pulse;
mod shares;
mod slices;
mod state;
#[cfg(test)]
mod tests;
mod verdict;

pub use detector::{DetectKnobs, Detector};
pub use drift::Drift;
pub use early::{Early, Partial, SilentSlice};
#[cfg(test)]
pub(crate) use funnel::tests::{FunnelShop, sealed_of_funnel};
pub use funnel::{FunnelDetector, FunnelMinute, FunnelState};
pub use labels::LabelEffect;
pub use slices::SliceTable;
pub use state::{DetectorState, StateError};
pub use verdict::{SinceOnset, SliceVerdict, Verdict};
