//! Followed files without a thread: their turns are taken by hand.
//!
//! In: a feed, a pattern, positions. Out: blocks. Must not know: what becomes of them.

use std::time::Instant;

use super::{Files, PACE, Position, Search};
use crate::config::From;
use crate::source::feed::Feed;

/// The files of a source.
pub(crate) struct SimulatedFiles(Files);

impl SimulatedFiles {
    /// Files that match `pattern`, from `resume` on.
    pub(in crate::source) fn begun(feed: &Feed, pattern: &str, resume: Vec<Position>) -> SimulatedFiles {
        let search = Search::new(&feed.name, pattern);
        let (feed, followed) = (feed.clone(), Vec::new());
        let mut files = Files { feed, search, pace: PACE, followed, is_full: false, is_crowded: false };
        files.begin(From::Start, resume);
        SimulatedFiles(files)
    }

    /// Reads what is new, and looks for new files.
    pub(in crate::source) fn turn(&mut self) {
        let now = Instant::now();
        self.0.scan(now);
        while self.0.look_at_all(now) {}
    }
}
