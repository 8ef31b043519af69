//! Machines that order at the same minute of every hour.

use crate::model::{Rng, SplitMix64};

/// Orders that come at one minute of the hour, while it lasts.
#[derive(Clone, Copy, Debug)]
struct Bot {
    minute_of_hour: usize,
    orders: f32,
    from: usize,
    to: usize,
}

/// The bots of a leaf: a quarter of the leaves that are not sparse have one or two; some come or go.
pub(super) struct Bots(Vec<Bot>);

impl Bots {
    pub(super) fn none() -> Bots {
        Bots(Vec::new())
    }

    pub(super) fn drawn(rate: f64, minutes: usize, rng: &mut SplitMix64) -> Bots {
        if rate < 0.5 || rng.below(4) > 0 {
            return Bots::none();
        }
        let draw = |rng: &mut SplitMix64| {
            let (orders, moment) = (rate * (0.3 + 2.7 * rng.unit()), rng.below(minutes as u64) as usize);
            let (from, to) = match rng.below(4) {
                0 => (moment, minutes),
                1 => (0, moment),
                _ => (0, minutes),
            };
            Bot { minute_of_hour: rng.below(60) as usize, orders: orders as f32, from, to }
        };
        Bots((0..1 + rng.below(2)).map(|_| draw(rng)).collect())
    }

    /// Adds their orders to the means of a leaf.
    pub(super) fn order(&self, means: &mut [f32]) {
        for bot in &self.0 {
            for minute in (bot.from..bot.to).filter(|minute| minute % 60 == bot.minute_of_hour) {
                means[minute] += bot.orders;
            }
        }
    }
}
