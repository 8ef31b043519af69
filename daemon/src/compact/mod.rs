//! Closed days made small: many files of a day become few, in the columns of today; days that are too old go.
//!
//! In: a data directory, what to keep; a daemon may be writing, others reading. Out: the same rows in at most 24
//! files a day, table and host. A day is replaced as a whole: a new folder is made beside it and the two names are
//! exchanged, under a lock that writers take for each name they give. Whatever ends this half-way leaves the old
//! folder or the new one under the name, and the other as rubbish in the stage.
//!
//! Must not know: how anything was counted; who asks.

mod day;
mod folders;
mod swap;

use std::io;
use std::path::{Path, PathBuf};

use ebbd_core::columns::{ColumnsError, Dataset, Partition, bad_field_names, read_footer};
use ebbd_core::model::{StreamSpec, TimeUs};
use jiff::civil::Date;

use crate::config::{Config, Retain};
use crate::store::STAGE;
use day::Day;
use folders::Names;
use swap::Stage;

/// A day's files are merged when there are more than this.
pub const MOST_FILES: usize = 24;

/// What a compaction works with.
#[derive(Debug)]
pub struct Compaction<'a> {
    data_dir: &'a Path,
    streams: &'a [StreamSpec],
    retain: &'a Retain,
    /// A day is closed this long after its end.
    closed_after_us: i64,
    now: TimeUs,
    dry_run: bool,
}

/// Something that was done, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The folder or file, from the data directory on.
    pub place: String,
    /// What was done with it.
    pub what: What,
}

/// What was done with a day, or an incident's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Its files were merged.
    Merged {
        /// Files before and after, those that were left as they are included.
        files: (usize, usize),
        /// Rows that were merged.
        rows: u64,
        /// Bytes before and after.
        bytes: (u64, u64),
    },
    /// It was too old.
    Removed {
        /// Files that went.
        files: usize,
        /// Their bytes.
        bytes: u64,
    },
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// Another compaction is at work.
    #[error("another `ebbd compact` is at work in {0}: wait for its end")]
    Busy(PathBuf),
    /// The disk refused.
    #[error("{path}: {source}")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that can't be read or written as its dataset.
    #[error("{path}: {source}; nothing of this day was changed, `ebbd verify` looks at all files")]
    Columns {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ColumnsError,
    },
    /// What came out is not what went in.
    #[error("{path}: {before} rows became {after}; nothing of this day was changed")]
    Differs {
        /// The day.
        path: PathBuf,
        /// Rows of the files.
        before: u64,
        /// Rows of what they became.
        after: u64,
    },
}

