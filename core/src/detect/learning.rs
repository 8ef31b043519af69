//! What a detector learns of the week: half-hours that have ended enter the profile.

use super::Detector;
use crate::baseline::{BUCKETS, LocalTime};
use crate::model::{Minute, SliceId};
use crate::simd::column::*;

/// Minutes that a half-hour must have to enter the profile.
const LEAST_BUCKET_MINUTES: f32 = 10.0;

impl Detector {
    /// Minutes of data that the slice which was found last still needs before it is judged; `None` if all are.
    pub fn minutes_to_learn(&self) -> Option<u32> {
        let slices = self.table.iter().map(|(id, _)| id.index()).filter(|slice| !self.bank.is_learnt(*slice));
        slices.map(|slice| (LEARNT_AGE - self.bank.get(slice, AGE)).max(0.0) as u32 + 1).max()
    }

    /// Local time goes on: finished half-hours enter the profile, new sides are looked up.
    pub(super) fn tick(&mut self, minute: Minute) {
        let ticks = self.clock.advance(minute);
        if ticks.iter().all(|tick| tick.ended.is_none() && tick.sides.is_none()) {
            return;
        }
        for slice in 0..self.zone_of.len() {
            let zone = self.zone_of[slice];
            let tick = ticks[usize::from(zone)];
            if tick.ended.is_some() {
                match self.calendar.concerns(slice) {
                    true => self.bank.skip_drift(slice),
                    false => self.bank.note_drift(slice),
                }
            }
            let local = self.clock.local(zone, minute);
            let own = self.table.get(SliceId(slice as u32));
            let out = own.filter(|_| self.calendar.is_remembered(local.half_hour()));
            if let Some((week, bucket)) = tick.ended
                && let Some(rate) = self.bank.take_bucket(slice, LEAST_BUCKET_MINUTES)
            {
                let half_hour = week * BUCKETS as i64 + bucket as i64;
                match out.is_none_or(|own| self.calendar.teaches(&self.clock, own, half_hour)) {
                    true => self.profiles.record(slice, week, bucket, rate),
                    false => self.profiles.keep(slice, week, bucket, rate),
                }
            }
            if let Some(sides) = tick.sides {
                self.look_up(slice, local, sides);
            }
        }
        self.parts.compose(&mut self.bank, self.table.refused_keys());
    }

    /// Gives a slice its profile at these two buckets' centres.
    pub(super) fn look_up(&mut self, slice: usize, local: LocalTime, (left, right): (usize, usize)) {
        let own = self.table.get(SliceId(slice as u32));
        let out = own.filter(|_| self.calendar.is_remembered(local.half_hour()));
        let without = |bucket: usize| {
            (bucket, out.map_or(0, |own| self.calendar.left_out(&self.clock, own, bucket, local)))
        };
        let own = self.profiles.sides_without(slice, without(left), without(right));
        self.parts.give_own(&mut self.bank, slice, own);
    }
}
