//! The thread of a datagram source: batches in, blocks of joined datagrams out.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ebbd_core::decode::Reading;
use ebbd_core::model::ConnId;
use ebbd_core::simd::count_lines;
use ebbd_core::sync::Lease;
use memchr::memrchr;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::socket_cookie;

use super::feed::{Feed, Origin};
use super::left::Ending;
use super::pace::Pace;
use super::tally::Told;
use crate::sys::{DatagramBatch, socket_drops};

/// The kernel's drops are looked up at least this often while datagrams come. While none come none is dropped.
const DROPS_EVERY: Duration = Duration::from_millis(50);
/// After a stop, what waits in the kernel is still taken for up to this long.
const DRAIN: Duration = Duration::from_millis(500);
/// How long a socket that can't be read from is left alone.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// Bounds of a kind of datagrams.
#[derive(Clone, Copy, Debug)]
pub(super) struct DatagramLimits {
    /// Datagrams per system call.
    pub(super) batch: usize,
    /// Longest datagram; the end of a longer one is cut off and counted as one line too long.
    pub(super) datagram_bytes: usize,
    /// How long to wait for lanes and buffers before shedding.
    pub(super) patience: Duration,
    /// How long datagrams may gather in the kernel.
    pub(super) pace: Pace,
}

/// A bound socket.
#[derive(Debug)]
pub(super) struct DatagramSocket {
    pub(super) fd: OwnedFd,
    /// How many datagrams the kernel had dropped at it when it became ours.
    pub(super) drops: u32,
    /// The kernel joins datagrams into trains.
    pub(super) trains: bool,
}

/// A datagram source.
#[derive(Debug)]
pub(super) struct Datagrams {
    socket: DatagramSocket,
    batch: DatagramBatch,
    joined: Joined,
    /// By which the kernel knows the socket.
    cookie: u64,
    drops_checked: Instant,
    pace: Pace,
}

/// Datagrams on their way into blocks.
#[derive(Debug)]
struct Joined {
    feed: Feed,
    patience: Duration,
    block: Option<Lease>,
    /// Lines in the block, and up to which byte they are noted.
    lines: u64,
    noted: usize,
    conn: ConnId,
    next_line: u64,
    offset: u64,
}

impl Datagrams {
    pub(super) fn new(socket: DatagramSocket, who: String, feed: Feed, limits: DatagramLimits) -> Datagrams {
        let DatagramLimits { batch, datagram_bytes, patience, pace } = limits;
        let conn = feed.opened(who);
        let joined =
            Joined { feed, patience, block: None, lines: 0, noted: 0, conn, next_line: 1, offset: 0 };
        let batch = DatagramBatch::new(batch, datagram_bytes);
        let batch = if socket.trains { batch.with_trains() } else { batch };
        let cookie = socket_cookie(&socket.fd).unwrap_or(0);
        joined.note_drops(cookie, socket.drops, 0);
        Datagrams { socket, batch, joined, cookie, drops_checked: Instant::now(), pace }
    }

    /// Runs until the source is stopped. Gives the socket if that is to go on.
    pub(super) fn run(mut self) -> Option<DatagramSocket> {
        while !self.joined.feed.is_stopping() {
            match self.take_all(None) {
                0 => self.wait(),
                taken => std::thread::sleep(self.pace.after(taken)),
            }
        }
        let goes_on = self.joined.feed.ending() == Ending::LeaveAll;
        // What comes later waits in the kernel.
        self.take_all(Some(Instant::now() + if goes_on { Duration::ZERO } else { DRAIN }));
        self.joined.feed.forgotten(self.joined.conn);
        goes_on.then_some(self.socket)
    }

    /// Sleeps until something comes or the source is stopped.
    fn wait(&self) {
        let stop = self.joined.feed.stop.as_fd();
        let mut fds =
            [PollFd::new(&self.socket.fd, PollFlags::IN), PollFd::from_borrowed_fd(stop, PollFlags::IN)];
        // Interrupted or not: the caller looks.
        let _ = poll(&mut fds, None);
    }

