//! Orders lost over the minutes of an incident, with an interval.

use serde::{Deserialize, Serialize};

use super::PerOrder;
use crate::detect::{Drift, SliceVerdict};

/// How the figures are reckoned, in a sentence that stands beside them.
pub const METHOD: &str = "expected minus observed since the onset; 90 % interval from counting noise and from how \
                          far this slice's own totals over as long a time strayed from what was expected, its \
                          lower end allowing for what is known to be missing; once half an hour has passed since its \
                          end also by the level then; money by the slice's mean basket of \
                          the days before and how much baskets vary";

/// Half the width of a 90 % interval in standard deviations.
const Z90: f64 = 1.645;

/// Standard deviation of an edge of the incident, as a part of what it may be off by.
const EDGE: f64 = 0.6;

/// What comes on top is more than chance when it is so many standard deviations.
const SURE: f64 = 2.33;

// Measured on simulated shops (`ebbd-bench impact`, seeds other than those reported).
/// How much of the variance that totals have strayed by is the incident's: the level from before a drop was looked at
/// for longer than that which a span begins with.
const SHARED: f64 = 0.7;
/// What is left of it where the level after the incident is known too: a random walk that is held at both ends.
const HELD: f64 = 0.3;
/// By how much the level on the way follows that at the end: halfway, if it only wanders; more, as it also begins wrong.
const FOLLOWS: f64 = 0.55;
/// A level that came back elsewhere is the less sure: its variance grows by this part of the square of the move.
const MOVED: f64 = 0.5;
/// More than a level wanders by may be orders that were only delayed or a level that was too low all the time: this
/// part of it is the standard deviation that it brings.
const UNCLEAR: f64 = 0.6;
/// Beyond this part of what is usual nothing is said of the level.
const MOST_UNCLEAR: f64 = 0.8;
/// Variance of the level at the end, relative to that of its mean on the way.
const AT_END: f64 = 4.0;
/// Minutes of counts that a level is known from, at least.
const LEVEL_MINUTES: f64 = 240.0;
/// Variance of counts relative to Poisson: an incident's edges lie where chance made it look worse.
const CHANCE: f64 = 1.2;
/// Fewest minutes after an incident by which its level is judged.
const LEAST_AFTER: u32 = 15;

/// Sums over the minutes of an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// Minutes summed.
    pub minutes: u32,
    /// Minutes left out because there was no data.
    pub blind_minutes: u32,
    /// Events observed.
    pub observed: f64,
    /// Upper bound of events that happened but did not arrive.
    pub absent: f64,
    /// Events expected.
    pub expected: f64,
    /// Predictive variance of the minutes, as if their errors were not the same one.
    pub variance: f64,
    /// How far the total may stray.
    #[serde(default)]
    pub drift: Drift,
    /// Expected in the minutes without data.
    #[serde(default)]
    pub blind_expected: f64,
    /// Minutes that its beginning and its end may be off by.
    #[serde(default)]
    pub blurred_minutes: u32,
    /// What the minutes after it say of the level that it was measured against.
    #[serde(default)]
    pub settled: Option<Settled>,
}

/// The level of an incident as it is known once minutes after it have been seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// What was expected is multiplied by this.
    pub level: f64,
    /// Variance of that factor.
    pub variance: f64,
}

impl Loss {
    /// What a verdict says of the minutes since its onset; the spread of the present minute stands for all.
    pub fn since_onset(verdict: &SliceVerdict) -> Loss {
        let since = verdict.since_onset;
        let mut loss = Loss::default();
        loss.add(verdict);
        let minutes = since.minutes.max(1);
        Loss {
            minutes,
            observed: since.observed,
            expected: since.expected,
            variance: loss.variance * f64::from(minutes),
            blurred_minutes: verdict
                .onset
                .map_or(0, |[_, likeliest, latest]| (latest.0 - likeliest.0).max(0) as u32),
            ..loss
        }
    }

