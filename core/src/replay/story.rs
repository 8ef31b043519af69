//! Alarms as stories: what the records of one alarm say together.

use std::collections::{BTreeMap, BTreeSet};

use crate::alarm::{AlarmRecord, Because, Kind, Severity, State};
use crate::model::{Minute, Slice, TimeUs};

/// An alarm from its first record to its last.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// Its number.
    pub no: u64,
    /// Its id.
    pub id: String,
    /// The stream.
    pub stream: String,
    /// The title of its first record.
    pub title: String,
    /// What kind of trouble it is.
    pub kind: Kind,
    /// The loudest it was.
    pub severity: Severity,
    /// Every slice that its records were about, or named as a cause.
    pub slices: BTreeSet<Slice>,
    /// What its markers were called.
    pub changes: BTreeSet<String>,
    /// When it opened, and opened again.
    pub openings: Vec<Opening>,
    /// Its last record.
    pub last: AlarmRecord,
    /// How many records it has.
    pub records: u64,
}

/// An opening of an alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// The minute whose verdict opened it.
    pub minute: Minute,
    /// The slice that it was about.
    pub slice: Slice,
}

/// All alarms of a run, by number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stories(pub BTreeMap<u64, Story>);

impl Stories {
    /// Takes a record in.
    pub fn add(&mut self, record: &AlarmRecord) {
        let story = self.0.entry(record.no).or_insert_with(|| Story {
            no: record.no,
            id: record.id.clone(),
            stream: record.stream.clone(),
            title: record.title.clone(),
            kind: record.kind,
            severity: record.severity,
            slices: BTreeSet::new(),
            changes: BTreeSet::new(),
            openings: Vec::new(),
            last: record.clone(),
            records: 0,
        });
        story.records += 1;
        if record.severity == Severity::Page {
            story.severity = Severity::Page;
        }
        story.slices.insert(record.slice.clone());
        story.slices.extend(record.causes.iter().map(|cause| cause.slice.clone()));
        story.changes.extend(record.changes.iter().map(|change| change.what.clone()));
        if record.because == Because::Opened {
            story
                .openings
                .extend(minute(&record.minute).map(|minute| Opening { minute, slice: record.slice.clone() }));
        }
        story.last = record.clone();
    }
}

impl Story {
    /// The likeliest first minute.
    pub fn onset(&self) -> Option<Minute> {
        minute(&self.last.onset.as_ref()?[1])
    }

    /// Minutes from the onset to the end of the minute that opened it.
    pub fn delay_minutes(&self) -> Option<i32> {
        Some(self.openings.first()?.minute.0 - self.onset()?.0 + 1)
    }

    /// How long it lasted: from the onset to its end, or to the last record if it is open.
    pub fn minutes(&self) -> Option<i32> {
        let end =
            self.last.ended.as_deref().map_or_else(|| minute(&self.last.minute).map(Minute::next), minute)?;
        Some(end.0 - self.onset()?.0)
    }

    /// Whether it was open at the end.
    pub fn is_open(&self) -> bool {
        !matches!(self.last.state, State::Resolved | State::Withdrawn)
    }

    /// Orders lost: low, estimate, high.
    pub fn lost(&self) -> Option<[f64; 3]> {
        self.last.lost.as_ref()?.orders
    }
}

/// A record's minute.
pub(super) fn minute(text: &str) -> Option<Minute> {
    let stamp: jiff::Timestamp = text.parse().ok()?;
    Some(TimeUs(stamp.as_microsecond()).minute())
}
