//! Series: the combinations of dimension values and currencies that were met, each with a dense id.
//!
//! Beyond the limit an event is counted under a coarser key: first the dimension with the most
//! values becomes `__other__` (a tenth of the limit is kept for such keys), then every dimension
//! that the `watched` filter does not ask for, then the currencies are given up. The filter's own
//! dimensions keep the filter's values always, so what is watched is counted exactly.

use std::sync::Arc;

use super::index::TagIndex;
use super::rows::Rows;
use super::values::{EMPTY, OTHER_CODE, UNKNOWN, Values};
use super::{Tag, Tagger, Word};
use crate::model::{Limits, OTHER, SeriesId, SeriesKey, StreamSpec};

/// What can be looked up: the texts of a key. `""` where there is none.
pub trait Keyed {
    /// The value of the dimension at `at`, in the stream's order.
    fn dimension(&self, at: usize) -> &str;
    /// The currency of the sum at `at`, in the stream's order.
    fn currency(&self, at: usize) -> &str;

    /// The word of the dimension at `at`; `None` where only the text can tell.
    #[inline(always)]
    fn dimension_word(&self, at: usize) -> Option<Word> {
        Word::of(self.dimension(at))
    }

    /// The word of the currency at `at`; `None` where only the text can tell.
    #[inline(always)]
    fn currency_word(&self, at: usize) -> Option<Word> {
        Word::of(self.currency(at))
    }
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

/// Says the text in a place of a key whose word only stands for it.
type Long<'a> = &'a dyn Fn(usize) -> &'a str;

/// A key on its way into the table: codes and words of its dimensions, then of one currency per sum.
/// Codes are [`UNKNOWN`] where a dimension's value is new.
struct Draft {
    codes: [u32; Limits::DIMENSIONS + Limits::SUMS],
    words: [Word; Limits::DIMENSIONS + Limits::SUMS],
    /// One bit per sum whose currency was refused.
    refused_sums: u8,
}

/// The series of one stream.
#[derive(Debug)]
pub struct SeriesTable {
    tagger: Tagger,
    dimensions: Vec<Values>,
    currencies: Values,
    sums: usize,
    /// Per dimension: the codes of the `watched` filter's values, if the filter asks for it.
    filter: Vec<Option<Vec<u32>>>,
    /// A row per series: the codes of its dimensions, then one currency per sum.
    codes: Rows<u32>,
    index: TagIndex,
    limit: usize,
    /// The dimension that gives way first, chosen when the limit is first met.
    widest: Option<usize>,
    cap_hits: u64,
    /// The tag of the series that was added last.
    last: Tag,
}

impl SeriesTable {
    /// An empty table for the keys of `stream`, with at most `limit` series beside the coarser ones.
    pub fn new(stream: &StreamSpec, limit: usize, seed: u64) -> SeriesTable {
        let tagger = Tagger::new(seed);
        let mut dimensions: Vec<Values> = stream.dimensions.iter().map(|_| Values::new(&tagger)).collect();
        let mut filter = vec![None; dimensions.len()];
        for (at, values) in &stream.watched.0 {
            let codes = values.iter().map(|value| dimensions[*at].insert(value, &tagger)).collect();
            filter[*at] = Some(codes);
        }
        SeriesTable {
            currencies: Values::new(&tagger),
            sums: stream.sums.len(),
            codes: Rows::new(dimensions.len() + stream.sums.len()),
            index: TagIndex::new(),
            limit: limit.max(1),
            widest: None,
            cap_hits: 0,
            last: Tag(0),
            tagger,
            dimensions,
            filter,
        }
    }

    /// The series of `key`; a new one is made while there is room. No allocation for a known key.
    pub fn intern(&mut self, key: &impl Keyed) -> Found {
        let (mut draft, dimensions) = (Draft::new(), self.dimensions.len());
        let (tag, _) = self.read_words(key, &mut draft.words[..self.words()]);
        match self.find(tag) {
            Some(id) => Found { id, refused_sums: 0 },
            None => self.admit(&mut draft, tag, &|at| text_of(key, dimensions, at)),
        }
    }

