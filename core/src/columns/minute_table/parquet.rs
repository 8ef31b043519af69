//! Minute tables as Parquet, whoever wrote them.

use arrow_array::RecordBatch;
use parquet::file::reader::ChunkReader;

use super::gather::Gather;
use super::plan::{Plan, Source};
use super::{MinuteTable, TableProblems};
use crate::columns::ColumnsError;
use crate::columns::cells::{Cells, Words};
use crate::columns::reading::{Batches, read_footer};
use crate::model::{Money, StreamSpec, TimeUs};

/// Reads a table for this stream.
///
/// # Errors
/// A file that is no Parquet, or broken; columns of types that can't be read; the first bad row.
pub fn read_table_parquet<R: ChunkReader + 'static>(
    spec: &StreamSpec,
    input: R,
) -> Result<MinuteTable, ColumnsError> {
    let columns = read_footer(&input)?.columns;
    let plan = Plan::new(spec, &columns)?;
    let wanted = wanted(&plan);
    let mut batches = Batches::open(input, |name| {
        columns.iter().position(|c| c == name).is_some_and(|at| wanted.contains(&at))
    })?;
    let mut gather = Gather::new(spec);
    let fixed = gather.fixed(&plan.dimensions);
    loop {
        let first_row = batches.rows_before();
        let Some(batch) = batches.next().transpose()? else { break };
        let table = Batch { spec, plan: &plan, columns: &columns, batch: &batch, first_row };
        table.add(&fixed, &mut gather)?;
    }
    Ok(gather.finish(plan.notes)?)
}

pub(super) fn wanted(plan: &Plan) -> Vec<usize> {
    let dimensions = plan.dimensions.iter().filter_map(|source| match source {
        Source::Column(at) => Some(*at),
        Source::Always(_) => None,
    });
    let sums = plan.sums.iter().flat_map(|(amount, currency)| [*amount, *currency]).flatten();
    [plan.minute, plan.count].into_iter().chain(plan.completeness).chain(dimensions).chain(sums).collect()
}

pub(super) struct Batch<'b> {
    pub(super) spec: &'b StreamSpec,
    pub(super) plan: &'b Plan,
    pub(super) columns: &'b [String],
    pub(super) batch: &'b RecordBatch,
    pub(super) first_row: u64,
}

impl<'b> Batch<'b> {
    fn cells(&self, at: usize) -> Result<Cells<'b, 'b>, ColumnsError> {
        let name = &self.columns[at];
        let lost = || ColumnsError::Shape(format!("column {name} is in the footer, not in the rows"));
        Cells::of(self.batch, name, self.first_row).ok_or_else(lost)
    }

    fn add(&self, fixed: &[Option<u32>], gather: &mut Gather) -> Result<(), ColumnsError> {
        let (times, counts) = (self.times()?, self.counts()?);
        let completeness = self.plan.completeness.map(|at| self.cells(at)?.doubles()).transpose()?;
        let words = self.words(&mut gather.book.words)?;
        let amounts = self.amounts()?;
        for row in 0..self.batch.num_rows() {
            let line = self.first_row + row as u64 + 1;
            let time = times[row].ok_or_else(|| TableProblems::one(line, "no minute"))?;
            let fixed = fixed.iter().copied().chain(std::iter::repeat(None));
            let code = |(word, fixed): (&Option<Vec<u32>>, Option<u32>)| match word {
                Some(column) => column[row],
                None => fixed.unwrap_or(0),
            };
            let codes: Vec<u32> = words.iter().zip(fixed).map(code).collect();
            let sums = amounts.iter().map(|a| Money(a.as_ref().and_then(|a| a[row]).unwrap_or(0))).collect();
            let believed = match &completeness {
                Some(column) => column[row],
                None => None,
            };
            gather
                .add(time.minute(), &codes, counts[row], believed, sums)
                .map_err(|p| TableProblems::one(line, p))?;
        }
        Ok(())
    }

    pub(super) fn times(&self) -> Result<Vec<Option<TimeUs>>, ColumnsError> {
        self.cells(self.plan.minute)?.times()
    }

    pub(super) fn counts(&self) -> Result<Vec<Option<i64>>, ColumnsError> {
        self.cells(self.plan.count)?.wholes()
    }

    /// Codes per dimension, then per sum's currency; `None` where the table has no column.
    pub(super) fn words(&self, words: &mut Words) -> Result<Vec<Option<Vec<u32>>>, ColumnsError> {
        let dimensions = self.plan.dimensions.iter().map(|source| match source {
            Source::Column(at) => Some(*at),
            Source::Always(_) => None,
        });
        let currencies = self.plan.sums.iter().map(|(_, currency)| *currency);
        let column = |at: Option<usize>| at.map(|at| self.cells(at)?.words(words)).transpose();
        dimensions.chain(currencies).map(column).collect()
    }

    pub(super) fn amounts(&self) -> Result<Vec<Option<Vec<Option<i64>>>>, ColumnsError> {
        let sums = self.spec.sums.iter().zip(&self.plan.sums);
        sums.map(|(s, (at, _))| at.map(|at| self.cells(at)?.decimals(s.scale)).transpose()).collect()
    }
}
