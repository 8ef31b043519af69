//! A source's way into the pipeline: buffers from the pool, blocks to the lanes, the rest to the tally.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ebbd_core::decode::{Block, Reading};
use ebbd_core::model::{ConnId, SourceId, TimeUs};
use ebbd_core::simd::count_lines;
use ebbd_core::sync::{Lease, Pool};

use super::acks::{AckDesk, Inbox};
use super::conns::ConnTable;
use super::left::Ending;
use super::reads::{ReadTallies, ReadTally};
use super::tally::{SourceCounters, Told};
use crate::lane::LaneQueue;
use crate::sys::{Clock, Wake};

/// A lane with this many bytes waiting is busy: a connection's next block may go to another one.
const BUSY_BYTES: usize = 256 * 1024;
/// A lane with this many bytes waiting is full for streams, whose senders can wait: blocks stay in the
/// cache until they are counted, and a block's time in the queue short. Datagrams may fill the rest.
const STREAM_BYTES: usize = 1024 * 1024;

/// What all sources feed into.
#[derive(Clone)]
pub struct Intake {
    /// The lanes' queues, at least one.
    pub lanes: Arc<[Arc<LaneQueue>]>,
    /// Receive buffers of [`buffer_bytes`](crate::config::buffer_bytes) each; more of them than there are sources.
    pub pool: Pool,
    /// The daemon's clock.
    pub clock: Arc<dyn Clock>,
    /// Who is connected.
    pub conns: Arc<ConnTable>,
    /// Who speaks for which acknowledged sender.
    pub desk: Arc<AckDesk>,
    /// What outlives the process of what was read.
    pub reads: Arc<ReadTallies>,
    /// Longest line in bytes, without its end.
    pub line: usize,
    /// The declared streams, in their order.
    pub streams: Arc<[String]>,
}

/// What a source's thread works with.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) source: SourceId,
    pub(super) name: Arc<str>,
    pub(super) intake: Intake,
    pub(super) counters: Arc<SourceCounters>,
    /// What this thread has read; none if lines come again by themselves.
    pub(super) reads: Option<Arc<ReadTally>>,
    /// What the kernel holds for each connection or socket at most, in bytes.
    pub(super) kernel_buffer: usize,
    /// Whether greetings are accepted.
    pub(super) acks: bool,
    /// Mail of the desk for its connections.
    pub(super) inbox: Arc<Inbox>,
    pub(super) stop: Arc<Wake>,
    /// How it is to end once it is stopped: an [`Ending`].
    pub(super) ending: Arc<AtomicU8>,
}

/// Where a block's bytes come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) conn: ConnId,
    pub(super) first_line: u64,
    pub(super) end_offset: u64,
    /// Comes back with the position once all up to the end is counted.
    pub(super) check: u32,
    pub(super) arrival: TimeUs,
    pub(super) reading: Reading,
}

impl Feed {
    pub(super) fn now(&self) -> TimeUs {
        self.intake.clock.now()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_set()
    }

    pub(super) fn line(&self) -> usize {
        self.intake.line
    }

    /// What a receive buffer holds.
    pub(super) fn buffer_bytes(&self) -> usize {
        self.intake.pool.buffer_bytes()
    }

    pub(super) fn desk(&self) -> &AckDesk {
        &self.intake.desk
    }

    /// The same for another thread of the source.
    pub(super) fn for_another_thread(&self) -> Feed {
        Feed { reads: self.intake.reads.of(self.source), ..self.clone() }
    }

    pub(super) fn count(&self, what: Told, count: u64) {
        if count > 0 && what.is_of_lines_read() {
            self.has_read(count, 0, self.now());
        }
        self.counters.add(what, count);
    }

    /// Counts that it has to wait, when it begins to.
    fn waits(&self, pause: &Pause) {
        if pause.is_new() {
            self.counters.add(Told::Waits, 1);
            self.reads.iter().for_each(|reads| reads.held(self.now()));
        }
    }

    /// Notes a new connection.
    pub(super) fn opened(&self, who: String) -> ConnId {
        self.reads.iter().for_each(|reads| reads.opened(self.kernel_buffer));
        self.intake.conns.opened(self.source, who, self.now())
    }

    /// Notes the end of a connection, after its last block.
    pub(super) fn closed(&self, conn: ConnId) {
        if self.intake.conns.closed(conn, self.now()) {
            self.reads.iter().for_each(|reads| reads.closed());
        }
    }

    /// Lets go of a connection at a stop. Gives who it was.
    pub(super) fn forgotten(&self, conn: ConnId) -> String {
        let who = self.intake.conns.forgotten(conn);
        if who.is_some() {
            self.reads.iter().for_each(|reads| reads.closed());
        }
        who.unwrap_or_default()
    }

    /// How it is to end, once it is stopped.
    pub(super) fn ending(&self) -> Ending {
        Ending::of(self.ending.load(Ordering::Acquire))
    }

    /// An empty buffer; waits while all are on loan.
    pub(super) fn buffer(&self) -> Lease {
        let mut pause = Pause::default();
        loop {
            if let Some(lease) = self.intake.pool.take() {
                return lease;
            }
            if !self.has_lanes() {
                return Lease::owned(Vec::with_capacity(self.intake.pool.buffer_bytes()));
            }
            self.waits(&pause);
            pause.wait();
        }
    }

