//! Rates that wander, and minutes that are noisier than counting.

use super::Family;
use crate::model::{Rng, SplitMix64};
use crate::simulate::draw::{gamma, normal, poisson};

/// Minutes between two steps of a wander; it is straight in between.
const STEP: usize = 5;

/// Adds a wander (Ornstein-Uhlenbeck) of this standard deviation and memory to a logarithmic rate.
pub(super) fn wander(log: &mut [f32], deviation: f64, memory_min: f64, rng: &mut SplitMix64) {
    let keep = (-(STEP as f64) / memory_min).exp();
    let kick = deviation * (1.0 - keep * keep).sqrt();
    let mut now = deviation * normal(rng);
    for piece in log.chunks_mut(STEP) {
        let next = now * keep + kick * normal(rng);
        for (at, value) in piece.iter_mut().enumerate() {
            *value += (now + (next - now) * at as f64 / STEP as f64) as f32;
        }
        now = next;
    }
}

/// How a leaf's counts scatter around their mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    /// Of the negative binomial: variance beyond Poisson, relative to the squared mean.
    dispersion: f64,
    /// Standard deviation and memory (per minute) of the minutes' autoregression.
    kin: f64,
    keep: f64,
    /// Share of minutes with heavy tails, and the size of those.
    wild: f64,
    /// Share of minutes in which nothing is written although orders came.
    zeros: f64,
    /// Bursts a minute.
    bursts: f64,
    /// Noise grows at quiet hours.
    uneven: bool,
}

impl Noise {
    pub(super) fn drawn(family: Family, rate: f64, rng: &mut SplitMix64) -> Noise {
        let mut between = |low: f64, high: f64| low + (high - low) * rng.unit();
        let like = Noise {
            dispersion: between(0.01, 0.03).powi(2),
            kin: between(0.01, 0.025),
            keep: 0.6,
            wild: 0.0,
            zeros: 0.0,
            bursts: 0.0,
            uneven: false,
        };
        match family {
            Family::Like => like,
            Family::Unlike => Noise {
                wild: between(0.0, 0.03),
                zeros: if rate < 5.0 { between(0.0, 0.08) } else { 0.0 },
                bursts: between(0.0, 1.0 / 300.0),
                uneven: true,
                ..like
            },
        }
    }

    /// Draws the counts of means. `activity` is 1 on average; `arrived` is the share that is not missing.
    pub(super) fn counts(
        &self,
        means: &[f32],
        activity: &[f32],
        arrived: &[f32],
        rng: &mut SplitMix64,
    ) -> Vec<u32> {
        let (mut kin, mut burst) = (0.0, 0.0);
        let kick = self.kin * (1.0 - self.keep * self.keep).sqrt();
        let minutes = means.iter().zip(activity).zip(arrived);
        let draw = |((mean, activity), arrived): ((&f32, &f32), &f32)| {
            kin = self.keep * kin + kick * normal(rng);
            burst *= 0.7;
            if self.bursts > 0.0 && rng.unit() < self.bursts {
                burst += (0.5 * normal(rng) - 1.0).exp();
            }
            let factor = (kin + burst + self.wildness(rng)).exp();
            if self.zeros > 0.0 && rng.unit() < self.zeros {
                return 0;
            }
            let quiet = if self.uneven { f64::from(1.0 / activity.max(0.2)).min(3.0) } else { 1.0 };
            negative_binomial(rng, f64::from(mean * arrived) * factor, self.dispersion * quiet) as u32
        };
        minutes.map(draw).collect()
    }

    fn wildness(&self, rng: &mut SplitMix64) -> f64 {
        if self.wild > 0.0 && rng.unit() < self.wild { 0.15 * normal(rng) } else { 0.0 }
    }
}

/// A count of this mean with variance `mean + dispersion · mean²`.
fn negative_binomial(rng: &mut SplitMix64, mean: f64, dispersion: f64) -> u64 {
    if mean > 60.0 {
        let deviation = (mean + dispersion * mean * mean).sqrt();
        return (mean + deviation * normal(rng) + 0.5).max(0.0) as u64;
    }
    if dispersion * mean < 1e-3 {
        return poisson(rng, mean);
    }
    let factor = gamma(rng, 1.0 / dispersion) * dispersion;
    poisson(rng, mean * factor)
}

/// Orders of a minute or two are held back and come together, now and then.
pub(super) fn batch(counts: &mut [u32], every_min: f64, rng: &mut SplitMix64) {
    let mut at = 0;
    loop {
        at += (-every_min * (1.0 - rng.unit()).ln()) as usize + 5;
        let held = 1 + rng.below(2) as usize;
        if at + held >= counts.len() {
            return;
        }
        let share = 0.3 + 0.7 * rng.unit();
        for minute in at..at + held {
            let kept = (f64::from(counts[minute]) * share) as u32;
            counts[minute] -= kept;
            counts[at + held] += kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_binomials_have_their_mean_and_variance() {
        for (mean, dispersion) in [(0.5, 0.2), (20.0, 0.05), (900.0, 0.01)] {
            let mut rng = SplitMix64::new(3);
            let draws: Vec<f64> =
                (0..40_000).map(|_| negative_binomial(&mut rng, mean, dispersion) as f64).collect();
            let average = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|d| (d - average).powi(2)).sum::<f64>() / draws.len() as f64;
            assert!((average / mean - 1.0).abs() < 0.03, "{average} of {mean}");
            let want = mean + dispersion * mean * mean;
            assert!((variance / want - 1.0).abs() < 0.06, "{variance} of {want}");
        }
    }

    #[test]
    fn a_wander_has_its_deviation_and_memory() {
        let mut log = vec![0.0f32; 400_000];
        wander(&mut log, 0.05, 60.0, &mut SplitMix64::new(9));
        let square = |lag: usize| {
            let pairs = log.iter().zip(&log[lag..]);
            pairs.map(|(a, b)| f64::from(a * b)).sum::<f64>() / (log.len() - lag) as f64
        };
        assert!((square(0).sqrt() / 0.05 - 1.0).abs() < 0.06, "{}", square(0).sqrt());
        let kept = square(60) / square(0);
        assert!((kept - (-1.0f64).exp()).abs() < 0.06, "{kept}");
    }

    #[test]
    fn a_batch_keeps_the_sum() {
        let mut counts = vec![100u32; 10_000];
        batch(&mut counts, 60.0, &mut SplitMix64::new(4));
        assert_eq!(counts.iter().sum::<u32>(), 1_000_000);
        assert!(counts.iter().any(|count| *count > 150) && counts.iter().any(|count| *count < 60));
    }
}
