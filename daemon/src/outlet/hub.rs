//! Where alarm records meet their subscribers.
//!
//! The judge puts a record into a bounded inbox and rings a bell: it takes no lock that a subscriber
//! holds and does the same work for none and for 256 of them. A task empties the inbox into the ring
//! and wakes the subscribers, who read it at their own pace. A record that finds the inbox full is
//! counted and reaches subscribers as a gap.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam::queue::ArrayQueue;
use ebbd_core::alarm::AlarmRecord;
use ebbd_core::model::TimeUs;
use serde_json::json;
use tokio::sync::{Notify, watch};

use super::boot::boot_id;
use super::ring::{Line, Next, RING_BYTES, RING_RECORDS, Ring};
use super::selection::Selection;
use crate::telemetry::Telemetry;

/// Messages that may wait for the hub's task.
const INBOX_MESSAGES: usize = 4_096;
/// Bytes of records that may wait for the hub's task.
pub(super) const INBOX_BYTES: usize = 8 << 20;
/// Open alarms that a snapshot tells at most.
const OPEN_MAX: usize = 1_024;

/// How far each stream has come, for heartbeats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Per stream: event time up to which its sources have sent everything.
    pub watermark: BTreeMap<String, TimeUs>,
    /// Per stream: believed fraction of the newest sealed minute that arrived.
    pub completeness: BTreeMap<String, f64>,
}

#[derive(Debug)]
enum Message {
    Record(Line),
    Preload(Vec<Line>),
    Open(Vec<Line>),
    Newest(u64),
    Boot(String),
    Progress(Progress),
}

/// The hub. One per daemon, shared.
#[derive(Debug)]
pub struct AlarmHub {
    inbox: ArrayQueue<Message>,
    inbox_bytes: AtomicUsize,
    bell: Notify,
    state: Mutex<State>,
    version: watch::Sender<u64>,
    telemetry: Arc<Telemetry>,
}

#[derive(Debug)]
struct State {
    boot: String,
    boots: u64,
    ring: Ring,
    /// Latest line of each open alarm, by its number: the record, and the same marked as a snapshot.
    open: BTreeMap<u64, (Line, Arc<str>)>,
    progress: Progress,
}

/// What a new subscriber is greeted with, all of one moment.
pub(super) struct Welcome {
    pub(super) hello: Arc<str>,
    pub(super) snapshot: Vec<(Line, Arc<str>)>,
    pub(super) newest: u64,
    pub(super) boots: u64,
}

/// A line of a batch, without its end.
#[derive(Debug)]
pub(super) struct Told {
    /// Its type: `alarm`, `gap` or `hello`.
    pub(super) what: &'static str,
    /// The number up to which a subscriber has had everything with it; 0 if it says nothing of that.
    pub(super) through: u64,
    pub(super) json: Arc<str>,
}

/// What a subscriber sends next.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Lines, gaps among them.
    pub(super) lines: Vec<Told>,
    /// How many of the lines are gaps.
    pub(super) gaps: u64,
    /// First number that is not in this batch.
    pub(super) next: u64,
    /// A new greeting, if the daemon's numbers began anew since `boots`.
    pub(super) boots: u64,
}

impl AlarmHub {
    /// A hub for a fresh start. `telemetry` gets its figures.
    pub fn new(telemetry: Arc<Telemetry>) -> Arc<AlarmHub> {
        AlarmHub::bounded(telemetry, RING_RECORDS, RING_BYTES)
    }

    pub(super) fn bounded(telemetry: Arc<Telemetry>, records_max: usize, bytes_max: usize) -> Arc<AlarmHub> {
        let state = State {
            boot: boot_id(),
            boots: 0,
            ring: Ring::new(records_max, bytes_max),
            open: BTreeMap::new(),
            progress: Progress::default(),
        };
        Arc::new(AlarmHub {
            inbox: ArrayQueue::new(INBOX_MESSAGES),
            inbox_bytes: AtomicUsize::new(0),
            bell: Notify::new(),
            state: Mutex::new(state),
            version: watch::Sender::new(0),
            telemetry,
        })
    }

