//! Many files of one dataset as one, sorted, in the columns of today.
//!
//! No row is changed, added up or left out: a column that a file lacks gets the value that stands for "not
//! known then" (`""`, 0, an empty sketch, NULL where that is allowed), one that only old files have is kept.

use std::cmp::Ordering;
use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use parquet::file::reader::ChunkReader;

use super::minutes::empty_sketch;
use super::reading::{Batches, column_types};
use super::schema::{Column, Kind, Layout};
use super::writer::Rows;
use super::{ColumnsError, Dataset, Footer, Written, alarms, ledger, marks, minutes, slices, sources};
use crate::model::{MICROS_PER_MINUTE, Minute, StreamSpec, TimeUs};

/// What becomes of files of one dataset and stream.
#[derive(Clone, Debug)]
pub struct Merger {
    dataset: Dataset,
    stream: Option<String>,
    layout: Layout,
    empty_sketch: Vec<u8>,
}

/// A row: which batch, which row of it.
type Place = (u32, u32);

impl Merger {
    /// Files in the present columns of `dataset`; `spec` is their stream where the dataset is partitioned by it,
    /// `bad_fields` are those of [`super::bad_field_names`]. `None`: files of this dataset are not merged.
    pub fn new(dataset: Dataset, spec: Option<&StreamSpec>, bad_fields: &[String]) -> Option<Merger> {
        let layout = match (dataset, spec) {
            (Dataset::Minutes, Some(spec)) => minutes::layout(spec),
            (Dataset::Slices, Some(spec)) => slices::layout(spec),
            (Dataset::Sources, _) => sources::layout(),
            (Dataset::Ledger, _) => ledger::layout(bad_fields),
            (Dataset::Alarms, _) => alarms::layout(),
            (Dataset::Marks, _) => marks::layout(),
            (Dataset::Minutes | Dataset::Slices, None) | (Dataset::Incidents | Dataset::IncidentMoney, _) => {
                return None;
            }
        };
        let stream = spec.map(|spec| spec.name.clone());
        Some(Merger { dataset, stream, layout, empty_sketch: empty_sketch() })
    }

    /// Whether a file with these columns lacks some of the present ones.
    pub fn is_outdated(&self, columns: &[String]) -> bool {
        self.layout.columns.iter().any(|column| !columns.contains(&column.name))
    }

