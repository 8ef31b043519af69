//! How often the change that caused an incident ranks first among the markers of a day (20 of them).
//!
//! A simulated shop is lived through by the real judge. Every six hours a slice of it breaks after a deploy; other
//! markers come all day and cause nothing. `MARKER_DAYS` makes it longer: 100 days are 400 incidents.

use std::sync::Arc;

use super::context;
use crate::alarm::block::instant;
use crate::alarm::{AlarmRecord, Because, Kind};
use crate::judge::Judge;
use crate::model::{MICROS_PER_MINUTE, Mark, Minute, Rng, Slice, SplitMix64, StreamId, StreamSpec, TimeUs};
use crate::simulate::{Incident, Shop, ShopSpec};

/// 2026-11-02T00:00Z, a Monday.
const START: Minute = Minute(29_892_960);
const LEARNT_MINUTES: i32 = 9 * 1440;
/// Minutes between two incidents, and how long one lasts.
const EVERY: i32 = 360;
const LASTS: i32 = 40;
/// Markers of a day besides those that did it.
const OTHERS: [(&str, u64); 5] = [("deploy", 8), ("flag", 6), ("config", 3), ("promo", 1), ("note", 1)];
const COUNTRIES: [&str; 4] = ["US", "DE", "UK", "JP"];
const FEATURES: [&str; 3] = ["one-click", "cart", "subscription"];
/// Orders a minute that a slice has at least when it is broken.
const LARGE: f64 = 20.0;

struct World {
    rng: SplitMix64,
    spec: StreamSpec,
    shop: Shop,
    judge: Judge,
    incidents: Vec<Incident>,
    /// The last first.
    marks: Vec<Mark>,
}

impl World {
    fn new(seed: u64) -> World {
        let spec = StreamSpec::example();
        let shop = Shop::new(ShopSpec::demo(seed), &spec);
        let mut judge = Judge::new(Arc::from([spec.clone()]), context());
        (0..LEARNT_MINUTES).for_each(|at| judge.learn(&shop.sealed(START.plus(at), StreamId(0), &spec)));
        World { rng: SplitMix64::new(seed), spec, shop, judge, incidents: Vec::new(), marks: Vec::new() }
    }

    /// A country, a feature, or both.
    fn any_slice(&mut self) -> Slice {
        let country = COUNTRIES[self.rng.below(4) as usize];
        let feature = FEATURES[self.rng.below(3) as usize];
        match self.rng.below(3) {
            0 => Slice::of([("marketplace", country)]),
            1 => Slice::of([("feature", feature)]),
            _ => Slice::of([("marketplace", country), ("feature", feature)]),
        }
    }

    fn mark(&mut self, what: String, kind: &str, at: TimeUs, scope: Slice) {
        let (kind, by) = (kind.to_owned(), "test".to_owned());
        let id = what.clone();
        self.marks.push(Mark { id, kind, what, at, until: None, scope, retracted: false, received: at, by });
    }

    /// Breaks a slice for a while; a deploy some seconds or minutes before it did that.
    fn incident(&mut self, start: Minute) {
        let incident = loop {
            let (slice, from) = (self.any_slice(), start.plus(60 + self.rng.below(200) as i32));
            let remaining = 0.6 * self.rng.unit();
            if self.shop.mean(from, &slice) >= LARGE {
                break Incident { slice, from, to: from.plus(LASTS), remaining };
            }
        };
        // Most changes do their harm within a minute or two, few after ten: 5 s to 10 min, evenly by logarithm.
        let lead_s = 5.0 * 120f64.powf(self.rng.unit());
        let at = incident.from.start().plus_us(-(lead_s * 1e6) as i64);
        let scope = match self.rng.below(10) {
            0..4 => incident.slice.clone(),
            4..7 => Slice(incident.slice.0.clone().into_iter().take(1).collect()),
            _ => Slice::default(),
        };
        self.mark(format!("cause {}", incident.from.0), "deploy", at, scope);
        self.shop.break_slice(incident.clone());
        self.incidents.push(incident);
    }

    fn day(&mut self, start: Minute) -> Vec<AlarmRecord> {
        (0..1440 / EVERY).for_each(|at| self.incident(start.plus(at * EVERY)));
        for (kind, count) in OTHERS {
            for at in 0..count {
                let time =
                    start.start().plus_us((self.rng.unit() * 1440.0 * MICROS_PER_MINUTE as f64) as i64);
                let scope = if self.rng.below(10) < 4 { Slice::default() } else { self.any_slice() };
                self.mark(format!("{kind} {} {at}", start.0), kind, time, scope);
            }
        }
        self.marks.sort_by_key(|mark| std::cmp::Reverse(mark.at));
        let mut records = Vec::new();
        for minute in (0..1440).map(|at| start.plus(at)) {
            let now = minute.end().plus_us(2_000_000);
            while self.marks.last().is_some_and(|mark| mark.at < now) {
                self.marks.pop().into_iter().for_each(|mark| self.judge.mark(mark));
            }
            records.extend(self.judge.judge(&self.shop.sealed(minute, StreamId(0), &self.spec), now).records);
        }
        records
    }

    /// Incidents that alarmed, and those whose cause was ranked first when they did.
    fn score(&self, records: &[AlarmRecord]) -> (usize, usize) {
        let opened_in = |incident: &&Incident| {
            records.iter().find(|record| {
                let at = instant(&record.minute).unwrap_or_default().minute();
                (incident.from..incident.to).contains(&at)
                    && record.kind == Kind::Drop
                    && record.because == Because::Opened
                    && record.slice.related(&incident.slice)
            })
        };
        let found = self.incidents.iter().filter_map(|incident| Some((incident, opened_in(&incident)?)));
        let found: Vec<(&Incident, &AlarmRecord)> = found.collect();
        let is_first = |(incident, record): &&(&Incident, &AlarmRecord)| {
            record.changes.first().is_some_and(|change| change.what == format!("cause {}", incident.from.0))
        };
        (found.len(), found.iter().filter(is_first).count())
    }
}

#[test]
fn the_change_that_did_it_ranks_first() {
    let days: i32 = std::env::var("MARKER_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(5);
    let mut world = World::new(9100);
    let records: Vec<AlarmRecord> =
        (0..days).flat_map(|day| world.day(START.plus(LEARNT_MINUTES + day * 1440))).collect();
    let (alarmed, first) = world.score(&records);
    println!("{} incidents, {alarmed} alarmed, cause first in {first}", world.incidents.len());
    assert!(alarmed * 10 >= world.incidents.len() * 7, "{alarmed} of {} alarmed", world.incidents.len());
    assert!(first * 10 >= alarmed * 9, "the cause was first in {first} of {alarmed}");
}
