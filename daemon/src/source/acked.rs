//! The conversation with one acknowledged sender: from its greeting to the goodbye.
//!
//! In: blocks of whole lines as they were read, mail from the desk, the half-close. Out: what of a block is
//! new and is to be counted, and what is to be said. Must not know: descriptors, lanes, who else speaks.
//!
//! A conversation may outlive its thread and its process: all of it can be written down once its last lines
//! are counted.

use std::collections::VecDeque;

use ebbd_core::decode::{Answer, Bye, Greeting, SenderId};
use serde::{Deserialize, Serialize};

use super::acks::{Grant, Mail};
use super::cut::LeftOut;
use super::running::{self, Counted};
use super::senders::{Moved, Numbered};

/// Lines that may be handed over beyond what was acknowledged; then the sender has to wait.
const MOST_UNACKED: u64 = 4 << 20;

/// An acknowledged sender on one connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Acked {
    /// Its name, if it has one.
    id: Option<SenderId>,
    stage: Stage,
    /// It greeted an earlier thread, was counted up to here, and has not been granted to this one yet.
    settled: Option<Numbered>,
    /// The last line that was sent, whether it was known or new.
    sent: Numbered,
    /// Up to here its lines were known when it was granted.
    base: u64,
    /// Where lines that are sent again are compared, the last one at `base`.
    known: VecDeque<Numbered>,
    /// Whether `sent.check` is right, so that comparing means something.
    is_checked: bool,
    /// Lines handed over to be counted.
    handed: u64,
    duplicate: u64,
    /// Lines of this connection that were counted by earlier threads, and how many of them were refused.
    earlier: (u64, u64),
    /// What was told last.
    moved: Moved,
    /// Whole lines that came before the grant.
    early: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// The greeting was claimed.
    Waiting,
    /// Lines are taken.
    Open,
    /// No line follows; so many bytes had no end.
    HalfClosed(u64),
    /// All is said.
    Over,
}

/// What of a block is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Lines that were known already and are no longer in the block.
    pub(super) duplicates: u64,
    /// New lines: all that is in the block now.
    pub(super) new: u64,
    /// The running check behind the block.
    pub(super) check: u32,
    /// An empty line asked for a commit.
    pub(super) hurry: bool,
    /// The lines up to this one are not those that were acknowledged: nothing is taken.
    pub(super) diverged: Option<u64>,
}

impl Acked {
    /// After `greeting`, with the whole lines that came with it.
    pub(super) fn new(greeting: &Greeting, early: Vec<u8>) -> Acked {
        Acked {
            id: greeting.id.clone(),
            stage: Stage::Waiting,
            settled: None,
            sent: Numbered { number: greeting.from - 1, check: 0 },
            base: 0,
            known: VecDeque::new(),
            is_checked: false,
            handed: 0,
            duplicate: 0,
            earlier: (0, 0),
            moved: Moved::default(),
            early,
        }
    }

    /// Whether it can go on after a crash where its lines are counted.
    pub(super) fn is_named(&self) -> bool {
        self.id.is_some()
    }

    /// Whether lines may be read now.
    pub(super) fn is_reading(&self) -> bool {
        let is_open = self.stage == Stage::Open && self.settled.is_none();
        is_open && self.base + self.handed - self.moved.reached.number < MOST_UNACKED
    }

    /// Whether the answer to the greeting is still to come.
    pub(super) fn is_waiting(&self) -> bool {
        self.stage == Stage::Waiting || self.settled.is_some()
    }

    /// The sender's name; empty if it has none.
    pub(super) fn id(&self) -> &str {
        self.id.as_ref().map_or("", SenderId::as_str)
    }

    /// Bytes that came before the grant and wait for it.
    pub(super) fn early_bytes(&self) -> usize {
        self.early.len()
    }

    /// Whether it was taken over from an earlier thread and may not speak yet.
    pub(super) fn is_going_on(&self) -> bool {
        self.settled.is_some()
    }

    /// Settles what this thread did, now that all of it is counted and the thread is over: `moved` is how far.
    /// Whether the conversation can go on elsewhere.
    pub(super) fn settle(&mut self, moved: Option<Moved>) -> bool {
        if self.is_waiting() {
            return true;
        }
        let Some(moved) = moved.filter(|moved| moved.reached.number == self.base + self.handed) else {
            return false;
        };
        self.earlier = (self.earlier.0 + self.handed, self.earlier.1 + moved.rejected);
        self.base = moved.reached.number;
        self.handed = 0;
        self.settled = Some(moved.reached).filter(|_| self.stage != Stage::Over);
        self.settled.is_some()
    }

