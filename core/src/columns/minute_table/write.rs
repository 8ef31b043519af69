//! Sealed minutes as a minute table: what is not known of a minute stays unknown when it is read again.

use std::io::Write;
use std::sync::Arc;

use crate::columns::schema::{Kind, Layout};
use crate::columns::writer::Rows;
use crate::columns::{ColumnsError, Dataset, Footer, Written};
use crate::model::{Money, SealedMinute, SeriesKey, StreamSpec};

/// From here on a minute counts as complete.
const COMPLETE: f64 = 0.9999;
/// The least completeness that is written: 0 would say that there is no data.
const LEAST: f64 = 0.001;

/// A minute table as Parquet, growing minute by minute.
pub struct TableFile<W: Write + Send> {
    rows: Rows<W>,
    /// A series that stands for the others in a minute without orders.
    known: Option<Arc<SeriesKey>>,
    sums: usize,
}

impl<W: Write + Send> TableFile<W> {
    /// Begins a table of this stream.
    ///
    /// # Errors
    /// Trouble of `out`.
    pub fn new(spec: &StreamSpec, footer: &Footer, out: W) -> Result<TableFile<W>, ColumnsError> {
        let rows = Rows::new(Dataset::Minutes, Some(&spec.name), &layout(spec), footer, out)?;
        Ok(TableFile { rows, known: None, sums: spec.sums.len() })
    }

    /// Adds a minute; they ascend. One without any data has no row.
    ///
    /// # Errors
    /// Trouble of `out`.
    pub fn add(&mut self, sealed: &SealedMinute) -> Result<(), ColumnsError> {
        if sealed.completeness.no_data {
            return Ok(());
        }
        let fraction = sealed.completeness.fraction;
        let fraction = if fraction >= COMPLETE { 1.0 } else { fraction.max(LEAST) };
        let mut is_empty = true;
        for row in sealed.judged_rows() {
            is_empty = false;
            self.push(sealed, row.key, row.count, fraction, row.sums)?;
        }
        if let Some(row) = sealed.judged_rows().find(|row| row.key.watched) {
            self.known = Some(Arc::clone(row.key));
        }
        match self.known.clone().filter(|_| is_empty) {
            Some(key) => self.push(sealed, &key, 0, fraction, &vec![Money(0); self.sums]),
            None => Ok(()),
        }
    }

    fn push(
        &mut self,
        sealed: &SealedMinute,
        key: &SeriesKey,
        count: i64,
        completeness: f64,
        sums: &[Money],
    ) -> Result<(), ColumnsError> {
        self.rows.minute(sealed.minute);
        for value in &key.dimensions {
            self.rows.word(value);
        }
        self.rows.int(count).double(completeness);
        for (sum, currency) in sums.iter().zip(&key.currencies) {
            self.rows.decimal(sum.0).word(currency);
        }
        self.rows.end()
    }

    /// Ends the table.
    ///
    /// # Errors
    /// Trouble of `out`.
    pub fn finish(self) -> Result<Written, ColumnsError> {
        self.rows.finish()
    }
}

fn layout(spec: &StreamSpec) -> Layout {
    Layout::default()
        .sorted("minute", Kind::Stamp, false)
        .each(&spec.dimensions, |layout, d| layout.sorted(&d.name, Kind::Word, false))
        .or_null("count", Kind::Int64)
        .with("completeness", Kind::Double)
        .each(&spec.sums, |layout, sum| {
            layout
                .with(&sum.name, Kind::Decimal(sum.scale))
                .with(format!("{}_currency", sum.name), Kind::Word)
        })
}
