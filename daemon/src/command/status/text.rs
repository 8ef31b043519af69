//! The status report as text for 80 columns.

use ebbd_core::report::{escape, visible};
use jiff::tz::TimeZone;

use crate::command::figures::{clock, grouped, millis, percent, span};
use crate::telemetry::{
    BudgetStatus, CalendarStatus, LedgerStatus, OriginStatus, SourceStatus, StatusReport, StreamStatus,
};

/// Columns of the terminal.
const COLUMNS: usize = 80;
/// What is achieved is told of so many weeks at least.
const SHORTEST_WEEKS: f64 = 0.5;
/// Where text begins behind a label.
const LABEL: usize = 10;

/// Everything, streams first.
pub(super) fn status(report: &StatusReport, zone: &TimeZone) -> String {
    let mut out: String = report.streams.iter().map(|each| stream(each, report, zone)).collect();
    for word in &report.degraded {
        out += &labelled("DEGRADED", &[visible(word)]);
    }
    for word in &report.notes {
        out += &labelled("NOTE", &[visible(word)]);
    }
    out += "\n";
    out += &sources(&report.sources, &report.now, zone);
    out += "\n";
    out += &senders(report);
    out += &ledger(&report.ledger);
    let queues = report.queues.iter().map(|queue| {
        let full =
            if queue.full > 0 { format!(" (full {} times)", grouped(queue.full)) } else { String::new() };
        format!("{} {}/{}{full}", queue.name, grouped(queue.depth), grouped(queue.capacity))
    });
    out += &labelled("queues", &queues.collect::<Vec<_>>());
    let latencies = report.latencies.iter().map(|l| {
        format!("{} {} (p99 {}, max {})", l.name, millis(l.p50_ms), millis(l.p99_ms), millis(l.max_ms))
    });
    out += &labelled("latency", &latencies.collect::<Vec<_>>());
    out += &labelled(
        "learning",
        &report.streams.iter().map(|stream| learning(stream, zone)).collect::<Vec<_>>(),
    );
    out += &labelled(
        "calendar",
        &report.calendar.iter().map(|each| calendar(each, report, zone)).collect::<Vec<_>>(),
    );
    out += &labelled("budget", &[budget(report)]);
    out += &alarms(report);
    out += &labelled("daemon", &daemon(report));
    out
}

fn stream(stream: &StreamStatus, report: &StatusReport, zone: &TimeZone) -> String {
    let complete = match &stream.complete_to {
        Some(to) => format!("complete to {}", clock(to, &report.now, zone)),
        None => "no minute complete yet".to_owned(),
    };
    let missing = match stream.completeness {
        Some(fraction) if fraction < 0.9995 => format!(" ({} arrived)", percent(fraction)),
        _ => String::new(),
    };
    let (counted, rejected) = (grouped(stream.counted), grouped(stream.rejected));
    format!("{}: {counted} counted, {rejected} rejected, {complete}{missing}\n", stream.name)
}

/// The table of sources, each with its origins below it.
pub(crate) fn sources(sources: &[SourceStatus], now: &str, zone: &TimeZone) -> String {
    let origins = sources.iter().flat_map(|source| source.origins.iter().map(|origin| origin.name.len() + 2));
    let widest = sources.iter().map(|source| source.name.len()).chain(origins).max().unwrap_or(0);
    let width = widest.clamp(6, 24);
    let head = ["SOURCE", "TYPE", "STATE", "LAG", "LINES", "REJECTED", "OPEN"];
    let mut out = row(width, head);
    for source in sources {
        let lag = source.lag_ms.map_or_else(|| "-".to_owned(), millis);
        let (lines, rejected) = (grouped(source.lines), grouped(source.rejected));
        let open = grouped(source.connections);
        out += &row(width, [&source.name, &source.kind, &source.state, &lag, &lines, &rejected, &open]);
        for each in &source.origins {
            out += &origin(each, now, zone, width);
        }
    }
    out
}

