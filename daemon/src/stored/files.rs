//! Folders and files of data directories, while others write, merge and remove them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ebbd_core::columns::ColumnsError;

use super::{MOST_ROWS, StoredError};
use crate::sys::{Disk, RealDisk};

/// How often a day is read anew because files of it went meanwhile.
const ATTEMPTS: u32 = 20;
/// How long is waited before it is.
const PAUSE: Duration = Duration::from_millis(50);

/// What stands behind `key` in the names of the folders here, sorted; nothing if there is no such place.
///
/// # Errors
/// [`StoredError::Disk`].
pub fn folders(root: &Path, key: &str) -> Result<BTreeSet<String>, StoredError> {
    let name = |path: PathBuf| path.file_name()?.to_str()?.strip_prefix(key).map(str::to_owned);
    Ok(list(root)?.into_iter().filter_map(name).collect())
}

/// Parquet files, sorted by name; nothing if there is no such place.
///
/// # Errors
/// [`StoredError::Disk`].
pub fn parquet_files(dir: &Path) -> Result<Vec<PathBuf>, StoredError> {
    let mut files = list(dir)?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
    files.sort();
    Ok(files)
}

/// Reads a file; `None` if it is gone: the daemon may have removed or merged it meanwhile.
///
/// # Errors
/// [`StoredError::Disk`], [`StoredError::Columns`].
pub fn read_file<T>(
    path: &Path,
    reader: impl FnOnce(File) -> Result<T, ColumnsError>,
) -> Result<Option<T>, StoredError> {
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoredError::Disk { path: path.to_owned(), source }),
        Ok(file) => {
            reader(file).map(Some).map_err(|source| StoredError::Columns { path: path.to_owned(), source })
        }
    }
}

/// The rows of all files of a day, of one state of it: if a file that was there is gone at the end, the day has
/// been merged or removed meanwhile, and it is read anew. A day that stays away has no rows. `what` names the rows where they are too many.
///
/// # Errors
/// [`StoredError`].
pub fn read_day<T>(
    day: &Path,
    what: &'static str,
    mut reader: impl FnMut(File) -> Result<Vec<T>, ColumnsError>,
) -> Result<Vec<T>, StoredError> {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(PAUSE);
        }
        let files = parquet_files(day)?;
        if files.is_empty() && !day.exists() {
            // Between two renames of a merge, or removed for good.
            continue;
        }
        let mut rows = Vec::new();
        let mut is_whole = true;
        for path in &files {
            match read_file(path, &mut reader)? {
                Some(read) => rows.extend(read),
                None => is_whole = false,
            }
            if rows.len() > MOST_ROWS {
                return Err(StoredError::TooMany { what, most: MOST_ROWS });
            }
        }
        if is_whole && files.iter().all(|path| path.exists()) {
            return Ok(rows);
        }
    }
    match day.exists() {
        true => Err(StoredError::Changing(day.to_owned())),
        false => Ok(Vec::new()),
    }
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, StoredError> {
    let told = |source: io::Error| StoredError::Disk { path: dir.to_owned(), source };
    match RealDisk.list(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(told),
    }
}
