//! The dataset `sources`: what each source and origin was doing, per minute of event time and stream,
//! the silent ones too. Without it a replay could not tell zero from missing.

use std::io::Write;

use super::schema::{Kind, Layout};
use super::writer::Rows;
use super::{ColumnsError, Dataset, Footer, Written};
use crate::model::{Minute, SourceMinute};

/// A row of the dataset, borrowed from a sealed minute.
#[derive(Clone, Copy, Debug)]
pub struct SourceRowRef<'a> {
    /// The minute of event time.
    pub minute: Minute,
    /// The stream whose minute was sealed: shares and completeness are of its events.
    pub stream: &'a str,
    /// What the source was doing.
    pub source: &'a SourceMinute,
}

/// Writes these rows, given in any order, sorted by minute, stream, source and origin.
///
/// # Errors
/// Trouble of `out`.
pub fn write_sources<W: Write + Send>(
    rows: &[SourceRowRef<'_>],
    footer: &Footer,
    out: W,
) -> Result<Written, ColumnsError> {
    let mut file = Rows::new(Dataset::Sources, None, &layout(), footer, out)?;
    let mut order: Vec<&SourceRowRef<'_>> = rows.iter().collect();
    order.sort_by(|a, b| key(a).cmp(&key(b)));
    for row in order {
        let source = row.source;
        file.minute(row.minute).text(row.stream);
        file.text(source.source_name.as_str()).text(source.origin.as_str()).text(source.state.name());
        file.double(source.share).double(source.completeness).double(source.lost_upper);
        file.stamp(source.missing_since).text(footer.host.as_str()).end()?;
    }
    file.finish()
}

fn key<'a>(row: &SourceRowRef<'a>) -> (Minute, &'a str, &'a str, &'a str) {
    (row.minute, row.stream, &row.source.source_name, &row.source.origin)
}

pub(super) fn layout() -> Layout {
    Layout::default()
        .sorted("minute", Kind::Stamp, false)
        .sorted("stream", Kind::Word, false)
        .sorted("source", Kind::Word, false)
        .sorted("origin", Kind::Word, false)
        .with("state", Kind::Word)
        .with("share", Kind::Double)
        .with("completeness", Kind::Double)
        .with("lost_upper", Kind::Double)
        .or_null("missing_since", Kind::Stamp)
        .with("host", Kind::Word)
}
