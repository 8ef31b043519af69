//! Reading a step.

use std::collections::HashSet;
use std::sync::Arc;

use datasketches::hll::{Coupon, HllSketch};

use super::number::Rest;
use super::write::COUNTS;
use super::{VERSION, control, order, tally, wish};
use crate::aggregate::coupon_bits::coupon_of;
use crate::aggregate::delta::{
    CellKey, Control, ControlKind, Delta, EventLog, IdEvent, NewRows, Position, StreamDelta, Tally,
};
use crate::aggregate::sketch::LG_K;
use crate::aggregate::{Crash, Order, Pause, SourceTally, Step};
use crate::decode::SourceSpec;
use crate::model::{
    AlarmOrder, ConnId, Goodbye, Heartbeat, LedgerCounts, Mark, Minute, Reason, SeriesId, SeriesKey,
    SourceId, StreamId, StreamSpec, TimeUs, Weight,
};

/// Bytes of the smallest sketch.
const LEAST_SKETCH: usize = 8;
/// Texts that are kept to be shared at most.
const TEXTS: usize = 1 << 16;

/// Why bytes are no step that can be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// Written by another release.
    #[error("the commit is of form {0}, this release reads form {VERSION}")]
    Version(u8),
    /// They end too early.
    #[error("the commit ends in the middle")]
    Short,
    /// They are not what was written.
    #[error("the commit is damaged: {0}")]
    Damaged(&'static str),
    /// Steps are missing between the state and this one.
    #[error("commit {found} does not follow commit {state}")]
    Gap {
        /// The last step in the state.
        state: u64,
        /// The step that was to be applied.
        found: u64,
    },
}

/// How many values a stream's keys and cells have.
#[derive(Clone, Copy, Debug)]
struct Shape {
    dimensions: usize,
    sums: usize,
    distincts: usize,
}

/// Reads steps that were written under a configuration with these streams and sources.
#[derive(Debug)]
pub struct StepReader {
    shapes: Vec<Shape>,
    sources: usize,
    texts: HashSet<Arc<str>>,
}

/// One step being read.
struct Reading<'a> {
    reader: &'a mut StepReader,
    rest: Rest<'a>,
    base: TimeUs,
}

impl StepReader {
    /// A reader for steps of these streams and sources.
    pub fn new(streams: &[StreamSpec], sources: &[SourceSpec]) -> StepReader {
        let shape = |stream: &StreamSpec| Shape {
            dimensions: stream.dimensions.len(),
            sums: stream.sums.len(),
            distincts: stream.distincts.len(),
        };
        StepReader {
            shapes: streams.iter().map(shape).collect(),
            sources: sources.len(),
            texts: HashSet::new(),
        }
    }

    /// Reads what [`Step::write`] wrote. What it says of lanes' series is looked at by
    /// [`Aggregator::replay`](crate::aggregate::Aggregator::replay).
    ///
    /// # Errors
    /// Bytes of another release, too few, too many, or such as were never written for these streams and
    /// sources.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Step, StepError> {
        let mut rest = Rest(bytes);
        match rest.byte()? {
            VERSION => {}
            other => return Err(StepError::Version(other)),
        }
        let commit = rest.number()?;
        let base = TimeUs(rest.signed()?);
        let mut reading = Reading { reader: self, rest, base };
        let step = reading.step(commit)?;
        if reading.rest.0.is_empty() { Ok(step) } else { Err(StepError::Damaged("more than a commit")) }
    }

    /// A text of its own, or one that is like it.
    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        if self.texts.len() >= TEXTS {
            self.texts.clear();
        }
        let fresh: Arc<str> = Arc::from(text);
        self.texts.insert(Arc::clone(&fresh));
        fresh
    }
}

