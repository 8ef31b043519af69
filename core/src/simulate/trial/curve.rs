//! How busy a leaf is at a local time of the week, and how days differ from each other.

use super::DAY;
use super::shop::market_of;
use crate::baseline::LocalZone;
use crate::model::{Minute, Rng, SplitMix64};
use crate::simulate::draw::normal;

/// Minutes of the local week, Monday 00:00 first, for every minute of a trial.
pub(super) fn local_minutes(zone: &str, start: Minute, minutes: i32) -> Vec<u16> {
    let zone = LocalZone::named(zone);
    // Clocks change at whole half-hours.
    let at = |minute: i32| {
        let local = zone.at(start.plus(minute - minute % 30));
        (local.bucket as i64 * 30 + local.minute) as i32 + minute % 30
    };
    (0..minutes).map(|minute| at(minute).rem_euclid(7 * DAY) as u16).collect()
}

/// What a marketplace's days look like; its leaves are variations of it.
#[derive(Clone, Copy)]
pub(super) struct Habit {
    /// Size and hour of the first four harmonics of the day's logarithm.
    waves: [(f64, f64); 4],
    weekdays: [f64; 7],
}

impl Habit {
    pub(super) fn of_market(rng: &mut SplitMix64) -> Habit {
        let sizes = [(0.55, 0.9), (0.15, 0.4), (0.0, 0.2), (0.0, 0.1)];
        let hours = [(16.0, 18.0), (7.0, 9.0), (0.0, 8.0), (0.0, 6.0)];
        let draw = |rng: &mut SplitMix64, (low, high): (f64, f64)| low + (high - low) * rng.unit();
        let waves = std::array::from_fn(|at| (draw(rng, sizes[at]), draw(rng, hours[at])));
        let weekend = 0.75 + 0.45 * rng.unit();
        let weekdays =
            std::array::from_fn(|day| (if day >= 5 { weekend } else { 1.0 }) * (0.03 * normal(rng)).exp());
        Habit { waves, weekdays }
    }

    /// A variation for one leaf.
    pub(super) fn varied(&self, rng: &mut SplitMix64) -> Habit {
        let wave = |(size, hour): (f64, f64), rng: &mut SplitMix64| {
            (size * (0.15 * normal(rng)).exp(), hour + 0.4 * normal(rng))
        };
        Habit {
            waves: self.waves.map(|of_market| wave(of_market, rng)),
            weekdays: self.weekdays.map(|factor| factor * (0.03 * normal(rng)).exp()),
        }
    }

    /// Activity by minute of the local week, 1 on average.
    pub(super) fn week(&self) -> Vec<f32> {
        let day: Vec<f64> = (0..DAY).map(|minute| self.of_day(f64::from(minute) / 60.0).exp()).collect();
        let at = |minute: i32| day[(minute % DAY) as usize] * self.weekdays[(minute / DAY) as usize];
        let week: Vec<f64> = (0..7 * DAY).map(at).collect();
        let mean = week.iter().sum::<f64>() / week.len() as f64;
        week.into_iter().map(|activity| (activity / mean) as f32).collect()
    }

    fn of_day(&self, hour: f64) -> f64 {
        let wave = |(at, (size, peak)): (usize, &(f64, f64))| {
            size * (std::f64::consts::TAU * (at + 1) as f64 * (hour - peak) / 24.0).cos()
        };
        self.waves.iter().enumerate().map(wave).sum()
    }
}

/// How a marketplace's days differ from its habit: shifted in time, and bent. All zero in a like shop.
pub(super) struct Warp {
    days: Vec<[f64; 4]>,
    weekends: Vec<f64>,
}

impl Warp {
    pub(super) fn none(days: i32) -> Warp {
        Warp { days: vec![[0.0; 4]; days as usize + 3], weekends: vec![0.0; days as usize / 7 + 3] }
    }

    pub(super) fn drawn(days: i32, rng: &mut SplitMix64) -> Warp {
        let mut warp = Warp::none(days);
        for day in &mut warp.days {
            // Minutes of shift; then level and two bends, relative.
            *day = [12.0, 0.02, 0.03, 0.03].map(|size| size * normal(rng));
        }
        warp.weekends.iter_mut().for_each(|weekend| *weekend = 0.07 * normal(rng));
        warp
    }

    /// Minutes of shift and the factor at a minute since the trial's start.
    pub(super) fn at(&self, minute: i32, local: u16) -> (i32, f32) {
        let day = (minute / DAY) as usize;
        let part = f64::from(minute % DAY) / f64::from(DAY);
        let between = |what: usize| self.days[day][what] * (1.0 - part) + self.days[day + 1][what] * part;
        let angle = std::f64::consts::TAU * f64::from(i32::from(local) % DAY) / f64::from(DAY);
        let weekend = if i32::from(local) >= 5 * DAY { self.weekends[day / 7] } else { 0.0 };
        let bend = between(1) + between(2) * (2.0 * angle).cos() + between(3) * (3.0 * angle).sin();
        (between(0).round() as i32, (bend + weekend).exp() as f32)
    }
}

/// What every leaf needs of its marketplace.
pub(super) struct Market {
    pub(super) habit: Habit,
    /// Per minute: minute of the local week to look activity up at, and a factor.
    pub(super) clock: Vec<(u16, f32)>,
}

impl Market {
    pub(super) fn new(habit: Habit, local: &[u16], warp: &Warp) -> Market {
        let week = 7 * DAY;
        let at = |(minute, local): (usize, &u16)| {
            let (shift, factor) = warp.at(minute as i32, *local);
            ((i32::from(*local) + shift).rem_euclid(week) as u16, factor)
        };
        Market { habit, clock: local.iter().enumerate().map(at).collect() }
    }

    /// A leaf's activity, minute by minute, as a factor of its rate.
    pub(super) fn activity(&self, leaf_rng: &mut SplitMix64) -> Vec<f32> {
        let week = self.habit.varied(leaf_rng).week();
        self.clock.iter().map(|(local, factor)| week[usize::from(*local)] * factor).collect()
    }
}

/// The marketplace of a leaf.
pub(super) fn market(markets: &[Market], leaf: usize) -> &Market {
    &markets[market_of(leaf)]
}
