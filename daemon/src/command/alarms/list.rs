//! `alarms list` and `alarms silences`: as few lines as there are alarms, the open ones first.

use ebbd_core::alarm::block::instant;
use ebbd_core::alarm::words::{Clock, count, duration, percent_down};
use ebbd_core::alarm::{AlarmRecord, HeldSilence, Severity, State};
use ebbd_core::model::{MICROS_PER_MINUTE, Silenced, TimeUs};
use ebbd_core::report::escape;
use ebbd_core::report::watch::Style;

use super::{ListArgs, ask, print_json, style};
use crate::command::reach::Reach;
use crate::command::{OK, TROUBLE};
use crate::control::{AlarmsKnown, CallError, Request, call};
use crate::stored::{Period, Stored};

/// Of those that are over so many are shown.
const OVER_SHOWN: usize = 10;
/// Without a daemon: alarms of so many days are looked for.
const DAYS: i64 = 35;

/// Lists alarms.
pub(super) fn alarms(args: &ListArgs) -> Result<i32, i32> {
    let mut known = known(&args.reach)?;
    let beyond = if args.all { 0 } else { known.over.len().saturating_sub(OVER_SHOWN) };
    known.over.truncate(known.over.len() - beyond);
    if args.json {
        known.open.iter().chain(&known.over).for_each(print_json);
        return Ok(OK);
    }
    print!("{}", table(&known, beyond, &style()));
    Ok(OK)
}

/// Lists silences.
pub(super) fn silences(args: &ListArgs) -> Result<i32, i32> {
    let known: AlarmsKnown = ask(&args.reach, &Request::AlarmsList)?;
    if args.json {
        known.silences.iter().for_each(print_json);
        return Ok(OK);
    }
    print!("{}", silences_text(&known.silences, known.now, &style()));
    Ok(OK)
}

/// What the daemon knows; where none runs, what its data have of the last weeks.
pub(super) fn known(reach: &Reach) -> Result<AlarmsKnown, i32> {
    match call(&reach.control()?, &Request::AlarmsList) {
        Err(CallError::Unreachable { .. }) => stored(reach),
        _ => ask(reach, &Request::AlarmsList),
    }
}

fn stored(reach: &Reach) -> Result<AlarmsKnown, i32> {
    let dir = reach.config()?.data_dir;
    eprintln!("ebbd alarms: no daemon answers; this is what {} has", dir.display());
    let now = TimeUs(jiff::Timestamp::now().as_microsecond());
    let day = 1440 * MICROS_PER_MINUTE;
    let period = Period { from: now.plus_us(-DAYS * day), to: now.plus_us(day) };
    let histories = Stored::open(&[dir]).and_then(|stored| stored.alarms(period)).map_err(|error| {
        eprintln!("ebbd alarms: {error}");
        TROUBLE
    })?;
    let latest = histories.iter().rev().map(|history| history.newest().clone());
    let (over, mut open): (Vec<_>, Vec<_>) = latest.partition(is_over);
    open.reverse();
    Ok(AlarmsKnown { now, open, over, silences: Vec::new() })
}

pub(super) fn is_over(record: &AlarmRecord) -> bool {
    matches!(record.state, State::Resolved | State::Withdrawn)
}

/// Two lines an alarm: what it is, then since when, what it costs, what people did about it.
pub(super) fn table(known: &AlarmsKnown, beyond: usize, style: &Style) -> String {
    if known.open.is_empty() && known.over.is_empty() {
        return "no alarm yet\n".to_owned();
    }
    let clock = Clock::new(style.zone.clone(), known.now);
    let mut out = String::new();
    if known.open.is_empty() {
        out += "none is open; over are\n";
    }
    for record in known.open.iter().chain(&known.over) {
        out += &head(record, style);
        let notes = notes(record, known.now, &clock).join("; ");
        out += &format!("      {}\n", cut(&notes, style.width - 6));
    }
    if beyond > 0 {
        out += &format!("and {beyond} before: ebbd alarms list --all\n");
    }
    out
}

/// Columns before what an alarm is.
const BEFORE: usize = 27;

