//! When each busy slice had its last event: for noticing within seconds that nothing comes any more.
//!
//! In: glances at open minutes, sealed minutes. Out: slices that are silent although their senders are heard.
//! The waiting time itself is the evidence: with `m` events expected since the last one and a dispersion of
//! `1/r`, silence has a log-likelihood of `-r ln(1 + m/r)` (negative binomial with nothing seen). Each event
//! begins a wait, so the bar stands higher than a minute's by the logarithm of the events in a minute.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Glance, MICROS_PER_MINUTE, MICROS_PER_SECOND, TimeUs};

/// A slice of which so many events a minute are expected is followed …
const BUSY: f64 = 100.0;
/// … until fewer than these are.
const QUIET: f64 = 50.0;
/// No shorter silence is told, and none that is shorter than three times the widest gap of late.
const SHORTEST_US: i64 = 5 * MICROS_PER_SECOND;
/// A longer one need not be: the sealed minute has it.
const LONGEST_US: i64 = 60 * MICROS_PER_SECOND;
/// Gaps are believed once more was seen of a slice so many times: a minute where something comes each second.
const LEARN_TIMES: u32 = 60;
/// Gaps fade with this time constant.
const FADE_US: f64 = 3600.0 * MICROS_PER_SECOND as f64;
/// Whoever sends has this long to be heard again after ebbd did not run.
const SETTLE_US: i64 = 60 * MICROS_PER_SECOND;

/// What is known of one busy slice's coming and going.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Pulse {
    /// Events ever, in sealed minutes only.
    sealed: i64,
    /// Events ever, those of open minutes too.
    seen: i64,
    /// When `seen` last grew.
    at: TimeUs,
    /// How often more was seen.
    times: u32,
    /// The widest gap of late between two glances that saw more.
    gap_us: i64,
}

/// The busy slices of a stream, by id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pulses(BTreeMap<u32, Pulse>);

/// How long a slice is silent, as far as its senders prove it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wait {
    /// When its last event was seen.
    pub(super) since: TimeUs,
    /// The proven silence.
    pub(super) silent_us: i64,
    /// Longer than is usual for the slice.
    pub(super) is_unusual: bool,
}

impl Pulses {
    /// Whether a glance can tell anything: ebbd has been running for a while and nothing was lost lately.
    pub(super) fn can_tell(glance: &Glance) -> bool {
        glance.at.since_us(glance.up_since) >= SETTLE_US && glance.lost_lines == 0
    }

    /// A minute was sealed: what each slice had in it, what is expected of it.
    pub(super) fn sealed(&mut self, now: TimeUs, observed: &[i64], expected: impl Fn(usize) -> Option<f64>) {
        self.0.retain(|id, _| expected(*id as usize).is_some_and(|expected| expected >= QUIET));
        for (slice, &observed) in observed.iter().enumerate() {
            if let Some(pulse) = self.0.get_mut(&(slice as u32)) {
                pulse.sealed += observed;
            } else if expected(slice).is_some_and(|expected| expected >= BUSY) {
                let pulse = Pulse { sealed: 0, seen: 0, at: now, times: 0, gap_us: 0 };
                self.0.insert(slice as u32, pulse);
            }
        }
    }

    /// Events that came late are signs of life.
    pub(super) fn late(&mut self, slice: u32, events: i64) {
        if let Some(pulse) = self.0.get_mut(&slice) {
            pulse.sealed += events;
        }
    }

    /// Takes in what open minutes have of each slice; gives how long each followed slice is silent.
    pub(super) fn look(&mut self, glance: &Glance, open: &[i64]) -> BTreeMap<u32, Wait> {
        let wait = |(id, pulse): (&u32, &mut Pulse)| {
            pulse.look(glance, open.get(*id as usize).copied().unwrap_or(0));
            (*id, pulse.wait(glance))
        };
        self.0.iter_mut().map(wait).collect()
    }

    /// A slice is followed no more.
    pub(super) fn forget(&mut self, slice: u32) {
        self.0.remove(&slice);
    }

    /// Of those that are known still.
    pub(super) fn of_known(&self, is_known: impl Fn(u32) -> bool) -> Pulses {
        Pulses(self.0.iter().filter(|(id, _)| is_known(**id)).map(|(id, pulse)| (*id, *pulse)).collect())
    }
}

