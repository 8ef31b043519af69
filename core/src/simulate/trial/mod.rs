//! Shops for trying the detector: counts per slice and minute over weeks, with the truth beside them.
//!
//! In: a [`TrialSpec`] (a seed, a family, how long). Out: a [`Trial`]: what was counted, what was meant
//! to be counted with and without incidents, and everything that happened. The same spec gives the same
//! trial. Must not know: how anything is judged or scored.

mod bots;
mod counts;
mod curve;
mod happening;
mod plan;
mod plan_unlike;
mod shop;
mod stage;
#[cfg(test)]
mod tests;
mod wander;

pub use counts::Trial;
pub use happening::{Happening, Kind};
pub use shop::{LEAVES, SLICES, slices_of_leaf};

use crate::model::Minute;

/// Minutes in a day.
pub const DAY: i32 = 1440;

/// What noise a shop has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// The detector's own model: negative binomial counts around a rate that wanders (Ornstein-Uhlenbeck)
    /// and minutes that resemble their neighbours (autoregression).
    Like,
    /// What the detector's model does not have: days that warp, hourly bots, batches, bursts, zero
    /// inflation, heavy tails, drifting weekends, migration between slices, lasting shifts, paydays.
    Unlike,
}

impl Family {
    /// `like` or `unlike`.
    pub fn name(self) -> &'static str {
        match self {
            Family::Like => "like",
            Family::Unlike => "unlike",
        }
    }
}

/// Which trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialSpec {
    /// The same seed gives the same shop.
    pub seed: u64,
    /// Its noise.
    pub family: Family,
    /// Days before anything is scored; they are contaminated, too.
    pub training_days: i32,
    /// Days after them.
    pub evaluated_days: i32,
}

impl TrialSpec {
    /// Eight weeks, of which the last three are evaluated.
    pub fn new(seed: u64, family: Family) -> TrialSpec {
        TrialSpec { seed, family, training_days: 35, evaluated_days: 21 }
    }

    /// Monday 2026-09-14 00:00 UTC: the clocks change in Europe and America while it is evaluated, in
    /// Australia while it is learnt.
    pub fn start(&self) -> Minute {
        Minute(29_822_400)
    }

    /// All minutes.
    pub fn minutes(&self) -> i32 {
        (self.training_days + self.evaluated_days) * DAY
    }

    /// The first evaluated minute, counted from the start.
    pub fn evaluated_from(&self) -> i32 {
        self.training_days * DAY
    }
}
