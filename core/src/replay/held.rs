//! What a period would have brought: the detector learns up to it, then its levels stand still.
//!
//! A drop that nobody noticed draws the levels down with it. Asked afterwards, what was expected is what was
//! normal before.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Moment;
use crate::detect::{DetectKnobs, Detector};
use crate::impact::{Baskets, Loss, PerOrder};
use crate::model::{Completeness, Minute, SealedMinute, SealedRows, Slice, SliceId, StreamSpec};

/// Most slices that are judged at once.
const MOST_SLICES: usize = 20_000;

/// A detector whose levels stand still from an instant on, and what is missing since.
pub struct Held {
    spec: StreamSpec,
    asked: Slice,
    period: Range<Minute>,
    detector: Detector,
    baskets: Baskets,
    losses: BTreeMap<SliceId, Loss>,
    minutes: Vec<HeldMinute>,
    learnt: u64,
    /// The slice that was asked for, behind the period.
    after: Loss,
}

/// The slice that was asked for in a minute of the period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeldMinute {
    /// The minute.
    pub minute: Minute,
    /// Events counted; `None` without any data.
    pub observed: Option<i64>,
    /// Events expected; `None` while there is too little history.
    pub expected: Option<f64>,
    /// Believed fraction of its data that arrived.
    pub completeness: f64,
}

impl Held {
    /// Asks what `slice` of a stream would have had in a period. The groupings that the stream watches are
    /// looked at too if `all_watched`.
    ///
    /// # Errors
    /// A dimension that the stream has not, by name.
    pub fn new(
        spec: &StreamSpec,
        asked: Slice,
        period: Range<Minute>,
        all_watched: bool,
    ) -> Result<Held, String> {
        let names = spec.dimension_names();
        let at = |name: &String| names.iter().position(|own| own == name).ok_or_else(|| name.clone());
        let mut grouping = asked.0.keys().map(at).collect::<Result<Vec<usize>, String>>()?;
        grouping.sort_unstable();
        let mut watch = if all_watched { spec.watch.clone() } else { Vec::new() };
        // A slice that spans time zones expects what its parts expect, each in its own.
        let by_zone = spec.timezones.by.filter(|by| !grouping.contains(by)).map(|by| {
            let mut parts = grouping.clone();
            parts.push(by);
            parts.sort_unstable();
            parts
        });
        for grouping in std::iter::once(grouping).chain(by_zone) {
            if !watch.contains(&grouping) {
                watch.push(grouping);
            }
        }
        let spec = StreamSpec { watch, ..spec.clone() };
        let knobs = DetectKnobs { false_alarms_per_week: 1.0, max_slices: MOST_SLICES };
        Ok(Held {
            detector: Detector::new(&spec, &knobs),
            baskets: Baskets::default(),
            spec,
            asked,
            period,
            losses: BTreeMap::new(),
            minutes: Vec::new(),
            learnt: 0,
            after: Loss::default(),
        })
    }

    /// Lives through a minute; they come in ascending order.
    pub fn tell(&mut self, moment: &Moment) {
        let sealed = &moment.sealed;
        if sealed.minute < self.period.start {
            self.learnt += u64::from(!sealed.completeness.no_data);
            self.detector.judge(sealed);
            self.baskets.learn(&self.spec, sealed);
            return;
        }
        let still = SealedMinute {
            rows: SealedRows::default(),
            earlier: SealedRows::default(),
            completeness: Completeness::absent(),
            ..sealed.clone()
        };
        let verdicts = self.detector.judge(&still);
        let counts: BTreeMap<SliceId, i64> = self.detector.late(sealed).into_iter().collect();
        let known = &sealed.completeness;
        let asked = self.detector.slices().find(&self.asked);
        for mut verdict in verdicts {
            if !known.no_data {
                let observed = counts.get(&verdict.slice).copied().unwrap_or(0);
                let missing = (1.0 - known.fraction).max(0.0) * verdict.expected.unwrap_or(0.0);
                (verdict.observed, verdict.observed_max) = (Some(observed), Some(observed as f64 + missing));
            }
            if sealed.minute >= self.period.end {
                if Some(verdict.slice) == asked {
                    self.after.add(&verdict);
                }
                continue;
            }
            self.losses.entry(verdict.slice).or_default().add(&verdict);
            if Some(verdict.slice) == asked {
                self.minutes.push(HeldMinute {
                    minute: sealed.minute,
                    observed: verdict.observed,
                    expected: verdict.before_drop.filter(|_| verdict.expected.is_some()).or(verdict.expected),
                    completeness: known.fraction,
                });
            }
        }
    }

    /// What is missing of the slice that was asked for; `None` if it was never seen before the period.
    pub fn loss(&self) -> Option<&Loss> {
        self.losses.get(&self.detector.slices().find(&self.asked)?)
    }

    /// Events that came on top of what was expected in the minutes told behind the period, as far as that is more
    /// than chance, and not more than were missing: orders that were only delayed.
    pub fn recovered_later(&self) -> f64 {
        self.loss().map_or(0.0, |loss| loss.recovered_later(&self.after))
    }

    /// Its minutes.
    pub fn minutes(&self) -> &[HeldMinute] {
        &self.minutes
    }

    /// What an order of it brings, by currency.
    pub fn per_order(&self) -> BTreeMap<String, PerOrder> {
        self.baskets.per_order(&self.spec, &self.asked)
    }

    /// Customers whose orders were lost; `None` if too little is known of them.
    pub fn customers(&self) -> Option<[f64; 3]> {
        let loss = self.loss()?;
        self.baskets.customers(loss.orders(), loss.minutes)
    }

    /// All slices that were looked at, with what is missing of them.
    pub fn all(&self) -> impl Iterator<Item = (&Slice, &Loss)> {
        let table = self.detector.slices();
        self.losses.iter().filter_map(|(id, loss)| table.get(*id).map(|slice| (&**slice, loss)))
    }

    /// Minutes with data that were learnt from.
    pub fn learnt(&self) -> u64 {
        self.learnt
    }
}
