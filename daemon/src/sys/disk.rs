//! Files that have to survive: every step that durability depends on, behind a trait so that tests can
//! put a failing or forgetful disk in its place.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FallocateFlags, RenameFlags, fallocate, renameat_with, statvfs};

use super::instant;

/// Mode of files that are written: readable by the group, by nobody else.
const FILE_MODE: u32 = 0o640;
/// Mode of directories that are made.
const DIR_MODE: u32 = 0o750;

/// A disk. Nothing is durable before the file is synced; no name is durable before its directory is.
pub trait Disk: Send + Sync {
    /// Makes a new file (mode 0640).
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for appending, made if absent.
    ///
    /// # Errors
    /// Whatever the system says.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// All bytes of a file.
    ///
    /// # Errors
    /// Whatever the system says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Names a file anew, replacing what bears the new name.
    ///
    /// # Errors
    /// Whatever the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Names a file anew unless the new name is taken.
    ///
    /// # Errors
    /// `AlreadyExists` if the new name is taken: then nothing has changed.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Whatever the system says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Whatever the system says.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory and those above it (mode 0750); fine if it exists. Each new one's parent is synced.
    ///
    /// # Errors
    /// Whatever the system says.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;

    /// The paths in a directory, sorted.
    ///
    /// # Errors
    /// Whatever the system says; `NotFound` if it doesn't exist.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    /// Bytes that may still be written where `dir` lies.
    ///
    /// # Errors
    /// Whatever the system says.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;

    /// Has the lock of this file (made if absent) to itself until what is given back is dropped.
    ///
    /// # Errors
    /// `TimedOut` if another process has it for long; whatever the system says.
    fn lock(&self, path: &Path) -> io::Result<Option<File>>;
}

/// An open file that is being written.
pub trait DiskFile: Write + Send {
    /// Makes the bytes and the size durable (`fdatasync`). After an error the file is poisoned: never
    /// retry on it.
    ///
    /// # Errors
    /// Whatever the system says.
    fn sync_data(&mut self) -> io::Result<()>;

    /// Makes bytes and attributes durable (`fsync`).
    ///
    /// # Errors
    /// Whatever the system says.
    fn sync_all(&mut self) -> io::Result<()>;

    /// Cuts the file to `bytes` (a torn tail).
    ///
    /// # Errors
    /// Whatever the system says.
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;

    /// Takes space for the file's first `bytes`, so that it is not there for others.
    ///
    /// # Errors
    /// `StorageFull` if there is not enough; `Unsupported` where the file system cannot.
    fn allocate(&mut self, bytes: u64) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
        Ok(Box::new(file))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)?;
        Ok(Box::new(file))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        let parent = match dir.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        self.make_dir(parent)?;
        match fs::DirBuilder::new().mode(DIR_MODE).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.sync_dir(parent),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let free = statvfs(dir)?;
        Ok(free.f_bavail.saturating_mul(free.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<File>> {
        locked(path).map(Some)
    }
}

/// How often a lock is asked for, and how long.
const LOCK_EVERY: Duration = Duration::from_millis(2);
const LOCK_WITHIN: Duration = Duration::from_secs(10);

fn locked(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(path)?;
    let begun = instant();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_WITHIN => {
                std::thread::sleep(LOCK_EVERY);
            }
            Err(TryLockError::WouldBlock) => {
                let told = format!("another process holds {}", path.display());
                return Err(io::Error::new(io::ErrorKind::TimedOut, told));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

impl DiskFile for File {
    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&mut self) -> io::Result<()> {
        File::sync_all(self)
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        Ok(fallocate(&*self, FallocateFlags::empty(), 0, bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_renames_once_and_lists() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (disk, deep) = (RealDisk, dir.path().join("a/b"));
        disk.make_dir(&deep).expect("made");
        disk.make_dir(&deep).expect("made already");
        let (first, second) = (deep.join("1"), deep.join("2"));
        for path in [&first, &second] {
            let mut file = disk.create(path).expect("a new file");
            file.write_all(b"torn tail").expect("written");
            file.truncate(4).expect("cut");
            file.sync_data().and_then(|()| file.sync_all()).expect("synced");
        }
        assert_eq!(disk.create(&first).err().map(|e| e.kind()), Some(io::ErrorKind::AlreadyExists));
        let refused = disk.rename_new(&first, &second).map_err(|e| e.kind());
        assert_eq!(refused, Err(io::ErrorKind::AlreadyExists));
        disk.rename_new(&first, &deep.join("3")).expect("the name is free");
        disk.append(&second).and_then(|mut file| file.write_all(b"!")).expect("appended");
        assert_eq!(disk.read(&second).expect("readable"), b"torn!");
        assert!(disk.free_bytes(&deep).expect("told") > 0);
        disk.rename(&second, &deep.join("3")).expect("replaces");
        disk.sync_dir(&deep).expect("synced");
        assert_eq!(disk.list(&deep).expect("listed"), [deep.join("3")]);
        disk.unlink(&deep.join("3")).expect("removed");
        assert!(disk.list(&deep).expect("listed").is_empty());
    }
}