    /// Adds one minute; a minute without data or expectation is only counted as blind.
    pub fn add(&mut self, verdict: &SliceVerdict) {
        self.add_expected(
            verdict,
            verdict.before_drop.filter(|_| verdict.expected.is_some()).or(verdict.expected),
        );
    }

    /// Adds a minute after the end, by the level from before the incident.
    pub fn add_after(&mut self, verdict: &SliceVerdict) {
        self.add_expected(
            verdict,
            verdict.at_normal.filter(|_| verdict.expected.is_some()).or(verdict.expected),
        );
    }

    fn add_expected(&mut self, verdict: &SliceVerdict, expected: Option<f64>) {
        let (Some(observed), Some(expected)) = (verdict.observed, expected) else {
            self.blind_minutes += 1;
            self.blind_expected += expected.unwrap_or(0.0);
            return;
        };
        let observed = observed as f64;
        self.minutes += 1;
        self.observed += observed;
        self.expected += expected;
        self.absent += (verdict.observed_max.unwrap_or(observed) - observed).max(0.0);
        self.variance += variance(verdict);
        if !verdict.drift.is_unknown() {
            self.drift = verdict.drift;
        }
    }

    /// One of the minutes in it is known better than before.
    pub fn correct(&mut self, before: &SliceVerdict, now: &SliceVerdict) {
        let missing = |verdict: &SliceVerdict| match (verdict.observed, verdict.observed_max) {
            (Some(observed), Some(most)) => (most - observed as f64).max(0.0),
            _ => 0.0,
        };
        match (before.observed, now.observed) {
            (Some(then), Some(seen)) => {
                self.observed += (seen - then) as f64;
                self.absent = (self.absent + missing(now) - missing(before)).max(0.0);
            }
            (None, Some(_)) if self.blind_minutes > 0 => {
                self.blind_minutes -= 1;
                self.blind_expected = (self.blind_expected - before.expected.unwrap_or(0.0)).max(0.0);
                self.add(now);
            }
            _ => {}
        }
    }

    /// Variance of what would have come in all minutes together: that of counting, and what the slice's own
    /// totals over so long a time have strayed by.
    pub fn total_variance(&self) -> f64 {
        let rate = (self.usual() - self.observed).max(0.0) / f64::from(self.minutes.max(1));
        let edges = 3.0 * (EDGE * f64::from(self.blurred_minutes) * rate).powi(2);
        if self.drift.is_unknown() {
            return self.variance + edges;
        }
        let of_level =
            self.settled.map_or_else(|| self.wandered() + self.unsure(), |settled| settled.variance);
        CHANCE * self.expected.max(0.0) + of_level * self.expected * self.expected + edges
    }

    /// Expected at the level that is known by now.
    pub fn usual(&self) -> f64 {
        self.expected * self.settled.map_or(1.0, |settled| settled.level)
    }

    /// Relative variance by which the level may have wandered on the way.
    fn wandered(&self) -> f64 {
        SHARED * self.drift.over(f64::from(self.minutes))
    }

    /// Relative variance with which a level can be known where so few events come.
    fn unsure(&self) -> f64 {
        let rate = self.expected / f64::from(self.minutes.max(1));
        1.0 / (LEVEL_MINUTES * rate.max(0.02))
    }

    /// How far the minutes `after` it lie from what was expected at its level, relatively; the variance that the
    /// level at its end has, and that with which they say it. `None` if nothing can be said.
    fn came_back_at(&self, after: &Loss) -> Option<(f64, f64, f64)> {
        if self.drift.is_unknown() || after.expected <= 0.0 || after.minutes == 0 {
            return None;
        }
        let of_minutes = f64::from(self.drift.0[0]) / f64::from(after.minutes);
        let of_level = AT_END * self.wandered() + self.unsure();
        Some((after.observed / after.expected - 1.0, of_level, 1.0 / after.expected + of_minutes))
    }

