//! What acknowledged senders will be told once the commits that it is about are durable.
//!
//! In: acks and the place of their commit in the journal, in the order of commits. Out: acks to the desk, in
//! the same order, as soon as they may be said. Must not know: what is acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use crate::journal::JournalHandle;
use crate::source::{AckDesk, Acks};
use crate::sys::{Mutant, is_made};

/// Somebody in a hurry is waited with for so long; then they hear when everybody does.
const PATIENCE: Duration = Duration::from_millis(200);

/// Acks that wait. Bounded: while commits do not become durable, acknowledged senders are not read.
#[derive(Debug, Default)]
pub struct WaitingAcks {
    /// Each with the number at which it is durable; none for a commit that the journal has not taken.
    waiting: VecDeque<(Option<u64>, Acks)>,
    hurried: Option<u64>,
}

impl WaitingAcks {
    /// `acks` may be told once `lsn` is durable.
    pub fn wait(&mut self, lsn: Option<u64>, acks: Acks) {
        self.waiting.push_back((lsn, acks));
    }

    /// Somebody waits for `lsn`.
    pub fn hurry(&mut self, lsn: u64) {
        self.hurried = Some(lsn);
    }

    /// A beginning that has everything is durable.
    pub fn all_durable(&mut self) {
        self.waiting.iter_mut().for_each(|(lsn, _)| *lsn = Some(0));
    }

    /// Tells what may be told.
    pub fn publish(&mut self, desk: &AckDesk, journal: &JournalHandle) {
        if let Some(lsn) = self.hurried.take().filter(|_| !self.waiting.is_empty()) {
            // Late or failed: what is durable is looked at below.
            let _ = journal.wait(lsn, PATIENCE);
        }
        let durable = journal.durable();
        while let Some((Some(lsn), _)) = self.waiting.front() {
            if *lsn > durable && !is_made(Mutant::AckEarly) {
                return;
            }
            let (_, acks) = self.waiting.pop_front().expect("it has just been looked at");
            desk.publish(acks);
        }
    }
}
