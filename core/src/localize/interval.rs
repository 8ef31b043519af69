//! Intervals of a Poisson count and of the fraction that is gone, in closed form.

/// The 95 % point of the normal distribution: both ends together leave a 90 % interval.
const Z90: f64 = 1.645;

/// The 90 % interval of the mean behind a Poisson count (Byar's approximation of the gamma bounds).
/// A count of zero has a lower end of zero.
pub fn poisson_bounds(count: f64) -> [f64; 2] {
    [byar(count, -Z90), byar(count + 1.0, Z90)]
}

fn byar(count: f64, z: f64) -> f64 {
    if count <= 0.0 {
        return 0.0;
    }
    let root = 1.0 - 1.0 / (9.0 * count) + z / (3.0 * count.sqrt());
    count * root.max(0.0).powi(3)
}

/// The fraction that is gone, `1 − observed ÷ expected`, as `[low, estimate, high]`, each in 0 to 1.
/// The expectation is taken as known: its own error is not in the interval.
pub fn gone(observed: f64, expected: f64) -> [f64; 3] {
    if expected <= 0.0 {
        return [0.0; 3];
    }
    let [few, many] = poisson_bounds(observed.max(0.0));
    [many, observed, few].map(|count| (1.0 - count / expected).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_gamma_distribution() {
        // Exact 90 % bounds (chi-square quantiles): 0 → (0, 2.996), 10 → (5.425, 16.96), 100 → (84.14, 118.1).
        for (count, low, high) in [(0.0, 0.0, 2.996), (10.0, 5.425, 16.96), (100.0, 84.14, 118.1)] {
            let [few, many] = poisson_bounds(count);
            assert!((few - low).abs() < 0.02 && (many - high).abs() < 0.2, "{count}: {few} {many}");
        }
    }

    #[test]
    fn what_is_gone_is_a_fraction() {
        let [low, estimate, high] = gone(51.0, 2161.0);
        assert!((estimate - 0.976).abs() < 0.001 && low < estimate && estimate < high);
        assert_eq!(gone(5.0, 0.0), [0.0; 3]);
        assert_eq!(gone(20.0, 10.0)[1], 0.0);
        assert_eq!(gone(0.0, 10.0)[2], 1.0);
    }
}
