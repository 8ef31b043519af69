//! A checked configuration in words: what is counted, judged, listened to and kept.

use ebbd_core::model::{CalendarEntry, CalendarTime, StreamRoute, StreamSpec};
use ebbd_core::report::escape;
use serde_json::{Value, json};

use crate::config::{
    Config, ConfigDiff, Problem, SocketPath, SourceConfig, SourceKind, StreamChange, duration_text,
    route_text, size_text,
};

/// Where the second column begins.
const INDENT: usize = 18;
/// Longest line.
const WIDTH: usize = 80;

/// The summary for a person.
pub(super) fn text(config: &Config) -> String {
    let mut out = format!("ok  {}  (config {})\n", config.file_name(), config.hash());
    for stream in config.streams.iter() {
        paragraph(&mut out, &format!("stream {}", stream.name), &stream_lines(stream));
    }
    for source in &config.sources {
        paragraph(&mut out, &format!("source {}", source.spec.name), &source_lines(source, &config.streams));
    }
    paragraph(&mut out, "alarms", &[socket(&config.alarms)]);
    paragraph(&mut out, "control", &[socket(&config.control)]);
    let http = config.http.map_or_else(|| "off".to_owned(), |addr| format!("{addr}{}", reach(Some(addr))));
    paragraph(&mut out, "http", &[http]);
    paragraph(&mut out, "data", &data_lines(config));
    paragraph(&mut out, "judge", &[budget(config)]);
    paragraph(&mut out, "calendar", &config.calendar.iter().map(calendar_line).collect::<Vec<_>>());
    paragraph(&mut out, "memory", &memory_lines(config));
    out
}

/// A name and its lines, wrapped at commas and spaces.
fn paragraph(out: &mut String, name: &str, lines: &[String]) {
    let mut label = format!("  {name}");
    for line in lines {
        for part in wrapped(line, WIDTH - INDENT) {
            let shown = if label.chars().count() < INDENT {
                format!("{label:<INDENT$}{part}")
            } else {
                format!("{label}\n{:INDENT$}{part}", "")
            };
            out.push_str(shown.trim_end());
            out.push('\n');
            label.clear();
        }
    }
}

/// The words of `text` in lines of at most `width` characters; longer words stay whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a last line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(format!("  {word}"));
        } else if line.is_empty() {
            line.push_str(word);
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines
}

fn stream_lines(stream: &StreamSpec) -> Vec<String> {
    let mut lines = vec![format!("counted by {} at `{}`", or_nothing(dimensions(stream)), stream.time)];
    let mut sums: Vec<String> = stream.sums.iter().map(sum_text).collect();
    sums.extend(stream.distincts.iter().map(|d| format!("distinct {}", aliased(&d.name, &d.field))));
    sums.extend(stream.origin.iter().map(|origin| format!("origin `{origin}`")));
    if !sums.is_empty() {
        lines.push(sums.join("; "));
    }
    if !stream.id.is_empty() {
        lines.push(format!(
            "counted once per {} within {}",
            stream.id.join("+"),
            duration_text(stream.dedupe_us)
        ));
    }
    lines.push(format!("judged: {}; by {}", watched(stream), groupings(stream)));
    let [seal, lateness, future, revise] =
        [stream.seal_us, stream.lateness_us, stream.future_us, stream.revise_us].map(duration_text);
    lines.push(format!(
        "sealed {seal} after a minute; late until {lateness}, revised until {revise}, ahead {future}"
    ));
    lines.push(format!("local time {}; shortfalls below {} never alarm", zones(stream), stream.min_loss));
    lines
}

fn dimensions(stream: &StreamSpec) -> String {
    stream.dimensions.iter().map(|d| aliased(&d.name, &d.field)).collect::<Vec<_>>().join(", ")
}

fn or_nothing(text: String) -> String {
    if text.is_empty() { "nothing".to_owned() } else { text }
}

fn aliased(name: &str, field: &str) -> String {
    if name == field { name.to_owned() } else { format!("{name} (`{field}`)") }
}

