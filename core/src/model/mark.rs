//! What senders say in band besides events: change markers, heartbeats, goodbyes.

use super::{Slice, TimeUs};

/// A change marker: something was deployed, flagged, configured, rolled back, promoted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// The giver's own name of the marker: the same id again replaces it. Made from the content if absent.
    pub id: String,
    /// `deploy`, `flag`, `config`, `rollback`, `promo`, `maintenance`, `note` or any word.
    pub kind: String,
    /// What was changed, in the giver's words.
    pub what: String,
    /// When the change took effect.
    pub at: TimeUs,
    /// When it ended, for markers that span time.
    pub until: Option<TimeUs>,
    /// What the change touches; empty if it is not known.
    pub scope: Slice,
    /// Taken back by its giver.
    pub retracted: bool,
    /// When ebbd heard of it.
    pub received: TimeUs,
    /// The source or command that brought it.
    pub by: String,
}

/// "All of my events up to `through` have been sent, I dropped so many."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The sending host; empty if unnamed.
    pub origin: String,
    /// Event time up to which the sender has sent everything; the reader clamps it to now.
    pub through: Option<TimeUs>,
    /// Events the sender dropped since its own start (cumulative).
    pub dropped: Option<u64>,
}

/// The sender stops on purpose: its silence from now on is not missing data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// The sending host; empty if unnamed.
    pub origin: String,
}