impl Pulse {
    fn look(&mut self, glance: &Glance, open: i64) {
        let seen = self.sealed + open;
        if seen > self.seen {
            if self.at >= glance.up_since {
                let gap_us = glance.at.since_us(self.at);
                let faded = self.gap_us as f64 * (-gap_us as f64 / FADE_US).exp();
                // An outage is no habit: what is beyond the usual widens it by half.
                self.gap_us = (faded as i64).max(gap_us.min(self.usual_us() / 2));
            }
            self.at = glance.at;
            self.times = self.times.saturating_add(1);
        }
        self.seen = seen;
    }

    fn usual_us(&self) -> i64 {
        (3 * self.gap_us).clamp(SHORTEST_US, LONGEST_US)
    }

    fn wait(&self, glance: &Glance) -> Wait {
        let since = self.at.max(glance.up_since);
        // Who fell silent long before the slice did was not its sender.
        let before = since.plus_us(-MICROS_PER_MINUTE);
        let heard = glance.heard.get(glance.heard.partition_point(|&heard| heard < before));
        let silent_us = heard.map_or(0, |&heard| heard.min(glance.at).since_us(since).max(0));
        let is_known = self.times >= LEARN_TIMES;
        Wait { since, silent_us, is_unusual: is_known && silent_us >= self.usual_us() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Minute, StreamId};

    const START: Minute = Minute(29_922_540);

    /// A slice of which 10 events come each second, seen at `second` seconds after the start.
    fn glance(second: i64, heard: &[i64]) -> Glance {
        let at = |second: i64| START.start().plus_us(second * MICROS_PER_SECOND);
        Glance {
            stream: StreamId(0),
            at: at(second),
            next: START,
            minutes: Vec::new(),
            heard: heard.iter().map(|&second| at(second)).collect(),
            up_since: at(-3600),
            lost_lines: 0,
            refused_lines: 0,
        }
    }

    fn followed(until: i64, every: i64) -> Pulses {
        let mut pulses = Pulses::default();
        pulses.sealed(START.start(), &[0], |_| Some(600.0));
        for second in 1..=until {
            pulses.look(&glance(second, &[second]), &[10 * (second / every * every)]);
        }
        pulses
    }

    #[test]
    fn silence_is_as_long_as_its_senders_are_heard() {
        let mut pulses = followed(700, 1);
        let wait = pulses.look(&glance(706, &[600, 706]), &[7000])[&0];
        assert_eq!((wait.silent_us, wait.is_unusual), (6_000_000, true), "one left long before");
        let wait = pulses.look(&glance(707, &[703, 707]), &[7000])[&0];
        assert_eq!(
            (wait.silent_us, wait.is_unusual),
            (3_000_000, false),
            "one of them may have fallen silent"
        );
        assert_eq!(pulses.look(&glance(760, &[]), &[7000])[&0].silent_us, 0, "nobody is heard");
        let wait = pulses.look(&glance(708, &[708]), &[7001])[&0];
        assert_eq!(wait.silent_us, 0, "one event is life");
    }

    #[test]
    fn who_sends_in_batches_is_given_more_time() {
        let mut pulses = followed(1500, 15);
        let wait = pulses.look(&glance(1530, &[1530]), &[15_000])[&0];
        assert_eq!((wait.silent_us, wait.is_unusual), (30_000_000, false));
        assert!(pulses.look(&glance(1546, &[1546]), &[15_000])[&0].is_unusual);
        let mut young = followed(50, 1);
        assert!(!young.look(&glance(90, &[90]), &[500])[&0].is_unusual, "not known for long enough");
    }

    #[test]
    fn a_sealed_minute_and_late_events_take_nothing_away() {
        let mut pulses = followed(700, 1);
        pulses.sealed(START.start(), &[6_990], |_| Some(600.0));
        assert_eq!(pulses.look(&glance(701, &[701]), &[10])[&0].silent_us, 1_000_000, "sealed, and no more");
        pulses.late(0, 5);
        assert_eq!(pulses.look(&glance(702, &[702]), &[10])[&0].silent_us, 0);
        pulses.sealed(START.start(), &[0], |_| Some(40.0));
        assert!(pulses.look(&glance(703, &[703]), &[10]).is_empty(), "too few to follow");
    }
}
