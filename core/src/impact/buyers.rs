//! How many customers stand behind so many orders: distinct values in blocks of time, over a part of the series.
//!
//! A slice's own customers would need a sketch of every slice over every length of time. What is known instead are
//! two bounds: as if its customers were its own (then it has the same share of them as of the orders), and as if all
//! slices had the same ones (then the fewer orders, the more of them are somebody's first).

use datasketches::hll::{HllSketch, HllType, HllUnion};
use serde::{Deserialize, Serialize};

use crate::model::{RowView, SealedMinute, SeriesKey, StreamSpec};

/// Minutes of the blocks; single minutes are the shortest.
const BLOCKS: [i32; 2] = [15, 240];
/// A block counts if so much of it was seen.
const ENOUGH_OF_IT: f64 = 0.8;
/// And if it has so many orders.
const ENOUGH_ORDERS: f64 = 20.0;
/// Blocks that the mean remembers.
const MEMORY: f64 = 96.0;
/// Most series of a minute that are looked at. Of more a part is, the same ones each minute.
const MOST_SERIES: usize = 256;
/// As the datasets' sketches.
const LG_K: u8 = 12;
/// Relative error of a sketch's estimate at 90 %.
const SKETCH_ERROR: f64 = 0.03;

/// Distinct customers per order of a stream, of its first distinct.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Buyers {
    /// One in two to the power of this of the series is looked at.
    halvings: u32,
    /// In single minutes.
    minutes: Share,
    spans: [Span; 2],
}

/// Customers per order, and orders per minute that this was seen of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Share {
    blocks: f64,
    of_orders: f64,
    orders_per_min: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Span {
    share: Share,
    /// The block that is going on, how many minutes of it were seen, and their orders.
    number: i32,
    seen: u32,
    orders: f64,
    /// Its customers.
    customers: Customers,
}

/// A sketch of customers; saved as its bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<u8>", into = "Vec<u8>")]
struct Customers(Option<HllUnion>);

impl Buyers {
    /// Learns from the watched rows of a sealed minute.
    pub(super) fn learn(&mut self, spec: &StreamSpec, sealed: &SealedMinute) {
        if spec.distincts.is_empty() || sealed.completeness.no_data {
            return;
        }
        for (span, minutes) in self.spans.iter_mut().zip(BLOCKS) {
            span.turn_to(sealed.minute.0.div_euclid(minutes), minutes);
        }
        let (orders, sketches) = self.sample(sealed);
        if orders == 0.0 {
            return;
        }
        self.minutes.add(sketches.iter().map(HllSketch::estimate).sum::<f64>() / orders, orders);
        for span in &mut self.spans {
            sketches.iter().for_each(|sketch| span.customers.add(sketch));
            span.orders += orders;
            span.seen += 1;
        }
    }

