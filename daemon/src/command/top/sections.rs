//! The parts of the picture: streams, alarms, slices, sources and ledger.

use ebbd_core::alarm::AlarmRecord;
use ebbd_core::alarm::block::instant;
use ebbd_core::alarm::words::{Clock, band, count, exact, percent_down, share};
use ebbd_core::report::watch::{Style, Tone, first_sight_parts};
use ebbd_core::report::{escape, visible};

use super::frame::{Row, Shown};
use crate::command::figures::clock;
use crate::outlet::{MinuteNow, SliceNow, StreamNow};
use crate::telemetry::{LedgerStatus, OriginStatus, SourceStatus, StreamStatus};

/// Where text begins behind the name of a stream or section.
const LABEL: usize = 10;
/// Bars from nothing to most.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A minute of which nothing is known.
const UNKNOWN: char = '·';

/// Each stream: what came of what was expected, how complete that is, its last minutes.
pub(super) fn streams(shown: &Shown<'_>, style: &Style) -> Vec<Row> {
    let report = shown.report;
    let mut rows = Vec::new();
    for status in &report.status.streams {
        let now = report.streams.iter().find(|now| now.stream == status.name);
        rows.push(stream(shown, status, now.and_then(|now| now.minutes.last()), style));
        rows.extend(now.filter(|now| now.minutes.len() > 1).map(|now| trend(now, style)));
    }
    rows.push(Row::default());
    rows
}

fn stream(shown: &Shown<'_>, status: &StreamStatus, last: Option<&MinuteNow>, style: &Style) -> Row {
    let mut row = Row::default().and(Some(Tone::Plain), label(&visible(&status.name)));
    let now = last.map_or_else(|| (None, "no minute judged yet".to_owned()), figures);
    row = row.and(now.0, now.1);
    let mut about = Vec::new();
    if let Some(to) = &status.complete_to {
        about.push(format!("to {}", minute(to, shown, style)));
    }
    about.extend(
        status.completeness.filter(|part| *part < 0.9995).map(|part| format!("{} arrived", share(part))),
    );
    about.extend(shown.rates.of(&status.name).map(|per_s| format!("{}/s", count(per_s))));
    let learning = &status.learning;
    if learning.learning > 0 {
        about.push(format!("{} of {} slices learning", exact(learning.learning), exact(learning.slices)));
    }
    row.and(None, format!("   {}", about.join(", ")))
}

/// A time of day: the zone stands in the first line.
fn minute(at: &str, shown: &Shown<'_>, style: &Style) -> String {
    let now = instant(&shown.report.status.now).unwrap_or_default();
    instant(at).map_or_else(|| visible(at), |at| Clock::new(style.zone.clone(), now).minute(at))
}

/// `412/min, expected 540 (498-585), -24 %`, and how bad that is.
fn figures(minute: &MinuteNow) -> (Option<Tone>, String) {
    let tone = tone_of(minute.verdict.as_deref());
    let observed =
        minute.observed.map_or_else(|| "no data".to_owned(), |n| format!("{}/min", count(n as f64)));
    let (Some(expected), Some(low), Some(high)) = (minute.expected, minute.low, minute.high) else {
        return (tone, format!("{observed}, learning"));
    };
    let change = minute.observed.map(|observed| format!(", {}", percent_down(observed as f64, expected)));
    let expected = format!("expected {} ({})", count(expected), band(low, high));
    (tone, format!("{observed}, {expected}{}", change.unwrap_or_default()))
}

fn tone_of(verdict: Option<&str>) -> Option<Tone> {
    match verdict {
        Some("drop") => Some(Tone::Loud),
        Some("incomplete" | "no_data") => Some(Tone::Mild),
        _ => None,
    }
}

