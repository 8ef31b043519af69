//! What data directories hold, read back: alarm records, verdicts, markers, sources, incidents.
//!
//! In: directories that daemons and `ingest` have written, or are writing. Out: rows of a period, each once.
//! Nothing is locked or changed; files of days outside the period are not opened; a day that is merged while it
//! is read is read again. Must not know: who asks, and how rows are shown.

mod alarms;
mod files;
mod incidents;
mod marks;
#[cfg(test)]
mod tests;
mod verdicts;

use std::io;
use std::path::{Path, PathBuf};

use ebbd_core::columns::{ColumnsError, Dataset};
use ebbd_core::model::{Minute, TimeUs};

pub use alarms::{AlarmHistory, AlarmName};
pub use files::{folders, parquet_files, read_day, read_file};
pub use incidents::StoredIncident;

/// Most rows that one question may bring; beyond, the period or the slices asked for are too many.
pub const MOST_ROWS: usize = 1_000_000;

/// Data directories.
#[derive(Clone, Debug)]
pub struct Stored {
    dirs: Vec<PathBuf>,
}

/// From an instant on, up to another that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first instant.
    pub from: TimeUs,
    /// The first instant behind it.
    pub to: TimeUs,
}

/// Why stored data can't be read.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// Not a data directory.
    #[error(
        "{0}: no data of ebbd: it has no folder `minutes`, `slices` or `alarms`; -c or --data-dir says where they are"
    )]
    Bare(PathBuf),
    /// The disk refused.
    #[error("{path}: {source}")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that can't be read as its dataset.
    #[error("{path}: {source}; `ebbd verify` looks at all files")]
    Columns {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ColumnsError,
    },
    /// Files went again and again while they were read.
    #[error("{0}: its files were merged or removed again and again while they were read; try again")]
    Changing(PathBuf),
    /// More rows than are held in memory.
    #[error("more than {most} rows of {what}: ask for a shorter period or fewer slices")]
    TooMany {
        /// The dataset.
        what: &'static str,
        /// How many are held.
        most: usize,
    },
    /// A number that several directories have given.
    #[error("{no} is an alarm of each of several daemons: name it by its id ({})", ids.join(", "))]
    Ambiguous {
        /// The number.
        no: u64,
        /// The alarms that bear it.
        ids: Vec<String>,
    },
}

impl Period {
    /// Whether an instant lies within.
    pub fn contains(&self, at: TimeUs) -> bool {
        self.from <= at && at < self.to
    }

    /// The minutes that lie within, wholly or in part.
    pub fn minutes(&self) -> std::ops::Range<Minute> {
        let last = TimeUs(self.to.0.saturating_sub(1)).minute();
        self.from.minute()..if self.to > self.from { last.next() } else { self.from.minute() }
    }

    /// Longer by so many microseconds at its ends.
    pub fn wider(&self, before_us: i64, behind_us: i64) -> Period {
        Period { from: self.from.plus_us(-before_us), to: self.to.plus_us(behind_us) }
    }

    /// Whether a UTC date (`2026-11-22`) has an instant of it.
    fn has_date(&self, date: &str) -> bool {
        date >= self.from.utc_date().as_str()
            && date <= TimeUs(self.to.0.saturating_sub(1)).utc_date().as_str()
    }
}

impl Stored {
    /// Looks whether these are data directories.
    ///
    /// # Errors
    /// [`StoredError::Bare`] for one that has none of the folders.
    pub fn open(dirs: &[PathBuf]) -> Result<Stored, StoredError> {
        let known = [Dataset::Minutes, Dataset::Slices, Dataset::Alarms];
        let is_bare = |dir: &&PathBuf| !known.iter().any(|dataset| dir.join(dataset.name()).is_dir());
        match dirs.iter().find(is_bare) {
            Some(bare) => Err(StoredError::Bare(bare.clone())),
            None => Ok(Stored { dirs: dirs.to_vec() }),
        }
    }

    /// The directories.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// Each of the directories alone.
    fn each(&self) -> impl DoubleEndedIterator<Item = &Path> {
        self.dirs.iter().map(PathBuf::as_path)
    }

    /// The days of a dataset within a period, with the directory each lies in.
    fn days(&self, root: &str, period: Period) -> Result<Vec<PathBuf>, StoredError> {
        let mut days = Vec::new();
        for dir in self.each() {
            let root = dir.join(root);
            let dates = folders(&root, "date=")?.into_iter().filter(|date| period.has_date(date));
            days.extend(dates.map(|date| root.join(format!("date={date}"))));
        }
        Ok(days)
    }
}
