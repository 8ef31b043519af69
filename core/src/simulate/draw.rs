//! Random numbers of the distributions that a shop needs.

use crate::model::Rng;

/// A Poisson count of mean `mean`: products of uniforms below 30 (Knuth), the rounded normal above.
pub(super) fn poisson(rng: &mut impl Rng, mean: f64) -> u64 {
    if mean <= 0.0 {
        return 0;
    }
    if mean > 30.0 {
        return (mean + mean.sqrt() * normal(rng) + 0.5).max(0.0) as u64;
    }
    let floor = (-mean).exp();
    let (mut count, mut product) = (0, rng.unit());
    while product > floor {
        count += 1;
        product *= rng.unit();
    }
    count
}

/// How many of `count` happen that each happen with this probability: one by one up to 64, the rounded normal
/// above.
pub(super) fn binomial(rng: &mut impl Rng, count: u32, probability: f64) -> u32 {
    if count <= 64 {
        return (0..count).filter(|_| rng.unit() < probability).count() as u32;
    }
    let mean = f64::from(count) * probability;
    let drawn = mean + (mean * (1.0 - probability)).max(0.0).sqrt() * normal(rng);
    drawn.round().clamp(0.0, f64::from(count)) as u32
}

/// A standard normal number (Box and Muller 1958).
pub(super) fn normal(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.unit()).cos()
}

/// A gamma number of this shape and scale 1 (Marsaglia and Tsang 2000); the shape is at least 1/3.
pub(super) fn gamma(rng: &mut impl Rng, shape: f64) -> f64 {
    let d = shape.max(1.0 / 3.0 + 1e-9) - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(rng);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - rng.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// An exponential number of mean `mean`.
pub(super) fn exponential(rng: &mut impl Rng, mean: f64) -> f64 {
    -mean * (1.0 - rng.unit()).ln()
}

/// An index drawn with the given weights.
pub(super) fn weighted(rng: &mut impl Rng, weights: impl Iterator<Item = f64> + Clone) -> usize {
    let total: f64 = weights.clone().sum();
    let mut left = rng.unit() * total;
    let mut last = 0;
    for (at, weight) in weights.enumerate() {
        last = at;
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SplitMix64;

    #[test]
    fn means_and_variances_are_right() {
        for mean in [0.05, 3.0, 29.0, 31.0, 900.0] {
            let mut rng = SplitMix64::new(11);
            let draws: Vec<f64> = (0..20_000).map(|_| poisson(&mut rng, mean) as f64).collect();
            let average = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|d| (d - average).powi(2)).sum::<f64>() / draws.len() as f64;
            assert!((average / mean - 1.0).abs() < 0.08, "mean {average} of {mean}");
            assert!((variance / mean - 1.0).abs() < 0.12, "variance {variance} of {mean}");
        }
    }

    #[test]
    fn some_of_many_happen() {
        let mut rng = SplitMix64::new(13);
        for (count, probability) in [(3u32, 0.2), (40, 0.9), (900, 0.1), (900, 1.0)] {
            let draws: Vec<f64> =
                (0..4_000).map(|_| f64::from(binomial(&mut rng, count, probability))).collect();
            let (average, mean) = (draws.iter().sum::<f64>() / 4_000.0, f64::from(count) * probability);
            assert!((average / mean - 1.0).abs() < 0.06, "{average} of {mean}");
            assert!(draws.iter().all(|drawn| *drawn <= f64::from(count)));
        }
    }

    #[test]
    fn weights_are_kept() {
        let mut rng = SplitMix64::new(5);
        let hits = (0..10_000).filter(|_| weighted(&mut rng, [3.0, 1.0].into_iter()) == 0).count();
        assert!((7_200..7_800).contains(&hits), "{hits}");
    }
}