    /// The incident is over, and these are the minutes `after` it: the level at its end is known too, and what was
    /// expected in between follows it. What is more than a level wanders by (orders that were only delayed, or a
    /// level that was too low) moves nothing, but makes less sure. Returns whether its interval is another one now.
    pub fn settle(&mut self, after: &Loss) -> bool {
        let Some((off, of_level, of_after)) = self.came_back_at(after) else { return false };
        if after.minutes < LEAST_AFTER {
            return false;
        }
        let (wandered, unsure) = (self.wandered(), self.unsure());
        if off.abs() > SURE * (of_level + of_after).sqrt() {
            let variance = wandered + unsure + (UNCLEAR * off).powi(2);
            let is_more = (0.0..MOST_UNCLEAR).contains(&off);
            self.settled = is_more.then_some(Settled { level: 1.0, variance });
            return is_more;
        }
        let said = of_level / (of_level + of_after);
        let held = wandered * (HELD * said + 1.0 - said) + unsure * (1.0 - 0.75 * said);
        let measured = 0.5 * (FOLLOWS * said).powi(2) * of_after;
        let moved = FOLLOWS * said * off;
        self.settled =
            Some(Settled { level: 1.0 + moved, variance: held + measured + MOVED * moved * moved });
        true
    }

    /// Orders lost: `[low, estimate, high]`, none negative.
    pub fn orders(&self) -> [f64; 3] {
        let estimate = self.usual() - self.observed;
        let spread = Z90 * self.total_variance().sqrt();
        let unseen = self.unseen();
        [estimate - self.absent - spread, estimate, estimate + unseen + spread].map(|orders| orders.max(0.0))
    }

    /// What may have been lost in minutes without data: as much of them as of the others.
    fn unseen(&self) -> f64 {
        let part = if self.usual() > 0.0 { 1.0 - self.observed / self.usual() } else { 0.0 };
        self.blind_expected * part.clamp(0.0, 1.0)
    }

    /// Events that came on top of what was expected in the minutes `after` it, as far as that is more than chance,
    /// and not more than were missing: orders that were only delayed.
    pub fn recovered_later(&self, after: &Loss) -> f64 {
        let missing = (self.usual() - self.observed).max(0.0);
        let surplus = after.observed - after.expected;
        let chance = match self.came_back_at(after) {
            Some((_, of_level, of_after)) => (of_level + of_after) * after.expected * after.expected,
            None => after.total_variance(),
        };
        if surplus > SURE * chance.sqrt() { surplus.min(missing) } else { 0.0 }
    }

    /// Money lost at such baskets, in major units: `[low, estimate, high]`, none negative. Its variance is that
    /// of the orders, of their baskets, and of what the mean basket is known with.
    pub fn money(&self, each: &PerOrder) -> [f64; 3] {
        let orders = self.usual() - self.observed;
        let lost = orders.max(0.0);
        let of_mean = if each.orders > 0.0 { lost * lost / each.orders } else { 0.0 };
        let variance = each.mean * each.mean * self.total_variance() + each.variance * (lost + of_mean);
        let (estimate, spread) = (orders * each.mean, Z90 * variance.sqrt());
        let [absent, unseen] = [self.absent, self.unseen()].map(|orders| orders * each.mean);
        [estimate - absent - spread, estimate, estimate + unseen + spread].map(|money| money.max(0.0))
    }
}

