//! Sources with real sockets and files, feeding lanes that collect what they get.

mod acked;
mod datagrams;
mod files;
mod http;
mod left;
mod reads;
mod streams;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam::channel::{Receiver, unbounded};
use ebbd_core::decode::{Block, Format, SourceSpec};
use ebbd_core::model::{ConnId, SourceId, StreamId, StreamRoute, TimeUs};
use ebbd_core::sync::Pool;

use super::*;
use crate::config::{SocketPath, buffer_bytes};
use crate::lane::{Counts, LaneDelta, LaneMessage, LaneQueue, spawn_lane};
use crate::sys::ManualClock;

/// The daemon's time in tests: 2026-11-22T13:04:05Z.
const NOW: TimeUs = TimeUs(1_795_352_645_000_000);
/// Longest line of the tests.
const LINE: usize = 1000;
/// Nothing takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything that lanes got.
#[derive(Debug, Default)]
struct Got {
    /// Lines by connection, with the number of their block's first line and its end offset.
    blocks: BTreeMap<ConnId, Vec<(u64, u64, Vec<u8>)>>,
    lines: u64,
    /// Blocks that each lane got.
    by_lane: BTreeMap<usize, usize>,
}

impl Got {
    /// All lines, in the order of their numbers, by connection.
    fn lines(&self) -> Vec<Vec<String>> {
        let lines_of = |blocks: &Vec<(u64, u64, Vec<u8>)>| {
            let mut blocks = blocks.clone();
            blocks.sort();
            blocks.iter().flat_map(|(_, _, bytes)| split(bytes)).collect()
        };
        self.blocks.values().map(lines_of).collect()
    }

    fn all_lines(&self) -> Vec<String> {
        let mut all: Vec<String> = self.lines().into_iter().flatten().collect();
        all.sort();
        all
    }

    /// Blocks of a connection are numbered and placed without a gap.
    fn assert_numbered(&self) {
        for blocks in self.blocks.values() {
            let mut blocks = blocks.clone();
            blocks.sort();
            let (mut next, mut end) = (1, 0);
            for (first, offset, bytes) in blocks {
                assert_eq!(first, next, "numbers have a gap");
                // Blocks of nothing but empty lines are not handed over.
                assert!((0..8).contains(&(offset - end - bytes.len() as u64)), "offsets have a gap");
                (next, end) = (first + split(&bytes).len() as u64, offset);
            }
        }
    }
}

fn split(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split('\n').map(|l| l.trim_end_matches('\r').to_owned()).filter(|l| !l.is_empty()).collect()
}

/// Collects blocks, slowly if asked to.
struct Collect {
    lane: usize,
    got: Arc<Mutex<Got>>,
    per_block: Duration,
}

impl Counts for Collect {
    type Delta = ();

    fn consume(&mut self, block: &Block) {
        thread::sleep(self.per_block);
        let mut got = self.got.lock().expect("no test panics in here");
        *got.by_lane.entry(self.lane).or_default() += 1;
        got.lines += split(&block.bytes).len() as u64;
        let entry = (block.first_line, block.end_offset, block.bytes.to_vec());
        got.blocks.entry(block.conn).or_default().push(entry);
    }

    fn cut(&mut self, _epoch: u64) {}
}

/// Lanes and sources of a test.
struct Rig {
    intake: Intake,
    got: Arc<Mutex<Got>>,
    lanes: Vec<JoinHandle<()>>,
    deltas: Receiver<LaneDelta<()>>,
    told: SourceTold,
}

/// How a rig differs from the usual one.
#[derive(Clone, Copy)]
struct Shape {
    lanes: usize,
    queue: usize,
    buffers: usize,
    per_block: Duration,
}

const USUAL: Shape = Shape { lanes: 2, queue: 8, buffers: 24, per_block: Duration::ZERO };

impl Rig {
    fn new(shape: Shape) -> Rig {
        let got = Arc::new(Mutex::new(Got::default()));
        let queues: Vec<_> = (0..shape.lanes).map(|_| Arc::new(LaneQueue::new(shape.queue))).collect();
        let (deltas, answers) = unbounded();
        let spawn = |(index, queue): (usize, &Arc<LaneQueue>)| {
            let counter = Collect { lane: index, got: Arc::clone(&got), per_block: shape.per_block };
            spawn_lane(index, counter, Arc::clone(queue), deltas.clone()).expect("spawned")
        };
        let lanes = queues.iter().enumerate().map(spawn).collect();
        let intake = Intake {
            lanes: queues.into(),
            pool: Pool::new(shape.buffers, buffer_bytes(LINE)),
            clock: Arc::new(ManualClock::new(TimeUs(1_000_000))),
            conns: Arc::new(ConnTable::new()),
            desk: Arc::new(AckDesk::new(MOST_IDS, 0)),
            reads: Arc::default(),
            line: LINE,
            streams: Arc::new(["orders".to_owned()]),
        };
        Rig { intake, got, lanes, deltas: answers, told: SourceTold::default() }
    }

    fn start(&self, kind: SourceKind) -> SourceHandle {
        self.start_with(config(kind))
    }

    fn start_with(&self, config: SourceConfig) -> SourceHandle {
        spawn(&config, &self.intake, &mut Inherited::none(), Before::default()).expect("bound")
    }

    /// Waits until `lines` lines have been collected.
    fn await_lines(&self, lines: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.got.lock().expect("no test panics in here").lines < lines {
            assert!(Instant::now() < deadline, "the lines don't come");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until what `source` told so far satisfies `enough`.
    fn await_told(&mut self, source: &SourceHandle, enough: impl Fn(&SourceTold) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.told.add(&source.counters.drain());
            if enough(&self.told) {
                return;
            }
            assert!(Instant::now() < deadline, "not told: {:?}", self.told);
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the lanes have consumed what has been handed over.
    fn pass_marker(&self) {
        for queue in self.intake.lanes.iter() {
            assert!(queue.send(LaneMessage::Marker(0)));
            self.deltas.recv_timeout(PATIENCE).expect("an answer");
        }
    }

    /// Stops source and lanes: everything on the way is collected.
    fn finish(mut self, source: SourceHandle) -> (Got, SourceTold) {
        source.stop(Ending::Close);
        let counters = Arc::clone(&source.counters);
        assert!(source.join().is_some(), "the source panicked");
        self.told.add(&counters.drain());
        for queue in self.intake.lanes.iter() {
            assert!(queue.send(LaneMessage::Stop(1)));
        }
        for lane in self.lanes {
            lane.join().expect("the lane ends");
        }
        let got = std::mem::take(&mut *self.got.lock().expect("no test panics in here"));
        assert_eq!(got.lines, self.told.delivered_lines, "delivered = collected");
        assert!(self.intake.conns.open().is_empty(), "nothing stays open");
        (got, self.told)
    }
}

fn config(kind: SourceKind) -> SourceConfig {
    SourceConfig {
        spec: SourceSpec {
            id: SourceId(0),
            name: "test".to_owned(),
            format: Format::Ndjson,
            route: StreamRoute::Fixed(StreamId(0)),
            expect: Vec::new(),
            forget_after_us: 0,
        },
        kind,
        ack: false,
        connections: 1024,
        partial_line_ms: 30_000,
    }
}

fn socket_path(dir: &Path, name: &str) -> SocketPath {
    SocketPath { path: dir.join(name), mode: 0o600, group: None }
}

/// `count` lines that differ, of differing lengths.
fn some_lines(tag: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{tag}-{at}-{}", "x".repeat(at * 7 % 90))).collect()
}
