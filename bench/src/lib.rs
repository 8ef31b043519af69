//! The load generator, shared by benches, end-to-end tests and the `ebbd-bench` binary.

mod load;
mod target;

pub use load::{Load, LoadSpec, WireFormat};
pub use target::{Target, send};
