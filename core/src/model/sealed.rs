//! A sealed minute: what everything behind the committer reads, and nothing else.
//!
//! Its rows lie in columns: a minute of a million series is a few allocations, not millions.

use std::sync::Arc;

use super::{Completeness, Minute, Money, SourceMinute, StreamId, TimeUs};

/// One key of a stream: dimension values and, per sum, the currency. Missing values are `""`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// One value per dimension, in the stream's order.
    pub dimensions: Box<[Arc<str>]>,
    /// One currency per sum, in the stream's order.
    pub currencies: Box<[Arc<str>]>,
    /// Whether the stream's `watched` filter admits these dimension values.
    pub watched: bool,
}

/// What one key had in one minute: a row of the `minutes` dataset, on its own.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedRow {
    /// Which key.
    pub key: Arc<SeriesKey>,
    /// Whole events of this row. Rows are additive: a later revision adds to it.
    pub count: i64,
    /// One amount per sum, in minor units, additive like `count`.
    pub sums: Box<[Money]>,
    /// One serialised HLL4 sketch (lgK 12) per distinct; empty bytes are an empty sketch. They merge by union.
    pub sketches: Box<[Box<[u8]>]>,
}

/// A [`SealedRow`] where it lies among others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowView<'a> {
    /// Which key.
    pub key: &'a Arc<SeriesKey>,
    /// Whole events of this row.
    pub count: i64,
    /// One amount per sum, in minor units.
    pub sums: &'a [Money],
    /// One serialised sketch per distinct.
    pub sketches: Sketches<'a>,
}

/// The serialised sketches of a row, one per distinct; empty bytes are an empty sketch.
#[derive(Clone, Copy, Debug)]
pub struct Sketches<'a> {
    bytes: &'a [u8],
    start: usize,
    ends: &'a [usize],
}

/// Rows of one stream, all with the same number of sums and sketches.
#[derive(Clone, Debug, Default)]
pub struct SealedRows {
    keys: Vec<Arc<SeriesKey>>,
    counts: Vec<i64>,
    sums: Vec<Money>,
    sums_per_row: usize,
    sketch_bytes: Vec<u8>,
    /// Where each sketch ends in `sketch_bytes`; it begins where the one before ends.
    sketch_ends: Vec<usize>,
    sketches_per_row: usize,
}

/// One minute of one stream, closed. Revision 0 comes from sealing; later events make 1, 2, ….
#[derive(Clone, Debug, PartialEq)]
pub struct SealedMinute {
    /// The stream.
    pub stream: StreamId,
    /// The minute of event time.
    pub minute: Minute,
    /// 0 from sealing; more for what later events add.
    pub revision: u32,
    /// Rows sorted by key. In a revision above 0: only what is new.
    pub rows: SealedRows,
    /// Rows of this minute that were handed out before it was sealed (an orderly stop while it was
    /// open), without their sketches. They are judged with `rows`, and never written again. Mostly empty.
    pub earlier: SealedRows,
    /// What is believed to be missing.
    pub completeness: Completeness,
    /// Each source and origin of the stream, the silent ones too; empty in revisions above 0.
    pub sources: Vec<SourceMinute>,
    /// When it was sealed.
    pub sealed_at: TimeUs,
}

impl SealedMinute {
    /// A minute as it is sealed, of which no rows were handed out before and no sender is named.
    pub fn first(
        stream: StreamId,
        minute: Minute,
        rows: SealedRows,
        completeness: Completeness,
        sealed_at: TimeUs,
    ) -> SealedMinute {
        let (earlier, sources) = (SealedRows::default(), Vec::new());
        SealedMinute { stream, minute, revision: 0, rows, earlier, completeness, sources, sealed_at }
    }

