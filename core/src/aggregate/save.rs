//! Writing the aggregator's state down.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::aggregator::{Aggregator, StreamState};
use super::open::OpenMinute;
use super::sources::{Origin, OriginKey};
use super::state::{
    AggregateState, CellSaved, HabitSaved, LedgerSaved, MinuteSaved, OriginSaved, StreamSaved, VERSION,
    to_hex,
};
use crate::model::{LedgerCounts, LedgerKey, Minute, Reason, RowView, SeriesKey, SourceId, StreamSpec};

/// The keys that are referred to, each once, by the place at which it was first met.
#[derive(Default)]
struct KeyList {
    places: HashMap<Arc<SeriesKey>, u32, foldhash::quality::RandomState>,
    keys: Vec<Vec<String>>,
}

impl KeyList {
    fn place(&mut self, key: &Arc<SeriesKey>) -> u32 {
        let next = self.keys.len() as u32;
        let place = *self.places.entry(Arc::clone(key)).or_insert(next);
        if place == next {
            let texts = key.dimensions.iter().chain(&key.currencies);
            self.keys.push(texts.map(|text| text.to_string()).collect());
        }
        place
    }
}

impl Aggregator {
    /// Everything that has to outlive a restart, and what it takes to go on in the middle of a run.
    pub fn save(&self) -> AggregateState {
        let streams = self.streams.iter().zip(self.specs.iter());
        let sources = self.inventory.connections.iter().enumerate();
        AggregateState {
            version: VERSION,
            seed: self.seed,
            saved_at: self.now,
            sources: self.inventory.specs.iter().map(|source| source.name.clone()).collect(),
            streams: streams.map(|(state, spec)| save_stream(state, spec)).collect(),
            origins: self.inventory.origins.iter().map(save_origin).collect(),
            connected: sources.filter(|(_, of)| of.ever).map(|(at, _)| at as u16).collect(),
            arrivals: self.arrivals.0.iter().map(|(&minute, entry)| (minute, entry.clone())).collect(),
            ledger: self.ledger.0.iter().map(save_entry).collect(),
            marks: self.marks.clone(),
            commit: self.commit,
            running: Some(self.save_running()),
        }
    }
}

fn save_stream(state: &StreamState, spec: &StreamSpec) -> StreamSaved {
    let mut keys = KeyList::default();
    // Series are told apart by their keys, so the place of each is its id.
    for (id, key) in (0..).zip(state.series.keys()) {
        let place = keys.place(key);
        debug_assert_eq!(place, id);
    }
    let mut minutes = |all: &BTreeMap<Minute, OpenMinute>| -> Vec<MinuteSaved> {
        all.iter().map(|(&minute, open)| save_minute(state, minute, open, &mut keys)).collect()
    };
    let (open, revisions) = (minutes(&state.open), minutes(&state.revisions));
    let lanes = state.series.save_lanes(|key| keys.place(key));
    let carries = state.series.carries().map(|(key, carry)| (keys.place(key), carry)).collect();
    StreamSaved {
        name: spec.name.clone(),
        dimensions: spec.dimensions.iter().map(|dimension| dimension.name.clone()).collect(),
        sums: spec.sums.iter().map(|sum| (sum.name.clone(), sum.scale)).collect(),
        distincts: spec.distincts.iter().map(|distinct| distinct.name.clone()).collect(),
        next: state.next,
        ever_seen: state.ever_seen,
        carries,
        open,
        revisions,
        closed: state.closed.iter().map(|(&minute, &closed)| (minute, closed)).collect(),
        ids: state.dedupe.save(),
        used: state.series.used().to_vec(),
        met_limit: state.series.met_limit(),
        lanes,
        keys: keys.keys,
    }
}

fn save_minute(state: &StreamState, minute: Minute, open: &OpenMinute, keys: &mut KeyList) -> MinuteSaved {
    let mut cells = Vec::with_capacity(open.series().len());
    open.each_cell(state.shape, |series, values, sketches| {
        let (key, values) = (keys.place(state.series.key(series)), values.to_vec());
        cells.push(CellSaved { key, values, sketches: sketches.iter().map(|s| to_hex(s)).collect() });
    });
    let lines = open.lines.iter().map(|((source, origin), &lines)| (source.0, origin.to_string(), lines));
    MinuteSaved {
        minute,
        cells,
        lines: lines.collect(),
        earlier: open.earlier.iter().map(|row| save_row(row, keys)).collect(),
    }
}

fn save_row(row: RowView<'_>, keys: &mut KeyList) -> CellSaved {
    CellSaved {
        key: keys.place(row.key),
        values: std::iter::once(row.count).chain(row.sums.iter().map(|sum| sum.0)).collect(),
        sketches: row.sketches.iter().map(to_hex).collect(),
    }
}

fn save_origin(((source, name), origin): (&OriginKey, &Origin)) -> OriginSaved {
    let habits = origin.habits.iter().map(|(stream, habit)| HabitSaved {
        stream: stream.0,
        rate: habit.rate,
        minutes: habit.minutes,
        latest_event: habit.latest_event,
        delay_us: habit.delay_us,
    });
    OriginSaved {
        source: source.0,
        name: name.to_string(),
        expected: origin.expected,
        first_seen: origin.first_seen,
        last_arrival: origin.last_arrival,
        widest_gap_us: origin.widest_gap_us,
        through: origin.through,
        left_at: origin.left_at,
        dropped_total: origin.dropped_total,
        habits: habits.collect(),
    }
}

fn save_entry((key, counts): (&LedgerKey, &LedgerCounts)) -> LedgerSaved {
    let SourceId(source) = key.source;
    let rejected =
        Reason::ALL.iter().map(|reason| (reason.name().to_owned(), counts.rejected[*reason as usize]));
    LedgerSaved {
        arrival: key.arrival,
        source,
        origin: key.origin.clone(),
        stream: key.stream.clone(),
        received: counts.received,
        counted: counts.counted,
        control: counts.control,
        duplicate: counts.duplicate,
        rejected: rejected.filter(|(_, count)| *count > 0).collect(),
        dropped_queue: counts.dropped_queue,
        dropped_crash: counts.dropped_crash,
        late: counts.late,
        bad: counts.bad.clone(),
        kernel_datagrams: counts.kernel_datagrams,
        sender_dropped: counts.sender_dropped,
    }
}