    /// Takes what waits in the kernel, until nothing does, the source is stopped or `deadline` has passed.
    /// Returns how many times the kernel was asked for a datagram and had one.
    fn take_all(&mut self, deadline: Option<Instant>) -> usize {
        let mut taken = 0;
        loop {
            let received = match self.batch.receive(&self.socket.fd) {
                Ok(received) => received,
                Err(_) => {
                    std::thread::sleep(ERROR_PAUSE);
                    0
                }
            };
            taken += received;
            self.joined.take(&self.batch);
            let now = Instant::now();
            if now.duration_since(self.drops_checked) >= DROPS_EVERY {
                self.check_drops(now);
            }
            let is_over = deadline.map_or(self.joined.feed.is_stopping(), |deadline| now >= deadline);
            if received < self.batch.slots() || is_over {
                break;
            }
        }
        self.joined.hand_over();
        if taken == 0 || deadline.is_some() {
            // About to sleep for who knows how long.
            self.check_drops(Instant::now());
        }
        taken
    }

    fn check_drops(&mut self, now: Instant) {
        self.drops_checked = now;
        if let Ok(drops) = socket_drops(&self.socket.fd) {
            if drops != self.socket.drops {
                let more = u64::from(drops.wrapping_sub(self.socket.drops));
                self.joined.note_drops(self.cookie, drops, more);
                self.joined.feed.count(Told::KernelDatagrams, more);
            }
            self.socket.drops = drops;
        }
    }
}

impl Joined {
    /// Notes how often the kernel has dropped something, for whoever goes on with the socket.
    fn note_drops(&self, cookie: u64, drops: u32, more: u64) {
        self.feed.reads.iter().for_each(|reads| reads.dropped(cookie, drops, more));
    }

    /// Copies a batch into blocks; one that is half full is handed over.
    fn take(&mut self, batch: &DatagramBatch) {
        for (datagram, cut) in batch.datagrams() {
            self.join(whole_lines(datagram, cut));
            self.feed.count(Told::TooLongLines, u64::from(cut));
        }
        self.note_lines();
        if self.block.as_ref().is_some_and(|block| block.len() * 2 > block.capacity()) {
            self.hand_over();
        }
    }

    /// Notes what was read, so that a crash before it is handed over does not go untold.
    fn note_lines(&mut self) {
        let Some(bytes) = self.block.as_ref().map(|block| &block[self.noted..]) else { return };
        let (lines, length) = (count_lines(bytes), bytes.len());
        self.feed.has_read(lines, length as u64, self.feed.now());
        self.lines += lines;
        self.noted += length;
    }

    fn join(&mut self, datagram: &[u8]) {
        if datagram.is_empty() {
            return;
        }
        let has_room = |block: &Lease| block.capacity() - block.len() > datagram.len();
        if !self.block.as_ref().is_some_and(has_room) {
            self.hand_over();
            self.block = self.feed.buffer_within(self.patience);
        }
        let Some(block) = &mut self.block else {
            self.feed.count(Told::DroppedQueueLines, count_lines(datagram));
            return;
        };
        if block.capacity() <= datagram.len() {
            // Longer than a pooled buffer: it gets one of its own, and the pool's keep their size.
            *block = Lease::owned(Vec::with_capacity(datagram.len() + 1));
        }
        block.extend_from_slice(datagram);
        if !datagram.ends_with(b"\n") {
            block.push(b'\n');
        }
    }

    fn hand_over(&mut self) {
        self.note_lines();
        let (lines, _) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.noted));
        let Some(block) = self.block.take().filter(|block| !block.is_empty()) else { return };
        self.offset += block.len() as u64;
        let origin = Origin {
            conn: self.conn,
            first_line: self.next_line,
            end_offset: self.offset,
            check: 0,
            arrival: self.feed.now(),
            reading: Reading::Configured,
        };
        self.next_line += self.feed.offer(block, lines, origin, self.patience);
    }
}

/// Of a datagram whose end was cut off, the line that was cut is not used.
fn whole_lines(datagram: &[u8], cut: bool) -> &[u8] {
    let end = if cut { memrchr(b'\n', datagram).map_or(0, |at| at + 1) } else { datagram.len() };
    &datagram[..end]
}
