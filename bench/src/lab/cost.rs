//! What incidents cost, as the alarms' last records say, against what was really lost.
//!
//! In: trials in which incidents take orders away. Out: per alarm the truth, the interval that was told, and how
//! wide that of an oracle would be that knows the true mean. Must not know: arguments, tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use ebbd_core::alarm::block::instant;
use ebbd_core::alarm::{AlarmRecord, Kind, State};
use ebbd_core::detect::DetectKnobs;
use ebbd_core::judge::{Judge, JudgeContext};
use ebbd_core::model::{
    Minute, Money, Rng, SealedMinute, SealedRows, SeriesKey, Slice, SplitMix64, StreamSpec, SumSpec, TimeUs,
    View,
};
use ebbd_core::simulate::trial::{Happening, LEAVES, SLICES, Trial, TrialSpec, slices_of_leaf};

use super::BUDGET;
use super::bound::dispersion;

/// Minutes around an alarm in which orders that were lost are its own.
const AROUND: i32 = 60;
/// Spread of the logarithm of a basket: a tenth of the orders bring two fifths of the money.
const TAIL: f64 = 1.0;
/// Half the width of a 90 % interval in standard deviations.
const Z90: f64 = 1.645;
/// Minutes over which the oracle knows how counts scatter.
const SCATTER: usize = 16;

/// One figure of one alarm.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// What was really lost.
    pub truth: f64,
    /// Low, estimate, high.
    pub interval: [f64; 3],
    /// Half the width of an oracle's interval.
    pub oracle: f64,
}

/// One alarm.
#[derive(Clone, Debug)]
pub struct Case {
    /// Slice and times, for a person.
    pub what: String,
    /// Minutes that orders were lost in.
    pub minutes: i32,
    /// Mean orders a minute of the slice.
    pub rate: f64,
    /// Orders.
    pub orders: Told,
    /// Money of the slice's first currency.
    pub money: Option<Told>,
}

impl Told {
    /// Whether the truth lies in the interval.
    pub fn covers(&self) -> bool {
        // Figures are told in whole orders and cents.
        (self.interval[0] - 0.5..=self.interval[2] + 0.5).contains(&self.truth)
    }

    /// Half the width of the interval; the lower end stops at nothing lost, so it is that of the upper.
    pub fn half_width(&self) -> f64 {
        self.interval[2] - self.interval[1]
    }
}

/// The shop with money.
struct Till<'a> {
    trial: &'a Trial,
    lost: &'a [Vec<u32>],
    spec: StreamSpec,
    /// By the key of a leaf: the leaf, its key with its currency, its mean basket.
    leaves: BTreeMap<Arc<SeriesKey>, (usize, Arc<SeriesKey>, f64)>,
}

/// The cases of a trial.
pub fn cases(spec: TrialSpec) -> Vec<Case> {
    let (trial, lost) = Trial::with_lost(spec);
    let till = Till::new(&trial, &lost);
    let knobs = DetectKnobs { false_alarms_per_week: BUDGET * SLICES as f64, max_slices: SLICES };
    let context = JudgeContext {
        host: "lab".to_owned(),
        view: View::Whole,
        config_hash: String::new(),
        knobs,
        http_url: None,
        funnels: Default::default(),
        calendar: Vec::new(),
    };
    let mut judge = Judge::new(Arc::from([till.spec.clone()]), context);
    let mut last: BTreeMap<u64, AlarmRecord> = BTreeMap::new();
    for minute in 0..trial.spec.minutes() {
        let sealed = till.sealed(minute);
        if minute < trial.spec.evaluated_from() {
            judge.learn(&sealed);
            continue;
        }
        let judged = judge.judge(&sealed, sealed.sealed_at);
        last.extend(judged.records.into_iter().map(|record| (record.no, record)));
    }
    let over = |record: &&AlarmRecord| record.kind == Kind::Drop && record.state == State::Resolved;
    last.values().filter(over).filter_map(|record| till.case(record)).collect()
}

