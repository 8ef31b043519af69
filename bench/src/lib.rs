//! The load generators, sinks and stages, shared by benches, end-to-end tests and the `ebbd-bench` binary.

pub mod lab;
mod load;
mod send;
mod shop;
mod sink;
mod spent;
pub mod stages;
mod target;

pub use load::{Load, LoadSpec, WireFormat};
pub use send::{Pace, Sender};
pub use shop::{EVENTS_PER_MINUTE, ShopLoad, ShopSpec, TimeText, Truth};
pub use sink::{Sink, SinkKind, SinkReport};
pub use spent::{Spent, thread_ns};
pub use target::Target;
