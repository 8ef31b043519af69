//! The committer's thread.
//!
//! What a commit tells the aggregator is in the journal before it is told: a recovery does the same again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use ebbd_core::aggregate::{self, Aggregator, Crash, Delta, Order, Sample, Step, Stepped};
use ebbd_core::model::{ConnId, Ledger, MICROS_PER_SECOND, SealedMinute, SourceId, TimeUs};

use super::acks::WaitingAcks;
use super::bridge::Bridge;
use super::checkpoint::Checkpoint;
use super::cut::Lanes;
use super::feeds::SourceFeeds;
use super::rejects::{RejectLog, Rejected};
use super::segments::Segments;
use crate::journal::{Beginning, FrameKind, JournalError, JournalHandle, NewFrame, Sync};
use crate::judge::{JudgeInput, JudgeMessage, JudgeThread};
use crate::lane::{LaneDelta, StageLatency};
use crate::source::{FileBook, ReadBook, Spoken};
use crate::store::Rolls;
use crate::sys::{Clock, Mutant, Pause, PauseWatch, instant, is_made};

/// The committer looks for work this often, and sends a marker if something came.
const COMMIT_EVERY: Duration = Duration::from_millis(50);
/// A marker is sent at least this often, for the watchdog is fed by markers.
const QUIET_COMMIT_EVERY: Duration = Duration::from_secs(1);
/// However much somebody is in a hurry, there are not more commits than this.
const HURRIED_COMMIT_EVERY: Duration = Duration::from_millis(5);
/// A judge that does not hand out its state for so long is in trouble; the segment goes on.
const JUDGE_PATIENCE: Duration = Duration::from_secs(60);
/// Whoever ordered something waits this long until that is durable.
const ORDER_PATIENCE: Duration = Duration::from_secs(2);

/// Requests from other threads: run between two commits.
pub type CommitRequest = Box<dyn FnOnce(&mut Committer) + Send>;

/// Where whoever ordered something hears whether it was of use.
pub type OrderReply = Option<Sender<bool>>;

/// The committer: owned by its thread, given back at the end.
pub struct Committer {
    /// Where all lanes meet.
    pub aggregator: Aggregator,
    /// The lanes.
    pub lanes: Lanes,
    /// What source threads tell beside blocks.
    pub feeds: SourceFeeds,
    /// Orders for the next commit, and who wants to hear of them.
    pub orders: Vec<(Order, OrderReply)>,
    /// Where results go.
    pub judge: Sender<JudgeMessage>,
    /// Where commits are written down.
    pub log: CommitLog,
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

/// What the committer needs to write commits down.
pub struct CommitLog {
    /// The journal.
    pub journal: JournalHandle,
    /// Which connection is which file.
    pub files: FileBook,
    /// What commits have of what was read.
    pub reads: ReadBook,
    /// The journal's segments.
    pub segments: Segments,
    /// Which rows are in files.
    pub rolls: Arc<Rolls>,
    /// What acknowledged senders are told once it is safe.
    pub acks: WaitingAcks,
    /// Which connections speak for senders since the last commit.
    pub spoken: Vec<Spoken>,
    /// Somebody waits for the next commit.
    pub is_hurried: bool,
    /// Commits are missing in the journal: the next segment begins with them.
    pub has_gap: bool,
    /// Commits that may be missing in it.
    pub bridge: Bridge,
    /// The frame that says who writes; a segment's beginning ends with it.
    pub boot: NewFrame,
}

/// A lane, and how long its blocks took since its last answer.
pub type LaneLatency = (usize, Box<StageLatency>);

/// Who looks at the committer's figures.
pub trait CommitView: Send + std::marker::Sync {
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
        let (mut watch, mut ran_until) = (PauseWatch::new(), self.clock.now());
        while !stop.load(Ordering::Acquire) {
            let now = self.clock.now();
            if let Some(pause) = watch.look() {
                self.paused(pause, ran_until, now);
                asked = true;
            }
            ran_until = now;
            // Each of them has to be asked: the lanes forget what they were asked.
            let came = self.lanes.take_came() | !self.feeds.is_quiet() | asked;
            let is_due = committed.elapsed() >= QUIET_COMMIT_EVERY;
            if came || is_due || self.aggregator.has_due(self.clock.now()) {
                committed = Instant::now();
                self.turn();
            }
            self.tell();
            due = (due + COMMIT_EVERY).max(Instant::now());
            (due, asked) = self.wait(requests, due);
        }
        self.last_turn();
        self
    }

