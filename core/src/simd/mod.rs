//! Column kernels that the compiler turns into vector code, chosen for this machine at run time; asking
//! for memory ahead of its use.
//!
//! In: columns of numbers, bytes. Out: the same columns one minute later, how many lines the bytes have.
//! Must not know: slices, minutes of the calendar, verdicts. Each kernel has a plain twin in
//! [`twin`] that says the same with branches; tests hold the two equal bit for bit. Nothing is
//! fused or reordered, so every machine gives the same result.
#![allow(unsafe_code)] // run-time dispatch, as `multiversion` expands it

mod bank;
mod chunk;
pub mod column;
mod content;
mod lines;
mod log;
mod prefetch;
pub mod scan;
pub mod stretch;
pub mod twin;

pub use bank::step;
pub use chunk::Chunk;
pub use column::{Block, Step};
pub use content::LongContent;
pub use lines::count_lines;
pub use log::{ln, ln1p};
pub use prefetch::prefetch;
