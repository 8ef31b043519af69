//! Opening Parquet that nobody vouches for: types brought to a few, panics of the library to errors.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;

use super::{ColumnsError, FileInfo};

const BATCH_ROWS: usize = 16 * 1024;

/// Reads what a file says of itself: its footer alone, no row.
///
/// # Errors
/// A file that is no Parquet or cut off.
pub fn read_footer<R: ChunkReader>(input: &R) -> Result<FileInfo, ColumnsError> {
    let metadata = load(input)?;
    let file = metadata.metadata().file_metadata();
    let pairs = file.key_value_metadata().into_iter().flatten();
    let keys: BTreeMap<String, String> =
        pairs.map(|pair| (pair.key.clone(), pair.value.clone().unwrap_or_default())).collect();
    let columns = metadata.schema().fields().iter().map(|f| f.name().clone()).collect();
    Ok(FileInfo::of(keys, u64::try_from(file.num_rows()).unwrap_or(0), columns))
}

/// The columns of a file with their types, strings as dictionaries.
pub(super) fn column_types<R: ChunkReader>(input: &R) -> Result<Vec<(String, DataType)>, ColumnsError> {
    let metadata = with_dictionaries(&load(input)?)?;
    Ok(metadata.schema().fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect())
}

/// A file's batches, one after the other, with only the columns that were asked for.
pub(super) struct Batches {
    reader: Option<ParquetRecordBatchReader>,
    columns: Vec<String>,
    rows: u64,
}

impl Batches {
    /// Opens a file; `wanted` chooses columns by name. Strings come as dictionaries, whoever wrote them.
    pub(super) fn open<R: ChunkReader + 'static>(
        input: R,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Batches, ColumnsError> {
        let metadata = with_dictionaries(&load(&input)?)?;
        let fields = metadata.schema().fields();
        let chosen: Vec<usize> = (0..fields.len()).filter(|&at| wanted(fields[at].name())).collect();
        let columns = chosen.iter().map(|&at| fields[at].name().clone()).collect();
        let mask = ProjectionMask::roots(metadata.parquet_schema(), chosen);
        let reader = guarded("opening the file", || {
            ParquetRecordBatchReaderBuilder::new_with_metadata(input, metadata)
                .with_projection(mask)
                .with_batch_size(BATCH_ROWS)
                .build()
                .map_err(ColumnsError::parquet("opening the file"))
        })?;
        Ok(Batches { reader: Some(reader), columns, rows: 0 })
    }

    /// Whether the file has this column, and it was asked for.
    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column == name)
    }

    /// Rows handed out so far: the place in the file that errors name.
    pub(super) fn rows_before(&self) -> u64 {
        self.rows
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ColumnsError>;

    /// The next batch; after an error there is none.
    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = self.reader.take()?;
        let during = format!("reading behind row {}", self.rows);
        let batch = guarded(&during, || reader.next().transpose().map_err(ColumnsError::arrow(&during)));
        let batch = batch.transpose()?;
        if let Ok(batch) = &batch {
            self.rows += batch.num_rows() as u64;
            self.reader = Some(reader);
        }
        Some(batch)
    }
}

/// Runs the library on bytes that may be broken. Where panics unwind, one becomes an error; release
/// builds abort on panic, there only the library's own checks stand.
pub(super) fn guarded<T>(
    during: &str,
    work: impl FnOnce() -> Result<T, ColumnsError>,
) -> Result<T, ColumnsError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let message = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(ColumnsError::Broken { during: during.to_owned(), message: message.to_owned() })
    })
}

fn load<R: ChunkReader>(input: &R) -> Result<ArrowReaderMetadata, ColumnsError> {
    // The writer's own Arrow schema is left aside: what the columns are is read from Parquet alone.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = guarded("reading the footer", || {
        ArrowReaderMetadata::load(input, options).map_err(ColumnsError::parquet("reading the footer"))
    })?;
    for (at, group) in metadata.metadata().row_groups().iter().enumerate() {
        group.columns().iter().try_for_each(|chunk| check_chunk(chunk, at, input.len()))?;
    }
    Ok(metadata)
}

/// What the library takes for granted of a column chunk, and panics over in a broken file.
fn check_chunk(chunk: &ColumnChunkMetaData, row_group: usize, file_bytes: u64) -> Result<(), ColumnsError> {
    let place = |offset: i64| u64::try_from(offset).is_ok_and(|offset| offset < file_bytes);
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let end = start.checked_add(chunk.compressed_size());
    let message = if !place(start) || !place(chunk.data_page_offset()) || chunk.compressed_size() < 0 {
        "a column that lies outside the file"
    } else if !end.is_some_and(place) {
        "a column that ends outside the file"
    } else {
        return Ok(());
    };
    let during = format!("row group {row_group}, column {}", chunk.column_path());
    Err(ColumnsError::Broken { during, message: message.to_owned() })
}

fn with_dictionaries(metadata: &ArrowReaderMetadata) -> Result<ArrowReaderMetadata, ColumnsError> {
    let wanted: Vec<Field> = metadata.schema().fields().iter().map(|field| as_dictionary(field)).collect();
    let schema: SchemaRef = Arc::new(Schema::new(wanted));
    let options = ArrowReaderOptions::new().with_schema(schema);
    guarded("reading the schema", || {
        ArrowReaderMetadata::try_new(metadata.metadata().clone(), options)
            .map_err(ColumnsError::parquet("reading the schema"))
    })
}

fn as_dictionary(field: &Field) -> Field {
    match field.data_type() {
        DataType::Utf8 => {
            let words = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            field.clone().with_data_type(words)
        }
        _ => field.clone(),
    }
}
