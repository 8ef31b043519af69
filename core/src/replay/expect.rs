//! Labelled incidents: which were found, and why the others were not.

use std::collections::BTreeMap;

use super::story::{Stories, Story};
use crate::alarm::Kind;
use crate::detect::Verdict;
use crate::judge::JudgedMinute;
use crate::model::{MICROS_PER_MINUTE, Minute, Slice, TimeUs};

/// What ought to be told, and when nothing ought to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectations {
    /// Incidents, in the order of the file.
    pub expected: Vec<Expectation>,
    /// Times without alarms.
    pub quiet: Vec<Quiet>,
    /// Most alarms that belong to no expectation; none: any number.
    pub max_false: Option<u64>,
}

/// An incident that ought to be found.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// The slice that fell.
    pub slice: Slice,
    /// Since when.
    pub from: TimeUs,
    /// Until when; both ends are included.
    pub to: TimeUs,
    /// What kind of alarm it ought to be.
    pub kind: Kind,
    /// Longest time from `from` to the end of the minute that opens the alarm; none: until `to`.
    pub within_us: Option<i64>,
    /// What ought to be named as its cause.
    pub cause: Option<ExpectedCause>,
}

/// What an alarm ought to name.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpectedCause {
    /// A slice.
    Slice(Slice),
    /// A change marker, by what it says.
    Change(String),
}

/// A time in which no alarm ought to open.
#[derive(Clone, Debug, PartialEq)]
pub struct Quiet {
    /// Since when.
    pub from: TimeUs,
    /// Until when; both ends are included.
    pub to: TimeUs,
}

/// What became of an expectation.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// Found by this alarm, so long after `from`.
    Found {
        /// The alarm's number.
        no: u64,
        /// To the end of the minute that opened it.
        delay_us: i64,
    },
    /// Not found.
    Missed(Suspicion),
}

/// Why an incident was not found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suspicion {
    /// Minutes of the slice by verdict; empty if the slice was not judged.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// The minute in which most of the bar was reached.
    pub peak: Option<Peak>,
    /// Alarms that come near, each with what is wrong with it.
    pub near: Vec<(u64, String)>,
}

/// The minute in which a slice came nearest to its bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// The minute.
    pub minute: Minute,
    /// Evidence in nats.
    pub evidence: f64,
    /// The bar in nats.
    pub threshold: f64,
    /// Events counted.
    pub observed: Option<i64>,
    /// Events expected.
    pub expected: Option<f64>,
}

/// What became of all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// Of each expectation, in its order.
    pub fates: Vec<Fate>,
    /// Quiet times by their place, and the alarms that opened in them.
    pub broken: Vec<(usize, u64)>,
    /// Alarms that belong to no expectation.
    pub false_alarms: Vec<u64>,
    /// More of them than are allowed.
    pub is_too_many: bool,
}

impl Findings {
    /// Whether everything is as expected.
    pub fn is_green(&self) -> bool {
        let missed = self.fates.iter().any(|fate| matches!(fate, Fate::Missed(_)));
        !missed && self.broken.is_empty() && !self.is_too_many
    }
}

/// Looks at the expected slices while the past is lived through.
#[derive(Clone, Debug)]
pub struct Looking {
    expectations: Expectations,
    seen: Vec<Suspicion>,
}

impl Looking {
    /// Nothing seen yet.
    pub fn new(expectations: Expectations) -> Looking {
        let seen = vec![Suspicion::default(); expectations.expected.len()];
        Looking { expectations, seen }
    }

    /// Looks at a judged minute.
    pub fn minute(&mut self, judged: &JudgedMinute) {
        for (expected, seen) in self.expectations.expected.iter().zip(&mut self.seen) {
            if judged.minute < expected.from.minute() || judged.minute.start() > expected.to {
                continue;
            }
            let Some(row) = judged.rows.iter().find(|row| *row.slice == expected.slice) else { continue };
            let verdict = &row.verdict;
            *seen.verdicts.entry(verdict.verdict).or_default() += 1;
            let peak = Peak {
                minute: judged.minute,
                evidence: verdict.evidence,
                threshold: verdict.threshold,
                observed: verdict.observed,
                expected: verdict.expected,
            };
            if seen.peak.is_none_or(|before| peak.reach() > before.reach()) {
                seen.peak = Some(peak);
            }
        }
    }

