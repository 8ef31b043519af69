//! Lanes: threads that parse and count blocks, each in its own world, until a marker asks for the cut.
//!
//! In: blocks and epoch markers through a bounded lock-free queue. Out: one delta per marker.
//! Must not know: sources, the committer's work, storage, outlets.

mod latency;
mod queue;

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam::channel::Sender;
use ebbd_core::aggregate::{Delta, LaneCounter};
use ebbd_core::decode::Block;

pub use latency::{Latency, StageLatency};
pub use queue::{LaneMessage, LaneQueue};

/// What a lane counts with: the core's lane counter, or a test's.
pub trait Counts: Send + 'static {
    /// What is handed over at a marker.
    type Delta: Send + 'static;

    /// Counts every line of a block.
    fn consume(&mut self, block: &Block);

    /// Hands over what has been counted since the last cut.
    fn cut(&mut self, epoch: u64) -> Self::Delta;
}

impl Counts for LaneCounter {
    type Delta = Delta;

    fn consume(&mut self, block: &Block) {
        LaneCounter::consume(self, block);
    }

    fn cut(&mut self, epoch: u64) -> Delta {
        LaneCounter::cut(self, epoch)
    }
}

/// A lane's answer to a marker.
#[derive(Debug)]
pub struct LaneDelta<D> {
    /// Which lane, from 0.
    pub lane: usize,
    /// The marker's epoch.
    pub epoch: u64,
    /// What the lane counted since its last answer.
    pub delta: D,
    /// How long its blocks waited and took; `None` if there were none.
    pub latency: Option<Box<StageLatency>>,
}

/// Starts lane `index`, a thread of its own that ends after a [`LaneMessage::Stop`], which it answers
/// like a marker after all that came before it, or when nobody listens to its deltas any more.
///
/// # Errors
/// The system has no thread left.
pub fn spawn_lane<C: Counts>(
    index: usize,
    counter: C,
    queue: Arc<LaneQueue>,
    deltas: Sender<LaneDelta<C::Delta>>,
) -> io::Result<JoinHandle<()>> {
    let lane = Lane { index, counter, deltas, latency: Latency::default() };
    thread::Builder::new().name(format!("lane-{index}")).spawn(move || lane.run(&queue))
}

struct Lane<C: Counts> {
    index: usize,
    counter: C,
    deltas: Sender<LaneDelta<C::Delta>>,
    latency: Latency,
}

impl<C: Counts> Lane<C> {
    fn run(mut self, queue: &LaneQueue) {
        // However this thread ends, sources must not wait for it.
        let queue = queue.open_for_this_thread();
        loop {
            let (message, queued_at) = queue.next();
            match message {
                LaneMessage::Block(block) => self.consume(&block, queued_at),
                LaneMessage::Marker(epoch) if self.answer(epoch) => {}
                LaneMessage::Marker(_) => return,
                LaneMessage::Stop(epoch) => {
                    self.answer(epoch);
                    return;
                }
            }
        }
    }

    fn consume(&mut self, block: &Block, queued_at: Instant) {
        let begun = Instant::now();
        self.counter.consume(block);
        self.latency.record(begun.duration_since(queued_at), begun.elapsed());
    }

    /// Whether somebody listens.
    fn answer(&mut self, epoch: u64) -> bool {
        let delta = self.counter.cut(epoch);
        let answer = LaneDelta { lane: self.index, epoch, delta, latency: self.latency.take() };
        self.deltas.send(answer).is_ok()
    }
}

#[cfg(test)]
mod tests;