    /// The series of the key with these words, which say all of it, and with their tag.
    pub fn intern_words(&mut self, words: &[Word], tag: Tag) -> Found {
        if let Some(id) = self.find(tag) {
            return Found { id, refused_sums: 0 };
        }
        let mut draft = Draft::new();
        draft.words[..words.len()].copy_from_slice(words);
        self.admit(&mut draft, tag, &|_| "")
    }

    /// Adds the series of a key that has none, by its tag and the codes of its values; `None` where the limit
    /// is met, which only the texts can tell the way on from.
    pub fn insert_codes(&mut self, tag: Tag, codes: &[u32]) -> Option<SeriesId> {
        (self.len() < self.limit).then(|| {
            let id = self.push(codes, tag);
            debug_assert_eq!(self.tag(&self.key(id)), tag, "codes and tag are those of one key");
            id
        })
    }

    /// The tag of the series that was added last.
    pub fn last_tag(&self) -> Tag {
        self.last
    }

    /// Words of a key: its dimensions, then one currency per sum.
    pub fn words(&self) -> usize {
        self.dimensions.len() + self.sums
    }

    /// Puts the words of `key` into `words`, of which there are [`SeriesTable::words`]. Returns the tag
    /// that stands for them, and whether they say all of the key: no text is too long for a word.
    #[inline(always)]
    pub fn read_words(&self, key: &impl Keyed, words: &mut [Word]) -> (Tag, bool) {
        let mut whole = true;
        let tag = self.each_word(key, |at, word| {
            words[at] = word;
            whole &= word.is_text();
        });
        (tag, whole)
    }

    /// The tag that stands for `key`.
    #[inline(always)]
    pub fn tag(&self, key: &impl Keyed) -> Tag {
        self.each_word(key, |_, _| {})
    }

    /// Gives every word of `key` with its place; returns the tag that stands for them.
    #[inline(always)]
    fn each_word(&self, key: &impl Keyed, mut give: impl FnMut(usize, Word)) -> Tag {
        let (dimensions, words) = (self.dimensions.len(), self.words());
        let (keys, mut sum) = (self.tagger.keys(words), 0u128);
        for (at, pair) in keys[..dimensions].iter().enumerate() {
            let word = key.dimension_word(at).unwrap_or_else(|| self.tagger.word(key.dimension(at)));
            sum = sum.wrapping_add(Tagger::product(pair, word));
            give(at, word);
        }
        for (at, pair) in keys[dimensions..].iter().enumerate() {
            let word = key.currency_word(at).unwrap_or_else(|| self.tagger.word(key.currency(at)));
            sum = sum.wrapping_add(Tagger::product(pair, word));
            give(dimensions + at, word);
        }
        self.tagger.spread(sum)
    }

    /// The series with this tag, if its key is known. All its amounts can be kept.
    #[inline(always)]
    pub fn find(&self, tag: Tag) -> Option<SeriesId> {
        self.index.find(tag).map(SeriesId)
    }

