//! The dataset `alarms`: one row per alarm record; the main fields as columns, the whole in `record`.

use std::io::Write;

use super::schema::{Kind, Layout};
use super::writer::Rows;
use super::{ColumnsError, Dataset, Footer, Written};
use crate::alarm::AlarmRecord;
use crate::model::TimeUs;

/// Writes records, given in any order, sorted by `seq`.
///
/// # Errors
/// [`ColumnsError::Shape`] if a record's `at` or `minute` is no time; trouble of `out`.
pub fn write_alarms<W: Write + Send>(
    records: &[AlarmRecord],
    footer: &Footer,
    out: W,
) -> Result<Written, ColumnsError> {
    let mut file = Rows::new(Dataset::Alarms, None, &layout(), footer, out)?;
    let mut order: Vec<&AlarmRecord> = records.iter().collect();
    order.sort_by_key(|record| record.seq);
    for record in order {
        push_record(&mut file, record)?;
    }
    file.finish()
}

fn push_record<W: Write + Send>(file: &mut Rows<W>, record: &AlarmRecord) -> Result<(), ColumnsError> {
    let whole = serde_json::to_string(record)
        .map_err(|e| ColumnsError::Shape(format!("alarms: record {}: {e}", record.seq)))?;
    let onset = record.onset.as_ref().map(|onset| &onset[1]);
    file.count(record.seq).count(record.no).text(record.id.as_str()).text(record.key.as_str());
    file.count(u64::from(record.rev)).placed_at(required("at", &record.at)?);
    file.text(record.host.as_str()).text(record.view.as_str());
    file.text(record.state.name()).text(record.kind.name()).text(record.severity.name());
    file.text(record.notify.name()).text(record.because.name()).text(record.stream.as_str());
    file.text(record.slice.canonical().as_str()).text(record.title.as_str());
    file.stamp(required("minute", &record.minute)?).stamp(onset.and_then(|t| time(t)));
    file.stamp(record.ended.as_deref().and_then(time));
    file.int(record.observed).double(record.observed_max).double(record.expected);
    file.double(record.low).double(record.high).double(record.evidence).double(record.threshold);
    file.double(record.completeness.fraction).flag(record.early).flag(record.late).flag(record.durable);
    file.text(record.acked.as_deref()).stamp(record.silenced_until.as_deref().and_then(time));
    file.text(record.label.as_deref()).text(record.reason.as_deref());
    file.text(record.config.as_str()).text(record.url.as_deref()).text(whole.as_str()).end()
}

fn time(text: &str) -> Option<TimeUs> {
    text.parse::<jiff::Timestamp>().ok().map(|stamp| TimeUs(stamp.as_microsecond()))
}

fn required(field: &str, text: &str) -> Result<TimeUs, ColumnsError> {
    time(text).ok_or_else(|| ColumnsError::Shape(format!("alarms: {field} {text:?} is no time")))
}

pub(super) fn layout() -> Layout {
    let figure = |layout: Layout, name: &str| layout.or_null(name, Kind::Double);
    let word = |layout: Layout, name: &str| layout.with(name, Kind::Word);
    Layout::default()
        .sorted("seq", Kind::Int64, false)
        .with("no", Kind::Int64)
        .with("id", Kind::Text)
        .with("key", Kind::Word)
        .with("rev", Kind::Int64)
        .with("at", Kind::Stamp)
        .each(["host", "view", "state", "kind", "severity", "notify", "because", "stream", "slice"], word)
        .with("title", Kind::Text)
        .with("minute", Kind::Stamp)
        .or_null("onset", Kind::Stamp)
        .or_null("ended", Kind::Stamp)
        .or_null("observed", Kind::Int64)
        .each(["observed_max", "expected", "low", "high", "evidence", "threshold"], figure)
        .with("completeness", Kind::Double)
        .with("early", Kind::Bool)
        .with("late", Kind::Bool)
        .with("durable", Kind::Bool)
        .or_null("acked", Kind::Text)
        .or_null("silenced_until", Kind::Stamp)
        .or_null("label", Kind::Word)
        .or_null("reason", Kind::Text)
        .with("config", Kind::Word)
        .or_null("url", Kind::Text)
        .with("record", Kind::Text)
}
