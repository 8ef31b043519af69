//! A commit as data: everything that is told to the aggregator at once, and what comes of it.
//!
//! In: a [`Step`]. Out: a [`Stepped`]. The aggregator is a function of the steps it was given: whoever
//! writes them down and gives them to another one, begun from the same state, gets the same minutes,
//! revisions, marks, ledger and positions. So live counting and recovery go through the one
//! [`Aggregator::apply`], in one order. Must not know: how steps are written down, when they are due.

use std::collections::BTreeMap;

use super::aggregator::{Aggregator, SourceTally};
use super::delta::{Delta, RefusedLines, Sample};
use super::step_bytes::StepError;
use crate::model::{
    AlarmOrder, ConnId, Glance, Ledger, LedgerCounts, Mark, Minute, SealedMinute, SourceArrivals, SourceId,
    StreamId, StreamRoute, TimeUs,
};

/// Everything that one commit tells the aggregator.
#[derive(Debug, Default)]
pub struct Step {
    /// Its number: one more than [`Aggregator::commit`]. It grows for ever, over restarts too.
    pub commit: u64,
    /// When the cut began: what sources told is booked in this minute of arrival.
    pub at: TimeUs,
    /// Until when minutes are sealed; not before `at`.
    pub now: TimeUs,
    /// What people and the daemon itself ordered since the last commit.
    pub orders: Vec<Order>,
    /// What each source's thread knows of lines that never reached a lane; those with nothing to tell are
    /// left out.
    pub told: Vec<(SourceId, SourceTally)>,
    /// Connections and files opened since the last commit, and when.
    pub opened: Vec<(SourceId, ConnId, TimeUs)>,
    /// What the lanes counted: one of each lane, in the order of lanes.
    pub deltas: Vec<Delta>,
    /// Connections and files closed since the last commit, and when. Their last lines are in `deltas`.
    pub closed: Vec<(SourceId, ConnId, TimeUs)>,
    /// Whether late data become revisions.
    pub revise: bool,
    /// Whether the rows of open minutes are handed out: at an orderly stop.
    pub open_rows: bool,
    /// The ledger of arrival minutes before this one is handed out; all of it for `None`.
    pub ledger_before: Option<Minute>,
}

/// What people and the daemon itself order; it takes effect before all else in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// The daemon was started anew after it had been running until then: see [`Aggregator::resumed`]. The
    /// first order of each start's first step.
    Resumed(TimeUs),
    /// An origin ought to send: see [`Aggregator::expect`].
    Expect(SourceId, String),
    /// An origin is forgotten: see [`Aggregator::forget`].
    Forget(SourceId, String),
    /// A change marker that did not come in band.
    Mark(Mark),
    /// Lines were lost in a crash, or with a file that was cut.
    Crash(Crash),
    /// The daemon stood still: see [`Aggregator::paused`].
    Paused(Pause),
    /// Something about alarms: it is handed on, the aggregator does nothing with it.
    Alarm(AlarmOrder),
}

/// A time in which the daemon did not run although nobody had stopped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When it ran last.
    pub from: TimeUs,
    /// When it ran again.
    pub to: TimeUs,
    /// The whole machine slept: nothing was received in that time, so it counts as time down. Else the kernel
    /// went on receiving, and what it holds is still to come.
    pub slept: bool,
}

/// Lines of a source that were lost in a crash. Of a file that was cut in place only the bound is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The declared source.
    pub source: SourceId,
    /// When they had arrived, as far as is known: they are booked in this minute of arrival.
    pub at: TimeUs,
    /// Lines that had been read: they are in the ledger, received and lost.
    pub lines: u64,
    /// Lines that may have been lost beside them, before they were read. They widen what is believed of
    /// the minute; the ledger, which is exact, does not know them.
    pub unread_lines_at_most: u64,
}

/// What came of a step.
#[derive(Debug, Default)]
pub struct Stepped {
    /// Minutes sealed by it, in time.
    pub sealed: Vec<SealedMinute>,
    /// What late events added to sealed minutes, if the step asked.
    pub revisions: Vec<SealedMinute>,
    /// What open minutes have so far, if a second has begun with this step: one glance at each stream.
    pub glances: Vec<Glance>,
    /// Rows of minutes that are still open, if the step asked. They are not judged.
    pub open_rows: Vec<SealedMinute>,
    /// Marks in the order in which they came, those that were ordered first.
    pub marks: Vec<Mark>,
    /// The ledger's entries that are due.
    pub ledger: Ledger,
    /// The same by source and minute of arrival, ascending by minute.
    pub arrivals: Vec<SourceArrivals>,
    /// Samples of refused lines. They are not written down: a step that was read has none.
    pub samples: Vec<Sample>,
    /// Refused lines of which their sources are told. They are not written down either.
    pub refused: Vec<RefusedLines>,
    /// For each [`Order::Forget`], whether the origin was known.
    pub forgot: Vec<bool>,
    /// What was ordered about alarms; the judge hears of it before it judges what was sealed.
    pub alarm_orders: Vec<AlarmOrder>,
}

impl Aggregator {
    /// The last step that was applied.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// The latest instant it was told: until then it has been running, as far as its state says.
    pub fn told_until(&self) -> TimeUs {
        self.now
    }

