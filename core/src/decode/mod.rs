//! Bytes to events: blocks of whole lines in, borrowed events, marks, heartbeats and rejections out.
//!
//! Must not know: series, minutes, files, sockets. Nothing here outlives the block it reads.

mod block;
mod source;

pub use block::Block;
pub use source::{Format, SourceSpec};
