//! Reads `sources` files back: what a replay needs to tell zero from missing.

use arrow_array::RecordBatch;
use parquet::file::reader::ChunkReader;

use super::ColumnsError;
use super::cells::{Cells, Words};
use super::reading::Batches;
use super::sources::layout;
use crate::model::{Minute, SourceId, SourceMinute, SourceState, TimeUs};

/// A row of the dataset `sources`.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRow {
    /// The minute of event time.
    pub minute: Minute,
    /// The stream whose minute was sealed.
    pub stream: String,
    /// What the source was doing. Its id is its place in the names that [`read_sources`] was given.
    pub source: SourceMinute,
}

/// Reads a file of the dataset `sources`, in its order. `names` are the configured sources: one that is
/// no longer among them gets the id behind the last. A state of a newer ebbd counts as silent.
///
/// # Errors
/// A file that is no Parquet, or broken, or lacks a column. Memory: all rows, a few per minute.
pub fn read_sources<R: ChunkReader + 'static>(
    names: &[String],
    input: R,
) -> Result<Vec<SourceRow>, ColumnsError> {
    let wanted = layout().columns;
    let mut batches = Batches::open(input, |name| wanted.iter().any(|column| column.name == name))?;
    let mut rows = Vec::new();
    loop {
        let first_row = batches.rows_before();
        let Some(batch) = batches.next().transpose()? else { return Ok(rows) };
        let columns = Columns::of(&batch, first_row)?;
        rows.extend((0..batch.num_rows()).map(|row| columns.row(row, names)));
    }
}

struct Columns {
    words: Words,
    minute: Vec<Option<TimeUs>>,
    stream: Vec<u32>,
    source: Vec<u32>,
    origin: Vec<u32>,
    state: Vec<u32>,
    share: Vec<Option<f64>>,
    completeness: Vec<Option<f64>>,
    lost_upper: Vec<Option<f64>>,
    missing_since: Vec<Option<TimeUs>>,
}

impl Columns {
    fn of(batch: &RecordBatch, first_row: u64) -> Result<Columns, ColumnsError> {
        let cells = |name: &'static str| {
            let lacking =
                || ColumnsError::Shape(format!("no column {name}: not a file of the dataset sources"));
            Cells::of(batch, name, first_row).ok_or_else(lacking)
        };
        let mut words = Words::new();
        let mut coded = |name| cells(name)?.words(&mut words);
        let (stream, source) = (coded("stream")?, coded("source")?);
        let (origin, state) = (coded("origin")?, coded("state")?);
        Ok(Columns {
            minute: cells("minute")?.times()?,
            share: cells("share")?.doubles()?,
            completeness: cells("completeness")?.doubles()?,
            lost_upper: cells("lost_upper")?.doubles()?,
            missing_since: cells("missing_since")?.times()?,
            words,
            stream,
            source,
            origin,
            state,
        })
    }

    fn row(&self, row: usize, names: &[String]) -> SourceRow {
        let text = |codes: &[u32]| self.words.word(codes[row]).as_ref().to_owned();
        let source_name = text(&self.source);
        let id = names.iter().position(|name| *name == source_name).unwrap_or(names.len());
        SourceRow {
            minute: self.minute[row].unwrap_or_default().minute(),
            stream: text(&self.stream),
            source: SourceMinute {
                source: SourceId(u16::try_from(id).unwrap_or(u16::MAX)),
                source_name,
                origin: text(&self.origin),
                state: SourceState::named(&text(&self.state)).unwrap_or(SourceState::Silent),
                share: self.share[row].unwrap_or(0.0),
                completeness: self.completeness[row].unwrap_or(0.0),
                lost_upper: self.lost_upper[row].unwrap_or(0.0),
                missing_since: self.missing_since[row],
            },
        }
    }
}
