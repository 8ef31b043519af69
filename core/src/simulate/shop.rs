//! The shop: who sells what where, how much of it, and what goes wrong when.

use std::sync::Arc;

use super::draw::{exponential, normal, poisson, weighted};
use super::event::SimulatedEvent;
use super::season::activity;
use crate::model::Rng;
use crate::model::{
    Completeness, MICROS_PER_MINUTE, Minute, Money, SealedMinute, SealedRow, SealedRows, SeriesKey, Slice,
    SplitMix64, StreamId, StreamSpec, TimeUs,
};

/// A value of a dimension and how often it is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The value.
    pub value: String,
    /// Its weight among the dimension's values.
    pub weight: f64,
}

/// Something goes wrong: of the orders in a slice only a fraction remains for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Which orders.
    pub slice: Slice,
    /// The first minute.
    pub from: Minute,
    /// The first minute after it.
    pub to: Minute,
    /// The fraction of orders that still come, 0 to 1.
    pub remaining: f64,
}

/// What a shop is like.
#[derive(Clone, Debug, PartialEq)]
pub struct ShopSpec {
    /// Seed: the same seed gives the same orders.
    pub seed: u64,
    /// Orders per minute at the usual peak, all together.
    pub peak_per_min: f64,
    /// Values of marketplace, feature, payment and status.
    pub dimensions: [Vec<Choice>; 4],
    /// Per marketplace: minutes ahead of UTC and currency.
    pub places: Vec<(i32, String)>,
    /// Multiplicative minute noise beyond Poisson, as a standard deviation.
    pub noise: f64,
    /// Hosts that send.
    pub hosts: usize,
    /// How many customers there are.
    pub customers: u64,
    /// What goes wrong.
    pub incidents: Vec<Incident>,
}

impl ShopSpec {
    /// The shop of the demo: four marketplaces, three features, 48 series.
    pub fn demo(seed: u64) -> ShopSpec {
        let choices = |list: &[(&str, f64)]| {
            list.iter().map(|&(value, weight)| Choice { value: value.to_owned(), weight }).collect()
        };
        ShopSpec {
            seed,
            peak_per_min: 900.0,
            dimensions: [
                choices(&[("US", 0.42), ("DE", 0.26), ("UK", 0.20), ("JP", 0.12)]),
                choices(&[("cart", 0.52), ("one-click", 0.33), ("subscription", 0.15)]),
                choices(&[("card", 0.7), ("paypal", 0.3)]),
                choices(&[("placed", 0.96), ("failed", 0.04)]),
            ],
            places: [(-300, "USD"), (60, "EUR"), (0, "GBP"), (540, "JPY")]
                .map(|(offset, currency)| (offset, currency.to_owned()))
                .to_vec(),
            noise: 0.02,
            hosts: 3,
            customers: 200_000,
            incidents: Vec::new(),
        }
    }
}

/// One combination of dimension values.
struct Leaf {
    key: Arc<SeriesKey>,
    slice: Slice,
    values: [usize; 4],
    weight: f64,
}

/// A shop, ready to be asked for any minute.
pub struct Shop {
    spec: ShopSpec,
    leaves: Vec<Leaf>,
}

impl Shop {
    /// The shop of `spec`; `stream` gives the dimension names and which events are watched.
    pub fn new(spec: ShopSpec, stream: &StreamSpec) -> Shop {
        let leaves =
            combinations(&spec.dimensions).into_iter().map(|values| leaf(&spec, stream, values)).collect();
        Shop { spec, leaves }
    }

    /// Adds an incident.
    pub fn break_slice(&mut self, incident: Incident) {
        self.spec.incidents.push(incident);
    }

    /// Ends every incident at `minute`.
    pub fn repair(&mut self, minute: Minute) {
        for incident in &mut self.spec.incidents {
            incident.to = incident.to.min(minute);
        }
    }

