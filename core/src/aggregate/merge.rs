//! Merging a delta: names, cells, deduplicated events, the ledger, signs of life.

use std::collections::BTreeMap;

use datasketches::hll::Coupon;

use super::aggregator::{Aggregator, StreamState, WAITING, cells};
use super::delta::{Control, ControlKind, Delta, Sample, StreamDelta, Tally};
use super::open::OpenMinute;
use super::sketch::SketchMaker;
use crate::model::{LedgerCounts, LedgerKey, Minute, SourceId, StreamId, TimeUs};

/// Coupons that a stream's open minutes keep as they came, 8 bytes each, before they are tidied up.
const LOGGED: usize = if cfg!(test) { 1 << 9 } else { 4 << 20 };

/// How many cells ahead memory is asked for: the series' name, its cell's place, its cell.
const AHEAD: [usize; 3] = [24, 16, 8];

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
        self.counters.distinct_log_spills += delta.distinct_log_spills;
        let mut tallies = delta.tallies;
        let mut refused = Vec::new();
        for (at, stream) in delta.streams.into_iter().enumerate() {
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
        // As many as sources wait for, who bound that.
        self.refused.extend(delta.refused);
        self.keep_waiting_bounded(delta.samples);
    }

    fn merge_stream(
        &mut self,
        lane: u16,
        stream: StreamId,
        mut delta: StreamDelta,
        tallies: &mut [Tally],
        refused: &mut Vec<Refused>,
    ) {
        let now = self.now.max(tallies.iter().map(|tally| tally.last_arrival).max().unwrap_or(self.now));
        let crowded = 4 * self.limits.series as u64;
        let state = &mut self.streams[stream.index()];
        state.series.learn(lane, &mut delta, now);
        state.ever_seen |= !delta.cells.is_empty() || !delta.events.heads.is_empty();
        // Whoever runs a batch takes rows out by himself, before too many wait.
        let crowded = !self.batch && cells(&state.open) + cells(&state.revisions) > crowded;
        self.counters.cell_cap_hits += u64::from(crowded);
        let when = When { lane, stream, now, crowded };
        let mut work = Work { when, minutes: Touched::default(), refused };
        state.merge_cells(&delta, &mut work);
        state.merge_events(&delta, &mut work, tallies);
        state.put_back(work.minutes);
        self.counters.distinct_log_spills += state.bound_log(&mut self.maker);
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

/// What is the same for a whole delta of a stream.
#[derive(Clone, Copy)]
pub(super) struct When {
    pub(super) lane: u16,
    stream: StreamId,
    pub(super) now: TimeUs,
    /// While too many cells wait, events are counted under coarser series.
    pub(super) crowded: bool,
}

/// A delta of a stream being merged, and what comes of it.
struct Work<'a> {
    when: When,
    minutes: Touched,
    refused: &'a mut Vec<Refused>,
}

/// The minutes that a delta touches, out of their maps while it is merged.
#[derive(Default)]
struct Touched {
    minutes: Vec<(Minute, OpenMinute)>,
    places: BTreeMap<Minute, u32>,
    last: usize,
}

impl StreamState {
    /// The minute's cells: those of the open minute, or those of its next revision.
    fn minute(&mut self, minute: Minute, touched: &mut Touched) -> usize {
        if touched.minutes.get(touched.last).is_none_or(|(last, _)| *last != minute) {
            let next = touched.minutes.len() as u32;
            touched.last = *touched.places.entry(minute).or_insert(next) as usize;
            if touched.last == next as usize {
                let kept = self.minutes_of(minute).remove(&minute).unwrap_or_default();
                touched.minutes.push((minute, kept));
            }
        }
        touched.last
    }

    fn put_back(&mut self, touched: Touched) {
        for (minute, cells) in touched.minutes {
            self.minutes_of(minute).insert(minute, cells);
        }
    }

    fn minutes_of(&mut self, minute: Minute) -> &mut BTreeMap<Minute, OpenMinute> {
        let late = self.next.is_some_and(|next| minute < next);
        if late { &mut self.revisions } else { &mut self.open }
    }

