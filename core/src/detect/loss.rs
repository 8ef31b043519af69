//! What is missing of a minute: known loss widens the verdict, it never silences it.

use serde::{Deserialize, Serialize};

use crate::baseline::exact;
use crate::model::Completeness;

/// A minute of which more than this is missing is not learnt from.
const LEARNS_BELOW: f64 = 0.05;
/// Per-minute gain of the usual number of rejected lines: half-life about a day.
const REJECTED_GAIN: f64 = 1.0 / 2077.0;
/// What the completeness says beyond the named losses counts from here on.
const UNNAMED_FROM: f64 = 0.005;

/// Learns how many lines are usually rejected, so that a jump is told from the daily rubbish.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct LossModel {
    #[serde(with = "exact")]
    usual_rejected: f64,
    minutes: u64,
}

/// What is missing of one minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Missing {
    /// Relative to the expectation of any slice.
    pub of_expected: f64,
    /// Whether the minute is complete enough to learn from, and to resolve anything.
    pub learns: bool,
}

impl LossModel {
    /// What is missing of a minute in which `counted` watched events came and `expected` were expected.
    pub(super) fn of(&mut self, completeness: &Completeness, counted: f64, expected: f64) -> Missing {
        if completeness.no_data {
            return Missing { of_expected: 0.0, learns: false };
        }
        let dropped = completeness.dropped as f64 + self.rejection_jump(completeness.rejected as f64);
        let dropped_share = dropped / (counted + dropped).max(1.0);
        let unnamed = 1.0 - completeness.fraction.clamp(0.0, 1.0) - dropped_share;
        let unnamed = if unnamed > UNNAMED_FROM { unnamed } else { 0.0 };
        let share = completeness.missing_share().max(unnamed);
        Missing {
            of_expected: share + dropped / expected.max(1.0),
            learns: share <= LEARNS_BELOW && dropped_share <= LEARNS_BELOW,
        }
    }

    /// Whether so many rejected lines in a minute are nothing new.
    pub(super) fn is_usual(&self, rejected: u64) -> bool {
        rejected as f64 <= margin(self.usual_rejected)
    }

    /// Rejected lines beyond the usual number. A lasting change becomes usual within days.
    fn rejection_jump(&mut self, rejected: f64) -> f64 {
        self.minutes += 1;
        let usual = self.usual_rejected;
        let gain = REJECTED_GAIN.max(1.0 / self.minutes as f64);
        let calm = if self.minutes > 1 { rejected.min(3.0 * usual + 10.0) } else { rejected };
        self.usual_rejected += gain * (calm - usual);
        let margin = margin(usual);
        if self.minutes > 1 && rejected > margin { rejected - usual } else { 0.0 }
    }
}

/// So many rejected lines are daily rubbish.
fn margin(usual: f64) -> f64 {
    2.0 * usual + 3.0 * usual.sqrt() + 3.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MissingOrigin, TimeUs};

    fn rejected(rejected: u64) -> Completeness {
        Completeness { rejected, ..Completeness::whole() }
    }

    #[test]
    fn whole_minutes_miss_nothing_and_usual_rubbish_is_no_loss() {
        let mut model = LossModel::default();
        for minute in 0..500u64 {
            let missing = model.of(&rejected(20 + minute % 7), 1000.0, 1000.0);
            assert_eq!(missing, Missing { of_expected: 0.0, learns: true });
        }
        let jump = model.of(&rejected(700), 300.0, 1000.0);
        assert!(jump.of_expected > 0.6 && !jump.learns, "{jump:?}");
    }

    #[test]
    fn silent_origins_and_dropped_events_widen() {
        let mut model = LossModel::default();
        let missing = vec![MissingOrigin { origin: "a".to_owned(), since: TimeUs(0), share: 0.3 }];
        let silent = Completeness { fraction: 0.7, missing, ..Completeness::whole() };
        let seen = model.of(&silent, 700.0, 1000.0);
        assert!((seen.of_expected - 0.3).abs() < 1e-9 && !seen.learns);
        let dropped = Completeness { dropped: 1, fraction: 0.999, ..Completeness::whole() };
        assert_eq!(model.of(&dropped, 999.0, 1000.0), Missing { of_expected: 0.001, learns: true });
        let table = Completeness { fraction: 0.5, ..Completeness::whole() };
        assert_eq!(model.of(&table, 500.0, 1000.0), Missing { of_expected: 0.5, learns: false });
    }
}
