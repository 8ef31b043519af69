//! A record's way out: journal, then subscribers, then the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Sender;
use ebbd_core::alarm::AlarmRecord;
use ebbd_core::model::Mark;

use crate::journal::{FrameKind, JournalError, JournalHandle, NewFrame, Sync};
use crate::store::StoreMessage;

/// A record waits this long to be durable; then it goes out and says that it is not.
const PATIENCE: Duration = Duration::from_secs(30);

/// Records that a restart still knows, so that a subscriber can resume.
const RECENT: usize = 2_000;
/// Markers that a restart still knows besides those in the checkpoint.
const MARKS: usize = 10_000;

/// Who hears of alarm records: the hub of the alarm socket.
pub trait AlarmSink: Send + std::marker::Sync {
    /// Takes a record without waiting for anybody.
    fn publish(&self, record: &AlarmRecord);
}

/// What a segment of the journal begins with, so that nothing before it is needed.
#[derive(Default)]
pub struct Carried {
    checkpoint: Option<Vec<u8>>,
    boot: Vec<u8>,
    recent: VecDeque<Vec<u8>>,
    marks: VecDeque<Vec<u8>>,
}

impl Carried {
    /// The last checkpoint as it was found, this run's boot frame, recent records and the markers since the
    /// checkpoint, oldest first.
    pub fn new(
        checkpoint: Option<Vec<u8>>,
        boot: Vec<u8>,
        records: &[AlarmRecord],
        marks: &[Mark],
    ) -> Carried {
        let mut carried = Carried { checkpoint, boot, ..Carried::default() };
        carried.add(FrameKind::Alarm, records.iter().map(json));
        carried.add(FrameKind::Mark, marks.iter().map(json));
        carried
    }

    fn add(&mut self, kind: FrameKind, bodies: impl Iterator<Item = Vec<u8>>) {
        let (kept, most) =
            if kind == FrameKind::Mark { (&mut self.marks, MARKS) } else { (&mut self.recent, RECENT) };
        kept.extend(bodies);
        kept.drain(..kept.len().saturating_sub(most));
    }

    /// All of it as frames. The boot frame comes last: a journal that ends with a checkpoint was closed.
    pub fn frames(&self) -> Vec<NewFrame> {
        let of = |kind, bodies: &VecDeque<Vec<u8>>| -> Vec<NewFrame> {
            bodies.iter().map(|body| (kind, body.clone())).collect()
        };
        let mut frames = of(FrameKind::Alarm, &self.recent);
        frames.extend(self.checkpoint.iter().map(|body| (FrameKind::Checkpoint, body.clone())));
        frames.extend(of(FrameKind::Mark, &self.marks));
        frames.push((FrameKind::Boot, self.boot.clone()));
        frames
    }

    /// The frames that an orderly stop leaves behind: recent records, and the state as it is then.
    pub fn closed_with(self, checkpoint: Vec<u8>) -> Vec<NewFrame> {
        let mut frames: Vec<NewFrame> =
            self.recent.into_iter().map(|body| (FrameKind::Alarm, body)).collect();
        frames.push((FrameKind::Checkpoint, checkpoint));
        frames
    }
}

/// Makes records durable and hands them on.
pub struct Publisher {
    journal: JournalHandle,
    sink: Arc<dyn AlarmSink>,
    store: Sender<StoreMessage>,
    carried: Carried,
}

impl Publisher {
    /// A publisher that writes to `journal` first.
    pub fn new(
        journal: JournalHandle,
        sink: Arc<dyn AlarmSink>,
        store: Sender<StoreMessage>,
        carried: Carried,
    ) -> Publisher {
        Publisher { journal, sink, store, carried }
    }

    /// Why the journal fails at present; none if it doesn't. A new segment is tried if it is time for that.
    pub fn failing(&self) -> Option<String> {
        if self.journal.wants_segment() {
            // What came of it is asked below.
            let _ = self.renewed();
        }
        self.journal.failing()
    }

    /// Publishes records in their order. While the disk fails they still go out, marked as not durable.
    pub fn records(&mut self, mut records: Vec<AlarmRecord>) {
        if records.is_empty() {
            return;
        }
        let durable = self.append(FrameKind::Alarm, records.iter().map(json).collect());
        for record in &mut records {
            record.durable = durable;
            self.sink.publish(record);
        }
        // Without a store (it has ended) there is nobody to tell.
        let _ = self.store.send(StoreMessage::Alarms(records));
    }