    /// What the desk is to be asked for the conversation to go on: as whom, and behind which line unless it is
    /// still to be greeted.
    pub(super) fn claim(&self) -> (Greeting, Option<Numbered>) {
        (Greeting { id: self.id.clone(), from: self.sent.number + 1 }, self.settled)
    }

    /// Takes the grant. Gives what is said and the lines that came before it.
    pub(super) fn granted(&mut self, grant: Grant) -> (Option<Answer>, Vec<u8>) {
        let Grant { reached, before, known } = grant;
        if self.settled.take().is_some() {
            let is_news = reached.number > self.moved.reached.number;
            self.moved = Moved { reached, rejected: 0 };
            return (is_news.then_some(Answer::Ack(reached.number)), Vec::new());
        }
        self.stage = Stage::Open;
        self.base = reached.number;
        self.moved.reached = reached;
        self.is_checked = before.is_some();
        self.sent.check = before.map_or(0, |before| before.check);
        self.known = known;
        (Some(Answer::Ok(reached.number)), std::mem::take(&mut self.early))
    }

    /// Takes a block of whole lines and leaves in it what is new.
    pub(super) fn take(&mut self, bytes: &mut Vec<u8>, cut_short: Option<LeftOut>) -> Taken {
        let counted = Counted::of(bytes);
        let mut taken = Taken { hurry: counted.empty > 0, ..Taken::default() };
        let mut cut_short = cut_short;
        if self.sent.number < self.base {
            let known = match self.pass_known(bytes, &mut cut_short, &mut taken) {
                Ok(known) => known,
                Err(diverged) => {
                    bytes.clear();
                    return Taken { diverged: Some(diverged), ..taken };
                }
            };
            bytes.drain(..known);
        }
        taken.new = counted.lines - taken.duplicates;
        if taken.new > 0 {
            let left = if taken.duplicates > 0 { Counted::of(bytes) } else { counted };
            self.sent.check = running::behind(self.sent.check, bytes, left, cut_short);
            self.sent.number += taken.new;
            self.handed += taken.new;
        }
        taken.check = self.sent.check;
        taken
    }

    /// Passes over lines that are known, comparing where that is possible. Gives where the first new line
    /// begins, or the number up to which lines differ.
    fn pass_known(
        &mut self,
        bytes: &[u8],
        cut_short: &mut Option<LeftOut>,
        taken: &mut Taken,
    ) -> Result<usize, u64> {
        let mut end = 0;
        for line in running::lines(bytes) {
            if self.sent.number == self.base {
                break;
            }
            end = line.as_ptr().addr() - bytes.as_ptr().addr() + line.len();
            let check = running::append(self.sent.check, line, cut_short.take());
            self.sent = Numbered { number: self.sent.number + 1, check };
            taken.duplicates += 1;
            self.duplicate += 1;
            self.compare()?;
        }
        Ok(end)
    }

    /// Compares the last line with what is known up to it.
    fn compare(&mut self) -> Result<(), u64> {
        let Some(known) = self.known.pop_front_if(|known| known.number == self.sent.number) else {
            return Ok(());
        };
        if self.is_checked && known.check != self.sent.check {
            return Err(known.number);
        }
        self.sent.check = known.check;
        self.is_checked = true;
        Ok(())
    }

    /// Notes the half-close, with so many bytes behind the last LF.
    pub(super) fn half_closed(&mut self, partial: u64) {
        self.stage = Stage::HalfClosed(partial);
    }

    /// Notes how far it was counted. Gives the number if it is to be acknowledged.
    pub(super) fn moved(&mut self, mail: &Mail) -> Option<u64> {
        let moved = mail.moved.filter(|moved| moved.reached.number > self.moved.reached.number)?;
        self.moved = moved;
        Some(moved.reached.number)
    }

    /// The last word, once all is counted that came before the half-close.
    pub(super) fn bye(&mut self) -> Option<Answer> {
        let Stage::HalfClosed(partial) = self.stage else { return None };
        if self.settled.is_some() || self.moved.reached.number < self.base + self.handed {
            return None;
        }
        self.stage = Stage::Over;
        let reached = self.moved.reached;
        let rejected = self.earlier.1 + self.moved.rejected;
        let counted = (self.earlier.0 + self.handed).saturating_sub(rejected);
        Some(Answer::Bye(Bye {
            number: reached.number,
            counted,
            rejected,
            duplicate: self.duplicate,
            partial,
        }))
    }
}
