//! The dataset `minutes`: one row per minute × series × currency × revision. Rows are additive.

use std::io::Write;
use std::sync::Arc;

use datasketches::hll::{HllSketch, HllType};

use super::schema::{Kind, Layout};
use super::writer::Rows;
use super::{ColumnsError, Dataset, Footer, Written};
use crate::model::{RowView, SealedMinute, SealedRows, StreamSpec};
use crate::simd::prefetch;

/// Size of the sketches, as log2 of their registers.
pub(super) const SKETCH_LGK: u8 = 12;

/// Writes these minutes, of any revisions and in any order, sorted by minute, dimensions, currencies
/// and revision. Memory: one batch, one row group, and references to the rows of one minute.
///
/// # Errors
/// [`ColumnsError::Shape`] if a row has not the dimensions, sums and distincts of `spec`; trouble of `out`.
pub fn write_minutes<W: Write + Send>(
    spec: &StreamSpec,
    minutes: &[Arc<SealedMinute>],
    footer: &Footer,
    out: W,
) -> Result<Written, ColumnsError> {
    let mut file = Rows::new(Dataset::Minutes, Some(&spec.name), &layout(spec), footer, out)?;
    let empty_sketch = empty_sketch();
    let mut order: Vec<&SealedMinute> = minutes.iter().map(Arc::as_ref).collect();
    order.sort_by_key(|sealed| (sealed.minute, sealed.revision));
    let host = Arc::from(footer.host.as_str());
    let mut push = |sealed: &SealedMinute, row: RowView<'_>| {
        check_shape(spec, row)?;
        push_row(&mut file, sealed, row, &empty_sketch, &host)
    };
    for same_minute in order.chunk_by(|a, b| a.minute == b.minute) {
        match same_minute {
            [only] => {
                debug_assert!(only.rows.iter().is_sorted_by_key(|row| row.key), "rows are sorted by key");
                for at in 0..only.rows.len() {
                    ask_for_keys(&only.rows, at);
                    push(only, only.rows.row(at))?;
                }
            }
            revisions => {
                sorted_rows(revisions).into_iter().try_for_each(|(sealed, row)| push(sealed, row))?
            }
        }
    }
    file.finish()
}

/// Keys lie in memory as they came, rows are sorted: asks for the keys of rows to come.
fn ask_for_keys(rows: &SealedRows, at: usize) {
    if at + 24 < rows.len() {
        prefetch(std::slice::from_ref(&**rows.row(at + 24).key), 0);
        let near = rows.row(at + 12).key;
        prefetch(&near.dimensions, 0);
        prefetch(&near.currencies, 0);
    }
}

/// The rows of one minute's revisions, in the order of the file.
fn sorted_rows<'a>(revisions: &[&'a SealedMinute]) -> Vec<(&'a SealedMinute, RowView<'a>)> {
    let mut rows: Vec<_> = revisions.iter().flat_map(|&s| s.rows.iter().map(move |row| (s, row))).collect();
    rows.sort_by(|(s, a), (t, b)| (a.key, s.revision).cmp(&(b.key, t.revision)));
    rows
}

fn push_row<W: Write + Send>(
    file: &mut Rows<W>,
    sealed: &SealedMinute,
    row: RowView<'_>,
    empty_sketch: &[u8],
    host: &Arc<str>,
) -> Result<(), ColumnsError> {
    file.minute(sealed.minute);
    for value in &row.key.dimensions {
        file.word(value);
    }
    file.flag(row.key.watched).int(row.count);
    for (sum, currency) in row.sums.iter().zip(&row.key.currencies) {
        file.decimal(sum.0).word(currency);
    }
    for sketch in row.sketches.iter() {
        file.sketch(if sketch.is_empty() { empty_sketch } else { sketch });
    }
    file.revision(sealed.revision).word(host).end()
}

fn check_shape(spec: &StreamSpec, row: RowView<'_>) -> Result<(), ColumnsError> {
    let key = &row.key;
    let sums = spec.sums.len();
    if key.dimensions.len() == spec.dimensions.len()
        && key.currencies.len() == sums
        && row.sums.len() == sums
        && row.sketches.len() == spec.distincts.len()
    {
        return Ok(());
    }
    Err(ColumnsError::Shape(format!("minutes: a row that has not the columns of stream {}", spec.name)))
}

/// The bytes of a sketch that saw nothing: every cell can be read and merged by Apache DataSketches.
pub(super) fn empty_sketch() -> Vec<u8> {
    HllSketch::new(SKETCH_LGK, HllType::Hll4).expect("12 is a valid lgK").serialize()
}

pub(super) fn layout(spec: &StreamSpec) -> Layout {
    Layout::default()
        .sorted("minute", Kind::Stamp, false)
        .each(&spec.dimensions, |layout, d| layout.sorted(&d.name, Kind::Word, false))
        .with("watched", Kind::Bool)
        .with("count", Kind::Int64)
        .each(&spec.sums, |layout, sum| {
            let layout = layout.with(&sum.name, Kind::Decimal(sum.scale));
            layout.sorted(format!("{}_currency", sum.name), Kind::Word, false)
        })
        .each(&spec.distincts, |layout, d| layout.with(format!("{}_hll", d.name), Kind::Sketch))
        .sorted("revision", Kind::Int32, false)
        .with("host", Kind::Word)
}
