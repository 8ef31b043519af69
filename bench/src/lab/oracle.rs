//! The oracle: a bank of tests like the detector's that knows the true mean and dispersion.
//!
//! It shows what the rest of the detector (learning what is normal) costs; nobody can be much better.

use ebbd_core::simulate::trial::{SLICES, Trial};

use super::bound::budget_nats;
use super::truth::Truth;
use super::{DEEP, DROP, ESCALATED, Minutes};

/// Rate ratio of each test.
const RATIO: [f64; 5] = [0.03, 0.5, 0.65, 0.75, 0.88];
/// Which of the truth's dispersions each test counts with.
const WINDOW: [usize; 5] = [1, 2, 2, 3, 4];
/// A minute's evidence is at most the bar by this: two minutes never pass it.
const CAP: f64 = 2.95;
/// Nats that close an alarm.
const RECOVERED: f64 = 5.0;
/// An alarm that gets deeper so many minutes after it opened is told.
const DEEPENS_AFTER: i32 = 10;

/// The oracle's life on one slice.
struct Slice {
    r: [f64; 5],
    evidence: [f64; 5],
    recovery: f64,
    /// Minutes since opening and the deepest test that fired.
    open: Option<(i32, usize)>,
}

impl Slice {
    fn new(dispersions: &[f64; 5]) -> Slice {
        let r = WINDOW.map(|window| 1.0 / dispersions[0].max(dispersions[window]).max(1e-5));
        Slice { r, evidence: [0.0; 5], recovery: 0.0, open: None }
    }

    fn minute(&mut self, x: f64, mean: f64) -> u8 {
        let bar = budget_nats();
        for ((evidence, q), r) in self.evidence.iter_mut().zip(RATIO).zip(self.r) {
            let gain = x * q.ln() - (x + r) * ((r + q * mean) / (r + mean)).ln();
            *evidence = (*evidence + gain.min(bar / CAP)).clamp(0.0, 2.0 * bar);
        }
        let fired = (0..5).find(|test| self.evidence[*test] >= bar);
        let Some((minutes, deepest)) = self.open else {
            self.open = fired.map(|test| (0, test));
            return self.open.map_or(0, |(_, test)| flags(test));
        };
        self.recover(x, mean);
        if self.recovery >= RECOVERED {
            (self.open, self.evidence, self.recovery) = (None, [0.0; 5], 0.0);
            return flags(deepest);
        }
        let deeper = fired.filter(|test| *test < deepest);
        let told = deeper.is_some() && minutes >= DEEPENS_AFTER;
        let deepest = deeper.unwrap_or(deepest);
        self.open = Some((minutes + 1, deepest));
        flags(deepest) | if told { ESCALATED } else { 0 }
    }

    fn recover(&mut self, x: f64, mean: f64) {
        let (q, r) = (0.8, self.r[1]);
        let gain = (x + r) * ((r + q * mean) / (r + mean)).ln() - x * f64::ln(q);
        self.recovery = (self.recovery + gain.min(RECOVERED / 2.4)).max(0.0);
    }
}

fn flags(test: usize) -> u8 {
    if test <= 2 { DROP | DEEP } else { DROP }
}

/// Judges a trial.
pub fn oracle(trial: &Trial, truth: &Truth) -> Vec<Minutes> {
    let from = trial.spec.evaluated_from() as usize;
    let whole = &trial.whole()[from..];
    let judge = |slice: usize| {
        let mut life = Slice::new(&truth.dispersions[slice]);
        let minutes = trial.counts[slice][from..].iter().zip(&trial.normal[slice][from..]).zip(whole);
        let judged = minutes.map(|((count, mean), whole)| match whole {
            true => life.minute(f64::from(*count), f64::from(*mean)),
            false => life.open.map_or(0, |(_, test)| flags(test)),
        });
        judged.collect()
    };
    (0..SLICES).map(judge).collect()
}
