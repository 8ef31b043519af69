//! Rows of a table in any order become a [`MinuteTable`]: sorted, duplicates added.

use std::collections::HashMap;
use std::sync::Arc;

use super::plan::Source;
use super::{MAX_TABLE_MINUTES, MAX_TABLE_ROWS, MinuteTable, TableProblems, TableRow};
use crate::columns::cells::Words;
use crate::model::{Minute, Money, SeriesKey, StreamSpec};

/// The series of a table, each with a number.
pub(super) struct SeriesBook {
    spec: StreamSpec,
    pub(super) words: Words,
    known: HashMap<Box<[u32]>, u32>,
    pub(super) series: Vec<Arc<SeriesKey>>,
    /// The codes of each series, side by side.
    codes: Vec<u32>,
    /// Which series came behind each: tables have the same series minute by minute.
    follows: Vec<u32>,
    last: usize,
}

impl SeriesBook {
    pub(super) fn new(spec: &StreamSpec) -> SeriesBook {
        SeriesBook {
            spec: spec.clone(),
            words: Words::new(),
            known: HashMap::new(),
            series: Vec::new(),
            codes: Vec::new(),
            follows: Vec::new(),
            last: 0,
        }
    }

    /// The number of the series with these codes, of the dimensions, then of the currencies.
    pub(super) fn number(&mut self, codes: &[u32]) -> u32 {
        if let Some(&guess) = self.follows.get(self.last)
            && self.codes[guess as usize * codes.len()..][..codes.len()] == *codes
        {
            self.last = guess as usize;
            return guess;
        }
        let number = match self.known.get(codes) {
            Some(&number) => number,
            None => self.add(codes),
        };
        self.follows[self.last] = number;
        self.last = number as usize;
        number
    }

    /// The key of the series with these codes.
    pub(super) fn key(&mut self, codes: &[u32]) -> &Arc<SeriesKey> {
        let number = self.number(codes);
        &self.series[number as usize]
    }

    fn add(&mut self, codes: &[u32]) -> u32 {
        let (dimensions, currencies) = codes.split_at(self.spec.dimensions.len());
        let texts = |codes: &[u32]| codes.iter().map(|&c| self.words.word(c).clone()).collect::<Box<[_]>>();
        let dimensions = texts(dimensions);
        let watched = self.spec.watched.admits(&dimensions);
        let number =
            u32::try_from(self.series.len()).expect("a table has fewer series than words fit in memory");
        self.series.push(Arc::new(SeriesKey { dimensions, currencies: texts(currencies), watched }));
        self.codes.extend_from_slice(codes);
        self.follows.push(number);
        self.known.insert(codes.into(), number);
        number
    }
}

/// Collects the rows of a table.
pub(super) struct Gather {
    pub(super) book: SeriesBook,
    rows: Vec<TableRow>,
}

impl Gather {
    pub(super) fn new(spec: &StreamSpec) -> Gather {
        Gather { book: SeriesBook::new(spec), rows: Vec::new() }
    }

    /// Word codes that are the same in every row, `None` where a column says.
    pub(super) fn fixed(&mut self, dimensions: &[Source]) -> Vec<Option<u32>> {
        Gather::fixed_codes(&mut self.book.words, dimensions)
    }

    /// The same with words of one's own.
    pub(super) fn fixed_codes(words: &mut Words, dimensions: &[Source]) -> Vec<Option<u32>> {
        let mut code = |source: &Source| match source {
            Source::Column(_) => None,
            Source::Always(value) => Some(words.code(value)),
        };
        dimensions.iter().map(&mut code).collect()
    }

