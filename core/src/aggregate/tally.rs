//! A lane's bookkeeping of lines: by minute of arrival, source, origin, stream and event minute.

use std::sync::Arc;

use hashbrown::HashTable;

use super::cells::mixed;
use super::delta::Tally;
use crate::intern::{TagIndex, Tagger, Word};
use crate::model::{LedgerCounts, Minute, OTHER, OriginId, Reason, SourceId, StreamId, TimeUs};

/// Tallies that are found without a search.
const RECENT: usize = 64;

/// The origins a lane has met, per source, bounded.
#[derive(Debug)]
pub(super) struct Origins {
    tagger: Tagger,
    sources: Vec<OriginTable>,
    limit: usize,
    cap_hits: u64,
}

#[derive(Debug)]
struct OriginTable {
    names: Vec<Arc<str>>,
    index: TagIndex,
    /// The one that was asked for last.
    last: (Word, OriginId),
}

impl Origins {
    /// The origin of those that met the limit.
    pub(super) const OTHER: OriginId = OriginId(1);

    pub(super) fn new(sources: usize, limit: usize, seed: u64) -> Origins {
        let tables = std::iter::repeat_with(OriginTable::new).take(sources).collect();
        let mut origins = Origins { tagger: Tagger::new(seed), sources: tables, limit, cap_hits: 0 };
        origins.forget();
        origins
    }

    /// The id of the origin with this word; `name` says its text. Beyond the limit it is that of
    /// `__other__`.
    #[inline]
    pub(super) fn intern<'a>(
        &mut self,
        source: SourceId,
        word: Option<Word>,
        name: impl Fn() -> &'a str,
    ) -> OriginId {
        let word = word.unwrap_or_else(|| self.tagger.long(name()));
        let (last, origin) = self.sources[source.index()].last;
        if last == word {
            return origin;
        }
        let table = &self.sources[source.index()];
        let known = table.index.find(self.tagger.tag(std::iter::once(word))).map(OriginId);
        if known.is_none() && table.names.len() >= self.limit + 2 {
            self.cap_hits += 1;
            return Origins::OTHER;
        }
        let origin = known.unwrap_or_else(|| self.insert(source, name()));
        self.sources[source.index()].last = (word, origin);
        origin
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
            self.sources[source] = OriginTable::new();
            self.insert(SourceId(source as u16), "");
            self.insert(SourceId(source as u16), OTHER);
        }
    }

    /// Lines that met the limit since this was last asked.
    pub(super) fn new_cap_hits(&mut self) -> u64 {
        std::mem::take(&mut self.cap_hits)
    }

    fn insert(&mut self, source: SourceId, name: &str) -> OriginId {
        let OriginTable { names, index, .. } = &mut self.sources[source.index()];
        let id = names.len() as u32;
        names.push(Arc::from(name));
        index.insert(self.tagger.tag(std::iter::once(self.tagger.word(name))), id);
        OriginId(id)
    }
}

impl OriginTable {
    fn new() -> OriginTable {
        OriginTable { names: Vec::new(), index: TagIndex::new(), last: (Word::default(), OriginId(0)) }
    }
}

/// Whose lines, packed so that comparing two is two comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TallyKey {
    /// Source, stream + 1, whether there is a minute, origin: 16, 16, 1 and 31 bits.
    whose: u64,
    /// Minute of arrival, minute of event time: 32 bits each.
    when: u64,
}

/// The bit that says that a key has a minute of event time.
const DATED: u64 = 1 << 31;

/// What every event of a tally touches.
#[derive(Debug)]
struct Entry {
    key: TallyKey,
    /// Lines that count as events.
    events: u64,
    latest_event: TimeUs,
    first_arrival: TimeUs,
    last_arrival: TimeUs,
}

/// The tallies since the last cut.
#[derive(Debug)]
pub(super) struct Tallies {
    entries: Vec<Entry>,
    /// Of each entry what is no event.
    counts: Vec<LedgerCounts>,
    index: HashTable<u32>,
    /// By origin and minute: the tally that was counted in last.
    recent: [u32; RECENT],
}

impl Tallies {
    pub(super) fn new() -> Tallies {
        Tallies { entries: Vec::new(), counts: Vec::new(), index: HashTable::new(), recent: [0; RECENT] }
    }

    /// The tally of `key`, made if new; `arrival` is noted as a sign of life.
    #[inline]
    pub(super) fn at(&mut self, key: TallyKey, arrival: TimeUs) -> u32 {
        let place = key.place();
        let mut at = self.recent[place];
        if self.entries.get(at as usize).is_none_or(|entry| entry.key != key) {
            at = self.find_or_make(key, arrival);
            self.recent[place] = at;
        }
        let entry = &mut self.entries[at as usize];
        entry.first_arrival = entry.first_arrival.min(arrival);
        entry.last_arrival = entry.last_arrival.max(arrival);
        at
    }

