//! Reads `marks` files back.

use std::collections::BTreeMap;

use parquet::file::reader::ChunkReader;

use super::ColumnsError;
use super::cells::Cells;
use super::reading::Batches;
use crate::model::{Mark, Slice};

/// Reads a file of the dataset `marks`, in its order. A scope that can't be read is that of the whole shop.
///
/// # Errors
/// A file that is no Parquet, or broken, or lacks a column.
pub fn read_marks<R: ChunkReader + 'static>(input: R) -> Result<Vec<Mark>, ColumnsError> {
    let mut batches = Batches::open(input, |_| true)?;
    let mut marks = Vec::new();
    loop {
        let first_row = batches.rows_before();
        let Some(batch) = batches.next().transpose()? else { return Ok(marks) };
        let cells = |name: &'static str| {
            let lacking =
                || ColumnsError::Shape(format!("no column {name}: not a file of the dataset marks"));
            Cells::of(&batch, name, first_row).ok_or_else(lacking)
        };
        let (ids, kinds, whats) = (cells("id")?.texts()?, cells("kind")?.texts()?, cells("what")?.texts()?);
        let (at, until, received) =
            (cells("at")?.times()?, cells("until")?.times()?, cells("received")?.times()?);
        let (scopes, by, retracted) =
            (cells("scope")?.texts()?, cells("by")?.texts()?, cells("retracted")?.texts()?);
        for row in 0..batch.num_rows() {
            let text = |column: &[Option<String>]| column[row].clone().unwrap_or_default();
            let scope: BTreeMap<String, String> = serde_json::from_str(&text(&scopes)).unwrap_or_default();
            marks.push(Mark {
                id: text(&ids),
                kind: text(&kinds),
                what: text(&whats),
                at: at[row].unwrap_or_default(),
                until: until[row],
                scope: Slice(scope),
                retracted: text(&retracted) == "true",
                received: received[row].unwrap_or_default(),
                by: text(&by),
            });
        }
    }
}
