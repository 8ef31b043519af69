//! Slices that span time zones: what they expect is what their parts expect, each in its own zone.
//!
//! Where the clocks change on different days, no weekly profile in one zone fits the sum.

use super::SliceTable;
use super::bank::Bank;
use crate::baseline::Sides;
use crate::model::{Slice, SliceId};
use crate::simd::column::*;

/// No whole that spans zones.
const NONE: u32 = u32::MAX;

/// Which slice is whose part: the same one without the condition that selects the zone.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    /// Dimension that selects the zone.
    by: Option<String>,
    whole_of: Vec<u32>,
    /// Slices that have parts.
    spans: Vec<bool>,
    /// All that is in a whole is in one of its parts.
    complete: bool,
    sums: Vec<Sum>,
}

/// What the parts of a slice that have a profile come to.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    left: f32,
    right: f32,
    weeks: f32,
    /// Of those that are counted in for the first time.
    new: f32,
}

impl Parts {
    pub(super) fn new(by: Option<String>) -> Parts {
        Parts { by, ..Parts::default() }
    }

    /// Learns whose part a slice is. Its whole, if it is watched, has been found before or with it.
    pub(super) fn place(&mut self, table: &SliceTable, id: SliceId) {
        self.whole_of.resize(table.slots(), NONE);
        self.spans.resize(table.slots(), false);
        let whole = self.whole(table, id);
        self.whole_of[id.index()] = whole.map_or(NONE, |whole| whole.0);
        if let Some(whole) = whole {
            self.spans[whole.index()] = true;
        }
    }

    fn whole(&self, table: &SliceTable, id: SliceId) -> Option<SliceId> {
        let mut conditions = table.get(id)?.0.clone();
        conditions.remove(self.by.as_ref()?)?;
        table.find(&Slice(conditions))
    }

    /// Forgets a slice as a part and as a whole.
    pub(super) fn forget(&mut self, slice: usize) {
        let gone = |whole: &u32| *whole as usize == slice;
        self.whole_of.iter_mut().filter(|whole| gone(whole)).for_each(|whole| *whole = NONE);
        if let Some(whole) = self.whole_of.get_mut(slice) {
            *whole = NONE;
            self.spans[slice] = false;
        }
    }

    /// Gives a slice its own profile; one that has that of its parts keeps it.
    pub(super) fn give_own(&self, bank: &mut Bank, slice: usize, own: Sides) {
        let composed = bank.get(slice, COMPOSED) > 0.0 && self.spans.get(slice) == Some(&true);
        if !composed {
            bank.set_sides(slice, own);
        } else if !self.complete && own.left + own.right > 0.0 {
            let before = bank.get(slice, LEFT) + bank.get(slice, RIGHT);
            bank.rescale(slice, before / (own.left + own.right));
            bank.set(slice, COMPOSED, 0.0);
            bank.set_sides(slice, own);
        }
    }

    /// Gives every slice that has parts the sum of their profiles. What is new in a sum changes nothing of
    /// what is expected at this moment.
    ///
    /// A key that no slice counts (`refused_keys`) is in a whole, but in none of its parts: then all keep
    /// to their own.
    pub(super) fn compose(&mut self, bank: &mut Bank, refused_keys: u64) {
        self.complete = refused_keys == 0;
        if !self.complete || !self.spans.contains(&true) {
            return;
        }
        self.sums.clear();
        self.sums.resize(self.whole_of.len(), Sum::default());
        for (part, whole) in self.whole_of.iter().enumerate().filter(|(_, whole)| **whole != NONE) {
            if bank.is_ready(part) && bank.is_ready(*whole as usize) {
                self.sums[*whole as usize].count_in(bank, part);
            }
        }
        for (whole, sum) in self.sums.iter().enumerate().filter(|(_, sum)| sum.left + sum.right > 0.0) {
            sum.give(bank, whole);
        }
    }
}

impl Sum {
    fn count_in(&mut self, bank: &mut Bank, part: usize) {
        let level = bank.get(part, SLOW);
        let (left, right) = (level * bank.get(part, LEFT), level * bank.get(part, RIGHT));
        self.left += left;
        self.right += right;
        self.weeks += (left + right) * bank.get(part, WEEKS);
        if bank.get(part, COMPOSED) == 0.0 {
            bank.set(part, COMPOSED, 1.0);
            self.new += left + right;
        }
    }

    fn give(&self, bank: &mut Bank, whole: usize) {
        let sum = self.left + self.right;
        let (own, first) = (bank.get(whole, LEFT) + bank.get(whole, RIGHT), bank.get(whole, COMPOSED) == 0.0);
        let before = if first { own } else { sum - self.new };
        if self.new > 0.0 && before > 0.0 {
            bank.rescale(whole, before / sum);
        }
        bank.set(whole, COMPOSED, 1.0);
        bank.set_sides(whole, Sides { left: self.left, right: self.right, weeks: self.weeks / sum });
    }
}
