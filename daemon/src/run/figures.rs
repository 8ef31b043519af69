//! Each stage's figures as they are shown to scrapers, taken over at every commit.

use std::sync::atomic::Ordering;

use ebbd_core::model::{LedgerCounts, Reason};

use super::view::{Seen, View};
use crate::commit::{Committer, LaneLatency};
use crate::source::{AckFigures, PROTOCOL_ERRORS};

impl View {
    pub(super) fn show_lanes(&self, committer: &Committer, latency: &[LaneLatency]) {
        for (figures, queue) in self.telemetry.lanes.iter().zip(committer.lanes.queues()) {
            figures.queued.set(i64::try_from(queue.len()).unwrap_or(i64::MAX));
        }
        for (lane, latency) in latency {
            if let Some(figures) = self.telemetry.lanes.get(*lane) {
                figures.blocks.add(latency.waited_ns.len());
            }
        }
    }

    pub(super) fn show_sources(&self, committer: &Committer, seen: &Seen) {
        for source in committer.feeds.sources() {
            let Some((_, figures)) = self.telemetry.sources.get(source.id.index()) else { continue };
            let told = source.total;
            figures.lines.raise_to(told.lines());
            figures.bytes.raise_to(told.delivered_bytes);
            figures.shed_lines.raise_to(told.dropped_queue_lines);
            figures.waits.raise_to(told.waits);
            figures.kernel_datagrams.raise_to(told.kernel_datagrams);
            figures.cut_files.raise_to(told.cut_files);
            figures.cut_bytes.raise_to(told.cut_bytes);
            figures.refused.raise_to(told.refused_connections);
            figures.duplicate_lines.raise_to(told.duplicate_lines);
            let before = &self.before.answers[source.id.index()];
            for (status, count) in source.counters.by_status() {
                let before = before.get(status).copied().unwrap_or(0);
                self.telemetry.answers[source.id.index()].1.raise_to(status, before + count);
            }
            if let Some(lag_us) = seen.lag_us(source.id) {
                figures.lag.set(lag_us as f64 / 1e6);
            }
            let open = committer.feeds.conns().open_of(source.id);
            figures.connections.set(i64::try_from(open).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn show_senders(&self, committer: &Committer) {
        let desk = committer.feeds.desk();
        let (known, speaking) = desk.figures();
        let AckFigures { greeted, acked_lines, errors } = desk.counters().read();
        let senders = &self.telemetry.senders;
        let before = &self.before.senders;
        senders.greeted.raise_to(before.greeted + greeted);
        senders.lines.raise_to(before.acked_lines + acked_lines);
        senders.known.set(i64::try_from(known).unwrap_or(i64::MAX));
        senders.speaking.set(i64::try_from(speaking).unwrap_or(i64::MAX));
        for ((error, count), before) in PROTOCOL_ERRORS.into_iter().zip(errors).zip(before.errors) {
            self.telemetry.protocol_errors.raise_to(error, before + count);
        }
    }

    pub(super) fn show_store(&self) {
        let (figures, written) = (&self.telemetry.store, &self.store);
        figures.files.raise_to(written.files.load(Ordering::Relaxed));
        figures.rows.raise_to(written.rows.load(Ordering::Relaxed));
        figures.errors.raise_to(written.failures.load(Ordering::Relaxed));
        self.telemetry.daemon.degraded.set(i64::from(!self.degraded().is_empty()));
    }

    /// Totals by stream and by reason, what still waits to be taken included.
    pub(super) fn show_streams(&self, seen: &Seen) {
        let mut total = LedgerCounts::default();
        for counts in seen.by_key(|_, _| true) {
            total.add(counts);
        }
        for (reason, rejected) in Reason::ALL.into_iter().zip(total.rejected) {
            self.telemetry.rejects.of(reason).raise_to(rejected);
        }
        for (name, figures) in &self.telemetry.streams {
            let (mut counted, mut late, mut rejected) = (0, 0, 0);
            for counts in seen.by_key(|_, stream| stream == name) {
                counted += counts.counted;
                late += counts.late;
                rejected += counts.rejected_total();
            }
            figures.events.raise_to(counted);
            figures.late.raise_to(late);
            figures.rejected.raise_to(rejected);
        }
    }
}