impl<'a> Till<'a> {
    fn new(trial: &'a Trial, lost: &'a [Vec<u32>]) -> Till<'a> {
        let sum = SumSpec {
            name: "amount".to_owned(),
            field: "amount".to_owned(),
            scale: 2,
            currency: Some("currency".to_owned()),
        };
        let spec = StreamSpec { sums: vec![sum], ..trial.stream.clone() };
        let mut rng = SplitMix64::new(trial.spec.seed ^ 0x6d6f_6e65);
        let mut leaves = BTreeMap::new();
        for (leaf, key) in trial.keys().iter().enumerate() {
            let currency = match &*key.dimensions[0] {
                "US" => "USD",
                "UK" => "GBP",
                "JP" => "JPY",
                _ => "EUR",
            };
            let with = SeriesKey { currencies: Box::new([Arc::from(currency)]), ..(**key).clone() };
            let basket = 35.0 * (0.5 * normal(&mut rng)).exp();
            leaves.insert(Arc::clone(key), (leaf, Arc::new(with), basket));
        }
        Till { trial, lost, spec, leaves }
    }

    /// Cents that so many orders of a leaf bring; the same each time it is asked.
    fn money(&self, leaf: usize, basket: f64, orders: u32, minute: i32, purpose: u64) -> f64 {
        let place = (leaf as u64) << 40 | (minute as u64) << 8 | purpose;
        let mut rng = SplitMix64::new(self.trial.spec.seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        rng.next_u64();
        let middle = basket * (-0.5 * TAIL * TAIL).exp();
        if orders <= 200 {
            return (0..orders).map(|_| middle * (TAIL * normal(&mut rng)).exp()).sum();
        }
        let deviation = basket * ((TAIL * TAIL).exp() - 1.0).sqrt();
        (f64::from(orders) * basket + f64::from(orders).sqrt() * deviation * normal(&mut rng)).max(0.0)
    }

    fn sealed(&self, minute: i32) -> SealedMinute {
        let plain = self.trial.sealed(minute);
        let mut rows = SealedRows::with_shape(1, 0, LEAVES);
        for row in &plain.rows {
            let (leaf, key, basket) = &self.leaves[row.key];
            let cents = 100.0 * self.money(*leaf, *basket, row.count as u32, minute, 1);
            rows.add(Arc::clone(key), row.count, std::iter::once(Money(cents.round() as i64)), |_, _| {});
        }
        SealedMinute { rows, ..plain }
    }

    fn case(&self, record: &AlarmRecord) -> Option<Case> {
        let start = self.trial.spec.start();
        let at = |text: &str| minute(text).map(|minute| minute.0 - start.0);
        let (onset, ended) = (at(&record.onset.as_ref()?[1])?, at(record.ended.as_ref()?)?);
        // What is taken as the new normal goes on being lost, but the record says through when it counts.
        let is_cut = record.reason.as_ref().is_some_and(|reason| reason.contains("new normal"));
        let to = if is_cut { ended } else { (ended + AROUND).min(self.trial.spec.minutes()) };
        let minutes = (onset - AROUND).max(0)..to;
        let slice = self.trial.slices.iter().position(|slice| *slice == record.slice)?;
        // Of a slice that was only hit in part nothing is asked: it was not what happened.
        let is_hit =
            |happening: &&Happening| happening.kind.is_incident() && happening.slices.contains(&slice);
        let meets = |happening: &Happening| happening.from < ended && onset < happening.to;
        if !self.trial.happenings.iter().filter(is_hit).any(meets) {
            return None;
        }
        let of_slice = |leaf: &usize| slices_of_leaf(*leaf).contains(&slice);
        let leaves: Vec<usize> = (0..LEAVES).filter(of_slice).collect();
        let lost_in = |minute: i32| -> u64 {
            leaves.iter().map(|leaf| u64::from(self.lost[*leaf][minute as usize])).sum()
        };
        let bad: Vec<i32> = minutes.filter(|minute| lost_in(*minute) > 0).collect();
        let truth = bad.iter().map(|minute| lost_in(*minute)).sum::<u64>() as f64;
        let window = *bad.first()?..*bad.last()? + 1;
        let spread = self.oracle_variance(slice, window.clone());
        let lost = record.lost.as_ref()?;
        let orders = Told { truth, interval: lost.orders?, oracle: Z90 * spread.sqrt() };
        let means = &self.trial.normal[slice][window.start as usize..window.end as usize];
        Some(Case {
            what: format!(
                "{} {}: told {onset} to {ended}, was {} to {}; {}",
                record.title,
                slice_text(&record.slice),
                window.start,
                window.end,
                record.reason.as_deref().unwrap_or_default()
            ),
            minutes: window.end - window.start,
            rate: means.iter().map(|mean| f64::from(*mean)).sum::<f64>() / means.len() as f64,
            orders,
            money: self.money_case(&leaves, &bad, lost.amount.iter().next(), spread, truth),
        })
    }

    fn money_case(
        &self,
        leaves: &[usize],
        bad: &[i32],
        told: Option<(&String, &[f64; 3])>,
        orders_variance: f64,
        lost: f64,
    ) -> Option<Told> {
        let (currency, interval) = told?;
        let (mut truth, mut usual, mut squares) = (0.0, 0.0, 0.0);
        for (leaf, key, basket) in self.leaves.values().filter(|(leaf, ..)| leaves.contains(leaf)) {
            if *key.currencies[0] != **currency {
                continue;
            }
            for minute in bad {
                let orders = self.lost[*leaf][*minute as usize];
                truth += self.money(*leaf, *basket, orders, *minute, 2);
                usual += f64::from(orders) * basket;
                squares += f64::from(orders) * basket * basket * (TAIL * TAIL).exp();
            }
        }
        let mean = usual / lost.max(1.0);
        let variance = mean * mean * orders_variance + (squares - lost * mean * mean).max(0.0);
        Some(Told { truth, interval: *interval, oracle: Z90 * variance.sqrt() })
    }

    /// Variance of what would have come, to whom the mean is known.
    fn oracle_variance(&self, slice: usize, window: std::ops::Range<i32>) -> f64 {
        let (from, to) = (window.start as usize, window.end as usize);
        let counts = &self.trial.counts[slice];
        let same = |minute: usize| self.trial.normal[slice][minute] == self.trial.actual[slice][minute];
        let free: Vec<bool> = (0..counts.len()).map(same).collect();
        let scatter = dispersion(counts, &self.trial.actual[slice], &free, SCATTER);
        let means = self.trial.normal[slice][from..to].iter().map(|mean| f64::from(*mean));
        means.map(|mean| mean + scatter * mean * mean).sum()
    }
}

fn slice_text(slice: &Slice) -> String {
    slice.0.iter().map(|(dimension, value)| format!("{dimension}={value}")).collect::<Vec<_>>().join(",")
}

fn minute(text: &str) -> Option<Minute> {
    instant(text).map(TimeUs::minute)
}

fn normal(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.unit()).cos()
}
