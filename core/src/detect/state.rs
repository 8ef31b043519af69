//! What a detector saves and takes back: exact to the bit, so that a restart changes no verdict.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Detector;
use super::episode::Episode;
use super::labels::Raises;
use super::loss::LossModel;
use super::pulse::Pulses;
use crate::baseline::{Masked, Packed};
use crate::model::{Minute, Slice};
use crate::simd::column::{BUCKET_PROFILE, fresh};

/// The version written. Columns are only ever appended within a version.
const VERSION: u32 = 2;
/// Columns of version 1.
const FIRST_COLUMNS: usize = 122;

/// A detector's state, about 4.7 KB of text per slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectorState {
    version: u32,
    origin: Option<i32>,
    last: Option<i32>,
    loss: LossModel,
    slices: Vec<SliceState>,
    episodes: BTreeMap<u32, Episode>,
    /// Missing in states of before open minutes were looked at: then slices are followed anew.
    #[serde(default)]
    pulses: Pulses,
    /// What people said; missing in states of before they could.
    #[serde(default)]
    raises: Raises,
    #[serde(default)]
    masked: Vec<Masked>,
}

/// One slot; `slice` is null where it is vacant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SliceState {
    slice: Option<Arc<Slice>>,
    columns: Packed,
    history: Packed,
    pool: Packed,
    /// How far totals stray: the columns that came last.
    #[serde(default)]
    drift: Packed,
}

/// Why a state was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Written by a later ebbd.
    #[error("the detector's state has version {0}, this ebbd reads up to {VERSION}")]
    TooNew(u32),
    /// The columns of a slice can't be read.
    #[error("the detector's state of slice {0} is damaged")]
    Damaged(usize),
}

impl Detector {
    /// Everything that later verdicts depend on.
    pub fn save(&self) -> DetectorState {
        let slots = self.table.save().into_iter().enumerate();
        let slot = |(at, slice): (usize, Option<Arc<Slice>>)| {
            let (history, pool) = self.profiles.save(at);
            let lane = self.bank.lane(at);
            let [columns, drift] = [&lane[..BUCKET_PROFILE], &lane[BUCKET_PROFILE..]]
                .map(|columns| Packed::from_f32(columns.iter().copied()));
            SliceState { slice, columns, history, pool, drift }
        };
        DetectorState {
            version: VERSION,
            origin: self.origin.map(|minute| minute.0),
            last: self.last.map(|minute| minute.0),
            loss: self.loss.clone(),
            slices: slots.map(slot).collect(),
            episodes: self.episodes.save(),
            pulses: self.pulses.clone(),
            raises: self.raises.clone(),
            masked: self.profiles.masked(),
        }
    }

    /// Goes on from a saved state. Slices that are no longer watched are dropped.
    ///
    /// # Errors
    /// The state is newer than this program or damaged; the detector then knows nothing, as when new.
    pub fn restore(&mut self, state: &DetectorState) -> Result<(), StateError> {
        if state.version > VERSION {
            return Err(StateError::TooNew(state.version));
        }
        let slots: Vec<Option<Arc<Slice>>> = state.slices.iter().map(|slot| slot.slice.clone()).collect();
        let kept = self.table.restore(&slots);
        self.grow();
        for (id, slice) in self.table.iter() {
            self.zone_of[id.index()] = self.clock.zone_of(slice);
            self.parts.place(&self.table, id);
        }
        for (at, slot) in state.slices.iter().enumerate().filter(|(at, _)| kept[*at]) {
            let taken = self.take(at, slot).ok_or(StateError::Damaged(at));
            taken.inspect_err(|_| self.start_anew())?;
        }
        let is_kept = |id: u32| kept.get(id as usize) == Some(&true);
        for (id, episode) in state.episodes.iter().filter(|(id, _)| is_kept(**id)) {
            self.episodes.put(*id as usize, episode.clone());
        }
        self.raises = state.raises.kept(is_kept);
        self.profiles.restore_masks(&state.masked, is_kept);
        self.loss = state.loss.clone();
        self.pulses = state.pulses.of_known(|id| kept.get(id as usize) == Some(&true));
        (self.origin, self.last) = (state.origin.map(Minute), state.last.map(Minute));
        if let Some(last) = self.last {
            self.clock.set(last);
            self.calendar.begin(&self.table, &self.clock, last);
        }
        Ok(())
    }

    fn start_anew(&mut self) {
        let slices = self.table.save();
        (0..slices.len()).for_each(|at| self.forget(at));
        slices.iter().enumerate().for_each(|(at, _)| self.bank.set_lane(at, &fresh()));
    }

    fn take(&mut self, at: usize, slot: &SliceState) -> Option<()> {
        let saved = slot.columns.to_f32()?;
        let mut columns = fresh();
        // A state written before the last columns came lacks them: they begin as in a fresh slice.
        let known = (FIRST_COLUMNS..=BUCKET_PROFILE).contains(&saved.len()).then_some(saved.len())?;
        columns[..known].copy_from_slice(&saved);
        let drift = slot.drift.to_f32()?;
        if !drift.is_empty() {
            let own = columns.get_mut(BUCKET_PROFILE..).filter(|own| own.len() == drift.len())?;
            own.copy_from_slice(&drift);
        }
        self.profiles.restore(at, &slot.history, &slot.pool)?;
        self.bank.set_lane(at, &columns);
        Some(())
    }
}