    /// Asks for the memory in which [`SeriesTable::find`] will look.
    #[inline(always)]
    pub fn prefetch(&self, tag: Tag) {
        self.index.prefetch(tag);
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many events met the limit since the table was made or told to forget.
    pub fn cap_hits(&self) -> u64 {
        self.cap_hits
    }

    /// The codes of a series' values, by the place of each in [`SeriesTable::values`].
    pub fn codes(&self, id: SeriesId) -> &[u32] {
        self.codes.row(id.index())
    }

    /// Every value in a place of the keys, by code: of a dimension, or behind these of a sum's currency.
    pub fn values(&self, place: usize) -> impl Iterator<Item = &Arc<str>> {
        self.dimensions.get(place).unwrap_or(&self.currencies).texts()
    }

    /// The texts of a series of this table.
    pub fn key(&self, id: SeriesId) -> SeriesKey {
        let codes = &self.codes.row(id.index())[..self.words()];
        let (dimensions, currencies) = codes.split_at(self.dimensions.len());
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
        self.index = TagIndex::new();
        self.cap_hits = 0;
        self.widest = None;
        self.currencies = Values::new(&self.tagger);
        for (at, values) in self.dimensions.iter_mut().enumerate() {
            let mut fresh = Values::new(&self.tagger);
            if let Some(filter) = &mut self.filter[at] {
                filter.iter_mut().for_each(|code| *code = fresh.insert(values.text(*code), &self.tagger));
            }
            *values = fresh;
        }
        keys.iter().map(|key| key.as_ref().map(|key| self.insert_whole(key))).collect()
    }

    /// The coarsest key above that of `id`: where its remains go when it is forgotten.
    pub fn coarsest(&mut self, id: SeriesId) -> SeriesId {
        let mut draft = Draft::new();
        let codes = self.codes.row(id.index());
        draft.codes[..codes.len()].copy_from_slice(codes);
        for at in 0..self.words() {
            let values = self.dimensions.get(at).unwrap_or(&self.currencies);
            draft.words[at] = self.tagger.word(values.text(draft.codes[at]));
        }
        self.blur(&mut draft);
        self.find_draft(&draft).unwrap_or_else(|| self.push_draft(&draft))
    }

    /// Reads the codes of a key whose words are known. Its currencies are added to those that are known
    /// while there is room.
    fn read_codes(&mut self, draft: &mut Draft, long: Long<'_>) {
        for (at, values) in self.dimensions.iter().enumerate() {
            draft.codes[at] = values.code(draft.words[at], &self.tagger);
        }
        for sum in 0..self.sums {
            let at = self.dimensions.len() + sum;
            match self.currency(draft.words[at], &|| long(at)) {
                Some(code) => draft.codes[at] = code,
                None => {
                    draft.set(at, EMPTY, Word::default());
                    draft.refused_sums |= 1 << sum;
                }
            }
        }
    }

    /// The code of a currency, which is added while there is room.
    fn currency<'a>(&mut self, word: Word, long: &dyn Fn() -> &'a str) -> Option<u32> {
        match self.currencies.code(word, &self.tagger) {
            UNKNOWN if self.currencies.len() < Limits::CURRENCIES => {
                Some(self.currencies.insert_word(word, long, &self.tagger))
            }
            UNKNOWN => None,
            code => Some(code),
        }
    }

    fn find_draft(&self, draft: &Draft) -> Option<SeriesId> {
        self.find(self.tag_of(draft))
    }

    fn tag_of(&self, draft: &Draft) -> Tag {
        self.tagger.tag(draft.words[..self.words()].iter().copied())
    }

    /// Makes a series for a key that has none as it is, or finds the coarser one it is counted under. `tag` is
    /// the key's.
    #[cold]
    fn admit(&mut self, draft: &mut Draft, tag: Tag, long: Long<'_>) -> Found {
        self.read_codes(draft, long);
        let refused_sums = draft.refused_sums;
        let tag = if refused_sums == 0 { tag } else { self.tag_of(draft) };
        if refused_sums != 0
            && let Some(id) = self.find(tag)
        {
            return Found { id, refused_sums };
        }
        if self.len() < self.limit {
            return Found { id: self.insert(draft, tag, long), refused_sums };
        }
        if self.cap_hits == 0 {
            self.widest = self.widest();
        }
        self.cap_hits += 1;
        let reserve = self.limit / 10;
        if let Some(widest) = self.widest {
            draft.set(widest, OTHER_CODE, self.tagger.word(OTHER));
            if let Some(id) = self.find_draft(draft) {
                return Found { id, refused_sums };
            }
            if self.len() < self.limit + reserve {
                return Found { id: self.insert(draft, self.tag_of(draft), long), refused_sums };
            }
        }
        self.blur(draft);
        if let Some(id) = self.find_draft(draft) {
            return Found { id, refused_sums };
        }
        if self.len() < self.limit + 2 * reserve {
            return Found { id: self.push_draft(draft), refused_sums };
        }
        let refused_sums = refused_sums | self.drop_currencies(draft);
        Found { id: self.find_draft(draft).unwrap_or_else(|| self.push_draft(draft)), refused_sums }
    }

