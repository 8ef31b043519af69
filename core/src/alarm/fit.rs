//! How well a marker fits an onset: by time, against the whole interval in which it may lie, by scope, and by
//! what followed such markers before.

use super::record::Change;
use super::words::duration;
use crate::model::{MICROS_PER_MINUTE, Mark, Minute, Slice, TimeUs};

/// Markers this long before an onset are looked at.
pub(super) const BEFORE_US: i64 = 30 * MICROS_PER_MINUTE;
/// Markers this long after the likeliest onset, too: onsets are uncertain, people mark late.
pub(super) const AFTER_US: i64 = 3 * MICROS_PER_MINUTE;
/// A marker this long before the onset is e times less likely the cause than one right before it.
const FADE_US: f64 = 10.0 * MICROS_PER_MINUTE as f64;
/// The same behind the onset: what is marked late is marked soon.
const LATE_FADE_US: f64 = 3.0 * MICROS_PER_MINUTE as f64;
/// Instants of a minute at which it is asked how far a marker lies from them.
const STEPS: i64 = 4;
/// Most minutes of an onset's interval that are looked at on either side of the likeliest.
const WIDEST: i32 = 30;
/// Before anything was seen a marker is taken to do harm about once in twenty times: as if half of ten and a
/// half had (Beta prior).
const PRIOR_HARM: f64 = 0.5;
/// See [`PRIOR_HARM`].
const PRIOR_ALL: f64 = 10.5;
/// How many markers alike weigh as much as all markers together.
const SHARED: f64 = 10.0;
/// From so many markers alike on, a person is told what followed them.
const WORTH_TELLING: u64 = 5;

/// A marker that may have caused an onset.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit<'a> {
    mark: &'a Mark,
    at: TimeUs,
    score: f64,
    why: String,
}

/// What followed markers alike.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct PastRecord {
    all: u64,
    followed: u64,
}

impl PastRecord {
    /// One more of them.
    pub(super) fn add(&mut self, followed: bool) {
        self.all += 1;
        self.followed += u64::from(followed);
    }

    /// How often markers do harm, 0 to 1, given all there were.
    pub(super) fn usual(&self) -> f64 {
        (self.followed as f64 + PRIOR_HARM) / (self.all as f64 + PRIOR_ALL)
    }

    /// How often markers such as these do harm, 0 to 1: the fewer they are, the nearer to what is `usual`.
    pub(super) fn rate(&self, usual: f64) -> f64 {
        (self.followed as f64 + SHARED * usual) / (self.all as f64 + SHARED)
    }

    fn in_words(&self) -> Option<String> {
        let told = match self.followed {
            0 => format!("none of {} such before was", self.all),
            1 => format!("1 of {} such before was", self.all),
            n => format!("{n} of {} such before were", self.all),
        };
        (self.all >= WORTH_TELLING).then(|| format!("{told} followed by a drop"))
    }
}

impl Fit<'_> {
    /// The suspect; `weight` is how often such markers do harm against the worst of those beside it.
    pub(super) fn told(self, past: &PastRecord, weight: f64) -> Change {
        let why = match past.in_words() {
            Some(past) => format!("{}; {past}", self.why),
            None => self.why,
        };
        told(self.mark, self.at, self.score * weight, why)
    }
}

/// How a marker fits an onset (earliest, likeliest, latest); `None` if its scope shares nothing with the slice.
pub(super) fn of<'a>(
    mark: &'a Mark,
    onset: [Minute; 3],
    slice: &Slice,
    within: impl Fn(TimeUs) -> bool,
) -> Option<Fit<'a>> {
    let (fit, scope) = scope(mark, slice);
    if fit == 0.0 {
        return None;
    }
    let likeliest = onset[1].start();
    let ends = mark.until.filter(|&until| within(until) && likeliest.since_us(until) >= -AFTER_US);
    let (at, what) = match ends {
        Some(until) if !within(mark.at) || until <= likeliest => (until, "ended "),
        _ => (mark.at, ""),
    };
    let lead = likeliest.since_us(at);
    let when = if lead >= 0 { "before onset" } else { "after onset" };
    let weight = if mark.kind == "note" { 0.5 } else { 1.0 };
    let why = format!("{what}{} {when}, {scope}", duration(lead.abs()));
    Some(Fit { mark, at, score: weight * fit * nearness(at, onset), why })
}

/// A marker that may have mended what ended at `end`.
pub(super) fn cure(mark: &Mark, end: TimeUs, slice: &Slice) -> Change {
    let (fit, scope) = scope(mark, slice);
    let lead = end.since_us(mark.at);
    let why = format!("{} before it came back, {scope}", duration(lead));
    told(mark, mark.at, fit * fade(lead), why)
}

fn told(mark: &Mark, at: TimeUs, score: f64, why: String) -> Change {
    let score = (score * 100.0).round() / 100.0;
    Change { kind: mark.kind.clone(), what: mark.what.clone(), at: at.to_rfc3339(), score, why }
}

/// The expected [`fade`] over the instants at which it may have begun: the likeliest minute has most weight, those
/// between it and an end of the interval less and less.
fn nearness(at: TimeUs, [earliest, likeliest, latest]: [Minute; 3]) -> f64 {
    let (earliest, latest) = (earliest.max(likeliest.plus(-WIDEST)), latest.min(likeliest.plus(WIDEST)));
    let (before, behind) = (likeliest.0 - earliest.0, latest.0 - likeliest.0);
    let (mut sum, mut weights) = (0.0, 0.0);
    for minute in (earliest.0.min(likeliest.0)..=latest.0.max(likeliest.0)).map(Minute) {
        let off = minute.0 - likeliest.0;
        let reach = if off < 0 { before } else { behind };
        let weight = 1.0 - f64::from(off.abs()) / f64::from(reach + 1);
        for step in 0..STEPS {
            let instant = minute.start().plus_us(step * MICROS_PER_MINUTE / STEPS);
            sum += weight * fade(instant.since_us(at));
            weights += weight;
        }
    }
    sum / weights
}

/// 1 right before the onset, less the longer before, at most a half after it.
fn fade(lead_us: i64) -> f64 {
    match lead_us {
        lead if lead >= 0 => (-(lead as f64) / FADE_US).exp(),
        late => (late as f64 / LATE_FADE_US).exp() / 2.0,
    }
}

/// What is said of the markers near an onset, `named` of which is the suspect.
pub(super) fn note(near: usize, named: usize) -> String {
    match near - named {
        0 if named == 0 => "no marker within 30 min".to_owned(),
        0 => "no other marker within 30 min".to_owned(),
        1 if named == 0 => "1 marker within 30 min, of another scope".to_owned(),
        1 => "1 other marker within 30 min".to_owned(),
        n if named == 0 => format!("{n} markers within 30 min, of other scopes"),
        n => format!("{n} other markers within 30 min"),
    }
}

/// How well a marker's scope fits a slice, 0 to 1, and in words.
pub(super) fn scope(mark: &Mark, slice: &Slice) -> (f64, &'static str) {
    let scope = &mark.scope;
    if scope == slice && !slice.is_whole() {
        (1.0, "same scope")
    } else if scope.is_whole() {
        (0.7, "scope not told")
    } else if scope.contains(slice) {
        (0.9, "wider scope")
    } else if slice.contains(scope) {
        (0.8, "narrower scope")
    } else if slice.0.iter().any(|(d, v)| scope.0.get(d).is_some_and(|other| other != v)) {
        (0.0, "other scope")
    } else {
        (0.5, "overlapping scope")
    }
}
