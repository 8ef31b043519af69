//! The life of one drop: opened, relevelled so that it doesn't blind, escalated, recovered or accepted.

use serde::{Deserialize, Serialize};

use super::bank::Bank;
use crate::baseline::exact;
use crate::simd::column::*;
use crate::simd::ln1p;

/// Complete minutes after opening or escalation until the levels follow what is seen.
const RELEVEL_AFTER: u32 = 45;
/// Complete minutes until a drop is accepted as the new normal, and those since the last escalation.
const ACCEPT_AFTER: u32 = 180;
/// See [`ACCEPT_AFTER`].
const ACCEPT_QUIET: u32 = 90;
/// Below this ratio nothing is accepted before [`ACCEPT_OUTAGE_AFTER`].
const OUTAGE_RATIO: f64 = 0.1;
/// See [`OUTAGE_RATIO`].
const ACCEPT_OUTAGE_AFTER: u32 = 1440;
/// Complete minutes for which the way back is watched after a new normal.
const WATCH_FOR: u32 = 1440;
/// A drop that passes a deeper member's bar so long after its opening is told as an escalation.
const DEEPENS_AFTER: u32 = 10;
/// Nats that close a drop, and that bring the old level back after a new normal.
const RECOVERED: f64 = 5.0;
/// See [`RECOVERED`].
const CAME_BACK: f64 = 6.0;
/// What brought less than this share of what is usual is followed by those who were held up.
const DELAYS_BELOW: f64 = 0.35;
/// Recovery takes more than two minutes, however clear they are.
const RECOVERS_IN: f64 = 2.4;
/// Counts that the ratio seen is held to the normal one by.
const RATIO_PRIOR: f64 = 40.0;
/// Members for a drop to 65 % or deeper, and total silence.
const DEEP: u32 = 0b10_0111;
/// Members that escalate: all but the shallowest.
const ESCALATES: u32 = 0b10_1111;
/// On a declared day these members see what no such day brings: almost nothing comes.
const OUTAGE: u32 = 0b10_0001;
/// Or so little of what came just before, …
const SUDDEN_RATIO: f32 = 0.7;
/// … within so many minutes.
const SUDDEN_MINUTES: f32 = 10.0;

/// One drop of one slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Episode {
    /// Over, accepted as the new normal; the way back is watched.
    pub accepted: bool,
    /// Earliest, likeliest and latest first minute, in minutes since the detector's first.
    pub onset: [i32; 3],
    /// Events since the likeliest onset.
    #[serde(with = "exact")]
    pub observed: f64,
    /// Expected since then.
    #[serde(with = "exact")]
    pub expected: f64,
    /// Members that passed their bar so far.
    fired: u32,
    /// Evidence for recovery, in nats.
    #[serde(with = "exact")]
    pub recovery: f64,
    /// Complete minutes since opening (since acceptance when accepted).
    minutes: u32,
    /// Complete minutes since opening or the last escalation.
    quiet: u32,
    /// It opened on a declared day …
    #[serde(default)]
    declared: bool,
    /// … and fell within minutes.
    #[serde(default)]
    sudden: bool,
    #[serde(with = "exact")]
    seen: f64,
    #[serde(with = "exact")]
    normal: f64,
}

/// What a minute did to an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It goes on.
    Open,
    /// It goes on and became worse.
    Escalated,
    /// It ended this minute: recovered, or accepted as the new normal.
    Ended,
    /// An accepted one is watched no longer.
    Forgotten,
}

impl Episode {
    /// Opens at a slice that fired in the minute just stepped.
    pub(super) fn open(bank: &mut Bank, slice: usize, declared: bool) -> Episode {
        let member = widest(bank, slice);
        let (observed, expected) =
            (bank.get(slice, of(member, SINCE_X)), bank.get(slice, of(member, SINCE_M)));
        bank.set(slice, OPEN, 1.0);
        bank.set(slice, NORMAL, bank.get(slice, of(member, LEVEL_BEFORE)));
        let minutes = expected / bank.get(slice, EXPECTED).max(1e-6);
        Episode {
            declared,
            sudden: observed <= SUDDEN_RATIO * expected && minutes <= SUDDEN_MINUTES,
            accepted: false,
            onset: onset(bank, slice, member),
            observed: f64::from(observed),
            expected: f64::from(expected),
            fired: fired(bank, slice),
            recovery: 0.0,
            minutes: 0,
            quiet: 0,
            seen: 0.0,
            normal: 0.0,
        }
    }