    /// Nothing ran for a while: who could not be heard is not to be missed for that.
    fn paused(&mut self, pause: Pause, from: TimeUs, to: TimeUs) {
        let slept = pause == Pause::Slept;
        let what = if slept { "the machine slept" } else { "ebbd was frozen or held up" };
        tracing::warn!("{what} for {} s", to.since_us(from) / MICROS_PER_SECOND);
        self.orders.push((Order::Paused(aggregate::Pause { from, to, slept }), None));
    }

    /// One commit, and what is due behind it.
    fn turn(&mut self) {
        self.commit(Lanes::cut, false);
        self.look_at_segments();
    }

    /// Sources have stopped, so the last cut has everything that was received.
    pub(crate) fn last_turn(&mut self) {
        self.commit(Lanes::stop, true);
    }

    /// Tells acknowledged senders what has become durable.
    pub(crate) fn tell(&mut self) {
        self.log.acks.publish(self.feeds.desk(), &self.log.journal);
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
                recv(calls) -> _ => {
                    due = due.min(soon);
                    self.log.is_hurried = true;
                }
                default(due.saturating_duration_since(Instant::now())) => return (due, asked),
            }
            asked = true;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        (due, asked)
    }

    pub(crate) fn commit(&mut self, cut: impl FnOnce(&mut Lanes) -> Vec<LaneDelta<Delta>>, is_last: bool) {
        let mut latency = Vec::new();
        let (step, replies) = self.step(cut, is_last, &mut latency);
        let (now, commit) = (step.now, step.commit);
        let closed: Vec<_> = step.closed.iter().map(|(_, conn, _)| *conn).collect();
        let lsn = self.write_down(&step);
        self.log.reads.step(&step, |conn| self.feeds.desk().is_named(conn));
        let mut stepped = self.aggregator.apply(step);
        closed.iter().for_each(|conn| self.log.files.closed(*conn));
        self.acknowledge(now, &lsn, closed, &mut stepped);
        self.view.committed(self, &latency);
        self.reply(lsn, replies, &stepped);
        self.keep_samples(now, &stepped.samples);
        self.show(&stepped);
        for input in JudgeInput::of(&mut stepped, now) {
            // Nobody to tell: the judge has ended, which only happens at the very end.
            let _ = self.judge.send(JudgeMessage::Input(input));
        }
        let _ = self.judge.send(JudgeMessage::Marker { epoch: self.lanes.epoch(), commit });
    }

    /// Cuts, and gathers all that the aggregator is to be told.
    fn step(
        &mut self,
        cut: impl FnOnce(&mut Lanes) -> Vec<LaneDelta<Delta>>,
        is_last: bool,
        latency: &mut Vec<LaneLatency>,
    ) -> (Step, Vec<(bool, OrderReply)>) {
        let at = self.clock.now();
        let comings = self.feeds.before_cut();
        let mut deltas = Vec::new();
        for answer in cut(&mut self.lanes) {
            latency.extend(answer.latency.map(|latency| (answer.lane, latency)));
            deltas.push(answer.delta);
        }
        let now = self.clock.now().max(at);
        let revise = is_last || now.since_us(self.revised_at) >= self.revise_every_us;
        if revise {
            self.revised_at = now;
        }
        let reply = |(order, reply): (Order, OrderReply)| {
            let is_to_forget = matches!(order, Order::Forget(..));
            (order, (is_to_forget, reply))
        };
        self.orders.extend(comings.cut.into_iter().map(|(source, lines)| (unread(source, lines, at), None)));
        let (orders, replies) = self.orders.drain(..).map(reply).unzip();
        let step = Step {
            commit: self.aggregator.commit() + 1,
            at,
            now,
            orders,
            told: comings.told,
            opened: comings.opened,
            deltas,
            closed: comings.closed,
            revise,
            open_rows: is_last,
            ledger_before: (!is_last).then(|| now.minute()),
        };
        (step, replies)
    }

    /// Writes a step down before it is done. While the journal fails, counting goes on without it: the
    /// segment that heals it begins with everything.
    fn write_down(&mut self, step: &Step) -> Result<u64, JournalError> {
        let mut frames = Vec::with_capacity(3);
        let notes = self.log.files.notes(self.feeds.conns());
        if !notes.is_empty() && !is_made(Mutant::FilesUnnoted) {
            frames.push((FrameKind::Files, json(&notes)));
        }
        if !self.log.spoken.is_empty() {
            frames.push((FrameKind::Senders, json(&std::mem::take(&mut self.log.spoken))));
        }
        let mut body = Vec::new();
        step.write(&mut body);
        frames.push((FrameKind::Commit, body));
        self.log.segments.appended(frames.iter().map(|(_, body)| body.len() as u64).sum());
        let is_hurried = std::mem::take(&mut self.log.is_hurried) || !step.orders.is_empty();
        let sync = match self.feeds.desk().figures() {
            _ if is_hurried => Sync::Now,
            (_, 0) => Sync::No,
            _ => Sync::Soon,
        };
        let lsn = self.log.journal.append(frames.clone(), sync);
        self.log.bridge.durable(self.log.journal.durable());
        self.log.journal.gave_up(self.log.bridge.add(lsn.as_ref().ok().copied(), frames));
        self.log.has_gap |= lsn.is_err();
        if let (Ok(lsn), true) = (&lsn, is_hurried) {
            self.log.acks.hurry(*lsn);
        }
        lsn
    }

    /// Acknowledged senders are told what is counted once it is durable. Which connections speak for whom is
    /// written down before their first line is.
    fn acknowledge(
        &mut self,
        now: TimeUs,
        lsn: &Result<u64, JournalError>,
        closed: Vec<ConnId>,
        stepped: &mut Stepped,
    ) {
        let desk = self.feeds.desk();
        let refused = std::mem::take(&mut stepped.refused);
        let acks = desk.merged(now, &self.aggregator, closed, &stepped.samples, refused);
        if !acks.bound().is_empty() && !is_made(Mutant::SpokenUnnoted) {
            let is_new = |spoken: &Spoken| acks.bound().iter().any(|bound| bound.conn.0 == spoken.conn);
            self.log.spoken.extend(desk.spoken().into_iter().filter(is_new));
        }
        if !acks.is_empty() {
            self.log.acks.wait(lsn.as_ref().ok().copied(), acks);
        }
        desk.hold(self.log.journal.failing().is_some());
        self.log.acks.publish(desk, &self.log.journal);
    }

    /// Tells those who ordered something, once that is durable. Each comes with whether it was to forget
    /// somebody.
    fn reply(&self, lsn: Result<u64, JournalError>, replies: Vec<(bool, OrderReply)>, stepped: &Stepped) {
        if replies.iter().all(|(_, reply)| reply.is_none()) {
            return;
        }
        let durable = lsn.and_then(|lsn| self.log.journal.wait(lsn, ORDER_PATIENCE));
        if let Err(error) = durable {
            tracing::warn!("an order is obeyed and would not survive a crash: {error}");
        }
        let mut forgot = stepped.forgot.iter().copied();
        for (is_to_forget, reply) in replies {
            let of_use = !is_to_forget || forgot.next().unwrap_or(false);
            // Whoever asked may have given up.
            let _ = reply.map(|reply| reply.send(of_use));
        }
    }

    fn keep_samples(&mut self, now: TimeUs, samples: &[Sample]) {
        if let Some(rejects) = &mut self.rejects {
            let lines: Vec<Rejected<'_>> = samples.iter().map(|s| rejected(s, &self.feeds)).collect();
            rejects.add(now, &lines);
        }
    }

    fn show(&self, stepped: &Stepped) {
        let sealed = stepped.sealed.iter().chain(&stepped.revisions).chain(&stepped.open_rows);
        sealed.for_each(|sealed| self.view.sealed(sealed));
        if !stepped.ledger.0.is_empty() {
            self.view.ledger(&stepped.ledger);
        }
    }

    /// Begins a new segment if it is time for that or the old one failed, and lets go of what is not needed.
    pub(crate) fn look_at_segments(&mut self) {
        let is_fresh = match self.log.journal.failing() {
            Some(_) if !self.log.journal.wants_segment() => return,
            failing => failing.is_some() || self.log.has_gap,
        };
        if is_fresh || self.log.segments.is_due() && self.log.bridge.is_whole() {
            let is_large = self.log.segments.is_large();
            self.begin_segment(is_fresh);
            if is_large {
                self.log.rolls.hurry();
            }
        }
        if let Some(number) = self.log.segments.rolled(self.log.rolls.state().done.through) {
            self.log.journal.release_before(number);
        }
    }

    /// Begins a segment; a fresh one heals a failure. If that was too long to have all commits of it, nothing
    /// before it counts, and rows that are in no file are in memory alone.
    fn begin_segment(&mut self, is_fresh: bool) {
        let begun = instant();
        let commit = self.aggregator.commit();
        let is_whole = self.log.bridge.is_whole();
        let beginning = if is_whole { Beginning::GoesOn } else { Beginning::Alone };
        let begin = |frames| self.log.journal.begin_segment(frames, beginning);
        let number = self.beginning().and_then(|frames| match begin(frames) {
            Ok(number) => Some(number),
            Err(error) => {
                tracing::error!("a new segment of the journal cannot be begun: {error}");
                None
            }
        });
        self.log.segments.tried(number, commit, instant().duration_since(begun), !is_whole);
        let Some(number) = number else { return };
        self.log.bridge.clear();
        if is_fresh {
            self.log.has_gap = false;
            self.log.acks.all_durable();
            self.log.rolls.hurry();
        }
        if !is_whole {
            tracing::error!("what came while the journal failed is safe once it is in files");
            self.log.journal.release_before(number);
        }
    }

    /// Everything that matters, as it is between two commits: the judge has seen the last one then, too.
    fn beginning(&self) -> Option<Vec<NewFrame>> {
        let (sender, answer) = bounded(1);
        let ask = Box::new(move |judge: &mut JudgeThread| {
            // Whoever asked may have given up.
            let _ = sender.send((judge.judge.save(), judge.publisher.recent()));
        });
        self.judge.send(JudgeMessage::Request(ask)).ok()?;
        let aggregate = self.aggregator.save();
        let files = self.log.files.positions(&self.aggregator);
        let senders = (self.feeds.desk().save(), self.feeds.desk().spoken());
        let (judge, mut frames) = answer.recv_timeout(JUDGE_PATIENCE).ok()?;
        let rolls = self.log.rolls.state();
        let checkpoint = Checkpoint::new(self.clock.now(), aggregate, judge, files, rolls)
            .with_senders(senders.0, senders.1)
            .with_reads(self.log.reads.save())
            .with_followed(self.log.files.followed());
        frames.extend(self.bridging());
        frames.push((FrameKind::Checkpoint, checkpoint.to_json()));
        frames.push(self.log.boot.clone());
        Some(frames)
    }

    /// What earlier segments may lack: commits, and how far rolls have come.
    fn bridging(&self) -> Vec<NewFrame> {
        if !self.log.bridge.is_whole() || is_made(Mutant::BridgeEmpty) {
            return Vec::new();
        }
        let done = self.log.rolls.state().done;
        let rolled = (done.roll > 0).then(|| (FrameKind::Rolled, done.to_json()));
        let boot = std::iter::once(self.log.boot.clone());
        boot.chain(self.log.bridge.frames().cloned()).chain(rolled).collect()
    }
}

/// Lines that may have been lost unread.
fn unread(source: SourceId, lines_at_most: u64, at: TimeUs) -> Order {
    Order::Crash(Crash { source, at, lines: 0, unread_lines_at_most: lines_at_most })
}

fn json(notes: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(notes).expect("notes hold nothing that JSON cannot say")
}

fn rejected<'a>(sample: &Sample, feeds: &'a SourceFeeds) -> Rejected<'a> {
    Rejected {
        at: sample.arrival.to_rfc3339(),
        source: feeds.name(sample.source),
        reason: sample.reason.name(),
        line: String::from_utf8_lossy(&sample.line).into_owned(),
    }
}