fn sum_text(sum: &ebbd_core::model::SumSpec) -> String {
    let currency = sum.currency.as_ref().map_or_else(String::new, |field| format!(" per `{field}`"));
    format!("sum {}{currency}, {} digits", aliased(&sum.name, &sum.field), sum.scale)
}

fn watched(stream: &StreamSpec) -> String {
    let condition = |(at, values): &(usize, Vec<String>)| {
        format!("{} = {}", stream.dimensions[*at].name, values.join(" or "))
    };
    let conditions: Vec<String> = stream.watched.0.iter().map(condition).collect();
    if conditions.is_empty() { "all events".to_owned() } else { conditions.join(" and ") }
}

/// The groupings as people read them: `whole, marketplace, marketplace+feature`.
pub(super) fn groupings(stream: &StreamSpec) -> String {
    let all: Vec<String> = stream.watch.iter().map(|grouping| grouping_name(stream, grouping)).collect();
    or_nothing(all.join(", "))
}

/// One grouping's name; `whole` for the whole stream.
pub(super) fn grouping_name(stream: &StreamSpec, grouping: &[usize]) -> String {
    let names: Vec<&str> = grouping.iter().map(|at| stream.dimensions[*at].name.as_str()).collect();
    if names.is_empty() { "whole".to_owned() } else { names.join("+") }
}

fn zones(stream: &StreamSpec) -> String {
    let zones = &stream.timezones;
    let by = zones.by.map(|at| stream.dimensions[at].name.as_str()).unwrap_or_default();
    let listed: Vec<String> = zones.zones.iter().map(|(value, zone)| format!("{value} {zone}")).collect();
    if listed.is_empty() {
        zones.default.clone()
    } else {
        format!("{} (by {by}: {})", zones.default, listed.join(", "))
    }
}

fn source_lines(source: &SourceConfig, streams: &[StreamSpec]) -> Vec<String> {
    let place = match &source.kind {
        SourceKind::Unix(path) | SourceKind::UnixDatagram(path) => socket(path),
        other => format!("{}{}", other.place(), reach(other.addr())),
    };
    let mut lines = vec![format!("{} {place}, {}", source.kind.name(), source.spec.format.name())];
    let to = match &source.spec.route {
        StreamRoute::Fixed(_) => "to ",
        _ => "",
    };
    lines.push(format!("{to}{}", route_text(&source.spec.route, streams)));
    if !source.spec.expect.is_empty() {
        lines.push(format!("expects {}", source.spec.expect.join(", ")));
    }
    lines
}

fn socket(socket: &SocketPath) -> String {
    let group = socket.group.as_ref().map_or_else(String::new, |group| format!(" {group}"));
    format!("{} ({:04o}{group})", socket.path.display(), socket.mode)
}

/// A word for addresses that others can reach.
fn reach(addr: Option<std::net::SocketAddr>) -> &'static str {
    let open = addr.is_some_and(|addr| !addr.ip().is_loopback());
    if open { " (other hosts can reach it: there is no password)" } else { "" }
}

fn data_lines(config: &Config) -> Vec<String> {
    vec![
        format!("{}, as host {}", config.data_dir.display(), config.host),
        format!("readable {} after a minute was sealed", duration_text(config.parquet.roll_us)),
    ]
}

fn budget(config: &Config) -> String {
    let per_week = config.detect.false_alarms_per_week;
    format!("view {}; false alarms: {per_week} per week over all slices together", config.view.name())
}

/// `Black Friday: 2026-11-27 for marketplace=US, not learnt from`.
fn calendar_line(entry: &CalendarEntry) -> String {
    let [from, to] = [entry.from, entry.to].map(calendar_time);
    let when = if from == to { from } else { format!("{from} to {to}") };
    let whom = if entry.slice.is_whole() { String::new() } else { format!(" for {}", entry.slice.key()) };
    let like = entry.like.map_or_else(String::new, |like| format!(", like {like}"));
    let learn = if entry.learn { "learnt from" } else { "not learnt from" };
    format!("{}: {when}{whom}, {learn}{like}", escape(&entry.title()))
}

