//! Who is in the shop: seven marketplaces by ten features, their sums, their rates and their zones.

use std::sync::Arc;

use crate::model::{DimensionSpec, Rng, SeriesKey, Slice, SplitMix64, StreamSpec, Timezones, WatchedFilter};

const MARKETS: [(&str, &str); 7] = [
    ("US", "America/New_York"),
    ("DE", "Europe/Berlin"),
    ("UK", "Europe/London"),
    ("JP", "Asia/Tokyo"),
    ("IN", "Asia/Kolkata"),
    ("BR", "America/Sao_Paulo"),
    ("AU", "Australia/Sydney"),
];
pub(super) const FEATURES: usize = 10;
/// Marketplace by feature.
pub const LEAVES: usize = MARKETS.len() * FEATURES;
/// The whole, marketplaces, features, and both together.
pub const SLICES: usize = 1 + MARKETS.len() + FEATURES + LEAVES;
const FIRST_FEATURE: usize = 1 + MARKETS.len();
const FIRST_LEAF: usize = FIRST_FEATURE + FEATURES;
/// A part of a slice that is hit may be noticed from this share of the slice on.
const NOTICEABLE: f64 = 0.02;

/// Whom something hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Whole,
    Market(usize),
    Feature(usize),
    Leaf(usize),
}

impl Scope {
    pub(super) fn has(self, leaf: usize) -> bool {
        match self {
            Scope::Whole => true,
            Scope::Market(market) => leaf / FEATURES == market,
            Scope::Feature(feature) => leaf % FEATURES == feature,
            Scope::Leaf(one) => leaf == one,
        }
    }

    pub(super) fn markets() -> impl Iterator<Item = Scope> {
        (0..MARKETS.len()).map(Scope::Market)
    }

    pub(super) fn features() -> impl Iterator<Item = Scope> {
        (0..FEATURES).map(Scope::Feature)
    }

    pub(super) fn leaves() -> impl Iterator<Item = Scope> {
        (0..LEAVES).map(Scope::Leaf)
    }
}

/// The slices that a leaf counts in: the whole, its marketplace, its feature, itself.
pub fn slices_of_leaf(leaf: usize) -> [usize; 4] {
    [0, 1 + leaf / FEATURES, FIRST_FEATURE + leaf % FEATURES, FIRST_LEAF + leaf]
}

/// The marketplace of a leaf.
pub(super) fn market_of(leaf: usize) -> usize {
    leaf / FEATURES
}

/// Zones of the marketplaces.
pub(super) fn zones() -> impl Iterator<Item = &'static str> {
    MARKETS.into_iter().map(|(_, zone)| zone)
}

fn feature_name(feature: usize) -> String {
    format!("f{feature}")
}

/// The stream that is judged.
pub(super) fn stream() -> StreamSpec {
    let dimension = |name: &str| DimensionSpec { name: name.to_owned(), field: name.to_owned() };
    let zones = MARKETS.map(|(name, zone)| (name.to_owned(), zone.to_owned())).into();
    StreamSpec {
        dimensions: ["marketplace", "feature"].map(dimension).to_vec(),
        sums: Vec::new(),
        distincts: Vec::new(),
        watched: WatchedFilter::default(),
        watch: vec![vec![], vec![0], vec![1], vec![0, 1]],
        timezones: Timezones { default: "Europe/Berlin".to_owned(), by: Some(0), zones },
        ..StreamSpec::example()
    }
}

/// The slices in the order of their numbers.
pub(super) fn slices() -> Vec<Slice> {
    let market = |name: &str| ("marketplace".to_owned(), name.to_owned());
    let feature = |at: usize| ("feature".to_owned(), feature_name(at));
    let mut all = vec![Slice::default()];
    all.extend(MARKETS.iter().map(|(name, _)| Slice::of([market(name)])));
    all.extend((0..FEATURES).map(|at| Slice::of([feature(at)])));
    let leaf = |leaf: usize| Slice::of([market(MARKETS[market_of(leaf)].0), feature(leaf % FEATURES)]);
    all.extend((0..LEAVES).map(leaf));
    all
}

/// The keys of the leaves.
pub(super) fn keys() -> Vec<Arc<SeriesKey>> {
    let key = |leaf: usize| {
        let values = [Arc::from(MARKETS[market_of(leaf)].0), Arc::from(feature_name(leaf % FEATURES))];
        Arc::new(SeriesKey { dimensions: values.into(), currencies: Box::default(), watched: true })
    };
    (0..LEAVES).map(key).collect()
}

/// Mean orders a minute of each leaf: 0.05 to 12,000, evenly by magnitude, in any order.
pub(super) fn rates(rng: &mut SplitMix64) -> [f64; LEAVES] {
    let mut rates: [f64; LEAVES] = std::array::from_fn(|at| {
        let magnitude = (at as f64 + rng.unit()) / LEAVES as f64;
        0.05 * (magnitude * (12_000.0f64 / 0.05).ln()).exp()
    });
    for at in (1..LEAVES).rev() {
        rates.swap(at, rng.below(at as u64 + 1) as usize);
    }
    rates
}

/// Slices hit as a whole, and slices hit in part.
pub(super) fn touched(scope: Scope, rates: &[f64; LEAVES]) -> (Vec<usize>, Vec<usize>) {
    let (mut hit, mut all) = ([0.0; SLICES], [0.0; SLICES]);
    for (leaf, rate) in rates.iter().enumerate() {
        for slice in slices_of_leaf(leaf) {
            all[slice] += rate;
            hit[slice] += if scope.has(leaf) { *rate } else { 0.0 };
        }
    }
    let share = |slice: &usize| hit[*slice] / all[*slice];
    let whole = (0..SLICES).filter(|slice| share(slice) > 0.999_999).collect();
    let part = (0..SLICES).filter(|slice| (NOTICEABLE..=0.999_999).contains(&share(slice))).collect();
    (whole, part)
}
