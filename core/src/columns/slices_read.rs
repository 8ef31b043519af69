//! Reads `slices` files back: when each minute was judged, and how much of it had arrived then.

use parquet::file::reader::ChunkReader;

use super::ColumnsError;
use super::cells::{Cells, Words};
use super::reading::Batches;
use crate::detect::Verdict;
use crate::model::{Minute, TimeUs};

/// A minute as it was judged: revision 0, any slice of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JudgedAt {
    /// The minute.
    pub minute: Minute,
    /// When it was judged.
    pub at: TimeUs,
    /// How much of it is believed to have arrived, 0 to 1.
    pub completeness: f64,
    /// There was no data at all.
    pub no_data: bool,
}

const COLUMNS: [&str; 5] = ["minute", "verdict", "completeness", "revision", "judged_at"];

/// Reads a file of the dataset `slices`: its minutes in the order of the file, each once per run of rows.
///
/// # Errors
/// A file that is no Parquet, or broken, or lacks a column.
pub fn read_judged<R: ChunkReader + 'static>(input: R) -> Result<Vec<JudgedAt>, ColumnsError> {
    let mut batches = Batches::open(input, |name| COLUMNS.contains(&name))?;
    let mut judged: Vec<JudgedAt> = Vec::new();
    loop {
        let first_row = batches.rows_before();
        let Some(batch) = batches.next().transpose()? else { return Ok(judged) };
        let cells = |name: &'static str| {
            let lacking =
                || ColumnsError::Shape(format!("no column {name}: not a file of the dataset slices"));
            Cells::of(&batch, name, first_row).ok_or_else(lacking)
        };
        let mut words = Words::new();
        let no_data = words.code(Verdict::NoData.name());
        let verdicts = cells("verdict")?.words(&mut words)?;
        let (minutes, times) = (cells("minute")?.times()?, cells("judged_at")?.times()?);
        let (completeness, revisions) = (cells("completeness")?.doubles()?, cells("revision")?.wholes()?);
        for row in 0..batch.num_rows() {
            let (Some(minute), Some(at)) = (minutes[row], times[row]) else { continue };
            let is_new = judged.last().is_none_or(|last| last.minute != minute.minute());
            if is_new && revisions[row].unwrap_or(0) == 0 {
                judged.push(JudgedAt {
                    minute: minute.minute(),
                    at,
                    completeness: completeness[row].unwrap_or(0.0),
                    no_data: verdicts[row] == no_data,
                });
            }
        }
    }
}
