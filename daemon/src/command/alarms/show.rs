//! `alarms show`: all that is known of one alarm, for a person who has just been woken.

use ebbd_core::alarm::block::instant;
use ebbd_core::alarm::words::{self, Clock, count};
use ebbd_core::alarm::{AlarmRecord, Because, Kind};
use ebbd_core::model::{Slice, StreamSpec, TimeUs};
use ebbd_core::report::watch::{Style, first_sight};
use ebbd_core::report::{escape, visible};

use super::list::{cut, is_over, known, what};
use super::weeks::{WeekAgo, before};
use super::{ShowArgs, ask, print_json, style};
use crate::command::{NO, OK, TROUBLE};
use crate::config::Config;
use crate::control::{NumberedAlarm, Request};
use crate::stored::{AlarmName, Stored, StoredError};

/// Evidence below so many times the bar is barely over it.
const BARELY: f64 = 1.3;
/// Of a longer history the first and the last records are shown.
const HISTORY_SHOWN: usize = 24;

/// All that is known of an alarm.
pub(super) struct Told {
    /// Its records that are kept, oldest first; at least one.
    pub(super) records: Vec<AlarmRecord>,
    /// The same minute of the weeks before, if data are at hand.
    pub(super) weeks: Vec<WeekAgo>,
}

/// Shows an alarm.
pub(super) fn run(args: &ShowArgs) -> Result<i32, i32> {
    let config = args.reach.config()?;
    let records = records(args, &config)?;
    let Some(latest) = records.last() else {
        eprintln!("ebbd alarms: there is no such alarm: ebbd alarms list --all");
        return Ok(NO);
    };
    if args.json {
        records.iter().for_each(print_json);
        return Ok(OK);
    }
    let spec = config.streams.iter().find(|spec| spec.name == latest.stream);
    let weeks = spec.map(|spec| weeks(&config, spec, fired(&records))).unwrap_or_default();
    print!("{}", text(&Told { records, weeks }, &style()));
    Ok(OK)
}

/// Its records as the daemon and its data have them, each once.
fn records(args: &ShowArgs, config: &Config) -> Result<Vec<AlarmRecord>, i32> {
    let known = known(&args.reach)?;
    let is_meant = |record: &&AlarmRecord| match &args.name {
        AlarmName::No(no) => record.no == *no,
        AlarmName::Id(id) => record.id == *id,
    };
    let latest = known.open.iter().chain(&known.over).find(is_meant);
    let mut records: Vec<AlarmRecord> = stored(&args.name, config)?;
    if let Some(latest) = latest {
        records.retain(|record| record.id == latest.id);
        let asked = ask(&args.reach, &Request::AlarmsRecords(NumberedAlarm { no: latest.no }));
        let held: Vec<AlarmRecord> = asked.unwrap_or_default();
        records.extend(held.into_iter().filter(|record| record.id == latest.id));
        records.push(latest.clone());
    }
    records.sort_by_key(|record| (record.rev, std::cmp::Reverse(record.seq)));
    records.dedup_by_key(|record| record.rev);
    Ok(records)
}

/// What the data have of it; a daemon that has not written any yet is no trouble.
fn stored(name: &AlarmName, config: &Config) -> Result<Vec<AlarmRecord>, i32> {
    let Ok(stored) = Stored::open(std::slice::from_ref(&config.data_dir)) else { return Ok(Vec::new()) };
    let history = stored.alarm(name).map_err(|error| {
        eprintln!("ebbd alarms: {error}");
        TROUBLE
    })?;
    Ok(history.map(|history| history.records).unwrap_or_default())
}

fn weeks(config: &Config, spec: &StreamSpec, record: &AlarmRecord) -> Vec<WeekAgo> {
    let read =
        Stored::open(std::slice::from_ref(&config.data_dir)).and_then(|stored| before(&stored, spec, record));
    read.unwrap_or_else(|error| {
        // Reached by --socket, its data may lie elsewhere: that is nothing to be told on being woken.
        if !matches!(error, StoredError::Bare(_)) {
            eprintln!("ebbd alarms: the weeks before can't be read: {error}");
        }
        Vec::new()
    })
}

/// The record by which it opened, as far as it is kept.
fn fired(records: &[AlarmRecord]) -> &AlarmRecord {
    records.first().expect("an alarm has a record")
}

