//! The committer's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender};
use ebbd_core::aggregate::{Aggregator, Delta, Sample};
use ebbd_core::model::{Ledger, SealedMinute, TimeUs};

use super::cut::Lanes;
use super::feeds::SourceFeeds;
use super::rejects::{RejectLog, Rejected};
use crate::judge::JudgeMessage;
use crate::lane::{LaneDelta, StageLatency};
use crate::store::StoreMessage;
use crate::sys::Clock;

/// The committer looks for work this often, and sends a marker if something came.
const COMMIT_EVERY: Duration = Duration::from_millis(50);
/// A marker is sent at least this often, for the watchdog is fed by markers.
const QUIET_COMMIT_EVERY: Duration = Duration::from_secs(1);
/// However much somebody is in a hurry, there are not more commits than this.
const HURRIED_COMMIT_EVERY: Duration = Duration::from_millis(5);

/// Where the committer's results go.
pub struct Outputs {
    /// The judge.
    pub judge: Sender<JudgeMessage>,
    /// The store.
    pub store: Sender<StoreMessage>,
}

/// Requests from other threads: run between two commits.
pub type CommitRequest = Box<dyn FnOnce(&mut Committer) + Send>;

/// The committer: owned by its thread, given back at the end.
pub struct Committer {
    /// Where all lanes meet.
    pub aggregator: Aggregator,
    /// The lanes.
    pub lanes: Lanes,
    /// What source threads tell beside blocks.
    pub feeds: SourceFeeds,
    /// Where results go.
    pub outputs: Outputs,
    /// Event time.
    pub clock: Arc<dyn Clock>,
    /// Samples of refused lines; none if they are off.
    pub rejects: Option<RejectLog>,
    /// Late data become revisions this often.
    pub revise_every_us: i64,
    /// Figures for status and metrics.
    pub view: Arc<dyn CommitView>,
    /// When late data were last made revisions.
    pub revised_at: TimeUs,
}

/// A lane, and how long its blocks took since its last answer.
pub type LaneLatency = (usize, Box<StageLatency>);

/// Who looks at the committer's figures.
pub trait CommitView: Send + Sync {
    /// After each commit: what lanes took, and how long. Lanes that got nothing are left out.
    fn committed(&self, committer: &Committer, latency: &[LaneLatency]);

    /// Ledger entries on their way to the store.
    fn ledger(&self, ledger: &Ledger);

    /// A minute was sealed, or revised.
    fn sealed(&self, sealed: &SealedMinute);
}

/// Starts the committer. When `stop` is set it makes the last cut, hands everything on and gives itself back.
pub fn spawn(
    committer: Committer,
    requests: Receiver<CommitRequest>,
    stop: Arc<AtomicBool>,
) -> std::io::Result<JoinHandle<Committer>> {
    std::thread::Builder::new().name("ebbd-commit".to_owned()).spawn(move || committer.run(&requests, &stop))
}

impl Committer {
    fn run(mut self, requests: &Receiver<CommitRequest>, stop: &AtomicBool) -> Committer {
        let mut due = Instant::now();
        let (mut asked, mut committed) = (true, due);
        while !stop.load(Ordering::Acquire) {
            // Each of them has to be asked: the lanes forget what they were asked.
            let came = self.lanes.take_came() | !self.feeds.is_quiet() | asked;
            if came || committed.elapsed() >= QUIET_COMMIT_EVERY {
                committed = Instant::now();
                self.commit();
            } else {
                self.seal();
            }
            due = (due + COMMIT_EVERY).max(Instant::now());
            (due, asked) = self.wait(requests, due);
        }
        self.finish();
        self
    }

