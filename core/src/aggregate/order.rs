//! The order of series by key, so that closing a minute compares no texts.
//!
//! It is worked out anew only when series have come: a few new ones are put where they belong, many are
//! sorted together with the old ones by the ranks of their values.

use std::sync::Arc;

use crate::intern::SeriesTable;
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
    /// Takes in the series that are new since the last call. `keys` are those of `table`'s series.
    pub(super) fn refresh(&mut self, keys: &[Arc<SeriesKey>], table: &SeriesTable) {
        let known = self.sorted.len();
        if known == keys.len() {
            return;
        }
        let fresh = (known as u32..keys.len() as u32).map(SeriesId);
        if (keys.len() - known) * FEW < keys.len() {
            self.insert(fresh.collect(), keys);
        } else {
            self.sorted.extend(fresh);
            if !sort_by_ranks(&mut self.sorted, table) {
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

/// Sorts by one number per series, made of the rank of each of its values; `false` if it has no room.
fn sort_by_ranks(ids: &mut [SeriesId], table: &SeriesTable) -> bool {
    let columns: Vec<Ranks> = (0..table.words()).map(|at| Ranks::of(table, at)).collect();
    let id_bits = bits_for(table.len());
    match columns.iter().map(|ranks| ranks.bits).sum::<u32>() + id_bits {
        0..=64 => {
            let number = |id, rank| (rank as u64) << id_bits | u64::from(id);
            sort_by(ids, |id| number(id.0, rank_of(table.codes(id), &columns)), |number| number as u32);
        }
        65..=128 => {
            let number = |id, rank| rank << id_bits | u128::from(id);
            sort_by(ids, |id| number(id.0, rank_of(table.codes(id), &columns)), |number| number as u32);
        }
        _ => return false,
    }
    if id_bits < u32::BITS {
        ids.iter_mut().for_each(|id| id.0 &= (1 << id_bits) - 1);
    }
    true
}

/// Sorts by numbers whose lowest bits are the id.
fn sort_by<N: Ord>(ids: &mut [SeriesId], number: impl Fn(SeriesId) -> N, id: impl Fn(N) -> u32) {
    let mut numbers: Vec<N> = ids.iter().map(|&id| number(id)).collect();
    numbers.sort_unstable();
    ids.iter_mut().zip(numbers).for_each(|(place, number)| *place = SeriesId(id(number)));
}

/// The ranks of a series' values as one number.
fn rank_of(codes: &[u32], columns: &[Ranks]) -> u128 {
    let ranked = codes.iter().zip(columns);
    ranked.fold(0, |all, (&code, ranks)| all << ranks.bits | u128::from(ranks.by_code[code as usize]))
}

fn bits_for(count: usize) -> u32 {
    usize::BITS - count.leading_zeros()
}

/// The ranks of the values in a place of the keys.
struct Ranks {
    by_code: Vec<u32>,
    /// Bits that a rank takes.
    bits: u32,
}

impl Ranks {
    fn of(table: &SeriesTable, place: usize) -> Ranks {
        let mut values: Vec<(&Arc<str>, u32)> = table.values(place).zip(0..).collect();
        values.sort_unstable();
        let mut by_code = vec![0; values.len()];
        for ((_, code), rank) in values.iter().zip(0..) {
            by_code[*code as usize] = rank;
        }
        Ranks { bits: bits_for(by_code.len()), by_code }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    use crate::model::StreamSpec;

    fn key([a, b, c, d]: [u8; 4]) -> SeriesKey {
        let text = |n: u8| Arc::from(format!("{:x}", u32::from(n) * u32::from(n)));
        let dimensions = [text(a), text(b), text(c), text(0)].into();
        SeriesKey { dimensions, currencies: [text(d)].into(), watched: true }
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_keys(
            parts in prop::collection::vec(
                prop::collection::vec((0..40u8, 0..40u8, 0..3u8, 0..9u8).prop_map(<[u8; 4]>::from), 0..60),
                1..6,
            ),
        ) {
            let mut table = SeriesTable::new(&StreamSpec::example(), 1_000, 7);
            let (mut keys, mut order) = (Vec::new(), Order::default());
            for part in parts {
                for texts in part {
                    let id = table.intern(&key(texts)).id;
                    if id.index() == keys.len() {
                        keys.push(Arc::new(table.key(id)));
                    }
                }
                order.refresh(&keys, &table);
                prop_assert!(order.sorted().is_sorted_by_key(|id| &keys[id.index()]));
                prop_assert_eq!(order.sorted().len(), keys.len());
                let places = order.sorted().iter().map(|&id| order.place(id));
                prop_assert!(places.eq(0..keys.len() as u32));
            }
        }
    }
}
