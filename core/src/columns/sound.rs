//! Whether a file holds what was written: its bytes against their checksum, every row of every column read,
//! rows, minutes and revisions against what the footer says, and what can be said of the rows themselves.
//!
//! In: a file's bytes. Out: what it says of itself, and what is wrong with it, in words.

use arrow_array::RecordBatch;
use parquet::file::reader::ChunkReader;

use super::cells::Cells;
use super::checksum::Checksum;
use super::footer::{FileInfo, Span};
use super::reading::{Batches, read_footer};
use super::{ColumnsError, Dataset};
use crate::alarm::AlarmRecord;
use crate::model::{Minute, Reason};

/// Findings of one file that are told; a file in which everything is wrong need not say it a million times.
const FINDINGS_MAX: usize = 8;

/// What reading a whole file showed.
#[derive(Clone, Debug, Default)]
pub struct Soundness {
    /// What it says of itself.
    pub info: FileInfo,
    /// What is wrong with it, in sentences; the first few.
    pub findings: Vec<String>,
}

/// Reads a file of any dataset from its first to its last byte.
///
/// # Errors
/// A file that is no Parquet, cut off, or broken in a place where reading cannot go on.
pub fn read_through<R: ChunkReader + 'static>(input: R) -> Result<Soundness, ColumnsError> {
    let info = read_footer(&input)?;
    let mut seen = Seen::default();
    if let Some(told) = info.checksum {
        let found = Checksum::of(&input, told.bytes)?;
        if found != told {
            // What is in there is anybody's guess: it is not even looked at.
            return Ok(Soundness {
                info,
                findings: vec!["its bytes are not those that were written".to_owned()],
            });
        }
    }
    let mut batches = Batches::open(input, |_| true)?;
    loop {
        let first_row = batches.rows_before();
        let Some(batch) = batches.next().transpose()? else { break };
        seen.look(&batch, first_row, info.dataset)?;
    }
    seen.compare(&info, batches.rows_before());
    Ok(Soundness { info, findings: seen.findings })
}

#[derive(Default)]
struct Seen {
    minutes: Span<Minute>,
    revisions: Span<u32>,
    findings: Vec<String>,
}

impl Seen {
    fn look(
        &mut self,
        batch: &RecordBatch,
        first_row: u64,
        dataset: Option<Dataset>,
    ) -> Result<(), ColumnsError> {
        let cells = |name| Cells::of(batch, name, first_row);
        let placed = match dataset {
            Some(Dataset::Alarms | Dataset::Marks) => "at",
            _ => "minute",
        };
        if let Some(times) = cells(placed) {
            times.times()?.into_iter().flatten().for_each(|time| self.minutes.add(time.minute()));
        }
        if let Some(revisions) = cells("revision") {
            for revision in revisions.wholes()?.into_iter().flatten() {
                self.revisions.add(u32::try_from(revision).unwrap_or(u32::MAX));
            }
        }
        match dataset {
            Some(Dataset::Ledger) => self.ledger(batch, first_row),
            Some(Dataset::Alarms) => self.records(batch, first_row),
            _ => Ok(()),
        }
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// Every line that was received became exactly one thing.
    fn ledger(&mut self, batch: &RecordBatch, first_row: u64) -> Result<(), ColumnsError> {
        let column = |name: &str| match Cells::of(batch, name, first_row) {
            Some(cells) => cells.wholes(),
            None => Ok(vec![None; batch.num_rows()]),
        };
        let received = column("received")?;
        let rejected = Reason::ALL.into_iter().map(|reason| format!("rejected_{}", reason.name()));
        let fates = ["counted", "control", "duplicate", "dropped_queue", "dropped_crash"].map(str::to_owned);
        let fates: Vec<_> =
            fates.into_iter().chain(rejected).map(|name| column(&name)).collect::<Result<_, _>>()?;
        for (row, received) in received.into_iter().enumerate() {
            let told: i128 = fates.iter().map(|fate| i128::from(fate[row].unwrap_or(0))).sum();
            let received = received.unwrap_or(0);
            if told != i128::from(received) {
                let row = first_row + row as u64 + 1;
                self.find(format!("row {row}: {received} lines were received, {told} are accounted for"));
            }
        }
        Ok(())
    }

    /// The whole record can be read and is the row's own.
    fn records(&mut self, batch: &RecordBatch, first_row: u64) -> Result<(), ColumnsError> {
        let (Some(whole), Some(seq)) =
            (Cells::of(batch, "record", first_row), Cells::of(batch, "seq", first_row))
        else {
            return Err(ColumnsError::Shape("no column record or seq: these are no alarms".to_owned()));
        };
        for (row, (text, seq)) in whole.texts()?.into_iter().zip(seq.wholes()?).enumerate() {
            let row = first_row + row as u64 + 1;
            match serde_json::from_str::<AlarmRecord>(&text.unwrap_or_default()) {
                Ok(record) if i64::try_from(record.seq).ok() == seq => {}
                Ok(record) => self.find(format!("row {row}: record {} under another number", record.seq)),
                Err(error) => self.find(format!("row {row}: the record cannot be read: {error}")),
            }
        }
        Ok(())
    }

    fn compare(&mut self, info: &FileInfo, rows: u64) {
        if rows != info.rows {
            self.find(format!("{rows} rows where the footer says {}", info.rows));
        }
        if info.schema.is_none() {
            return self.find("not written by ebbd".to_owned());
        }
        // Incidents and their money have times of their own.
        let placed = !matches!(info.dataset, Some(Dataset::Incidents | Dataset::IncidentMoney));
        if placed && self.minutes.0 != info.span {
            self.find("its minutes are not those that the footer says".to_owned());
        }
        if self.revisions.0 != info.revisions {
            self.find("its revisions are not those that the footer says".to_owned());
        }
    }
}
