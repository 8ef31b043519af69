//! What people said of past drops: a bar that is raised for a while, half-hours that are kept out of the profile.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Detector;
use crate::baseline::exact;
use crate::model::{Minute, Slice, SliceId};
use crate::simd::column::*;

/// A bar is raised to so many times what it is.
const RAISED_BY: f32 = 1.5;
/// The bar stands at so many times the highest evidence that came to nothing; see the bank.
const OVER_PEAK: f32 = 1.3;
/// How long it stays raised.
const RAISED_MINUTES: i32 = 7 * 1440;

/// Bars that are raised, by slice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Raises(BTreeMap<u32, Raise>);

/// A slice's bar is raised: evidence as high as this is taken to have come to nothing before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Raise {
    /// The alarm that was false.
    by: u64,
    until: Minute,
    members: Vec<Peak>,
}

/// A member's remembered peak: as it is held, and as it was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Peak {
    #[serde(with = "exact")]
    held: f64,
    #[serde(with = "exact")]
    before: f64,
}

/// What a label of an alarm changes in the detector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelEffect {
    /// Half-hours of slices that are kept out of profiles, each until it is four weeks old.
    pub masked_half_hours: usize,
    /// Slices whose bar is raised …
    pub raised_slices: usize,
    /// … and until when.
    pub raised_until: Option<Minute>,
}

impl Raises {
    pub(super) fn forget(&mut self, slice: usize) {
        self.0.remove(&(slice as u32));
    }

    pub(super) fn kept(&self, is_kept: impl Fn(u32) -> bool) -> Raises {
        Raises(
            self.0.iter().filter(|(id, _)| is_kept(**id)).map(|(id, raise)| (*id, raise.clone())).collect(),
        )
    }
}

impl Detector {
    /// Raises the bar of these slices by half for a week, because alarm `by` was false. A bar that is raised already stays so for longer.
    pub fn raise_bar<'a>(&mut self, by: u64, slices: impl IntoIterator<Item = &'a Slice>) {
        let Some(until) = self.last.map(|last| last.plus(RAISED_MINUTES)) else { return };
        let ids: Vec<SliceId> = slices.into_iter().filter_map(|slice| self.table.find(slice)).collect();
        for id in ids {
            let slice = id.index();
            let peak = |member: usize| Peak {
                held: f64::from(RAISED_BY / OVER_PEAK * self.bank.get(slice, of(member, BAR))),
                before: f64::from(self.bank.get(slice, of(member, PEAK))),
            };
            let members = match self.raises.0.remove(&id.0) {
                Some(earlier) => earlier.members,
                None => (0..MEMBERS).map(peak).collect(),
            };
            self.raises.0.insert(id.0, Raise { by, until, members });
        }
    }

    /// Keeps what these slices had from `from` to before `to` out of their profiles, because the drop of alarm
    /// `by` was to be expected: whole half-hours, those that are to come as well, as far as there is room.
    pub fn mask(&mut self, by: u64, is_meant: impl Fn(&Slice) -> bool, from: Minute, to: Minute) {
        let ids: Vec<SliceId> =
            self.table.iter().filter(|(_, slice)| is_meant(slice)).map(|(id, _)| id).collect();
        for id in ids {
            let slice = id.index();
            let mut minute = from;
            while minute < to {
                let local = self.clock.local(self.zone_of[slice], minute);
                self.profiles.mask(slice, local.week, local.bucket, by);
                minute = minute.plus(30 - local.minute as i32);
            }
        }
    }

    /// What is done at present because of alarm `by`.
    pub fn label_effect(&self, by: u64) -> LabelEffect {
        let raised = || self.raises.0.values().filter(|raise| raise.by == by);
        LabelEffect {
            masked_half_hours: self.profiles.masked().iter().filter(|masked| masked.by == by).count(),
            raised_slices: raised().count(),
            raised_until: raised().map(|raise| raise.until).max(),
        }
    }

    /// Takes back what was done because of alarm `by`.
    pub fn unlearn_label(&mut self, by: u64) {
        self.profiles.unmask(by);
        let raised: Vec<u32> = self.raises.0.iter().filter(|(_, r)| r.by == by).map(|(id, _)| *id).collect();
        raised.into_iter().for_each(|id| self.lower_bar(id));
    }

    /// Once a minute: peaks that hold a bar up fade, and some are to be let go.
    pub(super) fn hold_raises(&mut self, minute: Minute) {
        let over = self.raises.0.iter().filter(|(_, raise)| raise.until <= minute).map(|(id, _)| *id);
        over.collect::<Vec<u32>>().into_iter().for_each(|id| self.lower_bar(id));
        for (id, raise) in &self.raises.0 {
            for (member, peak) in raise.members.iter().enumerate() {
                let at = of(member, PEAK);
                let held = self.bank.get(*id as usize, at).max(peak.held as f32);
                self.bank.set(*id as usize, at, held);
            }
        }
    }

    fn lower_bar(&mut self, id: u32) {
        let Some(raise) = self.raises.0.remove(&id) else { return };
        for (member, peak) in raise.members.iter().enumerate() {
            self.bank.set(id as usize, of(member, PEAK), peak.before as f32);
        }
    }
}
