//! The state of an orderly stop, and what a start makes of the journal it finds.

use ebbd_core::aggregate::AggregateState;
use ebbd_core::alarm::AlarmRecord;
use ebbd_core::judge::JudgeState;
use ebbd_core::model::{Mark, TimeUs};
use serde::{Deserialize, Serialize};

use super::{StartError, trying};
use crate::journal::{self, FrameKind};
use crate::source::{Position, Sender};

/// The version written; older ones are read.
const VERSION: u32 = 1;

/// Everything that goes on after a restart.
#[derive(Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    version: u32,
    saved_at: TimeUs,
    aggregate: AggregateState,
    judge: JudgeState,
    files: Vec<Position>,
    /// Absent in what earlier releases wrote, which acknowledged nobody.
    #[serde(default)]
    senders: Vec<Sender>,
}

/// Only what tells whether the rest can be read.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

impl Checkpoint {
    /// The state at `saved_at`.
    pub fn new(
        saved_at: TimeUs,
        aggregate: AggregateState,
        judge: JudgeState,
        files: Vec<Position>,
    ) -> Checkpoint {
        Checkpoint { version: VERSION, saved_at, aggregate, judge, files, senders: Vec::new() }
    }

    /// The same with what is known of acknowledged senders.
    pub fn with_senders(self, senders: Vec<Sender>) -> Checkpoint {
        Checkpoint { senders, ..self }
    }

    /// As the journal keeps it.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("the state holds nothing that JSON cannot say")
    }
}

/// What an earlier run left, understood.
#[derive(Default)]
pub(super) struct Recovered {
    /// The aggregate's state; none after a crash: what was open then is in the Parquet or lost.
    pub(super) aggregate: Option<AggregateState>,
    /// The judge's state.
    pub(super) judge: Option<JudgeState>,
    /// How far files were read.
    pub(super) files: Vec<Position>,
    /// Acknowledged senders.
    pub(super) senders: Vec<Sender>,
    /// Recent alarm records, oldest first.
    pub(super) records: Vec<AlarmRecord>,
    /// Markers taken in since the checkpoint.
    pub(super) marks: Vec<Mark>,
    /// The last checkpoint as it was found, to be carried on.
    pub(super) checkpoint: Option<Vec<u8>>,
}

impl Recovered {
    /// Reads the newest segment of `journal`: it begins with everything.
    ///
    /// # Errors
    /// A checkpoint of a later version: nothing is touched then. Whatever the disk says.
    pub(super) fn of(journal: &journal::Recovered) -> Result<Recovered, StartError> {
        tell(journal);
        let mut recovered = Recovered::default();
        let Some(newest) = journal.newest() else { return Ok(recovered) };
        let bytes = trying("reading the journal", journal.read(newest))?;
        for frame in bytes.frames() {
            match frame.kind {
                FrameKind::Alarm => recovered.records.extend(parsed(frame.body)),
                FrameKind::Mark => recovered.marks.extend(parsed(frame.body)),
                FrameKind::Checkpoint => recovered.checkpoint = Some(frame.body.to_vec()),
                _ => {}
            }
        }
        let Some(body) = &recovered.checkpoint else { return Ok(recovered) };
        let checkpoint = read_checkpoint(body)?;
        recovered.judge = Some(checkpoint.judge);
        recovered.files = checkpoint.files;
        recovered.senders = checkpoint.senders;
        recovered.aggregate = journal.ended_in_order().then_some(checkpoint.aggregate);
        Ok(recovered)
    }

    /// The highest sequence number among the records.
    pub(super) fn last_seq(&self) -> u64 {
        self.records.iter().map(|record| record.seq).max().unwrap_or(0)
    }

    /// The highest alarm number among the records.
    pub(super) fn last_no(&self) -> u64 {
        self.records.iter().map(|record| record.no).max().unwrap_or(0)
    }
}

fn read_checkpoint(body: &[u8]) -> Result<Checkpoint, StartError> {
    let foreign = |what: String| StartError::Foreign(format!("the journal's state cannot be read: {what}"));
    let head: Head = serde_json::from_slice(body).map_err(|error| foreign(error.to_string()))?;
    if head.version > VERSION {
        return Err(foreign(format!(
            "it has version {}, this ebbd reads up to {VERSION}; start the ebbd that wrote it",
            head.version
        )));
    }
    serde_json::from_slice(body).map_err(|error| foreign(error.to_string()))
}

fn parsed<T: for<'a> Deserialize<'a>>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

fn tell(journal: &journal::Recovered) {
    if journal.torn_bytes > 0 {
        tracing::warn!("the journal ended in the middle of a write: {} bytes were cut", journal.torn_bytes);
    }
    if let Some(trouble) = trouble(journal) {
        tracing::error!("{trouble}");
    }
    if !journal.ended_in_order() {
        tracing::warn!("the last run did not end in order: minutes that were open then may lack events");
    }
}

/// What is wrong with the journal beyond a crash, in words; none if nothing is.
pub(super) fn trouble(journal: &journal::Recovered) -> Option<String> {
    let mut told: Vec<String> = Vec::new();
    told.extend(journal.damaged.iter().map(|path| format!("{} is damaged and set aside", path.display())));
    told.extend(journal.missing.iter().map(|number| format!("segment {number} of the journal is missing")));
    let other = journal.broken.iter().filter(|_| journal.damaged.is_empty() && journal.missing.is_empty());
    told.extend(
        other.map(|number| format!("segment {number} of the journal does not follow the one before")),
    );
    (!told.is_empty()).then(|| told.join("; ") + "; what was counted in between may be lost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_version_is_refused_and_says_so() {
        let refused = read_checkpoint(br#"{"version":99,"whatever":1}"#).expect_err("too new");
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().contains("version 99"), "{refused}");
    }
}
