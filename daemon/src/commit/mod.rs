//! The committer: asks every lane for its delta, writes them down, merges them, seals minutes, keeps the
//! ledger.
//!
//! In: lanes' deltas, tallies of source threads, orders, the clock. Out: commits to the journal; sealed
//! minutes, ledgers, marks to the judge. Must not know: sockets, verdicts, files.

mod acks;
mod bridge;
mod checkpoint;
mod cut;
mod feeds;
mod mask;
mod rejects;
mod segments;
mod thread;

pub use acks::WaitingAcks;
pub use bridge::Bridge;
pub use checkpoint::{Checkpoint, CheckpointError, KeptConversation};
pub use cut::Lanes;
pub use feeds::{Comings, SourceFeed, SourceFeeds};
pub use rejects::{RejectLog, Rejected};
pub use segments::Segments;
pub use thread::{CommitLog, CommitRequest, CommitView, Committer, LaneLatency, OrderReply, spawn};

#[cfg(test)]
mod tests;
