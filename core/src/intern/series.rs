//! Series: the combinations of dimension values and currencies that were met, each with a dense id.
//!
//! Beyond the limit an event is counted under a coarser key: first the dimension with the most
//! values becomes `__other__` (a tenth of the limit is kept for such keys), then every dimension
//! that the `watched` filter does not ask for, then the currencies are given up. The filter's own
//! dimensions keep the filter's values always, so what is watched is counted exactly.

use std::sync::Arc;

use hashbrown::HashTable;

use super::Seeded;
use super::values::{EMPTY, OTHER_CODE, UNKNOWN, Values};
use crate::model::{Limits, SeriesId, SeriesKey, StreamSpec};

/// Codes of one key: dimensions, then one currency per sum.
type Codes = [u32; Limits::DIMENSIONS + Limits::SUMS];

/// What can be looked up: the texts of a key. `""` where there is none.
pub trait Keyed {
    /// The value of the dimension at `at`, in the stream's order.
    fn dimension(&self, at: usize) -> &str;
    /// The currency of the sum at `at`, in the stream's order.
    fn currency(&self, at: usize) -> &str;
}

impl Keyed for SeriesKey {
    fn dimension(&self, at: usize) -> &str {
        &self.dimensions[at]
    }

    fn currency(&self, at: usize) -> &str {
        &self.currencies[at]
    }
}

/// Where a key is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its series.
    pub id: SeriesId,
    /// One bit per sum whose currency has no place any more: that amount is bad, the event counts.
    pub refused_sums: u8,
}

/// The series of one stream.
#[derive(Debug)]
pub struct SeriesTable {
    hasher: Seeded,
    dimensions: Vec<Values>,
    currencies: Values,
    sums: usize,
    /// Per dimension: the codes of the `watched` filter's values, if the filter asks for it.
    filter: Vec<Option<Vec<u32>>>,
    codes: Vec<u32>,
    index: HashTable<u32>,
    limit: usize,
    /// The dimension that gives way first, chosen when the limit is first met.
    widest: Option<usize>,
    cap_hits: u64,
}

impl SeriesTable {
    /// An empty table for the keys of `stream`, with at most `limit` series beside the coarser ones.
    pub fn new(stream: &StreamSpec, limit: usize, seed: u64) -> SeriesTable {
        let hasher = Seeded::new(seed);
        let mut dimensions: Vec<Values> = stream.dimensions.iter().map(|_| Values::new(&hasher)).collect();
        let mut filter = vec![None; dimensions.len()];
        for (at, values) in &stream.watched.0 {
            let codes = values.iter().map(|value| dimensions[*at].insert(value, &hasher)).collect();
            filter[*at] = Some(codes);
        }
        SeriesTable {
            currencies: Values::new(&hasher),
            sums: stream.sums.len(),
            codes: Vec::new(),
            index: HashTable::new(),
            limit: limit.max(1),
            widest: None,
            cap_hits: 0,
            hasher,
            dimensions,
            filter,
        }
    }

