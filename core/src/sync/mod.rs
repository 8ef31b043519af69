//! What crosses threads and is not crossbeam's: the buffer pool, and small lock-free signals.
//!
//! In: buffers. Out: leases that find their way home. Must not know: what the bytes mean.

mod pool;

pub use pool::{Lease, Pool};
