//! A fall that may be a holiday: one that is declared, or one that nobody declared and that takes the whole shop
//! down little by little. Both are tickets.

use super::compose::BookContext;
use super::fall::Fall;
use super::life::News;
use super::recent::WINDOW_MINUTES;
use super::record::Because;
use super::scene::Scene;
use super::words;
use crate::model::Minute;

/// Fewer minutes since the onset don't tell a slope from a step.
const LEAST_MINUTES: i32 = 6;
/// The last third of the minutes since the onset lies so many standard deviations below the middle one …
const LAST_BELOW_MIDDLE: f64 = 2.0;
/// … and so many below the first.
const LAST_BELOW_FIRST: f64 = 3.0;
/// No holiday leaves less of what is usual.
const LEAST_LEFT: f64 = 0.3;

impl Fall {
    /// Whether it is a fall of the whole shop that comes little by little: an onset that lies a minute or two too early
    /// makes the first minutes of a step look better than the middle ones, never the middle better than the last.
    pub(super) fn begins_gradually(&self, scene: &Scene, onset: [Minute; 3]) -> bool {
        let now = scene.minute();
        let from = onset[1].max(now.plus(1 - WINDOW_MINUTES as i32));
        let third = (now.0 - from.0 + 1) / 3;
        if !self.shown.is_whole() || 3 * third < LEAST_MINUTES {
            return false;
        }
        // Part of what is expected that came, and its variance.
        let part = |ago: i32| {
            let last = now.plus(-ago * third);
            let window = scene.recent.between(&self.shown, last.plus(1 - third), last);
            let expected = window.expected.max(1e-9);
            (window.observed / expected, window.variance / (expected * expected))
        };
        let (last, middle, first) = (part(0), part(1), part(2));
        let below = |other: (f64, f64)| (other.0 - last.0) / (other.1 + last.1).sqrt().max(1e-9);
        below(middle) > LAST_BELOW_MIDDLE && below(first) > LAST_BELOW_FIRST
    }

    /// Whether it still looks like a day on which people don't buy.
    pub(super) fn is_like_a_holiday(&self, scene: &Scene, onset: [Minute; 3]) -> bool {
        let lately = self.lately(scene, onset);
        self.gradual && self.shown.is_whole() && lately.observed > LEAST_LEFT * lately.expected
    }

    /// What its first record was written for.
    pub(super) fn opens(&self, context: &BookContext) -> News {
        let name = self.declared.and_then(|entry| context.calendar.get(usize::from(entry)));
        match name {
            Some(name) => News::told(Because::Opened, format!("{}{}", words::DECLARED, words::escape(name))),
            None if self.gradual => News::told(Because::Opened, words::LIKE_A_HOLIDAY),
            None => News::plain(Because::Opened),
        }
    }
}
