//! How soon anybody could know: the information that a slice's minutes carry about an incident.

use super::BUDGET;

/// Minutes of a week.
const WEEK: f64 = 10_080.0;
/// Residuals beyond so many variances are cut, so that the incidents of a slice's life don't count.
const CUT: f64 = 9.0;

/// Nats that a false alarm in ten slice-weeks stands for: what evidence has to reach.
pub fn budget_nats() -> f64 {
    (WEEK / BUDGET).ln()
}

/// Variance beyond Poisson of sums over `window` minutes, relative to the squared mean and per minute of
/// the window, where `free` says.
pub fn dispersion(counts: &[u32], means: &[f32], free: &[bool], window: usize) -> f64 {
    let pieces = counts.chunks_exact(window).zip(means.chunks_exact(window)).zip(free.chunks_exact(window));
    let sums: Vec<(f64, f64)> = pieces
        .filter(|(_, free)| free.iter().all(|free| *free))
        .map(|((counts, means), _)| {
            (counts.iter().map(|x| f64::from(*x)).sum(), means.iter().map(|m| f64::from(*m)).sum())
        })
        .collect();
    let mut of_window = 0.01;
    for _ in 0..6 {
        let (mut above, mut below) = (0.0, 0.0);
        for (count, mean) in &sums {
            let variance = mean + of_window * mean * mean;
            let weight = 1.0 / (1.0 + of_window * mean).powi(2);
            above += weight * ((count - mean).powi(2).min(CUT * variance) - mean);
            below += weight * mean * mean;
        }
        of_window = (above / below.max(1e-12)).clamp(0.0, 4.0);
    }
    of_window * window as f64
}

/// Nats a minute of mean `actual` gives on average against mean `normal` (negative binomial).
fn nats(actual: f64, normal: f64, dispersion: f64) -> f64 {
    if normal <= 0.0 || actual >= normal {
        return 0.0;
    }
    let r = 1.0 / dispersion.max(1e-6);
    let own = if actual > 0.0 { actual * (actual / normal).ln() } else { 0.0 };
    own + (actual + r) * ((r + normal) / (r + actual)).ln()
}

/// Minutes after which the information reaches the budget; `None` if it never does.
pub fn bound(actual: &[f32], normal: &[f32], dispersion: f64) -> Option<i32> {
    let (budget, mut sum) = (budget_nats(), 0.0);
    let mut minutes = actual.iter().zip(normal).enumerate();
    minutes.find_map(|(minute, (actual, normal))| {
        sum += nats(f64::from(*actual), f64::from(*normal), dispersion);
        (sum >= budget).then_some(minute as i32 + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_of_one_order_a_minute_takes_as_many_minutes_as_nats() {
        let (actual, normal) = ([0.0f32; 60], [1.0f32; 60]);
        assert_eq!(bound(&actual, &normal, 0.0), Some(12));
        assert_eq!(bound(&actual[..11], &normal[..11], 0.0), None);
        assert_eq!(bound(&normal, &normal, 0.0), None);
        let slower = bound(&actual, &normal, 0.5).expect("an hour is enough");
        assert!(slower > 12 && slower < 20, "{slower}");
    }

    #[test]
    fn dispersion_is_what_exceeds_counting() {
        let means = vec![100.0f32; 4000];
        let counts: Vec<u32> = (0..4000).map(|at| if at % 2 == 0 { 85 } else { 115 }).collect();
        let free = vec![true; 4000];
        // Variance 225 = 100 + 0.0125 · 100².
        assert!((dispersion(&counts, &means, &free, 1) - 0.0125).abs() < 1e-4);
        assert!(dispersion(&counts, &means, &free, 2) < 1e-9);
    }
}