impl Reading<'_> {
    fn step(&mut self, commit: u64) -> Result<Step, StepError> {
        let now = self.time()?;
        let wishes = self.rest.byte()?;
        let dated = wishes & wish::LEDGER_BEFORE != 0;
        let ledger_before = if dated { Some(self.minute()?) } else { None };
        Ok(Step {
            commit,
            at: self.base,
            now,
            orders: self.list(2, Reading::order)?,
            told: self.list(7, Reading::told)?,
            opened: self.list(3, Reading::change)?,
            closed: self.list(3, Reading::change)?,
            deltas: self.list(8, Reading::delta)?,
            revise: wishes & wish::REVISE != 0,
            open_rows: wishes & wish::OPEN_ROWS != 0,
            ledger_before,
        })
    }

    /// A list of things that take at least `least` bytes each.
    fn list<T>(
        &mut self,
        least: usize,
        mut one: impl FnMut(&mut Self) -> Result<T, StepError>,
    ) -> Result<Vec<T>, StepError> {
        let count = self.rest.count(least)?;
        (0..count).map(|_| one(self)).collect()
    }

    fn time(&mut self) -> Result<TimeUs, StepError> {
        Ok(TimeUs(self.base.0.wrapping_add(self.rest.signed()?)))
    }

    fn minute(&mut self) -> Result<Minute, StepError> {
        let minute = i64::from(self.base.minute().0).saturating_add(self.rest.signed()?);
        i32::try_from(minute).map(Minute).map_err(|_| StepError::Damaged("a minute out of range"))
    }

    fn source(&mut self) -> Result<SourceId, StepError> {
        let source = SourceId(self.rest.small()?);
        let known = source.index() < self.reader.sources;
        if known { Ok(source) } else { Err(StepError::Damaged("a source that is not there")) }
    }

    fn stream(&mut self) -> Result<StreamId, StepError> {
        let stream = StreamId(self.rest.small()?);
        let known = stream.index() < self.reader.shapes.len();
        if known { Ok(stream) } else { Err(StepError::Damaged("a stream that is not there")) }
    }

    fn series(&mut self, last: &mut i64) -> Result<SeriesId, StepError> {
        *last = last.saturating_add(self.rest.signed()?);
        u32::try_from(*last).map(SeriesId).map_err(|_| StepError::Damaged("a series out of range"))
    }

    fn option(&mut self) -> Result<Option<i64>, StepError> {
        Ok(match self.rest.byte()? {
            0 => None,
            _ => Some(self.rest.signed()?),
        })
    }

    fn mark(&mut self) -> Result<Mark, StepError> {
        serde_json::from_slice(self.rest.bytes()?).map_err(|_| StepError::Damaged("a mark"))
    }

    fn alarm_order(&mut self) -> Result<AlarmOrder, StepError> {
        serde_json::from_slice(self.rest.bytes()?).map_err(|_| StepError::Damaged("an order about alarms"))
    }

    fn order(&mut self) -> Result<Order, StepError> {
        let kind = self.rest.byte()?;
        Ok(match kind {
            order::RESUMED => Order::Resumed(self.time()?),
            order::EXPECT => Order::Expect(self.source()?, self.rest.text()?.to_owned()),
            order::FORGET => Order::Forget(self.source()?, self.rest.text()?.to_owned()),
            order::MARK => Order::Mark(self.mark()?),
            order::CRASH => Order::Crash(Crash {
                source: self.source()?,
                at: self.time()?,
                lines: self.rest.number()?,
                unread_lines_at_most: self.rest.number()?,
            }),
            order::PAUSED | order::SLEPT => {
                Order::Paused(Pause { from: self.time()?, to: self.time()?, slept: kind == order::SLEPT })
            }
            order::ALARM => Order::Alarm(self.alarm_order()?),
            _ => return Err(StepError::Damaged("an unknown order")),
        })
    }

    fn told(&mut self) -> Result<(SourceId, SourceTally), StepError> {
        let source = self.source()?;
        let tally = SourceTally {
            dropped_queue_lines: self.rest.number()?,
            too_long_lines: self.rest.number()?,
            partial_lines: self.rest.number()?,
            control_lines: self.rest.number()?,
            duplicate_lines: self.rest.number()?,
            kernel_datagrams: self.rest.number()?,
        };
        Ok((source, tally))
    }

    fn change(&mut self) -> Result<(SourceId, ConnId, TimeUs), StepError> {
        Ok((self.source()?, ConnId(self.rest.number()?), self.time()?))
    }

    fn delta(&mut self) -> Result<Delta, StepError> {
        let (lane, series_cap_hits) = (self.rest.small()?, self.rest.number()?);
        let (origin_cap_hits, distinct_log_spills) = (self.rest.number()?, self.rest.number()?);
        let mut origin: Arc<str> = Arc::from("");
        let tallies = self.list(7, |reading| reading.tally(&mut origin))?;
        let streams = self.rest.count(7)?;
        if streams != self.reader.shapes.len() {
            return Err(StepError::Damaged("other streams"));
        }
        Ok(Delta {
            lane,
            epoch: 0,
            streams: (0..streams).map(|at| self.stream_delta(at, tallies.len())).collect::<Result<_, _>>()?,
            tallies,
            positions: self.list(7, Reading::position)?,
            controls: self.list(4, Reading::control)?,
            samples: Vec::new(),
            refused: Vec::new(),
            series_cap_hits,
            origin_cap_hits,
            distinct_log_spills,
        })
    }

    fn tally(&mut self, origin: &mut Arc<str>) -> Result<Tally, StepError> {
        let what = self.rest.byte()?;
        let (source, arrival) = (self.source()?, self.minute()?);
        if what & tally::SAME_ORIGIN == 0 {
            let text = self.rest.text()?;
            *origin = self.reader.shared(text);
        }
        let stream = if what & tally::STREAM != 0 { Some(self.stream()?) } else { None };
        let minute = if what & tally::MINUTE != 0 { Some(self.minute()?) } else { None };
        let (latest_event, first_arrival) = (self.time()?, self.time()?);
        let last_arrival = TimeUs(first_arrival.0.wrapping_add(self.rest.signed()?));
        let counts = if what & tally::PLAIN != 0 { self.plain_counts()? } else { self.counts()? };
        let origin = Arc::clone(origin);
        Ok(Tally {
            arrival,
            source,
            origin,
            stream,
            minute,
            counts,
            latest_event,
            first_arrival,
            last_arrival,
        })
    }

    fn plain_counts(&mut self) -> Result<LedgerCounts, StepError> {
        let counted = self.rest.number()?;
        Ok(LedgerCounts { received: counted, counted, ..LedgerCounts::default() })
    }

    fn counts(&mut self) -> Result<LedgerCounts, StepError> {
        let set = self.rest.number()?;
        let mut all = [0; COUNTS];
        for (_, count) in (0..).zip(&mut all).filter(|(at, _)| set >> at & 1 == 1) {
            *count = self.rest.number()?;
        }
        let bad = self.list(2, |reading| Ok((reading.rest.text()?.to_owned(), reading.rest.number()?)))?;
        let [received, counted, control, duplicate, dropped_queue, dropped_crash, late, others @ ..] = all;
        let [kernel_datagrams, sender_dropped, rejected @ ..] = others;
        let _: [u64; Reason::ALL.len()] = rejected;
        Ok(LedgerCounts {
            received,
            counted,
            control,
            duplicate,
            rejected,
            dropped_queue,
            dropped_crash,
            late,
            bad: bad.into_iter().collect(),
            kernel_datagrams,
            sender_dropped,
        })
    }

    fn stream_delta(&mut self, stream: usize, tallies: usize) -> Result<StreamDelta, StepError> {
        let shape = self.reader.shapes[stream];
        let (generation, first_new) = (self.rest.small()?, self.rest.small()?);
        let texts = shape.dimensions + shape.sums;
        let new_series = self.list(1 + texts, |reading| reading.key(shape))?;
        let (cells, values) = self.cells(shape)?;
        let coupons = self.coupons(cells.len() * shape.distincts)?;
        let places = cells.len() * shape.distincts;
        let sketches = self.list(2 + LEAST_SKETCH, |reading| reading.sketch(places))?;
        let events = self.events(shape, tallies)?;
        let new_rows = NewRows::default();
        Ok(StreamDelta {
            generation,
            first_new,
            new_series,
            new_rows,
            cells,
            values,
            coupons,
            sketches,
            events,
        })
    }

    fn key(&mut self, shape: Shape) -> Result<Arc<SeriesKey>, StepError> {
        let watched = self.rest.byte()? != 0;
        let mut texts = |count: usize| -> Result<Box<[Arc<str>]>, StepError> {
            let text = |_| self.rest.text().map(|text| self.reader.shared(text));
            (0..count).map(text).collect()
        };
        Ok(Arc::new(SeriesKey {
            dimensions: texts(shape.dimensions)?,
            currencies: texts(shape.sums)?,
            watched,
        }))
    }

    fn cells(&mut self, shape: Shape) -> Result<(Vec<CellKey>, Vec<i64>), StepError> {
        let count = self.rest.count(2 + shape.sums)?;
        let (mut cells, mut values) =
            (Vec::with_capacity(count), Vec::with_capacity(count * (2 + shape.sums)));
        let mut last = 0;
        while cells.len() < count {
            let run: usize = self.rest.small()?;
            if run == 0 || run > count - cells.len() {
                return Err(StepError::Damaged("a run of cells"));
            }
            let (minute, source) = (self.minute()?, self.source()?);
            for _ in 0..run {
                let series = self.series(&mut last)?;
                cells.push(CellKey { minute, series, source });
                let lines = self.rest.number()?;
                let other = if lines & 1 == 1 { self.rest.signed()? } else { 0 };
                let lines = (lines >> 1) as i64;
                values.push(lines);
                values.push(lines.wrapping_mul(Weight::SCALE).wrapping_add(other));
                for _ in 0..shape.sums {
                    values.push(self.rest.signed()?);
                }
            }
        }
        Ok((cells, values))
    }

    fn coupons(&mut self, places: usize) -> Result<Vec<(u32, Coupon)>, StepError> {
        let count = self.rest.count(5)?;
        let mut last = 0;
        let mut at = Vec::with_capacity(count);
        for _ in 0..count {
            let SeriesId(place) = self.series(&mut last)?;
            if place as usize >= places {
                return Err(StepError::Damaged("a value of no cell"));
            }
            at.push(place);
        }
        at.into_iter().map(|place| Ok((place, self.coupon()?.ok_or(NO_COUPON)?))).collect()
    }

    /// A coupon; `None` for 0.
    fn coupon(&mut self) -> Result<Option<Coupon>, StepError> {
        match u32::from_le_bytes(self.rest.array()?) {
            0 => Ok(None),
            bits => coupon_of(bits).map(Some).ok_or(NO_COUPON),
        }
    }

    fn sketch(&mut self, places: usize) -> Result<(u32, HllSketch), StepError> {
        const LG_K_AT: usize = 3;
        let place: u32 = self.rest.small()?;
        let bytes = self.rest.bytes()?;
        // One of another size would take much more memory than these bytes.
        if place as usize >= places || bytes.len() < LEAST_SKETCH || bytes[LG_K_AT] != LG_K {
            return Err(StepError::Damaged("a sketch of no cell"));
        }
        let sketch = HllSketch::deserialize(bytes).map_err(|_| StepError::Damaged("a sketch"))?;
        Ok((place, sketch))
    }

    fn events(&mut self, shape: Shape, tallies: usize) -> Result<EventLog, StepError> {
        let mut last = 0;
        let heads = self.list(21, |reading| reading.event(&mut last, tallies))?;
        let (sums, coupons) = (heads.len() * shape.sums, heads.len() * shape.distincts);
        if self.rest.0.len() < sums + 4 * coupons {
            return Err(StepError::Short);
        }
        Ok(EventLog {
            heads,
            sums: (0..sums).map(|_| self.rest.signed()).collect::<Result<_, _>>()?,
            coupons: (0..coupons).map(|_| self.coupon()).collect::<Result<_, _>>()?,
        })
    }

    fn event(&mut self, last: &mut i64, tallies: usize) -> Result<IdEvent, StepError> {
        let event = IdEvent {
            id: [u64::from_le_bytes(self.rest.array()?), u64::from_le_bytes(self.rest.array()?)],
            arrival: self.time()?,
            minute: self.minute()?,
            series: self.series(last)?,
            weight: Weight(self.rest.signed()?.wrapping_add(Weight::SCALE)),
            tally: self.rest.small()?,
        };
        let known = (event.tally as usize) < tallies;
        if known { Ok(event) } else { Err(StepError::Damaged("a tally that is not there")) }
    }

    fn position(&mut self) -> Result<Position, StepError> {
        let (source, conn) = (self.source()?, ConnId(self.rest.number()?));
        let first_line = self.rest.number()?;
        Ok(Position {
            source,
            conn,
            first_line,
            next_line: first_line.wrapping_add(self.rest.number()?),
            end_offset: self.rest.number()?,
            check: self.rest.small()?,
            rejected: self.rest.number()?,
        })
    }

    fn control(&mut self) -> Result<Control, StepError> {
        let (source, arrival) = (self.source()?, self.time()?);
        let what = match self.rest.byte()? {
            control::MARK => ControlKind::Mark(self.mark()?),
            control::HEARTBEAT => ControlKind::Heartbeat(Heartbeat {
                origin: self.rest.text()?.to_owned(),
                through: self.option()?.map(TimeUs),
                dropped: self.option()?.map(|dropped| dropped as u64),
            }),
            control::GOODBYE => ControlKind::Goodbye(Goodbye { origin: self.rest.text()?.to_owned() }),
            _ => return Err(StepError::Damaged("an unknown control record")),
        };
        Ok(Control { source, arrival, what })
    }
}

const NO_COUPON: StepError = StepError::Damaged("a value that is none");
