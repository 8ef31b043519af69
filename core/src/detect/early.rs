//! What open minutes say before they are sealed: a busy slice that has fallen silent, a drop that is ending.
//!
//! Nothing here changes what is said of sealed minutes. Silence is told only if sealed minutes would be judged a
//! drop if it goes on; an end only from events that are there already: those to come can only add.

use std::collections::BTreeMap;

use super::Detector;
use super::episode;
use super::pulse::{Pulses, Wait};
use crate::model::{Glance, MICROS_PER_MINUTE, MICROS_PER_SECOND, Minute, Slice, SliceId, TimeUs};
use crate::simd::Step;
use crate::simd::column::*;

/// Silent slices that are looked into in one glance, the widest first.
const MOST_SILENT: usize = 64;
/// A slice waits for a wider one that is silent for so long, to see whether it is the wider one.
const WIDER_US: i64 = 2 * MICROS_PER_SECOND;
/// Minutes that are looked ahead: silence is a drop for the sealed minutes once so many of them are empty.
const AHEAD: i32 = 6;
/// Share of a minute before which nothing is said of a recovery.
const LEAST_SHARE: f64 = 0.25;
/// Nats that say that a drop is over for now.
const BACK: f64 = 3.0;

/// A busy slice that is silent although its senders are heard.
#[derive(Clone, Debug, PartialEq)]
pub struct SilentSlice {
    /// The slice.
    pub slice: Slice,
    /// When its last event was seen.
    pub since: TimeUs,
    /// Earliest, likeliest and latest first minute, as the sealed minutes will say.
    pub onset: [Minute; 3],
    /// The minute at whose seal it will be a drop.
    pub by: Minute,
    /// It will be one to 65 % or deeper.
    pub deep: bool,
    /// Events seen since the beginning of the likeliest first minute.
    pub observed: i64,
    /// Events seen in the minute that is now.
    pub observed_now: i64,
    /// Events expected in a minute.
    pub expected: f64,
    /// Variance of a minute's events.
    pub variance: f64,
    /// Log-likelihood of the silence, in nats.
    pub evidence: f64,
    /// The bar that it has passed.
    pub threshold: f64,
}

/// What the next minute to be sealed has so far of a slice whose drop is open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Partial {
    /// Events so far.
    pub observed: i64,
    /// Events expected by now.
    pub expected: f64,
    /// They are clearly the normal rate, not that of the drop.
    pub is_back: bool,
    /// If the minute were sealed now, the drop would be over.
    pub ends: bool,
}

/// What a glance says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Early {
    /// Silent slices, the widest first.
    pub silent: Vec<SilentSlice>,
    /// Open drops.
    pub partial: BTreeMap<SliceId, Partial>,
}

/// What open minutes have of all slices, by minute.
type Counts = Vec<(Minute, Vec<i64>)>;

impl Detector {
    /// Looks at open minutes. Glances come after the minutes sealed before them.
    pub fn glance(&mut self, glance: &Glance) -> Early {
        if !Pulses::can_tell(glance) || self.last.map(Minute::next) != Some(glance.next) {
            return Early::default();
        }
        let mut counts = Counts::with_capacity(glance.minutes.len());
        let mut open = vec![0; self.table.slots()];
        for minute in &glance.minutes {
            let mut of_minute = Vec::new();
            self.table.peek(&minute.rows, &mut of_minute);
            open.iter_mut().zip(&of_minute).for_each(|(sum, count)| *sum += count);
            counts.push((minute.minute, of_minute));
        }
        let waits = self.pulses.look(glance, &open);
        let is_clean = self.loss.is_usual(glance.refused_lines);
        Early {
            silent: if is_clean { self.silent(glance, &waits, &counts) } else { Vec::new() },
            partial: self.partial(glance, &counts),
        }
    }

    fn silent(&self, glance: &Glance, waits: &BTreeMap<u32, Wait>, counts: &Counts) -> Vec<SilentSlice> {
        let unusual = waits.iter().filter(|(_, wait)| wait.is_unusual);
        let mut passed: Vec<(SliceId, &Slice, &Wait, [f64; 3])> = unusual
            .filter(|(id, _)| self.bank.get(**id as usize, OPEN) == 0.0)
            .filter_map(|(id, wait)| {
                let proof = self.proof(*id as usize, wait)?;
                Some((SliceId(*id), &**self.table.get(SliceId(*id))?, wait, proof))
            })
            .collect();
        passed.sort_by_key(|(id, slice, ..)| (slice.0.len(), *id));
        passed.truncate(MOST_SILENT);
        let told = passed.iter().filter(|(_, slice, ..)| !self.waits_for_wider(slice, waits, &passed));
        told.filter_map(|&(id, slice, wait, [expected, evidence, threshold])| {
            let ahead = self.foresee(id.index(), counts, glance.at.minute().plus(AHEAD))?;
            let now = counts.iter().find(|(minute, _)| *minute == glance.at.minute());
            let since_onset = counts.iter().filter(|(minute, _)| *minute >= ahead.onset[1]);
            Some(SilentSlice {
                slice: slice.clone(),
                since: wait.since,
                observed: since_onset.map(|(_, of)| of[id.index()]).sum(),
                observed_now: now.map_or(0, |(_, of)| of[id.index()]),
                expected,
                variance: self.variance(id.index(), expected),
                evidence,
                threshold,
                onset: ahead.onset,
                by: ahead.by,
                deep: ahead.deep,
            })
        })
        .collect()
    }

