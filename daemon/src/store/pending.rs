//! What waits to be written, grouped as it will lie: by dataset, stream and date.

use std::collections::BTreeMap;
use std::sync::Arc;

use ebbd_core::alarm::AlarmRecord;
use ebbd_core::columns::{IncidentRow, MoneyRow};
use ebbd_core::detect::SliceVerdict;
use ebbd_core::model::{Ledger, Mark, Minute, SealedMinute, Slice, StreamId, TimeUs};

use super::writer::StoreMessage;

/// What a row of the `slices` dataset takes, its slice's values included, roughly.
const SLICE_ROW_BYTES: u64 = 512;

/// One row of the `slices` dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedRow {
    /// The minute judged.
    pub minute: Minute,
    /// The slice.
    pub slice: Arc<Slice>,
    /// The verdict.
    pub verdict: SliceVerdict,
    /// Revision of the row; the highest is valid.
    pub revision: u32,
    /// When it was judged.
    pub judged_at: TimeUs,
}

/// A stream and a UTC date.
pub type StreamDate = (StreamId, String);

/// Rows that are not yet in any file. Bounded by `roll`: everything goes out together.
#[derive(Debug, Default)]
pub struct Pending {
    /// Sealed minutes and revisions.
    pub minutes: BTreeMap<StreamDate, Vec<Arc<SealedMinute>>>,
    /// Verdicts.
    pub slices: BTreeMap<StreamDate, Vec<JudgedRow>>,
    /// Sealed minutes again, by date alone, for what their sources did.
    pub sources: BTreeMap<String, Vec<Arc<SealedMinute>>>,
    /// What became of every line, by date of arrival.
    pub ledger: BTreeMap<String, Ledger>,
    /// Alarm records, by date.
    pub alarms: BTreeMap<String, Vec<AlarmRecord>>,
    /// Markers, by date.
    pub marks: BTreeMap<String, Vec<Mark>>,
    /// The latest state of each incident that changed, by id.
    pub incidents: BTreeMap<String, (IncidentRow, Vec<MoneyRow>)>,
    oldest: Option<TimeUs>,
    /// Roughly what the minutes and slices among them take.
    bytes: u64,
}

impl Pending {
    /// When the oldest row came in.
    pub fn oldest(&self) -> Option<TimeUs> {
        self.oldest
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.minutes.is_empty()
            && self.slices.is_empty()
            && self.sources.is_empty()
            && self.ledger.is_empty()
            && self.alarms.is_empty()
            && self.marks.is_empty()
            && self.incidents.is_empty()
    }

    /// Remembers that rows came in at `now`.
    pub fn touch(&mut self, now: TimeUs) {
        self.oldest.get_or_insert(now);
    }

    /// Roughly how many bytes wait.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes rows in.
    pub fn add(&mut self, message: StoreMessage) {
        match message {
            StoreMessage::Minute(sealed) => self.add_minute(sealed),
            StoreMessage::Slices(stream, rows) => self.add_slices(stream, rows),
            StoreMessage::Ledger(ledger) => self.add_ledger(ledger),
            StoreMessage::Alarms(records) => self.add_alarms(records),
            StoreMessage::Marks(marks) => self.add_marks(marks),
            StoreMessage::Incidents(rows) => {
                let by_id = rows.into_iter().map(|(row, money)| (row.id.clone(), (row, money)));
                self.incidents.extend(by_id);
            }
            StoreMessage::Through(_) => {}
        }
    }

    /// A sealed minute or a revision: its rows, and what its sources did.
    pub fn add_minute(&mut self, sealed: Arc<SealedMinute>) {
        let date = sealed.minute.start().utc_date();
        self.bytes += sealed.rows.bytes() + sealed.earlier.bytes();
        if !sealed.sources.is_empty() {
            self.sources.entry(date.clone()).or_default().push(Arc::clone(&sealed));
        }
        if !sealed.rows.is_empty() {
            self.minutes.entry((sealed.stream, date)).or_default().push(sealed);
        }
    }

    /// Verdicts of one minute of a stream.
    pub fn add_slices(&mut self, stream: StreamId, rows: Vec<JudgedRow>) {
        self.bytes += rows.len() as u64 * SLICE_ROW_BYTES;
        for row in rows {
            let date = row.minute.start().utc_date();
            self.slices.entry((stream, date)).or_default().push(row);
        }
    }

    /// Ledger entries, split by date of arrival.
    pub fn add_ledger(&mut self, ledger: Ledger) {
        for (key, counts) in ledger.0 {
            let date = key.arrival.start().utc_date();
            self.ledger.entry(date).or_default().entry(key).add(&counts);
        }
    }

    /// Alarm records.
    pub fn add_alarms(&mut self, records: Vec<AlarmRecord>) {
        for record in records {
            let date = record.at.chars().take(10).collect();
            self.alarms.entry(date).or_default().push(record);
        }
    }

    /// Change markers.
    pub fn add_marks(&mut self, marks: Vec<Mark>) {
        for mark in marks {
            self.marks.entry(mark.at.utc_date()).or_default().push(mark);
        }
    }
}
