//! The committer: asks every lane for its delta, merges them, seals minutes, keeps the ledger.
//!
//! In: lanes' deltas, tallies of source threads, the clock. Out: sealed minutes to judge and store,
//! ledgers, marks. Must not know: sockets, verdicts, files.

mod cut;
mod feeds;
mod mask;
mod rejects;
mod thread;

pub use cut::Lanes;
pub use feeds::{SourceFeed, SourceFeeds};
pub use rejects::{RejectLog, Rejected};
pub use thread::{CommitRequest, CommitView, Committer, LaneLatency, Outputs, spawn};

#[cfg(test)]
mod tests;