fn calendar_time(time: CalendarTime) -> String {
    match time {
        CalendarTime::Day(day) => day.to_string(),
        CalendarTime::At(at) => at.to_rfc3339(),
    }
}

fn memory_lines(config: &Config) -> Vec<String> {
    let bounds = config.memory_bounds();
    let sum: u64 = bounds.iter().map(|bound| bound.bytes).sum();
    let parts =
        bounds.iter().filter(|b| b.bytes > 0).map(|b| format!("{} {}", b.component, size_text(b.bytes)));
    vec![
        format!("at most {} of {}, {} lanes", size_text(sum), size_text(config.limits.memory), config.lanes),
        parts.collect::<Vec<_>>().join(", "),
    ]
}

/// The summary as one JSON object.
pub(super) fn json(config: &Config) -> String {
    let stream = |s: &StreamSpec| {
        let groupings: Vec<String> = s.watch.iter().map(|grouping| grouping_name(s, grouping)).collect();
        json!({"name": s.name, "dimensions": s.dimension_names(), "watched": watched(s), "watch": groupings})
    };
    let source = |s: &SourceConfig| {
        json!({"name": s.spec.name, "type": s.kind.name(), "place": s.kind.place(),
               "format": s.spec.format.name(), "stream": route_text(&s.spec.route, &config.streams), "ack": s.ack})
    };
    let value = json!({
        "type": "check", "ok": true, "file": config.file_name(), "config": config.hash(),
        "data_dir": config.data_dir, "host": config.host, "view": config.view.name(), "lanes": config.lanes,
        "http": config.http.map(|addr| addr.to_string()), "alarms": config.alarms.path,
        "control": config.control.path,
        "streams": config.streams.iter().map(stream).collect::<Vec<_>>(),
        "sources": config.sources.iter().map(source).collect::<Vec<_>>(),
        "false_alarms_per_week": config.detect.false_alarms_per_week,
        "calendar": config.calendar.iter().map(calendar_line).collect::<Vec<_>>(),
        "memory": {"limit": config.limits.memory, "bounds": config.memory_bounds()},
    });
    line(&value)
}

/// One JSON object a problem.
pub(super) fn problems_json(file: &str, kind: &str, problems: &[Problem]) -> String {
    let told = problems.iter().map(|problem| {
        line(&json!({"type": kind, "file": file, "line": problem.line, "column": problem.column,
                     "message": problem.message, "hint": problem.hint, "excerpt": problem.excerpt}))
    });
    told.collect()
}

/// A file that can't be read, as one JSON object.
pub(super) fn unreadable_json(file: &str, reason: &str) -> String {
    line(&json!({"type": "error", "file": file, "message": reason}))
}

/// A difference for a person.
pub(super) fn diff_text(diff: &ConfigDiff) -> String {
    if diff.is_empty() {
        return "nothing changes\n".to_owned();
    }
    let mut out = String::new();
    for stream in &diff.streams {
        let (word, note) = match stream.change {
            StreamChange::Unchanged => continue,
            StreamChange::Added => ("new", "learns for up to 8 days, or load its past with `ebbd ingest`"),
            StreamChange::Removed => ("gone", "its state is dropped, its files stay"),
            StreamChange::Relearns => ("RELEARNS", "what is judged changed: its slices learn anew"),
            StreamChange::KeepsState => ("keeps state", "nothing is learnt anew"),
        };
        out.push_str(&format!("stream {}: {word} ({note})\n", stream.stream));
        stream.details.iter().for_each(|detail| out.push_str(&format!("  {detail}\n")));
    }
    diff.sources.iter().chain(&diff.others).for_each(|change| out.push_str(&format!("{change}\n")));
    out
}

/// A difference as one JSON object.
pub(super) fn diff_json(diff: &ConfigDiff) -> String {
    let mut value = serde_json::to_value(diff).unwrap_or(Value::Null);
    if let Some(object) = value.as_object_mut() {
        object.insert("type".to_owned(), json!("diff"));
    }
    line(&value)
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
