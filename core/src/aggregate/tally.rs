//! A lane's bookkeeping of lines: by minute of arrival, source, origin, stream and event minute.

use std::sync::Arc;

use hashbrown::HashTable;

use super::delta::Tally;
use crate::intern::Seeded;
use crate::model::{LedgerCounts, Minute, OTHER, OriginId, Reason, SourceId, StreamId, TimeUs};

/// The origins a lane has met, per source, bounded.
#[derive(Debug)]
pub(super) struct Origins {
    hasher: Seeded,
    sources: Vec<OriginTable>,
    limit: usize,
    cap_hits: u64,
}

#[derive(Debug, Default)]
struct OriginTable {
    names: Vec<Arc<str>>,
    index: HashTable<u32>,
}

impl Origins {
    pub(super) fn new(sources: usize, limit: usize, seed: u64) -> Origins {
        let tables = std::iter::repeat_with(OriginTable::default).take(sources).collect();
        let mut origins = Origins { hasher: Seeded::new(seed), sources: tables, limit, cap_hits: 0 };
        origins.forget();
        origins
    }

    /// The origin's id. Beyond the limit it is that of `__other__`.
    pub(super) fn intern(&mut self, source: SourceId, name: &str) -> OriginId {
        let table = &self.sources[source.index()];
        let hash = self.hasher.text(name);
        if let Some(&id) = table.index.find(hash, |&id| &*table.names[id as usize] == name) {
            return OriginId(id);
        }
        if table.names.len() < self.limit + 2 {
            return self.insert(source, name);
        }
        self.cap_hits += 1;
        OriginId(1)
    }

    pub(super) fn name(&self, source: SourceId, origin: OriginId) -> &Arc<str> {
        &self.sources[source.index()].names[origin.index()]
    }

    /// Whether a new origin would find no room.
    pub(super) fn is_full(&self) -> bool {
        self.sources.iter().any(|table| table.names.len() >= self.limit + 2)
    }

    /// Forgets all origins, so that the live ones find room again. Only right after a cut.
    pub(super) fn forget(&mut self) {
        for source in 0..self.sources.len() {
            self.sources[source] = OriginTable::default();
            self.insert(SourceId(source as u16), "");
            self.insert(SourceId(source as u16), OTHER);
        }
    }

    /// Lines that met the limit since this was last asked.
    pub(super) fn new_cap_hits(&mut self) -> u64 {
        std::mem::take(&mut self.cap_hits)
    }

    fn insert(&mut self, source: SourceId, name: &str) -> OriginId {
        let OriginTable { names, index } = &mut self.sources[source.index()];
        let id = names.len() as u32;
        names.push(Arc::from(name));
        let hasher = &self.hasher;
        index.insert_unique(hasher.text(name), id, |&id| hasher.text(&names[id as usize]));
        OriginId(id)
    }
}

/// Whose lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TallyKey {
    pub(super) arrival: Minute,
    pub(super) source: SourceId,
    pub(super) origin: OriginId,
    pub(super) stream: Option<StreamId>,
    pub(super) minute: Option<Minute>,
}

#[derive(Debug)]
struct Entry {
    key: TallyKey,
    counts: LedgerCounts,
    latest_event: TimeUs,
    first_arrival: TimeUs,
    last_arrival: TimeUs,
}

/// The tallies since the last cut.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    entries: Vec<Entry>,
    index: HashTable<u32>,
    last: u32,
}

impl Tallies {
    /// The tally of `key`, made if new; `arrival` is noted as a sign of life.
    pub(super) fn at(&mut self, key: TallyKey, arrival: TimeUs) -> u32 {
        let known = self.entries.get(self.last as usize).is_some_and(|entry| entry.key == key);
        if !known {
            self.last = self.find_or_make(key, arrival);
        }
        let entry = &mut self.entries[self.last as usize];
        entry.first_arrival = entry.first_arrival.min(arrival);
        entry.last_arrival = entry.last_arrival.max(arrival);
        self.last
    }

    /// Counts one line as an event that happened at `time`.
    pub(super) fn count(&mut self, tally: u32, time: TimeUs) {
        let entry = &mut self.entries[tally as usize];
        entry.counts.received += 1;
        entry.counts.counted += 1;
        entry.latest_event = entry.latest_event.max(time);
    }

    /// Counts a field that could not be used. The name is copied only when it is new.
    pub(super) fn bad(&mut self, tally: u32, field: &str) {
        let bad = &mut self.entries[tally as usize].counts.bad;
        match bad.get_mut(field) {
            Some(count) => *count += 1,
            None => {
                bad.insert(field.to_owned(), 1);
            }
        }
    }

    /// Counts one refused line.
    pub(super) fn reject(&mut self, tally: u32, reason: Reason) {
        self.entries[tally as usize].counts.reject(reason);
    }

    /// Counts one line that is no event by intention.
    pub(super) fn control(&mut self, tally: u32) {
        let counts = &mut self.entries[tally as usize].counts;
        counts.received += 1;
        counts.control += 1;
    }

    /// All tallies; begins anew.
    pub(super) fn cut(&mut self, origins: &Origins) -> Vec<Tally> {
        self.index.clear();
        self.last = 0;
        let whole = |entry: Entry| Tally {
            arrival: entry.key.arrival,
            source: entry.key.source,
            origin: Arc::clone(origins.name(entry.key.source, entry.key.origin)),
            stream: entry.key.stream,
            minute: entry.key.minute,
            counts: entry.counts,
            latest_event: entry.latest_event,
            first_arrival: entry.first_arrival,
            last_arrival: entry.last_arrival,
        };
        self.entries.drain(..).map(whole).collect()
    }

    fn find_or_make(&mut self, key: TallyKey, arrival: TimeUs) -> u32 {
        let Tallies { entries, index, .. } = self;
        if let Some(&at) = index.find(key.hash(), |&at| entries[at as usize].key == key) {
            return at;
        }
        let at = u32::try_from(entries.len()).expect("a lane is cut long before 2^32 tallies");
        entries.push(Entry {
            key,
            counts: LedgerCounts::default(),
            latest_event: TimeUs(i64::MIN),
            first_arrival: arrival,
            last_arrival: arrival,
        });
        index.insert_unique(key.hash(), at, |&at| entries[at as usize].key.hash());
        at
    }
}

impl TallyKey {
    /// Its parts are dense ids and minutes, so plain mixing will do.
    fn hash(&self) -> u64 {
        let place = u64::from(self.source.0) << 48 | u64::from(self.origin.0) << 16;
        let stream = place | self.stream.map_or(0xffff, |stream| u64::from(stream.0));
        let minute = self.minute.map_or(u64::MAX, |minute| u64::from(minute.0 as u32));
        let time = minute << 32 ^ u64::from(self.arrival.0 as u32);
        let mixed = (stream ^ time.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 31).wrapping_mul(0x94d0_49bb_1331_11eb)
    }
}