fn row(width: usize, cells: [&str; 7]) -> String {
    let [name, kind, state, lag, lines, rejected, open] = cells;
    let name = cut(name, width);
    let line =
        format!("{name:<width$}  {kind:<13}  {state:<10}  {lag:>8}  {lines:>11}  {rejected:>8}  {open:>4}");
    line.trim_end().to_owned() + "\n"
}

fn origin(origin: &OriginStatus, now: &str, zone: &TimeZone, width: usize) -> String {
    let name = cut(&format!("  {}", origin.name), width);
    let mut words: Vec<String> =
        origin.lag_ms.map(|ms| format!("{} behind", millis(ms))).into_iter().collect();
    if origin.state != "alive" {
        words.extend(origin.last.as_ref().map(|last| format!("last {}", clock(last, now, zone))));
    }
    words.push(format!("{} of events", percent(origin.share)));
    words.extend(origin.expected.then(|| "expected".to_owned()));
    format!("{name:<width$}  {:<13}  {:<10}  {}\n", "", origin.state, words.join(", "))
}

/// Acknowledged senders and requests over HTTP, if there are any.
fn senders(report: &StatusReport) -> String {
    let senders = &report.senders;
    let mut out = String::new();
    if senders.known > 0 || senders.greeted > 0 || !senders.errors.is_empty() {
        let mut parts = vec![
            format!("{} open, {} known", grouped(senders.speaking), grouped(senders.known)),
            format!("{} lines acknowledged", grouped(senders.acked_lines)),
        ];
        parts.extend(senders.errors.iter().map(|(error, times)| format!("{error} {}", grouped(*times))));
        out += &labelled("senders", &parts);
    }
    for source in report.sources.iter().filter(|source| !source.answers.is_empty()) {
        let answers = source.answers.iter().map(|(status, times)| format!("{status}: {}", grouped(*times)));
        out += &labelled("answers", &[visible(&source.name), answers.collect::<Vec<_>>().join(", ")]);
    }
    out
}

fn ledger(ledger: &LedgerStatus) -> String {
    let mut spent = vec![format!("{} counted", grouped(ledger.counted))];
    let rejected = ledger.rejected_total();
    let others = [
        (ledger.control, "control"),
        (ledger.duplicate, "duplicate"),
        (rejected, "rejected"),
        (ledger.dropped_queue, "shed"),
        (ledger.dropped_crash, "lost in a crash"),
    ];
    spent.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", grouped(*n))));
    let mut parts = vec![format!("{} received = {}", grouped(ledger.received), spent.join(" + "))];
    parts.extend((!ledger.balances).then(|| "DOES NOT BALANCE".to_owned()));
    let reasons = ledger.rejected.iter().map(|(reason, lines)| format!("{reason} {}", grouped(*lines)));
    parts.extend(reasons);
    let at_least = if ledger.kernel_datagrams_at_least { "at least " } else { "" };
    let beside = [
        (ledger.kernel_datagrams, at_least, "datagrams dropped by the kernel"),
        (ledger.sender_dropped, "", "events dropped by senders"),
    ];
    let told = beside.iter().filter(|(n, ..)| *n > 0);
    parts.extend(told.map(|(n, bound, what)| format!("{bound}{} {what}", grouped(*n))));
    labelled("ledger", &parts)
}

/// `Black Friday is declared for {"marketplace":"DE"} until 00:00 CET`.
fn calendar(period: &CalendarStatus, report: &StatusReport, zone: &TimeZone) -> String {
    let whom = match period.slice.is_whole() {
        true => String::new(),
        false => format!(" for {}", visible(&period.slice.key())),
    };
    let until = clock(&period.until, &report.now, zone);
    format!("{} is declared{whom} until {until}", visible(&period.name))
}

