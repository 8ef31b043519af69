//! Slices that are watched anew: what another detector has learnt of them is taken over.

use std::sync::Arc;

use super::Detector;
use crate::model::{Slice, SliceId};
use crate::simd::column::*;

impl Detector {
    /// The groupings that are watched and of which no minute was ever judged, though minutes were. A slice of them
    /// would learn for eight days.
    pub fn groupings_anew(&self) -> Vec<Vec<usize>> {
        let is_known = |at: usize| {
            let mut of_it = self.table.iter().filter(|(id, _)| self.table.grouping_at(*id) == at);
            of_it.any(|(id, _)| self.bank.get(id.index(), AGE) > 0.0)
        };
        let all = self.table.groupings().iter().enumerate();
        let anew = all.filter(|(at, _)| self.last.is_some() && !is_known(*at));
        anew.map(|(_, grouping)| grouping.clone()).collect()
    }

    /// Takes over the slices of `taught` of which it knows less itself, without drops and evidence. Gives how many.
    pub fn adopt(&mut self, taught: &Detector) -> usize {
        let slices: Vec<(SliceId, Arc<Slice>)> =
            taught.table.iter().map(|(id, slice)| (id, Arc::clone(slice))).collect();
        slices.iter().filter(|(from, slice)| self.adopt_slice(taught, *from, slice)).count()
    }

    fn adopt_slice(&mut self, taught: &Detector, from: SliceId, slice: &Slice) -> bool {
        let Some(id) = self.table.insert(slice.clone()) else { return false };
        self.grow();
        let (from, to) = (from.index(), id.index());
        if self.bank.get(to, AGE) >= taught.bank.get(from, AGE) {
            return false;
        }
        let (history, pool) = taught.profiles.save(from);
        if self.profiles.restore(to, &history, &pool).is_none() {
            return false;
        }
        self.bank.set_lane(to, &taught.bank.lane(from));
        self.bank.clear_evidence(to);
        if self.bank.get(to, OPEN) > 0.0 {
            let normal = self.bank.get(to, NORMAL);
            self.bank.set(to, OPEN, 0.0);
            self.bank.set_levels(to, normal);
        }
        if let Some(last) = self.last {
            // The other may have come to another half-hour.
            let local = self.clock.local(self.zone_of[to], last);
            self.look_up(to, local, local.sides());
        }
        true
    }
}
