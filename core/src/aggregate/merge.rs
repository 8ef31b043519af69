//! Merging a delta: names, cells, deduplicated events, the ledger, signs of life.

use super::aggregator::{Aggregator, StreamState, WAITING, cells};
use super::delta::{Control, ControlKind, Delta, Sample, StreamDelta, Tally};
use super::open::OpenMinute;
use crate::model::{LedgerCounts, LedgerKey, Minute, SeriesId, SourceId, StreamId, TimeUs};

/// Something that could not be added as it is: whose, of which stream, which sum, how many lines.
struct Refused {
    source: SourceId,
    stream: StreamId,
    sum: usize,
    lines: u64,
}

impl Aggregator {
    /// Takes in what a lane counted. Deltas of one lane come in the order in which they were cut.
    pub fn merge(&mut self, delta: Delta) {
        if let Some(first) = delta.tallies.iter().map(|tally| tally.first_arrival).min() {
            self.start(first);
        }
        self.counters.series_cap_hits += delta.series_cap_hits;
        self.counters.origin_cap_hits += delta.origin_cap_hits;
        let mut tallies = delta.tallies;
        let mut refused = Vec::new();
        for (at, stream) in delta.streams.iter().enumerate() {
            self.merge_stream(delta.lane, StreamId(at as u16), stream, &mut tallies, &mut refused);
        }
        for tally in &mut tallies {
            self.merge_tally(tally);
        }
        for refused in refused {
            self.note_refused(&refused);
        }
        for control in delta.controls {
            self.control(control);
        }
        for position in &delta.positions {
            self.positions.moved(position);
        }
        self.keep_waiting_bounded(delta.samples);
    }

    fn merge_stream(
        &mut self,
        lane: u16,
        stream: StreamId,
        delta: &StreamDelta,
        tallies: &mut [Tally],
        refused: &mut Vec<Refused>,
    ) {
        let now = self.now.max(tallies.iter().map(|tally| tally.last_arrival).max().unwrap_or(self.now));
        let crowded = 4 * self.limits.series as u64;
        let state = &mut self.streams[stream.index()];
        state.series.learn(lane, delta);
        state.ever_seen |= !delta.cells.is_empty() || !delta.events.heads.is_empty();
        // Whoever runs a batch takes rows out by himself, before too many wait.
        let crowded = !self.batch && cells(&state.open) + cells(&state.revisions) > crowded;
        self.counters.cell_cap_hits += u64::from(crowded);
        state.merge_cells(lane, stream, delta, (now, crowded), refused);
        state.merge_events(lane, stream, delta, (now, crowded), tallies, refused);
    }

    fn merge_tally(&mut self, tally: &mut Tally) {
        let origin = self.inventory.heard(tally);
        if let (Some(stream), Some(minute)) = (tally.stream, tally.minute) {
            let state = &mut self.streams[stream.index()];
            if state.next.is_some_and(|next| minute < next) {
                tally.counts.late = tally.counts.counted;
                self.counters.late_events += tally.counts.counted;
            } else if let Some(origin) = origin {
                *state.open.entry(minute).or_default().lines.entry(origin).or_default() +=
                    tally.counts.counted;
            }
        }
        self.arrivals.book(tally.arrival, tally.source, tally.stream, &tally.counts);
        let stream = tally.stream.map(|stream| self.specs[stream.index()].name.clone()).unwrap_or_default();
        let origin = tally.origin.to_string();
        let key = LedgerKey { arrival: tally.arrival, source: tally.source, origin, stream };
        self.ledger.entry(key).add(&tally.counts);
    }

    /// Amounts that a cell could not hold are bad fields of their sum.
    fn note_refused(&mut self, refused: &Refused) {
        let spec = &self.specs[refused.stream.index()];
        let (stream, sum) = (spec.name.clone(), spec.sums[refused.sum].name.clone());
        let key =
            LedgerKey { arrival: self.now.minute(), source: refused.source, origin: String::new(), stream };
        *self.ledger.entry(key).bad.entry(sum).or_default() += refused.lines;
    }

    fn control(&mut self, control: Control) {
        match control.what {
            ControlKind::Mark(mark) => self.marks.push(mark),
            ControlKind::Goodbye(goodbye) => {
                self.inventory.goodbye(control.source, &goodbye, control.arrival)
            }
            ControlKind::Heartbeat(heartbeat) => {
                let dropped = self.inventory.heartbeat(control.source, &heartbeat, control.arrival);
                if dropped > 0 {
                    let counts = LedgerCounts { sender_dropped: dropped, ..LedgerCounts::default() };
                    self.book_counts(control.arrival, control.source, &heartbeat.origin, &counts);
                }
            }
        }
    }