    /// Takes the columns in that only this file has. False if one of its columns is of another type than it is
    /// today (a sum with another scale): such a file is left as it is.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn admit<R: ChunkReader>(&mut self, input: &R) -> Result<bool, ColumnsError> {
        let types = column_types(input)?;
        let known = |name: &str| self.layout.columns.iter().find(|column| column.name == name);
        let fits = |(name, data_type): &(String, DataType)| match (kind(data_type), known(name)) {
            (found, Some(column)) => is_kind(found, column.kind),
            (found, None) => found.is_some(),
        };
        if !types.iter().all(fits) {
            return Ok(false);
        }
        for (name, data_type) in types {
            let Some(kind) = kind(&data_type).filter(|_| !self.layout.has(&name)) else { continue };
            // Of slices, NULL is "all"; of the others nothing that is added up or grouped by is NULL.
            self.layout.columns.push(Column { name, kind, nullable: self.dataset == Dataset::Slices });
        }
        Ok(true)
    }

    /// Writes the rows of all inputs; `parts` are spans of minutes, ascending, of which the first begins and the
    /// last ends with everything: memory holds the rows of one of them. `open` gives the inputs that may have rows
    /// of a span.
    ///
    /// # Errors
    /// What can't be read or written.
    pub fn write<R: ChunkReader + 'static, W: Write + Send>(
        &self,
        parts: &[(Minute, Minute)],
        mut open: impl FnMut((Minute, Minute)) -> Result<Vec<R>, ColumnsError>,
        footer: &Footer,
        out: W,
    ) -> Result<Written, ColumnsError> {
        let mut file = Rows::new(self.dataset, self.stream.as_deref(), &self.layout, footer, out)?;
        for &part in parts {
            let mut batches = Vec::new();
            for input in open(part)? {
                for batch in Batches::open(input, |_| true)? {
                    batches.extend(Some(self.cells(&batch?)?).filter(|cells| self.has_rows(cells, part)));
                }
            }
            for (batch, row) in self.sorted(&batches, part) {
                self.push(&mut file, &batches[batch as usize], row as usize)?;
            }
        }
        file.finish()
    }

    /// The column by whose time a row is placed.
    fn time_column(&self) -> usize {
        let name = if matches!(self.dataset, Dataset::Alarms | Dataset::Marks) { "at" } else { "minute" };
        self.layout.columns.iter().position(|column| column.name == name).unwrap_or(0)
    }

    /// The columns of a batch in the order of the layout.
    fn cells(&self, batch: &RecordBatch) -> Result<Vec<Option<ArrayRef>>, ColumnsError> {
        let of = |column: &Column| {
            let Some(array) = batch.column_by_name(&column.name) else { return Ok(None) };
            let fits = is_kind(kind(array.data_type()), column.kind);
            let problem = || format!("column {}: {} in a file", column.name, array.data_type());
            if fits { Ok(Some(array.clone())) } else { Err(ColumnsError::Shape(problem())) }
        };
        self.layout.columns.iter().map(of).collect()
    }

    /// Batches without a row of the part are not held in memory.
    fn has_rows(&self, cells: &[Option<ArrayRef>], part: (Minute, Minute)) -> bool {
        self.rows_in(cells, part).next().is_some()
    }

    /// The rows of a batch that lie in these minutes.
    fn rows_in(&self, cells: &[Option<ArrayRef>], part: (Minute, Minute)) -> impl Iterator<Item = usize> {
        let to = (i64::from(part.1.0) + 1) * MICROS_PER_MINUTE;
        let from = i64::from(part.0.0) * MICROS_PER_MINUTE;
        let count = cells.iter().flatten().next().map_or(0, |column| column.len());
        let times = cells[self.time_column()].as_ref();
        let times = times.map(|times| times.as_primitive::<TimestampMicrosecondType>().clone());
        (0..count)
            .filter(move |row| times.as_ref().is_none_or(|times| (from..to).contains(&times.value(*row))))
    }

    fn sorted(&self, batches: &[Vec<Option<ArrayRef>>], part: (Minute, Minute)) -> Vec<Place> {
        let mut rows: Vec<Place> = Vec::new();
        for (at, cells) in batches.iter().enumerate() {
            rows.extend(self.rows_in(cells, part).map(|row| (at as u32, row as u32)));
        }
        let key = |place: &Place, column: usize| (&batches[place.0 as usize][column], place.1 as usize);
        rows.sort_by(|a, b| {
            let by = |&at: &usize| compare(&self.layout.columns[at], key(a, at), key(b, at));
            self.layout.sorted_by.iter().map(by).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        });
        rows
    }

    fn push<W: Write + Send>(
        &self,
        file: &mut Rows<W>,
        cells: &[Option<ArrayRef>],
        row: usize,
    ) -> Result<(), ColumnsError> {
        let time = self.time_column();
        for (at, (column, cell)) in self.layout.columns.iter().zip(cells).enumerate() {
            let cell = cell.as_ref().filter(|cell| cell.is_valid(row));
            match (cell, column.kind) {
                (Some(cell), Kind::Stamp) => {
                    let stamp = TimeUs(cell.as_primitive::<TimestampMicrosecondType>().value(row));
                    if at == time {
                        file.placed_at(stamp)
                    } else {
                        file.stamp(stamp)
                    };
                }
                (Some(cell), Kind::Int32) => {
                    let value = cell.as_primitive::<Int32Type>().value(row);
                    file.revision(u32::try_from(value).unwrap_or(0));
                }
                (Some(cell), kind) => self.push_value(file, cell, kind, row),
                (None, _) => self.push_absent(file, column),
            }
        }
        file.end()
    }

    fn push_value<W: Write + Send>(&self, file: &mut Rows<W>, cell: &ArrayRef, kind: Kind, row: usize) {
        match kind {
            Kind::Word | Kind::Text => file.text(word(cell, row)),
            Kind::Int64 => file.int(cell.as_primitive::<Int64Type>().value(row)),
            Kind::Double => file.double(cell.as_primitive::<Float64Type>().value(row)),
            Kind::Bool => file.flag(cell.as_boolean().value(row)),
            Kind::Decimal(_) => {
                let minor = cell.as_primitive::<Decimal128Type>().value(row);
                // 18 digits are all that a decimal of ebbd's has.
                file.decimal(i64::try_from(minor).unwrap_or(i64::MAX))
            }
            Kind::Sketch => file.sketch(cell.as_binary::<i32>().value(row)),
            Kind::Stamp | Kind::Int32 => file,
        };
    }

    fn push_absent<W: Write + Send>(&self, file: &mut Rows<W>, column: &Column) {
        let null = column.nullable;
        match column.kind {
            Kind::Stamp => file.stamp((!null).then_some(TimeUs(0))),
            Kind::Word | Kind::Text => file.text((!null).then_some("")),
            Kind::Int64 => file.int((!null).then_some(0)),
            Kind::Double => file.double((!null).then_some(0.0)),
            Kind::Int32 => file.revision(0),
            Kind::Bool => file.flag(false),
            Kind::Decimal(_) => file.decimal(0),
            Kind::Sketch => file.sketch(&self.empty_sketch),
        };
    }
}