    /// The series of `key`; a new one is made while there is room. No allocation for a known key.
    pub fn intern(&mut self, key: &impl Keyed) -> Found {
        let mut codes: Codes = [EMPTY; Limits::DIMENSIONS + Limits::SUMS];
        let refused_sums = self.read(key, &mut codes);
        match self.find(&codes) {
            Some(id) => Found { id, refused_sums },
            None => self.admit(key, codes, refused_sums),
        }
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.codes.len() / self.width()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// How many events met the limit since the table was made or told to forget.
    pub fn cap_hits(&self) -> u64 {
        self.cap_hits
    }

    /// The texts of a series of this table.
    pub fn key(&self, id: SeriesId) -> SeriesKey {
        let codes = self.codes_of(id.0);
        let (dimensions, currencies) =
            codes[..self.dimensions.len() + self.sums].split_at(self.dimensions.len());
        let text_of = |(values, &code): (&Values, &u32)| Arc::clone(values.text(code));
        let admits = |(filter, code): (&Option<Vec<u32>>, &u32)| {
            filter.as_ref().is_none_or(|codes| codes.contains(code))
        };
        SeriesKey {
            watched: self.filter.iter().zip(dimensions).all(admits),
            dimensions: self.dimensions.iter().zip(dimensions).map(text_of).collect(),
            currencies: currencies.iter().map(|&code| Arc::clone(self.currencies.text(code))).collect(),
        }
    }

    /// Forgets every series, value and currency: ids given so far mean nothing any more.
    pub fn clear(&mut self) {
        self.retain(|_| false);
    }

    /// Keeps the series that `keep` names and forgets all else, values without series included.
    /// Returns the new id of each old one.
    pub fn retain(&mut self, mut keep: impl FnMut(SeriesId) -> bool) -> Vec<Option<SeriesId>> {
        let keys: Vec<Option<SeriesKey>> =
            (0..self.len() as u32).map(SeriesId).map(|id| keep(id).then(|| self.key(id))).collect();
        self.codes.clear();
        self.index.clear();
        self.cap_hits = 0;
        self.widest = None;
        self.currencies = Values::new(&self.hasher);
        for (at, values) in self.dimensions.iter_mut().enumerate() {
            let mut fresh = Values::new(&self.hasher);
            if let Some(filter) = &mut self.filter[at] {
                filter.iter_mut().for_each(|code| *code = fresh.insert(values.text(*code), &self.hasher));
            }
            *values = fresh;
        }
        keys.iter().map(|key| key.as_ref().map(|key| self.insert_whole(key))).collect()
    }

    /// The coarsest key above that of `id`: where its remains go when it is forgotten.
    pub fn coarsest(&mut self, id: SeriesId) -> SeriesId {
        let mut codes: Codes = [EMPTY; Limits::DIMENSIONS + Limits::SUMS];
        let width = self.width();
        codes[..width].copy_from_slice(self.codes_of(id.0));
        self.blur(&mut codes);
        self.find(&codes).unwrap_or_else(|| self.push(&codes))
    }

    /// Codes per series, at least one so that a stream without dimensions has a place, too.
    fn width(&self) -> usize {
        (self.dimensions.len() + self.sums).max(1)
    }

    fn codes_of(&self, series: u32) -> &[u32] {
        let width = self.width();
        &self.codes[series as usize * width..][..width]
    }

    /// Reads the codes of a key, [`UNKNOWN`] where a dimension's value is new; refused currencies as bits.
    fn read(&mut self, key: &impl Keyed, codes: &mut Codes) -> u8 {
        for (at, values) in self.dimensions.iter().enumerate() {
            codes[at] = values.code(key.dimension(at), &self.hasher);
        }
        let mut refused = 0;
        for at in 0..self.sums {
            let code = self.currency(key.currency(at));
            codes[self.dimensions.len() + at] = code.unwrap_or(EMPTY);
            refused |= u8::from(code.is_none()) << at;
        }
        refused
    }

    /// The code of a currency, which is added while there is room.
    fn currency(&mut self, text: &str) -> Option<u32> {
        match self.currencies.code(text, &self.hasher) {
            UNKNOWN if self.currencies.len() < Limits::CURRENCIES => {
                Some(self.currencies.insert(text, &self.hasher))
            }
            UNKNOWN => None,
            code => Some(code),
        }
    }

    fn find(&self, codes: &Codes) -> Option<SeriesId> {
        let codes = &codes[..self.width()];
        let same = |&series: &u32| self.codes_of(series) == codes;
        self.index.find(self.hasher.codes(codes), same).map(|&series| SeriesId(series))
    }

    /// Makes a series for a key that has none, or finds the coarser one it is counted under.
    #[cold]
    fn admit(&mut self, key: &impl Keyed, mut codes: Codes, refused_sums: u8) -> Found {
        if self.len() < self.limit {
            return Found { id: self.insert(key, codes), refused_sums };
        }
        if self.cap_hits == 0 {
            self.widest = self.widest();
        }
        self.cap_hits += 1;
        let reserve = self.limit / 10;
        if let Some(widest) = self.widest {
            codes[widest] = OTHER_CODE;
            if let Some(id) = self.find(&codes) {
                return Found { id, refused_sums };
            }
            if self.len() < self.limit + reserve {
                return Found { id: self.insert(key, codes), refused_sums };
            }
        }
        self.blur(&mut codes);
        if let Some(id) = self.find(&codes) {
            return Found { id, refused_sums };
        }
        if self.len() < self.limit + 2 * reserve {
            return Found { id: self.push(&codes), refused_sums };
        }
        let refused_sums = refused_sums | self.drop_currencies(&mut codes);
        Found { id: self.find(&codes).unwrap_or_else(|| self.push(&codes)), refused_sums }
    }

    /// The dimension with the most values among those the filter does not ask for.
    fn widest(&self) -> Option<usize> {
        let free = (0..self.dimensions.len()).filter(|&at| self.filter[at].is_none());
        free.max_by_key(|&at| (self.dimensions[at].len(), std::cmp::Reverse(at)))
    }

    /// Makes every dimension `__other__`, but keeps the filter's own values.
    fn blur(&self, codes: &mut Codes) {
        for (code, filter) in codes.iter_mut().zip(&self.filter) {
            let kept = filter.as_ref().is_some_and(|values| values.contains(code));
            *code = if kept { *code } else { OTHER_CODE };
        }
    }

    /// Gives up the currencies; one bit for each sum that had one.
    fn drop_currencies(&self, codes: &mut Codes) -> u8 {
        let first = self.dimensions.len();
        let mut refused = 0;
        for (at, code) in codes[first..first + self.sums].iter_mut().enumerate() {
            refused |= u8::from(*code != EMPTY) << at;
            *code = EMPTY;
        }
        refused
    }

    /// Adds a series; the values that were [`UNKNOWN`] are taken from `key`.
    fn insert(&mut self, key: &impl Keyed, mut codes: Codes) -> SeriesId {
        for (at, values) in self.dimensions.iter_mut().enumerate() {
            if codes[at] == UNKNOWN {
                codes[at] = values.insert(key.dimension(at), &self.hasher);
            }
        }
        self.push(&codes)
    }

    /// Adds a series regardless of the limit, with the currencies it has.
    fn insert_whole(&mut self, key: &SeriesKey) -> SeriesId {
        let mut codes: Codes = [EMPTY; Limits::DIMENSIONS + Limits::SUMS];
        self.read(key, &mut codes);
        self.insert(key, codes)
    }

    fn push(&mut self, codes: &Codes) -> SeriesId {
        let series = u32::try_from(self.len()).expect("series are bounded far below 2^32");
        let width = self.width();
        self.codes.extend_from_slice(&codes[..width]);
        let SeriesTable { hasher, codes: all, index, .. } = self;
        let hash_of = |&series: &u32| hasher.codes(&all[series as usize * width..][..width]);
        index.insert_unique(hasher.codes(&codes[..width]), series, hash_of);
        SeriesId(series)
    }
}