    /// What became of the expectations, given the alarms of the run.
    pub fn finish(self, stories: &Stories) -> Findings {
        let Expectations { expected, quiet, max_false } = self.expectations;
        let fates =
            expected.iter().zip(self.seen).map(|(expected, seen)| expected.fate(seen, stories)).collect();
        let openings = || {
            stories
                .0
                .values()
                .flat_map(|story| story.openings.iter().map(move |opening| (story, opening.minute)))
        };
        let mut broken = Vec::new();
        for (at, quiet) in quiet.iter().enumerate() {
            let within = openings().filter(|(_, minute)| is_within(*minute, quiet.from, quiet.to));
            broken.extend(within.map(|(story, _)| (at, story.no)));
        }
        let belongs = |story: &Story, minute: Minute| expected.iter().any(|e| e.accounts_for(story, minute));
        let mut false_alarms: Vec<u64> = openings()
            .filter(|(story, minute)| story.kind != Kind::Ebbd && !belongs(story, *minute))
            .map(|(story, _)| story.no)
            .collect();
        false_alarms.dedup();
        let is_too_many = max_false.is_some_and(|most| false_alarms.len() as u64 > most);
        Findings { fates, broken, false_alarms, is_too_many }
    }
}

impl Peak {
    /// How much of the bar was reached.
    pub fn reach(&self) -> f64 {
        if self.threshold > 0.0 { self.evidence / self.threshold } else { 0.0 }
    }
}

impl Expectation {
    fn fate(&self, mut seen: Suspicion, stories: &Stories) -> Fate {
        for story in stories.0.values() {
            for opening in &story.openings {
                if !is_within(opening.minute, self.from, self.to) {
                    continue;
                }
                let delay_us = opening.minute.end().since_us(self.from);
                match self.objection(story, delay_us) {
                    None => return Fate::Found { no: story.no, delay_us },
                    Some(objection) => seen.near.push((story.no, objection)),
                }
            }
        }
        for story in stories.0.values().filter(|story| self.was_open_before(story)) {
            seen.near.push((story.no, "it was open before".to_owned()));
        }
        Fate::Missed(seen)
    }

    /// What is wrong with an alarm that opens in time; `None` if it is the one.
    fn objection(&self, story: &Story, delay_us: i64) -> Option<String> {
        if story.kind != self.kind {
            return Some(format!("its kind is {}", story.kind.name()));
        }
        if !story.slices.iter().any(|slice| near(slice, &self.slice)) {
            return Some(format!("it is about {}", story.last.slice));
        }
        if self.within_us.is_some_and(|within| delay_us > within) {
            return Some(format!("it opened after {} min", delay_us / MICROS_PER_MINUTE));
        }
        match &self.cause {
            Some(ExpectedCause::Slice(cause)) if !story.slices.contains(cause) => {
                Some(format!("it does not name {cause} as its cause"))
            }
            Some(ExpectedCause::Change(what))
                if !story.changes.iter().any(|change| change.contains(what)) =>
            {
                Some(format!("it does not name the marker {what:?}"))
            }
            _ => None,
        }
    }

    fn was_open_before(&self, story: &Story) -> bool {
        let opened = story.openings.iter().any(|opening| opening.minute.start() < self.from);
        let ended = story.last.ended.as_deref().and_then(super::story::minute);
        let still = ended.is_none_or(|ended| ended.start() > self.from);
        story.kind == self.kind
            && opened
            && still
            && story.slices.iter().any(|slice| near(slice, &self.slice))
    }

    /// Whether an alarm that opened in this minute can come of the incident.
    fn accounts_for(&self, story: &Story, minute: Minute) -> bool {
        let related = story.slices.iter().any(|slice| slice.related(&self.slice));
        is_within(minute, self.from, self.to) && (related || story.kind == Kind::NoData)
    }
}

/// The slice itself, one above it or one below it.
fn near(slice: &Slice, expected: &Slice) -> bool {
    slice.related(expected) && slice.0.len().abs_diff(expected.0.len()) <= 1
}

fn is_within(minute: Minute, from: TimeUs, to: TimeUs) -> bool {
    minute.end() > from && minute.start() <= to
}
