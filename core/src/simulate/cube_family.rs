//! Families of tables with known causes: what localisers are measured on.
//!
//! In: a family and a seed. Out: a [`Cube`]. Must not know: how causes are found.
//!
//! `Scattered` and `Leaves` follow the published sets S and L of RiskLoc (Kalander, arXiv 2205.10004: Weibull
//! values, zeros, forecast errors on both sides, severities, elements); `Rippled` the idea of Squeeze's B0 (Li et
//! al., ISSRE 2019: one cuboid, equal deviation in all leaves); the others are Poisson counts as shops have them.

use super::cube::{Conditions, Cube, Draft};
use super::draw::{normal, poisson};
use crate::model::{Rng, SplitMix64};

/// A kind of table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CubeFamily {
    /// Hardly any noise, one to three elements of one cuboid, equal deviation (like B0).
    Rippled,
    /// 48,000 leaves, forecast errors up to 25 %, one to nine elements of any order (like S).
    Scattered,
    /// 36,000 leaves, errors up to 10 %, one to five single leaves (like L).
    Leaves,
    /// Poisson counts, five dimensions, 16,000 leaves.
    Counts,
    /// Poisson counts, six dimensions, 67,000 leaves with 0.4 orders each.
    Sparse,
    /// Poisson counts, eight dimensions, 500,000 sparse leaves.
    Wide,
    /// As `Sparse`, and 10 to 40 % of everything is missing.
    Incomplete,
    /// All values but one of a dimension are hit: what holds them must not be named.
    Siblings,
    /// No cause; of every other table 10 to 40 % is missing.
    Nothing,
}

impl CubeFamily {
    /// All of them.
    pub const ALL: [CubeFamily; 9] = [
        CubeFamily::Rippled,
        CubeFamily::Scattered,
        CubeFamily::Leaves,
        CubeFamily::Counts,
        CubeFamily::Sparse,
        CubeFamily::Wide,
        CubeFamily::Incomplete,
        CubeFamily::Siblings,
        CubeFamily::Nothing,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            CubeFamily::Rippled => "rippled",
            CubeFamily::Scattered => "scattered",
            CubeFamily::Leaves => "leaves",
            CubeFamily::Counts => "counts",
            CubeFamily::Sparse => "sparse",
            CubeFamily::Wide => "wide",
            CubeFamily::Incomplete => "incomplete",
            CubeFamily::Siblings => "siblings",
            CubeFamily::Nothing => "nothing",
        }
    }

    /// The table of a seed.
    pub fn cube(self, seed: u64) -> Cube {
        let mut rng = SplitMix64::new(seed ^ (self as u64) << 56);
        let rng = &mut rng;
        match self {
            CubeFamily::Rippled => rippled(rng),
            CubeFamily::Scattered => scattered(rng),
            CubeFamily::Leaves => leaves(rng),
            CubeFamily::Counts => counts(rng, &[8, 10, 5, 8, 5], 8.0, 1.0),
            CubeFamily::Sparse => counts(rng, &[10, 12, 8, 7, 5, 2], 0.4, 1.0),
            CubeFamily::Wide => counts(rng, &[8, 7, 6, 6, 5, 5, 5, 2], 0.4, 1.0),
            CubeFamily::Incomplete => {
                let left = between(rng, 0.6, 0.9);
                counts(rng, &[10, 12, 8, 7, 5, 2], 0.4, left)
            }
            CubeFamily::Siblings => siblings(rng),
            CubeFamily::Nothing => nothing(rng, seed),
        }
    }
}

fn between(rng: &mut impl Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.unit()
}

/// A Weibull number of scale 100.
fn weibull(rng: &mut impl Rng, shape: f64) -> f64 {
    100.0 * (-(1.0 - rng.unit()).ln()).powf(1.0 / shape)
}

/// Values of `draft` as published: Weibull with zeros, errors on either side. Gives the error's size.
fn published(rng: &mut impl Rng, draft: &mut Draft, most_error: f64) -> f64 {
    let (shape, zeros) = (between(rng, 0.5, 1.0), between(rng, 0.0, 0.25));
    let error = between(rng, 0.0, most_error);
    for leaf in 0..draft.leaves() {
        let value = if rng.unit() < zeros { 0.0 } else { weibull(rng, shape) };
        let strayed = value * (1.0 + error * normal(rng));
        let (observed, expected) = if rng.unit() < 0.5 { (value, strayed) } else { (strayed, value) };
        draft.put(leaf, observed, expected.max(0.0));
    }
    error
}

