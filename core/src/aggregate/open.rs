//! A minute that is still being counted: what every series has that was not handed out yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use datasketches::hll::HllSketch;
use hashbrown::HashTable;

use super::cells::add_within_range;
use super::distincts::Distincts;
use super::series::StreamSeries;
use super::sketch::SketchMaker;
use super::sources::OriginKey;
use crate::model::{Money, SealedRows, SeriesId, Weight};
use crate::simd::prefetch;

/// A minute with at least one cell per so many series finds its cells by array.
const DENSE: usize = 16;
/// A minute with fewer than one cell per so many series finds its cells by hash again.
const SPARSE: usize = 64;
/// How many rows ahead memory is asked for: what a row points to, and what that points to.
const FAR: usize = 24;
const NEAR: usize = 12;
/// No cell.
const NONE: u32 = u32::MAX;

/// The cells of one minute. Rows take out what is in it; what comes later goes to later rows.
#[derive(Debug, Default)]
pub(super) struct OpenMinute {
    index: Index,
    series: Vec<SeriesId>,
    /// Per cell: weight in millionths, then one amount per sum.
    values: Vec<i64>,
    /// By cell × distincts + distinct.
    pub(super) distincts: Distincts,
    /// Lines by sending host.
    pub(super) lines: BTreeMap<OriginKey, u64>,
    /// Rows that were handed out while the minute was open.
    pub(super) earlier: SealedRows,
}

/// Where the cell of a series is: memory is in proportion to the cells, however many series there are.
#[derive(Debug)]
enum Index {
    Sparse(HashTable<u32>),
    /// By series; [`NONE`] for those without a cell.
    Dense(Vec<u32>),
}

/// How many sums and distincts a stream's cells have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) sums: usize,
    pub(super) distincts: usize,
}

impl OpenMinute {
    /// The cell of a series, if it has one.
    pub(super) fn find(&self, series: SeriesId) -> Option<usize> {
        match &self.index {
            Index::Dense(cells) => {
                let cell = cells.get(series.index()).copied().unwrap_or(NONE);
                (cell != NONE).then_some(cell as usize)
            }
            Index::Sparse(cells) => {
                let same = |&cell: &u32| self.series[cell as usize] == series;
                cells.find(spread(series), same).map(|&cell| cell as usize)
            }
        }
    }

    /// The cell of a series, made if it is new.
    pub(super) fn cell(&mut self, series: SeriesId, shape: Shape) -> usize {
        self.find(series).unwrap_or_else(|| self.make(series, shape))
    }

    /// Makes the cell of a series that has none.
    pub(super) fn make(&mut self, series: SeriesId, shape: Shape) -> usize {
        let cell = self.series.len();
        self.series.push(series);
        self.values.resize(self.values.len() + 1 + shape.sums, 0);
        let known = series.index() + 1;
        match &mut self.index {
            Index::Dense(cells) if known > cells.len() && known > SPARSE * (cell + 1) => self.reindex(),
            Index::Dense(cells) => {
                if known > cells.len() {
                    cells.resize(known, NONE);
                }
                cells[series.index()] = cell as u32;
            }
            Index::Sparse(cells) => {
                let all = &self.series;
                cells.insert_unique(spread(series), cell as u32, |&cell| spread(all[cell as usize]));
                // Looked at each time the cells have doubled.
                if self.series.len().is_power_of_two() {
                    self.reindex();
                }
            }
        }
        cell
    }

    /// Asks for the memory in which the cell of a series is found.
    #[inline]
    pub(super) fn ask_for(&self, series: SeriesId) {
        if let Index::Dense(cells) = &self.index {
            prefetch(cells, series.index());
        }
    }

    /// Asks for the memory of the cell of a series.
    #[inline]
    pub(super) fn ask_for_cell(&self, series: SeriesId, shape: Shape) {
        if let Index::Dense(cells) = &self.index
            && let Some(&cell) = cells.get(series.index())
        {
            prefetch(&self.values, (cell as usize).saturating_mul(1 + shape.sums));
        }
    }

    /// Adds a weight in millionths.
    pub(super) fn weigh(&mut self, cell: usize, shape: Shape, weight: i64) {
        let weighed = &mut self.values[cell * (1 + shape.sums)];
        *weighed = weighed.saturating_add(weight);
    }

    /// Adds an amount; `false` if the cell would leave its range, then nothing was added.
    pub(super) fn add(&mut self, cell: usize, shape: Shape, sum: usize, amount: i64) -> bool {
        add_within_range(&mut self.values[cell * (1 + shape.sums) + 1 + sum], amount)
    }

    /// Adds a sketch that was saved.
    pub(super) fn unite(&mut self, cell: usize, shape: Shape, distinct: usize, sketch: HllSketch) {
        self.distincts.unite((cell * shape.distincts + distinct) as u32, sketch);
    }

    /// Makes the log of distinct values smaller.
    pub(super) fn tidy(&mut self, shape: Shape, maker: &mut SketchMaker) {
        self.distincts.tidy(self.series.len() * shape.distincts, maker);
    }

    /// Calls `take` with every cell: its series, its weight and amounts, its serialised sketches.
    pub(super) fn each_cell(&self, shape: Shape, mut take: impl FnMut(SeriesId, &[i64], Vec<Vec<u8>>)) {
        let mut maker = SketchMaker::new(0);
        let distincts = self.distincts.gather(self.series.len() * shape.distincts);
        let mut sketch = |place: usize| {
            let mut bytes = Vec::new();
            distincts.append(place as u32, &mut maker, &mut bytes);
            bytes
        };
        let values = self.values.chunks_exact(1 + shape.sums);
        for (cell, (&series, values)) in self.series.iter().zip(values).enumerate() {
            let first = cell * shape.distincts;
            take(series, values, (first..first + shape.distincts).map(&mut sketch).collect());
        }
    }

