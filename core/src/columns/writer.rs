//! Rows to Parquet: cells are pushed in the layout's order, batches go out at 64 Ki rows.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Decimal128Builder, Float64Builder, Int32Builder, Int64Builder,
    StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;

use super::checksum::Summed;
use super::footer::{Footer, Span, closing_keys, opening_keys};
use super::schema::{Column, DECIMAL_DIGITS, Kind, Layout};
use super::words::WordCells;
use super::{ColumnsError, Dataset};
use crate::model::{Minute, TimeUs};

const BATCH_ROWS: usize = 64 * 1024;
/// Sketches are up to 2 KiB each: a batch also ends at this many bytes of them.
const BATCH_BYTES: usize = 8 << 20;

/// What a writer wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// The first minute; `None` without rows. For records, markers and incidents: of their time.
    pub min_minute: Option<Minute>,
    /// The last minute.
    pub max_minute: Option<Minute>,
}

/// One column while a batch is filled.
enum Cells {
    Stamp(TimestampMicrosecondBuilder),
    Word(WordCells),
    Text(StringBuilder),
    Int64(Int64Builder),
    Int32(Int32Builder),
    Double(Float64Builder),
    Bool(BooleanBuilder),
    Decimal(Decimal128Builder),
    Sketch(BinaryBuilder),
}

/// A file being written, row by row: for each row one cell per column of the layout, in its order,
/// then [`Rows::end`].
pub(super) struct Rows<W: Write + Send> {
    dataset: Dataset,
    columns: Vec<Cells>,
    at: usize,
    batch_rows: usize,
    batch_bytes: usize,
    rows: u64,
    minutes: Span<Minute>,
    revisions: Span<u32>,
    schema: SchemaRef,
    out: ArrowWriter<Summed<W>>,
}

impl<W: Write + Send> Rows<W> {
    /// Begins a file of this dataset.
    pub(super) fn new(
        dataset: Dataset,
        stream: Option<&str>,
        layout: &Layout,
        footer: &Footer,
        out: W,
    ) -> Result<Rows<W>, ColumnsError> {
        let properties = layout.properties(opening_keys(dataset, stream, footer))?;
        let schema = layout.arrow();
        let out = ArrowWriter::try_new(Summed::new(out), schema.clone(), Some(properties))
            .map_err(ColumnsError::parquet(format!("beginning {}", dataset.name())))?;
        Ok(Rows {
            dataset,
            columns: layout.columns.iter().map(cells).collect::<Result<_, _>>()?,
            at: 0,
            batch_rows: 0,
            batch_bytes: 0,
            rows: 0,
            minutes: Span::default(),
            revisions: Span::default(),
            schema,
            out,
        })
    }

    /// The minute cell of the row: also counted into the file's span.
    pub(super) fn minute(&mut self, minute: Minute) -> &mut Self {
        self.minutes.add(minute);
        self.stamp(minute.start())
    }

    /// The time cell by which a row without a minute is placed: also counted into the file's span.
    pub(super) fn placed_at(&mut self, time: TimeUs) -> &mut Self {
        self.minutes.add(time.minute());
        self.stamp(time)
    }

    /// The revision cell of the row: also counted into the file's range of revisions.
    pub(super) fn revision(&mut self, revision: u32) -> &mut Self {
        self.revisions.add(revision);
        let Cells::Int32(cells) = self.cells() else { return self.misplaced() };
        cells.append_value(i32::try_from(revision).unwrap_or(i32::MAX));
        self
    }

    pub(super) fn stamp(&mut self, time: impl Into<Option<TimeUs>>) -> &mut Self {
        let Cells::Stamp(cells) = self.cells() else { return self.misplaced() };
        cells.append_option(time.into().map(|t| t.0));
        self
    }