fn scattered(rng: &mut impl Rng) -> Cube {
    let mut draft = Draft::new(&[10, 12, 10, 8, 5]);
    let error = published(rng, &mut draft, 0.25);
    for _ in 0..1 + rng.below(3) {
        let order = 1 + rng.below(5) as usize;
        let (severity, deviation) = (between(rng, 0.2, 1.0) + error, between(rng, 0.0, 0.1));
        let elements = 1 + rng.below(3) as usize;
        for place in draft.elements(rng, order, elements, true) {
            draft.hit(&place, |expected| expected * (1.0 - severity - deviation * normal(rng)));
        }
    }
    draft.facing_down()
}

fn leaves(rng: &mut impl Rng) -> Cube {
    let mut draft = Draft::new(&[10, 24, 10, 15]);
    let error = published(rng, &mut draft, 0.1);
    for _ in 0..1 + rng.below(5) {
        let severity = between(rng, 0.5, 1.0) + error;
        for place in draft.elements(rng, 4, 1, true) {
            draft.hit(&place, |expected| expected * (1.0 - severity));
        }
    }
    draft.facing_down()
}

fn rippled(rng: &mut impl Rng) -> Cube {
    let mut draft = Draft::new(&[12, 9, 20, 10]);
    for leaf in 0..draft.leaves() {
        let value = 20.0 * (1.2 * normal(rng)).exp();
        draft.put(leaf, value * (1.0 + 0.02 * normal(rng)), value);
    }
    let (order, severity) = (1 + rng.below(3) as usize, between(rng, 0.15, 0.9));
    let elements = 1 + rng.below(3) as usize;
    for place in draft.elements(rng, order, elements, false) {
        draft.hit(&place, |expected| expected * (1.0 - severity - 0.01 * normal(rng)));
    }
    draft.facing_down()
}

/// Poisson counts of unequal slices: a weight per value, a forecast that is the mean of four past windows.
fn shop(rng: &mut impl Rng, draft: &mut Draft, mean: f64, left: f64) -> Vec<f64> {
    let weights = draft.weights(|| (0.8 * normal(rng)).exp());
    let scale = mean * weights.len() as f64 / weights.iter().sum::<f64>();
    let means: Vec<f64> = weights.iter().map(|weight| weight * scale * (0.05 * normal(rng)).exp()).collect();
    for (leaf, mean) in means.iter().enumerate() {
        draft.put(leaf, poisson(rng, mean * left) as f64, poisson(rng, mean * 4.0) as f64 / 4.0);
    }
    means
}

fn counts(rng: &mut impl Rng, sizes: &[u32], mean: f64, left: f64) -> Cube {
    let mut draft = Draft::new(sizes);
    let means = shop(rng, &mut draft, mean, left);
    let total: f64 = means.iter().sum();
    for _ in 0..1 + rng.below(3) {
        let (order, severity) = (1 + rng.below(3) as usize, between(rng, 0.3, 1.0));
        for _ in 0..200 {
            let place = draft.elements(rng, order, 1, false).remove(0);
            let inside: f64 = draft.inside(&place).iter().map(|leaf| means[*leaf]).sum::<f64>() * left;
            let share = severity * inside / (total * left);
            if severity * inside.sqrt() >= 10.0 && (0.015..0.35).contains(&share) && draft.is_apart(&place) {
                draft
                    .hit_leaves(&place, |leaf, _| poisson(rng, means[leaf] * left * (1.0 - severity)) as f64);
                break;
            }
        }
    }
    draft.done()
}

/// Inside one value of a first dimension, all values but one of a second (of three or four) are hit.
fn siblings(rng: &mut impl Rng) -> Cube {
    let values = 3 + rng.below(2) as u32;
    let mut draft = Draft::new(&[6, values, 8, 10, 5]);
    let means = shop(rng, &mut draft, 8.0, 1.0);
    let parent = rng.below(6) as u32;
    let sum = |place: &Conditions| draft.inside(place).iter().map(|leaf| means[*leaf]).sum::<f64>();
    let whole = sum(&vec![(0, parent)]);
    let notable = |value: &u32| sum(&vec![(0, parent), (1, *value)]) >= 0.1 * whole;
    let spared = (0..values).find(notable).unwrap_or(0);
    let severity = between(rng, 0.4, 1.0);
    for value in (0..values).filter(|value| *value != spared) {
        let place = vec![(0, parent), (1, value)];
        draft.hit_leaves(&place, |leaf, _| poisson(rng, means[leaf] * (1.0 - severity)) as f64);
    }
    draft.done()
}

fn nothing(rng: &mut impl Rng, seed: u64) -> Cube {
    let left = if seed.is_multiple_of(2) { 1.0 } else { between(rng, 0.6, 0.9) };
    let sparse = rng.unit() < 0.5;
    let (sizes, mean): (&[u32], f64) =
        if sparse { (&[10, 12, 8, 7, 5, 2], 0.4) } else { (&[8, 10, 5, 8, 5], 8.0) };
    let mut draft = Draft::new(sizes);
    shop(rng, &mut draft, mean, left);
    draft.done()
}
