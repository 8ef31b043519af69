//! What happened and what was done, in order: the records' turns, markers, the onset and the end.

use super::Dossier;
use super::account::{Happening, Loudness, Mended};
use crate::alarm::block::instant;
use crate::alarm::words::{Clock, count, duration, escape, visible};
use crate::alarm::{AlarmRecord, Because, Kind, State};
use crate::model::{MICROS_PER_MINUTE, Mark, Slice, TimeUs};

/// A marker that comes so long after the onset is no cause any more, but may be a cure.
pub(super) const CURE_US: i64 = 3 * MICROS_PER_MINUTE;
/// Kinds of markers that are meant to undo something.
const CURES: [&str; 4] = ["rollback", "revert", "hotfix", "fix"];
/// Most lines; beyond, markers are left out first.
const MOST: usize = 200;

/// The timeline of an incident.
pub(super) fn of(dossier: &Dossier, clock: &Clock) -> Vec<Happening> {
    // Of what happened at one time a change is told first, then what came of it.
    let mut told = edges(dossier, clock);
    told.extend(turns(dossier, clock));
    let room = MOST.saturating_sub(told.len());
    let marks = dossier.marks.iter().filter(|mark| dossier.shown().contains(&mark.at.minute()));
    let mut lines: Vec<Happening> = marks.take(room).map(|mark| marked(mark, dossier, clock)).collect();
    lines.append(&mut told);
    lines.sort_by_key(|line| instant(&line.at).unwrap_or_default());
    lines.truncate(MOST);
    lines
}

fn line(at: TimeUs, word: &str, text: String, tone: Loudness) -> Happening {
    Happening { at: at.to_rfc3339(), word: word.to_owned(), text, tone }
}

/// The first minute of it, and the first good one.
fn edges(dossier: &Dossier, clock: &Clock) -> Vec<Happening> {
    let newest = dossier.records.last();
    if newest.is_some_and(|record| record.kind != Kind::Drop && record.kind != Kind::Funnel) {
        return Vec::new();
    }
    let stream = escape(&dossier.stream);
    let onset = newest.and_then(|record| record.onset.as_ref());
    let times = onset.map(|onset| [0, 2].map(|at| instant(&onset[at]).unwrap_or_default()));
    let between = match times {
        Some([first, last]) if first < last => {
            format!(" (surely between {} and {})", clock.minute(first), clock.minute(last))
        }
        _ => String::new(),
    };
    let begins = format!("{stream} begin to fall below what is expected{between}");
    let mut lines = vec![line(dossier.from.start(), "onset", begins, Loudness::Bad)];
    let lasted = duration(dossier.to.start().since_us(dossier.from.start()));
    match newest {
        Some(record) if record.state == State::Withdrawn => {}
        Some(record) if record.ended.is_none() => {}
        _ => lines.push(line(
            dossier.to.start(),
            "back",
            format!("{stream} are back, {lasted} after the onset"),
            Loudness::Good,
        )),
    }
    lines
}

/// Where the records say that something changed.
fn turns(dossier: &Dossier, clock: &Clock) -> Vec<Happening> {
    let mut lines = Vec::new();
    let mut before: Option<&AlarmRecord> = None;
    for record in &dossier.records {
        let at = instant(&record.at).unwrap_or_default();
        if let Some((word, text, tone)) = turn(record, clock) {
            lines.push(line(at, word, text, tone));
        }
        let known = |of: fn(&AlarmRecord) -> &Option<String>| before.and_then(|before| of(before).clone());
        if record.silenced_until != known(|r| &r.silenced_until) {
            let text = match &record.silenced_until {
                Some(until) => format!("silenced until {}", time(until, clock)),
                None => "no longer silenced".to_owned(),
            };
            lines.push(line(at, "silence", text, Loudness::Done));
        }
        if record.label != known(|r| &r.label) {
            let text = record.label.as_deref().map_or("label taken back".to_owned(), escape);
            lines.push(line(at, "label", text, Loudness::Done));
        }
        before = Some(record);
    }
    lines
}

fn turn(record: &AlarmRecord, clock: &Clock) -> Option<(&'static str, String, Loudness)> {
    let reason = || record.reason.as_deref().map(visible);
    let told = |reason: Option<String>| match reason {
        Some(reason) => format!("{reason}; {}", figures(record)),
        None => figures(record),
    };
    Some(match record.because {
        Because::Opened => ("alarm", opened(record), Loudness::Bad),
        Because::Escalated => ("worse", told(reason()), Loudness::Bad),
        Because::Spread => ("spread", told(reason()), Loudness::Bad),
        Because::Blind => ("blind", "no data: recovery can't be seen".to_owned(), Loudness::Blind),
        Because::NoLongerBlind => ("data", told(reason()), Loudness::Blind),
        Because::Recovering => ("recovering", told(reason()), Loudness::Good),
        Because::Acked => ("acked", record.acked.as_deref().map(visible).unwrap_or_default(), Loudness::Done),
        Because::Resolved => ("resolved", resolved(record, clock), Loudness::Good),
        Because::Withdrawn => {
            ("withdrawn", reason().unwrap_or_else(|| "it was none".to_owned()), Loudness::Good)
        }
        Because::Update if record.state == State::Resolved => (
            "revised",
            reason().unwrap_or_else(|| "late data changed the figures".to_owned()),
            Loudness::Done,
        ),
        Because::Update => return None,
    })
}