    pub(super) fn text<'a>(&mut self, text: impl Into<Option<&'a str>>) -> &mut Self {
        let text = text.into();
        self.batch_bytes += text.map_or(0, str::len);
        match self.cells() {
            Cells::Word(cells) => cells.append_option(text),
            Cells::Text(cells) => cells.append_option(text),
            _ => return self.misplaced(),
        }
        self
    }

    /// A word that many rows share.
    pub(super) fn word(&mut self, word: &Arc<str>) -> &mut Self {
        self.batch_bytes += word.len();
        let Cells::Word(cells) = self.cells() else { return self.misplaced() };
        cells.append_shared(word);
        self
    }

    pub(super) fn int(&mut self, value: impl Into<Option<i64>>) -> &mut Self {
        let Cells::Int64(cells) = self.cells() else { return self.misplaced() };
        cells.append_option(value.into());
        self
    }

    /// A count, in the signed column that every reader understands.
    pub(super) fn count(&mut self, value: u64) -> &mut Self {
        self.int(i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// A figure; what is no number is unknown.
    pub(super) fn double(&mut self, value: impl Into<Option<f64>>) -> &mut Self {
        let Cells::Double(cells) = self.cells() else { return self.misplaced() };
        cells.append_option(value.into().filter(|v| v.is_finite()));
        self
    }

    /// Three doubles: low, estimate, high.
    pub(super) fn interval(&mut self, values: Option<[f64; 3]>) -> &mut Self {
        (0..3).fold(self, |row, at| row.double(values.map(|v| v[at])))
    }

    pub(super) fn flag(&mut self, value: bool) -> &mut Self {
        let Cells::Bool(cells) = self.cells() else { return self.misplaced() };
        cells.append_value(value);
        self
    }

    /// An amount in minor units.
    pub(super) fn decimal(&mut self, minor: i64) -> &mut Self {
        let Cells::Decimal(cells) = self.cells() else { return self.misplaced() };
        cells.append_value(i128::from(minor));
        self
    }

    pub(super) fn sketch(&mut self, bytes: &[u8]) -> &mut Self {
        self.batch_bytes += bytes.len();
        let Cells::Sketch(cells) = self.cells() else { return self.misplaced() };
        cells.append_value(bytes);
        self
    }

    /// Ends the row; writes the batch when it is full.
    pub(super) fn end(&mut self) -> Result<(), ColumnsError> {
        if self.at != self.columns.len() {
            return Err(ColumnsError::Shape(format!("{}: a row of {} cells", self.dataset.name(), self.at)));
        }
        self.at = 0;
        self.rows += 1;
        self.batch_rows += 1;
        if self.batch_rows >= BATCH_ROWS || self.batch_bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes what is left and the footer.
    pub(super) fn finish(mut self) -> Result<Written, ColumnsError> {
        self.flush()?;
        let ending = || ColumnsError::parquet(format!("ending {}", self.dataset.name()));
        self.out.flush().map_err(ending())?;
        self.out.sync().map_err(|error| ending()(error.into()))?;
        let sum = self.out.inner().sum();
        for key in closing_keys(self.minutes, self.revisions, sum) {
            self.out.append_key_value_metadata(key);
        }
        let written = Written {
            rows: self.rows,
            min_minute: self.minutes.0.map(|span| span.0),
            max_minute: self.minutes.0.map(|span| span.1),
        };
        self.out.close().map_err(ColumnsError::parquet(format!("ending {}", self.dataset.name())))?;
        Ok(written)
    }

    fn flush(&mut self) -> Result<(), ColumnsError> {
        let during = format!("writing {} before row {}", self.dataset.name(), self.rows);
        let columns = self.columns.iter_mut().map(Cells::finish).collect();
        let batch = RecordBatch::try_new(self.schema.clone(), columns);
        self.out
            .write(&batch.map_err(ColumnsError::arrow(during.clone()))?)
            .map_err(ColumnsError::parquet(during))?;
        self.batch_rows = 0;
        self.batch_bytes = 0;
        Ok(())
    }

    fn cells(&mut self) -> &mut Cells {
        self.at += 1;
        &mut self.columns[self.at - 1]
    }

    /// A cell of another type than its column: a slip in this module, which its tests would show.
    #[cold]
    fn misplaced(&mut self) -> &mut Self {
        panic!("{}: cell {} has not the type of its column", self.dataset.name(), self.at)
    }
}

fn cells(column: &Column) -> Result<Cells, ColumnsError> {
    Ok(match column.kind {
        Kind::Stamp => Cells::Stamp(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
        Kind::Word => Cells::Word(WordCells::default()),
        Kind::Text => Cells::Text(StringBuilder::new()),
        Kind::Int64 => Cells::Int64(Int64Builder::new()),
        Kind::Int32 => Cells::Int32(Int32Builder::new()),
        Kind::Double => Cells::Double(Float64Builder::new()),
        Kind::Bool => Cells::Bool(BooleanBuilder::new()),
        Kind::Decimal(scale) => Cells::Decimal(
            Decimal128Builder::new()
                .with_precision_and_scale(DECIMAL_DIGITS, scale.cast_signed())
                .map_err(ColumnsError::arrow(format!("column {}", column.name)))?,
        ),
        Kind::Sketch => Cells::Sketch(room_for_sketches()),
    })
}

impl Cells {
    fn finish(&mut self) -> ArrayRef {
        match self {
            Cells::Stamp(cells) => Arc::new(cells.finish()),
            Cells::Word(cells) => Arc::new(cells.finish()),
            Cells::Text(cells) => Arc::new(cells.finish()),
            Cells::Int64(cells) => Arc::new(cells.finish()),
            Cells::Int32(cells) => Arc::new(cells.finish()),
            Cells::Double(cells) => Arc::new(cells.finish()),
            Cells::Bool(cells) => Arc::new(cells.finish()),
            Cells::Decimal(cells) => Arc::new(cells.finish()),
            Cells::Sketch(cells) => Arc::new(std::mem::replace(cells, room_for_sketches()).finish()),
        }
    }
}

/// Room for a whole batch: its memory is touched only as it is filled, and never moved.
fn room_for_sketches() -> BinaryBuilder {
    BinaryBuilder::with_capacity(BATCH_ROWS, BATCH_BYTES + BATCH_BYTES / 8)
}
