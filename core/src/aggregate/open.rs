//! A minute that is still being counted: what every series has that was not handed out yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use datasketches::hll::{Coupon, HllSketch, HllType, HllUnion};
use hashbrown::HashTable;

use super::cells::{add_within_range, cell_hash};
use super::series::StreamSeries;
use super::sources::OriginKey;
use crate::model::{Minute, Money, SealedRow, SeriesId, Weight};

/// lgK of every sketch; the format of the datasets is frozen with it.
const LG_K: u8 = 12;

/// The cells of one minute. Rows take out what is in it; what comes later goes to later rows.
#[derive(Debug, Default)]
pub(super) struct OpenMinute {
    index: HashTable<u32>,
    series: Vec<SeriesId>,
    /// Per cell: weight in millionths, then one amount per sum.
    values: Vec<i64>,
    /// Per cell and distinct.
    sketches: Vec<Option<Box<HllSketch>>>,
    /// Lines by sending host.
    pub(super) lines: BTreeMap<OriginKey, u64>,
    /// Rows that were handed out while the minute was open.
    pub(super) earlier: Vec<SealedRow>,
}

/// How many sums and distincts a stream's cells have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) sums: usize,
    pub(super) distincts: usize,
}

impl OpenMinute {
    /// The cell of a series, made if it is new.
    pub(super) fn cell(&mut self, series: SeriesId, shape: Shape) -> usize {
        let OpenMinute { index, series: all, values, sketches, .. } = self;
        let hash = |series: SeriesId| cell_hash(series, Minute(0));
        if let Some(&cell) = index.find(hash(series), |&cell| all[cell as usize] == series) {
            return cell as usize;
        }
        let cell = all.len();
        all.push(series);
        values.resize(values.len() + 1 + shape.sums, 0);
        sketches.resize_with(sketches.len() + shape.distincts, || None);
        index.insert_unique(hash(series), cell as u32, |&cell| hash(all[cell as usize]));
        cell
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

    /// Notes a distinct value.
    pub(super) fn note(&mut self, cell: usize, shape: Shape, distinct: usize, coupon: Coupon) {
        let sketch = &mut self.sketches[cell * shape.distincts + distinct];
        sketch.get_or_insert_with(|| Box::new(empty_sketch())).update_with_coupon(coupon);
    }

    /// Adds a sketch that was saved.
    pub(super) fn unite(&mut self, cell: usize, shape: Shape, distinct: usize, sketch: HllSketch) {
        let mine = &mut self.sketches[cell * shape.distincts + distinct];
        *mine = Some(Box::new(match mine.take() {
            None => sketch,
            Some(mine) => union(&mine, &sketch),
        }));
    }

    /// Every cell: its series, its weight and amounts, its sketches.
    pub(super) fn cells(
        &self,
        shape: Shape,
    ) -> impl Iterator<Item = (SeriesId, &[i64], &[Option<Box<HllSketch>>])> {
        let width = 1 + shape.sums;
        self.series.iter().enumerate().map(move |(cell, &series)| {
            let sketches = &self.sketches[cell * shape.distincts..][..shape.distincts];
            (series, &self.values[cell * width..][..width], sketches)
        })
    }

    /// Series with a cell.
    pub(super) fn series(&self) -> &[SeriesId] {
        &self.series
    }

    /// Takes everything out as rows sorted by key. Fractions of events are carried on per series.
    pub(super) fn take_rows(&mut self, shape: Shape, series: &mut StreamSeries) -> Vec<SealedRow> {
        let mut rows: Vec<SealedRow> = Vec::with_capacity(self.series.len());
        for (id, values, sketches) in self.cells(shape) {
            let count = series.whole_events(id, Weight(values[0]));
            let row = SealedRow {
                key: Arc::clone(series.key(id)),
                count,
                sums: values[1..].iter().map(|&amount| Money(amount)).collect(),
                sketches: sketches.iter().map(serialised).collect(),
            };
            if holds_something(&row) {
                rows.push(row);
            }
        }
        rows.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        self.clear_cells();
        rows
    }

    /// Gives every cell its series' new id.
    pub(super) fn remap(&mut self, new_ids: &[Option<SeriesId>]) {
        for series in &mut self.series {
            *series = new_ids[series.index()].expect("series with cells are kept");
        }
        self.index.clear();
        let OpenMinute { index, series: all, .. } = self;
        for (cell, &series) in all.iter().enumerate() {
            index.insert_unique(cell_hash(series, Minute(0)), cell as u32, |&cell| {
                cell_hash(all[cell as usize], Minute(0))
            });
        }
    }

    fn clear_cells(&mut self) {
        self.index.clear();
        self.series.clear();
        self.values.clear();
        self.sketches.clear();
    }
}

fn empty_sketch() -> HllSketch {
    HllSketch::new(LG_K, HllType::Hll4).expect("12 is a valid lgK")
}

fn union(one: &HllSketch, other: &HllSketch) -> HllSketch {
    let mut union = HllUnion::new(LG_K).expect("12 is a valid lgK");
    union.update(one);
    union.update(other);
    union.to_sketch(HllType::Hll4)
}

fn serialised(sketch: &Option<Box<HllSketch>>) -> Box<[u8]> {
    sketch.as_ref().map(|sketch| sketch.serialize().into_boxed_slice()).unwrap_or_default()
}

/// A row of nothing (a fraction of an event that is carried on) is not worth writing.
fn holds_something(row: &SealedRow) -> bool {
    row.count != 0 || row.sums.iter().any(|sum| sum.0 != 0) || row.sketches.iter().any(|s| !s.is_empty())
}
