//! Reading the aggregator's state back, under a configuration that may have changed.
//!
//! Streams, sources, dimensions, sums and distincts are found again by name. What is no longer declared
//! is dropped; a dimension that is new has the value `""` in what was counted before.

use std::collections::BTreeMap;
use std::sync::Arc;

use datasketches::hll::HllSketch;

use super::aggregator::{Aggregator, StreamState};
use super::arrivals::ArrivalMinute;
use super::open::OpenMinute;
use super::series::StreamSeries;
use super::sources::{Habit, Origin};
use super::state::{
    AggregateState, CellSaved, LedgerSaved, MinuteSaved, OriginSaved, RestoreError, StreamSaved, VERSION,
    from_hex,
};
use crate::model::{
    LedgerCounts, LedgerKey, Money, Reason, SealedRow, SeriesKey, SourceId, StreamId, StreamSpec, TimeUs,
};

/// Where saved sources and streams are now.
struct Places {
    sources: Vec<Option<SourceId>>,
    streams: Vec<Option<StreamId>>,
    /// Whether all is as it was: the aggregator goes on in the middle of a run.
    same: bool,
}

/// Where a saved stream's columns are now, by place in today's specification.
struct Columns {
    dimensions: Vec<Option<usize>>,
    sums: Vec<Option<usize>>,
    distincts: Vec<Option<usize>>,
    saved_dimensions: usize,
}

impl Aggregator {
    /// Begins a new run from saved state: no connection is open, lanes know no series. Only for an aggregator
    /// that has not counted anything.
    ///
    /// # Errors
    /// State of a newer release, or state that is damaged; then nothing may be done with this
    /// aggregator but to drop it.
    pub fn restore(&mut self, state: AggregateState) -> Result<(), RestoreError> {
        self.restore_as(state, false)
    }

    pub(super) fn restore_as(&mut self, state: AggregateState, same: bool) -> Result<(), RestoreError> {
        if state.version > VERSION {
            return Err(RestoreError::Version(state.version));
        }
        self.seed = state.seed;
        self.now = state.saved_at;
        self.down_since = state.saved_at;
        self.commit = state.commit;
        let places = self.places(&state, same);
        for (spec, stream) in self.specs.iter().zip(&mut self.streams) {
            stream.series = StreamSeries::new(spec, &self.limits, state.seed);
        }
        for (at, saved) in state.streams.into_iter().enumerate() {
            let Some(stream) = places.streams[at] else { continue };
            let spec = &self.specs[stream.index()];
            restore_stream(&mut self.streams[stream.index()], spec, saved, &places, state.saved_at)?;
        }
        for origin in &state.origins {
            self.restore_origin(origin, &places);
        }
        for source in state.connected {
            if let Some(source) = places.source(source) {
                self.inventory.connections[source.index()].ever = true;
            }
        }
        let arrivals = state.arrivals.into_iter();
        self.arrivals.0 = arrivals.map(|(minute, entry)| (minute, restore_arrival(entry, &places))).collect();
        for entry in &state.ledger {
            let Some(source) = places.source(entry.source) else { continue };
            let (key, counts) = restore_entry(entry, source);
            self.ledger.entry(key).add(&counts);
        }
        self.marks = state.marks;
        Ok(())
    }

    fn places(&self, state: &AggregateState, same: bool) -> Places {
        let source =
            |name: &String| self.inventory.specs.iter().find(|spec| spec.name == *name).map(|spec| spec.id);
        let stream = |saved: &StreamSaved| {
            self.specs.iter().position(|spec| spec.name == saved.name).map(|at| StreamId(at as u16))
        };
        Places {
            sources: state.sources.iter().map(source).collect(),
            streams: state.streams.iter().map(stream).collect(),
            same,
        }
    }

