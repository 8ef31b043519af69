//! What happened in each recent minute of arrival: losses and refusals by source, late events by stream.

use std::collections::BTreeMap;

use crate::model::{LedgerCounts, Minute, Reason, SourceId, StreamId};

/// Minutes of arrival that are remembered.
const MINUTES: usize = 1024;

/// Lines and events of one minute of arrival.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct ArrivalMinute {
    /// By source: lines known to be lost.
    pub(super) lost: BTreeMap<u16, u64>,
    /// By source: lines refused that might have been events.
    pub(super) refused: BTreeMap<u16, u64>,
    /// By stream: events counted, and those of them that were late.
    pub(super) counted: BTreeMap<u16, (u64, u64)>,
}

/// The recent minutes of arrival.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals(pub(super) BTreeMap<Minute, ArrivalMinute>);

impl Arrivals {
    /// Books lines of a source (and of a stream, if they got that far).
    pub(super) fn book(
        &mut self,
        minute: Minute,
        source: SourceId,
        stream: Option<StreamId>,
        counts: &LedgerCounts,
    ) {
        let entry = self.0.entry(minute).or_default();
        let lost =
            counts.dropped_queue + counts.dropped_crash + counts.kernel_datagrams + counts.sender_dropped;
        let refused = might_have_counted(counts);
        if lost > 0 {
            *entry.lost.entry(source.0).or_default() += lost;
        }
        if refused > 0 {
            *entry.refused.entry(source.0).or_default() += refused;
        }
        if let Some(stream) = stream {
            let (counted, late) = entry.counted.entry(stream.0).or_default();
            *counted += counts.counted;
            *late += counts.late;
        }
        while self.0.len() > MINUTES {
            self.0.pop_first();
        }
    }

    /// Lines lost by one source in a minute.
    pub(super) fn lost(&self, minute: Minute, source: SourceId) -> u64 {
        self.0.get(&minute).and_then(|entry| entry.lost.get(&source.0)).copied().unwrap_or(0)
    }

    /// Lines of one source refused in a minute that might have been events of it.
    pub(super) fn refused(&self, minute: Minute, source: SourceId) -> u64 {
        self.0.get(&minute).and_then(|entry| entry.refused.get(&source.0)).copied().unwrap_or(0)
    }

    /// The fraction of a stream's events of a minute of arrival that were late.
    pub(super) fn late(&self, minute: Minute, stream: StreamId) -> f64 {
        let counted = self.0.get(&minute).and_then(|entry| entry.counted.get(&stream.0)).copied();
        let (counted, late) = counted.unwrap_or((0, 0));
        if counted == 0 { 0.0 } else { late as f64 / counted as f64 }
    }
}

/// Refused lines that might have been events of the minute in which they came.
fn might_have_counted(counts: &LedgerCounts) -> u64 {
    let refused = Reason::ALL.iter().zip(&counts.rejected);
    refused.filter(|(reason, _)| reason.might_have_counted()).map(|(_, count)| count).sum()
}
