//! Deduplication by event id, where all lanes meet.
//!
//! A duplicate is an event whose id was counted at most `dedupe` before, **by arrival**: a sender that
//! repeats itself repeats the event's time, too, so only arrival tells how long ago it was. Ids live
//! in two generations; the older one is dropped when the younger is full or `dedupe` old.

use hashbrown::HashTable;

use super::state::{IdsSaved, RestoreError};
use crate::model::TimeUs;

/// An id that was counted, and when it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    id: [u64; 2],
    arrival: TimeUs,
}

/// The ids of one stream's recent events.
#[derive(Debug)]
pub(super) struct Dedupe {
    window_us: i64,
    /// Most ids per generation.
    room: usize,
    young: HashTable<Seen>,
    old: HashTable<Seen>,
    young_since: TimeUs,
    forced: u64,
}

impl Dedupe {
    /// A window of `window_us` that remembers at most `ids` ids.
    pub(super) fn new(window_us: i64, ids: usize) -> Dedupe {
        Dedupe {
            window_us,
            room: (ids / 2).max(1),
            young: HashTable::new(),
            old: HashTable::new(),
            young_since: TimeUs(i64::MIN),
            forced: 0,
        }
    }

    /// Whether an event with this id is the first in the window; then it is remembered.
    pub(super) fn is_first(&mut self, id: [u64; 2], arrival: TimeUs) -> bool {
        self.turn_over(arrival);
        let repeated = |seen: &Seen| arrival.since_us(seen.arrival).abs() <= self.window_us;
        if let Some(seen) = self.young.find_mut(id[0], |seen| seen.id == id) {
            if repeated(seen) {
                return false;
            }
            seen.arrival = arrival;
            return true;
        }
        if self.old.find(id[0], |seen| seen.id == id).is_some_and(repeated) {
            return false;
        }
        self.young.insert_unique(id[0], Seen { id, arrival }, |seen| seen.id[0]);
        true
    }

    /// Ids that are remembered.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// How often a generation was full before its time: from then on duplicates may have been counted.
    pub(super) fn forced(&self) -> u64 {
        self.forced
    }

    /// Everything that is remembered, for a restart.
    pub(super) fn save(&self) -> IdsSaved {
        let text = |ids: &HashTable<Seen>| {
            let mut ids: Vec<&Seen> = ids.iter().collect();
            ids.sort_unstable_by_key(|seen| (seen.arrival, seen.id));
            ids.iter()
                .map(|seen| format!("{:016x}{:016x}{:016x}", seen.id[0], seen.id[1], seen.arrival.0))
                .collect()
        };
        IdsSaved { since: self.young_since, young: text(&self.young), old: text(&self.old) }
    }

    /// Goes on from what was remembered.
    ///
    /// # Errors
    /// Text that [`Dedupe::save`] did not write.
    pub(super) fn restore(&mut self, saved: &IdsSaved) -> Result<(), RestoreError> {
        self.young_since = saved.since;
        for (ids, text) in [(&mut self.young, &saved.young), (&mut self.old, &saved.old)] {
            for seen in text.as_bytes().chunks(48) {
                let seen = read_id(seen).ok_or(RestoreError::Damaged("an event id"))?;
                ids.insert_unique(seen.id[0], seen, |seen| seen.id[0]);
            }
        }
        Ok(())
    }

    fn turn_over(&mut self, arrival: TimeUs) {
        let full = self.young.len() >= self.room;
        let aged = arrival.since_us(self.young_since) > self.window_us;
        if !full && !aged {
            return;
        }
        self.forced += u64::from(full && !aged);
        std::mem::swap(&mut self.young, &mut self.old);
        self.young.clear();
        self.young_since = arrival;
    }
}

/// Reads 48 hexadecimal digits: an id, then its arrival.
fn read_id(text: &[u8]) -> Option<Seen> {
    let text = std::str::from_utf8(text).ok()?;
    let part = |at: usize| u64::from_str_radix(text.get(at..at + 16)?, 16).ok();
    Some(Seen { id: [part(0)?, part(16)?], arrival: TimeUs(part(32)? as i64) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_is_told_within_the_window_and_only_there() {
        let mut dedupe = Dedupe::new(100, 1000);
        let at = |us: i64| TimeUs(1_000_000 + us);
        assert!(dedupe.is_first([1, 1], at(0)));
        assert!(!dedupe.is_first([1, 1], at(100)));
        assert!(dedupe.is_first([1, 2], at(100)));
        assert!(dedupe.is_first([1, 1], at(101)), "its window is over");
        assert!(!dedupe.is_first([1, 1], at(201)), "and begins anew");
        assert!(!dedupe.is_first([1, 2], at(200)));
        assert_eq!(dedupe.forced(), 0);
    }

    #[test]
    fn memory_is_bounded_and_the_bound_is_counted() {
        let mut dedupe = Dedupe::new(1_000_000, 100);
        for id in 0..10_000u64 {
            assert!(dedupe.is_first([id, id], TimeUs(id as i64)));
            assert!(dedupe.len() <= 100);
        }
        assert!(dedupe.forced() > 100);
        assert!(!dedupe.is_first([9_999, 9_999], TimeUs(10_000)));
    }
}
