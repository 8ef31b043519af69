//! A record's way out: journal, then subscribers.
//!
//! In: records, and the commit that each came with. Out: frames, and records to the alarm hub. Must not know:
//! rows, files.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ebbd_core::alarm::AlarmRecord;
use serde::{Deserialize, Serialize};

use crate::journal::{FrameKind, JournalHandle, NewFrame, Sync};
use crate::sys::{Mutant, is_made};

/// A record waits this long to be durable; then it goes out and says that it is not.
const PATIENCE: Duration = Duration::from_secs(30);

/// Records that a restart still knows, so that a subscriber can resume.
const RECENT: usize = 2_000;

/// Who hears of alarm records: the hub of the alarm socket.
pub trait AlarmSink: Send + std::marker::Sync {
    /// Takes a record without waiting for anybody.
    fn publish(&self, record: &AlarmRecord);
}

/// A record as the journal keeps it.
#[derive(Serialize)]
struct Kept<'a> {
    #[serde(flatten)]
    record: &'a AlarmRecord,
    commit: u64,
}

/// What of a kept record is not the record's.
#[derive(Deserialize)]
struct With {
    commit: Option<u64>,
}

/// A record that is in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The record.
    pub record: AlarmRecord,
    /// Its row is in the files of this commit; earlier releases did not say.
    pub commit: Option<u64>,
    /// The run that published it.
    pub epoch: u64,
}

impl Published {
    /// Reads a record that the run `epoch` has written to the journal; none if it is none.
    pub fn read(body: &[u8], epoch: u64) -> Option<Published> {
        let record = serde_json::from_slice(body).ok()?;
        let With { commit } = serde_json::from_slice(body).ok()?;
        Some(Published { record, commit, epoch })
    }
}

/// Makes records durable and hands them on.
pub struct Publisher {
    journal: JournalHandle,
    sink: Arc<dyn AlarmSink>,
    recent: VecDeque<Vec<u8>>,
}

impl Publisher {
    /// A publisher that writes to `journal` first. `recent` are the records of earlier runs.
    pub fn new(journal: JournalHandle, sink: Arc<dyn AlarmSink>, recent: &[AlarmRecord]) -> Publisher {
        let mut publisher = Publisher { journal, sink, recent: VecDeque::new() };
        publisher.remember(recent.iter().map(json));
        publisher
    }

    /// Why the journal fails at present; none if it doesn't.
    pub fn failing(&self) -> Option<String> {
        self.journal.failing()
    }

    /// Publishes records, whose rows go with those of `commit`, in their order and notes whether each is
    /// durable. While the disk fails they still go out.
    pub fn records(&mut self, records: &mut [AlarmRecord], commit: u64) {
        if records.is_empty() {
            return;
        }
        let durable = self.append(records.iter().map(|record| json(&Kept { record, commit })).collect());
        for record in records {
            record.durable = durable;
            self.sink.publish(record);
        }
    }

    /// Recent records as frames: a segment of the journal begins with them.
    pub fn recent(&self) -> Vec<NewFrame> {
        self.recent.iter().map(|body| (FrameKind::Alarm, body.clone())).collect()
    }

    fn append(&mut self, bodies: Vec<Vec<u8>>) -> bool {
        let frames = bodies.iter().map(|body| (FrameKind::Alarm, body.clone())).collect();
        self.remember(bodies.into_iter());
        // What the record is about, its commit, stands before it in the journal.
        let appended =
            self.journal.append(frames, if is_made(Mutant::AlarmEarly) { Sync::No } else { Sync::Now });
        let is_waited_for = !is_made(Mutant::AlarmEarly);
        let durable =
            appended.and_then(|lsn| if is_waited_for { self.journal.wait(lsn, PATIENCE) } else { Ok(()) });
        if let Err(error) = &durable {
            tracing::error!("records go out as not durable: {error}");
        }
        durable.is_ok()
    }

    fn remember(&mut self, bodies: impl Iterator<Item = Vec<u8>>) {
        self.recent.extend(bodies);
        self.recent.drain(..self.recent.len().saturating_sub(RECENT));
    }
}

fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("records hold nothing that JSON cannot say")
}
