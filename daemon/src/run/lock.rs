//! One daemon per data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{StartError, trying};
use crate::store::STAGE;
use crate::sys::{Disk, RealDisk};

/// The lock on a data directory; gone with the process, however it ends.
pub(super) struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// Another daemon has it.
    pub(super) fn take(data_dir: &Path) -> Result<DataLock, StartError> {
        let dir = data_dir.join(STAGE);
        trying(format!("{}", dir.display()), RealDisk.make_dir(&dir))?;
        let path = dir.join("lock");
        let opened = OpenOptions::new().create(true).append(true).mode(0o640).open(&path);
        let file = trying(format!("{}", path.display()), opened)?;
        match file.try_lock() {
            Ok(()) => Ok(DataLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StartError::Refused(format!(
                "data_dir {} is in use by another ebbd: stop it, or set another data_dir",
                data_dir.display()
            ))),
            Err(TryLockError::Error(error)) => {
                Err(StartError::System { what: format!("locking {}", path.display()), error })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_daemon() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let first = DataLock::take(dir.path()).expect("free");
        let refused = DataLock::take(dir.path()).err().expect("taken");
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().contains("in use by another ebbd"));
        drop(first);
        assert!(DataLock::take(dir.path()).is_ok());
    }
}
