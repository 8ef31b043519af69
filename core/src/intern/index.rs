//! Tags to ids: open addressing, four entries to a cache line, no pause when it grows.
//!
//! A full table is not copied at once: a larger one begins empty, and each insertion brings a few entries
//! over. Until all are there, what isn't found in the new one is looked for in the old one.

use std::hint::black_box;

use super::tag::Tag;
use crate::simd::prefetch;

/// Entries of an empty index.
const FIRST: usize = 16;
/// Entries of a page of memory.
const PAGE: usize = 4096 / size_of::<[u64; 2]>();
/// Old entries that are brought over by one insertion. At 2 all would be over just before the
/// next growth.
const BROUGHT: usize = 8;

/// Ids by tag. An entry is the id + 1 and the tag; 0 is a free place.
#[derive(Debug)]
pub(crate) struct TagIndex {
    entries: Entries,
    old: Entries,
    brought: usize,
    /// Pages of `entries` that were written to, from the beginning.
    touched: usize,
    len: usize,
}

/// A power of two of entries. Where a tag is looked for first is said by its highest bits.
#[derive(Debug, Default)]
struct Entries {
    all: Vec<[u64; 2]>,
    shift: u32,
}

impl TagIndex {
    /// An index without entries.
    pub(crate) fn new() -> TagIndex {
        TagIndex { entries: Entries::new(FIRST), old: Entries::default(), brought: 0, touched: 0, len: 0 }
    }

    /// The id that was put in under a tag.
    #[inline(always)]
    pub(crate) fn find(&self, tag: Tag) -> Option<u32> {
        match self.entries.find(tag) {
            None if !self.old.all.is_empty() => self.old.find(tag),
            found => found,
        }
    }

    /// Asks for the memory in which [`TagIndex::find`] will look.
    #[inline(always)]
    pub(crate) fn prefetch(&self, tag: Tag) {
        prefetch(&self.entries.all, self.entries.home(tag));
        if !self.old.all.is_empty() {
            prefetch(&self.old.all, self.old.home(tag));
        }
    }

    /// Puts an id in under a tag that is not there yet. Ids are below 2^32 − 1.
    pub(crate) fn insert(&mut self, tag: Tag, id: u32) {
        self.len += 1;
        if self.len * 2 > self.entries.all.len() {
            let larger = Entries::new(self.entries.all.len() * 2);
            self.old = std::mem::replace(&mut self.entries, larger);
            (self.brought, self.touched) = (0, 0);
        }
        self.entries.touch(self.touched);
        self.touched += 1;
        for entry in self.old.all.iter().skip(self.brought).take(BROUGHT).filter(|entry| entry[0] != 0) {
            self.entries.place(*entry);
        }
        self.brought += BROUGHT;
        if self.brought >= self.old.all.len() {
            self.old = Entries::default();
        }
        self.entries.place([u64::from(id + 1), tag.0]);
    }
}

impl Entries {
    fn new(count: usize) -> Entries {
        Entries { all: vec![[0; 2]; count], shift: u64::BITS - count.trailing_zeros() }
    }

    #[inline(always)]
    fn home(&self, tag: Tag) -> usize {
        (tag.0 >> self.shift) as usize
    }

    #[inline(always)]
    fn find(&self, tag: Tag) -> Option<u32> {
        let mut at = self.home(tag);
        loop {
            let [next_id, known] = self.all[at & (self.all.len() - 1)];
            if next_id == 0 {
                return None;
            }
            if known == tag.0 {
                return Some((next_id - 1) as u32);
            }
            at += 1;
        }
    }

    /// Writes to a page: one that is read first becomes memory of its own only when it is written to later, which
    /// is a second fault. It was 3 % of what a million new series cost.
    fn touch(&mut self, page: usize) {
        if let Some(entry) = self.all.get_mut(page * PAGE) {
            entry[0] = black_box(entry[0]);
        }
    }

    fn place(&mut self, entry: [u64; 2]) {
        let mask = self.all.len() - 1;
        let mut at = self.home(Tag(entry[1]));
        while self.all[at & mask][0] != 0 {
            at += 1;
        }
        self.all[at & mask] = entry;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_map_while_it_grows(
            // Few homes and few tags, so that they share them.
            tags in prop::collection::vec((0..40u8, 0..30u8), 0..2000),
        ) {
            let mut index = TagIndex::new();
            let mut plain = HashMap::new();
            for (at, (home, rest)) in tags.into_iter().enumerate() {
                let tag = Tag(u64::from(home) << 58 | u64::from(rest));
                prop_assert_eq!(index.find(tag), plain.get(&tag.0).copied());
                if let std::collections::hash_map::Entry::Vacant(place) = plain.entry(tag.0) {
                    place.insert(at as u32);
                    index.insert(tag, at as u32);
                }
                index.prefetch(tag);
            }
            for (key, id) in plain {
                prop_assert_eq!(index.find(Tag(key)), Some(id));
            }
        }
    }
}