    fn merge_cells(&mut self, delta: &StreamDelta, work: &mut Work<'_>) {
        let shape = self.shape;
        let mut places = Vec::with_capacity(delta.cells.len() * shape.distincts);
        let mut values = delta.values.chunks_exact(2 + shape.sums);
        for run in delta.cells.chunk_by(|a, b| a.minute == b.minute) {
            let at = self.minute(run[0].minute, &mut work.minutes);
            let minute = &mut work.minutes.minutes[at].1;
            for (at_cell, (key, values)) in run.iter().zip(&mut values).enumerate() {
                let ahead = AHEAD.map(|by| run.get(at_cell + by).map(|key| key.series));
                self.series.ask_for_cells(work.when.lane, ahead, minute, shape);
                let (cell, bad_sums) = self.series.cell(key.series, minute, shape, work.when);
                minute.weigh(cell, shape, values[1]);
                for (sum, &amount) in values[2..].iter().enumerate().filter(|(_, amount)| **amount != 0) {
                    if bad_sums >> sum & 1 == 1 || !minute.add(cell, shape, sum, amount) {
                        let (source, stream, lines) = (key.source, work.when.stream, values[0] as u64);
                        work.refused.push(Refused { source, stream, sum, lines });
                    }
                }
                let first = (cell * shape.distincts) as u32;
                places.extend((first..first + shape.distincts as u32).map(|place| (at as u32, place)));
            }
        }
        // Before the coupons, which are the younger ones.
        for (at, sketch) in &delta.sketches {
            let (minute, place) = places[*at as usize];
            work.minutes.minutes[minute as usize].1.distincts.unite(place, sketch.clone());
        }
        work.minutes.note(&delta.coupons, &places);
    }

    fn merge_events(&mut self, delta: &StreamDelta, work: &mut Work<'_>, tallies: &mut [Tally]) {
        let shape = self.shape;
        for (at, event) in delta.events.heads.iter().enumerate() {
            let tally = &mut tallies[event.tally as usize];
            if !self.dedupe.is_first(event.id, event.arrival) {
                tally.counts.counted -= 1;
                tally.counts.duplicate += 1;
                continue;
            }
            let place = self.minute(event.minute, &mut work.minutes);
            let minute = &mut work.minutes.minutes[place].1;
            let (cell, bad_sums) = self.series.cell(event.series, minute, shape, work.when);
            minute.weigh(cell, shape, event.weight.0);
            let amounts = &delta.events.sums[at * shape.sums..][..shape.sums];
            for (sum, &amount) in amounts.iter().enumerate().filter(|(_, amount)| **amount != 0) {
                if bad_sums >> sum & 1 == 1 || !minute.add(cell, shape, sum, amount) {
                    let (source, stream) = (tally.source, work.when.stream);
                    work.refused.push(Refused { source, stream, sum, lines: 1 });
                }
            }
            let coupons = &delta.events.coupons[at * shape.distincts..][..shape.distincts];
            let place_of = |distinct: usize| (cell * shape.distincts + distinct) as u32;
            for (at, coupon) in coupons.iter().enumerate() {
                coupon.iter().for_each(|&coupon| minute.distincts.note(place_of(at), coupon));
            }
        }
    }

    /// Keeps the logs of distinct values bounded, the longest first; says how many were made smaller.
    fn bound_log(&mut self, maker: &mut SketchMaker) -> u64 {
        let mut minutes: Vec<&mut OpenMinute> =
            self.open.values_mut().chain(self.revisions.values_mut()).collect();
        let mut logged: usize = minutes.iter().map(|minute| minute.distincts.logged()).sum();
        if logged <= LOGGED {
            return 0;
        }
        minutes.sort_unstable_by_key(|minute| std::cmp::Reverse(minute.distincts.logged()));
        let mut spills = 0;
        for minute in minutes.into_iter().take_while(|minute| minute.distincts.logged() > 0) {
            if logged <= LOGGED / 2 {
                break;
            }
            logged -= minute.distincts.logged();
            minute.tidy(self.shape, maker);
            spills += 1;
        }
        spills
    }
}

impl Touched {
    /// Notes a delta's coupons. `places` are the minute and the place of each distinct of each of its cells.
    fn note(&mut self, coupons: &[(u32, Coupon)], places: &[(u32, u32)]) {
        if let [(_, only)] = &mut self.minutes[..] {
            return only.distincts.note_all(coupons, |at| places[at as usize].1);
        }
        for &(at, coupon) in coupons {
            let (minute, place) = places[at as usize];
            self.minutes[minute as usize].1.distincts.note(place, coupon);
        }
    }
}
