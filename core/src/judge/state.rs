//! The judge as it is saved: the detector of each stream by the stream's name, and the alarm book.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hindsight::SavedMinute;
use super::rejections::Rejections;
use super::{Judge, JudgeContext, book_context};
use crate::alarm::{AlarmBook, BookState};
use crate::detect::{DetectorState, FunnelState, StateError};
use crate::model::{StreamId, StreamSpec};

/// The version written; older ones are read.
const VERSION: u32 = 1;

/// A saved judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeState {
    version: u32,
    detectors: BTreeMap<String, DetectorState>,
    book: BookState,
    /// Missing in states of before there was late data for verdicts: then late data find nothing to revise.
    #[serde(default)]
    hindsight: BTreeMap<String, Vec<SavedMinute>>,
    #[serde(default)]
    funnels: BTreeMap<String, FunnelState>,
    #[serde(default)]
    rejections: Rejections,
}

/// Why a saved judge was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Written by a later ebbd.
    #[error("the judge's state has version {0}, this ebbd reads up to {VERSION}")]
    TooNew(u32),
    /// The detector of a stream.
    #[error("stream {0}: {1}")]
    Detector(String, StateError),
    /// The detector of a funnel.
    #[error("funnel {0}: {1}")]
    Funnel(String, StateError),
    /// The verdicts of the last minutes of a stream.
    #[error("the last verdicts of stream {0} are damaged")]
    Hindsight(String),
    /// The alarm book.
    #[error("{0}")]
    Book(String),
}

impl Judge {
    /// Everything that later verdicts and records depend on. Incident rows that were not taken are not
    /// part of it: take them first.
    pub fn save(&self) -> JudgeState {
        let named = self.streams.iter().zip(&self.detectors);
        JudgeState {
            version: VERSION,
            detectors: named.map(|(stream, detector)| (stream.name.clone(), detector.save())).collect(),
            book: self.book.save(),
            rejections: self.rejections.clone(),
            hindsight: self.hindsight_by_name(),
            funnels: self.funnels.iter().map(|f| (f.spec().name.clone(), f.save(&self.names()))).collect(),
        }
    }

    fn names(&self) -> impl Fn(StreamId) -> String + use<> {
        let streams = Arc::clone(&self.streams);
        move |stream| streams[stream.index()].name.clone()
    }

    fn hindsight_by_name(&self) -> BTreeMap<String, Vec<SavedMinute>> {
        let named = self.streams.iter().zip(&self.hindsight);
        named.map(|(stream, hindsight)| (stream.name.clone(), hindsight.save())).collect()
    }

    /// A judge that goes on from a saved one. Streams that are not in it begin anew; those in it that are
    /// no longer declared are forgotten.
    ///
    /// # Errors
    /// A state of a newer version, or a damaged one.
    pub fn restore(
        streams: Arc<[StreamSpec]>,
        context: JudgeContext,
        state: JudgeState,
    ) -> Result<Judge, RestoreError> {
        if state.version > VERSION {
            return Err(RestoreError::TooNew(state.version));
        }
        let book = AlarmBook::restore(book_context(&context), state.book).map_err(RestoreError::Book)?;
        let mut judge = Judge { book, rejections: state.rejections, ..Judge::new(streams, context) };
        for (stream, detector) in judge.streams.iter().zip(&mut judge.detectors) {
            if let Some(saved) = state.detectors.get(&stream.name) {
                let named = |error| RestoreError::Detector(stream.name.clone(), error);
                detector.restore(saved).map_err(named)?;
            }
        }
        for (stream, hindsight) in judge.streams.iter().zip(&mut judge.hindsight) {
            if let Some(saved) = state.hindsight.get(&stream.name) {
                let damaged = || RestoreError::Hindsight(stream.name.clone());
                hindsight.restore(saved).ok_or_else(damaged)?;
            }
        }
        let names = judge.names();
        for funnel in &mut judge.funnels {
            if let Some(saved) = state.funnels.get(&funnel.spec().name) {
                let name = funnel.spec().name.clone();
                funnel.restore(saved, &names).map_err(|error| RestoreError::Funnel(name, error))?;
            }
        }
        Ok(judge)
    }
}
