//! A trial: every slice's counts and means, made leaf by leaf.

use std::sync::Arc;

use super::bots::Bots;
use super::curve::{Habit, Market, Warp, local_minutes, market};
use super::happening::Happening;
use super::plan::Plan;
use super::shop::{self, FEATURES, LEAVES, SLICES, market_of, slices_of_leaf};
use super::stage::{self, Gap};
use super::wander::{Noise, batch, wander};
use super::{Family, TrialSpec};
use crate::model::{
    Completeness, MissingOrigin, Rng, SealedMinute, SealedRows, SeriesKey, Slice, SplitMix64, StreamId,
    StreamSpec, TimeUs,
};
use crate::simulate::draw::binomial;

/// Weeks of a shop: what was counted, and the truth.
pub struct Trial {
    /// What it was made from.
    pub spec: TrialSpec,
    /// The stream that a detector judges.
    pub stream: StreamSpec,
    /// The slices, by number.
    pub slices: Vec<Slice>,
    /// What happened while it was evaluated.
    pub happenings: Vec<Happening>,
    /// Slice → minute → orders counted.
    pub counts: Vec<Vec<u32>>,
    /// Slice → minute → mean, had nothing been amiss.
    pub normal: Vec<Vec<f32>>,
    /// Slice → minute → mean.
    pub actual: Vec<Vec<f32>>,
    leaves: Vec<Arc<SeriesKey>>,
    gaps: Vec<Gap>,
}

/// What leaves share.
struct Common<'a> {
    spec: &'a TrialSpec,
    rates: &'a [f64; LEAVES],
    plan: &'a Plan<'a>,
    markets: Vec<Market>,
    /// Logarithms of what the whole shop, a marketplace and a feature wander by.
    wanders: Vec<Vec<f32>>,
    arrived: Vec<f32>,
}

/// A stream of random numbers for one purpose.
fn random(spec: &TrialSpec, purpose: u64, number: usize) -> SplitMix64 {
    let mixed = spec.seed ^ (purpose << 32 | number as u64).wrapping_mul(0xD134_2543_DE82_EF95);
    let mut rng = SplitMix64::new(mixed);
    rng.next_u64();
    rng
}

impl Trial {
    /// Makes the trial.
    pub fn new(spec: TrialSpec) -> Trial {
        Trial::made(spec, None)
    }

    /// A trial in which incidents take orders away from what would have come: what each leaf lost in each
    /// minute stands beside it. Its counts are others than those of [`Trial::new`].
    pub fn with_lost(spec: TrialSpec) -> (Trial, Vec<Vec<u32>>) {
        let mut lost = Vec::with_capacity(LEAVES);
        let trial = Trial::made(spec, Some(&mut lost));
        (trial, lost)
    }

    fn made(spec: TrialSpec, mut lost: Option<&mut Vec<Vec<u32>>>) -> Trial {
        let rates = shop::rates(&mut random(&spec, 1, 0));
        let mut plan = Plan::new(&spec, &rates, random(&spec, 2, 0));
        plan.draw();
        if spec.family == Family::Unlike {
            plan.draw_unlike();
        }
        let minutes = spec.minutes() as usize;
        let mut trial = Trial {
            spec,
            stream: shop::stream(),
            slices: shop::slices(),
            happenings: Vec::new(),
            counts: vec![vec![0; minutes]; SLICES],
            normal: vec![vec![0.0; minutes]; SLICES],
            actual: vec![vec![0.0; minutes]; SLICES],
            leaves: shop::keys(),
            gaps: plan.gaps.clone(),
        };
        let common = Common::new(&spec, &rates, &plan);
        for leaf in 0..LEAVES {
            let of_leaf = trial.add(leaf, &common, lost.is_some());
            lost.iter_mut().for_each(|lost| lost.push(of_leaf.clone()));
        }
        trial.happenings = plan.happenings;
        trial.happenings.sort_by_key(|happening| (happening.from, happening.kind));
        trial
    }

    /// Makes one leaf and adds it to the slices that it counts in. Gives what it lost if orders are to be
    /// taken away.
    fn add(&mut self, leaf: usize, common: &Common, takes_away: bool) -> Vec<u32> {
        let mut rng = random(common.spec, 3, leaf);
        let activity = market(&common.markets, leaf).activity(&mut rng);
        let normal = common.normal(leaf, &activity, &mut rng);
        let amiss = stage::factors(&common.plan.changes, leaf, normal.len(), true);
        let actual: Vec<f32> = normal.iter().zip(&amiss).map(|(mean, factor)| mean * factor).collect();
        let rate = common.rates[leaf];
        let noise = Noise::drawn(common.spec.family, rate, &mut rng);
        let means = if takes_away { &normal } else { &actual };
        let mut counts = noise.counts(means, &activity, &common.arrived, &mut rng);
        if common.spec.family == Family::Unlike && rng.below(5) == 0 {
            batch(&mut counts, 300.0, &mut rng);
        }
        let lost = if takes_away { take_away(&mut counts, &amiss, &mut rng) } else { Vec::new() };
        for slice in slices_of_leaf(leaf) {
            self.counts[slice].iter_mut().zip(&counts).for_each(|(sum, count)| *sum += count);
            self.normal[slice].iter_mut().zip(&normal).for_each(|(sum, mean)| *sum += mean);
            self.actual[slice].iter_mut().zip(&actual).for_each(|(sum, mean)| *sum += mean);
        }
        lost
    }

