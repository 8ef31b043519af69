//! The answers about slices, markers and alarms, as JSON. Times are RFC 3339 in UTC.

use std::sync::Arc;

use ebbd_core::alarm::AlarmRecord;
use ebbd_core::model::{Mark, Minute, Slice};
use ebbd_core::report::visible;
use ebbd_core::report::watch::{Block, Tone, first_sight_parts, parts};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::board::{Latest, Point, StreamBoard};

/// A stream with the latest verdict of its watched slices.
pub(super) fn stream(name: &str, board: &StreamBoard) -> Value {
    let slices: Vec<Value> = board.latest.iter().map(|latest| told(board, latest)).collect();
    json!({
        "stream": name,
        "minute": board.minute.start().to_rfc3339(),
        "watched": board.verdicts.values().sum::<u64>(),
        "verdicts": board.verdicts,
        "slices": slices,
    })
}

/// A stream's latest minute, without its slices: what is told live.
pub(super) fn tick(name: &str, board: &StreamBoard) -> Value {
    json!({
        "stream": name,
        "minute": board.minute.start().to_rfc3339(),
        "verdicts": board.verdicts,
        "whole": board.whole.as_ref().map(point),
    })
}

fn told(board: &StreamBoard, latest: &Latest) -> Value {
    let mut told = point(&latest.point);
    told["slice"] = json!(latest.slice);
    told["title"] = title(&board.dimensions, &latest.slice).into();
    told["recovering"] = latest.recovering.into();
    told["since"] = latest.since.map(|since| since.start().to_rfc3339()).into();
    told
}

/// What people call a slice.
pub(super) fn title(dimensions: &[String], slice: &Slice) -> String {
    let names: Vec<&str> = dimensions.iter().map(String::as_str).collect();
    visible(&slice.title(&names))
}

/// A minute of a slice.
pub(super) fn point(point: &Point) -> Value {
    let short = |figure: Option<f32>| figure.map(|figure| (f64::from(figure) * 10.0).round() / 10.0);
    json!({
        "minute": point.minute.start().to_rfc3339(),
        "observed": point.observed,
        "expected": short(point.expected),
        "low": short(point.low),
        "high": short(point.high),
        // Of counts alone nobody knows how much of them is there.
        "completeness": point.verdict.map(|_| (f64::from(point.completeness) * 1e4).round() / 1e4),
        "verdict": point.verdict.map(|verdict| verdict.name()),
    })
}

/// A minute of the week before: its minute is the one that it is compared with.
pub(super) fn week_ago(point: &Point) -> Value {
    json!({ "minute": point.minute.plus(super::http::WEEK).start().to_rfc3339(), "observed": point.observed })
}

/// Markers since `from`.
pub(super) fn marks(from: Minute, marks: &[Mark]) -> Value {
    let mark = |mark: &Mark| {
        json!({
            "id": mark.id,
            "kind": visible(&mark.kind),
            "what": visible(&mark.what),
            "at": mark.at.to_rfc3339(),
            "until": mark.until.map(|until| until.to_rfc3339()),
            "scope": mark.scope,
            "by": mark.by,
        })
    };
    json!({ "v": 1, "from": from.start().to_rfc3339(), "marks": marks.iter().map(mark).collect::<Vec<Value>>() })
}

/// Open alarms by their latest records and the newest records; beside each what it says to a person.
pub(super) fn alarms(open: &[Arc<str>], recent: &[Arc<str>], zone: &TimeZone) -> Value {
    let records = |texts: &[Arc<str>]| -> Vec<AlarmRecord> {
        texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect()
    };
    let (open, recent) = (records(open), records(recent));
    let whole = |record: &AlarmRecord| block(&first_sight_parts(record, zone));
    let news = |record: &AlarmRecord| block(&parts(record, zone));
    json!({
        "told": {
            "open": open.iter().map(whole).collect::<Vec<Value>>(),
            "recent": recent.iter().map(news).collect::<Vec<Value>>(),
        },
        "open": open,
        "recent": recent,
    })
}

/// One alarm: its records, oldest first, what each said, and what is to be said of it now.
pub(super) fn alarm(no: u64, records: &[AlarmRecord], zone: &TimeZone) -> Value {
    let now = records.last().map(|record| block(&first_sight_parts(record, zone)));
    let opened = records.iter().rev().find(|record| !is_over(record));
    json!({
        "v": 1,
        "no": no,
        "now": now,
        "while_open": opened.map(|record| block(&first_sight_parts(record, zone))),
        "told": records.iter().map(|record| block(&parts(record, zone))).collect::<Vec<Value>>(),
        "records": records,
    })
}

fn is_over(record: &AlarmRecord) -> bool {
    use ebbd_core::alarm::State;
    matches!(record.state, State::Resolved | State::Withdrawn)
}

fn block(block: &Block) -> Value {
    let tone = match block.tone {
        Tone::Loud => "loud",
        Tone::Mild => "mild",
        Tone::Good => "good",
        Tone::Plain => "plain",
    };
    let lines = block.lines.iter().map(|line| json!({ "label": line.label, "parts": line.parts }));
    json!({
        "tone": tone,
        "mark": block.mark,
        "head": block.head,
        "lines": lines.collect::<Vec<Value>>(),
    })
}
