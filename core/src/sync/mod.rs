//! What crosses threads and is not crossbeam's: the buffer pool, the doorbell, the notice, the tally.
//!
//! In: buffers, rings, counts. Out: leases that find their way home, "wake it", sums.
//! Must not know: what the bytes mean, threads (who sleeps and how is the caller's).

mod atomic;
mod doorbell;
mod notice;
mod pool;
mod tally;

#[cfg(all(test, loom))]
mod loom_tests;

pub use doorbell::Doorbell;
pub use notice::Notice;
pub use pool::{Lease, Pool};
pub use tally::Tally;
