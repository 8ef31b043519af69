//! Datasets as Parquet: what the daemon knows becomes columns that any Parquet reader opens.
//!
//! In: sealed minutes, verdicts, alarm records, marks, the ledger. Out: Parquet bytes into any
//! `Write + Send`, and back from any `ChunkReader` (`Bytes`, a `File`); minute tables from CSV too.
//! Must not know: paths beyond the partition's name, opening, renaming or syncing files.
//!
//! One file of this module per dataset; a new dataset is a file here and a line in [`Dataset`].

mod alarms;
mod alarms_read;
mod cells;
mod checksum;
mod footer;
mod incidents;
mod incidents_read;
mod leaf_table;
mod ledger;
mod ledger_read;
mod marks;
mod marks_read;
mod merge;
mod minute_table;
mod minutes;
mod minutes_read;
mod reading;
mod schema;
mod slices;
mod slices_read;
mod sound;
mod sources;
mod sources_read;
#[cfg(test)]
mod tests;
mod verdicts_read;
mod words;
mod writer;

pub use alarms::write_alarms;
pub use alarms_read::read_alarms;
pub use checksum::Checksum;
pub use footer::{FileInfo, Footer, SCHEMA_VERSION};
pub use incidents::{IncidentRow, MoneyRow, write_incident_money, write_incidents};
pub use incidents_read::{read_incident_money, read_incidents};
pub use leaf_table::{MAX_LEAF_DIMENSIONS, MAX_LEAVES, read_leaf_table_csv, read_leaf_table_parquet};
pub use ledger::{LedgerNames, bad_field_names, write_ledger};
pub use ledger_read::{LedgerRow, read_ledger};
pub use marks::write_marks;
pub use marks_read::read_marks;
pub use merge::Merger;
pub use minute_table::{
    MAX_TABLE_MINUTES, MAX_TABLE_ROWS, MinuteTable, TableFile, TableProblems, TableRow, TableStream,
    is_streamable, read_table_csv, read_table_parquet, stream_table, table_columns_csv, table_spec,
};
pub use minutes::write_minutes;
pub use minutes_read::{FileMinute, MinutesReader, read_minutes};
pub use reading::read_footer;
pub use slices::{SliceRowRef, SlicesFile, write_slices};
pub use slices_read::{JudgedAt, read_judged};
pub use sound::{Soundness, read_through};
pub use sources::{SourceRowRef, write_sources};
pub use sources_read::{SourceRow, read_sources};
pub use verdicts_read::{StoredVerdict, read_verdicts};
pub use writer::Written;

use crate::model::TimeUs;

/// Everything that ebbd writes as Parquet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dataset {
    /// Counts: minute × series × currency × revision.
    Minutes,
    /// Verdicts: minute × watched slice × revision.
    Slices,
    /// One row per incident.
    Incidents,
    /// Money lost per incident and currency.
    IncidentMoney,
    /// Every alarm record.
    Alarms,
    /// Change markers.
    Marks,
    /// What each source was doing, per minute of event time.
    Sources,
    /// What became of every line, per minute of arrival.
    Ledger,
}

/// How a dataset's files are laid out below its directory (Hive style).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partition {
    /// `stream=S/date=D/`.
    StreamDate,
    /// `date=D/`.
    Date,
    /// No directories: the dataset is small.
    Flat,
}

impl Dataset {
    /// Every dataset.
    pub const ALL: [Dataset; 8] = [
        Dataset::Minutes,
        Dataset::Slices,
        Dataset::Incidents,
        Dataset::IncidentMoney,
        Dataset::Alarms,
        Dataset::Marks,
        Dataset::Sources,
        Dataset::Ledger,
    ];

    /// Its name: the directory below `data_dir`, and `ebbd.dataset` in the footer.
    pub fn name(self) -> &'static str {
        match self {
            Dataset::Minutes => "minutes",
            Dataset::Slices => "slices",
            Dataset::Incidents => "incidents",
            Dataset::IncidentMoney => "incident_money",
            Dataset::Alarms => "alarms",
            Dataset::Marks => "marks",
            Dataset::Sources => "sources",
            Dataset::Ledger => "ledger",
        }
    }

    /// The dataset of this name.
    pub fn named(name: &str) -> Option<Dataset> {
        Dataset::ALL.into_iter().find(|d| d.name() == name)
    }

    /// How its files are laid out.
    pub fn partition(self) -> Partition {
        match self {
            Dataset::Minutes | Dataset::Slices => Partition::StreamDate,
            Dataset::Incidents | Dataset::IncidentMoney => Partition::Flat,
            Dataset::Alarms | Dataset::Marks | Dataset::Sources | Dataset::Ledger => Partition::Date,
        }
    }

    /// The directory below `data_dir` of the rows of `stream` at `time`; what the partition does not
    /// name is ignored. `date` is the UTC date of `minute`, of a record's or marker's `at`.
    pub fn directory(self, stream: &str, time: TimeUs) -> String {
        let name = self.name();
        match self.partition() {
            Partition::StreamDate => format!("{name}/stream={stream}/date={}", time.utc_date()),
            Partition::Date => format!("{name}/date={}", time.utc_date()),
            Partition::Flat => name.to_owned(),
        }
    }
}

/// Why columns could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ColumnsError {
    /// The Parquet library refused: I/O trouble of the writer below, or a broken file.
    #[error("{during}: {source}")]
    Parquet {
        /// What was being done, with the place in the file as far as it is known.
        during: String,
        /// The library's error; an I/O error below it is its source.
        source: parquet::errors::ParquetError,
    },
    /// A batch of columns does not hold together.
    #[error("{during}: {source}")]
    Arrow {
        /// What was being done, with the place in the file as far as it is known.
        during: String,
        /// The library's error.
        source: arrow_schema::ArrowError,
    },
    /// The Parquet library panicked, which broken files can bring about.
    #[error("{during}: broken file ({message})")]
    Broken {
        /// What was being done, with the place in the file as far as it is known.
        during: String,
        /// What the library said.
        message: String,
    },
    /// A row has not the shape of its stream, or a column not the type of its dataset.
    #[error("{0}")]
    Shape(String),
    /// A minute table that can't be read as one.
    #[error(transparent)]
    Table(#[from] TableProblems),
}

impl ColumnsError {
    fn parquet(during: impl Into<String>) -> impl FnOnce(parquet::errors::ParquetError) -> ColumnsError {
        move |source| ColumnsError::Parquet { during: during.into(), source }
    }

    fn arrow(during: impl Into<String>) -> impl FnOnce(arrow_schema::ArrowError) -> ColumnsError {
        move |source| ColumnsError::Arrow { during: during.into(), source }
    }
}
