//! A record as a block of text: what, how bad, since when, the rate of loss, the suspect, whether the
//! data can be trusted, what to type. Laid out for a terminal by `report`, plain in `text`.

use std::collections::BTreeMap;

use super::record::{AlarmRecord, Because, Change, Kind, Severity, State};
use super::words::{self, Clock, count, escape, visible};
use crate::model::{MICROS_PER_MINUTE, Slice, TimeUs};

/// How a block looks: a colour, where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Somebody is to be woken, or it became worse.
    Loud,
    /// Somebody should look.
    Mild,
    /// It is over, or getting better.
    Good,
    /// It goes on.
    Plain,
}

/// A line below the head: its label in a column of its own, then parts that may be broken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// `note`, `suspect`, `data`, `next`; empty for a line without one.
    pub label: &'static str,
    /// The parts, from left to right.
    pub parts: Vec<String>,
}

/// A block of text about one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// How it looks.
    pub tone: Tone,
    /// The word that is coloured: `PAGE 47`.
    pub mark: String,
    /// The rest of the first line, in parts that may be broken apart.
    pub head: Vec<String>,
    /// Lines below it.
    pub lines: Vec<Line>,
}

impl Block {
    fn line(tone: Tone, mark: impl Into<String>, text: impl Into<String>) -> Block {
        Block { tone, mark: mark.into(), head: vec![text.into()], lines: Vec::new() }
    }

    /// The block without colours and line breaks of its own.
    pub fn plain(&self) -> String {
        let lines = self.lines.iter().map(|line| match line.label {
            "" => format!("\n  {}", line.parts.join("; ")),
            label => format!("\n  {label:<9}{}", line.parts.join("        ")),
        });
        format!("{}{}{}", self.mark, self.head.join("   "), lines.collect::<String>())
    }
}

/// A clock in UTC for a reader of the record's own day.
pub(super) fn record_clock(record: &AlarmRecord) -> Clock {
    Clock::utc(instant(&record.at).unwrap_or_default())
}

/// An instant of a record, read back.
pub fn instant(text: &str) -> Option<TimeUs> {
    text.parse::<jiff::Timestamp>().ok().map(|stamp| TimeUs(stamp.as_microsecond()))
}

/// The block of one record, with times as `clock` writes them.
pub fn of(record: &AlarmRecord, clock: &Clock) -> Block {
    match record.because {
        Because::Opened => full(record, clock),
        Because::Escalated => {
            let mut block = full(record, clock);
            let worse = worse(record, clock);
            block.lines.insert(0, Line { label: "", parts: vec![worse] });
            block
        }
        Because::Spread => Block::line(
            Tone::Loud,
            format!("{} WORSE", record.no),
            format!(" {}", at(record, clock, record.reason.as_deref())),
        ),
        Because::Blind => Block::line(
            Tone::Loud,
            format!("{} STILL FIRING, BLIND", record.no),
            format!(" since {}: no data, recovery can't be seen", minute(&record.minute, clock)),
        ),
        Because::NoLongerBlind => Block::line(
            Tone::Plain,
            format!("{} NO LONGER BLIND", record.no),
            format!(" {}", at(record, clock, Some(&now(record)))),
        ),
        Because::Recovering => Block::line(
            Tone::Good,
            format!("{} RECOVERING", record.no),
            format!(" {}", at(record, clock, Some(&record.reason.clone().unwrap_or_else(|| now(record))))),
        ),
        Because::Resolved => Block::line(
            Tone::Good,
            format!("RESOLVED {}", record.no),
            format!("  {}", resolved(record, clock)),
        ),
        Because::Withdrawn => {
            let why = record.reason.clone().unwrap_or_else(|| "it was none".to_owned());
            Block::line(Tone::Good, format!("WITHDRAWN {}", record.no), format!("  {}", visible(&why)))
        }
        Because::Acked => {
            // `2026-11-22T13:10:00Z ann: on it`: the time stands before it.
            let acked = record.acked.as_deref().unwrap_or_default();
            let who = visible(acked.split_once(' ').map_or(acked, |(_, who)| who));
            Block::line(
                Tone::Plain,
                format!("{} ACKED", record.no),
                format!(" {}", at(record, clock, Some(&who))),
            )
        }
        Because::Update if record.reason.as_deref().is_some_and(|why| why.ends_with(NO_LONGER_SILENCED)) => {
            let mut block = full(record, clock);
            let why = record.reason.as_deref().map(visible).unwrap_or_default();
            block.lines.insert(0, Line { label: "", parts: vec![why] });
            block
        }
        Because::Update if let Some((word, rest)) = by_people(record) => Block::line(
            Tone::Plain,
            format!("{} {word}", record.no),
            format!(" {}", at(record, clock, Some(&visible(rest)))),
        ),
        Because::Update if record.state == State::Resolved => revised(record),
        Because::Update => update(record, clock),
    }
}