    /// Hands `record` to every subscriber, present and future. Never waits. The record has to be durable
    /// before, or say `"durable": false` (see [`AlarmHub::renew_boot`]).
    pub fn publish(&self, record: &AlarmRecord) {
        self.telemetry.alarm_socket.published.inc();
        let line = Line::of(record);
        let bytes = line.json.len();
        if self.inbox_bytes.load(Relaxed) + bytes > INBOX_BYTES {
            self.telemetry.alarm_socket.inbox_full.inc();
            return;
        }
        self.inbox_bytes.fetch_add(bytes, Relaxed);
        if !self.put(Message::Record(line)) {
            self.inbox_bytes.fetch_sub(bytes, Relaxed);
            self.telemetry.alarm_socket.inbox_full.inc();
        }
    }

    /// Puts the records of an earlier start back, oldest first; their alarms that are not over become
    /// the open ones. Call it before subscribers are served.
    pub fn preload(&self, records: &[AlarmRecord]) {
        let from = records.len().saturating_sub(RING_RECORDS);
        self.put(Message::Preload(records[from..].iter().map(Line::of).collect()));
    }

    /// Says which number was given last, if that is not the last record preloaded or published.
    pub fn set_newest(&self, seq: u64) {
        self.put(Message::Newest(seq));
    }

    /// Replaces the open alarms by these, each by its latest record. Publishing keeps them up to date by
    /// itself; this is for what an earlier start left open.
    pub fn set_open(&self, records: &[AlarmRecord]) {
        self.put(Message::Open(records.iter().take(OPEN_MAX).map(Line::of).collect()));
    }

    /// Tells how far each stream has come: subscribers hear it with the next heartbeat.
    pub fn set_progress(&self, progress: Progress) {
        self.put(Message::Progress(progress));
    }

    /// Begins a fresh boot id, because from here on numbers may be given again after a crash: the
    /// records that follow could not be made durable. Connected subscribers get a new `hello`.
    pub fn renew_boot(&self) {
        self.put(Message::Boot(boot_id()));
    }

    /// The id of this start.
    pub fn boot(&self) -> String {
        self.lock().boot.clone()
    }

