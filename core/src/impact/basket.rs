//! The usual basket: money per order of each watched slice and currency, over about the last day.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::model::{Minute, SealedMinute, SeriesKey, Slice, StreamSpec};

/// A minute counts half as much after this many minutes.
const HALF_LIFE_MINUTES: f64 = 1440.0;
/// Most slices with a basket of their own; the others use the whole stream's.
const MOST_SLICES: usize = 20_000;
/// Most currencies per slice.
const MOST_CURRENCIES: usize = 32;
/// A slice's own basket is used once this many (decayed) orders stand behind it.
const ENOUGH_ORDERS: f64 = 20.0;

/// Mean baskets of one stream's watched slices, of its first sum.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Baskets {
    /// Per grouping of the stream (in the order of `watch`): dimension values → basket.
    groups: Vec<Vec<(Vec<Box<str>>, Basket)>>,
    /// Slices that found no room.
    overflow: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Basket {
    last: Minute,
    orders: f64,
    /// Major units by currency.
    money: BTreeMap<Box<str>, f64>,
}

impl Baskets {
    /// Learns from the watched rows of a sealed minute.
    pub fn learn(&mut self, spec: &StreamSpec, sealed: &SealedMinute) {
        let Some(sum) = spec.sums.first() else { return };
        self.groups.resize_with(spec.watch.len(), Vec::new);
        let mut values: Vec<&str> = Vec::new();
        for row in sealed.judged_rows().filter(|row| row.key.watched && row.count > 0) {
            let money = row.sums.first().map_or(0.0, |m| m.to_major(sum.scale));
            for (group, dimensions) in spec.watch.iter().enumerate() {
                values.clear();
                values.extend(dimensions.iter().map(|&d| &*row.key.dimensions[d]));
                if let Some(basket) = self.basket(group, &values) {
                    basket.add(sealed.minute, row.count, currency_name(spec, row.key), money);
                }
            }
        }
    }

    fn basket(&mut self, group: usize, values: &[&str]) -> Option<&mut Basket> {
        let slices: usize = self.groups.iter().map(Vec::len).sum();
        let baskets = &mut self.groups[group];
        match baskets.binary_search_by(|(own, _)| own.iter().map(|v| &**v).cmp(values.iter().copied())) {
            Ok(at) => Some(&mut baskets[at].1),
            Err(_) if slices >= MOST_SLICES => {
                self.overflow += 1;
                None
            }
            Err(at) => {
                baskets.insert(at, (values.iter().map(|&v| v.into()).collect(), Basket::default()));
                Some(&mut baskets[at].1)
            }
        }
    }

    /// Major units per order of `slice`, by currency; the whole stream's while the slice has few orders
    /// of its own. Empty when nothing is known.
    pub fn per_order(&self, spec: &StreamSpec, slice: &Slice) -> BTreeMap<String, f64> {
        let own = self.find(spec, slice).filter(|basket| basket.orders >= ENOUGH_ORDERS);
        let whole = || self.find(spec, &Slice::default()).filter(|basket| basket.orders > 0.0);
        own.or_else(whole).map(Basket::per_order).unwrap_or_default()
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
        self.fade_to(minute);
        self.orders += orders as f64;
        let Some(currency) = currency else { return };
        if let Some(sum) = self.money.get_mut(currency) {
            *sum += money;
        } else if self.money.len() < MOST_CURRENCIES {
            self.money.insert(currency.into(), money);
        }
    }

    fn fade_to(&mut self, minute: Minute) {
        let passed = f64::from(minute.0) - f64::from(self.last.0);
        if self.orders > 0.0 && passed > 0.0 {
            let kept = (-passed / HALF_LIFE_MINUTES).exp2();
            self.orders *= kept;
            self.money.values_mut().for_each(|money| *money *= kept);
        }
        self.last = self.last.max(minute);
    }

    fn per_order(&self) -> BTreeMap<String, f64> {
        self.money.iter().map(|(currency, money)| (currency.to_string(), money / self.orders)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Completeness, Money, SealedRow, SealedRows, SeriesKey, StreamId, TimeUs};

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
        assert_eq!(us, BTreeMap::from([("USD".to_owned(), 30.0)]));
        let whole = baskets.per_order(&spec, &Slice::default());
        assert_eq!(whole, BTreeMap::from([("EUR".to_owned(), 2.5), ("USD".to_owned(), 22.5)]));
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
        assert!((us["USD"] - 25.0).abs() < 1e-9, "{us:?}");
    }
}