    fn restore_origin(&mut self, saved: &OriginSaved, places: &Places) {
        let Some(source) = places.source(saved.source) else { return };
        let name = Arc::from(saved.name.as_str());
        let inventory = &mut self.inventory;
        let key = if places.same { inventory.readmit(source, &name) } else { inventory.admit(source, &name) };
        let Some(key) = key else { return };
        let habits = saved.habits.iter().filter_map(|habit| {
            let now = places.stream(habit.stream)?;
            let (rate, minutes) = (habit.rate, habit.minutes);
            Some((now, Habit { rate, minutes, latest_event: habit.latest_event, delay_us: habit.delay_us }))
        });
        let expected = self.inventory.origins.get(&key).is_some_and(|origin| origin.expected);
        let origin = Origin {
            expected: expected || saved.expected,
            first_seen: saved.first_seen,
            last_arrival: saved.last_arrival,
            widest_gap_us: saved.widest_gap_us,
            through: saved.through,
            left_at: saved.left_at,
            dropped_total: saved.dropped_total,
            habits: habits.collect(),
        };
        self.inventory.origins.insert(key, origin);
    }
}

impl Places {
    fn source(&self, saved: u16) -> Option<SourceId> {
        self.sources.get(usize::from(saved)).copied().flatten()
    }

    fn stream(&self, saved: u16) -> Option<StreamId> {
        self.streams.get(usize::from(saved)).copied().flatten()
    }
}

impl Columns {
    fn new(saved: &StreamSaved, spec: &StreamSpec) -> Columns {
        let dimension = |name: &str| saved.dimensions.iter().position(|saved| saved == name);
        let distinct = |name: &str| saved.distincts.iter().position(|saved| saved == name);
        let sum =
            |name: &str, scale: u8| saved.sums.iter().position(|(saved, s)| saved == name && *s == scale);
        Columns {
            dimensions: spec.dimensions.iter().map(|now| dimension(&now.name)).collect(),
            sums: spec.sums.iter().map(|now| sum(&now.name, now.scale)).collect(),
            distincts: spec.distincts.iter().map(|now| distinct(&now.name)).collect(),
            saved_dimensions: saved.dimensions.len(),
        }
    }

    /// A saved key as today's specification sees it.
    fn key(&self, saved: &[String], spec: &StreamSpec) -> Arc<SeriesKey> {
        let text = |at: Option<usize>| Arc::from(at.and_then(|at| saved.get(at)).map_or("", String::as_str));
        let dimensions: Box<[Arc<str>]> = self.dimensions.iter().map(|&at| text(at)).collect();
        let currency = |at: &Option<usize>| text(at.map(|at| at + self.saved_dimensions));
        Arc::new(SeriesKey {
            watched: spec.watched.admits(&dimensions),
            currencies: self.sums.iter().map(currency).collect(),
            dimensions,
        })
    }

    /// The saved amount of each of today's sums.
    fn amounts<'a>(&'a self, values: &'a [i64]) -> impl Iterator<Item = i64> + 'a {
        let amount = |at: usize| values.get(at + 1).copied();
        self.sums.iter().map(move |at| at.and_then(amount).unwrap_or(0))
    }

    /// The saved sketch of each of today's distincts, serialised.
    fn sketches(&self, cell: &CellSaved) -> Result<Vec<Vec<u8>>, RestoreError> {
        let text = |at: Option<usize>| at.and_then(|at| cell.sketches.get(at)).map_or("", String::as_str);
        self.distincts.iter().map(|&at| from_hex(text(at))).collect()
    }
}