    /// The true mean of orders in `minute` within `slice`, incidents included.
    pub fn mean(&self, minute: Minute, slice: &Slice) -> f64 {
        self.leaves
            .iter()
            .filter(|leaf| slice.contains(&leaf.slice))
            .map(|leaf| self.leaf_mean(leaf, minute))
            .sum()
    }

    fn leaf_mean(&self, leaf: &Leaf, minute: Minute) -> f64 {
        let (offset_min, _) = self.spec.places[leaf.values[0] % self.spec.places.len()];
        let touched = |incident: &&Incident| {
            (incident.from..incident.to).contains(&minute) && incident.slice.contains(&leaf.slice)
        };
        let left: f64 =
            self.spec.incidents.iter().filter(touched).map(|incident| incident.remaining).product();
        self.spec.peak_per_min * leaf.weight * activity(minute, offset_min) * left
    }

    fn minute_rng(&self, minute: Minute) -> SplitMix64 {
        let mut mixed =
            SplitMix64::new(self.spec.seed ^ (minute.0 as u64).wrapping_mul(0xD134_2543_DE82_EF95));
        mixed.next_u64();
        mixed
    }

    /// Orders of each leaf in `minute`.
    fn counts(&self, minute: Minute, rng: &mut SplitMix64) -> Vec<u64> {
        let shared = (self.spec.noise * normal(rng)).exp();
        self.leaves.iter().map(|leaf| poisson(rng, self.leaf_mean(leaf, minute) * shared)).collect()
    }

    /// The minute as counts and sums, as if every event had been counted; without customer sketches.
    pub fn sealed(&self, minute: Minute, stream: StreamId, spec: &StreamSpec) -> SealedMinute {
        let mut rng = self.minute_rng(minute);
        let counts = self.counts(minute, &mut rng);
        let counted = self.leaves.iter().zip(counts).filter(|(_, count)| *count > 0);
        let mut rows: Vec<SealedRow> =
            counted.map(|(leaf, count)| row(leaf, count, spec, &mut rng)).collect();
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        SealedMinute {
            stream,
            minute,
            revision: 0,
            rows: rows.into(),
            earlier: SealedRows::default(),
            completeness: Completeness::whole(),
            sources: Vec::new(),
            sealed_at: minute.end(),
        }
    }

    /// The minute's events in the order of their times. Counts agree with [`Shop::sealed`].
    pub fn events(&self, minute: Minute) -> Vec<SimulatedEvent> {
        let mut rng = self.minute_rng(minute);
        let counts = self.counts(minute, &mut rng);
        let mut events = Vec::with_capacity(counts.iter().sum::<u64>() as usize);
        for (leaf, count) in self.leaves.iter().zip(counts) {
            for _ in 0..count {
                let number = events.len();
                events.push(self.event(leaf, minute, number, &mut rng));
            }
        }
        events.sort_by_key(|event| event.time);
        events
    }

    fn event(&self, leaf: &Leaf, minute: Minute, number: usize, rng: &mut SplitMix64) -> SimulatedEvent {
        let (_, currency) = &self.spec.places[leaf.values[0] % self.spec.places.len()];
        let pick = |at: usize| self.spec.dimensions[at][leaf.values[at]].value.clone();
        // Millisecond times, as most shops write them.
        let offset_us = rng.below(60_000) as i64 * 1_000;
        SimulatedEvent {
            time: TimeUs(i64::from(minute.0) * MICROS_PER_MINUTE + offset_us),
            dimensions: [pick(0), pick(1), pick(2), pick(3)],
            amount: basket(rng),
            currency: currency.clone(),
            customer: format!("c-{}", rng.below(self.spec.customers)),
            order: format!("o-{}-{number}", minute.0),
            host: format!("web-{:02}", 1 + weighted(rng, (0..self.spec.hosts).map(|_| 1.0))),
        }
    }
}

/// One order's amount: at least a cent, about 46 on average.
fn basket(rng: &mut SplitMix64) -> Money {
    Money(1 + exponential(rng, 4_600.0) as i64)
}

