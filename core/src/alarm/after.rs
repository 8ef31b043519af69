//! A drop that is over: half an hour later it is known better what it cost.
//!
//! In: the minutes after its end. Out: one piece of news, or none. Must not know: records.

use super::fall::Fall;
use super::life::{Life, News};
use super::recent::Window;
use super::record::Because;
use super::scene::Scene;
use super::words;
use crate::impact::Loss;

/// For so many minutes after its end delayed orders are looked for: as long as the alarm can be opened again.
const AFTER_MINUTES: i32 = 30;
/// Final figures are told when the estimate moves by this part of half the interval.
const WORTH_MOVING: f64 = 0.25;
/// Or when that becomes another one by this part.
const WORTH_ANOTHER: f64 = 0.1;

impl Fall {
    /// A minute after its end. Once, when no more of them are looked for, it is told which orders were only delayed,
    /// or what is known better by then: the level after the incident holds that within it from the other side.
    pub(super) fn watch_after(&mut self, life: &Life, scene: &Scene) -> Option<News> {
        let ended = life.ended?;
        if self.after.minutes + self.after.blind_minutes == 0 {
            let Window { minutes, observed, expected, variance } =
                scene.recent.between(&self.shown, ended, scene.minute().plus(-1));
            self.after = Loss { minutes, observed, expected, variance, ..Loss::default() };
        }
        match scene.verdict(&self.shown) {
            Some(verdict) => self.after.add_after(verdict),
            None => self.after.blind_minutes += 1,
        }
        if self.after_told || scene.minute().0 - ended.0 + 1 < AFTER_MINUTES {
            return None;
        }
        self.after_told = true;
        let later = self.recovered_later();
        let [before, after] = [self.loss.orders(), self.settled_orders()];
        if later >= 0.5 {
            let text = format!("{} came later: delayed, not lost", words::rough(later));
            return Some(News::told(Because::Update, text));
        }
        let half = |[_, estimate, high]: [f64; 3]| high - estimate;
        let moved = (after[1] - before[1]).abs() > WORTH_MOVING * half(before);
        let other = (half(after) - half(before)).abs() > WORTH_ANOTHER * half(before);
        let worth = (moved || other) && before[1] >= 0.5;
        worth.then(|| News::told(Because::Update, format!("final figures, {AFTER_MINUTES} min later")))
    }

    /// Orders lost, by the level after its end as well.
    fn settled_orders(&mut self) -> [f64; 3] {
        if !self.stays {
            self.loss.settle(&self.after);
        }
        self.loss.orders()
    }

    /// Orders that came after its end on top of what was expected.
    pub(super) fn recovered_later(&self) -> f64 {
        if self.after_told { self.loss.recovered_later(&self.after) } else { 0.0 }
    }
}
