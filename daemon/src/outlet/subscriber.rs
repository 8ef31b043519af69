//! One subscriber of the alarm socket: reads its line, writes what it wants, never more than a batch
//! ahead of what the peer takes. A peer that takes nothing holds one batch; what leaves the ring in the
//! meantime it is told as a gap.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags};
use serde_json::json;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, MissedTickBehavior};

use super::alarm_socket::AlarmSocketOptions;
use super::hub::{AlarmHub, Welcome};
use super::ring::Line;
use super::selection::{Request, Selection};
use crate::telemetry::Telemetry;

/// Lines that a subscriber takes from the ring at once.
const BATCH_LINES: usize = 128;
/// Bytes after which a batch takes no further line.
pub(super) const BATCH_BYTES: usize = 64 << 10;
/// Lines and line ends that may be pending before nothing more is read from the peer.
const PENDING_MAX: usize = 4 * BATCH_LINES;
/// Longest line that a subscriber may send.
const LINE_BYTES: usize = 16 << 10;
/// Lines that could not be understood after which the connection is closed.
const BAD_LINES_MAX: u32 = 16;

/// Why a connection ends.
enum End {
    /// The peer left.
    Left,
    /// It took nothing for too long.
    Stalled,
    /// It sent a line that is too long, or too many that could not be understood.
    Rude,
    /// The daemon stops.
    Stopped,
}

/// A connection and where it stands.
pub(super) struct Subscriber {
    stream: UnixStream,
    hub: Arc<AlarmHub>,
    telemetry: Arc<Telemetry>,
    options: AlarmSocketOptions,
    /// What is still to be written, line ends included; `written` bytes of the first are out.
    pending: VecDeque<Arc<str>>,
    written: usize,
    /// When the peer last took something, or had nothing to take.
    moved: Instant,
    /// The beginning of a line from the peer; `None` once it has closed its side.
    input: Option<Vec<u8>>,
    bad_lines: u32,
    selection: Selection,
    /// The open alarms at the hello, until they have been sent.
    snapshot: Option<VecDeque<(Line, Arc<str>)>>,
    /// First number that has not been sent.
    next: u64,
    boots: u64,
    /// A heartbeat is to be sent as soon as the peer has taken what is pending.
    beat_due: bool,
}

impl Subscriber {
    pub(super) fn new(
        stream: UnixStream,
        hub: Arc<AlarmHub>,
        telemetry: Arc<Telemetry>,
        options: AlarmSocketOptions,
    ) -> Subscriber {
        let Welcome { hello, snapshot, newest, boots } = hub.welcome();
        Subscriber {
            stream,
            hub,
            telemetry,
            options,
            pending: VecDeque::from([hello, "\n".into()]),
            written: 0,
            moved: Instant::now(),
            input: Some(Vec::new()),
            bad_lines: 0,
            selection: Selection::default(),
            snapshot: Some(snapshot.into()),
            next: newest + 1,
            boots,
            beat_due: false,
        }
    }

