//! The detection lab: trials judged by the detector and its peers, and scored against the truth.
//!
//! In: trials of [`ebbd_core::simulate::trial`], or real series. Out: the figures of the D-table.
//! Must not know: arguments, how tables are laid out.

mod bound;
pub mod cost;
mod figures;
mod judged;
mod oracle;
pub mod peers;
mod pool;
mod score;
pub mod series;
#[cfg(test)]
mod tests;
mod truth;

pub use figures::{Figures, Found};
pub use judged::{Setting, judge};
pub use oracle::oracle;
pub use pool::side_by_side;
pub use score::{Score, events as score_events};
pub use truth::{Place, Truth};

/// Seeds that the detector may be improved on.
pub const TUNING_SEEDS: [u64; 3] = [4101, 4102, 4103];
/// Seeds to report on. Nothing may be changed because of what they show: they are looked at once for a
/// release, and replaced when something was learnt from them.
pub const REPORTING_SEEDS: [u64; 4] = [7201, 7202, 7203, 7204];
/// False alarms per slice-week that the detector is asked for.
pub const BUDGET: f64 = 0.1;

/// A slice's minutes as somebody judged them.
pub type Minutes = Vec<u8>;
/// Flag: an alarm is open.
pub const DROP: u8 = 1;
/// Flag: it became worse, and that is told.
pub const ESCALATED: u8 = 2;
/// Flag: it is worth waking somebody.
pub const DEEP: u8 = 4;

/// Rates by which slices are told apart, in orders a minute; the last band is open.
pub const BANDS: [f64; 5] = [0.5, 5.0, 50.0, 500.0, 5_000.0];
/// The first band of busy slices.
pub const BUSY: usize = 3;

/// The band of a rate.
pub fn band(rate: f64) -> usize {
    BANDS.iter().filter(|limit| rate >= **limit).count()
}
