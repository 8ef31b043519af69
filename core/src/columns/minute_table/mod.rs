//! Minute tables: counts per minute that a shop has in its own files, as CSV or Parquet.
//!
//! In: rows of `minute`, dimensions, `count`, perhaps `completeness` and sums. Out: a [`MinuteTable`],
//! sorted and added up, and sealed minutes from it that tell zero from missing; large ones minute by minute.
//! Must not know: where a table comes from, what is judged.

pub(super) mod comma;
mod gather;
mod parquet;
mod plan;
mod seal;
mod stream;
mod write;

use std::fmt;
use std::sync::Arc;

use crate::model::{Minute, Money, SeriesKey};

pub use comma::{read_table_csv, table_columns_csv};
pub use parquet::read_table_parquet;
pub use plan::table_spec;
pub use stream::{TableStream, is_streamable, stream_table};
pub use write::TableFile;

/// Most rows of a table: it is held in memory.
pub const MAX_TABLE_ROWS: usize = 100_000_000;
/// Longest span of a table in minutes, twenty years: more is a slip of the time's unit.
pub const MAX_TABLE_MINUTES: i64 = 20 * 366 * 24 * 60;

/// A minute table: sorted, each series once per minute.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MinuteTable {
    /// Every series of the table, sorted.
    pub series: Vec<Arc<SeriesKey>>,
    /// Sorted by minute, then series.
    pub rows: Vec<TableRow>,
    /// What was ignored or assumed, in words for the user.
    pub notes: Vec<String>,
}

/// One series in one minute of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    /// The minute.
    pub minute: Minute,
    /// Which of [`MinuteTable::series`].
    pub series: u32,
    /// Events; `None`: missing, which is not zero.
    pub count: Option<i64>,
    /// How much of the series is believed to have arrived, 0 to 1; 0 where `count` is missing.
    pub completeness: f64,
    /// One amount per sum of the stream, in minor units.
    pub sums: Box<[Money]>,
}

/// What is wrong with a table. A line that can't be read fails the whole: left out, it would look like zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableProblems {
    /// The first ones: line or row (from 1; 0 for the table as such) and what is wrong.
    pub first: Vec<(u64, String)>,
    /// How many there are in all.
    pub total: u64,
}

impl TableProblems {
    const KEPT: usize = 20;

    pub(in crate::columns) fn one(line: u64, problem: impl Into<String>) -> TableProblems {
        TableProblems { first: vec![(line, problem.into())], total: 1 }
    }

    fn add(&mut self, line: u64, problem: String) {
        self.total += 1;
        if self.first.len() < TableProblems::KEPT {
            self.first.push((line, problem));
        }
    }
}

impl fmt::Display for TableProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(line, problem): &(u64, String)| match line {
            0 => problem.clone(),
            line => format!("line {line}: {problem}"),
        };
        f.write_str(&self.first.iter().map(shown).collect::<Vec<_>>().join("\n"))?;
        let more = self.total.saturating_sub(self.first.len() as u64);
        if more > 0 { write!(f, "\nand {more} more lines") } else { Ok(()) }
    }
}

impl std::error::Error for TableProblems {}

impl MinuteTable {
    /// First and last minute; `None` without rows.
    pub fn span(&self) -> Option<(Minute, Minute)> {
        Some((self.rows.first()?.minute, self.rows.last()?.minute))
    }

    /// The rows of each minute that has rows, ascending.
    pub fn minutes(&self) -> impl Iterator<Item = (Minute, &[TableRow])> {
        self.rows.chunk_by(|a, b| a.minute == b.minute).map(|rows| (rows[0].minute, rows))
    }
}
