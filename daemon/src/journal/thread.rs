//! The journal's thread: it alone writes. What several threads append while it writes goes out with one
//! write and one sync.
//!
//! In: frames through a bounded queue, in an order that is the order in the file. Out: how much is durable;
//! whether the journal fails. Must not know: what bodies mean, who waits.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::log::{Beginning, NewFrame, SegmentLog};
use crate::sys::instant;
use crate::telemetry::{LatencyRecorder, Telemetry};

/// Requests that may wait for the thread; with more, the sender waits.
const QUEUE: usize = 256;
/// Bytes that may wait for the thread; with more, the sender waits.
const QUEUED_BYTES: u64 = 64 << 20;
/// One write has at most about this many bytes.
const GROUP_BYTES: u64 = 16 << 20;
/// A sender waits this long for room.
const PATIENCE: Duration = Duration::from_secs(5);
/// After a new segment was tried in vain the disk is left alone this long.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// Without a request the thread looks round this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Space for bad times is looked for again this often.
const REFILL_EVERY: Duration = Duration::from_secs(60);

/// By when frames have to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Within a second.
    No,
    /// Within 200 ms: an acknowledgement waits for it.
    Soon,
    /// At once.
    Now,
}

impl Sync {
    fn within(self) -> Duration {
        match self {
            Sync::No => Duration::from_secs(1),
            Sync::Soon => Duration::from_millis(200),
            Sync::Now => Duration::ZERO,
        }
    }
}

/// Why frames are not durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The disk refused. The frames are gone unless the next segment's beginning holds them.
    #[error("the journal cannot be written: {0}")]
    Failed(String),
    /// It takes longer than the caller wants to wait. They may become durable yet.
    #[error("the journal takes too long")]
    Late,
}

pub(super) enum Request {
    Append { lsn: u64, frames: Vec<NewFrame>, sync: Sync, bytes: u64 },
    Begin { lsn: u64, frames: Vec<NewFrame>, beginning: Beginning, answer: Sender<Result<u64, JournalError>> },
    Release(u64),
    Stop,
}

/// The way to the journal. Any number of threads may append.
#[derive(Clone)]
pub struct JournalHandle {
    requests: Sender<Request>,
    shared: Arc<Shared>,
    #[cfg(test)]
    pub(super) inline: Option<super::inline::Inline>,
}

struct Shared {
    /// The number of the last frames sent. Held while sending, so that numbers come in order.
    sent: Mutex<u64>,
    progress: Mutex<Progress>,
    changed: Condvar,
    durable: AtomicU64,
    telemetry: Arc<Telemetry>,
}

#[derive(Default)]
struct Progress {
    /// What went down with the last failure: behind the first number, up to the second.
    lost: (u64, u64),
    failing: Option<String>,
    retry_at: Option<Instant>,
    queued_bytes: u64,
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress());
        self.changed.notify_all();
    }
}

impl JournalHandle {
    /// Hands frames over and gives them a number: they are durable once [`JournalHandle::durable`] has
    /// reached it. The order of numbers is the order of frames.
    ///
    /// # Errors
    /// The journal fails, or there was no room for seconds: nothing was handed over.
    pub fn append(&self, frames: Vec<NewFrame>, sync: Sync) -> Result<u64, JournalError> {
        let bytes = bytes_of(&frames);
        self.room_for(bytes)?;
        self.send(|lsn| Request::Append { lsn, frames, sync, bytes })
    }

    /// Everything up to this number is durable, or is held by a beginning that is.
    pub fn durable(&self) -> u64 {
        self.shared.durable.load(Ordering::Acquire)
    }

