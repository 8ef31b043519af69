//! How far totals over minutes to hours stray from what is expected at a level that stands still.
//!
//! While a drop is open its level stands still, and what is wrong with it is wrong with every minute alike: the
//! errors of an incident's minutes don't even out. How large that error becomes in half an hour, in two and in
//! eight is measured on the slice itself, in calm times, at each end of a half-hour.

use super::bank::Bank;
use crate::simd::column::*;

/// Minutes of a half-hour that must be there for it to count.
const LEAST_MINUTES: f32 = 28.0;
/// Blocks that an estimate remembers, per span: two to four weeks.
const MEMORY: [f32; SPANS] = [600.0, 250.0, 84.0];
/// Errors beyond so many variances are cut: what nobody noticed is no error of the expectation.
const CUT: f32 = 9.0;
/// Minutes of the spans.
const MINUTES: [f64; 2 + SPANS] = [1.0, 4.0, 30.0, 120.0, 480.0];

/// Variance of the total over 1, 4, 30, 120 and 480 minutes beyond that of counting, relative to the square of
/// what is expected. All zero: not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Drift(pub [f32; 2 + SPANS]);

impl Drift {
    /// Relative variance of the total over so many minutes, read between the spans; longer ones are as the longest.
    pub fn over(&self, minutes: f64) -> f64 {
        let of = |at: usize| f64::from(self.0[at]);
        let Some(next) = MINUTES.iter().position(|span| minutes < *span) else {
            return of(MINUTES.len() - 1);
        };
        let Some(at) = next.checked_sub(1) else { return of(0) };
        let part = (minutes / MINUTES[at]).ln() / (MINUTES[next] / MINUTES[at]).ln();
        of(at) + part * (of(next) - of(at))
    }

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        self.0.iter().all(|relative| *relative == 0.0)
    }
}

impl Bank {
    /// What is known of a slice.
    pub(super) fn drift(&self, slice: usize) -> Drift {
        let minute = self.get(slice, MINUTE_BLOCK + DISPERSION);
        let few = self.get(slice, of(1, BLOCK_X + DISPERSION));
        let span = |span: usize| self.get(slice, of_span(span, 7));
        Drift([minute, few.max(0.25 * minute), span(0), span(1), span(2)])
    }

    /// A half-hour has ended: it enters the spans that are being measured. What is not calm begins them anew.
    pub(super) fn note_drift(&mut self, slice: usize) {
        let (x, minutes) = (self.get(slice, BUCKET_X), self.get(slice, BUCKET_N));
        let profile = self.get(slice, BUCKET_PROFILE) * minutes / 30.0;
        self.set(slice, BUCKET_PROFILE, 0.0);
        let is_calm = self.get(slice, OPEN) == 0.0 && self.get(slice, RISE_MINUTES) == 0.0;
        for span in 0..SPANS {
            if !is_calm || !self.is_ready(slice) || self.get(slice, of_span(span, 0)) == 0.0 {
                self.begin_span(slice, span);
            } else if minutes >= LEAST_MINUTES {
                self.lengthen(slice, span, x, profile);
            }
        }
    }

    /// A half-hour has ended that says nothing: what is being measured begins anew.
    pub(super) fn skip_drift(&mut self, slice: usize) {
        self.set(slice, BUCKET_PROFILE, 0.0);
        (0..SPANS).for_each(|span| self.begin_span(slice, span));
    }

    fn begin_span(&mut self, slice: usize, span: usize) {
        let level = self.get(slice, of(1, LEVEL));
        for (column, value) in [level, 0.0, 0.0, 0.0].into_iter().enumerate() {
            self.set(slice, of_span(span, column), value);
        }
    }

    fn lengthen(&mut self, slice: usize, span: usize, x: f32, profile: f32) {
        let add = |bank: &mut Bank, column: usize, more: f32| {
            let sum = bank.get(slice, of_span(span, column)) + more;
            bank.set(slice, of_span(span, column), sum);
            sum
        };
        let level = self.get(slice, of_span(span, 0));
        let (x, m, buckets) = (add(self, 1, x), add(self, 2, level * profile), add(self, 3, 1.0));
        if buckets >= SPAN_BUCKETS[span] {
            self.measure_span(slice, span, x, m);
            self.begin_span(slice, span);
        }
    }

    /// As the dispersions of the bank: what the squared error exceeds counting by, in blocks that forget.
    fn measure_span(&mut self, slice: usize, span: usize, x: f32, m: f32) {
        if m < 1.0 {
            return;
        }
        let [top, bottom, blocks, phi] = std::array::from_fn(|at| self.get(slice, of_span(span, 4 + at)));
        let square = ((x - m) * (x - m)).min(CUT * (m + phi * m * m));
        let scale = 1.0 / ((1.0 + phi * m) * (1.0 + phi * m));
        let (num, den) = ((square - m) * scale, m * m * scale);
        let (top, bottom) = if blocks <= FIRST_BLOCKS { (phi * den, den) } else { (top, bottom) };
        let gain = 1.0 / (blocks + 1.0).min(MEMORY[span]);
        let (top, bottom) = (top + gain * (num - top), bottom + gain * (den - bottom));
        let phi = (top / bottom.max(1e-9)).clamp(0.0, 4.0);
        for (column, value) in [top, bottom, blocks + 1.0, phi].into_iter().enumerate() {
            self.set(slice, of_span(span, 4 + column), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Rng, SplitMix64};

    #[test]
    fn spans_are_read_between() {
        let drift = Drift([0.01, 0.004, 0.002, 0.004, 0.008]);
        assert_eq!(
            [0.0, 1.0, 4.0, 480.0, 9e9].map(|minutes| (drift.over(minutes) * 1e4).round()),
            [100.0, 100.0, 40.0, 80.0, 80.0]
        );
        assert!((drift.over(60.0) - 0.003).abs() < 1e-6);
    }

    /// The relative error of a level that is wrong by 3 %, anew every two hours, is found; counting alone is none.
    #[test]
    fn an_error_that_minutes_share_is_measured() {
        for (error, low, high) in [(0.03f32, 4e-4, 1.6e-3), (0.0, 0.0, 1.5e-4)] {
            let (mut bank, mut rng) = (Bank::default(), SplitMix64::new(5));
            bank.grow(1);
            bank.set(0, AGE, READY_AGE + 1.0);
            let mut rate = 1000.0;
            for bucket in 0..2000 {
                if bucket % 4 == 0 {
                    rate = 1000.0 * (1.0 + error * if rng.below(2) == 0 { 1.0 } else { -1.0 });
                }
                let noise = (rng.unit() + rng.unit() + rng.unit() - 1.5) as f32 * 2.0 * (30.0 * rate).sqrt();
                bank.set(0, BUCKET_X, 30.0 * rate + noise);
                bank.set(0, BUCKET_N, 30.0);
                bank.set(0, BUCKET_PROFILE, 30_000.0);
                bank.note_drift(0);
            }
            let Drift([_, _, half, two, eight]) = bank.drift(0);
            assert!(
                (low..high).contains(&f64::from(half)) && (low..high).contains(&f64::from(two)),
                "{half} {two}"
            );
            assert!(f64::from(eight) < high, "{eight}");
        }
    }
}
