//! Slices that are left over when an alarm ends: what it was about is back, but too few orders come in them to tell.
//!
//! They stay quiet until the detector lets go of them, or until it is seen that since then orders are missing.

use serde::{Deserialize, Serialize};

use super::book::{AlarmBook, Matter};
use super::fall::Fall;
use super::life::Life;
use super::record::State;
use super::scene::Scene;
use crate::baseline::exact;
use crate::detect::Verdict;
use crate::impact::variance;
use crate::model::Slice;

/// So long what an alarm is about has to be back before it ends without them.
pub(super) const BACK_MINUTES: i32 = 10;
/// Most slices that are left over at a time; an alarm that would leave more waits for them.
const MOST: usize = 4096;
/// Since then a slice misses so many standard deviations: it is down on its own account.
const DOWN: f64 = 4.0;

/// A slice that is left over, with what it had since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Linger {
    /// The key of the alarm, up to its slice.
    about: String,
    slice: Slice,
    #[serde(with = "exact")]
    missing: f64,
    #[serde(with = "exact")]
    variance: f64,
}

impl AlarmBook {
    /// One more minute of the slices that are left over: those that are back, or visibly not, are so no longer.
    pub(super) fn linger(&mut self, scene: &Scene) {
        self.pages.lingering.retain_mut(|linger| {
            if linger.about != about(scene) {
                return true;
            }
            let Some(verdict) = scene.verdict(&linger.slice) else { return false };
            if let (Some(observed), Some(expected)) = (verdict.observed, verdict.expected) {
                linger.missing += expected - observed as f64;
                linger.variance += variance(verdict);
            }
            let is_down =
                linger.missing > DOWN * linger.variance.sqrt() && linger.missing >= scene.spec.min_loss;
            let is_open = !matches!(verdict.verdict, Verdict::Ok | Verdict::Learning);
            is_open && !verdict.escalated && !is_down
        });
    }

    /// Whether a slice is left over from an alarm that is over.
    pub(super) fn lingers(&self, slice: &Slice, scene: &Scene) -> bool {
        self.pages.lingering.iter().any(|linger| linger.slice == *slice && linger.about == about(scene))
    }

    /// Whether so many more may be left over.
    pub(super) fn has_room_to_linger(&self, slices: usize) -> bool {
        self.pages.lingering.len() + slices <= MOST
    }

    /// Keeps the slices that an alarm which has just ended leaves over.
    pub(super) fn leave_over(&mut self, (life, matter): (&Life, &Matter), scene: &Scene) {
        let Matter::Fall(fall) = matter else { return };
        if life.state != State::Resolved {
            return;
        }
        let open =
            fall.slices().filter(|slice| scene.verdict(slice).is_some_and(|v| v.verdict == Verdict::Drop));
        let new =
            |slice: &Slice| Linger { about: about(scene), slice: slice.clone(), missing: 0.0, variance: 0.0 };
        let left: Vec<Linger> = open.map(new).collect();
        self.pages.lingering.extend(left);
    }
}

impl Fall {
    /// Whether what it is about has been back for long enough, and nothing that is still open misses orders since.
    pub(super) fn is_back(&self, scene: &Scene) -> bool {
        let Some((since, _)) = &self.recovery else { return false };
        let whole =
            scene.verdict(&self.shown).is_some_and(|v| v.verdict == Verdict::Ok && v.before_drop.is_none());
        let down = |slice: &Slice| scene.recent.between(slice, *since, scene.minute()).is_down(DOWN);
        whole && scene.minute().0 - since.0 >= BACK_MINUTES && !self.slices().any(down)
    }
}

fn about(scene: &Scene) -> String {
    format!("{}/{}", scene.subject.kind.name(), scene.subject.name)
}
