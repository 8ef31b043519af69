//! Reads `alarms` files back: the records that somebody wants, whole.

use parquet::file::reader::ChunkReader;

use super::ColumnsError;
use super::cells::Cells;
use super::reading::Batches;
use crate::alarm::AlarmRecord;

const COLUMNS: [&str; 3] = ["no", "id", "record"];

/// Reads the records of a file of the dataset `alarms` whose alarm's number and id are `wanted`, in the order
/// of the file. Fields that a newer ebbd added are passed over.
///
/// # Errors
/// A file that is no Parquet, or broken, or lacks a column; a record that is none. Memory: what is wanted.
pub fn read_alarms<R: ChunkReader + 'static>(
    input: R,
    wanted: impl Fn(u64, &str) -> bool,
) -> Result<Vec<AlarmRecord>, ColumnsError> {
    let mut batches = Batches::open(input, |name| COLUMNS.contains(&name))?;
    let mut records = Vec::new();
    loop {
        let first_row = batches.rows_before();
        let Some(batch) = batches.next().transpose()? else { return Ok(records) };
        let cells = |name: &'static str| {
            let lacking =
                || ColumnsError::Shape(format!("no column {name}: not a file of the dataset alarms"));
            Cells::of(&batch, name, first_row).ok_or_else(lacking)
        };
        let (numbers, ids) = (cells("no")?.wholes()?, cells("id")?.texts()?);
        let is_wanted: Vec<bool> = (numbers.iter().zip(&ids))
            .map(|(no, id)| wanted(no.unwrap_or(0).max(0).cast_unsigned(), id.as_deref().unwrap_or_default()))
            .collect();
        if !is_wanted.contains(&true) {
            continue;
        }
        let texts = cells("record")?.texts()?;
        for (row, text) in texts.into_iter().enumerate().filter(|(row, _)| is_wanted[*row]) {
            let text = text.unwrap_or_default();
            let record: AlarmRecord = serde_json::from_str(&text).map_err(|error| {
                let row = first_row + row as u64 + 1;
                ColumnsError::Shape(format!("row {row}, column record: no alarm record: {error}"))
            })?;
            records.push(record);
        }
    }
}
