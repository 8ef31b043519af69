//! The usual basket: money per order of each watched slice and currency, over about the last day, and how much
//! baskets vary: heavy tails make money less certain than orders.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::buyers::Buyers;
use crate::model::{Minute, SealedMinute, SeriesKey, Slice, StreamSpec};

/// A minute counts half as much after this many minutes.
const HALF_LIFE_MINUTES: f64 = 1440.0;
/// What is left after one.
const KEPT_IN_A_MINUTE: f64 = 0.999_518_763_622_666_2;
/// Most slices with a basket of their own; the others use the whole stream's.
const MOST_SLICES: usize = 20_000;
/// Most currencies per slice.
const MOST_CURRENCIES: usize = 32;
/// A slice's own basket is used once this many (decayed) orders stand behind it.
const ENOUGH_ORDERS: f64 = 20.0;
/// Keys remembered with their baskets; beyond, all are forgotten and looked up again.
const MOST_KEYS: usize = 262_144;
/// Money is compared with what so many orders usually bring once in so many minutes.
const BLOCK_MINUTES: i32 = 15;

/// Money that an order of a slice brings in one currency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerOrder {
    /// Major units.
    pub mean: f64,
    /// Variance of one order's money.
    pub variance: f64,
    /// Orders that stand behind it.
    pub orders: f64,
}

/// Mean baskets of one stream's watched slices, of its first sum.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Baskets {
    /// Per grouping of the stream (in the order of `watch`): dimension values → basket.
    groups: Vec<Vec<(Vec<Box<str>>, Basket)>>,
    /// Slices that found no room.
    overflow: u64,
    /// Whose orders they are.
    buyers: Buyers,
    #[serde(skip)]
    known: Known,
}

/// Where rows had their baskets; not saved, since it is found again.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Address of a key → its place in `keys`, and times the number of groups in `places`.
    memo: HashMap<usize, usize, foldhash::fast::RandomState>,
    /// Held so that no address is used twice.
    keys: Vec<Arc<SeriesKey>>,
    /// For each of them a place per group; [`NOWHERE`] where there is no room.
    places: Vec<u32>,
}

/// No basket.
const NOWHERE: u32 = u32::MAX;

