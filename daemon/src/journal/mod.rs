//! The journal: one file in which the daemon's live state outlives it.
//!
//! In: records, marks and, at an orderly stop, the whole state. Out: the same at the next start.
//! Must not know: what the state means; it carries JSON bodies.

pub mod frame;
