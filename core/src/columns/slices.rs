//! The dataset `slices`: one row per minute × watched slice × revision; the highest revision is valid.

use std::cmp::Ordering;
use std::io::Write;

use super::schema::{Kind, Layout};
use super::writer::Rows;
use super::{ColumnsError, Dataset, Footer, Written};
use crate::detect::SliceVerdict;
use crate::model::{Minute, Slice, StreamSpec, TimeUs};

/// A row of the dataset, borrowed from what was judged.
#[derive(Clone, Copy, Debug)]
pub struct SliceRowRef<'a> {
    /// The judged minute.
    pub minute: Minute,
    /// The watched slice.
    pub slice: &'a Slice,
    /// What was said of it.
    pub verdict: &'a SliceVerdict,
    /// 0 from sealing, more for what late data changed.
    pub revision: u32,
    /// When it was judged.
    pub judged_at: TimeUs,
}

/// Writes these rows, given in any order, sorted by minute, dimensions and revision.
///
/// # Errors
/// Trouble of `out`.
pub fn write_slices<W: Write + Send>(
    spec: &StreamSpec,
    rows: &[SliceRowRef<'_>],
    footer: &Footer,
    out: W,
) -> Result<Written, ColumnsError> {
    let mut file = SlicesFile::new(spec, footer, out)?;
    file.add(rows)?;
    file.finish()
}

/// A file of the dataset that grows minute by minute.
pub struct SlicesFile<W: Write + Send> {
    rows: Rows<W>,
    spec: StreamSpec,
    host: String,
}

impl<W: Write + Send> SlicesFile<W> {
    /// Begins a file for the slices of this stream.
    ///
    /// # Errors
    /// Trouble of `out`.
    pub fn new(spec: &StreamSpec, footer: &Footer, out: W) -> Result<SlicesFile<W>, ColumnsError> {
        let rows = Rows::new(Dataset::Slices, Some(&spec.name), &layout(spec), footer, out)?;
        Ok(SlicesFile { rows, spec: spec.clone(), host: footer.host.clone() })
    }

    /// Adds rows, sorted among themselves; all of their minutes come behind those that are there.
    ///
    /// # Errors
    /// Trouble of `out`.
    pub fn add(&mut self, rows: &[SliceRowRef<'_>]) -> Result<(), ColumnsError> {
        let mut order: Vec<&SliceRowRef<'_>> = rows.iter().collect();
        order.sort_by(|a, b| compare(&self.spec, a, b));
        order.into_iter().try_for_each(|row| push_row(&mut self.rows, &self.spec, row, &self.host))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Trouble of `out`.
    pub fn finish(self) -> Result<Written, ColumnsError> {
        self.rows.finish()
    }
}

fn push_row<W: Write + Send>(
    file: &mut Rows<W>,
    spec: &StreamSpec,
    row: &SliceRowRef<'_>,
    host: &str,
) -> Result<(), ColumnsError> {
    let verdict = row.verdict;
    file.minute(row.minute).text(row.slice.canonical().as_str());
    for dimension in &spec.dimensions {
        file.text(value(row.slice, &dimension.name));
    }
    file.int(verdict.observed).double(verdict.observed_max).double(verdict.expected);
    file.double(verdict.low).double(verdict.high).text(verdict.verdict.name());
    file.double(verdict.completeness).double(verdict.evidence);
    file.revision(row.revision).stamp(row.judged_at).text(host).end()
}

fn value<'a>(slice: &'a Slice, dimension: &str) -> Option<&'a str> {
    slice.0.get(dimension).map(String::as_str)
}

fn compare(spec: &StreamSpec, a: &SliceRowRef<'_>, b: &SliceRowRef<'_>) -> Ordering {
    let by_dimensions = || {
        let values = |name: &str| value(a.slice, name).cmp(&value(b.slice, name));
        spec.dimensions.iter().map(|d| values(&d.name)).fold(Ordering::Equal, Ordering::then)
    };
    a.minute.cmp(&b.minute).then_with(by_dimensions).then(a.revision.cmp(&b.revision))
}

pub(super) fn layout(spec: &StreamSpec) -> Layout {
    Layout::default()
        .sorted("minute", Kind::Stamp, false)
        .with("slice", Kind::Word)
        .each(&spec.dimensions, |layout, d| layout.sorted(&d.name, Kind::Word, true))
        .or_null("observed", Kind::Int64)
        .or_null("observed_max", Kind::Double)
        .or_null("expected", Kind::Double)
        .or_null("low", Kind::Double)
        .or_null("high", Kind::Double)
        .with("verdict", Kind::Word)
        .with("completeness", Kind::Double)
        .with("evidence", Kind::Double)
        .sorted("revision", Kind::Int32, false)
        .with("judged_at", Kind::Stamp)
        .with("host", Kind::Word)
}
