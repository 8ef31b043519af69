//! A glance at the minutes of a stream that are not sealed yet: what they have so far, and how sure that is.

use super::{Minute, SealedRows, StreamId, TimeUs};

/// What a stream has of its open minutes at an instant. Nothing is taken out of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Glance {
    /// The stream.
    pub stream: StreamId,
    /// When it was looked at.
    pub at: TimeUs,
    /// The first minute that is not sealed.
    pub next: Minute,
    /// Minutes that have anything, ascending; one without an event so far may be left out.
    pub minutes: Vec<OpenCounts>,
    /// When each sender of the stream that has not left was heard last, by line or by heartbeat; ascending.
    pub heard: Vec<TimeUs>,
    /// Since when ebbd has been running without standing still.
    pub up_since: TimeUs,
    /// Lines that were lost in the minute of arrival that is now and in the one before.
    pub lost_lines: u64,
    /// The most lines that were refused in one of these two although they might have counted.
    pub refused_lines: u64,
}

/// An open minute: rows of watched series without sums and sketches.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenCounts {
    /// The minute.
    pub minute: Minute,
    /// What each series has so far, in no particular order. A series may come twice.
    pub rows: SealedRows,
}