    /// Each series with a cell, and its weight in millionths.
    pub(super) fn weights(&self, shape: Shape) -> impl Iterator<Item = (SeriesId, i64)> {
        let values = self.values.chunks_exact(1 + shape.sums);
        self.series.iter().zip(values).map(|(&series, values)| (series, values[0]))
    }

    /// Series with a cell.
    pub(super) fn series(&self) -> &[SeriesId] {
        &self.series
    }

    /// Takes everything out as rows sorted by key. Fractions of events are carried on per series.
    pub(super) fn take_rows(
        &mut self,
        shape: Shape,
        series: &mut StreamSeries,
        maker: &mut SketchMaker,
    ) -> SealedRows {
        let mut rows = SealedRows::with_shape(shape.sums, shape.distincts, self.series.len());
        let distincts = self.distincts.gather(self.series.len() * shape.distincts);
        rows.reserve_sketches(distincts.sketch_bytes(self.series.len() * shape.distincts));
        let cells = self.in_order(series);
        for (at, &(id, cell)) in cells.iter().enumerate() {
            if let Some(&(id, cell)) = cells.get(at + FAR) {
                series.ask_for(id);
                prefetch(&self.values, cell as usize * (1 + shape.sums));
                distincts.ask_for(cell * shape.distincts as u32);
            }
            if let Some(&(id, cell)) = cells.get(at + NEAR) {
                prefetch(std::slice::from_ref(&**series.key(id)), 0);
                distincts.ask_for_coupons(cell * shape.distincts as u32);
            }
            let values = &self.values[cell as usize * (1 + shape.sums)..][..1 + shape.sums];
            let count = series.whole_events(id, Weight(values[0]));
            let first = cell * shape.distincts as u32;
            // A row of nothing (a fraction of an event that is carried on) is not worth writing.
            let some = count != 0
                || values[1..].iter().any(|&amount| amount != 0)
                || (first..first + shape.distincts as u32).any(|place| !distincts.is_empty(place));
            if some {
                let sums = values[1..].iter().map(|&amount| Money(amount));
                rows.add(Arc::clone(series.key(id)), count, sums, |at, bytes| {
                    distincts.append(first + at as u32, maker, bytes);
                });
            }
        }
        self.clear_cells();
        rows
    }

    /// Gives every cell its series' new id.
    pub(super) fn remap(&mut self, new_ids: &[Option<SeriesId>]) {
        for series in &mut self.series {
            *series = new_ids[series.index()].expect("series with cells are kept");
        }
        self.reindex();
    }

    /// Series and cells by the order of the series' keys.
    fn in_order(&self, series: &mut StreamSeries) -> Vec<(SeriesId, u32)> {
        let order = series.order();
        if self.series.len() * DENSE >= order.sorted().len() {
            let mut cells = Vec::with_capacity(self.series.len());
            cells.extend(order.sorted().iter().filter_map(|&id| Some((id, self.find(id)? as u32))));
            return cells;
        }
        let mut cells: Vec<(SeriesId, u32)> = self.series.iter().copied().zip(0..).collect();
        cells.sort_unstable_by_key(|&(id, _)| order.place(id));
        cells
    }

    /// Builds the index anew, in the form that fits the cells.
    fn reindex(&mut self) {
        let known = self.series.iter().map(|series| series.index() + 1).max().unwrap_or(0);
        if self.series.len() * DENSE >= known {
            let mut cells = vec![NONE; known];
            (0..).zip(&self.series).for_each(|(cell, series)| cells[series.index()] = cell);
            self.index = Index::Dense(cells);
        } else {
            let mut cells = HashTable::with_capacity(self.series.len() + 1);
            for (cell, &series) in (0..).zip(&self.series) {
                let all = &self.series;
                cells.insert_unique(spread(series), cell, |&cell: &u32| spread(all[cell as usize]));
            }
            self.index = Index::Sparse(cells);
        }
    }

    fn clear_cells(&mut self) {
        self.index = Index::default();
        self.series = Vec::new();
        self.values = Vec::new();
        self.distincts.clear();
    }
}

impl Default for Index {
    fn default() -> Index {
        Index::Sparse(HashTable::new())
    }
}

/// Spreads a dense id over 64 bits. It is of our own making, so no seed is needed.
fn spread(series: SeriesId) -> u64 {
    let mixed = u64::from(series.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const SHAPE: Shape = Shape { sums: 0, distincts: 0 };

    proptest! {
        #[test]
        fn a_series_has_one_cell_however_they_are_found(
            ids in prop::collection::vec(prop_oneof![0..200u32, 0..5_000u32, 0..2_000_000u32], 0..600),
        ) {
            let (mut minute, mut plain) = (OpenMinute::default(), HashMap::new());
            for id in ids {
                let next = plain.len();
                let cell = *plain.entry(id).or_insert(next);
                prop_assert_eq!(minute.cell(SeriesId(id), SHAPE), cell);
                if let Index::Dense(cells) = &minute.index {
                    prop_assert!(cells.len() <= SPARSE * (minute.series.len() + 1));
                }
            }
            for (id, cell) in plain {
                prop_assert_eq!(minute.find(SeriesId(id)), Some(cell));
                prop_assert_eq!(minute.find(SeriesId(id + 3_000_000)), None);
            }
        }
    }
}
