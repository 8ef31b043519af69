//! What people read: alarm records as blocks of text on a terminal, an incident's story as a page, and foreign
//! words made safe to look at.
//!
//! In: alarm records, verdicts, a time zone, texts that came from events. Out: text. Must not know: files, sockets, clocks.

// It reads rows of the datasets.
#[cfg(feature = "columns")]
pub mod incident;
mod layout;
#[cfg(test)]
mod tests;
pub mod watch;

pub use crate::alarm::words::{escape, is_hidden, visible, visible_json};