    /// Waits until `lsn` is durable.
    ///
    /// # Errors
    /// The journal failed before it was, or `patience` is over.
    pub fn wait(&self, lsn: u64, patience: Duration) -> Result<(), JournalError> {
        let until = instant() + patience;
        let mut progress = self.shared.progress();
        loop {
            let (kept, lost) = progress.lost;
            if kept < lsn && lsn <= lost {
                return Err(JournalError::Failed("it went down with a failure".to_owned()));
            }
            if self.durable() >= lsn {
                return Ok(());
            }
            if let Some(error) = &progress.failing {
                return Err(JournalError::Failed(error.clone()));
            }
            #[cfg(test)]
            if self.inline.is_some() {
                return Err(JournalError::Late);
            }
            progress = self.wait_for_change(progress, until)?;
        }
    }

    fn wait_for_change<'a>(
        &self,
        progress: MutexGuard<'a, Progress>,
        until: Instant,
    ) -> Result<MutexGuard<'a, Progress>, JournalError> {
        let left = until.saturating_duration_since(instant());
        if left.is_zero() {
            return Err(JournalError::Late);
        }
        let waited = self.shared.changed.wait_timeout(progress, left);
        Ok(waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Begins a new segment with `frames` and waits until it is durable; gives its number. They have to
    /// hold everything that was ever appended and matters: older segments may be released behind it. If it
    /// `GoesOn`, whatever was appended and is not durable stands in front of the checkpoint.
    ///
    /// # Errors
    /// The disk refused. If the journal was not failing, it goes on with the segment it had.
    pub fn begin_segment(&self, frames: Vec<NewFrame>, beginning: Beginning) -> Result<u64, JournalError> {
        let (answer, answered) = bounded(1);
        self.send(|lsn| Request::Begin { lsn, frames, beginning, answer })?;
        answered.recv().unwrap_or_else(|_| Err(ended()))
    }

    /// Segments before `number` are no longer needed. They go once that one is durable, oldest first.
    pub fn release_before(&self, number: u64) {
        self.pass(Request::Release(number));
    }

    fn pass(&self, request: Request) {
        #[cfg(test)]
        if let Some(inline) = &self.inline {
            return inline.serve(Some(request));
        }
        // Without the thread nobody does anything; the next start does.
        let _ = self.requests.send(request);
    }

    /// So many commits are in no segment any more, and in none to come.
    pub fn gave_up(&self, commits: u64) {
        self.shared.telemetry.journal.given_up.add(commits);
    }

    /// Why the journal fails at present; none if it doesn't.
    pub fn failing(&self) -> Option<String> {
        self.shared.progress().failing.clone()
    }

    /// Whether a new segment should be tried now: at once after a failure, then every ten seconds.
    pub fn wants_segment(&self) -> bool {
        let progress = self.shared.progress();
        progress.failing.is_some() && progress.retry_at.is_none_or(|at| at <= instant())
    }

    fn room_for(&self, bytes: u64) -> Result<(), JournalError> {
        let until = instant() + PATIENCE;
        let mut progress = self.shared.progress();
        loop {
            if let Some(error) = &progress.failing {
                return Err(JournalError::Failed(error.clone()));
            }
            if progress.queued_bytes == 0 || progress.queued_bytes + bytes <= QUEUED_BYTES {
                progress.queued_bytes += bytes;
                return Ok(());
            }
            progress = self.wait_for_change(progress, until)?;
        }
    }

    fn send(&self, request: impl FnOnce(u64) -> Request) -> Result<u64, JournalError> {
        let mut sent = self.shared.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let lsn = *sent + 1;
        #[cfg(test)]
        if let Some(inline) = &self.inline {
            *sent = lsn;
            inline.serve(Some(request(lsn)));
            return Ok(lsn);
        }
        match self.requests.send_timeout(request(lsn), PATIENCE) {
            Ok(()) => {
                *sent = lsn;
                Ok(lsn)
            }
            Err(error) => {
                let failure = if error.is_timeout() { JournalError::Late } else { ended() };
                if let Request::Append { bytes, .. } = error.into_inner() {
                    self.shared.change(|progress| progress.queued_bytes -= bytes);
                }
                self.shared.telemetry.journal.refused.inc();
                Err(failure)
            }
        }
    }
}