    /// The open alarms' latest records and the newest `most` records, newest first, as JSON texts.
    pub fn recent(&self, most: usize) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
        let state = self.drained();
        let open = state.open.values().map(|(line, _)| Arc::clone(&line.json)).collect();
        let recent = state.ring.lines().rev().take(most).map(|line| Arc::clone(&line.json)).collect();
        (open, recent)
    }

    /// The kept records of alarm `no`, oldest first, as JSON texts.
    pub fn of_alarm(&self, no: u64) -> Vec<Arc<str>> {
        let state = self.drained();
        let lines = state.ring.lines().filter(|line| line.no == no).map(|line| Arc::clone(&line.json));
        let found: Vec<Arc<str>> = lines.collect();
        if found.is_empty() {
            return state.open.get(&no).map(|(line, _)| Arc::clone(&line.json)).into_iter().collect();
        }
        found
    }

    /// Empties the inbox whenever the bell rings. Runs until it is dropped; the outlet's runtime has one.
    pub(super) async fn pump(&self) {
        loop {
            self.bell.notified().await;
            self.drain();
        }
    }

    /// Takes in what waits in the inbox and wakes the subscribers.
    pub(super) fn drain(&self) {
        drop(self.drained());
        self.version.send_modify(|version| *version += 1);
    }

    fn drained(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        while let Some(message) = self.inbox.pop() {
            if let Message::Record(line) = &message {
                self.inbox_bytes.fetch_sub(line.json.len(), Relaxed);
            }
            state.take_in(message);
        }
        state
    }

    /// A bell that rings whenever the ring has grown.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Hello, the snapshot and the position, all of the same moment.
    pub(super) fn welcome(&self) -> Welcome {
        let state = self.drained();
        Welcome {
            hello: state.hello(),
            snapshot: state.open.values().cloned().collect(),
            newest: state.ring.newest(),
            boots: state.boots,
        }
    }

    /// The highest number ever given.
    pub(super) fn newest(&self) -> u64 {
        self.drained().ring.newest()
    }

    /// What a subscriber that stands at `next` sends: at most `lines_max` lines of about `bytes_max` bytes.
    pub(super) fn read(&self, next: u64, boots: u64, selection: &Selection, bounds: (usize, usize)) -> Batch {
        self.lock().read(next, boots, selection, bounds)
    }

    /// A heartbeat for a subscriber that has had everything below `next`.
    pub(super) fn heartbeat(&self, next: u64) -> Arc<str> {
        let state = self.lock();
        let watermark: BTreeMap<&String, String> =
            state.progress.watermark.iter().map(|(stream, at)| (stream, at.to_rfc3339())).collect();
        let beat = json!({
            "type": "heartbeat",
            "seq": next.saturating_sub(1),
            "watermark": watermark,
            "completeness": state.progress.completeness,
        });
        beat.to_string().into()
    }

    fn put(&self, message: Message) -> bool {
        let taken = self.inbox.push(message).is_ok();
        self.bell.notify_one();
        taken
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_in(&mut self, message: Message) {
        match message {
            Message::Record(line) => self.add(line),
            Message::Preload(lines) => lines.into_iter().for_each(|line| self.add(line)),
            Message::Open(lines) => {
                self.open.clear();
                lines.into_iter().for_each(|line| self.note(line));
            }
            Message::Newest(seq) => self.ring.raise_newest(seq),
            Message::Boot(boot) => {
                self.boot = boot;
                self.boots += 1;
            }
            Message::Progress(progress) => self.progress = progress,
        }
    }

    fn add(&mut self, line: Line) {
        self.note(line.clone());
        self.ring.push(line);
    }

    /// Keeps the open alarms up to date.
    fn note(&mut self, line: Line) {
        if !line.open {
            self.open.remove(&line.no);
        } else if self.open.len() < OPEN_MAX || self.open.contains_key(&line.no) {
            let body = line.json.strip_suffix('}').unwrap_or(&line.json);
            let snapshot = format!("{body},\"snapshot\":true}}");
            self.open.insert(line.no, (line, snapshot.into()));
        }
    }

    fn hello(&self) -> Arc<str> {
        let (oldest, newest) = (self.ring.oldest(), self.ring.newest());
        json!({"type": "hello", "v": 1, "boot": self.boot, "oldest": oldest, "newest": newest})
            .to_string()
            .into()
    }

    fn read(&self, next: u64, boots: u64, selection: &Selection, bounds: (usize, usize)) -> Batch {
        let mut batch = Batch { next, boots: self.boots, ..Batch::default() };
        if boots != self.boots {
            batch.lines.push(Told { what: "hello", through: 0, json: self.hello() });
        }
        let (lines_max, bytes_max) = bounds;
        let mut bytes = 0;
        while batch.lines.len() < lines_max && bytes < bytes_max {
            match self.ring.next(batch.next) {
                Next::Nothing => break,
                Next::Gap(from, to) => {
                    let json = json!({"type": "gap", "from": from, "to": to}).to_string().into();
                    batch.lines.push(Told { what: "gap", through: to, json });
                    batch.gaps += 1;
                    batch.next = to + 1;
                }
                Next::Line(at) => {
                    batch.next += 1;
                    let line = self.ring.line(at).filter(|line| selection.takes(line));
                    if let Some(line) = line {
                        bytes += line.json.len();
                        let json = Arc::clone(&line.json);
                        batch.lines.push(Told { what: "alarm", through: line.seq, json });
                    }
                }
            }
        }
        batch
    }
}