/// Predictive variance of one minute's count, read back from its 90 % band; never below Poisson.
pub fn variance(verdict: &SliceVerdict) -> f64 {
    let expected = verdict.expected.unwrap_or(0.0).max(0.0);
    match (verdict.low, verdict.high) {
        (Some(low), Some(high)) if high > low => ((high - low) / (2.0 * Z90)).powi(2).max(expected),
        _ => expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Drift, SinceOnset, Verdict};
    use crate::model::SliceId;

    fn verdict(observed: Option<i64>, expected: f64) -> SliceVerdict {
        SliceVerdict {
            slice: SliceId(0),
            verdict: Verdict::Drop,
            observed,
            observed_max: observed.map(|o| o as f64 + 1.0),
            expected: Some(expected),
            low: Some(expected - 16.45),
            high: Some(expected + 16.45),
            completeness: 1.0,
            evidence: 30.0,
            threshold: 17.0,
            onset: None,
            since_onset: SinceOnset { minutes: 4, observed: 40.0, expected: 400.0 },
            deep: true,
            recovering: false,
            escalated: false,
            drift: Drift::default(),
            declared: None,
            before_drop: None,
            at_normal: None,
        }
    }

    #[test]
    fn sums_orders_with_an_interval() {
        let mut loss = Loss::since_onset(&verdict(Some(10), 100.0));
        assert_eq!((loss.minutes, loss.observed, loss.expected, loss.absent), (4, 40.0, 400.0, 1.0));
        loss.add(&verdict(Some(10), 100.0));
        loss.add(&verdict(None, 100.0));
        assert_eq!((loss.minutes, loss.blind_minutes), (5, 1));
        let [low, estimate, high] = loss.orders();
        assert_eq!(estimate, 450.0);
        // Nine tenths were missing where something was seen: as much may be of the blind minute.
        let (unseen, spread) = (90.0, 1.645 * (5.0f64 * 100.0).sqrt());
        assert!((high - 450.0 - unseen - spread).abs() < 1e-9 && (450.0 - 2.0 - spread - low).abs() < 1e-9);
    }

    /// An hour at nothing of 100 a minute, by a level that strays by 3 %; then half an hour at so much of it.
    fn hour(came_back_at: f64) -> (Loss, Loss) {
        let mut loss = Loss { drift: Drift([0.001; 5]), ..Loss::default() };
        loss = Loss { minutes: 60, expected: 6000.0, ..loss };
        let after =
            Loss { minutes: 30, observed: 3000.0 * came_back_at, expected: 3000.0, ..Loss::default() };
        (loss, after)
    }

    #[test]
    fn the_level_after_it_holds_that_within_it() {
        let half = |loss: &Loss| loss.orders()[2] - loss.orders()[1];
        for (at, low, high) in [(1.0, 5999.0, 6001.0), (1.03, 6050.0, 6100.0), (0.97, 5900.0, 5950.0)] {
            let (mut loss, after) = hour(at);
            let before = half(&loss);
            assert!(loss.settle(&after) && (low..high).contains(&loss.orders()[1]), "{:?}", loss.orders());
            assert!(half(&loss) < 0.85 * before, "{} of {before}", half(&loss));
            assert_eq!(loss.recovered_later(&after), 0.0);
        }
    }

    #[test]
    fn what_no_level_wanders_by_says_nothing_of_it() {
        let (mut loss, after) = hour(0.5);
        let before = loss;
        assert!(!loss.settle(&after) && loss == before && loss.recovered_later(&after) == 0.0);
        let (mut loss, after) = hour(1.4);
        assert!((loss.recovered_later(&after) - 1200.0).abs() < 1e-6);
        assert!(loss.settle(&after));
        assert_eq!(loss.orders()[1], before.orders()[1]);
        assert!(
            loss.orders()[2] > 2.0 * before.orders()[2] - before.orders()[1],
            "delayed, or more was lost"
        );
        assert!((loss.recovered_later(&after) - 1200.0).abs() < 1e-6);
        let (mut loss, after) = hour(1.02);
        assert!(!loss.settle(&Loss { minutes: 14, ..after }), "too soon");
    }

    #[test]
    fn a_surplus_is_no_loss() {
        let mut loss = Loss::default();
        loss.add(&verdict(Some(1000), 100.0));
        assert_eq!(loss.orders(), [0.0; 3]);
    }
}