/// Late data have changed what is said of an alarm that is over.
fn revised(record: &AlarmRecord) -> Block {
    let mut told = vec![record.reason.as_deref().map(visible).unwrap_or_default()];
    told.extend(lost_in_words(record));
    Block::line(Tone::Plain, format!("RESOLVED {} REVISED", record.no), format!("  {}", told.join("; ")))
}

/// The whole block of an alarm, whatever its record was written for: for those who see it first.
pub fn full(record: &AlarmRecord, clock: &Clock) -> Block {
    let over = matches!(record.state, State::Resolved | State::Withdrawn);
    // A record that says both that it opened and that it is over is read as opened: `of` would come back.
    if over && !matches!(record.because, Because::Opened | Because::Escalated) {
        return of(record, clock);
    }
    let (tone, word) = match record.severity {
        Severity::Page => (Tone::Loud, "PAGE"),
        Severity::Ticket => (Tone::Mild, "TICKET"),
    };
    let mark = format!("{word} {}", record.no);
    if !is_fall(record) {
        return Block::line(tone, mark, format!("  {}", local_title(record, clock)));
    }
    let mut head = vec![format!("  {}", drop_head(record, clock))];
    head.extend(losing(record).map(|losing| format!("LOSING {losing}")));
    Block { tone, mark, head, lines: drop_lines(record, clock) }
}

/// Whether events are missing where others were expected: those have figures.
fn is_fall(record: &AlarmRecord) -> bool {
    matches!(record.kind, Kind::Drop | Kind::Funnel)
}

/// What people did that a record was written for, in a word and the rest; nothing if they did nothing.
fn by_people(record: &AlarmRecord) -> Option<(&'static str, &str)> {
    let reason = record.reason.as_deref()?;
    let words = [
        ("silenced until ", "SILENCED"),
        ("labelled ", "LABELLED"),
        ("the label was taken back ", "NOT LABELLED"),
    ];
    let (begins, word) = words.into_iter().find(|(begins, _)| reason.starts_with(begins))?;
    let cut = if word == "SILENCED" { "silenced " } else { begins };
    Some((word, reason.strip_prefix(cut)?))
}

/// What a record says that is the first after a silence.
pub(super) const NO_LONGER_SILENCED: &str = "no longer silenced";

/// What stands in place of figures while there are none.
const BLIND: &str = "BLIND: no data, recovery can't be seen";

fn drop_lines(record: &AlarmRecord, clock: &Clock) -> Vec<Line> {
    let blind = record.state == State::FiringBlind;
    let early = record.reason.as_deref().filter(|_| record.early && record.because == Because::Opened);
    let figure = early.map_or_else(|| now(record), visible);
    let mut figures = vec![if blind { BLIND.to_owned() } else { figure }];
    figures.extend(so_far(record).map(|lost| format!("so far {lost}")));
    figures.extend(elsewhere(record).filter(|_| !blind));
    let mut next = vec![format!("ebbd alarms show {no} | ack {no} | silence {no} --for 2h", no = record.no)];
    next.extend(waiting(record));
    let mut lines = vec![Line { label: "", parts: figures }];
    lines.extend(holiday(record).map(|note| Line { label: "note", parts: vec![note] }));
    lines.extend([
        Line { label: "suspect", parts: vec![suspect(record, clock)] },
        Line { label: "data", parts: vec![data(record, clock)] },
        Line { label: "next", parts: next },
    ]);
    lines
}

/// Why it may be no trouble at all.
fn holiday(record: &AlarmRecord) -> Option<String> {
    let reason = record.reason.as_deref().filter(|_| record.because == Because::Opened)?;
    let is_one = reason == words::LIKE_A_HOLIDAY || reason.starts_with(words::DECLARED);
    is_one.then(|| escape(reason))
}

fn update(record: &AlarmRecord, clock: &Clock) -> Block {
    if !is_fall(record) {
        return Block::line(
            Tone::Plain,
            format!("{} STILL", record.no),
            format!("  {}", local_title(record, clock)),
        );
    }
    let what = record.title.rsplit_once(" since ").map_or(record.title.as_str(), |(what, _)| what);
    let mut parts = vec![what.to_owned(), now(record)];
    parts.extend(so_far(record).map(|lost| format!("so far {lost}")));
    parts.extend(record.reason.as_deref().map(visible));
    Block::line(
        Tone::Plain,
        format!("{} STILL FIRING", record.no),
        format!(" {}", at(record, clock, Some(&parts.join("; ")))),
    )
}

