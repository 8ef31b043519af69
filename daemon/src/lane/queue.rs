//! A lane's queue: bounded, lock-free, and its lane sleeps while it is empty.

use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crossbeam::queue::ArrayQueue;
use crossbeam::utils::CachePadded;
use ebbd_core::decode::Block;
use ebbd_core::sync::{Doorbell, Notice};

/// What a lane is told.
#[derive(Debug)]
pub enum LaneMessage {
    /// Count this.
    Block(Block),
    /// Hand over what was counted before this marker.
    Marker(u64),
    /// Answer like a marker, then end.
    Stop(u64),
}

/// Places kept free of blocks, so that a marker never waits behind a source.
const RESERVED: usize = 16;

/// The queue of one lane, shared by sources and committer.
#[derive(Debug)]
pub struct LaneQueue {
    waiting: ArrayQueue<(LaneMessage, Instant)>,
    blocks: usize,
    bytes: CachePadded<AtomicUsize>,
    /// Whether a block came since the last time that somebody asked.
    came: Notice,
    bell: Doorbell,
    sleeper: OnceLock<Thread>,
    closed: AtomicBool,
}

impl LaneQueue {
    /// A queue for up to `blocks` blocks (a few more if several sources hand over at the same instant).
    pub fn new(blocks: usize) -> LaneQueue {
        let blocks = blocks.max(1);
        LaneQueue {
            waiting: ArrayQueue::new(blocks + RESERVED),
            blocks,
            bytes: CachePadded::new(AtomicUsize::new(0)),
            came: Notice::new(),
            bell: Doorbell::new(),
            sleeper: OnceLock::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Hands over a block, unless `bytes` or more wait already.
    ///
    /// # Errors
    /// The block, if the queue is full: the caller waits (streams) or sheds (datagrams).
    pub fn try_block(&self, block: Block, bytes: usize) -> Result<(), Block> {
        if self.bytes() >= bytes || self.waiting.len() >= self.blocks {
            return Err(block);
        }
        let length = block.bytes.len();
        // Before the push: its taker must not be the first to change the sum.
        self.bytes.fetch_add(length, Ordering::Relaxed);
        self.try_push(LaneMessage::Block(block)).map_err(|message| {
            self.bytes.fetch_sub(length, Ordering::Relaxed);
            match message {
                LaneMessage::Block(block) => block,
                _ => unreachable!("what comes back is what was pushed"),
            }
        })?;
        // Behind the push: who takes the notice and then sends a marker has the block in front of it.
        self.came.raise();
        Ok(())
    }

    /// Whether a block came since the last call. One that is being handed over this moment may be told by
    /// the next call only.
    pub fn take_came(&self) -> bool {
        self.came.take()
    }

    /// Sends a marker or the stop, waiting for room if need be. Returns whether the lane lives.
    pub fn send(&self, message: LaneMessage) -> bool {
        let mut message = message;
        while !self.is_closed() {
            match self.try_push(message) {
                Ok(()) => return true,
                Err(refused) => message = refused,
            }
            thread::sleep(Duration::from_micros(100));
        }
        false
    }

    fn try_push(&self, message: LaneMessage) -> Result<(), LaneMessage> {
        self.waiting.push((message, Instant::now())).map_err(|(message, _)| message)?;
        if self.bell.ring()
            && let Some(sleeper) = self.sleeper.get()
        {
            sleeper.unpark();
        }
        Ok(())
    }

    /// Bytes of the blocks that wait: how much work there is, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Messages that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Blocks that fit.
    pub fn capacity(&self) -> usize {
        self.blocks
    }

    /// Whether its lane has ended: nobody will take anything any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Makes the calling thread the one that takes messages; the queue closes when it lets go.
    pub(super) fn open_for_this_thread(&self) -> Taker<'_> {
        // A second taker would sleep through rings meant for it; there is one lane per queue.
        let _ = self.sleeper.set(thread::current());
        Taker(self)
    }
}

/// The consuming end of a queue.
pub(super) struct Taker<'a>(&'a LaneQueue);

impl Taker<'_> {
    /// The next message and when it was queued; sleeps while there is none.
    pub(super) fn next(&self) -> (LaneMessage, Instant) {
        loop {
            if let Some(next) = self.waiting.pop() {
                if let LaneMessage::Block(block) = &next.0 {
                    self.bytes.fetch_sub(block.bytes.len(), Ordering::Relaxed);
                }
                return next;
            }
            if self.bell.lie_down() {
                while self.bell.is_asleep() {
                    thread::park();
                }
            }
        }
    }
}

impl Deref for Taker<'_> {
    type Target = LaneQueue;

    fn deref(&self) -> &LaneQueue {
        self.0
    }
}

impl Drop for Taker<'_> {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
    }
}
