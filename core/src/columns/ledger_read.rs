//! Reads `ledger` files back: what came late and what was refused, by minute of arrival.

use parquet::file::reader::ChunkReader;

use super::ColumnsError;
use super::cells::{Cells, Words};
use super::reading::Batches;
use crate::model::{Minute, Reason};

/// A row of the dataset `ledger`, as far as completeness is made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// The minute of arrival.
    pub arrival: Minute,
    /// The source's name.
    pub source: String,
    /// The stream; empty if the lines did not get that far.
    pub stream: String,
    /// Lines counted.
    pub counted: u64,
    /// Of them those whose minute had been sealed.
    pub late: u64,
    /// Lines refused that might have been events of the minute in which they came.
    pub refused: u64,
}

/// Reads a file of the dataset `ledger`, in its order.
///
/// # Errors
/// A file that is no Parquet, or broken, or lacks a column.
pub fn read_ledger<R: ChunkReader + 'static>(input: R) -> Result<Vec<LedgerRow>, ColumnsError> {
    let refusals: Vec<String> = Reason::ALL
        .iter()
        .filter(|r| r.might_have_counted())
        .map(|r| format!("rejected_{}", r.name()))
        .collect();
    let wanted = |name: &str| {
        ["minute", "source", "stream", "counted", "late"].contains(&name)
            || refusals.iter().any(|r| r == name)
    };
    let mut batches = Batches::open(input, wanted)?;
    let mut rows = Vec::new();
    loop {
        let first_row = batches.rows_before();
        let Some(batch) = batches.next().transpose()? else { return Ok(rows) };
        let cells = |name: &str| {
            let lacking =
                || ColumnsError::Shape(format!("no column {name}: not a file of the dataset ledger"));
            Cells::of(&batch, name, first_row).ok_or_else(lacking)?.wholes()
        };
        let mut words = Words::new();
        let mut coded = |name| {
            Cells::of(&batch, name, first_row)
                .map(|c| c.words(&mut words))
                .transpose()
                .map(Option::unwrap_or_default)
        };
        let (sources, streams) = (coded("source")?, coded("stream")?);
        let minutes =
            Cells::of(&batch, "minute", first_row).map(|c| c.times()).transpose()?.unwrap_or_default();
        let (counted, late) = (cells("counted")?, cells("late")?);
        let refused = refusals.iter().map(|name| cells(name)).collect::<Result<Vec<_>, _>>()?;
        let figure =
            |column: &[Option<i64>], row: usize| column[row].and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let text = |codes: &[u32], row: usize| {
            codes.get(row).map_or(String::new(), |code| words.word(*code).to_string())
        };
        for row in 0..batch.num_rows() {
            let Some(minute) = minutes.get(row).copied().flatten() else { continue };
            rows.push(LedgerRow {
                arrival: minute.minute(),
                source: text(&sources, row),
                stream: text(&streams, row),
                counted: figure(&counted, row),
                late: figure(&late, row),
                refused: refused.iter().map(|column| figure(column, row)).sum(),
            });
        }
    }
}