    /// Keeps a marker.
    pub fn mark(&mut self, mark: Mark) {
        self.append(FrameKind::Mark, vec![json(&mark)]);
        let _ = self.store.send(StoreMessage::Marks(vec![mark]));
    }

    /// What the next segment begins with, for the end of an orderly stop.
    pub fn into_carried(self) -> Carried {
        self.carried
    }

    fn append(&mut self, kind: FrameKind, bodies: Vec<Vec<u8>>) -> bool {
        let frames = bodies.iter().map(|body| (kind, body.clone())).collect();
        self.carried.add(kind, bodies.into_iter());
        let appended = self.journal.append(frames, Sync::Now);
        let mut durable = appended.and_then(|lsn| self.journal.wait(lsn, PATIENCE));
        if durable.is_err() && self.journal.wants_segment() {
            durable = self.renewed();
        }
        if let Err(error) = &durable {
            tracing::error!("records go out as not durable: {error}");
        }
        durable.is_ok()
    }

    /// A segment that needs nothing of those before it. They stay until it is there.
    fn renewed(&self) -> Result<(), JournalError> {
        let number = self.journal.begin_segment(self.carried.frames())?;
        self.journal.release_before(number);
        Ok(())
    }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("records and marks hold nothing that JSON cannot say")
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use crossbeam::channel::bounded;
    use ebbd_core::alarm::Severity;
    use ebbd_core::detect::DetectKnobs;
    use ebbd_core::judge::{Judge, JudgeContext};
    use ebbd_core::model::{TimeUs, View};

    use super::*;
    use crate::journal::{About, Journal, recover};
    use crate::sys::{Disk, Fault, FaultDisk};
    use crate::telemetry::Telemetry;

    #[derive(Default)]
    struct Heard(Mutex<Vec<bool>>);

    impl AlarmSink for Heard {
        fn publish(&self, record: &AlarmRecord) {
            self.0.lock().expect("nobody panics with it").push(record.durable);
        }
    }

    fn record() -> Vec<AlarmRecord> {
        let knobs = DetectKnobs { false_alarms_per_week: 1.0, max_slices: 1 };
        let context = JudgeContext {
            host: "shop-1".to_owned(),
            view: View::Whole,
            config_hash: String::new(),
            knobs,
            http_url: None,
        };
        let mut judge = Judge::new(Arc::from([]), context);
        judge.trouble("disk", "it fails", Severity::Page, TimeUs(0)).into_iter().collect()
    }

    #[test]
    fn one_failure_costs_no_record_and_a_dead_disk_is_told_with_each() {
        let (disk, dir, heard) = (FaultDisk::new(), Path::new("/journal"), Arc::new(Heard::default()));
        // Too small for a reserve: no calls but those that are counted here.
        disk.set_capacity(50 << 20);
        let on: Arc<dyn Disk> = Arc::new(disk.clone());
        let left = recover(Arc::clone(&on), dir).expect("empty");
        let telemetry = Arc::new(Telemetry::new(&[], &[], 0));
        let carried = Carried::new(None, b"{}".to_vec(), &[], &[]);
        let journal = Journal::begin(Arc::clone(&on), &left, About::default(), &carried.frames(), telemetry);
        let journal = journal.expect("begun");
        let (store, _kept) = bounded(16);
        let sink = Arc::clone(&heard) as Arc<dyn AlarmSink>;
        let mut publisher = Publisher::new(journal.handle(), sink, store, carried);
        publisher.records(record());
        disk.fail_at(disk.calls() + 2, Fault::Broken);
        publisher.records(record());
        assert_eq!(publisher.failing(), None, "a fresh segment has healed it");
        disk.set_read_only(true);
        publisher.records(record());
        assert!(publisher.failing().is_some());
        assert_eq!(*heard.0.lock().expect("nobody panics with it"), [true, true, false]);
        disk.crash(&mut |_| 0);
        let left = recover(on, dir).expect("readable");
        let bytes = left.read(left.newest().expect("there")).expect("readable");
        let alarms = bytes.frames().filter(|frame| frame.kind == FrameKind::Alarm).count();
        assert_eq!(alarms, 2, "those that were told durable");
    }
}