    /// All that is known of the minute at its seal: what the judge counts. A key may come twice.
    pub fn judged_rows(&self) -> impl Iterator<Item = RowView<'_>> {
        self.rows.iter().chain(&self.earlier)
    }

    /// Events of the watched rows, those handed out earlier included.
    pub fn watched_count(&self) -> i64 {
        self.judged_rows().filter(|row| row.key.watched).map(|row| row.count).sum()
    }
}

impl SealedRow {
    /// Adds a row of the same key, for a judge, who looks at no sketches: they stay those of the first.
    pub fn absorb(&mut self, more: &SealedRow) {
        self.count = self.count.saturating_add(more.count);
        for (sum, more) in self.sums.iter_mut().zip(&more.sums) {
            *sum = Money(sum.0.saturating_add(more.0));
        }
    }
}

impl SealedRows {
    /// Roughly how many bytes they take, keys left out: they are shared.
    pub fn bytes(&self) -> u64 {
        let columns = size_of_val(&self.keys[..])
            + size_of_val(&self.counts[..])
            + size_of_val(&self.sums[..])
            + size_of_val(&self.sketch_ends[..]);
        (columns + self.sketch_bytes.len()) as u64
    }

    /// No rows yet, with room for `rows` of this many sums and sketches each.
    pub fn with_shape(sums: usize, sketches: usize, rows: usize) -> SealedRows {
        SealedRows {
            keys: Vec::with_capacity(rows),
            counts: Vec::with_capacity(rows),
            sums: Vec::with_capacity(rows * sums),
            sums_per_row: sums,
            sketch_bytes: Vec::new(),
            sketch_ends: Vec::with_capacity(rows * sketches),
            sketches_per_row: sketches,
        }
    }

    /// Makes room for so many bytes of sketches.
    pub fn reserve_sketches(&mut self, bytes: usize) {
        self.sketch_bytes.reserve(bytes);
    }

    /// Adds a row. `sketch` is called for each distinct in turn and appends the sketch's bytes.
    pub fn add(
        &mut self,
        key: Arc<SeriesKey>,
        count: i64,
        sums: impl Iterator<Item = Money>,
        mut sketch: impl FnMut(usize, &mut Vec<u8>),
    ) {
        self.keys.push(key);
        self.counts.push(count);
        self.sums.extend(sums);
        for at in 0..self.sketches_per_row {
            sketch(at, &mut self.sketch_bytes);
            self.sketch_ends.push(self.sketch_bytes.len());
        }
        debug_assert_eq!(self.sums.len(), self.keys.len() * self.sums_per_row, "all rows have as many sums");
    }

    /// Adds these rows for the judge, who looks at no sketches: theirs are left out.
    ///
    /// # Panics
    /// If a row has not as many sums as the first, or the first has sketches.
    pub fn extend_judged(&mut self, rows: &SealedRows) {
        let none = Sketches { bytes: &[], start: 0, ends: &[] };
        self.extend(rows.iter().map(|row| RowView { sketches: none, ..row }));
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        *self = SealedRows::default();
    }

    /// The row at this place.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn row(&self, at: usize) -> RowView<'_> {
        let sketches = at * self.sketches_per_row;
        RowView {
            key: &self.keys[at],
            count: self.counts[at],
            sums: &self.sums[at * self.sums_per_row..][..self.sums_per_row],
            sketches: Sketches {
                bytes: &self.sketch_bytes,
                start: sketches.checked_sub(1).map_or(0, |before| self.sketch_ends[before]),
                ends: &self.sketch_ends[sketches..][..self.sketches_per_row],
            },
        }
    }

    /// All rows in their order.
    pub fn iter(&self) -> RowViews<'_> {
        RowViews { rows: self, next: 0 }
    }

    /// All rows, each on its own.
    pub fn to_vec(&self) -> Vec<SealedRow> {
        self.iter().map(|row| row.to_row()).collect()
    }

    /// Events of all rows.
    pub fn events(&self) -> i64 {
        self.counts.iter().sum()
    }
}

