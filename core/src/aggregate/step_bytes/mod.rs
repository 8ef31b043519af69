//! A [`Step`](super::Step) as bytes and back: what the journal keeps of a commit.
//!
//! In: a step, and bytes for [`StepReader`]. Out: the bytes of [`Step::write`](super::Step::write), and a step
//! that does the same. Bytes are whole in themselves: they refer to nothing that was written before, but to
//! the series that the aggregator knows its lanes by. They must come to an aggregator with the same streams
//! and sources, in the state in which the first one was. Reading is total: whatever the bytes are, it ends
//! with a step or an error, having taken memory for what was there only. Must not know: files, frames,
//! checksums.
//!
//! Numbers are of variable length, 7 bits a byte; where they may be negative the sign is the lowest bit. Times
//! are microseconds since the step's `at`, minutes count from its minute, series and places from the last.

mod number;
mod read;
mod write;

pub use read::{StepError, StepReader};

/// The form of the bytes that this code writes; it reads no other.
const VERSION: u8 = 1;

/// What a tally tells in addition to its times.
mod tally {
    /// The origin is that of the tally before.
    pub(super) const SAME_ORIGIN: u8 = 1;
    /// A stream follows.
    pub(super) const STREAM: u8 = 2;
    /// A minute of event time follows.
    pub(super) const MINUTE: u8 = 4;
    /// All of its lines are events, and nothing was bad.
    pub(super) const PLAIN: u8 = 8;
}

/// What a step wants.
mod wish {
    pub(super) const REVISE: u8 = 1;
    pub(super) const OPEN_ROWS: u8 = 2;
    /// A minute follows: the ledger before it.
    pub(super) const LEDGER_BEFORE: u8 = 4;
}

/// The kinds of orders.
mod order {
    pub(super) const RESUMED: u8 = 0;
    pub(super) const EXPECT: u8 = 1;
    pub(super) const FORGET: u8 = 2;
    pub(super) const MARK: u8 = 3;
    pub(super) const CRASH: u8 = 4;
    pub(super) const PAUSED: u8 = 5;
    pub(super) const SLEPT: u8 = 6;
    pub(super) const ALARM: u8 = 7;
}

/// The kinds of control records.
mod control {
    pub(super) const MARK: u8 = 0;
    pub(super) const HEARTBEAT: u8 = 1;
    pub(super) const GOODBYE: u8 = 2;
}
