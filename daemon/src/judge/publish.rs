//! A record's way out: journal, then subscribers, then the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use ebbd_core::alarm::AlarmRecord;
use ebbd_core::model::Mark;

use crate::journal::{FrameKind, Journal};
use crate::store::StoreMessage;

/// After a failure the journal is left alone this long.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Records that a restart still knows, so that a subscriber can resume.
const RECENT: usize = 2_000;

/// Who hears of alarm records: the hub of the alarm socket.
pub trait AlarmSink: Send + Sync {
    /// Takes a record without waiting for anybody.
    fn publish(&self, record: &AlarmRecord);
}

/// Makes records durable and hands them on.
pub struct Publisher {
    journal: Journal,
    sink: Arc<dyn AlarmSink>,
    store: Sender<StoreMessage>,
    recent: VecDeque<Vec<u8>>,
    failed: Option<Instant>,
}

impl Publisher {
    /// A publisher that writes to `journal` first. `recent` are the records of earlier runs.
    pub fn new(
        journal: Journal,
        sink: Arc<dyn AlarmSink>,
        store: Sender<StoreMessage>,
        recent: &[AlarmRecord],
    ) -> Publisher {
        let from = recent.len().saturating_sub(RECENT);
        let recent = recent[from..].iter().map(json).collect();
        Publisher { journal, sink, store, recent, failed: None }
    }

    /// Whether the journal fails at present.
    pub fn is_failing(&self) -> bool {
        self.failed.is_some()
    }

    /// Publishes records in their order. While the disk fails they still go out, marked as not durable.
    pub fn records(&mut self, mut records: Vec<AlarmRecord>) {
        if records.is_empty() {
            return;
        }
        let bodies: Vec<Vec<u8>> = records.iter().map(json).collect();
        let durable = self.append(FrameKind::Alarm, &bodies);
        self.recent.extend(bodies);
        self.recent.drain(..self.recent.len().saturating_sub(RECENT));
        for record in &mut records {
            record.durable = durable;
            self.sink.publish(record);
        }
        // Without a store (it has ended) there is nobody to tell.
        let _ = self.store.send(StoreMessage::Alarms(records));
    }

    /// Keeps a marker.
    pub fn mark(&mut self, mark: Mark) {
        self.append(FrameKind::Mark, &[json(&mark)]);
        let _ = self.store.send(StoreMessage::Marks(vec![mark]));
    }

    /// The journal and the recent records, for the checkpoint of an orderly stop.
    pub fn into_journal(self) -> (Journal, VecDeque<Vec<u8>>) {
        (self.journal, self.recent)
    }

    fn append(&mut self, kind: FrameKind, bodies: &[Vec<u8>]) -> bool {
        let frames: Vec<(FrameKind, &[u8])> = bodies.iter().map(|body| (kind, body.as_slice())).collect();
        let written = match self.failed {
            Some(at) if at.elapsed() < RETRY_AFTER => return false,
            // The descriptor that failed is never used again: a fresh file holds what comes from now on.
            Some(_) => self.journal.restart(&frames),
            None => self.journal.append(frames.iter().copied()),
        };
        if let Err(error) = &written {
            tracing::error!("the journal cannot be written, records go out as not durable: {error}");
        }
        self.failed = written.is_err().then(Instant::now);
        written.is_ok()
    }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("records and marks hold nothing that JSON cannot say")
}