/// Rows side by side.
#[derive(Clone, Debug)]
pub struct RowViews<'a> {
    rows: &'a SealedRows,
    next: usize,
}

impl<'a> Iterator for RowViews<'a> {
    type Item = RowView<'a>;

    fn next(&mut self) -> Option<RowView<'a>> {
        let at = self.next;
        (at < self.rows.len()).then(|| {
            self.next += 1;
            self.rows.row(at)
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.rows.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for RowViews<'_> {}

impl<'a> IntoIterator for &'a SealedRows {
    type Item = RowView<'a>;
    type IntoIter = RowViews<'a>;

    fn into_iter(self) -> RowViews<'a> {
        self.iter()
    }
}

/// Rows are what they hold, however their columns are cut.
impl PartialEq for SealedRows {
    fn eq(&self, other: &SealedRows) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a> Extend<RowView<'a>> for SealedRows {
    /// # Panics
    /// If a row has not the shape of the first.
    fn extend<I: IntoIterator<Item = RowView<'a>>>(&mut self, rows: I) {
        for row in rows {
            if self.is_empty() {
                (self.sums_per_row, self.sketches_per_row) = (row.sums.len(), row.sketches.len());
            }
            let shape = (row.sums.len(), row.sketches.len());
            assert_eq!(shape, (self.sums_per_row, self.sketches_per_row), "rows of one stream are alike");
            self.add(Arc::clone(row.key), row.count, row.sums.iter().copied(), |at, bytes| {
                bytes.extend_from_slice(row.sketches.get(at));
            });
        }
    }
}

impl FromIterator<SealedRow> for SealedRows {
    fn from_iter<I: IntoIterator<Item = SealedRow>>(rows: I) -> SealedRows {
        let mut all = SealedRows::default();
        for SealedRow { key, count, sums, sketches } in rows {
            let ends = sketches.iter().scan(0, |end, sketch| {
                *end += sketch.len();
                Some(*end)
            });
            let (ends, bytes) = (ends.collect::<Vec<_>>(), sketches.concat());
            let sketches = Sketches { bytes: &bytes, start: 0, ends: &ends };
            all.extend([RowView { key: &key, count, sums: &sums, sketches }]);
        }
        all
    }
}

impl From<Vec<SealedRow>> for SealedRows {
    fn from(rows: Vec<SealedRow>) -> SealedRows {
        rows.into_iter().collect()
    }
}

impl RowView<'_> {
    /// The row on its own.
    pub fn to_row(&self) -> SealedRow {
        SealedRow {
            key: Arc::clone(self.key),
            count: self.count,
            sums: self.sums.into(),
            sketches: self.sketches.iter().map(Box::from).collect(),
        }
    }
}

impl<'a> Sketches<'a> {
    /// How many there are: one per distinct of the stream.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the stream has no distincts.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The sketch of the distinct at this place.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn get(&self, at: usize) -> &'a [u8] {
        let start = at.checked_sub(1).map_or(self.start, |before| self.ends[before]);
        &self.bytes[start..self.ends[at]]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let sketches = *self;
        (0..sketches.len()).map(move |at| sketches.get(at))
    }
}

impl PartialEq for Sketches<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_key_add_up_with_their_sums() {
        let key = Arc::new(SeriesKey {
            dimensions: Box::new([Arc::from("US")]),
            currencies: Box::new([Arc::from("USD")]),
            watched: true,
        });
        let row = |count: i64, amount: i64| SealedRow {
            key: Arc::clone(&key),
            count,
            sums: Box::new([Money(amount)]),
            sketches: Box::default(),
        };
        let mut sum = row(3, 5_997);
        sum.absorb(&row(2, 4_000));
        assert_eq!(sum, row(5, 9_997));
        sum.absorb(&row(i64::MAX, i64::MAX));
        assert_eq!(sum, row(i64::MAX, i64::MAX), "and never turn over");
    }
}
