//! A seeded shop: Poisson counts around a daily and weekly curve with slowly wandering demand.

use std::sync::Arc;

use crate::model::{
    Completeness, Minute, Rng, SealedMinute, SealedRow, SealedRows, SeriesKey, SplitMix64, StreamId,
    StreamSpec, TimeUs,
};

/// Minutes in a day.
pub(super) const DAY: i32 = 1440;
/// Minutes in a week.
pub(super) const WEEK: i32 = 7 * DAY;
/// Monday, 2026-09-28T00:00Z.
pub(super) const START: i32 = 29_842_560;

/// One market of the shop: a slice `marketplace=<name>`.
pub(super) struct Market {
    pub(super) name: &'static str,
    /// Mean orders per minute.
    pub(super) rate: f64,
    /// Local time ahead of UTC, in minutes, at a minute.
    pub(super) ahead: fn(i32) -> i32,
    wander: f64,
    key: Arc<SeriesKey>,
}

/// Counts of all markets, minute by minute.
pub(super) struct Shop {
    rng: SplitMix64,
    pub(super) markets: Vec<Market>,
}

impl Shop {
    /// A shop in UTC with markets of these mean rates.
    pub(super) fn new(seed: u64, rates: &[f64]) -> Shop {
        const NAMES: [&str; 24] = [
            "AA", "AB", "AC", "AD", "AE", "AF", "AG", "AH", "AI", "AJ", "AK", "AL", "AM", "AN", "AO", "AP",
            "AQ", "AR", "AS", "AT", "AU", "AV", "AW", "AX",
        ];
        let market = |(name, rate): (&&'static str, &f64)| {
            let dimensions = [*name, "web", "card", "placed"].map(Arc::from).into();
            let key = Arc::new(SeriesKey { dimensions, currencies: Box::default(), watched: true });
            Market { name, rate: *rate, ahead: |_| 0, wander: 0.0, key }
        };
        Shop { rng: SplitMix64::new(seed), markets: NAMES.iter().zip(rates).map(market).collect() }
    }

    /// The minute `at` (since [`START`]); each market's mean is multiplied by `factor(market, at)`.
    pub(super) fn minute(&mut self, at: i32, factor: impl Fn(usize, i32) -> f64) -> SealedMinute {
        let rows = (0..self.markets.len()).map(|market| self.row(market, at, factor(market, at)));
        let rows = rows.filter(|row| row.count > 0).collect();
        SealedMinute {
            stream: StreamId(0),
            minute: Minute(START + at),
            revision: 0,
            rows,
            earlier: SealedRows::default(),
            completeness: Completeness::whole(),
            sources: Vec::new(),
            sealed_at: TimeUs(0),
        }
    }

    fn row(&mut self, market: usize, at: i32, factor: f64) -> SealedRow {
        let shock = self.normal();
        let market = &mut self.markets[market];
        market.wander = 0.99 * market.wander + 0.003 * shock;
        let mean = market.rate * curve(at + (market.ahead)(at)) * market.wander.exp() * factor;
        let key = Arc::clone(&market.key);
        let noise = 1.0 + 0.03 * self.normal();
        SealedRow {
            key,
            count: self.poisson(mean * noise.max(0.0)),
            sums: Box::default(),
            sketches: Box::default(),
        }
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.rng.unit()).sum::<f64>() - 6.0
    }

    fn poisson(&mut self, mean: f64) -> i64 {
        if mean > 40.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as i64;
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.rng.unit(), 0);
        while product > limit {
            product *= self.rng.unit();
            count += 1;
        }
        count
    }
}

/// Demand relative to the mean: low at night, two humps, weaker weekends.
fn curve(local: i32) -> f64 {
    let day = f64::from(local.rem_euclid(DAY)) / f64::from(DAY) * std::f64::consts::TAU;
    let weekend = local.div_euclid(DAY).rem_euclid(7) >= 5;
    (1.0 - 0.6 * day.cos() - 0.15 * (2.0 * day).sin()) * if weekend { 0.8 } else { 1.0 }
}

/// The stream that the shop sends to: judged are the whole and each market.
pub(super) fn stream() -> StreamSpec {
    StreamSpec { watch: vec![vec![], vec![0]], ..StreamSpec::example() }
}