    /// Serves the connection to its end.
    pub(super) async fn serve(mut self, mut stop: watch::Receiver<bool>) {
        let mut grown = self.hub.subscribe();
        let start = Instant::now();
        let mut beat = tokio::time::interval_at(start + self.options.heartbeat, self.options.heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = tokio::time::interval(Duration::from_secs(1));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let select_until = start + self.options.select_within;
        let mut choosing = true;
        let end = loop {
            if !choosing {
                self.refill();
            }
            let step = tokio::select! {
                ready = self.stream.writable(), if !self.pending.is_empty() => self.wrote(ready),
                ready = self.stream.readable(), if self.listens() => {
                    let heard = self.heard(ready);
                    choosing &= matches!(heard, Ok(false)) && self.input.is_some();
                    heard.map(drop)
                }
                () = tokio::time::sleep_until(select_until), if choosing => {
                    choosing = false;
                    Ok(())
                }
                changed = grown.changed(), if !choosing => changed.map_err(|_| End::Stopped),
                _ = beat.tick() => {
                    self.beat_due = true;
                    Ok(())
                }
                _ = look.tick() => self.looked(),
                _ = stop.wait_for(|stop| *stop) => Err(End::Stopped),
            };
            if let Err(end) = step {
                break end;
            }
        };
        self.leave(&end);
    }

    /// Queues what comes next, if everything before has been taken.
    fn refill(&mut self) {
        if !self.pending.is_empty() {
            return;
        }
        self.moved = Instant::now();
        if let Some(snapshot) = &mut self.snapshot {
            let some: Vec<_> = snapshot.drain(..snapshot.len().min(BATCH_LINES)).collect();
            if snapshot.is_empty() {
                self.snapshot = None;
            }
            let wanted = some.into_iter().filter(|(line, _)| self.selection.takes(line));
            let lines: Vec<Arc<str>> = wanted.map(|(_, snapshot)| snapshot).collect();
            lines.into_iter().for_each(|line| self.queue(line));
        }
        if self.snapshot.is_none() && self.pending.is_empty() {
            let bounds = (BATCH_LINES, BATCH_BYTES);
            let batch = self.hub.read(self.next, self.boots, &self.selection, bounds);
            (self.next, self.boots) = (batch.next, batch.boots);
            self.telemetry.alarm_socket.gaps.add(batch.gaps);
            batch.lines.into_iter().for_each(|line| self.queue(line.json));
            if std::mem::take(&mut self.beat_due) {
                let line = self.hub.heartbeat(self.next);
                self.queue(line);
            }
        }
    }

    fn queue(&mut self, line: Arc<str>) {
        self.telemetry.alarm_socket.sent.inc();
        self.pending.push_back(line);
        self.pending.push_back("\n".into());
    }

    /// Writes as much as the peer takes.
    fn wrote(&mut self, ready: io::Result<()>) -> Result<(), End> {
        ready.map_err(|_| End::Left)?;
        while let Some(first) = self.pending.front() {
            let rest = &first.as_bytes()[self.written..];
            let second = self.pending.get(1).map_or(&[][..], |line| line.as_bytes());
            let parts = [io::IoSlice::new(rest), io::IoSlice::new(second)];
            match self.stream.try_write_vectored(&parts) {
                Ok(bytes) => self.took(bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(End::Left),
            }
        }
        Ok(())
    }

    fn took(&mut self, bytes: usize) {
        self.moved = Instant::now();
        self.written += bytes;
        while let Some(first) = self.pending.front() {
            if self.written < first.len() {
                break;
            }
            self.written -= first.len();
            self.pending.pop_front();
        }
    }

    /// Whether more is read from the peer: not while it leaves answers lying.
    fn listens(&self) -> bool {
        self.input.is_some() && self.pending.len() < PENDING_MAX
    }

    /// Reads what the peer sent; true once a whole line was understood.
    fn heard(&mut self, ready: io::Result<()>) -> Result<bool, End> {
        ready.map_err(|_| End::Left)?;
        let mut bytes = [0; 4096];
        let read = match self.stream.try_read(&mut bytes) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(_) => return Err(End::Left),
        };
        let Some(mut input) = self.input.take() else { return Ok(false) };
        if read == 0 {
            // It has closed its side. An unfinished line counts as one: `printf '{"since":0}' | nc -N`.
            let understood = !input.is_empty() && self.line(&input)?;
            return self.looked().map(|()| understood);
        }
        input.extend_from_slice(&bytes[..read]);
        let mut understood = false;
        while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
            let rest = input.split_off(end + 1);
            understood |= self.line(&input)?;
            input = rest;
        }
        if input.len() > LINE_BYTES {
            self.complain("too_long", &format!("a line longer than {LINE_BYTES} bytes"));
            return Err(End::Rude);
        }
        self.input = Some(input);
        Ok(understood)
    }

    fn line(&mut self, line: &[u8]) -> Result<bool, End> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(false);
        }
        match Request::read(line) {
            Ok(request) => {
                self.select(request);
                Ok(true)
            }
            Err(why) => {
                self.complain("bad_line", &why);
                self.bad_lines += 1;
                if self.bad_lines < BAD_LINES_MAX { Ok(false) } else { Err(End::Rude) }
            }
        }
    }

    fn select(&mut self, request: Request) {
        self.selection = request.selection;
        let Some(since) = request.since else { return };
        let newest = self.hub.newest();
        self.next = since.min(newest) + 1;
        if since > newest {
            let text = format!("since {since} was never given here, the newest is {newest}: see boot");
            self.queue(json!({"type": "error", "code": "since_ahead", "text": text}).to_string().into());
        }
    }

    fn complain(&mut self, code: &str, text: &str) {
        self.telemetry.alarm_socket.bad_lines.inc();
        self.queue(json!({"type": "error", "code": code, "text": text}).to_string().into());
    }

    /// Notices a peer that has gone or hangs, which neither reading nor writing would.
    fn looked(&mut self) -> Result<(), End> {
        if hung_up(&self.stream) {
            return Err(End::Left);
        }
        let stalled = !self.pending.is_empty() && self.moved.elapsed() > self.options.stalled_after;
        if stalled { Err(End::Stalled) } else { Ok(()) }
    }

    /// The last words, as far as the peer takes them at once.
    fn leave(&mut self, end: &End) {
        if let End::Stalled = end {
            self.telemetry.alarm_socket.stalled.inc();
            tracing::warn!("alarm socket: closed a subscriber that took nothing for minutes");
        }
        if let End::Stopped = end {
            self.finish();
        }
        if !matches!(end, End::Left) {
            let _ = self.wrote(Ok(()));
        }
    }

    /// Before the daemon stops: what has been published and the peer takes at once.
    fn finish(&mut self) {
        loop {
            self.refill();
            if self.pending.is_empty() || self.wrote(Ok(())).is_err() || !self.pending.is_empty() {
                return;
            }
        }
    }
}

/// Whether the peer has closed both directions.
fn hung_up(stream: &UnixStream) -> bool {
    let mut watched = [PollFd::new(stream, PollFlags::empty())];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut watched, Some(&now)).is_ok()
        && watched[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}
