//! ebbd-core: order events in, sealed minutes, verdicts and alarm records out.
//!
//! The core is a function. It knows no clock, socket, file, thread or async runtime: bytes, times
//! and configuration are handed to it, and the same input gives the same output, byte for byte. The
//! daemon, batch ingest, replay, the demo and every test run this same code.
//!
//! The modules stand in the order in which data flows; each may use only those above it
//! (`tests/tidy.rs` checks that).

pub mod model;
pub mod simd;
pub mod sync;

pub mod decode;
pub mod intern;

pub mod aggregate;

pub mod baseline;
pub mod detect;

pub mod impact;
pub mod localize;

pub mod alarm;
pub mod judge;

#[cfg(feature = "columns")]
pub mod columns;

pub mod report;
pub mod simulate;

#[cfg(feature = "columns")]
pub mod replay;
