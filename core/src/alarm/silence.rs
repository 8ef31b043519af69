//! No data: a source, or the whole stream, is silent. That is not the same as no orders.

use serde::{Deserialize, Serialize};

use super::life::{Life, News};
use super::record::{Because, Severity, State};
use super::scene::Scene;
use super::words;
use crate::model::{MICROS_PER_MINUTE, MissingOrigin, SourceState, TimeUs};

/// Shorter absences are not told.
const LEAST_US: i64 = MICROS_PER_MINUTE;
/// A whole stream's silence is told once so many events would have been expected in it.
const LEAST_EVENTS: f64 = 3.0;
/// Most origins that one alarm names.
const MOST_ORIGINS: usize = 1024;

/// Who is silent, and since when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Silence {
    /// Missing origins by share, the largest first; empty when only the stream as a whole is silent.
    pub(super) origins: Vec<Absent>,
    /// There is no data at all.
    pub(super) whole: bool,
    /// When the first of them fell silent.
    pub(super) since: TimeUs,
}

/// A missing origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Absent {
    pub(super) origin: String,
    pub(super) since: TimeUs,
    pub(super) share: f64,
}

impl From<&MissingOrigin> for Absent {
    fn from(missing: &MissingOrigin) -> Absent {
        Absent { origin: missing.origin.clone(), since: missing.since, share: missing.share }
    }
}

impl Silence {
    /// What is silent in this minute, if it has lasted long enough to be told. `blank_since` is the start
    /// of the first minute without any data, `expected` the events expected per minute if that is known.
    pub(super) fn of(scene: &Scene, blank_since: Option<TimeUs>, expected: Option<f64>) -> Option<Silence> {
        let end = scene.minute().end();
        let lasting = |since: TimeUs| end.since_us(since) >= LEAST_US;
        let missing = scene.sealed.completeness.missing.iter().filter(|m| lasting(m.since));
        let mut origins: Vec<Absent> = missing.map(Absent::from).collect();
        origins.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.origin.cmp(&b.origin)));
        origins.truncate(MOST_ORIGINS);
        let blank = blank_since.filter(|&since| lasting(since) && overdue(end, since, expected));
        let first = origins.iter().map(|o| o.since).chain(blank).min()?;
        if scene.no_data() && blank.is_none() {
            return None;
        }
        Some(Silence { origins, whole: scene.no_data(), since: first })
    }

    /// A page when the whole stream is silent and orders are expected, else a ticket.
    pub(super) fn severity(&self, expected: Option<f64>) -> Severity {
        if self.whole && expected.is_some() { Severity::Page } else { Severity::Ticket }
    }

    /// What the key names: `origin=web-03`, nothing for the whole stream.
    pub(super) fn key(&self) -> String {
        match self.origins.first() {
            Some(first) if !self.whole => format!("origin={}", first.origin),
            _ => String::new(),
        }
    }

    /// The share of the stream's events that is missing, 0 to 1.
    pub(super) fn share(&self) -> f64 {
        if self.whole { 1.0 } else { self.origins.iter().map(|o| o.share).sum::<f64>().min(1.0) }
    }

    /// One more minute of an open alarm: `now` is what is silent in it, if anything is.
    pub(super) fn step(
        &mut self,
        life: &mut Life,
        scene: &Scene,
        now: Option<Silence>,
        expected: Option<f64>,
    ) -> Option<News> {
        let Some(now) = now else {
            if scene.no_data() {
                return None;
            }
            return Some(self.end(life, scene));
        };
        let severity = now.severity(expected);
        let known = |o: &Absent| self.origins.iter().any(|old| old.origin == o.origin);
        let new: Vec<String> =
            now.origins.iter().filter(|o| !known(o)).map(|o| words::escape(&o.origin)).collect();
        let (grew, shrank) = (now.whole && !self.whole, now.share() < self.share() - 1e-9);
        *self = Silence { since: self.since, ..now };
        if grew {
            life.severity = life.severity_or_louder(severity);
            let reason = format!("now no data at all for {}", words::escape(&life.stream));
            return Some(News::told(Because::Escalated, reason));
        }
        if !new.is_empty() && !self.whole {
            return Some(News::told(Because::Spread, format!("now {} as well", words::list(&new))));
        }
        shrank.then(|| News::plain(Because::Update))
    }

    fn end(&self, life: &mut Life, scene: &Scene) -> News {
        life.state = State::Resolved;
        life.ended = Some(scene.minute());
        News::told(Because::Resolved, self.how_it_ended(scene))
    }

    fn how_it_ended(&self, scene: &Scene) -> &'static str {
        let state = |origin: &str| {
            let named = |name: &str, fallback: &str| {
                if name.is_empty() { fallback == origin } else { name == origin }
            };
            scene.sealed.sources.iter().find(|s| named(&s.origin, &s.source_name)).map(|s| s.state)
        };
        let states: Vec<Option<SourceState>> = self.origins.iter().map(|o| state(&o.origin)).collect();
        if states.is_empty() || states.contains(&Some(SourceState::Alive)) || self.whole {
            "data is back"
        } else if states.contains(&Some(SourceState::Left)) {
            "it said goodbye: no longer expected"
        } else {
            "forgotten: no longer expected"
        }
    }
}

/// Whether a silence from `since` to `end` is longer than chance makes it at `expected` events a minute.
fn overdue(end: TimeUs, since: TimeUs, expected: Option<f64>) -> bool {
    let minutes = end.since_us(since) as f64 / MICROS_PER_MINUTE as f64;
    expected.is_none_or(|per_minute| minutes * per_minute >= LEAST_EVENTS)
}