    /// Does all that a step says, in the order that is the same live and in a recovery: orders, what sources
    /// told, connections opened, deltas, connections closed; then minutes are sealed, revised and handed out.
    pub fn apply(&mut self, step: Step) -> Stepped {
        self.commit = step.commit;
        let before = self.now;
        let (mut forgot, mut alarm_orders) = (Vec::new(), Vec::new());
        for order in step.orders {
            self.obey(order, &mut forgot, &mut alarm_orders);
        }
        for (source, tally) in step.told {
            self.book(source, step.at, tally);
        }
        for (source, conn, at) in step.opened {
            self.opened(source, conn, at);
        }
        for delta in step.deltas {
            self.merge(delta);
        }
        for (source, conn, at) in step.closed {
            self.closed(source, conn, at);
        }
        let mut stepped = Stepped {
            sealed: self.advance(step.now),
            revisions: if step.revise { self.take_revisions(step.now) } else { Vec::new() },
            glances: self.glances(before),
            open_rows: if step.open_rows { self.take_open_rows() } else { Vec::new() },
            marks: self.take_marks(),
            ledger: self.take_ledger(step.ledger_before),
            arrivals: Vec::new(),
            samples: self.take_samples(),
            refused: self.take_refused(),
            forgot,
            alarm_orders,
        };
        stepped.arrivals = self.arrivals_of(&stepped.ledger);
        stepped
    }

    /// What a ledger has of each source and minute of arrival.
    fn arrivals_of(&self, ledger: &Ledger) -> Vec<SourceArrivals> {
        let mut sums: BTreeMap<(Minute, SourceId), LedgerCounts> = BTreeMap::new();
        for (key, counts) in &ledger.0 {
            sums.entry((key.arrival, key.source)).or_default().add(counts);
        }
        let named = |((minute, source), counts): ((Minute, SourceId), LedgerCounts)| {
            let spec = self.inventory.specs.get(source.index())?;
            let stream = match &spec.route {
                StreamRoute::Fixed(stream) => Some(self.specs[stream.index()].name.clone()),
                _ => None,
            };
            Some(SourceArrivals { source: spec.name.clone(), stream, minute, counts })
        };
        sums.into_iter().filter_map(named).collect()
    }

    /// Applies a step that was read. One that is in the state already changes nothing: `None`.
    ///
    /// # Errors
    /// A step that does not follow, or that refers to series that the state does not have; then nothing was
    /// changed.
    pub fn replay(&mut self, step: Step) -> Result<Option<Stepped>, StepError> {
        if step.commit <= self.commit {
            return Ok(None);
        }
        if step.commit != self.commit + 1 {
            return Err(StepError::Gap { state: self.commit, found: step.commit });
        }
        let started = step.orders.iter().any(|order| matches!(order, Order::Resumed(_)));
        let knows = |delta: &Delta| {
            let streams = self.streams.iter().zip(&delta.streams);
            self.streams.len() == delta.streams.len()
                && streams.fold(true, |all, (state, of)| all && state.series.knows(delta.lane, of, started))
        };
        let in_order = step.deltas.is_sorted_by(|a, b| a.lane < b.lane);
        if !in_order || !step.deltas.iter().all(knows) {
            return Err(StepError::Damaged("series that are not known"));
        }
        Ok(Some(self.apply(step)))
    }

    /// Whether a step at `now` would seal a minute; `true` before the first. Whoever sees nothing else to
    /// commit asks this.
    pub fn has_due(&self, now: TimeUs) -> bool {
        let mut streams = (0..self.streams.len() as u16).map(StreamId);
        self.started.is_none() || streams.any(|stream| self.due(stream, self.now.max(now)).is_some())
    }

    /// Goes on in a new run of the daemon, which was down from `down_since` on until it is told of the first
    /// instant: no connection is open, positions are forgotten (ask for them before), lanes begin anew.
    pub fn resumed(&mut self, down_since: TimeUs) {
        self.started = None;
        self.down_since = down_since;
        self.samples.clear();
        self.refused.clear();
        self.positions.clear();
        self.inventory.resumed();
        for stream in &mut self.streams {
            stream.series.forget_lanes();
        }
    }

    fn obey(&mut self, order: Order, forgot: &mut Vec<bool>, alarm_orders: &mut Vec<AlarmOrder>) {
        match order {
            Order::Resumed(down_since) => self.resumed(down_since),
            Order::Expect(source, origin) => self.expect(source, &origin),
            Order::Forget(source, origin) => forgot.push(self.forget(source, &origin)),
            Order::Mark(mark) => self.marks.push(mark),
            Order::Crash(crash) => self.book_crash(&crash),
            Order::Paused(pause) => self.paused(&pause),
            Order::Alarm(order) => alarm_orders.push(order),
        }
    }

    /// The daemon stood still. Whoever sends is given the time to be heard again before a minute is sealed or
    /// somebody is missed, as after a start.
    pub fn paused(&mut self, pause: &Pause) {
        if self.started.is_none() || pause.to <= pause.from {
            return;
        }
        self.started = Some(pause.to);
        self.inventory.started = pause.to;
        if pause.slept {
            self.down.push((pause.from, pause.to));
        }
    }

    fn book_crash(&mut self, crash: &Crash) {
        let lost = |dropped_crash| LedgerCounts { dropped_crash, ..LedgerCounts::default() };
        let counts = LedgerCounts { received: crash.lines, ..lost(crash.lines) };
        self.book_counts(crash.at, crash.source, "", &counts);
        self.arrivals.book(crash.at.minute(), crash.source, None, &lost(crash.unread_lines_at_most));
    }
}