fn bytes_of(frames: &[NewFrame]) -> u64 {
    frames.iter().map(|(_, body)| body.len() as u64).sum()
}

fn ended() -> JournalError {
    JournalError::Failed("its thread has ended".to_owned())
}

/// The running thread.
pub(super) struct Running {
    pub(super) handle: JournalHandle,
    pub(super) thread: JoinHandle<SegmentLog>,
}

impl Running {
    /// Starts the thread on `log`. With `failing` it begins without a segment to write to.
    pub(super) fn start(
        log: SegmentLog,
        failing: Option<String>,
        telemetry: Arc<Telemetry>,
    ) -> io::Result<Running> {
        let (requests, receiver) = bounded(QUEUE);
        let retry_at = failing.as_ref().map(|_| instant() + RETRY_AFTER);
        let progress = Progress { failing, retry_at, ..Progress::default() };
        let shared = Arc::new(Shared {
            sent: Mutex::new(0),
            progress: Mutex::new(progress),
            changed: Condvar::new(),
            durable: AtomicU64::new(0),
            telemetry: Arc::clone(&telemetry),
        });
        let writer = Writer {
            log,
            recorder: telemetry.latencies.journal_sync.recorder(),
            shared: Arc::clone(&shared),
            taken: 0,
            due: None,
            tried: None,
            refilled: None,
        };
        let handle = JournalHandle {
            requests,
            shared,
            #[cfg(test)]
            inline: None,
        };
        #[cfg(test)]
        if super::inline::is_inline() {
            return Ok(super::inline::Inline::running(handle, writer, receiver));
        }
        let work = move || writer.run(&receiver);
        let thread = std::thread::Builder::new().name("ebbd-journal".to_owned()).spawn(work)?;
        Ok(Running { handle, thread })
    }

    /// Ends the thread once everything that was handed over is durable, or has failed.
    pub(super) fn stop(self) -> io::Result<SegmentLog> {
        self.handle.pass(Request::Stop);
        self.thread.join().map_err(|_| io::Error::other("the journal's thread had ended by a panic"))
    }
}

pub(super) struct Writer {
    log: SegmentLog,
    recorder: LatencyRecorder,
    shared: Arc<Shared>,
    /// The number of the last frames taken up.
    taken: u64,
    /// When what is taken up has to be durable; none if it is.
    due: Option<Instant>,
    /// When a new segment was last begun, or tried.
    tried: Option<Instant>,
    refilled: Option<Instant>,
}

impl Writer {
    fn run(mut self, requests: &Receiver<Request>) -> SegmentLog {
        self.show();
        loop {
            let patience = self.due.map_or(LOOK_EVERY, |due| due.saturating_duration_since(instant()));
            if self.turn(requests.recv_timeout(patience.min(LOOK_EVERY)), requests) {
                return self.into_log();
            }
        }
    }