    /// The dimension with the most values among those the filter does not ask for.
    fn widest(&self) -> Option<usize> {
        let free = (0..self.dimensions.len()).filter(|&at| self.filter[at].is_none());
        free.max_by_key(|&at| (self.dimensions[at].len(), std::cmp::Reverse(at)))
    }

    /// Makes every dimension `__other__`, but keeps the filter's own values.
    fn blur(&self, draft: &mut Draft) {
        let other = self.tagger.word(OTHER);
        for (at, filter) in self.filter.iter().enumerate() {
            let kept = filter.as_ref().is_some_and(|values| values.contains(&draft.codes[at]));
            if !kept {
                draft.set(at, OTHER_CODE, other);
            }
        }
    }

    /// Gives up the currencies; one bit for each sum that had one.
    fn drop_currencies(&self, draft: &mut Draft) -> u8 {
        let mut refused = 0;
        for sum in 0..self.sums {
            let at = self.dimensions.len() + sum;
            refused |= u8::from(draft.codes[at] != EMPTY) << sum;
            draft.set(at, EMPTY, Word::default());
        }
        refused
    }

    /// Adds a series, and the values that were [`UNKNOWN`].
    fn insert(&mut self, draft: &mut Draft, tag: Tag, long: Long<'_>) -> SeriesId {
        for (at, values) in self.dimensions.iter_mut().enumerate() {
            if draft.codes[at] == UNKNOWN {
                draft.codes[at] = values.insert_word(draft.words[at], &|| long(at), &self.tagger);
            }
        }
        self.push(&draft.codes, tag)
    }

    /// Puts back a series that the table had, regardless of the limit.
    pub fn put_back(&mut self, key: &SeriesKey) -> SeriesId {
        let (mut draft, words) = (Draft::new(), self.words());
        let (tag, _) = self.read_words(key, &mut draft.words[..words]);
        self.find(tag).unwrap_or_else(|| self.insert_whole(key))
    }

    /// The dimension that gave way when the limit was met, and how often it was met.
    pub fn met_limit(&self) -> (Option<usize>, u64) {
        (self.widest, self.cap_hits)
    }

    /// Puts back what [`SeriesTable::met_limit`] told.
    pub fn put_met_limit(&mut self, (widest, cap_hits): (Option<usize>, u64)) {
        self.widest = widest.filter(|&at| at < self.dimensions.len());
        self.cap_hits = cap_hits;
    }

    /// Adds a series regardless of the limit, with the currencies it has.
    fn insert_whole(&mut self, key: &SeriesKey) -> SeriesId {
        let (mut draft, words, dimensions) = (Draft::new(), self.words(), self.dimensions.len());
        self.read_words(key, &mut draft.words[..words]);
        let long: Long<'_> = &|at| text_of(key, dimensions, at);
        self.read_codes(&mut draft, long);
        // As it is put in: a currency may have been refused.
        let tag = self.tag_of(&draft);
        self.insert(&mut draft, tag, long)
    }

    fn push_draft(&mut self, draft: &Draft) -> SeriesId {
        self.push(&draft.codes, self.tag_of(draft))
    }

    fn push(&mut self, codes: &[u32], tag: Tag) -> SeriesId {
        let series = u32::try_from(self.len()).expect("series are bounded far below 2^32");
        self.codes.push(codes);
        self.index.insert(tag, series);
        self.last = tag;
        SeriesId(series)
    }
}

/// The text in a place of `key`: its dimensions, then one currency per sum.
fn text_of(key: &impl Keyed, dimensions: usize, at: usize) -> &str {
    if at < dimensions { key.dimension(at) } else { key.currency(at - dimensions) }
}

impl Draft {
    fn new() -> Draft {
        Draft {
            codes: [EMPTY; Limits::DIMENSIONS + Limits::SUMS],
            words: [Word::default(); Limits::DIMENSIONS + Limits::SUMS],
            refused_sums: 0,
        }
    }

    fn set(&mut self, at: usize, code: u32, word: Word) {
        self.codes[at] = code;
        self.words[at] = word;
    }
}
