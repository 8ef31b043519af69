//! Past minutes through the judge with a virtual clock.
//!
//! In: sealed minutes of the past, rebuilt from data directories or made of minute tables, and when each was
//! judged. Out: verdicts and alarm records as the daemon would have written them, alarms as stories, what
//! became of expectations, how two runs differ. Must not know: files, clocks, who reads the answer.

mod against;
mod expect;
mod held;
mod leaves;
mod look;
mod merge;
mod onsets;
mod rebuild;
mod story;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

pub use against::{Difference, differences};
pub use expect::{Expectation, Expectations, ExpectedCause, Fate, Findings, Looking, Quiet, Suspicion};
pub use held::{Held, HeldMinute};
pub use leaves::Leaves;
pub use look::{LOOK_WEEKS, Look};
pub use merge::{Feed, in_order};
pub use onsets::{Onsets, Started};
pub use rebuild::{Day, Rebuild};
pub use story::{Opening, Stories, Story};

use crate::judge::{Judge, JudgeContext, JudgedMinute};
use crate::model::{Mark, SealedMinute, StreamSpec, TimeUs};

/// A minute of the past, and what the clock said when it was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// The minute as it was at its seal.
    pub sealed: SealedMinute,
    /// When it was judged.
    pub now: TimeUs,
    /// It is only learnt from: no alarm comes of it.
    pub is_history: bool,
}

/// A judge that lives through the past.
pub struct Replay {
    judge: Judge,
    /// Markers that it has not heard of yet, by when they came.
    marks: VecDeque<Mark>,
}

impl Replay {
    /// Begins with a judge that knows nothing.
    pub fn new(streams: Arc<[StreamSpec]>, context: JudgeContext, mut marks: Vec<Mark>) -> Replay {
        marks.sort_by(|a, b| (a.received, &a.id).cmp(&(b.received, &b.id)));
        Replay { judge: Judge::new(streams, context), marks: VecDeque::from(marks) }
    }

    /// Lives through a minute; those of one stream come in ascending order. Markers that had come by then are
    /// heard of first. `None` for history.
    pub fn tell(&mut self, moment: &Moment) -> Option<JudgedMinute> {
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.received < moment.now) {
            self.judge.mark(mark);
        }
        if moment.is_history {
            self.judge.learn(&moment.sealed);
            return None;
        }
        Some(self.judge.judge(&moment.sealed, moment.now))
    }

    /// Gives back a minute that nobody needs any more: the next one's rows are written in its place.
    pub fn take_back(&mut self, judged: JudgedMinute) {
        self.judge.take_back(judged);
    }

    /// The judge as it is now.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }
}
