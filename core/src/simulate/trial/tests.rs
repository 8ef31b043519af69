//! The trial is what it says: means, scatter, sums, incidents, and the same for the same seed.

use super::*;

fn small(seed: u64, family: Family) -> Trial {
    Trial::new(TrialSpec { training_days: 9, evaluated_days: 3, ..TrialSpec::new(seed, family) })
}

#[test]
fn the_same_seed_gives_the_same_trial() {
    let (a, b) = (small(5, Family::Unlike), small(5, Family::Unlike));
    assert!(a.counts == b.counts && a.normal == b.normal && a.happenings == b.happenings);
    assert!(small(6, Family::Unlike).counts != a.counts);
}

#[test]
fn counts_scatter_around_the_actual_mean() {
    for family in [Family::Like, Family::Unlike] {
        let trial = small(7, family);
        let arrived =
            |minute: &usize| trial.sealed(*minute as i32).completeness == crate::model::Completeness::whole();
        let whole: Vec<usize> = (0..trial.spec.minutes() as usize).filter(arrived).collect();
        for slice in 0..SLICES {
            let counted: f64 = whole.iter().map(|at| f64::from(trial.counts[slice][*at])).sum();
            let meant: f64 = whole.iter().map(|at| f64::from(trial.actual[slice][*at])).sum();
            // Bursts, zeros and heavy tails move a mean a little.
            let slack = 4.0 / meant.sqrt() + if family == Family::Like { 0.01 } else { 0.08 };
            assert!((counted / meant - 1.0).abs() < slack, "slice {slice}: {counted} of {meant}");
        }
    }
}

#[test]
fn busy_slices_scatter_as_much_as_services_do() {
    let trial = small(8, Family::Like);
    for slice in (0..SLICES).filter(|slice| trial.rate(*slice) > 2000.0) {
        let pairs = trial.counts[slice].iter().zip(&trial.actual[slice]);
        let residuals: Vec<f64> = pairs
            .filter(|(_, mean)| **mean > 500.0)
            .map(|(x, m)| f64::from(*x) / f64::from(*m) - 1.0)
            .collect();
        // Without what is missing from time to time.
        let near: Vec<f64> = residuals.into_iter().filter(|r| r.abs() < 0.15).collect();
        let deviation = (near.iter().map(|r| r * r).sum::<f64>() / near.len() as f64).sqrt();
        assert!((0.005..0.05).contains(&deviation), "slice {slice}: {deviation}");
    }
}

#[test]
fn slices_are_the_sums_of_their_leaves() {
    let trial = small(9, Family::Unlike);
    for minute in [0, 5_000, 17_000] {
        let leaves: u32 = (0..LEAVES).map(|leaf| trial.counts[slices_of_leaf(leaf)[3]][minute]).sum();
        assert_eq!(trial.counts[0][minute], leaves);
        assert_eq!(trial.sealed(minute as i32).watched_count(), i64::from(leaves));
    }
    let rates: Vec<f64> = (0..SLICES).map(|slice| trial.rate(slice)).collect();
    assert!(rates.iter().any(|rate| *rate < 0.2) && rates[0] > 20_000.0 && rates[0] < 90_000.0, "{rates:?}");
}

#[test]
fn incidents_take_what_they_say_and_leave_the_rest() {
    let trial = small(10, Family::Like);
    let kinds: Vec<Kind> = trial.happenings.iter().map(|happening| happening.kind).collect();
    for kind in [Kind::Outage, Kind::Half, Kind::Fifth, Kind::Tenth, Kind::Ramp, Kind::Dip, Kind::Late] {
        assert!(kinds.contains(&kind), "{kind:?} of {kinds:?}");
    }
    for happening in trial.happenings.iter().filter(|h| h.kind.is_incident() && h.kind != Kind::Inside) {
        let last = happening.to as usize - 1;
        for slice in &happening.slices {
            let ratio = trial.actual[*slice][last] / trial.normal[*slice][last];
            assert!((ratio - happening.kind.remaining()).abs() < 0.01, "{happening:?}: {ratio}");
        }
        let ratio = |slice: usize| trial.actual[slice][last] / trial.normal[slice][last];
        assert!(happening.partly.iter().all(|slice| ratio(*slice) < 1.0), "{happening:?}");
    }
}
