//! Tags to ids: open addressing, four entries to a cache line, no pause when it grows.
//!
//! A full table is not copied at once: a larger one begins empty, and each insertion brings a few entries
//! over. Until all are there, what isn't found in the new one is looked for in the old one.

use super::tag::Tag;
use crate::simd::prefetch;

/// Entries of an empty index.
const FIRST: usize = 16;
/// Old entries that are brought over by one insertion. At 2 all would be over just before the next growth.
const BROUGHT: usize = 8;

/// Ids by tag. An entry is a tag whose lowest 32 bits are the id + 1; 0 is a free place.
#[derive(Debug)]
pub(crate) struct TagIndex {
    entries: Vec<u128>,
    old: Vec<u128>,
    brought: usize,
    len: usize,
}

impl TagIndex {
    /// An index without entries.
    pub(crate) fn new() -> TagIndex {
        TagIndex { entries: vec![0; FIRST], old: Vec::new(), brought: 0, len: 0 }
    }

    /// The id that was put in under a tag.
    #[inline(always)]
    pub(crate) fn find(&self, tag: Tag) -> Option<u32> {
        match probe(&self.entries, tag) {
            None if !self.old.is_empty() => probe(&self.old, tag),
            found => found,
        }
    }

    /// Asks for the memory in which [`TagIndex::find`] will look.
    #[inline(always)]
    pub(crate) fn prefetch(&self, tag: Tag) {
        prefetch(&self.entries, home(&self.entries, tag));
        if !self.old.is_empty() {
            prefetch(&self.old, home(&self.old, tag));
        }
    }

    /// Puts an id in under a tag that is not there yet. Ids are below 2^32 − 1.
    pub(crate) fn insert(&mut self, tag: Tag, id: u32) {
        self.len += 1;
        if self.len * 8 > self.entries.len() * 5 {
            self.old = std::mem::take(&mut self.entries);
            self.entries = vec![0; self.old.len() * 2];
            self.brought = 0;
        }
        for entry in self.old.iter().skip(self.brought).take(BROUGHT).filter(|entry| **entry != 0) {
            place(&mut self.entries, *entry);
        }
        self.brought += BROUGHT;
        if self.brought >= self.old.len() {
            self.old = Vec::new();
        }
        place(&mut self.entries, tag.0 >> 32 << 32 | u128::from(id + 1));
    }
}

/// Where a tag is looked for first.
#[inline(always)]
fn home(entries: &[u128], tag: Tag) -> usize {
    (tag.0 >> (128 - entries.len().trailing_zeros())) as usize
}

#[inline(always)]
fn probe(entries: &[u128], tag: Tag) -> Option<u32> {
    let mut at = home(entries, tag);
    loop {
        let entry = entries[at & (entries.len() - 1)];
        if (entry ^ tag.0) >> 32 == 0 || entry == 0 {
            return (entry as u32).checked_sub(1);
        }
        at += 1;
    }
}

fn place(entries: &mut [u128], entry: u128) {
    let mut at = home(entries, Tag(entry));
    while entries[at & (entries.len() - 1)] != 0 {
        at += 1;
    }
    let mask = entries.len() - 1;
    entries[at & mask] = entry;
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
                let tag = Tag(u128::from(home) << 122 | u128::from(rest) << 40 | at as u128);
                let key = tag.0 >> 32;
                prop_assert_eq!(index.find(tag), plain.get(&key).copied());
                if let std::collections::hash_map::Entry::Vacant(place) = plain.entry(key) {
                    place.insert(at as u32);
                    index.insert(tag, at as u32);
                }
                index.prefetch(tag);
            }
            for (key, id) in plain {
                prop_assert_eq!(index.find(Tag(key << 32)), Some(id));
            }
        }
    }
}
