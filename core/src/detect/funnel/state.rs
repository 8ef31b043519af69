//! A funnel as it is saved: exact, so that a restart changes no verdict.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::lags::Lags;
use super::{Counts, FunnelDetector};
use crate::baseline::Packed;
use crate::detect::{DetectorState, StateError};
use crate::model::{Completeness, FunnelSpec, Minute, Slice};

/// A saved funnel. It is taken up again only by a funnel with the same lags.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunnelState {
    detector: DetectorState,
    lags: Lags,
    came: Vec<(Slice, Packed)>,
    ahead: Vec<(Minute, Counts)>,
    waiting: Vec<(Minute, Counts, Completeness)>,
    last: Option<Minute>,
    known: u32,
    taught: u32,
    from: String,
    to: String,
    by: Vec<String>,
}

impl FunnelDetector {
    /// Everything that later verdicts depend on. Streams are known by `names` again.
    pub fn save(&self, names: &dyn Fn(crate::model::StreamId) -> String) -> FunnelState {
        let packed = |came: &VecDeque<f32>| Packed::from_f32(came.iter().copied().collect::<Vec<f32>>());
        FunnelState {
            detector: self.detector.save(),
            lags: self.lags.clone(),
            came: self.came.iter().map(|(slice, came)| (slice.clone(), packed(came))).collect(),
            ahead: self.ahead.iter().map(|(minute, counts)| (*minute, counts.clone())).collect(),
            waiting: self.waiting.iter().map(|(m, (c, whole))| (*m, c.clone(), whole.clone())).collect(),
            last: self.last,
            known: self.known,
            taught: self.taught,
            from: names(self.spec.from),
            to: names(self.spec.to),
            by: by(&self.spec),
        }
    }

    /// Goes on from a saved state; one of a funnel between other streams, by other dimensions or with another
    /// `within` is left: this one then begins anew.
    ///
    /// # Errors
    /// The state is newer than this program or damaged.
    pub fn restore(
        &mut self,
        state: &FunnelState,
        names: &dyn Fn(crate::model::StreamId) -> String,
    ) -> Result<(), StateError> {
        let own = (names(self.spec.from), names(self.spec.to), by(&self.spec));
        let same_streams = (&state.from, &state.to, &state.by) == (&own.0, &own.1, &own.2);
        if !same_streams || !state.lags.fits(&self.lags) {
            return Ok(());
        }
        self.detector.restore(&state.detector)?;
        let unpacked = |(at, (slice, came)): (usize, &(Slice, Packed))| {
            let came = came.to_f32().ok_or(StateError::Damaged(at))?;
            Ok((slice.clone(), VecDeque::from(came)))
        };
        self.came = state.came.iter().enumerate().map(unpacked).collect::<Result<BTreeMap<_, _>, _>>()?;
        self.lags = state.lags.clone();
        self.ahead = state.ahead.iter().cloned().collect();
        self.waiting = state.waiting.iter().cloned().map(|(m, c, whole)| (m, (c, whole))).collect();
        (self.last, self.known, self.taught) = (state.last, state.known, state.taught);
        Ok(())
    }
}

fn by(spec: &FunnelSpec) -> Vec<String> {
    spec.by.iter().map(|by| by.name.clone()).collect()
}
