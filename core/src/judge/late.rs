//! Data that come after their minute was sealed: verdicts judged anew, alarms revised or withdrawn.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Judge;
use crate::alarm::{AlarmRecord, LateNews, LateVerdict, SliceRow};
use crate::model::{Minute, SealedMinute, SliceId, StreamId, TimeUs};

/// What late data change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Revised {
    /// Rows for the `slices` dataset in a higher revision.
    pub rows: Vec<RevisedRow>,
    /// Alarm records, in order of `seq`.
    pub records: Vec<AlarmRecord>,
}

/// A verdict judged anew.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisedRow {
    /// The stream.
    pub stream: StreamId,
    /// The minute.
    pub minute: Minute,
    /// More than that of the row which it replaces.
    pub revision: u32,
    /// What is said of the slice now.
    pub row: SliceRow,
}

impl Judge {
    /// Takes in what came late: `revisions` are those of one commit. Minutes that are over for longer than their
    /// stream's `revise` change nothing here.
    ///
    /// A minute is judged anew with the expectation, the band and the bar that it had: the detector's levels and
    /// profiles stay as they are. An open drop stays one unless too little of its evidence is left; then its
    /// minutes are judged anew as well and the detector goes on as if it had not been.
    pub fn revise(&mut self, revisions: &[Arc<SealedMinute>], now: TimeUs) -> Revised {
        let mut revised = Revised::default();
        for stream in (0..self.streams.len() as u16).map(StreamId) {
            let revise_us = self.streams[stream.index()].revise_us;
            let is_in_time = |sealed: &&Arc<SealedMinute>| {
                sealed.stream == stream && now.since_us(sealed.minute.end()) <= revise_us
            };
            let late: Vec<&Arc<SealedMinute>> = revisions.iter().filter(is_in_time).collect();
            if !late.is_empty() {
                self.revise_stream(stream, &late, now, &mut revised);
            }
        }
        revised
    }

    fn revise_stream(
        &mut self,
        stream: StreamId,
        late: &[&Arc<SealedMinute>],
        now: TimeUs,
        revised: &mut Revised,
    ) {
        let (detector, hindsight) =
            (&mut self.detectors[stream.index()], &mut self.hindsight[stream.index()]);
        let Some(last) = detector.last_minute() else { return };
        for sealed in late {
            let counts = detector.late(sealed);
            hindsight.add(sealed.minute, sealed.revision, sealed.watched_count(), &counts);
        }
        let refuted =
            |id: &SliceId| detector.open_since(*id).is_some_and(|since| hindsight.refutes(*id, since, last));
        let was_none: BTreeSet<SliceId> = hindsight.touched().into_iter().filter(refuted).collect();
        was_none.iter().for_each(|id| detector.absolve(*id));
        let table = detector.slices();
        let mut verdicts = Vec::new();
        for anew in hindsight.take(&was_none) {
            let Some(slice) = table.get(anew.now.slice) else { continue };
            let (slice, minute) = (slice.clone(), anew.minute);
            let row = SliceRow { slice: Arc::clone(&slice), verdict: anew.now.clone() };
            revised.rows.push(RevisedRow { stream, minute, revision: anew.revision, row });
            verdicts.push(LateVerdict {
                minute,
                slice: (*slice).clone(),
                before: anew.before,
                now: anew.now,
            });
        }
        let news = LateNews {
            verdicts: &verdicts,
            was_none: &was_none
                .iter()
                .filter_map(|id| table.get(*id).map(|slice| (**slice).clone()))
                .collect(),
            refutes: &|slice, since, to| table.find(slice).is_some_and(|id| hindsight.refutes(id, since, to)),
            latest: &|slice| table.find(slice).and_then(|id| hindsight.said(id, last)),
            fraction: late.iter().map(|sealed| sealed.completeness.late).fold(0.0, f64::max),
            last,
            now,
        };
        revised.records.extend(self.book.late(&self.streams[stream.index()], &news));
    }
}