    /// A member for a drop to 65 % or deeper passed its bar; on a declared day the fall has to be sudden as well, or
    /// to almost nothing, or to come on top of another.
    pub(super) fn is_deep(&self) -> bool {
        match self.declared {
            true => self.fired & OUTAGE != 0 || self.sudden && is_deep(self.fired),
            false => is_deep(self.fired),
        }
    }

    /// A judged minute after the opening one.
    pub(super) fn step(&mut self, bank: &mut Bank, slice: usize, observed: f64, learns: bool) -> Turn {
        if self.accepted {
            return self.watch(bank, slice, learns);
        }
        let expected = f64::from(bank.get(slice, PROFILE) * bank.get(slice, NORMAL));
        self.observed += observed;
        self.expected += expected;
        let worse = self.worsen(bank, slice);
        if !learns {
            return worse;
        }
        self.minutes += 1;
        self.quiet += 1;
        self.seen += observed;
        self.normal += expected;
        self.recover(bank, slice, (self.observed / self.expected.max(1e-9)) as f32);
        if self.recovery >= RECOVERED {
            self.close(bank, slice, bank.get(slice, NORMAL));
            return Turn::Ended;
        }
        self.follow(bank, slice).unwrap_or(worse)
    }

    /// Evidence passed a bar although the episode is open: deeper than before.
    fn worsen(&mut self, bank: &mut Bank, slice: usize) -> Turn {
        let fired = fired(bank, slice);
        let deepens = depth(fired) < depth(self.fired) && self.quiet >= DEEPENS_AFTER;
        let again = fired & ESCALATES != 0 && bank.get(slice, OPEN) == 2.0;
        self.fired |= fired;
        if !deepens && !again {
            return Turn::Open;
        }
        (self.quiet, self.seen, self.normal, self.recovery) = (0, 0.0, 0.0, 0.0);
        bank.set(slice, OPEN, 1.0);
        Turn::Escalated
    }

    /// Relevels, and accepts what stays.
    fn follow(&mut self, bank: &mut Bank, slice: usize) -> Option<Turn> {
        if self.quiet == RELEVEL_AFTER {
            let ratio = (self.seen + RATIO_PRIOR) / (self.normal + RATIO_PRIOR);
            bank.set_levels(slice, bank.get(slice, NORMAL) * ratio as f32);
            bank.set(slice, OPEN, 2.0);
        }
        let outage = self.seen < OUTAGE_RATIO * self.normal;
        let enough = if outage { ACCEPT_OUTAGE_AFTER } else { ACCEPT_AFTER };
        if self.minutes < enough || self.quiet < ACCEPT_QUIET || self.recovery > 0.0 {
            return None;
        }
        self.accepted = true;
        (self.minutes, self.recovery) = (0, 0.0);
        bank.set(slice, OPEN, 0.0);
        bank.clear_evidence(slice);
        Some(Turn::Ended)
    }

    fn watch(&mut self, bank: &mut Bank, slice: usize, learns: bool) -> Turn {
        if !learns {
            return Turn::Open;
        }
        self.minutes += 1;
        let normal = bank.get(slice, NORMAL);
        self.recover(bank, slice, bank.get(slice, of(1, LEVEL)) / normal.max(1e-9));
        if self.recovery >= CAME_BACK {
            self.close(bank, slice, normal);
            return Turn::Forgotten;
        }
        if self.minutes >= WATCH_FOR { Turn::Forgotten } else { Turn::Open }
    }

    /// Evidence that the rate is normal again, against the ratio that was seen.
    fn recover(&mut self, bank: &Bank, slice: usize, ratio: f32) {
        let mu = bank.get(slice, PROFILE) * bank.get(slice, NORMAL);
        let gain = recovery_gain(bank, slice, ratio, (bank.get(slice, UPPER), mu));
        self.recovery = (self.recovery + gain.min(RECOVERED / RECOVERS_IN)).max(0.0);
    }