    /// Serves requests until the next marker's time, which comes sooner if a sender is in a hurry. Gives that
    /// time, and whether anything was asked.
    fn wait(&mut self, requests: &Receiver<CommitRequest>, due: Instant) -> (Instant, bool) {
        let soon = Instant::now() + HURRIED_COMMIT_EVERY;
        let calls = self.feeds.desk().calls().clone();
        let (mut due, mut asked) = (due, false);
        loop {
            crossbeam::channel::select! {
                recv(requests) -> request => match request {
                    Ok(request) => request(self),
                    Err(_) => break,
                },
                recv(calls) -> _ => due = due.min(soon),
                default(due.saturating_duration_since(Instant::now())) => return (due, asked),
            }
            asked = true;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        (due, asked)
    }

    /// Seals the minutes that are due.
    fn seal(&mut self) -> TimeUs {
        let now = self.clock.now();
        for sealed in self.aggregator.advance(now) {
            self.hand_on(sealed);
        }
        now
    }

    fn commit(&mut self) {
        self.cut(Lanes::cut);
        let now = self.seal();
        if now.since_us(self.revised_at) >= self.revise_every_us {
            self.revise(now);
        }
        self.tell(now);
        // Nobody to tell: the judge has ended, which only happens at the very end.
        let _ = self.outputs.judge.send(JudgeMessage::Marker(self.lanes.epoch()));
    }

    fn cut(&mut self, cut: impl FnOnce(&mut Lanes) -> Vec<LaneDelta<Delta>>) {
        self.feeds.before_cut(&mut self.aggregator, self.clock.now());
        let mut latency = Vec::new();
        for answer in cut(&mut self.lanes) {
            latency.extend(answer.latency.map(|latency| (answer.lane, latency)));
            self.aggregator.merge(answer.delta);
        }
        self.feeds.after_cut(&mut self.aggregator);
        self.view.committed(self, &latency);
    }

    /// Hands on what late events added to sealed minutes.
    fn revise(&mut self, now: TimeUs) {
        self.revised_at = now;
        for revision in self.aggregator.take_revisions(now) {
            self.hand_on(revision);
        }
    }

    fn hand_on(&mut self, sealed: SealedMinute) {
        self.view.sealed(&sealed);
        let sealed = Arc::new(sealed);
        let _ = self.outputs.store.send(StoreMessage::Minute(Arc::clone(&sealed)));
        let _ = self.outputs.judge.send(JudgeMessage::Minute(sealed));
    }

    /// Marks, the ledger of minutes of arrival that are over, samples of refused lines.
    fn tell(&mut self, now: TimeUs) {
        for mark in self.aggregator.take_marks() {
            let _ = self.outputs.judge.send(JudgeMessage::Mark(mark));
        }
        self.tell_ledger(Some(now));
        let samples = self.aggregator.take_samples();
        self.acknowledge(now, &samples);
        if let Some(rejects) = &mut self.rejects {
            let lines: Vec<Rejected<'_>> = samples.iter().map(|s| rejected(s, &self.feeds)).collect();
            rejects.add(now, &lines);
        }
    }

    /// Tells acknowledged senders what is counted. THE place where it is decided what is safe: today that is
    /// what was merged, which an orderly stop keeps and a crash does not. Once commits are written down, the
    /// `acks` of one wait here until it is durable.
    fn acknowledge(&mut self, now: TimeUs, samples: &[Sample]) {
        let closed = self.feeds.take_closed();
        let acks = self.feeds.desk().merged(now, &self.aggregator, closed, samples);
        if !acks.is_empty() {
            self.feeds.desk().publish(acks);
        }
    }

    fn tell_ledger(&mut self, before: Option<TimeUs>) {
        let ledger = self.aggregator.take_ledger(before.map(TimeUs::minute));
        if !ledger.0.is_empty() {
            self.view.ledger(&ledger);
            let _ = self.outputs.store.send(StoreMessage::Ledger(ledger));
        }
    }

    /// The orderly end: sources have stopped, so the last cut has everything that was received.
    fn finish(&mut self) {
        self.cut(Lanes::stop);
        let now = self.seal();
        self.revise(now);
        for open in self.aggregator.take_open_rows() {
            self.view.sealed(&open);
            // Not judged: these minutes go on after the next start.
            let _ = self.outputs.store.send(StoreMessage::Minute(Arc::new(open)));
        }
        self.tell(now);
        self.tell_ledger(None);
    }
}

fn rejected<'a>(sample: &Sample, feeds: &'a SourceFeeds) -> Rejected<'a> {
    Rejected {
        at: sample.arrival.to_rfc3339(),
        source: feeds.name(sample.source),
        reason: sample.reason.name(),
        line: String::from_utf8_lossy(&sample.line).into_owned(),
    }
}