/// Whether cells of a file's kind can be written into a column of another.
fn is_kind(found: Option<Kind>, wanted: Kind) -> bool {
    // Texts are read as words.
    found == Some(wanted) || (found, wanted) == (Some(Kind::Word), Kind::Text)
}

/// The kind of a column that a file has.
fn kind(data_type: &DataType) -> Option<Kind> {
    Some(match data_type {
        DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, _) => Kind::Stamp,
        DataType::Dictionary(..) | DataType::Utf8 => Kind::Word,
        DataType::Int64 => Kind::Int64,
        DataType::Int32 => Kind::Int32,
        DataType::Float64 => Kind::Double,
        DataType::Boolean => Kind::Bool,
        DataType::Decimal128(_, scale) => Kind::Decimal(u8::try_from(*scale).ok()?),
        DataType::Binary => Kind::Sketch,
        _ => return None,
    })
}

fn word(cell: &ArrayRef, row: usize) -> &str {
    let words = cell.as_dictionary::<Int32Type>();
    let key = words.keys().value(row);
    words.values().as_string::<i32>().value(key as usize)
}

/// As the files' footers state it: NULL first; what is absent stands for the value that is written for it.
fn compare(column: &Column, a: (&Option<ArrayRef>, usize), b: (&Option<ArrayRef>, usize)) -> Ordering {
    let valid = |(cell, row): (&Option<ArrayRef>, usize)| cell.as_ref().is_some_and(|c| c.is_valid(row));
    let is_null = |place| column.nullable && !valid(place);
    match (is_null(a), is_null(b)) {
        (false, false) => {}
        (null, other) => return other.cmp(&null),
    }
    match column.kind {
        Kind::Word | Kind::Text => text_at(a).cmp(text_at(b)),
        _ => number_at(a).cmp(&number_at(b)),
    }
}

fn text_at((cell, row): (&Option<ArrayRef>, usize)) -> &str {
    cell.as_ref().filter(|cell| cell.is_valid(row)).map_or("", |cell| word(cell, row))
}

fn number_at((cell, row): (&Option<ArrayRef>, usize)) -> i64 {
    let Some(cell) = cell.as_ref().filter(|cell| cell.is_valid(row)) else { return 0 };
    match cell.data_type() {
        DataType::Int32 => cell.as_primitive::<Int32Type>().value(row).into(),
        DataType::Timestamp(..) => cell.as_primitive::<TimestampMicrosecondType>().value(row),
        _ => cell.as_primitive_opt::<Int64Type>().map_or(0, |cell| cell.value(row)),
    }
}