/// What is known says nothing about baskets that cannot be found again.
impl PartialEq for Known {
    fn eq(&self, _: &Known) -> bool {
        true
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Basket {
    last: Minute,
    orders: f64,
    /// Major units by currency.
    money: BTreeMap<Box<str>, f64>,
    /// The block that is being summed.
    #[serde(default)]
    block: Block,
    /// By currency: squares of what blocks were off by.
    #[serde(default)]
    squares: BTreeMap<Box<str>, f64>,
    /// Orders of the blocks that were compared.
    #[serde(default)]
    compared: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Block {
    number: i32,
    orders: f64,
    money: BTreeMap<Box<str>, f64>,
}

impl Baskets {
    /// Learns from the watched rows of a sealed minute.
    pub fn learn(&mut self, spec: &StreamSpec, sealed: &SealedMinute) {
        self.buyers.learn(spec, sealed);
        let Some(sum) = spec.sums.first() else { return };
        self.groups.resize_with(spec.watch.len(), Vec::new);
        let mut next = 0;
        for row in sealed.judged_rows().filter(|row| row.key.watched && row.count > 0) {
            let money = row.sums.first().map_or(0.0, |m| m.to_major(sum.scale));
            let row_at = self.row_of(spec, row.key, next);
            next = row_at + 1;
            for group in 0..spec.watch.len() {
                let at = self.known.places[row_at * spec.watch.len() + group];
                match self.groups[group].get_mut(at as usize) {
                    Some((_, basket)) => {
                        basket.add(sealed.minute, row.count, currency_name(spec, row.key), money);
                    }
                    None => self.overflow += 1,
                }
            }
        }
    }

    /// The place of a key among the known ones: mostly `next`, since minutes have their keys in one order.
    fn row_of(&mut self, spec: &StreamSpec, key: &Arc<SeriesKey>, next: usize) -> usize {
        if self.known.keys.get(next).is_some_and(|known| Arc::ptr_eq(known, key)) {
            return next;
        }
        let address = Arc::as_ptr(key) as usize;
        if let Some(at) = self.known.memo.get(&address) {
            return *at;
        }
        if self.known.keys.len() >= MOST_KEYS {
            self.known = Known::default();
        }
        for group in 0..spec.watch.len() {
            let place = self.basket(spec, group, key);
            self.known.places.push(place);
        }
        let at = self.known.keys.len();
        self.known.keys.push(Arc::clone(key));
        self.known.memo.insert(address, at);
        at
    }

    /// The place of a key's basket in a group, made if there is room.
    fn basket(&mut self, spec: &StreamSpec, group: usize, key: &SeriesKey) -> u32 {
        let values = || spec.watch[group].iter().map(|&d| &*key.dimensions[d]);
        let slices: usize = self.groups.iter().map(Vec::len).sum();
        let baskets = &mut self.groups[group];
        match baskets.binary_search_by(|(own, _)| own.iter().map(|v| &**v).cmp(values())) {
            Ok(at) => at as u32,
            Err(_) if slices >= MOST_SLICES => NOWHERE,
            Err(at) => {
                baskets.insert(at, (values().map(Box::from).collect(), Basket::default()));
                // Those behind it have moved.
                let places = self.known.places.iter_mut().skip(group).step_by(spec.watch.len());
                places
                    .filter(|place| **place >= at as u32 && **place != NOWHERE)
                    .for_each(|place| *place += 1);
                at as u32
            }
        }
    }

    /// What an order of `slice` brings, by currency; the whole stream's while the slice has few orders
    /// of its own. Empty when nothing is known.
    pub fn per_order(&self, spec: &StreamSpec, slice: &Slice) -> BTreeMap<String, PerOrder> {
        let own = self.find(spec, slice).filter(|basket| basket.orders >= ENOUGH_ORDERS);
        let whole = || self.find(spec, &Slice::default()).filter(|basket| basket.orders > 0.0);
        own.or_else(whole).map(Basket::per_order).unwrap_or_default()
    }

    /// Customers whose orders were lost, by the stream's first distinct: of so many orders of one slice in so many
    /// minutes, each `[low, estimate, high]`. `None` if it has none, or too little is known.
    pub fn customers(&self, orders: [f64; 3], minutes: u32) -> Option<[f64; 3]> {
        self.buyers.behind(orders, minutes)
    }

    fn find(&self, spec: &StreamSpec, slice: &Slice) -> Option<&Basket> {
        let names = spec.dimension_names();
        let group = spec.watch.iter().position(|dimensions| {
            dimensions.len() == slice.0.len() && dimensions.iter().all(|&d| slice.0.contains_key(names[d]))
        })?;
        let values: Vec<&str> = spec.watch[group].iter().map(|&d| slice.0[names[d]].as_str()).collect();
        let baskets = self.groups.get(group)?;
        let at =
            baskets.binary_search_by(|(own, _)| own.iter().map(|v| &**v).cmp(values.iter().copied())).ok()?;
        Some(&baskets[at].1)
    }

    /// How often a slice found no room for a basket of its own.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }
}

/// What the money of a row is called: its currency, or the sum's own name when it has no currencies.
/// `None` when the currency is missing: an amount of unknown currency is no money.
fn currency_name<'a>(spec: &'a StreamSpec, key: &'a SeriesKey) -> Option<&'a str> {
    let sum = spec.sums.first()?;
    if sum.currency.is_none() {
        return Some(&sum.name);
    }
    key.currencies.first().map(|currency| &**currency).filter(|currency| !currency.is_empty())
}

impl Basket {
    fn add(&mut self, minute: Minute, orders: i64, currency: Option<&str>, money: f64) {
        self.compare_block(minute);
        self.fade_to(minute);
        self.orders += orders as f64;
        self.block.orders += orders as f64;
        let Some(currency) = currency else { return };
        if let Some(sum) = self.money.get_mut(currency) {
            *sum += money;
        } else if self.money.len() < MOST_CURRENCIES {
            self.money.insert(currency.into(), money);
        } else {
            return;
        }
        *self.block.money.entry(currency.into()).or_default() += money;
    }

    /// A block that is over is compared with the basket of before.
    fn compare_block(&mut self, minute: Minute) {
        let number = minute.0.div_euclid(BLOCK_MINUTES);
        if number == self.block.number {
            return;
        }
        let block = std::mem::replace(&mut self.block, Block { number, ..Block::default() });
        if self.orders < ENOUGH_ORDERS || block.orders == 0.0 {
            return;
        }
        self.compared += block.orders;
        for (currency, sum) in &self.money {
            let usual = block.orders * sum / self.orders;
            let off = block.money.get(currency).copied().unwrap_or(0.0) - usual;
            *self.squares.entry(currency.clone()).or_default() += off * off;
        }
    }

    fn fade_to(&mut self, minute: Minute) {
        let passed = f64::from(minute.0) - f64::from(self.last.0);
        if self.orders > 0.0 && passed > 0.0 {
            let kept = if passed == 1.0 { KEPT_IN_A_MINUTE } else { (-passed / HALF_LIFE_MINUTES).exp2() };
            self.orders *= kept;
            self.compared *= kept;
            self.money.values_mut().chain(self.squares.values_mut()).for_each(|sum| *sum *= kept);
        }
        self.last = self.last.max(minute);
    }

    fn per_order(&self) -> BTreeMap<String, PerOrder> {
        let variance = |currency: &str, mean: f64| match self.squares.get(currency) {
            Some(squares) if self.compared >= ENOUGH_ORDERS => squares / self.compared,
            // Nothing is known of it yet: as if baskets were exponential.
            _ => mean * mean,
        };
        let each = |currency: &str, money: f64| {
            let mean = money / self.orders;
            PerOrder { mean, variance: variance(currency, mean), orders: self.orders }
        };
        self.money.iter().map(|(currency, money)| (currency.to_string(), each(currency, *money))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{
        Completeness, Money, Rng, SealedRow, SealedRows, SeriesKey, SplitMix64, StreamId, TimeUs,
    };

    fn row(market: &str, feature: &str, currency: &str, count: i64, cents: i64) -> SealedRow {
        let dimensions = [market, feature, "card", "placed"].map(Arc::from);
        SealedRow {
            key: Arc::new(SeriesKey {
                dimensions: Box::new(dimensions),
                currencies: Box::new([Arc::from(currency)]),
                watched: true,
            }),
            count,
            sums: Box::new([Money(cents)]),
            sketches: Box::new([]),
        }
    }

    fn minute(at: i32, rows: Vec<SealedRow>) -> SealedMinute {
        SealedMinute {
            stream: StreamId(0),
            minute: Minute(at),
            revision: 0,
            rows: rows.into(),
            earlier: SealedRows::default(),
            completeness: Completeness::whole(),
            sources: Vec::new(),
            sealed_at: TimeUs(0),
        }
    }

    #[test]
    fn each_slice_has_its_own_basket_and_a_new_one_the_shops() {
        let (spec, mut baskets) = (StreamSpec::example(), Baskets::default());
        let rows = vec![row("US", "cart", "USD", 30, 90_000), row("DE", "cart", "EUR", 10, 10_000)];
        baskets.learn(&spec, &minute(1, rows));
        let us = baskets.per_order(&spec, &Slice::of([("marketplace", "US")]));
        assert_eq!((us.len(), us["USD"].mean), (1, 30.0));
        let whole = baskets.per_order(&spec, &Slice::default());
        assert_eq!((whole.len(), whole["EUR"].mean, whole["USD"].mean), (2, 2.5, 22.5));
        assert_eq!(
            baskets.per_order(&spec, &Slice::of([("marketplace", "DE")])),
            whole,
            "too few of its own"
        );
        assert_eq!(baskets.per_order(&spec, &Slice::of([("payment", "card")])), whole, "not watched");
    }

    #[test]
    fn yesterday_counts_half() {
        let (spec, mut baskets) = (StreamSpec::example(), Baskets::default());
        baskets.learn(&spec, &minute(0, vec![row("US", "cart", "USD", 100, 100_000)]));
        baskets.learn(&spec, &minute(1440, vec![row("US", "cart", "USD", 50, 200_000)]));
        let us = baskets.per_order(&spec, &Slice::of([("marketplace", "US")]));
        assert!((us["USD"].mean - 25.0).abs() < 1e-9, "{us:?}");
    }

    #[test]
    fn how_much_baskets_vary_is_learnt() {
        let (spec, mut baskets) = (StreamSpec::example(), Baskets::default());
        // Each order brings 10 or 50: mean 30, variance 400.
        let mut rng = SplitMix64::new(9);
        for at in 0..3000 {
            let dear = (0..40).filter(|_| rng.below(2) == 0).count() as i64;
            let cents = dear * 5_000 + (40 - dear) * 1_000;
            baskets.learn(&spec, &minute(at, vec![row("US", "cart", "USD", 40, cents)]));
        }
        let us = baskets.per_order(&spec, &Slice::of([("marketplace", "US")]))["USD"];
        assert!((us.mean - 30.0).abs() < 1.0 && (280.0..560.0).contains(&us.variance), "{us:?}");
    }
}