    /// What is expected of a slice, the evidence of its silence and the bar, if that is passed.
    fn proof(&self, slice: usize, wait: &Wait) -> Option<[f64; 3]> {
        let expected = self.bank.expected_now(slice).filter(|_| self.bank.is_learnt(slice))?;
        let missed = expected * wait.silent_us as f64 / MICROS_PER_MINUTE as f64;
        let r = 1.0 / f64::from(self.bank.dispersion(slice));
        let (evidence, bar) = (r * (missed / r).ln_1p(), self.bar() + expected.max(1.0).ln());
        (evidence >= bar && missed >= self.min_loss).then_some([expected, evidence, bar])
    }

    /// Whether a wider slice is about to be silent for long enough, too: then it is that one.
    fn waits_for_wider(
        &self,
        slice: &Slice,
        waits: &BTreeMap<u32, Wait>,
        passed: &[(SliceId, &Slice, &Wait, [f64; 3])],
    ) -> bool {
        let is_wider = |other: &Slice| other.0.len() < slice.0.len() && other.contains(slice);
        if passed.iter().any(|(_, other, ..)| is_wider(other)) {
            return false;
        }
        let silent = waits.iter().filter(|(_, wait)| wait.silent_us >= WIDER_US);
        silent.filter_map(|(id, _)| self.table.get(SliceId(*id))).any(|other| is_wider(other))
    }

    /// Judges the open minutes as they stand, and empty ones up to `until`, on a copy: when will the slice be a drop?
    fn foresee(&self, slice: usize, counts: &Counts, until: Minute) -> Option<Foreseen> {
        let (mut bank, lane) = self.bank.apart(slice);
        let (origin, mut minute) = (self.origin?, self.last?.next());
        while minute <= until {
            let seen = counts.iter().find(|(at, _)| *at == minute).map_or(0, |(_, of)| of[slice]);
            bank.set(lane, OBSERVED, seen as f32);
            let now = (minute.0 - origin.0) as f32;
            let (bar, min_loss) = (self.bar() as f32, self.min_loss as f32);
            bank.step(0, &Step { now, judged: 1.0, learns: 1.0, missing: 0.0, bar, min_loss });
            bank.let_fire(0, self.firing);
            let fired = bank.get(lane, FIRED) as u32;
            if fired != 0 {
                let onset = episode::onset(&bank, lane, bank.lead(lane)).map(|at| origin.plus(at));
                return Some(Foreseen { onset, by: minute, deep: episode::is_deep(fired) });
            }
            minute = minute.next();
        }
        None
    }

    /// How the open drops stand in the next minute to be sealed.
    fn partial(&self, glance: &Glance, counts: &Counts) -> BTreeMap<SliceId, Partial> {
        let share = glance.at.since_us(glance.next.start()) as f64 / MICROS_PER_MINUTE as f64;
        let of_next = counts.iter().find(|(minute, _)| *minute == glance.next);
        let Some((_, of_next)) = of_next.filter(|_| share >= LEAST_SHARE) else { return BTreeMap::new() };
        let open = self.episodes.iter().filter(|(_, episode)| !episode.accepted);
        let partial = |(id, episode): (u32, &episode::Episode)| {
            let slice = id as usize;
            let whole = self.bank.get(slice, PROFILE) * self.bank.get(slice, NORMAL);
            let expected = f64::from(whole) * share.min(1.0);
            let observed = of_next[slice];
            let (gain, ends) = episode.outlook(&self.bank, slice, (observed as f32, expected as f32));
            let low = expected - 1.645 * self.variance(slice, expected).sqrt();
            let is_back = gain >= BACK && observed as f64 >= low;
            (SliceId(id), Partial { observed, expected, is_back, ends: is_back && ends })
        };
        open.map(partial).collect()
    }

    fn variance(&self, slice: usize, expected: f64) -> f64 {
        expected + f64::from(self.bank.dispersion(slice)) * expected * expected
    }
}

/// What sealed minutes will say if the silence goes on.
struct Foreseen {
    onset: [Minute; 3],
    by: Minute,
    deep: bool,
}