impl<'a> Compaction<'a> {
    /// What `config` says of its data directory, at `now`. A dry run changes nothing.
    pub fn of(config: &'a Config, now: TimeUs, dry_run: bool) -> Compaction<'a> {
        Compaction {
            data_dir: &config.data_dir,
            streams: &config.streams,
            retain: &config.parquet.retain,
            closed_after_us: config.parquet.compact_us,
            now,
            dry_run,
        }
    }

    /// Does everything there is to do, oldest days first; `tell` hears of each thing done and of each that failed.
    ///
    /// # Errors
    /// Another compaction is at work, or the data directory can't be used.
    pub fn run(&self, tell: &mut dyn FnMut(Result<Done, CompactError>)) -> Result<(), CompactError> {
        let stage = Stage::open(&self.data_dir.join(STAGE))?;
        if !self.dry_run {
            stage.clean()?;
        }
        let names = Names::below(self.data_dir)?;
        for dataset in Dataset::ALL {
            let done = match dataset.partition() {
                Partition::Flat => self.incidents(dataset, tell),
                Partition::Date => self.days(dataset, None, dataset.name(), (&names, &stage), tell),
                Partition::StreamDate => self.streams(dataset, (&names, &stage), tell),
            };
            done.unwrap_or_else(|error| tell(Err(error)));
        }
        Ok(())
    }

    fn streams(
        &self,
        dataset: Dataset,
        with: (&Names, &Stage),
        tell: &mut dyn FnMut(Result<Done, CompactError>),
    ) -> Result<(), CompactError> {
        for stream in folders::keyed(&self.data_dir.join(dataset.name()), "stream=")? {
            let spec = self.streams.iter().find(|spec| spec.name == stream);
            let root = format!("{}/stream={stream}", dataset.name());
            self.days(dataset, spec, &root, with, tell)?;
        }
        Ok(())
    }

    fn days(
        &self,
        dataset: Dataset,
        spec: Option<&StreamSpec>,
        root: &str,
        (names, stage): (&Names, &Stage),
        tell: &mut dyn FnMut(Result<Done, CompactError>),
    ) -> Result<(), CompactError> {
        for date in folders::keyed(&self.data_dir.join(root), "date=")? {
            let Some(end) = end_of(&date) else { continue };
            let place = format!("{root}/date={date}");
            let path = self.data_dir.join(&place);
            let keep = kept(self.retain, dataset).map(|kept_us| end.plus_us(kept_us));
            let what = if keep.is_some_and(|until| until <= self.now) {
                stage.remove(&path, self.dry_run).map(Some)
            } else if end.plus_us(self.closed_after_us) <= self.now {
                self.merge(dataset, spec, &path, names, stage)
            } else {
                Ok(None)
            };
            match what {
                Ok(None) => {}
                Ok(Some(what)) => tell(Ok(Done { place, what })),
                Err(error) => tell(Err(error)),
            }
        }
        Ok(())
    }

    /// Merges a day, if that is worth it.
    fn merge(
        &self,
        dataset: Dataset,
        spec: Option<&StreamSpec>,
        path: &Path,
        names: &Names,
        stage: &Stage,
    ) -> Result<Option<What>, CompactError> {
        let bad_fields = bad_field_names(self.streams);
        match Day::look(dataset, spec, &bad_fields, path, names)? {
            Some(day) if self.dry_run => Ok(Some(day.plan())),
            Some(day) => day.merge(stage).map(Some),
            None => Ok(None),
        }
    }

    /// Removes the files of incidents that began too long ago.
    fn incidents(
        &self,
        dataset: Dataset,
        tell: &mut dyn FnMut(Result<Done, CompactError>),
    ) -> Result<(), CompactError> {
        let Some(kept_us) = kept(self.retain, dataset) else { return Ok(()) };
        for path in folders::parquet(&self.data_dir.join(dataset.name()))? {
            let (file, bytes) = folders::open(&path)?;
            let info =
                read_footer(&file).map_err(|source| CompactError::Columns { path: path.clone(), source })?;
            let began = info.span.map(|(first, _)| first.start());
            if began.is_none_or(|began| began.plus_us(kept_us) > self.now) {
                continue;
            }
            if !self.dry_run {
                let removed = std::fs::remove_file(&path);
                removed.map_err(|source| CompactError::Disk { path: path.clone(), source })?;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let place = format!("{}/{name}", dataset.name());
            tell(Ok(Done { place, what: What::Removed { files: 1, bytes } }));
        }
        Ok(())
    }
}

/// How long rows of a dataset are kept, in microseconds; `None` for ever.
fn kept(retain: &Retain, dataset: Dataset) -> Option<i64> {
    match dataset {
        Dataset::Minutes => retain.minutes_us,
        Dataset::Slices => retain.slices_us,
        Dataset::Incidents | Dataset::IncidentMoney => retain.incidents_us,
        Dataset::Alarms => retain.alarms_us,
        Dataset::Marks => retain.marks_us,
        Dataset::Sources => retain.sources_us,
        Dataset::Ledger => retain.ledger_us,
    }
}

/// The first instant after a UTC date; `None` for a folder that is not ebbd's.
fn end_of(date: &str) -> Option<TimeUs> {
    let next = date.parse::<Date>().ok()?.tomorrow().ok()?;
    let stamp = next.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(TimeUs(stamp.as_microsecond()))
}