    /// Orders and sketches of the series that are looked at.
    fn sample(&mut self, sealed: &SealedMinute) -> (f64, Vec<HllSketch>) {
        let mut rows: Vec<RowView<'_>> = sealed.rows.iter().filter(|row| row.key.watched).collect();
        rows.retain(|row| is_looked_at(row.key, self.halvings));
        while rows.len() > MOST_SERIES {
            self.halvings += 1;
            self.spans.iter_mut().for_each(Span::begin_anew);
            rows.retain(|row| is_looked_at(row.key, self.halvings));
        }
        let mut orders = 0.0;
        let mut sketches = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some(sketch) =
                row.sketches.iter().next().and_then(|bytes| HllSketch::deserialize(bytes).ok())
            {
                orders += row.count as f64;
                sketches.push(sketch);
            }
        }
        (orders, sketches)
    }

    /// Customers that so many orders (low, estimate, high) of one slice, lost in so many minutes, are of. `None`
    /// while too little is known.
    pub(super) fn behind(&self, [low, estimate, high]: [f64; 3], minutes: u32) -> Option<[f64; 3]> {
        let minutes = f64::from(minutes.max(1));
        let own = self.share_in(minutes)?;
        let orders = self.spans[0].share.orders_per_min * minutes;
        let among = crowding(own) * (estimate / orders.max(1.0));
        let shared = first_orders(among);
        let [least, most] = [own.min(shared), own.max(shared)];
        let part = |orders: f64, share: f64| (orders * share.clamp(0.0, 1.0)).max(0.0);
        Some([
            part(low, least * (1.0 - SKETCH_ERROR)),
            part(estimate, 0.5 * (least + most)),
            part(high, (most * (1.0 + SKETCH_ERROR)).min(1.0)),
        ])
    }

    /// Customers per order within so many minutes, read between the lengths that are known.
    fn share_in(&self, minutes: f64) -> Option<f64> {
        let known =
            |share: &Share, minutes: f64| (share.blocks > 0.0).then_some((minutes.ln(), share.of_orders));
        let spans = self.spans.iter().zip(BLOCKS);
        let longer = spans.filter_map(|(span, minutes)| known(&span.share, f64::from(minutes)));
        let points: Vec<(f64, f64)> = known(&self.minutes, 1.0).into_iter().chain(longer).collect();
        let longer = |ends: &&[(f64, f64)]| minutes.ln() < ends[1].0;
        let mut pairs = points.windows(2);
        let ends = pairs.find(longer).or_else(|| points.windows(2).last())?;
        let [(from, first), (to, last)] = [ends[0], ends[1]];
        let share = first + (last - first) * (minutes.ln() - from) / (to - from);
        Some(share.clamp(0.02, 1.0))
    }
}

impl Share {
    fn add(&mut self, of_orders: f64, orders_per_min: f64) {
        self.blocks = (self.blocks + 1.0).min(MEMORY);
        self.of_orders += (of_orders.min(1.0) - self.of_orders) / self.blocks;
        self.orders_per_min += (orders_per_min - self.orders_per_min) / self.blocks;
    }
}

impl Span {
    fn turn_to(&mut self, number: i32, minutes: i32) {
        if number == self.number {
            return;
        }
        if f64::from(self.seen) >= ENOUGH_OF_IT * f64::from(minutes) && self.orders >= ENOUGH_ORDERS {
            let customers = self.customers.0.as_ref().map_or(0.0, HllUnion::composite_estimate);
            self.share.add(customers / self.orders, self.orders / f64::from(self.seen));
        }
        self.begin_anew();
        self.number = number;
    }

    fn begin_anew(&mut self) {
        (self.seen, self.orders) = (0, 0.0);
        self.customers = Customers::default();
    }
}

impl Customers {
    fn add(&mut self, sketch: &HllSketch) {
        let new = || HllUnion::new(LG_K).expect("12 is a valid lgK");
        self.0.get_or_insert_with(new).update(sketch);
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.as_ref().map_or_else(Vec::new, |union| union.to_sketch(HllType::Hll4).serialize().to_vec())
    }
}

/// The bytes of one set of customers may stand in another order.
impl PartialEq for Customers {
    fn eq(&self, other: &Customers) -> bool {
        let estimate = |customers: &Customers| customers.0.as_ref().map(HllUnion::composite_estimate);
        estimate(self) == estimate(other)
    }
}

impl From<Vec<u8>> for Customers {
    /// Bytes that are no sketch are nobody.
    fn from(bytes: Vec<u8>) -> Customers {
        let mut customers = Customers::default();
        if let Ok(sketch) = HllSketch::deserialize(&bytes) {
            customers.add(&sketch);
        }
        customers
    }
}

impl From<Customers> for Vec<u8> {
    fn from(customers: Customers) -> Vec<u8> {
        customers.bytes()
    }
}

/// The part of orders that are somebody's first, of `crowd` orders per customer that there is: all customers alike.
fn first_orders(crowd: f64) -> f64 {
    if crowd < 1e-9 { 1.0 } else { -(-crowd).exp_m1() / crowd }
}

/// The orders per customer at which [`first_orders`] is `share`.
fn crowding(share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 200.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if first_orders(middle) > share { low = middle } else { high = middle }
    }
    low
}

