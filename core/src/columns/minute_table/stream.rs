//! Large tables minute by minute: a Parquet table that is sorted by minute and misses nothing needs no memory.

use std::collections::VecDeque;

use parquet::file::reader::ChunkReader;

use super::TableProblems;
use super::gather::{Gather, SeriesBook};
use super::parquet::{Batch, wanted};
use super::plan::Plan;
use crate::columns::ColumnsError;
use crate::columns::cells::Cells;
use crate::columns::reading::{Batches, read_footer};
use crate::model::{Completeness, Minute, Money, SealedMinute, SealedRows, StreamId, StreamSpec};

/// Minutes of one table, ascending, without gaps: as [`super::MinuteTable::sealed`] has them.
pub struct TableStream {
    batches: Batches,
    plan: Plan,
    columns: Vec<String>,
    fixed: Vec<Option<u32>>,
    book: SeriesBook,
    spec: StreamSpec,
    stream: StreamId,
    /// The minute that rows are being collected of, and its rows.
    open: Option<(Minute, SealedRows)>,
    ready: VecDeque<SealedMinute>,
    is_over: bool,
}

/// Whether a Parquet table can be read minute by minute: its rows ascend, all have a count, and
/// nothing is incomplete.
///
/// # Errors
/// A file that is no Parquet, or broken; a table without `minute` or `count`.
pub fn is_streamable<R: ChunkReader + 'static>(spec: &StreamSpec, input: R) -> Result<bool, ColumnsError> {
    let columns = read_footer(&input)?.columns;
    let plan = Plan::new(spec, &columns)?;
    let (minute, count) = (&columns[plan.minute], &columns[plan.count]);
    let completeness = plan.completeness.map(|at| &columns[at]);
    let mut batches = Batches::open(input, |name| {
        name == minute || name == count || completeness.is_some_and(|c| c == name)
    })?;
    let mut last = None;
    loop {
        let first_row = batches.rows_before();
        let Some(batch) = batches.next().transpose()? else { return Ok(true) };
        let lacks = |name: &str| batch.column_by_name(name).is_none_or(|column| column.null_count() > 0);
        if lacks(minute) || lacks(count) {
            return Ok(false);
        }
        if let Some(cells) = completeness.and_then(|name| Cells::of(&batch, name, first_row))
            && cells.doubles()?.into_iter().flatten().any(|fraction| fraction != 1.0)
        {
            return Ok(false);
        }
        let Some(cells) = Cells::of(&batch, minute, first_row) else { return Ok(false) };
        for time in cells.times()? {
            if time < last {
                return Ok(false);
            }
            last = time;
        }
    }
}

/// Reads a table that is [`is_streamable`]. What is wrong with a row ends it.
///
/// # Errors
/// A file that is no Parquet, or broken; a table without `minute` or `count`.
pub fn stream_table<R: ChunkReader + 'static>(
    stream: StreamId,
    spec: &StreamSpec,
    input: R,
) -> Result<TableStream, ColumnsError> {
    let columns = read_footer(&input)?.columns;
    let plan = Plan::new(spec, &columns)?;
    let used = wanted(&plan);
    let batches = Batches::open(input, |name| {
        columns.iter().position(|column| column == name).is_some_and(|at| used.contains(&at))
    })?;
    let mut book = SeriesBook::new(spec);
    let fixed = Gather::fixed_codes(&mut book.words, &plan.dimensions);
    Ok(TableStream {
        batches,
        plan,
        columns,
        fixed,
        book,
        spec: spec.clone(),
        stream,
        open: None,
        ready: VecDeque::new(),
        is_over: false,
    })
}

impl TableStream {
    /// What was ignored or assumed, in words for the user.
    pub fn notes(&self) -> &[String] {
        &self.plan.notes
    }

    fn refill(&mut self) -> Result<(), ColumnsError> {
        let first_row = self.batches.rows_before();
        let Some(batch) = self.batches.next().transpose()? else {
            self.is_over = true;
            self.close();
            return Ok(());
        };
        let table =
            Batch { spec: &self.spec, plan: &self.plan, columns: &self.columns, batch: &batch, first_row };
        let (times, counts, amounts) = (table.times()?, table.counts()?, table.amounts()?);
        let words = table.words(&mut self.book.words)?;
        let mut codes = vec![0; words.len()];
        for row in 0..batch.num_rows() {
            let bad = |problem: &str| TableProblems::one(first_row + row as u64 + 1, problem);
            let minute = times[row].ok_or_else(|| bad("no minute"))?.minute();
            let count = counts[row].filter(|count| *count >= 0);
            let count = count.ok_or_else(|| bad("no count, or a negative one"))?;
            for (at, (code, column)) in codes.iter_mut().zip(&words).enumerate() {
                *code = match column {
                    Some(column) => column[row],
                    None => self.fixed.get(at).copied().flatten().unwrap_or(0),
                };
            }
            if self.open.as_ref().is_none_or(|(open, _)| *open != minute) {
                self.turn_to(minute).map_err(bad)?;
            }
            let Some((_, rows)) = &mut self.open else { continue };
            let sums = amounts.iter().map(|a| Money(a.as_ref().and_then(|a| a[row]).unwrap_or(0)));
            rows.add(self.book.key(&codes).clone(), count, sums, |_, _| {});
        }
        Ok(())
    }

    /// Closes the open minute and opens another; those between them are missing data.
    fn turn_to(&mut self, minute: Minute) -> Result<(), &'static str> {
        if let Some((open, _)) = &self.open {
            let open = *open;
            if minute < open {
                return Err("its minute lies before that of the row before");
            }
            if i64::from(minute.0) - i64::from(open.0) > super::MAX_TABLE_MINUTES {
                return Err("is the unit of `minute` right?");
            }
            self.close();
            for gap in open.0 + 1..minute.0 {
                let missing = self.sealed(Minute(gap), SealedRows::default(), Completeness::absent());
                self.ready.push_back(missing);
            }
        }
        let room = self.ready.back().map_or(0, |last| last.rows.len());
        self.open = Some((minute, SealedRows::with_shape(self.spec.sums.len(), 0, room + room / 8)));
        Ok(())
    }

    fn close(&mut self) {
        if let Some((minute, rows)) = self.open.take() {
            let sealed = self.sealed(minute, rows, Completeness::whole());
            self.ready.push_back(sealed);
        }
    }

    fn sealed(&self, minute: Minute, rows: SealedRows, completeness: Completeness) -> SealedMinute {
        let sealed_at = minute.end().plus_us(self.spec.seal_us);
        SealedMinute::first(self.stream, minute, rows, completeness, sealed_at)
    }
}

impl Iterator for TableStream {
    type Item = Result<SealedMinute, ColumnsError>;

    /// The next minute; after an error there is none.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(minute) = self.ready.pop_front() {
                return Some(Ok(minute));
            }
            if self.is_over {
                return None;
            }
            if let Err(error) = self.refill() {
                self.is_over = true;
                return Some(Err(error));
            }
        }
    }
}
