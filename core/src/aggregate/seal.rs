//! Closing minutes: which are due, what is known of them, what late events add afterwards.

use std::collections::BTreeMap;

use super::aggregator::{Aggregator, StreamState};
use super::open::OpenMinute;
use super::watermark::{Question, assess};
use crate::model::{
    Completeness, MICROS_PER_MINUTE, Minute, SealedMinute, SealedRows, SourceMinute, SourceState, StreamId,
    TimeUs,
};

/// Minutes of one stream that one call of [`Aggregator::advance`] seals at most.
const PER_CALL: usize = 1440;
/// The longest down time, in minutes, whose minutes are sealed one by one: a week.
const LONGEST_GAP: i32 = 10_080;
/// Sealed minutes of a stream that are remembered for late events at most.
const CLOSED: usize = 200_000;
/// How often silent origins, closed connections and unused series are looked for.
const SWEEP_US: i64 = MICROS_PER_MINUTE;
/// A series is forgotten after an hour without events, once the limit was met.
const UNUSED_US: i64 = 60 * MICROS_PER_MINUTE;

impl Aggregator {
    /// Seals the minutes that are due: every live sender said that it has sent all of it, or `seal`
    /// is over. There is one for each stream and minute, in time down too; at most 1,440 of a stream per
    /// call, so call again while some come.
    pub fn advance(&mut self, now: TimeUs) -> Vec<SealedMinute> {
        self.start(now);
        if self.batch {
            return Vec::new();
        }
        let mut sealed = Vec::new();
        for stream in (0..self.streams.len() as u16).map(StreamId) {
            self.skip_endless_gap(stream);
            for _ in 0..PER_CALL {
                let Some(minute) = self.due(stream, self.now) else { break };
                sealed.push(self.seal(stream, minute));
            }
        }
        sealed.sort_by_key(|sealed| (sealed.minute, sealed.stream));
        self.sweep();
        sealed
    }

    /// What late events added to sealed minutes since the last call: revisions of 1 and more.
    pub fn take_revisions(&mut self, now: TimeUs) -> Vec<SealedMinute> {
        self.start(now);
        let mut revisions = Vec::new();
        for (at, state) in self.streams.iter_mut().enumerate() {
            for (minute, mut late) in std::mem::take(&mut state.revisions) {
                let rows = late.take_rows(state.shape, &mut state.series, &mut self.maker);
                if rows.is_empty() {
                    continue;
                }
                let (revision, fraction) = state.revise(minute, &rows);
                let completeness = Completeness { late: fraction, ..Completeness::whole() };
                revisions.push(SealedMinute {
                    stream: StreamId(at as u16),
                    minute,
                    revision,
                    rows,
                    earlier: SealedRows::default(),
                    completeness,
                    sources: Vec::new(),
                    sealed_at: self.now,
                });
            }
        }
        revisions
    }

    /// Rows of minutes that are still open, for an orderly stop: the files are whole while the daemon is
    /// down. Whatever comes later only adds. A batch has nothing else.
    pub fn take_open_rows(&mut self) -> Vec<SealedMinute> {
        let mut taken = Vec::new();
        for stream in (0..self.streams.len() as u16).map(StreamId) {
            let minutes: Vec<Minute> = self.streams[stream.index()].open.keys().copied().collect();
            for minute in minutes {
                let state = &mut self.streams[stream.index()];
                let Some(mut open) = state.open.remove(&minute) else { continue };
                let rows = open.take_rows(state.shape, &mut state.series, &mut self.maker);
                let (sources, completeness) = self.known_of(stream, minute, &open);
                if !self.batch {
                    open.earlier.extend_judged(&rows);
                    self.streams[stream.index()].open.insert(minute, open);
                }
                if !rows.is_empty() {
                    let (revision, earlier, sealed_at) = (0, SealedRows::default(), self.now);
                    taken.push(SealedMinute {
                        stream,
                        minute,
                        revision,
                        rows,
                        earlier,
                        completeness,
                        sources,
                        sealed_at,
                    });
                }
            }
        }
        taken
    }

    /// The next minute of a stream, if it is due.
    pub(super) fn due(&self, stream: StreamId, now: TimeUs) -> Option<Minute> {
        let minute = self.streams[stream.index()].next?;
        let seal_us = self.specs[stream.index()].seal_us;
        let latest = minute.end().max(self.started?).plus_us(seal_us);
        let over = now >= minute.end();
        (now >= latest || (over && self.inventory.all_through(stream, minute, now))).then_some(minute)
    }

    fn seal(&mut self, stream: StreamId, minute: Minute) -> SealedMinute {
        let state = &mut self.streams[stream.index()];
        let mut open = state.open.remove(&minute).unwrap_or_default();
        state.next = Some(minute.next());
        let rows = open.take_rows(state.shape, &mut state.series, &mut self.maker);
        let (sources, completeness) = self.known_of(stream, minute, &open);
        if !completeness.no_data && self.down_fraction(minute) == 0.0 {
            self.learn_rates(stream, &open, &sources);
        }
        let earlier = std::mem::take(&mut open.earlier);
        let events = rows.events() + earlier.events();
        self.streams[stream.index()].close(minute, events);
        SealedMinute {
            stream,
            minute,
            revision: 0,
            rows,
            earlier,
            completeness,
            sources,
            sealed_at: self.now,
        }
    }

