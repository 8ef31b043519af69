//! Minute tables as CSV: separated by commas, semicolons or tabs, with a header line.

use std::io::BufRead;

use csv::{ByteRecord, Reader, ReaderBuilder, Trim};

use super::gather::Gather;
use super::plan::{Plan, Source};
use super::{MinuteTable, TableProblems};
use crate::columns::cells::{parse_time, parse_whole};
use crate::model::{Money, StreamSpec, parse_decimal};

/// Reads a table for this stream.
///
/// # Errors
/// Every line that can't be read, by its number; a header without `minute` or `count`.
pub fn read_table_csv<R: BufRead>(spec: &StreamSpec, input: R) -> Result<MinuteTable, TableProblems> {
    let mut reader = open(input)?;
    let columns = header(&mut reader)?;
    let plan = Plan::new(spec, &columns)?;
    let mut lines = Lines { spec, fixed: Vec::new(), plan: &plan, gather: Gather::new(spec) };
    lines.fixed = lines.gather.fixed(&plan.dimensions);
    let mut problems = TableProblems::default();
    let mut record = ByteRecord::new();
    loop {
        let line = reader.position().line();
        let added = match reader.read_byte_record(&mut record) {
            Ok(false) => break,
            Ok(true) => lines.add(&record),
            Err(error) if matches!(error.kind(), csv::ErrorKind::Io(_)) => {
                problems.add(line, error.to_string());
                break;
            }
            Err(error) => Err(shortened(&error)),
        };
        if let Err(problem) = added {
            problems.add(record.position().map_or(line, csv::Position::line), problem);
        }
    }
    if problems.total > 0 { Err(problems) } else { lines.gather.finish(plan.notes.clone()) }
}

/// The columns of a table: for [`super::table_spec`].
///
/// # Errors
/// An empty or unreadable file.
pub fn table_columns_csv<R: BufRead>(input: R) -> Result<Vec<String>, TableProblems> {
    header(&mut open(input)?)
}

/// Opens a table; the separator is the one that the header has most of.
pub(in crate::columns) fn open<R: BufRead>(mut input: R) -> Result<Reader<R>, TableProblems> {
    let start = input.fill_buf().map_err(|error| TableProblems::one(0, error.to_string()))?;
    let header = start.split(|&b| b == b'\n').next().unwrap_or_default();
    let often = |separator: &u8| header.iter().filter(|b| *b == separator).count();
    let separator = b",;\t".iter().copied().rev().max_by_key(often).unwrap_or(b',');
    Ok(ReaderBuilder::new().delimiter(separator).trim(Trim::All).from_reader(input))
}

/// The names of the columns.
pub(in crate::columns) fn header<R: BufRead>(reader: &mut Reader<R>) -> Result<Vec<String>, TableProblems> {
    let header = reader.headers().map_err(|error| TableProblems::one(1, shortened(&error)))?;
    let columns: Vec<String> = header.iter().map(|c| c.trim_start_matches('\u{feff}').to_owned()).collect();
    if columns.is_empty() { Err(TableProblems::one(0, "the table is empty")) } else { Ok(columns) }
}

/// What is wrong with a line, without its position, which stands before it.
pub(in crate::columns) fn shortened(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields where the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

struct Lines<'s> {
    spec: &'s StreamSpec,
    plan: &'s Plan,
    fixed: Vec<Option<u32>>,
    gather: Gather,
}

impl Lines<'_> {
    fn add(&mut self, record: &ByteRecord) -> Result<(), String> {
        let text = field(record, self.plan.minute)?;
        let minute = parse_time(text).ok_or_else(|| format!("minute {text:?} is no time"))?.minute();
        let parse = if self.plan.rounds { rounded } else { parse_whole };
        let count = figure("count", field(record, self.plan.count)?, parse)?;
        let completeness = match self.plan.completeness {
            Some(at) => figure("completeness", field(record, at)?, |text| text.parse().ok())?,
            None => None,
        };
        let codes = self.codes(record)?;
        let sums = self.sums(record)?;
        self.gather.add(minute, &codes, count, completeness, sums)
    }

    fn codes(&mut self, record: &ByteRecord) -> Result<Vec<u32>, String> {
        let mut codes = Vec::with_capacity(self.fixed.len() + self.plan.sums.len());
        for (source, fixed) in self.plan.dimensions.iter().zip(&self.fixed) {
            codes.push(match (source, fixed) {
                (Source::Column(at), None) => self.gather.book.words.code(field(record, *at)?),
                (_, fixed) => fixed.unwrap_or(0),
            });
        }
        for (_, currency) in &self.plan.sums {
            let word = currency.map(|at| field(record, at)).transpose()?;
            codes.push(word.map_or(0, |word| self.gather.book.words.code(word)));
        }
        Ok(codes)
    }

    fn sums(&self, record: &ByteRecord) -> Result<Box<[Money]>, String> {
        let amount = |(spec, (at, _)): (&crate::model::SumSpec, &(Option<usize>, Option<usize>))| {
            let text = at.map_or(Ok(""), |at| field(record, at))?;
            let minor = figure(&spec.name, text, |text| parse_decimal(text.as_bytes(), spec.scale).ok())?;
            Ok(Money(minor.unwrap_or(0)))
        };
        self.spec.sums.iter().zip(&self.plan.sums).map(amount).collect()
    }
}

/// A field by its place; empty where the record has none.
pub(in crate::columns) fn field(record: &ByteRecord, at: usize) -> Result<&str, String> {
    std::str::from_utf8(record.get(at).unwrap_or_default()).map_err(|_| "not UTF-8".to_owned())
}

/// The next whole number.
fn rounded(text: &str) -> Option<i64> {
    let figure = text.parse::<f64>().ok().filter(|figure| figure.abs() < 1e15)?;
    Some(figure.round() as i64)
}

fn figure<T>(name: &str, text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    parse(text).map(Some).ok_or_else(|| format!("{name} {text:?} can't be read as a number of its kind"))
}
