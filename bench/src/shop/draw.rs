//! Random draws that cost a few nanoseconds each.

use ebbd_core::model::{Rng, SplitMix64, TimeUs};

use super::values::Values;
use super::{Order, ShopSpec, span_us};

/// Mean delay between an event and its sending.
const LAG_US: f64 = 400_000.0;
/// The latest of the late ones.
const LATE_US: f64 = 20e6;
/// Mean amount in cents.
const MEAN_CENTS: f64 = 4_600.0;

/// What orders are drawn from.
#[derive(Debug)]
pub(super) struct Draw {
    tuples: u32,
    /// Walker's alias table over combinations; empty where all are equally frequent.
    alias: Vec<(f32, u32)>,
    /// Logarithm of the number of customers and one.
    customers_ln: f64,
    start_us: i64,
    step_us: f64,
}

impl Draw {
    /// The draws of `spec` over these values.
    pub(super) fn new(spec: &ShopSpec, values: &Values) -> Draw {
        let (start_us, span_us) = span_us(spec);
        Draw {
            tuples: values.tuples(),
            alias: alias_table(&values.tuple_weights()),
            customers_ln: (spec.customers as f64 + 1.0).ln(),
            start_us,
            step_us: span_us as f64 / spec.events.max(1) as f64,
        }
    }

    /// The event number `number`.
    pub(super) fn order(&self, spec: &ShopSpec, number: u64, rng: &mut SplitMix64) -> Order {
        let lag_us = if rng.unit() < spec.late { LATE_US * rng.unit() } else { LAG_US * exponential(rng) };
        let sent_us = self.start_us + (number as f64 * self.step_us) as i64;
        let customer = match spec.customers {
            0 => number,
            // The inverse of the distribution 1/x, rounded down, is Zipf's law as near as no matter.
            most => ((rng.unit() * self.customers_ln).exp() as u64).clamp(1, most),
        };
        let weight =
            if spec.weighted > 0.0 && rng.unit() < spec.weighted { 2 + rng.below(8) as u32 } else { 1 };
        Order {
            time: TimeUs((sent_us - lag_us as i64).max(self.start_us)),
            tuple: self.tuple(rng),
            cents: 1 + (MEAN_CENTS * exponential(rng)) as u64,
            customer,
            number,
            weight,
        }
    }

    fn tuple(&self, rng: &mut SplitMix64) -> u32 {
        if self.alias.is_empty() {
            return rng.below(u64::from(self.tuples)) as u32;
        }
        let at = rng.below(self.alias.len() as u64) as u32;
        let (keep, other) = self.alias[at as usize];
        if (rng.unit() as f32) < keep { at } else { other }
    }
}

fn exponential(rng: &mut SplitMix64) -> f64 {
    -(1.0 - rng.unit()).ln()
}

/// For each entry how often it stays itself, and what it becomes otherwise.
fn alias_table(weights: &[f64]) -> Vec<(f32, u32)> {
    let total: f64 = weights.iter().sum();
    let mut share: Vec<f64> = weights.iter().map(|w| w / total * weights.len() as f64).collect();
    let mut table: Vec<(f32, u32)> = (0..weights.len() as u32).map(|at| (1.0, at)).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..share.len()).partition(|&at| share[at] < 1.0);
    while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
        table[poor] = (share[poor] as f32, rich as u32);
        share[rich] -= 1.0 - share[poor];
        if share[rich] < 1.0 {
            large.pop();
            small.push(rich);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alias_table_keeps_the_weights() {
        let weights = [5.0, 1.0, 0.5, 3.5];
        let table = alias_table(&weights);
        let mut seen = [0.0; 4];
        for (at, (keep, other)) in table.iter().enumerate() {
            seen[at] += f64::from(*keep) / 4.0;
            seen[*other as usize] += f64::from(1.0 - keep) / 4.0;
        }
        for (seen, weight) in seen.iter().zip(weights) {
            assert!((seen - weight / 10.0).abs() < 1e-6, "{seen} {weight}");
        }
    }
}
