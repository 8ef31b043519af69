//! The judge's thread.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender};
use ebbd_core::alarm::Severity;
use ebbd_core::judge::{Judge, JudgedMinute};
use ebbd_core::model::{Mark, SealedMinute};

use super::incidents;
use super::publish::Publisher;
use crate::service::ServiceManager;
use crate::store::{JudgedRow, StoreMessage};
use crate::sys::Clock;

/// A request from another thread, run between two messages.
pub type JudgeRequest = Box<dyn FnOnce(&mut JudgeThread) + Send>;

/// What goes to the judge.
pub enum JudgeMessage {
    /// A sealed minute, or a revision of one.
    Minute(Arc<SealedMinute>),
    /// A change marker.
    Mark(Mark),
    /// An epoch that passed every lane and the committer.
    Marker(u64),
    /// The last message: nothing comes after it.
    Stop,
    /// Something to do with the judge's own state.
    Request(JudgeRequest),
}

/// Who looks at the judge's figures.
pub trait JudgeView: Send + Sync {
    /// After each judged minute.
    fn judged(&self, judged: &JudgedMinute, judge: &Judge, took: Duration);

    /// An epoch has passed the whole pipeline.
    fn epoch_passed(&self, epoch: u64);
}

/// The judge: owned by its thread, given back at the end.
pub struct JudgeThread {
    /// Verdicts and alarms.
    pub judge: Judge,
    /// The records' way out.
    pub publisher: Publisher,
    /// Where slice rows and incidents go.
    pub store: Sender<StoreMessage>,
    /// Event time.
    pub clock: Arc<dyn Clock>,
    /// Figures for status and metrics.
    pub view: Arc<dyn JudgeView>,
    /// The watchdog.
    pub service: Arc<ServiceManager>,
    /// Whether the journal failed when it was last looked at; at the start whether it may have before.
    pub disk_trouble: bool,
}

/// Starts the judge. It ends, and gives itself back, at [`JudgeMessage::Stop`].
///
/// # Errors
/// The system has no thread left.
pub fn spawn(
    thread: JudgeThread,
    messages: Receiver<JudgeMessage>,
) -> std::io::Result<JoinHandle<JudgeThread>> {
    std::thread::Builder::new().name("ebbd-judge".to_owned()).spawn(move || thread.run(&messages))
}

impl JudgeThread {
    fn run(mut self, messages: &Receiver<JudgeMessage>) -> JudgeThread {
        for message in messages {
            match message {
                JudgeMessage::Minute(sealed) => self.minute(&sealed),
                JudgeMessage::Mark(mark) => self.mark(mark),
                JudgeMessage::Marker(epoch) => {
                    self.look_at_the_journal();
                    self.view.epoch_passed(epoch);
                    self.service.epoch_passed();
                }
                JudgeMessage::Request(request) => request(&mut self),
                JudgeMessage::Stop => break,
            }
        }
        self
    }

    fn minute(&mut self, sealed: &SealedMinute) {
        let begun = Instant::now();
        let mut judged = self.judge.judge(sealed, self.clock.now());
        self.view.judged(&judged, &self.judge, begun.elapsed());
        let records = std::mem::take(&mut judged.records);
        if !records.is_empty() {
            self.publisher.records(records);
            self.tell_incidents();
        }
        let rows: Vec<JudgedRow> = judged_rows(judged);
        if !rows.is_empty() {
            // Without a store (it has ended) there is nobody to tell.
            let _ = self.store.send(StoreMessage::Slices(sealed.stream, rows));
        }
    }

    /// Takes a marker in: it is on disk before it counts.
    pub fn mark(&mut self, mark: Mark) {
        self.publisher.mark(mark.clone());
        self.judge.mark(mark);
    }

    /// Tells when the journal begins to fail and when that is over, and sees to it that it is tried again.
    fn look_at_the_journal(&mut self) {
        let failing = self.publisher.failing();
        if failing.is_some() == self.disk_trouble {
            return;
        }
        self.disk_trouble = failing.is_some();
        let now = self.clock.now();
        let record = match failing {
            Some(error) => {
                let text = format!("the journal cannot be written: {error}");
                self.judge.trouble("disk", &text, Severity::Page, now)
            }
            None => self.judge.trouble_over("disk", now),
        };
        self.publisher.records(record.into_iter().collect());
        self.tell_incidents();
    }

    fn tell_incidents(&mut self) {
        let changed = self.judge.incidents_changed();
        if !changed.is_empty() {
            let rows = changed.into_iter().map(incidents::rows).collect();
            let _ = self.store.send(StoreMessage::Incidents(rows));
        }
    }
}

fn judged_rows(judged: JudgedMinute) -> Vec<JudgedRow> {
    let (minute, judged_at, revision) = (judged.minute, judged.judged_at, judged.revision);
    let row = |row: ebbd_core::judge::SliceRow| JudgedRow {
        minute,
        slice: row.slice,
        verdict: row.verdict,
        revision,
        judged_at,
    };
    judged.rows.into_iter().map(row).collect()
}
