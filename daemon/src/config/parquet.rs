//! `[parquet]` and `[rejects]`: when files are written and how long they are kept.

use ebbd_core::model::{MICROS_PER_MINUTE, MICROS_PER_SECOND};

use super::checked::{ParquetConfig, RejectsConfig, Retain};
use super::written::Section;

const MINUTE: i64 = MICROS_PER_MINUTE;
const DAY: i64 = 24 * 60 * MINUTE;
const FOREVER: &str = "forever";
const OFF: &str = "off";

/// Reads `[parquet]`.
pub(super) fn read(section: &Section<'_>) -> ParquetConfig {
    let roll_us = section.duration_us("roll", 5 * MINUTE, MICROS_PER_SECOND..=60 * MINUTE);
    let compact_us = section.duration_us("compact", 60 * MINUTE, MINUTE..=7 * DAY);
    let retain = match section.get("retain") {
        Some(item) => item.section("`retain`"),
        None => section.absent("`retain`"),
    };
    let config = ParquetConfig { roll_us, compact_us, retain: read_retain(&retain) };
    retain.finish();
    section.finish();
    config
}

fn read_retain(retain: &Section<'_>) -> Retain {
    Retain {
        minutes_us: kept(retain, "minutes", Some(400 * DAY)),
        slices_us: kept(retain, "slices", Some(30 * DAY)),
        ledger_us: kept(retain, "ledger", Some(90 * DAY)),
        incidents_us: kept(retain, "incidents", None),
        alarms_us: kept(retain, "alarms", None),
        marks_us: kept(retain, "marks", None),
        sources_us: kept(retain, "sources", Some(400 * DAY)),
    }
}

/// A duration of at least two days (a day must be closed before it can go), or `"forever"`.
fn kept(retain: &Section<'_>, key: &'static str, default: Option<i64>) -> Option<i64> {
    let Some(item) = retain.get(key) else { return default };
    match item.as_text() {
        Some(FOREVER) => None,
        _ => item.duration_us(2 * DAY..=36_500 * DAY).or(default),
    }
}

/// Reads `[rejects]`: `keep = "7d"` or `"off"`, `size`.
pub(super) fn read_rejects(section: &Section<'_>) -> Option<RejectsConfig> {
    let max_bytes = section.size("size", 16 << 20, 4096..=1 << 40);
    let keep = section.get("keep");
    section.finish();
    let keep_us = match keep {
        None => 7 * DAY,
        Some(item) if item.as_text() == Some(OFF) => return None,
        Some(item) => item.duration_us(60 * MINUTE..=400 * DAY).unwrap_or(7 * DAY),
    };
    Some(RejectsConfig { keep_us, max_bytes })
}