fn head(record: &AlarmRecord, style: &Style) -> String {
    let word = format!("{} {}", record.severity.name(), record.state.name());
    let (open, close) = match record.severity {
        _ if !style.colour || is_over(record) => ("", ""),
        Severity::Page => ("\x1b[1;31m", "\x1b[0m"),
        Severity::Ticket => ("\x1b[1;33m", "\x1b[0m"),
    };
    let pad = " ".repeat(19usize.saturating_sub(word.len()));
    let what = cut(&what(record), style.width - BEFORE);
    format!("{:>4}  {open}{word}{close}{pad}  {what}\n", record.no)
}

/// What an alarm is: its title without the time; once it is over, with all of it that was missing.
pub(in crate::command) fn what(record: &AlarmRecord) -> String {
    let title = record.title.rsplit_once(" since ").map_or(record.title.as_str(), |(what, _)| what);
    let whole = record.since_onset.as_ref().filter(|_| is_over(record));
    match (whole, title.rsplit_once(": ")) {
        (Some(all), Some((slice, _))) => {
            let percent = percent_down(all.observed as f64, all.expected);
            format!("{slice}: {} {percent}", escape(&record.stream))
        }
        _ => title.to_owned(),
    }
}

fn onset(record: &AlarmRecord) -> Option<TimeUs> {
    let onset = record.onset.as_ref().map(|onset| onset[1].as_str());
    instant(onset.unwrap_or(&record.at))
}

fn notes(record: &AlarmRecord, now: TimeUs, clock: &Clock) -> Vec<String> {
    let end = record.ended.as_deref().and_then(instant).unwrap_or(now);
    let since = |onset| format!("{} ({})", clock.minute_zoned(onset), duration(end.since_us(onset)));
    let mut notes: Vec<String> = onset(record).map(since).into_iter().collect();
    if let Some(losing) = record.losing.as_ref().filter(|_| !is_over(record)) {
        notes.push(format!("losing {}/min", count(losing.orders_per_min)));
    }
    let lost = record.lost.as_ref().and_then(|lost| lost.orders);
    notes.extend(lost.map(|[_, lost, _]| format!("lost {} {}", count(lost), escape(&record.stream))));
    if let Some((at, who)) = record.acked.as_deref().and_then(|acked| acked.split_once(' ')) {
        let at = instant(at).map(|at| clock.minute(at)).unwrap_or_default();
        notes.push(format!("acked {at} {}", escape(who)));
    } else if !is_over(record) {
        notes.push("nobody has taken it".to_owned());
    }
    let silenced = record.silenced_until.as_deref().and_then(instant).filter(|_| !is_over(record));
    notes.extend(silenced.map(|until| format!("silenced until {}", clock.minute(until))));
    notes.extend(record.label.as_ref().map(|label| format!("labelled {}", escape(label))));
    notes
}

/// The silences as lines.
pub(super) fn silences_text(silences: &[HeldSilence], now: TimeUs, style: &Style) -> String {
    if silences.is_empty() {
        return "nothing is silenced\n".to_owned();
    }
    let clock = Clock::new(style.zone.clone(), now);
    let mut out = format!("{:>4}  {:<16}  {:<11}  WHAT\n", "ID", "UNTIL", "LEFT");
    for held in silences {
        let silence = &held.silence;
        let (until, left) = (clock.minute_zoned(silence.until), duration(silence.until.since_us(now)));
        let what = match &silence.what {
            Silenced::Key { key } => key.clone(),
            Silenced::Slice { stream, slice } => {
                let of = if slice.is_whole() { "everything".to_owned() } else { slice.key() };
                stream.as_ref().map_or(of.clone(), |stream| format!("{of} of {stream}"))
            }
        };
        let text = if silence.text.is_empty() { String::new() } else { format!(": {}", silence.text) };
        let what = escape(&format!("{what}, by {}{text}", silence.by));
        let head = format!("{:>4}  {until:<16}  {left:<11}  ", held.id);
        out += &format!("{head}{}\n", cut(&what, style.width.saturating_sub(head.chars().count())));
    }
    out
}

/// At most `width` characters.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}
