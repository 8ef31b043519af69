//! Minute tables: counts that a shop has, instead of the events behind them.

use std::fs::File;
use std::io::{self, BufRead, Seek};
use std::path::Path;

use ebbd_core::columns::{MinuteTable, read_table_csv, read_table_parquet};
use ebbd_core::model::{Ledger, LedgerCounts, LedgerKey, SourceId, StreamId, StreamSpec};

use super::Job;
use super::input::{self, Input};
use super::output::Output;

/// Rows that are handed on together.
const BATCH_ROWS: usize = 1 << 19;

/// Takes every row of a table that has a count; in the ledger a row is a line.
///
/// # Errors
/// A table that can't be read as one: every bad line by its number. What can't be written.
pub(super) fn take(job: &Job, stream: StreamId, input: &Input, output: &mut Output) -> Result<(), String> {
    let spec = &job.config.streams[stream.index()];
    let table = read(spec, input, |bytes| input::spooled(bytes, &job.config.data_dir))?;
    output.notes(&table.notes);
    let mut counts = LedgerCounts { received: table.rows.len() as u64, ..LedgerCounts::default() };
    counts.control = table.rows.iter().filter(|row| row.count.is_none()).count() as u64;
    let (mut batch, mut rows) = (Vec::new(), 0);
    for sealed in table.sealed(stream, spec).filter(|sealed| !sealed.rows.is_empty()) {
        let lines = sealed.rows.len();
        if output.is_known(stream, sealed.minute)? {
            counts.duplicate += lines as u64;
            output.left_out(stream, sealed.minute, lines as u64);
            continue;
        }
        counts.counted += lines as u64;
        rows += lines;
        batch.push(sealed);
        if rows >= BATCH_ROWS {
            rows = 0;
            output.minutes(std::mem::take(&mut batch))?;
        }
    }
    output.minutes(batch)?;
    let arrival = output.arrival().minute();
    let key = LedgerKey { arrival, source: SourceId(0), origin: String::new(), stream: spec.name.clone() };
    let mut ledger = Ledger::default();
    if counts.received > 0 {
        *ledger.entry(key) = counts;
    }
    output.ledger(&ledger)
}

/// The table in a file, plain or compressed, CSV or Parquet, for whoever does not ingest it.
///
/// # Errors
/// A table that can't be read as one: every bad line by its number.
pub(in crate::command) fn read_table(spec: &StreamSpec, path: &Path) -> Result<MinuteTable, String> {
    let input = Input::open(&path.display().to_string(), path)?;
    read(spec, &input, |mut bytes| {
        let mut file = tempfile::tempfile()?;
        io::copy(&mut bytes, &mut file)?;
        file.rewind()?;
        Ok(file)
    })
}

fn read(
    spec: &StreamSpec,
    input: &Input,
    spool: impl FnOnce(Box<dyn BufRead>) -> io::Result<File>,
) -> Result<MinuteTable, String> {
    let (mut bytes, bar) = input.unpacked()?;
    let head = bytes.fill_buf().map_err(|error| input::trouble(&error, &bar))?;
    let table = if head.starts_with(b"PAR1") {
        // Parquet is read from its end: what may have been compressed is unpacked to a file first.
        let file: File = spool(bytes).map_err(|error| input::trouble(&error, &bar))?;
        read_table_parquet(spec, file).map_err(|error| error.to_string())
    } else {
        read_table_csv(spec, bytes).map_err(|error| error.to_string())
    };
    bar.finish_and_clear();
    table.map_err(|problems| format!("cannot read it as a minute table of stream {}:\n{problems}", spec.name))
}
