//! A glance at open minutes, once a second of event time: what the judge knows before they are sealed.
//!
//! It follows from the steps and the state alone, so a recovery gives the same glances at the same steps.

use std::sync::Arc;

use super::aggregator::{Aggregator, cells};
use crate::model::{
    Glance, MICROS_PER_SECOND, Minute, OpenCounts, RowView, SealedRows, StreamId, TimeUs, Weight,
};

/// How often open minutes are looked at.
const EVERY_US: i64 = MICROS_PER_SECOND;
/// Open minutes of a stream that are looked at, the oldest first: what comes is for two or three of them.
const MINUTES: usize = 8;
/// A stream with more open cells is not looked at: its glance would take the committer's time.
const MOST_CELLS: u64 = if cfg!(test) { 200 } else { 1 << 18 };

impl Aggregator {
    /// A glance at each stream, if the last instant it was told before this step, `before`, lies in another
    /// second.
    pub(super) fn glances(&mut self, before: TimeUs) -> Vec<Glance> {
        if self.batch || self.now.0.div_euclid(EVERY_US) == before.0.div_euclid(EVERY_US) {
            return Vec::new();
        }
        let streams = (0..self.streams.len() as u16).map(StreamId);
        let glances: Vec<Option<Glance>> = streams.map(|stream| self.glance(stream)).collect();
        self.counters.glances_skipped += glances.iter().filter(|glance| glance.is_none()).count() as u64;
        glances.into_iter().flatten().collect()
    }

    fn glance(&self, stream: StreamId) -> Option<Glance> {
        let state = &self.streams[stream.index()];
        if cells(&state.open) > MOST_CELLS {
            return None;
        }
        let next = state.next.unwrap_or(self.now.minute());
        let open = state.open.range(next..).take(MINUTES);
        let counts = |(&minute, _)| OpenCounts { minute, rows: self.counts(stream, minute) };
        let senders = self.inventory.of_stream(stream).filter(|(_, origin)| !origin.has_left());
        let mut heard: Vec<TimeUs> = senders.filter_map(|(_, origin)| origin.last_arrival).collect();
        heard.sort_unstable();
        let arrivals = [self.now.minute().plus(-1), self.now.minute()];
        let sources = self.inventory.specs.iter().filter(|spec| self.inventory.feeds(spec.id, stream));
        let sources: Vec<_> = sources.map(|spec| spec.id).collect();
        let lost = |at: Minute| sources.iter().map(|&source| self.arrivals.lost(at, source)).sum::<u64>();
        let refused = |at: Minute| sources.iter().map(|&source| self.arrivals.refused(at, source)).sum();
        Some(Glance {
            stream,
            at: self.now,
            next,
            minutes: open.map(counts).collect(),
            heard,
            up_since: self.inventory.started,
            lost_lines: arrivals.into_iter().map(lost).sum(),
            refused_lines: arrivals.into_iter().map(refused).max().unwrap_or(0),
        })
    }

    /// What the watched series of an open minute have so far.
    fn counts(&self, stream: StreamId, minute: Minute) -> SealedRows {
        let state = &self.streams[stream.index()];
        let Some(open) = state.open.get(&minute) else { return SealedRows::default() };
        let mut rows = SealedRows::with_shape(0, 0, open.series().len());
        for (series, weight) in open.weights(state.shape) {
            let key = state.series.key(series);
            let count = weight / Weight::SCALE;
            if key.watched && count != 0 {
                rows.add(Arc::clone(key), count, std::iter::empty(), |_, _| {});
            }
        }
        let bare = |row: RowView<'_>| (Arc::clone(row.key), row.count);
        for (key, count) in open.earlier.iter().filter(|row| row.key.watched).map(bare) {
            rows.add(key, count, std::iter::empty(), |_, _| {});
        }
        rows
    }
}
