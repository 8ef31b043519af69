//! Space that is kept for bad times: a file that is given up when the disk is full, so that there is room
//! for a fresh segment and for the records that tell of it.
//!
//! In: a directory. Out: a file, or its space. Must not know: segments.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::sys::Disk;

const NAME: &str = "reserve";
const BYTES: u64 = 64 << 20;
/// The reserve takes at most this part of what is free …
const PART_OF_FREE: u64 = 100;
/// … and is not worth having below this.
const LEAST_BYTES: u64 = 1 << 20;

/// The reserve of a directory.
pub(super) struct Reserve {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    is_there: bool,
}

impl Reserve {
    /// The reserve in `dir`, as it lies there.
    pub(super) fn of(disk: Arc<dyn Disk>, dir: &Path) -> Reserve {
        let is_there = disk.list(dir).is_ok_and(|paths| paths.contains(&dir.join(NAME)));
        Reserve { disk, dir: dir.to_owned(), is_there }
    }

    /// Gives the space up; says whether there was any.
    pub(super) fn spend(&mut self) -> bool {
        let there = std::mem::take(&mut self.is_there);
        there && self.disk.unlink(&self.dir.join(NAME)).is_ok()
    }

    /// Takes space again, unless it has some or there is too little.
    pub(super) fn refill(&mut self) {
        if self.is_there {
            return;
        }
        match self.make() {
            Ok(made) => self.is_there = made,
            Err(error) => {
                tracing::debug!("no space is kept in reserve: {error}");
                // Half a reserve is of no use; what cannot be removed does no harm either.
                let _ = self.disk.unlink(&self.dir.join(NAME));
            }
        }
    }

    fn make(&self) -> io::Result<bool> {
        let bytes = BYTES.min(self.disk.free_bytes(&self.dir)? / PART_OF_FREE);
        if bytes < LEAST_BYTES {
            return Ok(false);
        }
        let mut file = self.disk.create(&self.dir.join(NAME))?;
        file.allocate(bytes)?;
        Ok(true)
    }
}