/// The last minutes as bars, in the colour of their verdicts.
fn trend(now: &StreamNow, style: &Style) -> Row {
    let room = style.width.saturating_sub(LABEL + 14).min(now.minutes.len());
    let minutes = &now.minutes[now.minutes.len() - room..];
    let most = minutes.iter().filter_map(|minute| minute.observed).max().unwrap_or(0);
    let most = minutes.iter().filter_map(|minute| minute.expected).fold(most as f64, f64::max).max(1.0);
    let mut row = Row::plain(label(""));
    for minute in minutes {
        let bar = minute.observed.map_or(UNKNOWN, |observed| {
            BARS[((observed as f64 / most * 8.0).ceil() as usize).clamp(1, 8) - 1]
        });
        let tone = tone_of(minute.verdict.as_deref());
        match row.0.last_mut().filter(|(had, _)| *had == tone) {
            Some((_, text)) => text.push(bar),
            None => row.0.push((tone, bar.to_string())),
        }
    }
    row.and(None, format!("  last {room} min"))
}

/// Each open alarm: its head, and what is suspected.
pub(super) fn alarms(shown: &Shown<'_>, style: &Style) -> Vec<Row> {
    let open = &shown.report.open;
    let head = match open.len() {
        0 => return vec![label_row("ALARMS", "none open"), Row::default()],
        1 => "1 open".to_owned(),
        n => format!("{n} open"),
    };
    let mut rows = vec![label_row("ALARMS", head)];
    // Pages first, and of them those that were there first.
    let mut sorted: Vec<&AlarmRecord> = open.iter().collect();
    sorted.sort_by_key(|record| (record.severity.name() != "page", record.no));
    sorted.into_iter().for_each(|record| rows.extend(alarm(record, style)));
    rows.push(Row::default());
    rows
}

fn alarm(record: &AlarmRecord, style: &Style) -> Vec<Row> {
    let block = first_sight_parts(record, &style.zone);
    let mut rows = vec![Row::default().and(Some(block.tone), block.mark)];
    for part in block.head {
        // What it costs is not to be cut off.
        let last = rows.last_mut().expect("there is one from the beginning");
        let gap = if last.0.len() > 1 { "   " } else { "" };
        if last.columns() + gap.len() + part.chars().count() <= style.width {
            last.0.push((None, format!("{gap}{part}")));
        } else {
            rows.push(Row::plain("  ").and(None, part.trim_start()));
        }
    }
    for line in &block.lines {
        let text = match line.label {
            // What to type is known to whoever runs this.
            "next" => continue,
            "" => format!("  {}", line.parts.join("; ")),
            label => format!("  {label:<9}{}", line.parts.join("   ")),
        };
        rows.push(Row::plain(text));
    }
    rows
}

/// The worst slices of all streams as a table.
pub(super) fn slices(shown: &Shown<'_>, style: &Style) -> Vec<Row> {
    let streams = &shown.report.streams;
    let mut rows = Vec::new();
    for stream in streams {
        let told: u64 = stream.verdicts.values().sum();
        let verdicts: Vec<String> = stream
            .verdicts
            .iter()
            .map(|(name, n)| format!("{} {}", exact(*n), name.replace('_', " ")))
            .collect();
        let of = if streams.len() > 1 { format!(" of {}", visible(&stream.stream)) } else { String::new() };
        rows.push(label_row("SLICES", format!("{}{of}: {}", exact(told), verdicts.join(", "))));
        rows.push(table_head(style));
        rows.extend(stream.worst.iter().map(|slice| row(slice, shown, style)));
    }
    if !rows.is_empty() {
        rows.push(Row::default());
    }
    rows
}

/// Columns of a slice's name: what the others leave.
fn name_columns(style: &Style) -> usize {
    style.width.saturating_sub(61).clamp(12, 48)
}

fn table_head(style: &Style) -> Row {
    let width = name_columns(style);
    let heads = format!("{:>7}  {:>8}  {:<11}  {:>7}  {}", "NOW", "EXPECTED", "USUALLY", "CHANGE", "VERDICT");
    Row::plain(format!("  {:<width$}  {heads}", "SLICE"))
}

