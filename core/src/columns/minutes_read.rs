//! Reads `minutes` files back, also of other versions: a column that a file lacks is `""` or 0.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use arrow_array::RecordBatch;
use datasketches::hll::{HllSketch, HllType, HllUnion};
use parquet::file::reader::ChunkReader;

use super::ColumnsError;
use super::cells::{Cells, Words};
use super::minutes::{SKETCH_LGK, empty_sketch, layout};
use super::reading::{Batches, guarded};
use crate::model::{Minute, Money, SealedRow, SeriesKey, StreamSpec};

/// The rows of one minute and revision in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileMinute {
    /// The minute.
    pub minute: Minute,
    /// The revision: rows are additive over revisions.
    pub revision: u32,
    /// Sorted by key, one row per key.
    pub rows: Vec<SealedRow>,
}

/// The minutes of one file, in its order (ascending in files of ebbd's own; in others a minute may come
/// again later, and adds). Memory: one batch, one minute, and the file's distinct keys.
pub struct MinutesReader {
    batches: Batches,
    keys: Keys,
    decoded: VecDeque<(Minute, u32, SealedRow)>,
    current: Option<Minute>,
    pending: BTreeMap<u32, Vec<SealedRow>>,
    ready: VecDeque<FileMinute>,
    over: bool,
}

/// Opens a file of the dataset `minutes` as minutes of this stream: its dimensions, sums and distincts.
/// Whether a row is watched is told by `spec`, not by the file.
///
/// # Errors
/// A file that is no Parquet, or has no `minute` or `count`.
pub fn read_minutes<R: ChunkReader + 'static>(
    spec: &StreamSpec,
    input: R,
) -> Result<MinutesReader, ColumnsError> {
    let wanted: Vec<String> = layout(spec).columns.into_iter().map(|column| column.name).collect();
    let batches = Batches::open(input, |name| wanted.iter().any(|w| w == name))?;
    for needed in ["minute", "count"] {
        if !batches.has(needed) {
            return Err(ColumnsError::Shape(format!(
                "no column {needed}: not a file of the dataset minutes"
            )));
        }
    }
    Ok(MinutesReader {
        batches,
        keys: Keys { spec: spec.clone(), words: Words::new(), known: HashMap::new(), empty: empty_sketch() },
        decoded: VecDeque::new(),
        current: None,
        pending: BTreeMap::new(),
        ready: VecDeque::new(),
        over: false,
    })
}

impl Iterator for MinutesReader {
    type Item = Result<FileMinute, ColumnsError>;

    /// The next minute and revision; after an error there is none.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(minute) = self.ready.pop_front() {
                return Some(Ok(minute));
            }
            if let Some((minute, revision, row)) = self.decoded.pop_front() {
                self.take(minute, revision, row);
            } else if self.over {
                return None;
            } else if let Err(error) = self.refill() {
                self.over = true;
                return Some(Err(error));
            }
        }
    }
}

impl MinutesReader {
    fn take(&mut self, minute: Minute, revision: u32, row: SealedRow) {
        if self.current.is_some_and(|current| current != minute) {
            self.close();
        }
        self.current = Some(minute);
        self.pending.entry(revision).or_default().push(row);
    }

    /// Moves the collected minute to what is ready.
    fn close(&mut self) {
        let Some(minute) = self.current.take() else { return };
        for (revision, rows) in std::mem::take(&mut self.pending) {
            self.ready.push_back(FileMinute { minute, revision, rows: merged(rows) });
        }
    }

    fn refill(&mut self) -> Result<(), ColumnsError> {
        let first_row = self.batches.rows_before();
        match self.batches.next().transpose()? {
            Some(batch) => self.keys.decode(&batch, first_row, &mut self.decoded),
            None => {
                self.over = true;
                self.close();
                Ok(())
            }
        }
    }
}

/// The keys of a file, each kept once.
struct Keys {
    spec: StreamSpec,
    words: Words,
    known: HashMap<Box<[u32]>, Arc<SeriesKey>>,
    empty: Vec<u8>,
}