    /// What a minute that has so many events already, of so many expected by now, says of the recovery: nats
    /// for it, and whether it would end the drop if it were sealed like this.
    pub(super) fn outlook(&self, bank: &Bank, slice: usize, seen: (f32, f32)) -> (f64, bool) {
        let ratio = (self.observed / self.expected.max(1e-9)) as f32;
        let gain = recovery_gain(bank, slice, ratio, seen);
        (gain, self.recovery + gain.min(RECOVERED / RECOVERS_IN) >= RECOVERED)
    }

    /// It was none: as before it.
    pub(super) fn absolve(&self, bank: &mut Bank, slice: usize) {
        self.close(bank, slice, bank.get(slice, NORMAL));
    }

    fn close(&self, bank: &mut Bank, slice: usize, level: f32) {
        bank.set(slice, OPEN, 0.0);
        if self.observed < DELAYS_BELOW * self.expected {
            bank.settle_levels(slice, level);
        } else {
            bank.set_levels(slice, level);
        }
    }
}

/// Evidence that `seen` of so many expected events are the normal rate, against `ratio` of it.
fn recovery_gain(bank: &Bank, slice: usize, ratio: f32, (seen, expected): (f32, f32)) -> f64 {
    let (ratio, mu, r) = (ratio.clamp(0.6, 0.94), expected.max(1e-4), 1.0 / bank.dispersion(slice));
    f64::from((seen + r) * ln1p((ratio - 1.0) * mu / (r + mu)) - seen * ratio.ln())
}

/// Whether a member for a drop to 65 % or deeper, or total silence, is among those that fired.
pub(super) fn is_deep(fired: u32) -> bool {
    fired & DEEP != 0
}

/// Standard deviations of chance that what another member saw must exceed, for its onset to be believed.
const WIDER_BY: f32 = 4.0;

/// The member whose excursion is the drop's: the lead, or one with half of its bar that saw clearly more missing.
/// Who looks for slow falls saw the beginning of a ramp, while the levels of the others went down with it; but what
/// it gathers before something breaks at once is chance.
fn widest(bank: &Bank, slice: usize) -> usize {
    let get = |member: usize, column: usize| bank.get(slice, of(member, column));
    let missing = |member: usize| get(member, SINCE_M) - get(member, SINCE_X);
    let variance_of_one = 1.0 + bank.get(slice, EXPECTED) * bank.dispersion(slice);
    let is_wider = |member: usize, than: usize| {
        let events = (get(member, SINCE_M) - get(than, SINCE_M)).max(0.0);
        missing(member) - missing(than) > WIDER_BY * (events * variance_of_one).sqrt()
    };
    let sees = |member: &usize| get(*member, EVIDENCE) >= 0.5 * get(*member, BAR);
    (0..MEMBERS)
        .filter(sees)
        .fold(bank.lead(slice), |best, member| if is_wider(member, best) { member } else { best })
}

/// The deepest member among those that fired; silence counts as the first.
fn depth(fired: u32) -> u32 {
    if fired & (SILENCE as u32) != 0 { 0 } else { fired.trailing_zeros() }
}

fn fired(bank: &Bank, slice: usize) -> u32 {
    bank.get(slice, FIRED) as u32
}

/// Earliest, likeliest and latest first minute of the excursion that `member` sees.
///
/// The likeliest is the minute after its evidence was last zero. Two nats of evidence more or less
/// are what an onset may be off by.
pub(super) fn onset(bank: &Bank, slice: usize, member: usize) -> [i32; 3] {
    let start = bank.get(slice, of(member, ONSET));
    let minutes = bank.get(slice, of(member, SINCE_M)) / bank.get(slice, EXPECTED).max(1e-6);
    let nats_per_minute = bank.get(slice, of(member, EVIDENCE)) / minutes.max(1.0);
    let slack = (2.0 / nats_per_minute.max(0.05)).ceil().clamp(1.0, 60.0);
    let latest = start + (slack - 1.0).min((minutes - 1.0).max(0.0).floor());
    [start - slack, start, latest].map(|minute| minute as i32)
}
