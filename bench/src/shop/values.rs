//! The values of the four dimensions and how often each combination occurs.

/// Names of the dimensions.
pub(super) const NAMES: [&str; 4] = ["marketplace", "feature", "payment", "status"];

const MARKETPLACES: [&str; 12] = ["US", "DE", "UK", "JP", "FR", "IT", "ES", "IN", "CA", "BR", "MX", "AU"];
const FEATURES: [&str; 40] = [
    "cart", "buy", "gift", "express", "reorder", "search", "wish", "deals", "subs", "voice", "app", "list",
    "home", "again", "bundle", "outlet", "preorder", "trade", "refill", "club", "video", "music", "books",
    "fresh", "pantry", "toys", "games", "auto", "garden", "pets", "beauty", "health", "office", "kids",
    "shoes", "sport", "travel", "photo", "tools", "local",
];
const PAYMENTS: [&str; 6] = ["card", "paypal", "invoice", "wallet", "gift", "debit"];
const STATUSES: [&str; 3] = ["placed", "failed", "held"];
/// Combinations of all dimensions but the feature.
const PER_FEATURE: u32 = (MARKETPLACES.len() * PAYMENTS.len() * STATUSES.len()) as u32;

/// The dimensions' values; a combination is one number.
#[derive(Debug)]
pub(super) struct Values {
    values: [Vec<String>; 4],
    /// Weight of each value; empty where all are equally frequent.
    weights: [Vec<f64>; 4],
}

impl Values {
    /// The shop's own values, or as many features as make about `series` equally frequent combinations.
    pub(super) fn new(series: Option<u32>) -> Values {
        let owned = |list: &[&str]| list.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let features = match series {
            None => owned(&FEATURES),
            Some(series) => (0..series.div_ceil(PER_FEATURE)).map(|n| format!("feature-{n:05}")).collect(),
        };
        let values = [owned(&MARKETPLACES), features, owned(&PAYMENTS), owned(&STATUSES)];
        let zipf = |n: usize, s: f64| (1..=n).map(|rank| (rank as f64).powf(-s)).collect::<Vec<_>>();
        let weights = match series {
            None => [zipf(12, 1.0), zipf(40, 0.8), zipf(6, 0.7), vec![0.955, 0.035, 0.01]],
            Some(_) => [const { Vec::new() }; 4],
        };
        Values { values, weights }
    }

    /// How many combinations there are.
    pub(super) fn tuples(&self) -> u32 {
        self.values.iter().map(|values| values.len() as u32).product()
    }

    /// The weights of all combinations; empty where all are equally frequent.
    pub(super) fn tuple_weights(&self) -> Vec<f64> {
        if self.weights[0].is_empty() {
            return Vec::new();
        }
        let weight = |tuple: u32| {
            let picked = self.split(tuple).into_iter().zip(&self.weights);
            picked.map(|(at, weights)| weights[at]).product()
        };
        (0..self.tuples()).map(weight).collect()
    }

    /// The value of dimension `at` in a combination.
    pub(super) fn value(&self, split: [usize; 4], at: usize) -> &str {
        &self.values[at][split[at]]
    }

    /// Which value each dimension has in a combination.
    pub(super) fn split(&self, tuple: u32) -> [usize; 4] {
        let mut left = tuple as usize;
        let mut next = |at: usize| {
            let count = self.values[at].len();
            let value = left % count;
            left /= count;
            value
        };
        [next(0), next(1), next(2), next(3)]
    }
}
