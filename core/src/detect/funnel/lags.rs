//! How long after an event of the first stream its follower comes: shares by lag, learnt.
//!
//! The expectation of a minute is a sum over bins of lags: the first stream's mean rate in the bin, times the
//! bin's share. Shares are the least squares that are not negative (Lawson and Hanson 1974, here by going
//! through the coordinates again and again), each minute weighed as a Poisson count, over sums that forget, so
//! that the lags may change over days.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::model::Minute;

/// Most buckets of the first stream's past.
const MOST_BUCKETS: u32 = 512;
/// Shares are taken anew from the sums every so many minutes.
const LEARN_EVERY: u32 = 60;
/// What the sums keep of themselves each time: half-life two days.
const KEEP: f64 = 0.985_663;
/// How often the coordinates are gone through.
const SWEEPS: usize = 200;
/// How much a share is held where it is, relative to what is known of it.
const HOLD: f64 = 1e-4;

/// Shares by lag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lags {
    /// Minutes of a bucket.
    bucket_min: i32,
    /// The first lag of each bin, in buckets, and the end of the last.
    edges: Vec<usize>,
    /// Followers per event of the first stream in the bin.
    shares: Vec<f64>,
    /// Products of means, bin by bin, decayed.
    squares: Vec<f64>,
    /// Products of means and followers, decayed.
    products: Vec<f64>,
    minutes: u32,
}

impl Lags {
    /// At first everything follows, evenly spread over `within_min`.
    pub(super) fn new(within_min: u32) -> Lags {
        let within = within_min.max(1);
        let bucket_min = within.div_ceil(MOST_BUCKETS);
        let last = within.div_ceil(bucket_min) as usize + 1;
        let edges = edges(last);
        let bins = edges.len() - 1;
        let shares = edges.windows(2).map(|bin| (bin[1] - bin[0]) as f64 / last as f64).collect();
        Lags {
            bucket_min: bucket_min as i32,
            edges,
            shares,
            squares: vec![0.0; bins * bins],
            products: vec![0.0; bins],
            minutes: 0,
        }
    }

    /// Whether saved lags are of a funnel with the same `within`.
    pub(super) fn fits(&self, other: &Lags) -> bool {
        self.bucket_min == other.bucket_min
            && self.edges == other.edges
            && self.shares.len() == other.shares.len()
            && self.squares.len() == other.squares.len()
            && self.products.len() == other.products.len()
    }

    /// Buckets of the past that matter.
    pub(super) fn buckets(&self) -> usize {
        self.edges.last().copied().unwrap_or(1)
    }

    /// Buckets that begin after `from`, up to the one of `to`.
    pub(super) fn buckets_between(&self, from: Option<Minute>, to: Minute) -> usize {
        let bucket = |minute: Minute| minute.0.div_euclid(self.bucket_min);
        let begun = from.map_or(1, |from| bucket(to).saturating_sub(bucket(from)));
        usize::try_from(begun).unwrap_or(0).min(self.buckets())
    }

    /// The mean rate per minute in each bin before `minute`, whose bucket is the last of `came`.
    pub(super) fn means(&self, came: &VecDeque<f32>, minute: Minute) -> Vec<f64> {
        let begun = f64::from(minute.0.rem_euclid(self.bucket_min) + 1);
        let rate = |lag: usize| {
            let at = came.len().checked_sub(lag + 1);
            let count = at.map_or(0.0, |at| f64::from(came[at]));
            count / if lag == 0 { begun } else { f64::from(self.bucket_min) }
        };
        let mean = |bin: &[usize]| (bin[0]..bin[1]).map(rate).sum::<f64>() / (bin[1] - bin[0]) as f64;
        self.edges.windows(2).map(mean).collect()
    }

