//! What happens besides in a shop that is unlike the detector's model: things that last.

use super::plan::Plan;
use super::shop::{LEAVES, Scope, market_of};
use super::stage::Change;
use super::{DAY, Kind};
use crate::model::Rng;

impl Plan<'_> {
    /// Paydays, lasting shifts and migration between slices, before and while the shop is evaluated.
    pub(super) fn draw_unlike(&mut self) {
        for evaluated in [false, true] {
            let times = |in_three_weeks| if evaluated { self.times(in_three_weeks) } else { in_three_weeks };
            let (paydays, migrations, shifts) = (times(1), times(4), times(8));
            (0..paydays).for_each(|_| self.payday(evaluated));
            (0..migrations).for_each(|_| self.migration(evaluated));
            (0..shifts).for_each(|_| self.shift(evaluated));
        }
    }

    fn lasting_change(&mut self, leaf: usize, from: i32, rise: i32, factor: f32) {
        let scope = Scope::Leaf(leaf);
        self.changes.push(Change { scope, from, to: i32::MAX, rise, fall: 0, factor, amiss: false });
    }

    fn payday(&mut self, evaluated: bool) {
        let (lasts, fall) = (self.between(1800.0, 2880.0) as i32, self.between(60.0, 180.0) as i32);
        let from = self.minute(evaluated, lasts);
        let (scope, factor) = (Scope::Whole, self.between(1.2, 1.5) as f32);
        let to = from + lasts;
        self.changes.push(Change { scope, from, to, rise: 180, fall, factor, amiss: false });
        if evaluated {
            self.note(Kind::PaydayEnd, scope, to - fall, to + 240);
        }
    }

    /// Within two hours a part of one leaf's traffic moves to another of the same marketplace, for ever.
    fn migration(&mut self, evaluated: bool) {
        let from = self.any_leaf();
        let others: Vec<usize> =
            (0..LEAVES).filter(|leaf| *leaf != from && market_of(*leaf) == market_of(from)).collect();
        let to = others[self.rng.below(others.len() as u64) as usize];
        let share = self.between(0.2, 0.5);
        let at = if evaluated {
            let Some(at) = self.happen(Kind::Migration, Scope::Leaf(from), DAY, 0) else { return };
            at
        } else {
            self.minute(false, 0)
        };
        self.lasting_change(from, at, 120, 1.0 - share as f32);
        self.lasting_change(to, at, 120, 1.0 + (share * self.rates[from] / self.rates[to]) as f32);
    }

    /// A lasting rise or fall. A fall is an incident for a day, then the normal.
    fn shift(&mut self, evaluated: bool) {
        let leaf = self.any_leaf();
        let factor =
            if self.rng.below(3) == 0 { self.between(1.2, 1.5) } else { self.between(0.6, 0.85) } as f32;
        if !evaluated || factor > 1.0 {
            let at = self.minute(evaluated, 0);
            return self.lasting_change(leaf, at, 0, factor);
        }
        let scope = Scope::Leaf(leaf);
        if let Some(from) = self.happen(Kind::Shift, scope, DAY, 0) {
            self.changes.push(Change { scope, from, to: from + DAY, rise: 0, fall: 0, factor, amiss: true });
            self.lasting_change(leaf, from + DAY, 0, factor);
        }
    }
}