fn worse(record: &AlarmRecord, clock: &Clock) -> String {
    format!("WORSE {}", at(record, clock, record.reason.as_deref()))
}

/// `14:31: text`.
fn at(record: &AlarmRecord, clock: &Clock, text: Option<&str>) -> String {
    let time = instant(&record.at).map(|at| clock.minute(at)).unwrap_or_default();
    format!("{time}: {}", text.unwrap_or("worse"))
}

fn minute(text: &str, clock: &Clock) -> String {
    instant(text).map(|at| clock.minute(at)).unwrap_or_default()
}

/// The title with its time in the reader's zone: `US / one-click: orders -98 %  since 14:03 CET (4 min)`.
fn drop_head(record: &AlarmRecord, clock: &Clock) -> String {
    let onset = record.onset.as_ref().and_then(|onset| instant(&onset[1]));
    let Some((onset, (what, _))) = onset.zip(record.title.rsplit_once(" since ")) else {
        return record.title.clone();
    };
    let end = instant(&record.minute).unwrap_or(onset).plus_us(MICROS_PER_MINUTE);
    format!("{what}  since {} ({})", clock.minute_zoned(onset), words::duration(end.since_us(onset)))
}

/// A title `… since 14:02 UTC…` with that time in the reader's zone.
fn local_title(record: &AlarmRecord, clock: &Clock) -> String {
    let onset = record.onset.as_ref().and_then(|onset| instant(&onset[1]));
    let utc = onset.map(|onset| record_clock(record).minute_zoned(onset));
    match (onset, utc) {
        (Some(onset), Some(utc)) => record.title.replacen(&utc, &clock.minute(onset), 1),
        _ => record.title.clone(),
    }
}

fn now(record: &AlarmRecord) -> String {
    let observed = record.observed.map_or("no data".to_owned(), |o| format!("{}/min", count(o as f64)));
    let expected = record.expected.map(|e| format!(", expected {}", count(e))).unwrap_or_default();
    let band = record.low.zip(record.high).map(|(low, high)| format!(" ({})", words::band(low, high)));
    format!("now {observed}{expected}{}", band.unwrap_or_default())
}

fn losing(record: &AlarmRecord) -> Option<String> {
    let losing = record.losing.as_ref()?;
    let amounts = losing.amount_per_min.iter().map(|(currency, amount)| (currency.as_str(), *amount));
    let mut parts = vec![format!("{}/min", count(losing.orders_per_min))];
    parts.extend(amounts_in_words(amounts, count, "/min"));
    Some(parts.join(", "))
}

/// The two largest amounts, each figure as `figure` writes it, and how many more there are.
fn amounts_in_words<'a>(
    amounts: impl Iterator<Item = (&'a str, f64)>,
    figure: impl Fn(f64) -> String,
    per: &str,
) -> Vec<String> {
    let mut amounts: Vec<(&str, f64)> = amounts.filter(|(_, amount)| *amount >= 0.005).collect();
    amounts.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    let words = |(currency, amount): &(&str, f64)| format!("{} {}{per}", figure(*amount), escape(currency));
    let mut said: Vec<String> = amounts.iter().take(2).map(words).collect();
    match amounts.len() {
        0..=2 => {}
        3 => said.push("+1 currency".to_owned()),
        n => said.push(format!("+{} currencies", n - 2)),
    }
    said
}

fn so_far(record: &AlarmRecord) -> Option<String> {
    let lost = record.lost.as_ref()?;
    let mut parts = vec![format!("{} {}", words::rough(lost.orders?[1]), escape(&record.stream))];
    parts.extend(amounts_in_words(estimates(&lost.amount), words::rough, ""));
    Some(parts.join(", "))
}

fn estimates(amounts: &BTreeMap<String, [f64; 3]>) -> impl Iterator<Item = (&str, f64)> {
    amounts.iter().map(|(currency, interval)| (currency.as_str(), interval[1]))
}

