//! The consistent cut: a marker through every lane's queue, and every lane's answer.

use std::sync::Arc;

use crossbeam::channel::Receiver;
use ebbd_core::aggregate::Delta;

use crate::lane::{LaneDelta, LaneMessage, LaneQueue};

/// The lanes as the committer sees them.
pub struct Lanes {
    queues: Vec<Arc<LaneQueue>>,
    deltas: Receiver<LaneDelta<Delta>>,
    epoch: u64,
}

impl Lanes {
    /// Lanes that read `queues` and answer on `deltas`.
    pub fn new(queues: Vec<Arc<LaneQueue>>, deltas: Receiver<LaneDelta<Delta>>) -> Lanes {
        Lanes { queues, deltas, epoch: 0 }
    }

    /// The last marker sent.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether a block came to any lane since the last call. Ask before a cut: the cut has all that came.
    pub fn take_came(&mut self) -> bool {
        // All of them, for each forgets.
        self.queues.iter().fold(false, |came, queue| queue.take_came() | came)
    }

    /// The lanes' queues.
    pub fn queues(&self) -> &[Arc<LaneQueue>] {
        &self.queues
    }

    /// Sends the next marker and waits for every lane's answer. Fewer answers than lanes mean that lanes
    /// have died.
    pub fn cut(&mut self) -> Vec<LaneDelta<Delta>> {
        self.ask(LaneMessage::Marker)
    }

    /// The last cut: the lanes end after it.
    pub fn stop(&mut self) -> Vec<LaneDelta<Delta>> {
        self.ask(LaneMessage::Stop)
    }

    fn ask(&mut self, message: impl Fn(u64) -> LaneMessage) -> Vec<LaneDelta<Delta>> {
        self.epoch += 1;
        let asked = self.queues.iter().filter(|queue| queue.send(message(self.epoch))).count();
        let mut answers = Vec::with_capacity(asked);
        while answers.len() < asked {
            match self.deltas.recv() {
                Ok(answer) => answers.push(answer),
                Err(_) => break,
            }
        }
        answers.sort_by_key(|answer| answer.lane);
        answers
    }
}
