//! The judge's thread.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender};
use ebbd_core::alarm::AlarmRecord;
use ebbd_core::judge::{Judge, JudgedMinute, RevisedRow};
use ebbd_core::model::Mark;

use super::input::{JudgeInput, Seen, changed_incidents};
use super::publish::Publisher;
use super::troubles::Troubles;
use crate::service::ServiceManager;
use crate::store::StoreMessage;
use crate::sys::Clock;

/// A request from another thread, run between two messages.
pub type JudgeRequest = Box<dyn FnOnce(&mut JudgeThread) + Send>;

/// What goes to the judge.
pub enum JudgeMessage {
    /// Something to be judged, or to be handed on to the store.
    Input(JudgeInput),
    /// A commit whose inputs have been sent, and the epoch that passed every lane for it.
    Marker {
        /// The epoch.
        epoch: u64,
        /// The commit.
        commit: u64,
    },
    /// The last message: nothing comes after it.
    Stop,
    /// Something to do with the judge's own state.
    Request(JudgeRequest),
}

/// Who looks at the judge's figures.
pub trait JudgeView: Send + Sync {
    /// After each judged minute.
    fn judged(&self, judged: &JudgedMinute, took: Duration);

    /// After verdicts were judged anew because of late data.
    fn revised(&self, rows: &[RevisedRow]);

    /// After a change marker has come.
    fn marked(&self, mark: &Mark);

    /// After each record that is sent, whatever made it: the alarms as they are now, how many were sent.
    fn told(&self, judge: &Judge, records: usize);

    /// After each sealed minute: how the budget of false alarms is kept may have changed.
    fn looked_back(&self, judge: &Judge);

    /// An epoch has passed the whole pipeline; this waited then.
    fn epoch_passed(&self, epoch: u64, queued: Queued);
}

/// Messages that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// For the judge.
    pub judge: usize,
    /// For the Parquet writer.
    pub store: usize,
}

/// The judge: owned by its thread, given back at the end.
pub struct JudgeThread {
    /// Verdicts and alarms.
    pub judge: Judge,
    /// The records' way out.
    pub publisher: Publisher,
    /// Where rows go: all of them come through here, in the order of commits.
    pub store: Sender<StoreMessage>,
    /// Event time.
    pub clock: Arc<dyn Clock>,
    /// Figures for status and metrics.
    pub view: Arc<dyn JudgeView>,
    /// The watchdog.
    pub service: Arc<ServiceManager>,
    /// ebbd's own troubles, looked at with each marker.
    pub troubles: Troubles,
    /// What is sent to the store now goes with this commit.
    pub commit: u64,
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
                JudgeMessage::Input(input) => self.input(input),
                JudgeMessage::Marker { epoch, commit } => {
                    self.commit = commit;
                    self.look_at_troubles();
                    self.to_store(StoreMessage::Through(commit));
                    self.commit = commit + 1;
                    self.view.epoch_passed(epoch, Queued { judge: messages.len(), store: self.store.len() });
                    self.service.epoch_passed();
                }
                JudgeMessage::Request(request) => request(&mut self),
                JudgeMessage::Stop => break,
            }
        }
        self
    }

    fn input(&mut self, input: JudgeInput) {
        let view = Arc::clone(&self.view);
        let is_minute = matches!(input, JudgeInput::Minute(..));
        let outcome = input.tell(&mut self.judge, &mut |seen| match seen {
            Seen::Judged(judged, took) => view.judged(judged, took),
            Seen::Revised(rows) => view.revised(rows),
            Seen::Marked(mark) => view.marked(mark),
        });
        if is_minute {
            self.view.looked_back(&self.judge);
        }
        self.publish(outcome.records);
        outcome.rows.into_iter().for_each(|rows| self.to_store(rows));
    }

    /// Sends records out and to the store.
    pub(crate) fn publish(&mut self, mut records: Vec<AlarmRecord>) {
        if !records.is_empty() {
            // Whoever hears of an alarm and asks for the status finds it there.
            self.view.told(&self.judge, records.len());
            self.publisher.records(&mut records, self.commit);
            self.to_store(StoreMessage::Alarms(records));
        }
    }

    fn to_store(&self, message: StoreMessage) {
        // Without a store (it has ended) there is nobody to tell.
        let _ = self.store.send(message);
    }

    /// Tells when something of ebbd's own begins to fail and when that is over.
    fn look_at_troubles(&mut self) {
        let records = self.troubles.look(&mut self.judge, self.clock.now());
        if !records.is_empty() {
            self.publish(records);
            changed_incidents(&mut self.judge).into_iter().for_each(|rows| self.to_store(rows));
        }
    }
}