    /// The senders and the completeness of a minute, as things stand.
    fn known_of(
        &self,
        stream: StreamId,
        minute: Minute,
        open: &OpenMinute,
    ) -> (Vec<SourceMinute>, Completeness) {
        let question = Question {
            stream,
            minute,
            now: self.now,
            lines: open.lines.values().sum(),
            ever_seen: self.streams[stream.index()].ever_seen,
            down: self.down_fraction(minute),
        };
        assess(&self.inventory, &self.arrivals, &question)
    }

    /// Learns from a sealed minute how much each live sender usually sends.
    fn learn_rates(&mut self, stream: StreamId, open: &OpenMinute, sources: &[SourceMinute]) {
        for row in sources.iter().filter(|row| row.state == SourceState::Alive && row.completeness >= 1.0) {
            let key = (row.source, row.origin.as_str().into());
            let habit =
                self.inventory.origins.get_mut(&key).and_then(|origin| origin.habits.get_mut(&stream));
            if let Some(habit) = habit {
                habit.learn(open.lines.get(&key).copied().unwrap_or(0));
            }
        }
    }

    /// For how much of a minute the daemon was not running, 0 to 1.
    fn down_fraction(&self, minute: Minute) -> f64 {
        let overlap = |&(from, to): &(TimeUs, TimeUs)| {
            to.min(minute.end()).since_us(from.max(minute.start())).max(0) as f64
        };
        (self.down.iter().map(overlap).sum::<f64>() / MICROS_PER_MINUTE as f64).min(1.0)
    }

    /// After an endless gap (a clock that was wrong, a daemon that was off for months) begins a week ago.
    fn skip_endless_gap(&mut self, stream: StreamId) {
        let oldest = self.now.minute().plus(-LONGEST_GAP);
        let state = &mut self.streams[stream.index()];
        if state.next.is_some_and(|next| next < oldest) {
            state.next = Some(oldest);
            let newer = state.open.split_off(&oldest);
            let older = std::mem::replace(&mut state.open, newer);
            state.revisions.extend(older);
        }
    }

    /// Now and then: forgets silent origins, closed connections, old minutes and, if need be, series.
    fn sweep(&mut self) {
        if self.now.since_us(self.swept) < SWEEP_US {
            return;
        }
        self.swept = self.now;
        self.inventory.forget_silent(self.now);
        self.positions.forget(self.now);
        let oldest_open = self.streams.iter().filter_map(|state| state.next).min();
        self.down.retain(|(_, to)| oldest_open.is_none_or(|minute| *to > minute.start()));
        for (state, spec) in self.streams.iter_mut().zip(self.specs.iter()) {
            let oldest = self.now.plus_us(-spec.lateness_us).minute();
            state.closed = state.closed.split_off(&oldest);
            if state.series.len() >= self.limits.series {
                let hits = state.series.cap_hits();
                let forgot = state.forget_unused(self.now.plus_us(-UNUSED_US), self.limits.series / 20);
                self.counters.series_cap_hits += if forgot { hits } else { 0 };
            }
        }
    }
}

impl StreamState {
    /// Remembers a minute as sealed.
    fn close(&mut self, minute: Minute, events: i64) {
        let closed = self.closed.entry(minute).or_default();
        closed.events += events;
        while self.closed.len() > CLOSED {
            self.closed.pop_first();
        }
    }

    /// The number of a sealed minute's next revision, and the share of its events that these rows are.
    fn revise(&mut self, minute: Minute, rows: &SealedRows) -> (u32, f64) {
        let events = rows.events();
        let closed = self.closed.entry(minute).or_default();
        closed.revision += 1;
        closed.events += events;
        let late = if closed.events > 0 { events as f64 / closed.events as f64 } else { 0.0 };
        (closed.revision, late)
    }

    /// Forgets series without cells that were last used before `before`, if that frees more than `worth`.
    fn forget_unused(&mut self, before: TimeUs, worth: usize) -> bool {
        let mut in_use = vec![false; self.series.len()];
        let minutes = |minutes: &BTreeMap<Minute, OpenMinute>, in_use: &mut Vec<bool>| {
            for series in minutes.values().flat_map(|minute| minute.series()) {
                in_use[series.index()] = true;
            }
        };
        minutes(&self.open, &mut in_use);
        minutes(&self.revisions, &mut in_use);
        if self.series.unused(before, &in_use) <= worth {
            return false;
        }
        let new_ids = self.series.forget(before, &in_use);
        for minute in self.open.values_mut().chain(self.revisions.values_mut()) {
            minute.remap(&new_ids);
        }
        true
    }
}
