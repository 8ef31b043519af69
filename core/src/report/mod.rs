//! What people read: alarm records as blocks of text on a terminal.
//!
//! In: alarm records, a time zone. Out: text. Must not know: files, sockets, clocks.

mod layout;
#[cfg(test)]
mod tests;
pub mod watch;

pub use crate::alarm::words::escape;
