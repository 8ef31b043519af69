//! The order of series by key, so that closing a minute compares no texts.
//!
//! It is worked out anew only when series have come: a few new ones are put where they belong, many are
//! sorted together with the old ones by the ranks of their values.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{SeriesId, SeriesKey};

/// With more new series than one in so many, everything is sorted anew.
const FEW: usize = 16;

/// Every series by the order of its key.
#[derive(Debug, Default)]
pub(super) struct Order {
    sorted: Vec<SeriesId>,
    /// The place of each series in `sorted`.
    places: Vec<u32>,
}

impl Order {
    /// Takes in the series that are new since the last call.
    pub(super) fn refresh(&mut self, keys: &[Arc<SeriesKey>]) {
        let known = self.sorted.len();
        if known == keys.len() {
            return;
        }
        let fresh = (known as u32..keys.len() as u32).map(SeriesId);
        if (keys.len() - known) * FEW < keys.len() {
            self.insert(fresh.collect(), keys);
        } else {
            self.sorted.extend(fresh);
            if !sort_by_ranks(&mut self.sorted, keys) {
                self.sorted.sort_unstable_by(|a, b| keys[a.index()].cmp(&keys[b.index()]));
            }
        }
        self.places.resize(keys.len(), 0);
        for (place, id) in (0..).zip(&self.sorted) {
            self.places[id.index()] = place;
        }
    }

    /// Forgets everything: ids mean something else now.
    pub(super) fn clear(&mut self) {
        *self = Order::default();
    }

    /// All series that were there at the last refresh, in order.
    pub(super) fn sorted(&self) -> &[SeriesId] {
        &self.sorted
    }

    /// The place of a series in the order.
    pub(super) fn place(&self, id: SeriesId) -> u32 {
        self.places[id.index()]
    }

    fn insert(&mut self, mut fresh: Vec<SeriesId>, keys: &[Arc<SeriesKey>]) {
        fresh.sort_unstable_by(|a, b| keys[a.index()].cmp(&keys[b.index()]));
        let mut merged = Vec::with_capacity(keys.len());
        let mut rest = self.sorted.as_slice();
        for id in fresh {
            let key = &keys[id.index()];
            let (before, behind) = rest.split_at(rest.partition_point(|old| keys[old.index()] < *key));
            merged.extend_from_slice(before);
            merged.push(id);
            rest = behind;
        }
        merged.extend_from_slice(rest);
        self.sorted = merged;
    }
}

/// Sorts by one number per series, made of the rank of each of its texts; `false` if it has no room.
fn sort_by_ranks(ids: &mut [SeriesId], keys: &[Arc<SeriesKey>]) -> bool {
    let Some(first) = keys.first() else { return true };
    let columns = first.dimensions.len() + first.currencies.len();
    let mut numbers = vec![0u128; ids.len()];
    let mut used_bits = 32;
    for column in 0..columns {
        let ranks = Ranks::of(keys.iter().map(|key| text_of(key, column)));
        let bits = usize::BITS - ranks.different.leading_zeros();
        used_bits += bits;
        if used_bits > u128::BITS {
            return false;
        }
        for (number, id) in numbers.iter_mut().zip(&*ids) {
            *number = *number << bits | u128::from(ranks.rank(text_of(&keys[id.index()], column)));
        }
    }
    for (number, id) in numbers.iter_mut().zip(&*ids) {
        *number = *number << 32 | u128::from(id.0);
    }
    numbers.sort_unstable();
    for (id, number) in ids.iter_mut().zip(numbers) {
        *id = SeriesId(number as u32);
    }
    true
}

fn text_of(key: &SeriesKey, column: usize) -> &Arc<str> {
    let currency = || &key.currencies[column - key.dimensions.len()];
    key.dimensions.get(column).unwrap_or_else(currency)
}

/// The ranks of the texts of a column, by the address of the text: keys share their texts.
struct Ranks {
    by_address: HashMap<*const u8, u32, foldhash::fast::RandomState>,
    different: usize,
}

impl Ranks {
    fn of<'a>(texts: impl Iterator<Item = &'a Arc<str>>) -> Ranks {
        let mut by_address = HashMap::default();
        let mut all: Vec<&Arc<str>> = Vec::new();
        for text in texts {
            by_address.entry(text.as_ptr()).or_insert_with(|| {
                all.push(text);
                0
            });
        }
        all.sort_unstable();
        let mut different = 0;
        for same in all.chunk_by(|a, b| a == b) {
            for text in same {
                by_address.insert(text.as_ptr(), different as u32);
            }
            different += 1;
        }
        Ranks { by_address, different }
    }

    fn rank(&self, text: &Arc<str>) -> u32 {
        self.by_address[&text.as_ptr()]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(texts: &(u8, u8, u8), shared: &[Arc<str>]) -> Arc<SeriesKey> {
        // Some texts are shared between keys, some only have the same letters.
        let text = |n: u8| {
            let shared = &shared[usize::from(n) % shared.len()];
            if n & 1 == 0 { Arc::clone(shared) } else { Arc::from(&**shared) }
        };
        let dimensions = [text(texts.0), text(texts.1)].into();
        Arc::new(SeriesKey { dimensions, currencies: [text(texts.2)].into(), watched: true })
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_keys(
            parts in prop::collection::vec(prop::collection::vec((0..40u8, 0..40u8, 0..9u8), 0..60), 1..6),
        ) {
            let shared: Vec<Arc<str>> = (0..30u32).map(|n| Arc::from(format!("{:x}", n * n))).collect();
            let (mut keys, mut order) = (Vec::new(), Order::default());
            for part in parts {
                keys.extend(part.iter().map(|texts| key(texts, &shared)));
                order.refresh(&keys);
                prop_assert!(order.sorted().is_sorted_by_key(|id| &keys[id.index()]));
                prop_assert_eq!(order.sorted().len(), keys.len());
                let places = order.sorted().iter().map(|&id| order.place(id));
                prop_assert!(places.eq(0..keys.len() as u32));
            }
        }
    }
}