    /// What follows at least, even if lags are not quite those learnt: each bin has no more than the two
    /// on either side. When the first stream falls or rises, that is not taken for a drop of the other; what it
    /// is too low on ordinary days, the levels make up for.
    pub(super) fn expected_at_least(&self, means: &[f64]) -> f64 {
        let least = |bin: usize| {
            let near = &means[bin.saturating_sub(2)..(bin + 3).min(means.len())];
            near.iter().copied().fold(f64::INFINITY, f64::min)
        };
        self.shares.iter().enumerate().map(|(bin, share)| share * least(bin)).sum()
    }

    /// What follows in a minute from these means.
    fn expected(&self, means: &[f64]) -> f64 {
        self.shares.iter().zip(means).map(|(share, mean)| share * mean).sum()
    }

    /// Learns from what followed in a minute, with the means before it, slice by slice.
    pub(super) fn learn(&mut self, slices: &[(f64, &[f64])]) {
        for (seen, means) in slices {
            let weight = 1.0 / self.expected(means).max(1.0);
            for (bin, mean) in means.iter().enumerate() {
                self.products[bin] += weight * seen * mean;
                let row = &mut self.squares[bin * means.len()..][..means.len()];
                row.iter_mut().zip(*means).for_each(|(sum, other)| *sum += weight * mean * other);
            }
        }
        self.minutes += 1;
        if self.minutes >= LEARN_EVERY {
            self.minutes = 0;
            self.take_shares();
        }
    }

    fn take_shares(&mut self) {
        let (bins, before) = (self.shares.len(), self.shares.clone());
        for bin in (0..SWEEPS).flat_map(|_| 0..bins) {
            let row = &self.squares[bin * bins..][..bins];
            let own = row[bin];
            if own <= 0.0 {
                continue;
            }
            let fitted: f64 = row.iter().zip(&self.shares).map(|(square, share)| square * share).sum();
            let hold = HOLD * own;
            let better = self.products[bin] - fitted + own * self.shares[bin] + hold * before[bin];
            self.shares[bin] = (better / (own + hold)).max(0.0);
        }
        self.squares.iter_mut().chain(&mut self.products).for_each(|sum| *sum *= KEEP);
    }
}

/// Bins that widen with the lag, by about a third each.
fn edges(last: usize) -> Vec<usize> {
    let mut edges = vec![0];
    let mut at = 0;
    while at < last {
        at = (at + 1 + at / 3).min(last);
        edges.push(at);
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_cover_all_lags_once() {
        for within in [1, 7, 240, 5_000, 129_600] {
            let lags = Lags::new(within);
            assert!(lags.edges.windows(2).all(|bin| bin[0] < bin[1]), "{within}");
            assert!(lags.buckets() as u32 * lags.bucket_min as u32 > within, "{within}");
            assert!(lags.buckets() <= MOST_BUCKETS as usize + 1, "{within}");
            assert!((lags.shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }

    /// Half of what came follows 30 minutes later: two days teach the delay and the share.
    #[test]
    fn learns_share_and_delay() {
        let mut lags = Lags::new(240);
        let mut came: VecDeque<f32> = VecDeque::new();
        let wave = |minute: i32, period: f64| (f64::from(minute) * std::f64::consts::TAU / period).sin();
        let rate = |minute: i32| {
            100.0 + 40.0 * wave(minute, 1440.0) + 20.0 * wave(minute, 173.0) + 10.0 * wave(minute, 61.0)
        };
        for minute in 0..4 * 1440 {
            came.push_back(rate(minute) as f32);
            came.drain(..came.len().saturating_sub(lags.buckets()));
            if minute >= 240 {
                let means = lags.means(&came, Minute(minute));
                lags.learn(&[(0.5 * rate(minute - 30), &means)]);
            }
        }
        assert!((lags.shares.iter().sum::<f64>() - 0.5).abs() < 0.02, "{:?}", lags.shares);
        let bin = lags.edges.windows(2).position(|bin| (bin[0]..bin[1]).contains(&30)).unwrap();
        let near: f64 = lags.shares[bin - 1..=bin + 1].iter().sum();
        assert!(near > 0.4, "{near} of {:?}", lags.shares);
    }
}
