//! What the detector says of one watched slice in one minute.

use super::drift::Drift;
use crate::model::{Minute, SliceId};

/// The verdict of a sealed minute of a watched slice, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// No source is proven alive: there is nothing to judge. Not the same as zero.
    NoData,
    /// Below the band as observed, but not below it with what is missing added.
    Incomplete,
    /// Too little history to expect anything.
    Learning,
    /// Evidence passed the bar and the recovery is not yet accepted.
    Drop,
    /// Nothing to say.
    Ok,
}

impl Verdict {
    /// Every verdict, in order of precedence.
    pub const ALL: [Verdict; 5] =
        [Verdict::NoData, Verdict::Incomplete, Verdict::Learning, Verdict::Drop, Verdict::Ok];

    /// The verdict of this name.
    pub fn named(name: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// The name written in the `slices` dataset.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::NoData => "no_data",
            Verdict::Incomplete => "incomplete",
            Verdict::Learning => "learning",
            Verdict::Drop => "drop",
            Verdict::Ok => "ok",
        }
    }
}

/// One watched slice in one minute: a row of the `slices` dataset, and what alarms are made from.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceVerdict {
    /// The slice, in the detector's own slice table.
    pub slice: SliceId,
    /// The verdict.
    pub verdict: Verdict,
    /// Watched events counted; `None` if and only if the verdict is no_data.
    pub observed: Option<i64>,
    /// Observed plus an upper 99 % bound of what is missing; evidence counts from this.
    pub observed_max: Option<f64>,
    /// Expected events; `None` while learning.
    pub expected: Option<f64>,
    /// Lower end of the 90 % predictive band; `None` while learning.
    pub low: Option<f64>,
    /// Upper end of the 90 % predictive band; `None` while learning.
    pub high: Option<f64>,
    /// Believed fraction of the minute's data that arrived.
    pub completeness: f64,
    /// Accumulated log-likelihood ratio of the strongest member, in nats.
    pub evidence: f64,
    /// The bar that evidence has to pass, in nats.
    pub threshold: f64,
    /// While evidence stands above zero: earliest, likeliest and latest first minute of the drop.
    pub onset: Option<[Minute; 3]>,
    /// Since the onset: minutes, observed and expected events (zero when there is no onset).
    pub since_onset: SinceOnset,
    /// A member for a drop to 65 % or deeper passed its bar: worth waking somebody.
    pub deep: bool,
    /// While `drop`: evidence for recovery is accumulating.
    pub recovering: bool,
    /// Below its lower bound once more although an episode is open: a new, deeper episode began this minute.
    pub escalated: bool,
    /// How far totals may stray from what is expected.
    pub drift: Drift,
    /// The entry of the calendar that declares this minute, by its place.
    pub declared: Option<u16>,
    /// Expected at the level from before a drop, while that is open or was taken as the new normal a while ago.
    pub before_drop: Option<f64>,
    /// Expected at the level from before the last drop, whether that is over or not; `None` before the first.
    pub at_normal: Option<f64>,
}

/// What has happened since the onset of a drop.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SinceOnset {
    /// Minutes since the onset, this one included.
    pub minutes: u32,
    /// Events observed in them.
    pub observed: f64,
    /// Events expected in them.
    pub expected: f64,
}