impl Keys {
    fn decode(
        &mut self,
        batch: &RecordBatch,
        first_row: u64,
        into: &mut VecDeque<(Minute, u32, SealedRow)>,
    ) -> Result<(), ColumnsError> {
        let cells = |name| Cells::of(batch, name, first_row);
        let times = cells("minute").map(|c| c.times()).transpose()?.unwrap_or_default();
        let counts = cells("count").map(|c| c.wholes()).transpose()?.unwrap_or_default();
        let revisions = cells("revision").map(|c| c.wholes()).transpose()?;
        let codes = self.codes(batch, first_row)?;
        let sums = self.sums(batch, first_row)?;
        let sketches = self.sketches(batch, first_row)?;
        let mut tuple = vec![0; codes.len()];
        for row in 0..batch.num_rows() {
            let time = times.get(row).copied().flatten();
            let time = time.ok_or_else(|| {
                ColumnsError::Shape(format!("row {}: no minute", first_row + row as u64 + 1))
            })?;
            for (slot, column) in tuple.iter_mut().zip(&codes) {
                *slot = column.as_ref().map_or(0, |column| column[row]);
            }
            let revision = revisions.as_ref().and_then(|r| r[row]).unwrap_or(0);
            let sealed = SealedRow {
                key: self.key(&tuple),
                count: counts.get(row).copied().flatten().unwrap_or(0),
                sums: sums.iter().map(|sum| Money(sum.as_ref().and_then(|s| s[row]).unwrap_or(0))).collect(),
                sketches: sketches.iter().map(|s| self.sketch(s.as_ref().map_or(&[], |s| s[row]))).collect(),
            };
            into.push_back((time.minute(), u32::try_from(revision).unwrap_or(0), sealed));
        }
        Ok(())
    }

    /// Word codes of the dimensions, then of the currencies; `None` for a column that the file lacks.
    fn codes(&mut self, batch: &RecordBatch, first_row: u64) -> Result<Vec<Option<Vec<u32>>>, ColumnsError> {
        let dimensions = self.spec.dimensions.iter().map(|d| d.name.clone());
        let currencies = self.spec.sums.iter().map(|s| format!("{}_currency", s.name));
        let words = &mut self.words;
        let mut column =
            |name: String| Cells::of(batch, &name, first_row).map(|c| c.words(words)).transpose();
        dimensions.chain(currencies).map(&mut column).collect()
    }

    fn sums(
        &self,
        batch: &RecordBatch,
        first_row: u64,
    ) -> Result<Vec<Option<Vec<Option<i64>>>>, ColumnsError> {
        let sums = self.spec.sums.iter();
        sums.map(|s| Cells::of(batch, &s.name, first_row).map(|c| c.decimals(s.scale)).transpose()).collect()
    }

    fn sketches<'a>(
        &self,
        batch: &'a RecordBatch,
        first_row: u64,
    ) -> Result<Vec<Option<Vec<&'a [u8]>>>, ColumnsError> {
        let names = self.spec.distincts.iter().map(|d| format!("{}_hll", d.name));
        names.map(|name| Cells::of(batch, &name, first_row).map(|c| c.bytes()).transpose()).collect()
    }

    fn sketch(&self, bytes: &[u8]) -> Box<[u8]> {
        if bytes == self.empty { Box::default() } else { bytes.into() }
    }

    fn key(&mut self, codes: &[u32]) -> Arc<SeriesKey> {
        if let Some(key) = self.known.get(codes) {
            return key.clone();
        }
        let (dimensions, currencies) = codes.split_at(self.spec.dimensions.len());
        let words =
            |codes: &[u32]| codes.iter().map(|&c| self.words.word(c).clone()).collect::<Box<[Arc<str>]>>();
        let dimensions = words(dimensions);
        let watched = self.spec.watched.admits(&dimensions);
        let key = Arc::new(SeriesKey { dimensions, currencies: words(currencies), watched });
        self.known.insert(codes.into(), key.clone());
        key
    }
}

/// Rows sorted by key, those of one key (a dimension that the stream no longer has) added up.
fn merged(mut rows: Vec<SealedRow>) -> Vec<SealedRow> {
    let ascending = |pair: &[SealedRow]| pair[0].key < pair[1].key;
    if rows.windows(2).all(ascending) {
        return rows;
    }
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows.dedup_by(|row, kept| {
        let same = row.key == kept.key;
        if same {
            absorb(kept, row);
        }
        same
    });
    rows
}

fn absorb(kept: &mut SealedRow, row: &SealedRow) {
    kept.count = kept.count.saturating_add(row.count);
    for (sum, more) in kept.sums.iter_mut().zip(&row.sums) {
        *sum = Money(sum.0.saturating_add(more.0));
    }
    for (sketch, more) in kept.sketches.iter_mut().zip(&row.sketches) {
        *sketch = union(sketch, more);
    }
}

/// The union of two serialised sketches; one that can't be read counts as empty.
fn union(a: &[u8], b: &[u8]) -> Box<[u8]> {
    let read = |bytes: &[u8]| guarded("reading a sketch", || Ok(HllSketch::deserialize(bytes).ok()));
    let sketches = [a, b].map(|bytes| read(bytes).ok().flatten());
    let mut union = HllUnion::new(SKETCH_LGK).expect("12 is a valid lgK");
    for sketch in sketches.iter().flatten() {
        union.update(sketch);
    }
    if union.is_empty() { Box::default() } else { union.to_sketch(HllType::Hll4).serialize().into() }
}
