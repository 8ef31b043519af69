//! Reads `slices` files back: the verdicts of the slices and minutes that somebody wants.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use parquet::file::reader::ChunkReader;

use super::ColumnsError;
use super::cells::{Cells, Words};
use super::reading::Batches;
use crate::detect::Verdict;
use crate::model::{Minute, Slice, TimeUs};

/// A row of the dataset `slices`.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredVerdict {
    /// The judged minute.
    pub minute: Minute,
    /// The watched slice.
    pub slice: Arc<Slice>,
    /// What was said of it.
    pub verdict: Verdict,
    /// Events counted; `None` if and only if there were no data.
    pub observed: Option<i64>,
    /// With what is missing added (upper 99 % bound).
    pub observed_max: Option<f64>,
    /// Events expected; `None` while learning.
    pub expected: Option<f64>,
    /// Lower end of the 90 % band; `None` while learning.
    pub low: Option<f64>,
    /// Upper end of the 90 % band; `None` while learning.
    pub high: Option<f64>,
    /// How much of the minute is believed to have arrived, 0 to 1.
    pub completeness: f64,
    /// Evidence in nats.
    pub evidence: f64,
    /// 0 from sealing, more for what late data changed: the highest is valid.
    pub revision: u32,
    /// When it was judged.
    pub judged_at: TimeUs,
    /// The host whose daemon judged it.
    pub host: Arc<str>,
}

const COLUMNS: [&str; 12] = [
    "minute",
    "slice",
    "verdict",
    "observed",
    "observed_max",
    "expected",
    "low",
    "high",
    "completeness",
    "evidence",
    "revision",
    "judged_at",
];

/// Reads the rows of a file of the dataset `slices` whose minute is among `minutes` and whose slice is
/// `wanted`, in the order of the file; every revision of them.
///
/// # Errors
/// A file that is no Parquet, or broken, or lacks a column; a slice or verdict that can't be read. Memory:
/// what is wanted.
pub fn read_verdicts<R: ChunkReader + 'static>(
    input: R,
    minutes: Range<Minute>,
    wanted: impl Fn(&Slice) -> bool,
) -> Result<Vec<StoredVerdict>, ColumnsError> {
    let mut batches = Batches::open(input, |name| COLUMNS.contains(&name) || name == "host")?;
    let mut known = Known { wanted, slices: BTreeMap::new() };
    let mut rows = Vec::new();
    loop {
        let first_row = batches.rows_before();
        let Some(batch) = batches.next().transpose()? else { return Ok(rows) };
        let cells = |name: &'static str| {
            let lacking =
                || ColumnsError::Shape(format!("no column {name}: not a file of the dataset slices"));
            Cells::of(&batch, name, first_row).ok_or_else(lacking)
        };
        let times = cells("minute")?.times()?;
        let in_time =
            |time: &Option<TimeUs>| time.map(TimeUs::minute).filter(|minute| minutes.contains(minute));
        if times.iter().all(|time| in_time(time).is_none()) {
            continue;
        }
        let mut words = Words::new();
        let codes = cells("slice")?.words(&mut words)?;
        let mut found = Vec::new();
        for (row, time) in times.iter().enumerate() {
            let Some(minute) = in_time(time) else { continue };
            if let Some(slice) = known.slice(words.word(codes[row]))? {
                found.push((row, minute, slice));
            }
        }
        if !found.is_empty() {
            let figures = Figures::of(cells, batch.num_rows())?;
            found.into_iter().try_for_each(|(row, minute, slice)| {
                rows.push(figures.row(row, minute, slice)?);
                Ok::<(), ColumnsError>(())
            })?;
        }
    }
}

/// Slices by their canonical text, `None` for those that nobody wants.
struct Known<F: Fn(&Slice) -> bool> {
    wanted: F,
    slices: BTreeMap<String, Option<Arc<Slice>>>,
}

impl<F: Fn(&Slice) -> bool> Known<F> {
    fn slice(&mut self, canonical: &str) -> Result<Option<Arc<Slice>>, ColumnsError> {
        if let Some(known) = self.slices.get(canonical) {
            return Ok(known.clone());
        }
        let slice: Slice = serde_json::from_str(canonical)
            .map_err(|error| ColumnsError::Shape(format!("column slice: {canonical:?} is none: {error}")))?;
        let slice = Some(slice).filter(|slice| (self.wanted)(slice)).map(Arc::new);
        self.slices.insert(canonical.to_owned(), slice.clone());
        Ok(slice)
    }
}

/// The other columns of a batch.
struct Figures {
    words: Words,
    verdict: Vec<u32>,
    host: Vec<u32>,
    observed: Vec<Option<i64>>,
    doubles: [Vec<Option<f64>>; 6],
    revision: Vec<Option<i64>>,
    judged_at: Vec<Option<TimeUs>>,
}

impl Figures {
    fn of<'a>(
        cells: impl Fn(&'static str) -> Result<Cells<'a, 'static>, ColumnsError>,
        rows: usize,
    ) -> Result<Figures, ColumnsError> {
        let mut words = Words::new();
        let verdict = cells("verdict")?.words(&mut words)?;
        let host = match cells("host") {
            Ok(hosts) => hosts.words(&mut words)?,
            Err(_) => vec![0; rows],
        };
        let doubles = |name| cells(name)?.doubles();
        Ok(Figures {
            words,
            verdict,
            host,
            observed: cells("observed")?.wholes()?,
            doubles: [
                doubles("observed_max")?,
                doubles("expected")?,
                doubles("low")?,
                doubles("high")?,
                doubles("completeness")?,
                doubles("evidence")?,
            ],
            revision: cells("revision")?.wholes()?,
            judged_at: cells("judged_at")?.times()?,
        })
    }

    fn row(&self, row: usize, minute: Minute, slice: Arc<Slice>) -> Result<StoredVerdict, ColumnsError> {
        let name = self.words.word(self.verdict[row]);
        let verdict = Verdict::named(name)
            .ok_or_else(|| ColumnsError::Shape(format!("column verdict: {name:?} is none")))?;
        let [observed_max, expected, low, high, completeness, evidence] = &self.doubles;
        Ok(StoredVerdict {
            minute,
            slice,
            verdict,
            observed: self.observed[row],
            observed_max: observed_max[row],
            expected: expected[row],
            low: low[row],
            high: high[row],
            completeness: completeness[row].unwrap_or(0.0),
            evidence: evidence[row].unwrap_or(0.0),
            revision: u32::try_from(self.revision[row].unwrap_or(0)).unwrap_or(0),
            judged_at: self.judged_at[row].unwrap_or_default(),
            host: Arc::clone(self.words.word(self.host[row])),
        })
    }
}