    /// Counts one line of a tally as an event that happened at `time`.
    #[inline(always)]
    pub(super) fn event(&mut self, tally: u32, time: TimeUs) {
        let entry = &mut self.entries[tally as usize];
        entry.events += 1;
        entry.latest_event = entry.latest_event.max(time);
    }

    /// Counts a field that could not be used. The name is copied only when it is new.
    pub(super) fn bad(&mut self, tally: u32, field: &str) {
        let bad = &mut self.counts[tally as usize].bad;
        match bad.get_mut(field) {
            Some(count) => *count += 1,
            None => {
                bad.insert(field.to_owned(), 1);
            }
        }
    }

    /// Counts one refused line.
    pub(super) fn reject(&mut self, tally: u32, reason: Reason) {
        self.counts[tally as usize].reject(reason);
    }

    /// Counts one line that is no event by intention.
    pub(super) fn control(&mut self, tally: u32) {
        let counts = &mut self.counts[tally as usize];
        counts.received += 1;
        counts.control += 1;
    }

    /// All tallies; begins anew.
    pub(super) fn cut(&mut self, origins: &Origins) -> Vec<Tally> {
        self.index.clear();
        let whole = |(entry, mut counts): (Entry, LedgerCounts)| {
            counts.received += entry.events;
            counts.counted += entry.events;
            Tally {
                arrival: entry.key.arrival(),
                source: entry.key.source(),
                origin: Arc::clone(origins.name(entry.key.source(), entry.key.origin())),
                stream: entry.key.stream(),
                minute: entry.key.minute(),
                counts,
                latest_event: entry.latest_event,
                first_arrival: entry.first_arrival,
                last_arrival: entry.last_arrival,
            }
        };
        self.entries.drain(..).zip(self.counts.drain(..)).map(whole).collect()
    }

    fn find_or_make(&mut self, key: TallyKey, arrival: TimeUs) -> u32 {
        let Tallies { entries, index, .. } = self;
        if let Some(&at) = index.find(key.hash(), |&at| entries[at as usize].key == key) {
            return at;
        }
        let at = u32::try_from(entries.len()).expect("a lane is cut long before 2^32 tallies");
        self.counts.push(LedgerCounts::default());
        entries.push(Entry {
            key,
            events: 0,
            latest_event: TimeUs(i64::MIN),
            first_arrival: arrival,
            last_arrival: arrival,
        });
        index.insert_unique(key.hash(), at, |&at| entries[at as usize].key.hash());
        at
    }
}

impl TallyKey {
    /// Lines of `origin` that came in the minute of `arrival`, of a stream if they got that far. Lines that
    /// count have a minute of event time.
    #[inline(always)]
    pub(super) fn new(
        arrival: Minute,
        (source, origin): (SourceId, OriginId),
        stream: Option<StreamId>,
        minute: Option<Minute>,
    ) -> TallyKey {
        let stream = stream.map_or(0, |stream| u64::from(stream.0) + 1);
        let dated = if minute.is_some() { DATED } else { 0 };
        let minute = minute.map_or(0, |minute| minute.0 as u32);
        TallyKey {
            whose: u64::from(source.0) << 48 | stream << 32 | dated | u64::from(origin.0) & (DATED - 1),
            when: u64::from(arrival.0 as u32) << 32 | u64::from(minute),
        }
    }

    fn source(self) -> SourceId {
        SourceId((self.whose >> 48) as u16)
    }

    fn origin(self) -> OriginId {
        OriginId((self.whose & (DATED - 1)) as u32)
    }

    fn stream(self) -> Option<StreamId> {
        ((self.whose >> 32) as u16).checked_sub(1).map(StreamId)
    }

    fn arrival(self) -> Minute {
        Minute((self.when >> 32) as u32 as i32)
    }

    fn minute(self) -> Option<Minute> {
        (self.whose & DATED != 0).then_some(Minute(self.when as u32 as i32))
    }

    /// Where it is remembered: events of some dozen origins and of two minutes each have their own place.
    #[inline(always)]
    fn place(self) -> usize {
        (self.whose.wrapping_mul(2) + self.when % 2) as usize % RECENT
    }

    /// Its parts are dense ids and minutes, so plain mixing will do.
    fn hash(self) -> u64 {
        mixed(self.whose ^ self.when.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}