/// Everything as text.
pub(super) fn text(told: &Told, style: &Style) -> String {
    let latest = told.records.last().expect("an alarm has a record");
    let at = instant(&latest.at).unwrap_or_default();
    let clock = Clock::new(style.zone.clone(), at);
    let mut out = first_sight(head(&told.records), style) + "\n\n";
    for (label, text) in facts(told, latest, &clock) {
        out += &wrapped(label, &text, style.width);
    }
    out += &weeks_text(told, &clock);
    out += &history(&told.records, &clock, style.width);
    out
}

/// The record that says most of it: the latest; of one that is over that by which it ended, not what people did
/// since.
fn head(records: &[AlarmRecord]) -> &AlarmRecord {
    let latest = records.last().expect("an alarm has a record");
    let ends = |record: &&AlarmRecord| matches!(record.because, Because::Resolved | Because::Withdrawn);
    records.iter().rev().find(ends).filter(|_| is_over(latest)).unwrap_or(latest)
}

/// What the block does not say, by label.
fn facts(told: &Told, record: &AlarmRecord, clock: &Clock) -> Vec<(&'static str, String)> {
    let mut facts = vec![("state", state(record, clock))];
    facts.extend(record.acked.as_deref().and_then(|acked| acked.split_once(' ')).map(|(at, who)| {
        let at = instant(at).map(|at| clock.minute(at)).unwrap_or_default();
        ("acked", format!("{at} by {}", escape(who)))
    }));
    let until = record.silenced_until.as_deref().and_then(instant);
    facts.extend(until.map(|until| ("silenced", format!("until {}", clock.minute_zoned(until)))));
    facts.extend(record.label.as_ref().map(|label| ("label", escape(label))));
    facts.extend(onset(record, clock).map(|onset| ("onset", onset)));
    facts.extend(bar(&told.records).map(|bar| ("evidence", bar)));
    facts.extend(lost(record).map(|lost| ("lost", lost)));
    facts.extend(record.causes.iter().map(|cause| {
        let [low, effect, high] = cause.effect.map(|x| format!("{:.0}", 100.0 * x));
        let share = words::share(cause.explains);
        ("cause", format!("{}: explains {share}, {effect} % of it gone ({low}-{high})", name(&cause.slice)))
    }));
    facts.extend(record.changes.iter().map(|change| {
        let at = instant(&change.at).map(|at| clock.second(at)).unwrap_or_default();
        let score = format!("{:.2}", change.score);
        let (kind, name, why) = (escape(&change.kind), escape(&change.what), escape(&change.why));
        ("change", format!("{kind} \"{name}\" {at}, {why} (score {score})"))
    }));
    facts.push(("key", escape(&record.key)));
    facts.push(("id", format!("{}   revision {}   configuration {}", record.id, record.rev, record.config)));
    facts.extend(record.url.as_ref().map(|url| ("url", escape(url))));
    facts
}

fn state(record: &AlarmRecord, clock: &Clock) -> String {
    let at = instant(&record.at).map(|at| clock.second(at)).unwrap_or_default();
    let reason = record.reason.as_deref().map(|reason| format!(" ({})", escape(reason))).unwrap_or_default();
    let because = if record.because.name() == record.state.name() {
        String::new()
    } else {
        format!(", {}", record.because.name())
    };
    format!("{} {}, as of {at}{because}{reason}", record.severity.name(), record.state.name())
}

fn onset(record: &AlarmRecord, clock: &Clock) -> Option<String> {
    let [earliest, likeliest, latest] = record.onset.as_ref()?.each_ref().map(|at| instant(at));
    let (earliest, likeliest, latest) = (earliest?, likeliest?, latest?);
    let between = if earliest == latest {
        String::new()
    } else {
        format!(", between {} and {}", clock.minute(earliest), clock.minute(latest))
    };
    let ended = record.ended.as_deref().and_then(instant);
    let ended = ended.map(|ended| format!("; over since {}", clock.minute(ended))).unwrap_or_default();
    Some(format!("{}{between}{ended}", clock.minute_zoned(likeliest)))
}

/// How far its evidence was over the bar at the most.
fn bar(records: &[AlarmRecord]) -> Option<String> {
    let over = records.iter().filter(|record| record.kind == Kind::Drop).filter_map(|record| {
        let bar = record.threshold.filter(|bar| *bar > 0.0)?;
        Some((record.evidence? / bar, record.evidence?, bar))
    });
    let (times, evidence, bar) = over.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let how = match times {
        times if times < 1.0 => "below the bar as far as its records are kept",
        times if times < BARELY => "barely over",
        _ => "clearly over",
    };
    Some(format!("{evidence:.1} nats at the most against a bar of {bar:.1}: {how}"))
}