fn row(leaf: &Leaf, count: u64, spec: &StreamSpec, rng: &mut SplitMix64) -> SealedRow {
    let spread = 4_600.0 * (count as f64).sqrt() * normal(rng);
    let total = (4_601.0 * count as f64 + spread).max(count as f64) as i64;
    SealedRow {
        key: Arc::clone(&leaf.key),
        count: count as i64,
        sums: spec.sums.iter().map(|_| Money(total)).collect(),
        sketches: spec.distincts.iter().map(|_| Box::default()).collect(),
    }
}

/// Every combination of one value per dimension, as indices.
fn combinations(dimensions: &[Vec<Choice>; 4]) -> Vec<[usize; 4]> {
    let [a, b, c, d] = dimensions;
    let mut all = Vec::with_capacity(a.len() * b.len() * c.len() * d.len());
    for i in 0..a.len() {
        for j in 0..b.len() {
            for k in 0..c.len() {
                all.extend((0..d.len()).map(|l| [i, j, k, l]));
            }
        }
    }
    all
}

fn leaf(spec: &ShopSpec, stream: &StreamSpec, values: [usize; 4]) -> Leaf {
    let chosen = |at: usize| &spec.dimensions[at][values[at]];
    let share = |at: usize| chosen(at).weight / spec.dimensions[at].iter().map(|c| c.weight).sum::<f64>();
    let dimensions: Box<[Arc<str>]> = (0..4).map(|at| Arc::from(chosen(at).value.as_str())).collect();
    let (_, currency) = &spec.places[values[0] % spec.places.len()];
    let watched = stream.watched.admits(&dimensions);
    let names = stream.dimension_names();
    Leaf {
        slice: Slice::of(names.into_iter().zip(dimensions.iter().map(|value| value.to_string()))),
        key: Arc::new(SeriesKey {
            dimensions,
            currencies: stream.sums.iter().map(|_| Arc::from(currency.as_str())).collect(),
            watched,
        }),
        values,
        weight: (0..4).map(share).product(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Shop {
        Shop::new(ShopSpec::demo(1), &StreamSpec::example())
    }

    const MINUTE: Minute = Minute(29_922_544);

    #[test]
    fn events_and_counts_agree_and_repeat() {
        let (a, b) = (shop(), shop());
        let events = a.events(MINUTE);
        assert_eq!(events, b.events(MINUTE));
        let counted: i64 =
            a.sealed(MINUTE, StreamId(0), &StreamSpec::example()).rows.iter().map(|r| r.count).sum();
        assert_eq!(counted, events.len() as i64);
        assert!(events.is_sorted_by_key(|e| e.time));
        assert!(events.iter().all(|e| e.time.minute() == MINUTE));
    }

    #[test]
    fn an_incident_takes_its_slice_and_nothing_else() {
        let mut shop = shop();
        let slice = Slice::of([("feature", "one-click"), ("marketplace", "US")]);
        let (whole, before) = (shop.mean(MINUTE, &Slice::default()), shop.mean(MINUTE, &slice));
        shop.break_slice(Incident { slice: slice.clone(), from: MINUTE, to: MINUTE.plus(5), remaining: 0.0 });
        assert_eq!(shop.mean(MINUTE, &slice), 0.0);
        assert!((whole - shop.mean(MINUTE, &Slice::default()) - before).abs() < 1e-6);
        shop.repair(MINUTE);
        assert!((shop.mean(MINUTE, &slice) - before).abs() < 1e-9);
    }

    #[test]
    fn the_shop_is_as_busy_as_asked() {
        let shop = shop();
        let average: f64 = (0..50).map(|m| shop.events(MINUTE.plus(m)).len() as f64).sum::<f64>() / 50.0;
        let mean = shop.mean(MINUTE.plus(25), &Slice::default());
        assert!((average / mean - 1.0).abs() < 0.05, "{average} against {mean}");
    }
}