    /// The keys of the leaves, by number.
    pub fn keys(&self) -> &[Arc<SeriesKey>] {
        &self.leaves
    }

    /// The minute as a detector is told of it.
    pub fn sealed(&self, minute: i32) -> SealedMinute {
        let mut rows = SealedRows::with_shape(0, 0, LEAVES);
        for (leaf, key) in self.leaves.iter().enumerate() {
            let count = self.counts[slices_of_leaf(leaf)[3]][minute as usize];
            if count > 0 {
                rows.add(Arc::clone(key), i64::from(count), std::iter::empty(), |_, _| {});
            }
        }
        let at = self.spec.start().plus(minute);
        SealedMinute {
            stream: StreamId(0),
            minute: at,
            revision: 0,
            rows,
            earlier: SealedRows::default(),
            completeness: self.completeness(minute),
            sources: Vec::new(),
            sealed_at: at.end(),
        }
    }

    /// Whether all of a minute's data is there, minute by minute.
    pub fn whole(&self) -> Vec<bool> {
        let arrived = stage::arrived(&self.gaps, self.spec.minutes() as usize);
        arrived.into_iter().map(|share| share >= 1.0).collect()
    }

    fn completeness(&self, minute: i32) -> Completeness {
        let Some(gap) = self.gaps.iter().find(|gap| (gap.from..gap.to).contains(&minute)) else {
            return Completeness::whole();
        };
        if gap.share >= 1.0 {
            return Completeness::absent();
        }
        let share = f64::from(gap.share);
        let origin = || MissingOrigin { origin: "web-02".to_owned(), since: TimeUs(0), share };
        let missing = if gap.named { vec![origin()] } else { Vec::new() };
        Completeness { fraction: 1.0 - share, missing, ..Completeness::whole() }
    }

    /// Mean orders a minute of a slice while it is evaluated.
    pub fn rate(&self, slice: usize) -> f64 {
        let means = &self.normal[slice][self.spec.evaluated_from() as usize..];
        means.iter().map(|mean| f64::from(*mean)).sum::<f64>() / means.len() as f64
    }
}

/// Takes from each minute's orders those that an incident costs; gives how many.
fn take_away(counts: &mut [u32], remaining: &[f32], rng: &mut SplitMix64) -> Vec<u32> {
    let of_minute = |(count, remaining): (&mut u32, &f32)| {
        let lost = if *remaining < 1.0 { binomial(rng, *count, 1.0 - f64::from(*remaining)) } else { 0 };
        *count -= lost;
        lost
    };
    counts.iter_mut().zip(remaining).map(of_minute).collect()
}

impl<'a> Common<'a> {
    fn new(spec: &'a TrialSpec, rates: &'a [f64; LEAVES], plan: &'a Plan<'a>) -> Common<'a> {
        let (minutes, days) = (spec.minutes(), spec.training_days + spec.evaluated_days);
        let zone = |(at, zone)| {
            let mut rng = random(spec, 4, at);
            let habit = Habit::of_market(&mut rng);
            let warp = match spec.family {
                Family::Like => Warp::none(days),
                Family::Unlike => Warp::drawn(days, &mut rng),
            };
            Market::new(habit, &local_minutes(zone, spec.start(), minutes), &warp)
        };
        let markets: Vec<Market> = shop::zones().enumerate().map(zone).collect();
        let shared = |at: usize| {
            // The whole first, then marketplaces, then features.
            let (deviation, memory_min) = match at {
                0 => (0.02, 1800.0),
                at if at <= markets.len() => (0.025, 1200.0),
                _ => (0.015, 1200.0),
            };
            let mut log = vec![0.0; minutes as usize];
            wander(&mut log, deviation, memory_min, &mut random(spec, 5, at));
            log
        };
        let wanders = (0..1 + markets.len() + FEATURES).map(shared).collect();
        let arrived = stage::arrived(&plan.gaps, minutes as usize);
        Common { spec, rates, plan, markets, wanders, arrived }
    }

    /// A leaf's means, had nothing been amiss.
    fn normal(&self, leaf: usize, activity: &[f32], rng: &mut SplitMix64) -> Vec<f32> {
        let mut log = vec![0.0; activity.len()];
        wander(&mut log, 0.03, 720.0, rng);
        wander(&mut log, 0.005, 60.0, rng);
        let wanders = [0, 1 + market_of(leaf), 1 + self.markets.len() + leaf % FEATURES];
        for wander in wanders.map(|at| &self.wanders[at]) {
            log.iter_mut().zip(wander).for_each(|(sum, wander)| *sum += wander);
        }
        let growth = 0.03 * crate::simulate::draw::normal(rng) / 10_080.0;
        let life = stage::factors(&self.plan.changes, leaf, activity.len(), false);
        let middle = activity.len() as f64 / 2.0;
        let mean = |(minute, ((log, factor), life)): (usize, ((&f32, &f32), &f32))| {
            let grown = f64::from(*log) + growth * (minute as f64 - middle);
            (self.rates[leaf] * grown.exp()) as f32 * factor * life
        };
        let mut means: Vec<f32> = log.iter().zip(activity).zip(&life).enumerate().map(mean).collect();
        if self.spec.family == Family::Unlike {
            Bots::drawn(self.rates[leaf], means.len(), rng).order(&mut means);
        }
        means
    }
}
