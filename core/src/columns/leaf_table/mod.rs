//! Explain tables: what was observed and what was expected of each combination of dimension values, as CSV or
//! Parquet.
//!
//! In: rows of `observed`, `expected` and dimensions, whoever wrote them. Out: a [`LeafTable`].
//! Must not know: where a table comes from, what is made of it.

mod build;
#[cfg(test)]
mod tests;

use std::io::BufRead;

use csv::ByteRecord;
use parquet::file::reader::ChunkReader;

use self::build::Build;
use super::ColumnsError;
use super::cells::Cells;
use super::minute_table::TableProblems;
use super::minute_table::comma::{field, header, open, shortened};
use super::reading::{Batches, read_footer};
use crate::localize::LeafTable;

/// Most rows of an explain table: it is held in memory.
pub const MAX_LEAVES: usize = 20_000_000;
/// Most dimensions of an explain table.
pub const MAX_LEAF_DIMENSIONS: usize = 32;

/// Reads a table separated by commas, semicolons or tabs, with a header line. Every column but `observed`,
/// `expected` and those of `ignored` is a dimension.
///
/// # Errors
/// A missing column, a figure that is none or negative (by its line), too many rows or dimensions.
pub fn read_leaf_table_csv<R: BufRead>(input: R, ignored: &[String]) -> Result<LeafTable, ColumnsError> {
    let mut reader = open(input)?;
    let columns = header(&mut reader)?;
    let mut build = Build::new(&columns, ignored)?;
    let mut record = ByteRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_byte_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {
                let line = record.position().map_or(line, csv::Position::line);
                add(&mut build, &record).map_err(|problem| TableProblems::one(line, problem))?;
            }
            Err(error) => return Err(TableProblems::one(line, shortened(&error)).into()),
        }
    }
    Ok(build.done()?)
}

fn add(build: &mut Build, record: &ByteRecord) -> Result<(), String> {
    let figure = |name: &str, at: usize| {
        let text = field(record, at)?.trim();
        text.parse::<f64>().map_err(|_| format!("{name} {text:?} is no number"))
    };
    let (observed, expected) = (figure("observed", build.observed)?, figure("expected", build.expected)?);
    build.figures(observed, expected)?;
    for at in 0..build.dimensions.len() {
        let word = field(record, build.dimensions[at])?;
        build.word(at, word);
    }
    Ok(())
}

/// Reads a Parquet table, as [`read_leaf_table_csv`] does. Numbers and truth values are words by their text.
///
/// # Errors
/// As there; a file that is no Parquet, or columns of types that can't be read.
pub fn read_leaf_table_parquet<R: ChunkReader + 'static>(
    input: R,
    ignored: &[String],
) -> Result<LeafTable, ColumnsError> {
    let columns = read_footer(&input)?.columns;
    let mut build = Build::new(&columns, ignored)?;
    let wanted: Vec<&String> = build.columns().map(|at| &columns[at]).collect();
    let mut batches = Batches::open(input, |name| wanted.iter().any(|wanted| *wanted == name))?;
    loop {
        let first_row = batches.rows_before();
        let Some(batch) = batches.next().transpose()? else { break };
        let cells = |at: usize| {
            let lost = || ColumnsError::Shape(format!("column {} is not in the rows", columns[at]));
            Cells::of(&batch, &columns[at], first_row).ok_or_else(lost)
        };
        let (observed, expected) = (cells(build.observed)?.doubles()?, cells(build.expected)?.doubles()?);
        for (row, (observed, expected)) in observed.into_iter().zip(expected).enumerate() {
            let line = first_row + row as u64 + 1;
            let (Some(observed), Some(expected)) = (observed, expected) else {
                return Err(TableProblems::one(line, "observed or expected is missing").into());
            };
            build.figures(observed, expected).map_err(|problem| TableProblems::one(line, problem))?;
        }
        for at in 0..build.dimensions.len() {
            let texts = cells(build.dimensions[at])?.texts()?;
            texts.iter().for_each(|text| build.word(at, text.as_deref().unwrap_or_default()));
        }
    }
    Ok(build.done()?)
}
