//! The journal: what outlives the daemon, in numbered segments of frames with chained checksums.
//!
//! In: frames (a kind, and a body that it doesn't look into) and when they have to be durable. Out: how far
//! that is, and at a start the frames again, with everything that is torn, damaged, missing, foreign or
//! newer told as data. Must not know: what the state means.
//!
//! A segment begins with its head and with whatever its first writer says is everything: reading may begin
//! there. The order that a crash cannot turn round: the end of a segment is durable before the next one
//! has its name; a segment is whole before it has its name; an old one goes when the new name is durable.

mod frame;
mod head;
#[cfg(test)]
mod inline;
mod legacy;
mod log;
mod recovery;
mod reserve;
mod segment;
#[cfg(test)]
mod tests;
mod thread;

use std::io;
use std::sync::Arc;

pub use frame::{Frame, FrameKind};
pub use head::About;
#[cfg(test)]
pub(crate) use inline::{is_inline, want_inline};
use log::SegmentLog;
pub use log::{Beginning, NewFrame};
pub use recovery::{Link, RecoverError, Recovered, Segment, SegmentBytes, recover};
use thread::Running;
pub use thread::{JournalError, JournalHandle, Sync};

use crate::sys::Disk;
use crate::telemetry::Telemetry;

/// The journal of a run.
pub struct Journal {
    running: Running,
    first: u64,
}

impl Journal {
    /// Begins the journal of a new run behind what was `recovered`, with a segment that holds `frames` at
    /// first: everything that matters of what was recovered. Older segments stay until they are released.
    /// On a full disk it begins failing, as it would fail later.
    ///
    /// # Errors
    /// Whatever else the disk says.
    pub fn begin(
        disk: Arc<dyn Disk>,
        recovered: &Recovered,
        about: About,
        frames: &[NewFrame],
        telemetry: Arc<Telemetry>,
    ) -> io::Result<Journal> {
        Journal::begin_as(Beginning::GoesOn, disk, recovered, about, frames, telemetry)
    }

    /// The same; how the segment begins says whether reading may begin in what is there already.
    ///
    /// # Errors
    /// See [`Journal::begin`].
    pub fn begin_as(
        beginning: Beginning,
        disk: Arc<dyn Disk>,
        recovered: &Recovered,
        about: About,
        frames: &[NewFrame],
        telemetry: Arc<Telemetry>,
    ) -> io::Result<Journal> {
        telemetry.journal.torn_bytes.add(recovered.torn_bytes);
        telemetry.journal.quarantined.add(recovered.damaged.len() as u64);
        let mut log = SegmentLog::after(disk, recovered, about)?;
        let (first, failing) = match log.begin(frames, beginning) {
            Ok(number) => (number, None),
            Err(error) if log::is_full(&error) => (0, Some(error.to_string())),
            Err(error) => return Err(error),
        };
        Ok(Journal { running: Running::start(log, failing, telemetry)?, first })
    }

    /// The number of the segment that the run began with; 0 if it began failing.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The way to it.
    pub fn handle(&self) -> JournalHandle {
        self.running.handle.clone()
    }

    /// The orderly end: `frames`, whose last should be the checkpoint, are all that remains. They are
    /// written for the release before segments, too.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn close(self, frames: &[NewFrame]) -> io::Result<()> {
        let mut log = self.running.stop()?;
        let number = log.begin(frames, Beginning::Alone)?;
        log.release_before(number)?;
        log.for_the_older_release(frames)
    }
}
