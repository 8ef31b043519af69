//! A lane's counts since the last cut: one cell per series and minute that was touched.
//!
//! Each series remembers its last cell, so that an event of a known series in the same minute as the
//! one before costs no search. Memory is kept from cut to cut; a delta gets exact copies.

use std::sync::Arc;

use datasketches::hll::Coupon;
use hashbrown::HashTable;

use super::delta::{CellKey, EventLog, IdEvent, StreamDelta};
use crate::intern::{Keyed, SeriesTable};
use crate::model::{Limits, MAX_CELL, Minute, SeriesId, SourceId, StreamSpec};

/// Coupons a lane has room for per stream from the beginning.
const COUPONS: usize = 1 << 14;

/// Where a series was counted last; valid while `epoch` is the current one.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    epoch: u32,
    minute: Minute,
    cell: u32,
}

/// One stream in one lane.
#[derive(Debug)]
pub(super) struct LaneStream {
    pub(super) series: SeriesTable,
    generation: u32,
    defined: u32,
    cap_hits_told: u64,
    epoch: u32,
    slots: Vec<Slot>,
    index: HashTable<u32>,
    keys: Vec<CellKey>,
    values: Vec<i64>,
    width: usize,
    distincts: u32,
    coupons: Vec<(u32, Coupon)>,
    events: EventLog,
}

impl LaneStream {
    pub(super) fn new(stream: &StreamSpec, limits: &Limits, seed: u64) -> LaneStream {
        let coupons = if stream.distincts.is_empty() || !stream.id.is_empty() { 0 } else { COUPONS };
        LaneStream {
            series: SeriesTable::new(stream, limits.series, seed),
            generation: 0,
            defined: 0,
            cap_hits_told: 0,
            epoch: 1,
            slots: Vec::new(),
            index: HashTable::new(),
            keys: Vec::new(),
            values: Vec::new(),
            width: 2 + stream.sums.len(),
            distincts: stream.distincts.len() as u32,
            coupons: Vec::with_capacity(coupons),
            events: EventLog::default(),
        }
    }

    /// The series of a key and the sums that can't be kept for it.
    pub(super) fn intern(&mut self, key: &impl Keyed) -> (SeriesId, u8) {
        let found = self.series.intern(key);
        if found.id.index() >= self.slots.len() {
            self.slots.resize(found.id.index() + 1, Slot::default());
        }
        (found.id, found.refused_sums)
    }

    /// The cell of a series and minute, made if it is new since the last cut.
    pub(super) fn cell(&mut self, series: SeriesId, minute: Minute, source: SourceId) -> u32 {
        let slot = self.slots[series.index()];
        if slot.epoch == self.epoch && slot.minute == minute {
            return slot.cell;
        }
        let cell = self.find_or_make(CellKey { minute, series, source });
        self.slots[series.index()] = Slot { epoch: self.epoch, minute, cell };
        cell
    }

    /// Adds a line and its weight (in millionths) to a cell.
    pub(super) fn weigh(&mut self, cell: u32, weight: i64) {
        let at = cell as usize * self.width;
        self.values[at] += 1;
        self.values[at + 1] = self.values[at + 1].saturating_add(weight);
    }

    /// Adds an amount to a cell; `false` if the cell would leave its range, then nothing was added.
    pub(super) fn add(&mut self, cell: u32, sum: usize, amount: i64) -> bool {
        add_within_range(&mut self.values[cell as usize * self.width + 2 + sum], amount)
    }

    /// Notes a distinct value of a cell.
    pub(super) fn note(&mut self, cell: u32, distinct: u8, coupon: Coupon) {
        self.coupons.push((cell * self.distincts + u32::from(distinct), coupon));
    }

    /// Logs an event that is counted only after deduplication.
    pub(super) fn log(
        &mut self,
        head: IdEvent,
        sums: impl Iterator<Item = i64>,
        coupons: impl Iterator<Item = Option<Coupon>>,
    ) {
        self.events.heads.push(head);
        self.events.sums.extend(sums);
        self.events.coupons.extend(coupons);
    }

    /// Cells and events since the last cut.
    pub(super) fn pending(&self) -> usize {
        self.keys.len() + self.events.heads.len()
    }