fn lost(record: &AlarmRecord) -> Option<String> {
    let lost = record.lost.as_ref()?;
    let [low, estimate, high] = lost.orders?;
    let mut parts =
        vec![format!("{} {} ({})", count(estimate), escape(&record.stream), words::band(low, high))];
    parts.extend(lost.amount.iter().map(|(currency, [low, estimate, high])| {
        format!("{} {} ({})", count(*estimate), escape(currency), words::band(*low, *high))
    }));
    Some(format!("{}; {}", parts.join(", "), visible(&lost.method)))
}

fn name(slice: &Slice) -> String {
    if slice.is_whole() { "the whole stream".to_owned() } else { escape(&slice.key()) }
}

fn weeks_text(told: &Told, clock: &Clock) -> String {
    let record = fired(&told.records);
    let Some(at) = instant(&record.minute).filter(|_| !told.weeks.is_empty()) else { return String::new() };
    let mut out = format!("\nTHE SAME MINUTE of {}\n", name(&record.slice));
    out += &week_line(clock, at, record.observed, record.expected, record.low.zip(record.high), "this alarm");
    for week in &told.weeks {
        let at = week.minute.start();
        out += &match &week.verdict {
            None if week.counted.is_some() => week_line(clock, at, week.counted, None, None, "not judged"),
            None => format!("  {:<17}  not kept\n", clock.minute_zoned(at)),
            Some(row) => {
                let band = row.low.zip(row.high);
                week_line(clock, at, row.observed, row.expected, band, row.verdict.name())
            }
        };
    }
    out
}

fn week_line(
    clock: &Clock,
    at: TimeUs,
    observed: Option<i64>,
    expected: Option<f64>,
    band: Option<(f64, f64)>,
    word: &str,
) -> String {
    let observed = observed.map_or("no data".to_owned(), |observed| count(observed as f64));
    let expected = expected.map(|expected| format!("expected {}", count(expected))).unwrap_or_default();
    let band = band.map(|(low, high)| format!("({})", words::band(low, high))).unwrap_or_default();
    let at = clock.minute_zoned(at);
    let line = format!("  {at:<17}  {observed:>8}  {expected:<15}  {band:<17}  {word}");
    line.trim_end().to_owned() + "\n"
}

/// One line a record: when, why, how loud, what was new.
fn history(records: &[AlarmRecord], clock: &Clock, width: usize) -> String {
    let mut out = "\nHISTORY\n".to_owned();
    let first = records.first().expect("an alarm has a record");
    if first.rev > 1 {
        out += &format!("  revisions before {} are not kept\n", first.rev);
    }
    let hidden = records.len().saturating_sub(HISTORY_SHOWN);
    let is_hidden = |at: usize| (HISTORY_SHOWN / 2..HISTORY_SHOWN / 2 + hidden).contains(&at);
    for (at, record) in records.iter().enumerate().filter(|(at, _)| !is_hidden(*at)) {
        if hidden > 0 && at == HISTORY_SHOWN / 2 + hidden {
            out += &format!("  … {hidden} records: --json has them …\n");
        }
        let time = instant(&record.at).map(|at| clock.second(at)).unwrap_or_default();
        let notify = record.notify.name();
        let line = format!("  {time:<15}  {:<14}  {notify:<6}  {}", record.because.name(), news(record));
        out += &(cut(line.trim_end(), width) + "\n");
    }
    out
}

fn news(record: &AlarmRecord) -> String {
    let marks = [("early", record.early), ("late", record.late), ("not durable", !record.durable)];
    let mut parts: Vec<String> =
        marks.iter().filter(|(_, is)| *is).map(|(word, _)| (*word).to_owned()).collect();
    parts.push(record.reason.as_deref().map_or_else(|| what(record), escape));
    parts.join(", ")
}

/// A label and a text that is broken between words.
fn wrapped(label: &str, text: &str, width: usize) -> String {
    let mut lines = vec![format!("  {label:<9}")];
    for (at, word) in text.split(' ').enumerate() {
        let line = lines.last_mut().expect("there is always a line");
        if at > 0 && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(format!("{:11}{word}", ""));
        } else {
            line.push_str(if at > 0 { " " } else { "" });
            line.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}