    /// Adds a row; `codes` are of the dimensions, then of the currencies.
    ///
    /// # Errors
    /// What is wrong with its figures, in words.
    pub(super) fn add(
        &mut self,
        minute: Minute,
        codes: &[u32],
        count: Option<i64>,
        completeness: Option<f64>,
        sums: Box<[Money]>,
    ) -> Result<(), String> {
        let believed = completeness.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&believed) {
            return Err(format!("completeness {believed} is not between 0 and 1"));
        }
        if let Some(negative) = count.filter(|&count| count < 0) {
            return Err(format!("count {negative} is negative"));
        }
        if self.rows.len() >= MAX_TABLE_ROWS {
            return Err(format!("more than {MAX_TABLE_ROWS} rows: give a shorter time"));
        }
        let count = count.filter(|_| believed > 0.0);
        let completeness = if count.is_some() { believed } else { 0.0 };
        let series = self.book.number(codes);
        self.rows.push(TableRow { minute, series, count, completeness, sums });
        Ok(())
    }

    /// The table.
    ///
    /// # Errors
    /// A span that can't be meant.
    pub(super) fn finish(self, notes: Vec<String>) -> Result<MinuteTable, TableProblems> {
        let (series, places) = sorted_series(self.book.series);
        let mut rows = self.rows;
        for row in &mut rows {
            row.series = places[row.series as usize];
        }
        rows.sort_by_key(|row| (row.minute, row.series));
        let table = MinuteTable { series, rows: added(rows), notes };
        match table.span() {
            Some((first, last)) if i64::from(last.0) - i64::from(first.0) > MAX_TABLE_MINUTES => {
                let slip = format!("the table spans {first} to {last}: is the unit of `minute` right?");
                Err(TableProblems::one(0, slip))
            }
            _ => Ok(table),
        }
    }
}

impl MinuteTable {
    /// Several tables as one: duplicates add.
    pub fn joined(mut tables: Vec<MinuteTable>) -> MinuteTable {
        if tables.len() < 2 {
            return tables.pop().unwrap_or_default();
        }
        let (mut known, mut all, mut rows) = (HashMap::new(), Vec::new(), Vec::new());
        for table in tables {
            let place = |key: &Arc<SeriesKey>| {
                *known.entry(key.clone()).or_insert_with(|| {
                    all.push(key.clone());
                    all.len() as u32 - 1
                })
            };
            let places: Vec<u32> = table.series.iter().map(place).collect();
            let moved = |row: TableRow| TableRow { series: places[row.series as usize], ..row };
            rows.extend(table.rows.into_iter().map(moved));
        }
        let (series, places) = sorted_series(all);
        rows.iter_mut().for_each(|row: &mut TableRow| row.series = places[row.series as usize]);
        rows.sort_by_key(|row| (row.minute, row.series));
        MinuteTable { series, rows: added(rows), notes: Vec::new() }
    }
}

/// The series sorted, and the new place of each.
fn sorted_series(series: Vec<Arc<SeriesKey>>) -> (Vec<Arc<SeriesKey>>, Vec<u32>) {
    let mut order: Vec<u32> = (0..).take(series.len()).collect();
    order.sort_by(|&a, &b| series[a as usize].cmp(&series[b as usize]));
    let mut places = vec![0; series.len()];
    for (place, &from) in (0..).zip(&order) {
        places[from as usize] = place;
    }
    (order.iter().map(|&from| series[from as usize].clone()).collect(), places)
}

/// One row per minute and series: counts and amounts add up, completeness is the mean of the parts.
fn added(rows: Vec<TableRow>) -> Vec<TableRow> {
    let mut kept: Vec<TableRow> = Vec::with_capacity(rows.len());
    let mut parts = 1.0;
    for row in rows {
        match kept.last_mut().filter(|k| (k.minute, k.series) == (row.minute, row.series)) {
            Some(same) => {
                parts += 1.0;
                same.completeness += (row.completeness - same.completeness) / parts;
                same.count = match (same.count, row.count) {
                    (Some(a), Some(b)) => Some(a.saturating_add(b)),
                    (a, b) => a.or(b),
                };
                let adds = same.sums.iter_mut().zip(&row.sums);
                adds.for_each(|(sum, more)| *sum = Money(sum.0.saturating_add(more.0)));
            }
            None => {
                parts = 1.0;
                kept.push(row);
            }
        }
    }
    kept
}