    fn keep_waiting_bounded(&mut self, samples: Vec<Sample>) {
        let room = WAITING.saturating_sub(self.samples.len());
        self.counters.waiting_overflows += samples.len().saturating_sub(room) as u64;
        self.samples.extend(samples.into_iter().take(room));
        if self.marks.len() > WAITING {
            let over = self.marks.len() - WAITING;
            self.marks.drain(..over);
            self.counters.waiting_overflows += over as u64;
        }
    }

    /// At the first sign of anything: minutes that are over for longer than `seal` are late data.
    pub(super) fn start(&mut self, now: TimeUs) {
        if self.started.is_some() || self.batch {
            self.now = self.now.max(now);
            return;
        }
        // What was saved may lie ahead, if the clock was wrong then: now is when it is.
        self.now = now;
        self.started = Some(now);
        self.down.push((self.down_since, now));
        self.inventory.restarted(now);
        for (state, spec) in self.streams.iter_mut().zip(self.specs.iter()) {
            let first = now.plus_us(-spec.seal_us).minute();
            let sane = state.next.filter(|&next| next <= now.minute().next());
            state.next = Some(sane.unwrap_or(first));
        }
    }
}

impl StreamState {
    /// The minute's cells: those of the open minute, or those of its next revision.
    fn minute(&mut self, minute: Minute) -> &mut OpenMinute {
        let late = self.next.is_some_and(|next| minute < next);
        if late { self.revisions.entry(minute).or_default() } else { self.open.entry(minute).or_default() }
    }

    /// The global series of a lane's series; a coarser one while too many cells wait.
    fn series_of(&mut self, lane: u16, series: SeriesId, (now, crowded): (TimeUs, bool)) -> (SeriesId, u8) {
        let (id, refused) = self.series.of_lane(lane, series, now);
        if crowded { (self.series.coarsest(id), refused) } else { (id, refused) }
    }

    fn merge_cells(
        &mut self,
        lane: u16,
        stream: StreamId,
        delta: &StreamDelta,
        when: (TimeUs, bool),
        refused: &mut Vec<Refused>,
    ) {
        let shape = self.shape;
        let mut places = Vec::with_capacity(delta.cells.len());
        for (key, values) in delta.cells.iter().zip(delta.values.chunks_exact(2 + shape.sums)) {
            let (series, bad_sums) = self.series_of(lane, key.series, when);
            let minute = self.minute(key.minute);
            let cell = minute.cell(series, shape);
            minute.weigh(cell, shape, values[1]);
            for (sum, &amount) in values[2..].iter().enumerate().filter(|(_, amount)| **amount != 0) {
                if bad_sums >> sum & 1 == 1 || !minute.add(cell, shape, sum, amount) {
                    refused.push(Refused { source: key.source, stream, sum, lines: values[0] as u64 });
                }
            }
            places.push((key.minute, cell));
        }
        for &(at, coupon) in &delta.coupons {
            let (minute, cell) = places[at as usize / shape.distincts];
            self.minute(minute).note(cell, shape, at as usize % shape.distincts, coupon);
        }
    }

    fn merge_events(
        &mut self,
        lane: u16,
        stream: StreamId,
        delta: &StreamDelta,
        when: (TimeUs, bool),
        tallies: &mut [Tally],
        refused: &mut Vec<Refused>,
    ) {
        let shape = self.shape;
        for (at, event) in delta.events.heads.iter().enumerate() {
            let tally = &mut tallies[event.tally as usize];
            if !self.dedupe.is_first(event.id, event.arrival) {
                tally.counts.counted -= 1;
                tally.counts.duplicate += 1;
                continue;
            }
            let source = tally.source;
            let (series, bad_sums) = self.series_of(lane, event.series, when);
            let minute = self.minute(event.minute);
            let cell = minute.cell(series, shape);
            minute.weigh(cell, shape, event.weight.0);
            let amounts = &delta.events.sums[at * shape.sums..][..shape.sums];
            for (sum, &amount) in amounts.iter().enumerate().filter(|(_, amount)| **amount != 0) {
                if bad_sums >> sum & 1 == 1 || !minute.add(cell, shape, sum, amount) {
                    refused.push(Refused { source, stream, sum, lines: 1 });
                }
            }
            let coupons = &delta.events.coupons[at * shape.distincts..][..shape.distincts];
            for (distinct, coupon) in coupons.iter().enumerate() {
                if let Some(coupon) = coupon {
                    minute.note(cell, shape, distinct, *coupon);
                }
            }
        }
    }
}
