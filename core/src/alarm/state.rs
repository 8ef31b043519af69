//! The book as it is saved: everything that the next record depends on.

use serde::{Deserialize, Serialize};

use super::book::{AlarmBook, Pages};
use super::compose::BookContext;

/// The version written; older ones are read.
const VERSION: u32 = 1;

/// A saved book: open alarms, sequence numbers, markers, baskets, the last minutes of each slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BookState {
    version: u32,
    pages: Pages,
}

impl AlarmBook {
    /// What has to be kept for the book to go on as if nothing had happened. Incident rows that were not
    /// taken are not part of it: take them first.
    pub fn save(&self) -> BookState {
        BookState { version: VERSION, pages: self.pages.clone() }
    }

    /// A book that goes on from a saved one.
    ///
    /// # Errors
    /// A state of a newer version is refused, in words.
    pub fn restore(context: BookContext, state: BookState) -> Result<AlarmBook, String> {
        if state.version > VERSION {
            return Err(format!("alarm state of version {}, this ebbd reads up to {VERSION}", state.version));
        }
        Ok(AlarmBook { pages: state.pages, ..AlarmBook::new(context) })
    }
}