fn row(slice: &SliceNow, shown: &Shown<'_>, style: &Style) -> Row {
    let (now, width) = (&slice.now, name_columns(style));
    let name = visible(&slice.title);
    let name = match name.chars().count() {
        n if n > width => name.chars().take(width - 1).chain(['…']).collect(),
        _ => name,
    };
    let figure = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), count);
    let usually = now.low.zip(now.high).map_or_else(|| "-".to_owned(), |(low, high)| band(low, high));
    let change =
        now.observed.zip(now.expected).map(|(observed, expected)| percent_down(observed as f64, expected));
    let verdict = now.verdict.as_deref().unwrap_or("-").replace('_', " ");
    let since = slice.since.as_deref().map(|since| format!(" since {}", minute(since, shown, style)));
    let figures = format!(
        "  {name:<width$}  {:>7}  {:>8}  {usually:<11}  {:>7}  ",
        figure(now.observed.map(|n| n as f64)),
        figure(now.expected),
        change.unwrap_or_else(|| "-".to_owned()),
    );
    Row::plain(figures).and(tone_of(now.verdict.as_deref()), verdict + &since.unwrap_or_default())
}

/// Who sends, and what became of every line.
pub(super) fn data(shown: &Shown<'_>, style: &Style) -> Vec<Row> {
    let status = &shown.report.status;
    let mut rows = vec![sources(&status.sources)];
    for source in &status.sources {
        let away = source.origins.iter().filter(|origin| !matches!(&*origin.state, "alive" | "left"));
        rows.extend(away.map(|origin| missing(source, origin, shown, style)));
    }
    rows.push(ledger(&status.ledger));
    rows
}

fn sources(sources: &[SourceStatus]) -> Row {
    let told = sources.iter().map(|source| {
        let hosts = source.origins.iter().filter(|origin| origin.state == "alive").count();
        let hosts = match source.origins.len() {
            0 => String::new(),
            all => format!(", {hosts} of {all} hosts alive"),
        };
        let rejected = if source.rejected > 0 {
            format!(", {} rejected", exact(source.rejected))
        } else {
            String::new()
        };
        format!("{} {}{hosts}{rejected}", visible(&source.name), source.state.replace('_', " "))
    });
    label_row("SOURCES", told.collect::<Vec<_>>().join("; "))
}

fn missing(source: &SourceStatus, origin: &OriginStatus, shown: &Shown<'_>, style: &Style) -> Row {
    let since = origin.last.as_deref().map(|last| clock(last, &shown.report.status.now, &style.zone));
    let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
    let who = format!("{}/{}", visible(&source.name), escape(&origin.name));
    let state = origin.state.replace('_', " ");
    let text = format!("{who} {state}{since}, usually {} of events", share(origin.share));
    Row::plain(label("")).and(Some(Tone::Mild), text)
}

fn ledger(ledger: &LedgerStatus) -> Row {
    let mut spent = vec![format!("{} counted", exact(ledger.counted))];
    let others = [
        (ledger.control, "control"),
        (ledger.duplicate, "duplicate"),
        (ledger.rejected_total(), "rejected"),
        (ledger.dropped_queue, "shed"),
        (ledger.dropped_crash, "lost in a crash"),
    ];
    spent.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", exact(*n))));
    let text = format!("{} received = {}", exact(ledger.received), spent.join(" + "));
    let row = label_row("LEDGER", text);
    let kernel = ledger.kernel_datagrams;
    let row = if kernel > 0 {
        row.and(Some(Tone::Mild), format!("   kernel dropped {}", exact(kernel)))
    } else {
        row
    };
    if ledger.balances { row } else { row.and(Some(Tone::Loud), "   DOES NOT BALANCE") }
}

fn label(name: &str) -> String {
    format!("{name:<LABEL$}")
}

fn label_row(name: &str, text: impl Into<String>) -> Row {
    Row::default().and(Some(Tone::Plain), label(name)).and(None, text)
}
