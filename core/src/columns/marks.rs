//! The dataset `marks`: one row per change marker as it came; of one id the row received last is valid.

use std::io::Write;

use super::schema::{Kind, Layout};
use super::writer::Rows;
use super::{ColumnsError, Dataset, Footer, Written};
use crate::model::Mark;

/// Writes markers, given in any order, sorted by `at` and id.
///
/// # Errors
/// Trouble of `out`.
pub fn write_marks<W: Write + Send>(
    marks: &[Mark],
    footer: &Footer,
    out: W,
) -> Result<Written, ColumnsError> {
    let mut file = Rows::new(Dataset::Marks, None, &layout(), footer, out)?;
    let mut order: Vec<&Mark> = marks.iter().collect();
    order.sort_by(|a, b| (a.at, &a.id, a.received).cmp(&(b.at, &b.id, b.received)));
    for mark in order {
        file.text(mark.id.as_str()).text(mark.kind.as_str()).text(mark.what.as_str());
        file.placed_at(mark.at).stamp(mark.until).text(mark.scope.canonical().as_str());
        file.flag(mark.retracted).stamp(mark.received).text(mark.by.as_str());
        file.text(footer.host.as_str()).end()?;
    }
    file.finish()
}

pub(super) fn layout() -> Layout {
    Layout::default()
        .with("id", Kind::Text)
        .with("kind", Kind::Word)
        .with("what", Kind::Text)
        .sorted("at", Kind::Stamp, false)
        .or_null("until", Kind::Stamp)
        .with("scope", Kind::Word)
        .with("retracted", Kind::Bool)
        .with("received", Kind::Stamp)
        .with("by", Kind::Word)
        .with("host", Kind::Word)
}
