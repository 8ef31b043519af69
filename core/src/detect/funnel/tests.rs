//! A simulated shop whose shipments follow its orders, after minutes to hours.

use super::*;
use crate::model::{FunnelDimension, Rng, SplitMix64, StreamId};

const BEGIN: Minute = Minute(29_900_000);
const DAY: i32 = 1440;

fn spec() -> FunnelSpec {
    let by = FunnelDimension { name: "marketplace".to_owned(), from: 0, to: 0 };
    FunnelSpec {
        name: "shipped".to_owned(),
        from: StreamId(0),
        to: StreamId(1),
        by: vec![by],
        within_min: 240,
    }
}

fn detector() -> FunnelDetector {
    let knobs = DetectKnobs { false_alarms_per_week: 1.0, max_slices: 1_000 };
    FunnelDetector::new(spec(), &StreamSpec::example(), &knobs)
}

pub(crate) fn sealed_of_funnel(stream: u16, minute: Minute, counts: [i64; 2]) -> SealedMinute {
    let key = |market: &str| {
        Arc::new(SeriesKey {
            dimensions: [market, "", "", "placed"].map(Arc::from).into(),
            currencies: Box::default(),
            watched: true,
        })
    };
    let row = |(market, count): (&str, i64)| SealedRow {
        key: key(market),
        count,
        sums: Box::default(),
        sketches: Box::default(),
    };
    SealedMinute {
        stream: StreamId(stream),
        minute,
        revision: 0,
        rows: ["DE", "US"].into_iter().zip(counts).map(row).collect(),
        earlier: SealedRows::default(),
        completeness: Completeness::whole(),
        sources: Vec::new(),
        sealed_at: minute.end(),
    }
}

/// The shop: orders swing by day and wander, 90 % are shipped after 5 to 180 minutes.
pub(crate) struct FunnelShop {
    rng: SplitMix64,
    /// Shipments to come, by minute from now.
    due: VecDeque<[f64; 2]>,
}

impl FunnelShop {
    pub(crate) fn new(seed: u64) -> FunnelShop {
        FunnelShop { rng: SplitMix64::new(seed), due: VecDeque::from(vec![[0.0; 2]; 240]) }
    }

    fn poisson(&mut self, mean: f64) -> i64 {
        // The sum of uniforms is near enough to normal, and rounding keeps it a count.
        let normal = (0..12).map(|_| self.rng.unit()).sum::<f64>() - 6.0;
        (mean + mean.sqrt() * normal).round().max(0.0) as i64
    }

    /// Orders and shipments of a minute; `orders` and `shipped` are what is left of either, DE and US.
    pub(crate) fn minute(&mut self, at: i32, orders: f64, shipped: [f64; 2]) -> ([i64; 2], [i64; 2]) {
        let swing = 1.0 + 0.6 * (f64::from(at) * std::f64::consts::TAU / f64::from(DAY)).sin();
        let came = [40.0, 120.0].map(|rate| self.poisson(rate * swing * orders));
        for (lag, share) in [(6, 0.2), (30, 0.3), (60, 0.2), (120, 0.1), (180, 0.1)] {
            let spread = lag - lag / 3..lag + lag / 3;
            let each = share / spread.len() as f64;
            for due in self.due.range_mut(spread) {
                (0..2).for_each(|market| due[market] += each * came[market] as f64);
            }
        }
        let due = self.due.pop_front().unwrap();
        self.due.push_back([0.0; 2]);
        let follow = [0, 1].map(|market| self.poisson(due[market] * shipped[market]));
        (came, follow)
    }
}

/// Runs some days; from the last `hours` on `what` changes. Returns how many rows say `drop`, by slice, and the
/// minutes until the first does.
fn run(seed: u64, hours: i32, orders: f64, shipped: [f64; 2]) -> (BTreeMap<String, usize>, Option<i32>) {
    let (mut shop, mut detector) = (FunnelShop::new(seed), detector());
    let change = 6 * DAY + 600;
    let (mut drops, mut first) = (BTreeMap::new(), None);
    for at in 0..change + hours * 60 {
        let (orders, shipped) = if at >= change { (orders, shipped) } else { (1.0, [1.0; 2]) };
        let (came, follow) = shop.minute(at, orders, shipped);
        let minute = BEGIN.plus(at);
        let mut judged = detector.take(&sealed_of_funnel(1, minute, follow));
        judged.extend(detector.take(&sealed_of_funnel(0, minute, came)));
        for (slice, _) in
            judged.iter().flat_map(|judged| &judged.rows).filter(|(_, v)| v.verdict == Verdict::Drop)
        {
            *drops.entry(slice.to_string()).or_default() += 1;
            first = first.or(Some(at - change));
        }
    }
    (drops, first)
}

#[test]
fn shipments_that_do_not_come_are_a_drop_of_their_slice() {
    let (drops, first) = run(1, 2, 1.0, [1.0, 0.1]);
    assert!(first.is_some_and(|first| (0..=6).contains(&first)), "{first:?} {drops:?}");
    assert!(drops.keys().any(|slice| slice.contains("US")), "{drops:?}");
    assert!(!drops.keys().any(|slice| slice.contains("DE")), "{drops:?}");
}

#[test]
fn fewer_orders_bring_fewer_shipments_and_that_is_no_drop() {
    for seed in 20..26 {
        let (drops, _) = run(seed, 12, 0.3, [1.0; 2]);
        assert!(drops.is_empty(), "{drops:?}");
    }
}

#[test]
fn a_calm_week_has_no_drop() {
    for seed in 5..8 {
        assert_eq!(run(seed, 30, 1.0, [1.0; 2]).1, None);
    }
}

#[test]
fn goes_on_from_a_saved_state_as_if_nothing_had_been() {
    let names = |stream: StreamId| format!("stream-{}", stream.0);
    let (mut shop, mut one) = (FunnelShop::new(9), detector());
    let mut other = detector();
    for at in 0..4 * DAY {
        let (came, follow) = shop.minute(at, 1.0, if at > 3 * DAY + 700 { [1.0, 0.4] } else { [1.0; 2] });
        let minute = BEGIN.plus(at);
        let (early, late) = (sealed_of_funnel(0, minute, came), sealed_of_funnel(1, minute, follow));
        let said = (one.take(&early), one.take(&late));
        if at % 977 == 500 {
            // In the middle of a minute, too: one stream has it and the other has not.
            let mut fresh = detector();
            other.take(&early);
            let text = serde_json::to_string(&other.save(&names)).unwrap();
            fresh.restore(&serde_json::from_str(&text).unwrap(), &names).unwrap();
            other = fresh;
        } else {
            other.take(&early);
        }
        let again = other.take(&late);
        assert!(said.0.is_empty());
        let rows = |judged: &[FunnelMinute]| judged.iter().map(|j| j.rows.clone()).collect::<Vec<_>>();
        assert_eq!(rows(&said.1), rows(&again), "minute {at}");
    }
}

#[test]
fn a_stream_that_is_far_ahead_waits_within_its_bound() {
    let mut detector = detector();
    for at in 0..3 * MOST_AHEAD as i32 {
        detector.take(&sealed_of_funnel(1, BEGIN.plus(at), [1, 1]));
    }
    assert!(detector.waiting.len() <= MOST_AHEAD + 1);
}
