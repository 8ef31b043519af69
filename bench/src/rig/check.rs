//! What was counted, read back from the Parquet by the project's own reader.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use datasketches::hll::HllSketch;
use ebbd_bench::{Truth, WireFormat};
use ebbd_core::columns::read_minutes;
use ebbd_core::model::{DistinctSpec, StreamSpec, SumSpec};

use super::Failure;

/// Totals over all files below a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counted {
    /// Events, their weights included.
    pub events: i64,
    /// Sum of the amounts in cents.
    pub cents: i64,
    /// Combinations of minute and dimension values.
    pub rows: u64,
    /// Rows over all revisions.
    pub revisions: u64,
    /// Sum of the customers' estimates over all rows.
    pub distinct: f64,
}

impl Counted {
    /// Compares with what was sent. StatsD lines carry no time: which minutes they come to is not known.
    ///
    /// # Errors
    /// They differ.
    pub fn must_be(self, truth: &Truth, format: WireFormat) -> Result<(), Failure> {
        let rows = if format.name() == "statsd" { self.rows } else { truth.rows };
        if (self.events, self.cents, self.rows) == (truth.events as i64, truth.cents as i64, rows) {
            return Ok(());
        }
        let Truth { events, cents, rows, .. } = truth;
        Err(format!("sent {events} events, {cents} cents, {rows} rows, but counted {self:?}").into())
    }
}

/// Reads the minutes below `data_dir`.
///
/// # Errors
/// A file can't be read.
pub fn counted_below(data_dir: &Path, format: WireFormat) -> Result<Counted, Failure> {
    let spec = spec(format);
    let (mut counted, mut seen) = (Counted::default(), HashSet::new());
    let mut files = Vec::new();
    parquet_files(&data_dir.join("minutes"), &mut files)?;
    for file in files {
        for minute in read_minutes(&spec, File::open(file)?)? {
            let minute = minute?;
            counted.revisions += minute.rows.len() as u64;
            for row in &minute.rows {
                counted.events += row.count;
                counted.cents += row.sums.first().map_or(0, |sum| sum.0);
                counted.distinct += row.sketches.first().map_or(0.0, |bytes| estimate(bytes));
                seen.insert((minute.minute, row.key.dimensions.clone()));
            }
        }
    }
    counted.rows = seen.len() as u64;
    Ok(counted)
}

/// What a sketch says; 0 for an empty one.
fn estimate(bytes: &[u8]) -> f64 {
    HllSketch::deserialize(bytes).map_or(0.0, |sketch| sketch.estimate())
}

fn spec(format: WireFormat) -> StreamSpec {
    let amount = SumSpec { name: "amount".to_owned(), field: "amount".to_owned(), scale: 2, currency: None };
    let customer = DistinctSpec { name: "customer".to_owned(), field: "customer".to_owned() };
    let plain = StreamSpec { sums: Vec::new(), distincts: Vec::new(), ..StreamSpec::example() };
    match format {
        WireFormat::Ndjson | WireFormat::Influx => {
            StreamSpec { sums: vec![amount], distincts: vec![customer], ..plain }
        }
        WireFormat::Statsd | WireFormat::StatsdPlain => plain,
    }
}

fn parquet_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            parquet_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    Ok(())
}