    /// An empty buffer, waiting at most `patience` for one.
    pub(super) fn buffer_within(&self, patience: Duration) -> Option<Lease> {
        let mut pause = Pause::default();
        loop {
            let lease = self.intake.pool.take();
            if lease.is_some() || pause.waited() >= patience || !self.has_lanes() {
                return lease;
            }
            self.waits(&pause);
            pause.wait();
        }
    }

    /// Notes lines that were read: if no commit has them after a crash, they are known to be lost.
    pub(super) fn has_read(&self, lines: u64, bytes: u64, at: TimeUs) {
        if let Some(reads) = self.reads.as_ref().filter(|_| lines > 0) {
            reads.read(lines, bytes, at);
        }
    }

    /// Hands a block over, waiting for room as long as it takes (streams: the sender is held up).
    /// Returns how many lines were handed over.
    pub(super) fn deliver(&self, bytes: Lease, origin: Origin) -> u64 {
        let lines = count_lines(&bytes);
        self.has_read(lines, bytes.len() as u64, origin.arrival);
        match self.hand_over(bytes, lines, origin, None) {
            true => lines,
            false => self.shed(lines),
        }
    }

    /// The same for lines that their sender sends again if no commit has them.
    pub(super) fn deliver_repeatable(&self, bytes: Lease, origin: Origin) -> u64 {
        let lines = count_lines(&bytes);
        if self.hand_over(bytes, lines, origin, None) {
            return lines;
        }
        self.count(Told::DroppedQueueLines, lines);
        0
    }

    /// Hands a block over or, when there is no room within `patience`, sheds it and counts its lines
    /// (datagrams). It has `lines` that are noted already. Returns how many were handed over.
    pub(super) fn offer(&self, bytes: Lease, lines: u64, origin: Origin, patience: Duration) -> u64 {
        match self.hand_over(bytes, lines, origin, Some(patience)) {
            true => lines,
            false => self.shed(lines),
        }
    }

    /// Counts lines as shed that are noted already. None of them was handed over.
    fn shed(&self, lines: u64) -> u64 {
        self.counters.add(Told::DroppedQueueLines, lines);
        0
    }

    /// Whether a lane took a block of so many lines.
    fn hand_over(&self, bytes: Lease, lines: u64, origin: Origin, patience: Option<Duration>) -> bool {
        if lines == 0 {
            return true;
        }
        let length = bytes.len() as u64;
        let block = Block {
            bytes,
            source: self.source,
            conn: origin.conn,
            first_line: origin.first_line,
            end_offset: origin.end_offset,
            check: origin.check,
            arrival: origin.arrival,
            reading: origin.reading,
        };
        let is_taken = self.push(block, patience);
        if is_taken {
            self.count(Told::DeliveredLines, lines);
            self.count(Told::DeliveredBytes, length);
        }
        is_taken
    }

    /// Whether a lane took it.
    fn push(&self, block: Block, patience: Option<Duration>) -> bool {
        let mut pause = Pause::default();
        let mut block = block;
        let mut most = if patience.is_none() { STREAM_BYTES } else { usize::MAX };
        loop {
            match self.lane_for(block.conn).try_block(block, most) {
                Ok(()) => return true,
                Err(refused) => block = refused,
            }
            if patience.is_none() {
                // Once asleep, sleep until it is worth waking up.
                most = STREAM_BYTES / 2;
            }
            if !self.has_lanes() || patience.is_some_and(|patience| pause.waited() >= patience) {
                return false;
            }
            self.waits(&pause);
            pause.wait();
        }
    }

    /// A connection stays with its lane, whose tables know its values, until that lane is busy; then
    /// its blocks go wherever the queue is shortest.
    fn lane_for(&self, conn: ConnId) -> &LaneQueue {
        let lanes = &self.intake.lanes;
        let home = &lanes[conn.index() % lanes.len()];
        if home.bytes() < BUSY_BYTES && !home.is_closed() {
            return home;
        }
        lanes.iter().filter(|lane| !lane.is_closed()).min_by_key(|lane| lane.bytes()).unwrap_or(home)
    }

    fn has_lanes(&self) -> bool {
        self.intake.lanes.iter().any(|lane| !lane.is_closed())
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Waits that grow from a tenth of a millisecond to one.
#[derive(Default)]
struct Pause {
    since: Option<Instant>,
    steps: u32,
}

impl Pause {
    fn is_new(&self) -> bool {
        self.since.is_none()
    }

    fn waited(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn wait(&mut self) {
        self.since.get_or_insert_with(Instant::now);
        thread::sleep(Duration::from_micros(100 << self.steps.min(3)));
        self.steps += 1;
    }
}

#[cfg(test)]
mod tests {
    use ebbd_core::decode::lines;

    use super::*;

    #[test]
    fn lines_are_counted_as_the_decoder_splits_them() {
        for text in ["", "a\r\n\r\n\nb", "\r", "one\ntwo\r\n", "\r\r\n \n"] {
            assert_eq!(count_lines(text.as_bytes()), lines(text.as_bytes()).count() as u64, "{text:?}");
        }
    }
}