/// Whether a series is among the one in 2^`halvings` that are looked at: a fixed function of its values (FNV-1a).
fn is_looked_at(key: &SeriesKey, halvings: u32) -> bool {
    if halvings == 0 {
        return true;
    }
    let values = key.dimensions.iter().chain(key.currencies.iter());
    let bytes = values.flat_map(|value| value.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // The upper bits are the mixed ones.
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).leading_zeros() >= halvings
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Completeness, Minute, Money, Rng, SealedRows, SplitMix64, StreamId, TimeUs};

    /// Minutes of four countries with so many orders each, of customers of the shop, or of their own.
    fn learnt(minutes: i32, orders: u64, customers: u64, own: bool, series: usize) -> Buyers {
        let (spec, mut rng, mut buyers) = (StreamSpec::example(), SplitMix64::new(8), Buyers::default());
        for minute in 0..minutes {
            let mut rows = SealedRows::with_shape(1, 1, series);
            for country in 0..series {
                let dimensions = [&*format!("c{country}"), "web", "card", "placed"].map(Arc::from).into();
                let currencies = Box::new([Arc::from("EUR")]);
                let key = Arc::new(SeriesKey { dimensions, currencies, watched: true });
                let mut sketch = HllSketch::new(LG_K, HllType::Hll4).unwrap();
                let salt = if own { country as u64 * 1_000_000_007 } else { 0 };
                (0..orders).for_each(|_| sketch.update(rng.below(customers) + salt));
                let bytes = sketch.serialize();
                rows.add(key, orders as i64, std::iter::once(Money(0)), |_, out| out.extend(&bytes));
            }
            let sealed =
                SealedMinute::first(StreamId(0), Minute(minute), rows, Completeness::whole(), TimeUs(0));
            buyers.learn(&spec, &sealed);
        }
        buyers
    }

    /// How many customers so many orders of so many are of.
    fn truth(orders: f64, customers: f64) -> f64 {
        customers * (1.0 - (1.0 - 1.0 / customers).powf(orders))
    }

    #[test]
    fn customers_of_a_slice_lie_between_the_bounds() {
        for (own, customers) in [(false, 4000), (true, 1000)] {
            let buyers = learnt(600, 20, customers, own, 4);
            for minutes in [5, 40, 200] {
                let orders = 20.0 * f64::from(minutes);
                let [low, estimate, high] = buyers.behind([orders; 3], minutes).unwrap();
                let truth = truth(orders, customers as f64);
                assert!((0.95 * low..1.05 * high).contains(&truth), "{truth} of {low} {estimate} {high}");
                assert!(low <= estimate && estimate <= high && high <= orders, "{low} {estimate} {high}");
            }
        }
    }

    #[test]
    fn nothing_is_said_of_what_was_never_seen() {
        assert_eq!(Buyers::default().behind([90.0, 100.0, 110.0], 10), None);
        assert_eq!(learnt(10, 20, 1000, false, 4).behind([90.0, 100.0, 110.0], 10), None);
        let spec = StreamSpec { distincts: Vec::new(), ..StreamSpec::example() };
        let mut buyers = Buyers::default();
        let rows = SealedRows::with_shape(1, 0, 0);
        let sealed = SealedMinute::first(StreamId(0), Minute(0), rows, Completeness::whole(), TimeUs(0));
        buyers.learn(&spec, &sealed);
        assert_eq!(buyers, Buyers::default());
    }

    #[test]
    fn of_many_series_a_part_is_looked_at() {
        let buyers = learnt(40, 2, 100_000, false, 900);
        let looked_at = buyers.spans[0].share.orders_per_min / 2.0;
        assert!(buyers.halvings >= 2 && (100.0..=256.0).contains(&looked_at), "{looked_at}");
        let [low, _, high] = buyers.behind([900.0, 1000.0, 1100.0], 15).unwrap();
        assert!(low > 700.0 && high <= 1100.0, "{low} {high}");
    }

    #[test]
    fn what_is_saved_goes_on_the_same() {
        let text = serde_json::to_string(&learnt(20, 30, 1000, false, 4)).unwrap();
        let read: Buyers = serde_json::from_str(&text).unwrap();
        assert_eq!(read, learnt(20, 30, 1000, false, 4));
    }
}