    /// Does what came, and what is due; says whether that was the end.
    pub(super) fn turn(
        &mut self,
        next: Result<Request, RecvTimeoutError>,
        requests: &Receiver<Request>,
    ) -> bool {
        let stopped = match next {
            Ok(first) => self.group(first, requests),
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        if stopped {
            self.due = self.due.map(|_| instant());
        }
        self.flush();
        if !stopped {
            self.look_round();
        }
        stopped
    }

    pub(super) fn into_log(self) -> SegmentLog {
        self.log
    }

    /// Takes up what waits; says whether the end has come.
    fn group(&mut self, first: Request, requests: &Receiver<Request>) -> bool {
        let (mut next, mut bytes) = (Some(first), 0);
        while let Some(request) = next {
            match request {
                Request::Append { lsn, frames, sync, bytes: size } => {
                    bytes += size;
                    self.take(lsn, &frames, sync);
                    self.shared.change(|progress| progress.queued_bytes -= size);
                }
                Request::Begin { lsn, frames, beginning, answer } => {
                    // Whoever asked may have stopped waiting.
                    let _ = answer.send(self.begin(lsn, &frames, beginning));
                }
                Request::Release(number) => self.release(number),
                Request::Stop => return true,
            }
            next = if bytes < GROUP_BYTES { requests.try_recv().ok() } else { None };
        }
        false
    }

    fn take(&mut self, lsn: u64, frames: &[NewFrame], sync: Sync) {
        let counters = &self.shared.telemetry.journal;
        self.taken = lsn;
        if !self.log.is_open() {
            counters.lost_frames.add(frames.len() as u64);
            return;
        }
        counters.frames.add(frames.len() as u64);
        self.log.take(frames);
        let due = instant() + sync.within();
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    /// Writes what was taken up, and syncs it if that is due.
    fn flush(&mut self) {
        let Some(due) = self.due.filter(|_| self.log.is_open()) else { return };
        let begun = instant();
        let mut done = self.log.write();
        if done.is_ok() && due <= begun {
            done = self.log.sync();
            self.recorder.record(begun.elapsed());
            self.shared.telemetry.journal.syncs.inc();
            self.due = None;
            if done.is_ok() {
                self.shared.change(|_| self.shared.durable.store(self.taken, Ordering::Release));
            }
        }
        if let Err(error) = done {
            let rested = self.tried.is_none_or(|at| instant().duration_since(at) >= RETRY_AFTER);
            self.fail(&error, if rested { Duration::ZERO } else { RETRY_AFTER });
        }
        self.show();
    }

    fn begin(&mut self, lsn: u64, frames: &[NewFrame], beginning: Beginning) -> Result<u64, JournalError> {
        self.taken = lsn;
        self.tried = Some(instant());
        let begun = self.log.begin(frames, beginning);
        if begun.is_ok() || !self.log.is_open() {
            self.due = None;
        }
        match &begun {
            Ok(number) => self.begun(lsn, *number),
            Err(error) if self.log.is_open() => {
                self.shared.telemetry.journal.errors.inc();
                tracing::error!("the journal goes on in its old segment, a new one cannot be begun: {error}");
            }
            Err(error) => self.fail(error, RETRY_AFTER),
        }
        self.show();
        begun.map_err(|error| JournalError::Failed(error.to_string()))
    }

    fn begun(&mut self, lsn: u64, number: u64) {
        self.shared.change(|progress| {
            if progress.failing.take().is_some() {
                progress.lost = (self.shared.durable.load(Ordering::Relaxed), lsn - 1);
                tracing::info!("the journal is written again, in segment {number}");
            }
            self.shared.durable.store(lsn, Ordering::Release);
        });
    }

    fn fail(&mut self, error: &io::Error, retry_after: Duration) {
        self.due = None;
        self.shared.telemetry.journal.errors.inc();
        tracing::error!("the journal cannot be written: {error}");
        self.shared.change(|progress| {
            progress.failing = Some(error.to_string());
            progress.retry_at = Some(instant() + retry_after);
        });
    }

    fn release(&mut self, number: u64) {
        if let Err(error) = self.log.release_before(number) {
            self.shared.telemetry.journal.errors.inc();
            tracing::warn!("an old segment of the journal cannot be removed yet: {error}");
        }
        self.show();
    }

    fn look_round(&mut self) {
        self.recorder.hand_over();
        if self.log.is_open() && self.refilled.is_none_or(|at| instant().duration_since(at) >= REFILL_EVERY) {
            self.refilled = Some(instant());
            self.log.refill_reserve();
        }
    }

    fn show(&self) {
        let counters = &self.shared.telemetry.journal;
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        counters.bytes.set(gauge(self.log.bytes()));
        counters.segments.set(gauge(self.log.segments()));
        counters.degraded.set(i64::from(!self.log.is_open()));
    }
}