fn opened(record: &AlarmRecord) -> String {
    let mut text = visible(&record.title);
    if record.observed.is_some() || record.expected.is_some() {
        text.push_str(&format!("; {}", figures(record)));
    }
    if let Some((evidence, bar)) = record.evidence.zip(record.threshold) {
        text.push_str(&format!("; evidence {evidence:.1}, bar {bar:.1}"));
    }
    text
}

/// `12/min of 540 expected`.
fn figures(record: &AlarmRecord) -> String {
    let observed = record.observed.map_or("no data".to_owned(), |o| format!("{}/min", count(o as f64)));
    match record.expected {
        Some(expected) => format!("{observed} of {} expected", count(expected)),
        None => observed,
    }
}

fn resolved(record: &AlarmRecord, clock: &Clock) -> String {
    let since = record.ended.as_deref().map(|ended| time(ended, clock)).unwrap_or_default();
    match record.reason.as_deref() {
        Some(reason) => format!("{} at {since}", visible(reason)),
        None => format!("back since {since}"),
    }
}

fn time(text: &str, clock: &Clock) -> String {
    instant(text).map_or_else(|| escape(text), |at| clock.minute(at))
}

fn marked(mark: &Mark, dossier: &Dossier, clock: &Clock) -> Happening {
    let mut text = format!("\"{}\"", visible(&mark.what));
    if !mark.scope.is_whole() {
        text.push_str(&format!(", {}", visible(&mark.scope.key())));
    }
    if let Some(until) = mark.until {
        text.push_str(&format!(", until {}", clock.minute(until)));
    }
    if let Some(mended) = effect(mark, dossier) {
        text.push_str(&format!("; {}", mended.in_words()));
    }
    line(mark.at, &escape(&mark.kind), text, Loudness::Done)
}

/// What came of a marker that was meant to undo something; `None` of any other, and of one outside.
fn effect(mark: &Mark, dossier: &Dossier) -> Option<Mended> {
    is_cure(&mark.kind).then(|| mended(mark, dossier)).flatten()
}

/// Whether a kind of marker is meant to undo something.
fn is_cure(kind: &str) -> bool {
    CURES.iter().any(|cure| kind.eq_ignore_ascii_case(cure))
}

/// What a marker within the incident came to, if it may concern the slice.
fn mended(mark: &Mark, dossier: &Dossier) -> Option<Mended> {
    let (from, to) = (dossier.from.start().plus_us(CURE_US), dossier.to.end());
    if mark.at < from || mark.at > to || !concerns(&mark.scope, &dossier.slice) {
        return None;
    }
    let after = dossier.to.start().since_us(mark.at).max(0) / MICROS_PER_MINUTE;
    Some(Mended {
        kind: mark.kind.clone(),
        what: mark.what.clone(),
        at: mark.at.to_rfc3339(),
        recovered: is_over(dossier),
        after_min: after,
    })
}

/// Whether the incident is over, as far as is known.
pub(super) fn is_over(dossier: &Dossier) -> bool {
    dossier.records.last().is_none_or(|record| record.ended.is_some())
}

/// Whether no value of one contradicts the other.
fn concerns(scope: &Slice, slice: &Slice) -> bool {
    slice.0.iter().all(|(name, value)| scope.0.get(name).is_none_or(|other| other == value))
}

/// The marker on the way back: the last one that was meant to undo something, else the one that the alarm names
/// when it is over.
pub(super) fn way_back(dossier: &Dossier) -> Option<Mended> {
    let cure = dossier.marks.iter().rev().find_map(|mark| effect(mark, dossier));
    cure.or_else(|| {
        let named = dossier.records.last().filter(|record| record.ended.is_some())?.changes.iter().rev();
        let mut marks = named.filter_map(|change| {
            dossier.marks.iter().find(|mark| mark.what == change.what && mark.at.to_rfc3339() == change.at)
        });
        marks.find_map(|mark| mended(mark, dossier))
    })
}

impl Mended {
    /// `orders came back 3 min after it`, `no recovery 25 min after it`.
    pub(super) fn in_words(&self) -> String {
        let after = duration(self.after_min * MICROS_PER_MINUTE);
        match self.recovered {
            true if self.after_min == 0 => "it came back within a minute".to_owned(),
            true => format!("it came back {after} later"),
            false => format!("not back {after} later"),
        }
    }
}
