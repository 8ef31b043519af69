//! What a person was last told of an alarm, and whether what is known now is news.

use serde::{Deserialize, Serialize};

use super::fall::Fall;
use super::life::Life;
use super::scene::Scene;
use crate::model::{Minute, Slice};

/// Fresh figures are told this often at first, later after every sixth of the alarm's age.
const REPEAT_MINUTES: i32 = 5;
/// See [`REPEAT_MINUTES`].
const REPEAT_SHARE: i32 = 6;
/// A change of the percentage by so many points is news.
const POINTS: f64 = 10.0;
/// And by so many standard deviations.
const CHANCE: f64 = 3.0;
/// The loss per minute is worse when it has grown by this factor.
const WORSE: f64 = 1.25;

/// The figures of the last record that a person would compare with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) minute: Minute,
    /// Minutes since the onset.
    age: i32,
    shown: Slice,
    /// The causes named; the shown slice where there are none.
    pub(super) about: Vec<Slice>,
    /// Orders lost per minute, over the last minutes.
    pub(super) rate: f64,
    /// Orders lost so far.
    lost: f64,
    /// How far below expectation, 0 to 100.
    percent: f64,
    /// Its standard deviation.
    percent_error: f64,
    missing: Vec<String>,
    suspect: Option<String>,
}

impl Told {
    /// What would be told now.
    pub(super) fn of(fall: &Fall, life: &Life, scene: &Scene) -> Told {
        let lately = fall.lately(scene, life.onset);
        let percent = |part: f64| if lately.expected > 0.0 { 100.0 * part / lately.expected } else { 0.0 };
        let mut missing: Vec<String> =
            scene.sealed.completeness.missing.iter().map(|m| m.origin.clone()).collect();
        missing.sort();
        let suspects = scene.marks.near(life.onset, &fall.shown);
        Told {
            minute: scene.minute(),
            age: scene.minute().0 - life.onset[1].0,
            shown: fall.shown.clone(),
            about: about(fall),
            rate: lately.loss_rate(),
            lost: fall.loss.orders()[1],
            percent: percent(lately.expected - lately.observed),
            percent_error: percent(lately.variance.sqrt()),
            missing,
            suspect: suspects.changes.first().map(|c| format!("{} {} {}", c.kind, c.what, c.at)),
        }
    }

    /// Whether the loss per minute has clearly grown since.
    pub(super) fn is_worse(&self, rate: f64) -> bool {
        rate >= WORSE * self.rate
    }

    /// Whether a person would see the difference: another slice, suspect or missing source, ten points
    /// worse (beyond chance), twice the loss, or some minutes passed. That it gets better is told when it
    /// recovers: the percentage looks back some minutes and would say less each minute until then.
    pub(super) fn differs(&self, now: &Told) -> bool {
        self.shown != now.shown
            || self.suspect != now.suspect
            || self.missing != now.missing
            || now.percent - self.percent >= POINTS.max(CHANCE * self.percent_error.hypot(now.percent_error))
            || now.lost >= 2.0 * self.lost.max(1.0)
            || now.minute.0 - self.minute.0 >= REPEAT_MINUTES.max(now.age / REPEAT_SHARE)
    }
}

fn about(fall: &Fall) -> Vec<Slice> {
    if fall.causes.is_empty() {
        return vec![fall.shown.clone()];
    }
    fall.causes.iter().map(|cause| cause.slice.clone()).collect()
}