    /// What was counted since the last cut; begins anew.
    pub(super) fn cut(&mut self) -> StreamDelta {
        let known = self.series.len() as u32;
        let delta = StreamDelta {
            generation: self.generation,
            first_new: self.defined,
            new_series: (self.defined..known).map(|id| Arc::new(self.series.key(SeriesId(id)))).collect(),
            cells: self.keys.clone(),
            values: self.values.clone(),
            coupons: self.coupons.clone(),
            events: self.events.clone(),
        };
        self.defined = known;
        self.empty();
        delta
    }

    /// Events that met the series limit since this was last asked.
    pub(super) fn new_cap_hits(&mut self) -> u64 {
        let told = std::mem::replace(&mut self.cap_hits_told, self.series.cap_hits());
        self.cap_hits_told - told
    }

    /// Forgets every series, so that the live ones find room again. Only right after a cut.
    pub(super) fn forget_series(&mut self) {
        debug_assert!(self.keys.is_empty() && self.events.heads.is_empty());
        self.series.clear();
        self.slots.clear();
        self.generation += 1;
        self.defined = 0;
        self.cap_hits_told = 0;
    }

    fn empty(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            // Slots of 2^32 cuts ago would seem valid.
            self.slots.fill(Slot::default());
            self.epoch = 1;
        }
        self.index.clear();
        self.keys.clear();
        self.values.clear();
        self.coupons.clear();
        self.events.heads.clear();
        self.events.sums.clear();
        self.events.coupons.clear();
    }

    fn find_or_make(&mut self, key: CellKey) -> u32 {
        let LaneStream { index, keys, values, width, .. } = self;
        let hash = |key: &CellKey| cell_hash(key.series, key.minute);
        let same = |&cell: &u32| {
            keys[cell as usize].series == key.series && keys[cell as usize].minute == key.minute
        };
        if let Some(&cell) = index.find(hash(&key), same) {
            return cell;
        }
        let cell = u32::try_from(keys.len()).expect("a lane is cut long before 2^32 cells");
        keys.push(key);
        values.resize(values.len() + *width, 0);
        index.insert_unique(hash(&key), cell, |&cell| hash(&keys[cell as usize]));
        cell
    }
}

/// Spreads two dense numbers over 64 bits. They are ids of our own making, so no seed is needed.
pub(super) fn cell_hash(series: SeriesId, minute: Minute) -> u64 {
    mixed(u64::from(series.0) << 32 | u64::from(minute.0 as u32))
}

/// Each number becomes another one that looks random; no two become the same.
fn mixed(number: u64) -> u64 {
    let mixed = (number ^ number >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ mixed >> 32).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// Adds `amount` to `total` unless the total would leave ±(10^18 − 1); says whether it was added.
pub(super) fn add_within_range(total: &mut i64, amount: i64) -> bool {
    let sum = total.saturating_add(amount);
    let fits = sum.abs() <= MAX_CELL;
    if fits {
        *total = sum;
    }
    fits
}

#[cfg(test)]
mod tests {
    use datasketches::hll::{HllSketch, HllType};

    use super::*;

    /// The estimate of a sketch that gets `count` coupons as a cut hands them on.
    fn estimate(count: u32, seed: u64) -> f64 {
        let mut lane = LaneStream::new(&StreamSpec::example(), &Limits::default(), 1);
        (0..count).for_each(|n| lane.note(0, 0, Coupon::from_value(seed << 32 | u64::from(n))));
        let mut sketch = HllSketch::new(12, HllType::Hll4).unwrap();
        lane.cut().coupons.iter().for_each(|&(_, coupon)| sketch.update_with_coupon(coupon));
        sketch.estimate()
    }

    #[test]
    fn estimates_lean_to_neither_side() {
        for count in [1_000, 4_000, 30_000] {
            let errors = (0..40).map(|seed| estimate(count, seed) / f64::from(count) - 1.0);
            let lean = errors.sum::<f64>() / 40.0;
            assert!(lean.abs() < 0.01, "{count} distinct values: {lean:+.4} off on average");
        }
    }
}