fn learning(stream: &StreamStatus, zone: &TimeZone) -> String {
    let learning = &stream.learning;
    if learning.slices == 0 {
        return format!("{}: no slice seen yet", stream.name);
    }
    let slices = grouped(learning.slices);
    if learning.learning == 0 {
        return format!("{}: all {slices} slices learnt", stream.name);
    }
    let so_far = if learning.minutes_needed > 0 {
        format!(" ({} of {} seen)", span(learning.minutes * 60), span(learning.minutes_needed * 60))
    } else {
        String::new()
    };
    let until = learning.until.as_ref().and_then(|until| until.parse::<jiff::Timestamp>().ok());
    let until = until.map_or_else(String::new, |until| {
        format!(" until {}", until.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z"))
    });
    format!(
        "{}: {} of {slices} slices still learning{until}{so_far}",
        stream.name,
        grouped(learning.learning)
    )
}

fn budget(report: &StatusReport) -> String {
    let per_week = report.budget.per_week;
    let allowed = format!("{per_week} false alarm{} a week allowed", if per_week == 1.0 { "" } else { "s" });
    match report.budget.achieved_per_week {
        // A rate over a few hours would be more noise than news.
        Some(_) if report.budget.weeks < SHORTEST_WEEKS => {
            format!("{allowed}, the achieved rate is not known yet")
        }
        Some(rate) => format!("{allowed}, {}", achieved(&report.budget, rate)),
        None => format!("{allowed}, the achieved rate is not known yet"),
    }
}

/// `1.5 achieved [0.4-4.0] in 2.1 weeks (3 pages, 2 of them not labelled)`.
fn achieved(budget: &BudgetStatus, rate: f64) -> String {
    let [low, high] = budget.achieved_interval.unwrap_or([rate; 2]);
    let (pages, unlabelled, weeks) = (budget.pages, budget.unlabelled, budget.weeks);
    let labels = if unlabelled > 0 { format!(", {unlabelled} of them not labelled") } else { String::new() };
    let pages = if pages == 1 { "1 page".to_owned() } else { format!("{pages} pages") };
    format!("{rate:.1} achieved [{low:.1}-{high:.1}] in {weeks:.1} weeks ({pages}{labels})")
}

fn alarms(report: &StatusReport) -> String {
    if report.alarms.is_empty() {
        return labelled("alarms", &["none open".to_owned()]);
    }
    let lines = report.alarms.iter().map(|alarm| {
        let title = visible(&alarm.title);
        format!("{} {} {}: {title}", alarm.severity, alarm.no, alarm.state)
    });
    let lines: Vec<String> = lines.collect();
    let first = labelled("alarms", &lines[..1]);
    lines[1..].iter().fold(first, |out, line| out + &labelled("", std::slice::from_ref(line)))
}

fn daemon(report: &StatusReport) -> Vec<String> {
    let watching = match report.subscribers {
        0 => "nobody watches the alarms".to_owned(),
        1 => "1 watches the alarms".to_owned(),
        n => format!("{} watch the alarms", grouped(n)),
    };
    let up = span(report.uptime_s);
    vec![
        format!("ebbd {} on {}", report.version, report.host),
        report.state.clone(),
        format!("up {up}"),
        format!("recovered in {}", millis(report.recovery_s * 1e3)),
        watching,
    ]
}

/// A label and its parts, as many on a line as fit; a part that fits no line is broken between words.
fn labelled(label: &str, parts: &[String]) -> String {
    if parts.is_empty() {
        return String::new();
    }
    let mut out = format!("{label:<LABEL$}");
    let mut column = LABEL;
    for (at, part) in parts.iter().enumerate() {
        if at > 0 && column + 3 + part.chars().count() > COLUMNS {
            fresh_line(&mut out, &mut column);
        } else if at > 0 {
            out += "   ";
            column += 3;
        }
        for (at, word) in part.split(' ').enumerate() {
            let length = word.chars().count();
            if at > 0 && column + 1 + length > COLUMNS {
                fresh_line(&mut out, &mut column);
            } else if at > 0 {
                out.push(' ');
                column += 1;
            }
            out += word;
            column += length;
        }
    }
    out + "\n"
}

fn fresh_line(out: &mut String, column: &mut usize) {
    out.extend(["\n", &" ".repeat(LABEL)]);
    *column = LABEL;
}

/// At most `width` characters of a name that may come from events.
fn cut(text: &str, width: usize) -> String {
    let text = escape(text);
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width - 1).chain(['…']).collect()
}
