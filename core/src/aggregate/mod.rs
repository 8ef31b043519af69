//! Counting: what lanes count per series and minute, where they meet, when a minute is closed, what is
//! known of its completeness, what late events add.
//!
//! In: blocks of lines, the time, what sources know of lost lines and connections.
//! Out: [`SealedMinute`](crate::model::SealedMinute)s and their revisions, the ledger, positions, marks.
//! Must not know: verdicts, alarms, files, threads. A lane and the aggregator share nothing but a
//! [`Delta`]; sums are the same however lines are spread over lanes and cuts.

mod aggregator;
mod arrivals;
mod cells;
mod coupon;
mod coupon_bits;
mod dedupe;
mod delta;
mod distincts;
mod glance;
mod lane;
mod merge;
mod noted;
mod open;
mod order;
mod position;
mod readings;
mod registers;
mod restore;
mod running;
mod save;
mod seal;
mod series;
mod sketch;
mod sources;
mod stage;
mod state;
mod step;
mod step_bytes;
mod tally;
pub mod twin;
mod watermark;

#[cfg(test)]
mod tests;

pub use aggregator::{AggregateCounters, Aggregator, SourceTally};
pub use delta::{
    CellKey, Control, ControlKind, Delta, EventLog, IdEvent, NewRows, Position, RefusedLines, Sample,
    StreamDelta, Tally,
};
pub use lane::LaneCounter;
pub use position::Reached;
pub use state::{AggregateState, RestoreError};
pub use step::{Crash, Order, Pause, Step, Stepped};
pub use step_bytes::{StepError, StepReader};
