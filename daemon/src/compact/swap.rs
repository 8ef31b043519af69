//! The stage: where new folders are made, the exchange of a folder's name, the removal of folders.
//!
//! Nothing here has to be mended after a crash. Before the exchange the new folder is rubbish; after it the old one
//! is, for what it had is merged in the new one or linked there under the same name.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{CompactError, What, folders};
use crate::store::hold_names;
use crate::sys::{Disk, RealDisk};

/// The folder of new and old folders, in the stage.
const FOLDER: &str = "compact";

/// The one compaction that may be at work in a data directory.
#[derive(Debug)]
pub(super) struct Stage {
    /// The writers' stage.
    stage: PathBuf,
    folder: PathBuf,
    _lock: File,
}

/// A folder that is being made to take another one's place.
pub(super) struct Fresh<'a> {
    stage: &'a Stage,
    new: PathBuf,
    live: &'a Path,
}

impl Stage {
    /// Takes the lock.
    pub(super) fn open(stage: &Path) -> Result<Stage, CompactError> {
        let folder = stage.join(FOLDER);
        at(&folder, RealDisk.make_dir(&folder))?;
        let path = stage.join("compact.lock");
        let lock = at(&path, OpenOptions::new().create(true).append(true).mode(0o640).open(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Stage { stage: stage.to_owned(), folder, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(CompactError::Busy(stage.to_owned())),
            Err(TryLockError::Error(source)) => Err(CompactError::Disk { path, source }),
        }
    }

    /// Removes what an earlier one left.
    pub(super) fn clean(&self) -> Result<(), CompactError> {
        let left = at(&self.folder, RealDisk.list(&self.folder))?;
        left.iter().try_for_each(|path| at(path, fs::remove_dir_all(path)))
    }

    /// Begins a folder that is to take the place of `live`.
    pub(super) fn fresh<'a>(&'a self, live: &'a Path) -> Result<Fresh<'a>, CompactError> {
        let new = self.folder.join("new");
        if new.exists() {
            at(&new, fs::remove_dir_all(&new))?;
        }
        at(&new, fs::DirBuilder::new().mode(0o750).create(&new))?;
        let like = at(live, fs::metadata(live))?.permissions();
        at(&new, fs::set_permissions(&new, fs::Permissions::from_mode(like.mode())))?;
        Ok(Fresh { stage: self, new, live })
    }

    /// Removes a folder: its name goes at once, then what was in it.
    pub(super) fn remove(&self, live: &Path, dry_run: bool) -> Result<What, CompactError> {
        let paths = folders::parquet(live)?;
        let bytes = bytes_of(&paths);
        if !dry_run {
            let gone = self.folder.join("gone");
            if gone.exists() {
                at(&gone, fs::remove_dir_all(&gone))?;
            }
            let held = at(&self.stage, hold_names(&RealDisk, &self.stage))?;
            at(live, fs::rename(live, &gone))?;
            drop(held);
            at(live, live.parent().map_or(Ok(()), |parent| RealDisk.sync_dir(parent)))?;
            at(&gone, fs::remove_dir_all(&gone))?;
        }
        Ok(What::Removed { files: paths.len(), bytes })
    }
}

impl Fresh<'_> {
    /// Where a file of this name lies until the exchange.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.new.join(name)
    }

    /// A new file, and the same to be synced.
    pub(super) fn create(&self, name: &str) -> Result<(File, File), CompactError> {
        let path = self.path(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path);
        let file = at(&path, file)?;
        let again = at(&path, file.try_clone())?;
        Ok((file, again))
    }

    /// Takes the other one's place; files of it that are not `merged` come along. Gives how many files there
    /// are now, and their bytes.
    pub(super) fn swap(self, merged: &BTreeSet<&Path>) -> Result<(usize, u64), CompactError> {
        // From here to the exchange no writer gives a name, so none is given in the folder that goes.
        let held = at(&self.stage.stage, hold_names(&RealDisk, &self.stage.stage))?;
        for path in at(self.live, RealDisk.list(self.live))? {
            if let (false, Some(name)) = (merged.contains(path.as_path()), path.file_name()) {
                at(&path, fs::hard_link(&path, self.new.join(name)))?;
            }
        }
        at(&self.new, RealDisk.sync_dir(&self.new))?;
        let exchanged = renameat_with(CWD, &self.new, CWD, self.live, RenameFlags::EXCHANGE);
        at(self.live, exchanged.map_err(io::Error::from).map_err(no_exchange))?;
        drop(held);
        at(self.live, self.live.parent().map_or(Ok(()), |parent| RealDisk.sync_dir(parent)))?;
        at(&self.stage.folder, RealDisk.sync_dir(&self.stage.folder))?;
        at(&self.new, fs::remove_dir_all(&self.new))?;
        let paths = folders::parquet(self.live)?;
        Ok((paths.len(), bytes_of(&paths)))
    }
}

/// Without the exchange there would be a moment at which the day is not there.
fn no_exchange(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidInput => io::Error::other(
            "this file system can't exchange two folders' names (renameat2), so days can't be merged on it",
        ),
        _ => error,
    }
}

fn bytes_of(paths: &[PathBuf]) -> u64 {
    paths.iter().filter_map(|path| fs::metadata(path).ok()).map(|data| data.len()).sum()
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, CompactError> {
    result.map_err(|source| CompactError::Disk { path: path.to_owned(), source })
}
