//! `[stream.NAME]`.

use ebbd_core::model::{MICROS_PER_MINUTE, MICROS_PER_SECOND, StreamSpec};

use super::duration::duration_text;
use super::written::{Item, Section};
use super::{fields, names, watching, zones};

/// Most streams of a daemon.
const MAX_STREAMS: usize = 256;

const SECOND: i64 = MICROS_PER_SECOND;
const MINUTE: i64 = MICROS_PER_MINUTE;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// All declared streams in the order of the file; the documentation's `orders` if none is declared.
pub(super) fn read_all(root: &Section<'_>) -> Vec<StreamSpec> {
    let section = root.section("stream");
    let entries = section.entries();
    if entries.is_empty() {
        return vec![StreamSpec::example()];
    }
    if let Some(beyond) = entries.get(MAX_STREAMS) {
        let hint = "an attribute of orders is a dimension, not a stream";
        section.findings.error(&beyond.key_span, format!("more than {MAX_STREAMS} streams"), hint);
    }
    entries.iter().map(read).collect()
}

fn read(entry: &Item<'_>) -> StreamSpec {
    let name = entry.key.clone();
    names::check_stream_name(&name, &entry.key_span, entry.findings);
    let stream = entry.section(&format!("[stream.{name}]"));
    let time = stream.get("time").and_then(|item| fields::path(&item)).unwrap_or("ts").to_owned();
    let origin = stream.get("origin").and_then(|item| fields::path(&item)).map(str::to_owned);
    let fields::Fields { dimensions, sums, distincts } = fields::read(&stream);
    let watched = watching::watched(&stream, &dimensions);
    let watch = watching::groupings(&stream, &dimensions, &watched);
    let id = watching::identity(&stream, &dimensions, &watched);
    let timezones = zones::read(&stream, &dimensions);
    let lateness_us = stream.duration_us("lateness", 7 * DAY, MINUTE..=400 * DAY);
    let spec = StreamSpec {
        name,
        time,
        sums,
        distincts,
        origin,
        id,
        dedupe_us: stream.duration_us("dedupe", 10 * MINUTE, SECOND..=7 * DAY),
        watched,
        watch,
        min_loss: min_loss(&stream),
        timezones,
        seal_us: stream.duration_us("seal", 5 * SECOND, 0..=10 * MINUTE),
        lateness_us,
        future_us: stream.duration_us("future", 2 * MINUTE, 0..=DAY),
        revise_us: revise(&stream, lateness_us),
        dimensions,
    };
    warn_idle_dedupe(&stream, &spec);
    stream.finish();
    spec
}

fn min_loss(stream: &Section<'_>) -> f64 {
    let Some(item) = stream.get("min_loss") else { return 5.0 };
    let number = item.number().unwrap_or(5.0);
    if !(0.0..=1e9).contains(&number) {
        item.error(format!("`min_loss` = {number} is out of bounds"), "allowed: 0 to 1000000000 orders");
    }
    number
}

/// Nothing older than `lateness` arrives, so it is the longest useful `revise`.
fn revise(stream: &Section<'_>, lateness_us: i64) -> i64 {
    let us = stream.duration_us("revise", (2 * HOUR).min(lateness_us), 0..=400 * DAY);
    if let Some(item) = stream.get("revise").filter(|_| us > lateness_us) {
        let message = format!("`revise` is longer than `lateness` ({})", duration_text(lateness_us));
        item.error(message, "older events are rejected anyway: shorten `revise` or lengthen `lateness`");
    }
    us
}

fn warn_idle_dedupe(stream: &Section<'_>, spec: &StreamSpec) {
    if let Some(item) = stream.get("dedupe").filter(|_| spec.id.is_empty()) {
        let hint = "add id = [\"order_id\", \"status\"], or remove `dedupe`";
        stream.findings.warning(&item.key_span, "`dedupe` does nothing without `id`", hint);
    }
}