/// What is to be said of the rest of the shop.
fn elsewhere(record: &AlarmRecord) -> Option<String> {
    let unexplained = record.unexplained?;
    let first = record.causes.first()?;
    if !record.slice.is_whole() && first.slice == record.slice && unexplained <= 0.2 {
        return Some("the rest of the shop is normal".to_owned());
    }
    if first.slice == record.slice {
        return Some("no slice stands out".to_owned());
    }
    let part =
        |cause: &super::Cause| format!("{} ({})", plain_name(&cause.slice), words::share(cause.explains));
    Some(format!("of it {}", record.causes.iter().take(3).map(part).collect::<Vec<_>>().join(", ")))
}

fn plain_name(slice: &Slice) -> String {
    let values: Vec<String> = slice.0.values().map(|value| escape(value)).collect();
    if values.is_empty() { "all".to_owned() } else { values.join(" / ") }
}

fn suspect(record: &AlarmRecord, clock: &Clock) -> String {
    let note = record.changes_note.as_deref().unwrap_or("no marker within 30 min");
    match record.changes.first() {
        None => note.to_owned(),
        Some(change) => {
            let time = instant(&change.at).map(|at| clock.second(at)).unwrap_or_default();
            let why = change.why.replacen(" onset", "", 1);
            format!("{} \"{}\" {time}, {}; {note}", escape(&change.kind), escape(&change.what), escape(&why))
        }
    }
}

fn data(record: &AlarmRecord, clock: &Clock) -> String {
    let quality = &record.completeness;
    let mut parts = Vec::new();
    if let Some(first) = quality.missing.first() {
        let names: Vec<String> = quality.missing.iter().map(|m| escape(&m.origin)).collect();
        let (its, since) = (if names.len() == 1 { "its" } else { "their" }, minute(&first.since, clock));
        parts.push(format!("{} silent since {since}", words::list(&names)));
        parts.push(format!("figures already allow for {its} share"));
    }
    if quality.dropped > 0 {
        parts.push(format!("up to {} lost on the way, allowed for", words::exact(quality.dropped)));
    }
    if quality.rejected > 0 {
        parts.push(format!("{} lines rejected", words::exact(quality.rejected)));
    }
    if parts.is_empty() {
        parts.push("every source is heard".to_owned());
    }
    format!("{}: {}", words::share(quality.fraction), parts.join("; "))
}

fn waiting(record: &AlarmRecord) -> Option<String> {
    let losing = record.losing.as_ref()?;
    let amounts = losing.amount_per_min.iter().map(|(currency, amount)| (currency.as_str(), 15.0 * amount));
    let mut words = amounts_in_words(amounts, count, "");
    if words.is_empty() {
        words.push(format!("{} {}", count(15.0 * losing.orders_per_min), escape(&record.stream)));
    }
    Some(format!("waiting 15 min more: ~{}", words.join(", ")))
}

fn resolved(record: &AlarmRecord, clock: &Clock) -> String {
    let (onset, ended) =
        (record.onset.as_ref().and_then(|o| instant(&o[1])), record.ended.as_deref().and_then(instant));
    let lasted =
        onset.zip(ended).map(|(onset, ended)| format!(" ({})", words::duration(ended.since_us(onset))));
    let since = ended.map(|ended| clock.minute(ended)).unwrap_or_default();
    let head = match record.reason.as_deref() {
        Some(reason) if is_fall(record) => format!("{} at {since}", visible(reason)),
        Some(reason) => format!("{}, {since}", visible(reason)),
        None => format!("back since {since}"),
    };
    let mut parts = vec![format!("{head}{}", lasted.unwrap_or_default())];
    parts.extend(
        mended(record, onset, ended)
            .map(|change| format!("{} {}", escape(&change.kind), minute(&change.at, clock))),
    );
    parts.extend(lost_in_words(record));
    parts.join("; ")
}

/// The marker that may have mended it: it lies well after the onset.
fn mended(record: &AlarmRecord, onset: Option<TimeUs>, ended: Option<TimeUs>) -> Option<&Change> {
    let (onset, ended) = onset.zip(ended)?;
    let late = |change: &&Change| {
        instant(&change.at).is_some_and(|at| {
            at >= onset.plus_us(3 * MICROS_PER_MINUTE) && at <= ended.plus_us(MICROS_PER_MINUTE)
        })
    };
    record.changes.iter().rev().find(late)
}

fn lost_in_words(record: &AlarmRecord) -> Option<String> {
    let lost = record.lost.as_ref()?;
    let [low, estimate, high] = lost.orders?;
    let mut parts =
        vec![format!("lost {} {} [{}]", count(estimate), escape(&record.stream), words::band(low, high))];
    parts.extend(amounts_in_words(estimates(&lost.amount), count, ""));
    Some(parts.join(", "))
}