fn restore_stream(
    state: &mut StreamState,
    spec: &StreamSpec,
    saved: StreamSaved,
    places: &Places,
    now: TimeUs,
) -> Result<(), RestoreError> {
    let columns = Columns::new(&saved, spec);
    let keys: Vec<Arc<SeriesKey>> = saved.keys.iter().map(|key| columns.key(key, spec)).collect();
    state.next = saved.next;
    state.ever_seen = saved.ever_seen;
    if places.same {
        state.series.put_back(&keys, &saved)?;
    }
    for minute in &saved.open {
        let open = restore_minute(state, minute, &columns, &keys, (places, now))?;
        state.open.insert(minute.minute, open);
    }
    for minute in &saved.revisions {
        let late = restore_minute(state, minute, &columns, &keys, (places, now))?;
        state.revisions.insert(minute.minute, late);
    }
    for &(key, carry) in &saved.carries {
        let key = keys.get(key as usize).ok_or(RestoreError::Damaged("a key that is not there"))?;
        state.series.put_carry(key, carry, now);
    }
    if places.same {
        state.series.put_used(&saved.used);
    }
    state.closed = saved.closed.into_iter().collect();
    state.dedupe.restore(&saved.ids)
}

fn restore_minute(
    state: &mut StreamState,
    saved: &MinuteSaved,
    columns: &Columns,
    keys: &[Arc<SeriesKey>],
    (places, now): (&Places, TimeUs),
) -> Result<OpenMinute, RestoreError> {
    let shape = state.shape;
    let key_of = |cell: &CellSaved| {
        keys.get(cell.key as usize).ok_or(RestoreError::Damaged("a key that is not there"))
    };
    let mut open = OpenMinute::default();
    for saved in &saved.cells {
        let (series, _) = state.series.intern(key_of(saved)?, now);
        let cell = open.cell(series, shape);
        open.weigh(cell, shape, saved.values.first().copied().unwrap_or(0));
        for (sum, amount) in columns.amounts(&saved.values).enumerate() {
            open.add(cell, shape, sum, amount);
        }
        for (distinct, bytes) in columns.sketches(saved)?.iter().enumerate().filter(|(_, b)| !b.is_empty()) {
            let sketch = HllSketch::deserialize(bytes).map_err(|_| RestoreError::Damaged("a sketch"))?;
            open.unite(cell, shape, distinct, sketch);
        }
    }
    let mut earlier = Vec::with_capacity(saved.earlier.len());
    for saved in &saved.earlier {
        earlier.push(SealedRow {
            key: Arc::clone(key_of(saved)?),
            count: saved.values.first().copied().unwrap_or(0),
            sums: columns.amounts(&saved.values).map(Money).collect(),
            sketches: Box::default(),
        });
    }
    open.earlier = earlier.into();
    let lines = saved.lines.iter().filter_map(|(source, origin, lines)| {
        Some(((places.source(*source)?, Arc::from(origin.as_str())), *lines))
    });
    open.lines = lines.collect();
    Ok(open)
}

fn restore_arrival(saved: ArrivalMinute, places: &Places) -> ArrivalMinute {
    let by_source = |saved: BTreeMap<u16, u64>| -> BTreeMap<u16, u64> {
        saved.into_iter().filter_map(|(source, lines)| Some((places.source(source)?.0, lines))).collect()
    };
    let counted = saved.counted.into_iter().filter_map(|(at, counts)| Some((places.stream(at)?.0, counts)));
    ArrivalMinute {
        counted: counted.collect(),
        lost: by_source(saved.lost),
        refused: by_source(saved.refused),
    }
}

fn restore_entry(saved: &LedgerSaved, source: SourceId) -> (LedgerKey, LedgerCounts) {
    let rejected = |reason: Reason| saved.rejected.get(reason.name()).copied().unwrap_or(0);
    let counts = LedgerCounts {
        received: saved.received,
        counted: saved.counted,
        control: saved.control,
        duplicate: saved.duplicate,
        rejected: Reason::ALL.map(rejected),
        dropped_queue: saved.dropped_queue,
        dropped_crash: saved.dropped_crash,
        late: saved.late,
        bad: saved.bad.clone(),
        kernel_datagrams: saved.kernel_datagrams,
        sender_dropped: saved.sender_dropped,
    };
    let (origin, stream) = (saved.origin.clone(), saved.stream.clone());
    (LedgerKey { arrival: saved.arrival, source, origin, stream }, counts)
}
