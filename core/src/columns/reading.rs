//! Opening Parquet that nobody vouches for: types brought to a few, panics of the library to errors.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::reader::ChunkReader;

use super::{ColumnsError, FileInfo};

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

/// Runs the library on bytes that may be broken. Where panics unwind, one becomes an error; release
/// builds abort on panic, there only the library's own checks stand.
fn guarded<T>(during: &str, work: impl FnOnce() -> Result<T, ColumnsError>) -> Result<T, ColumnsError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let message = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(ColumnsError::Broken { during: during.to_owned(), message: message.to_owned() })
    })
}

fn load<R: ChunkReader>(input: &R) -> Result<ArrowReaderMetadata, ColumnsError> {
    // The writer's own Arrow schema is left aside: what the columns are is read from Parquet alone.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    guarded("reading the footer", || {
        ArrowReaderMetadata::load(input, options).map_err(ColumnsError::parquet("reading the footer"))
    })
}
