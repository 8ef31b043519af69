//! The figures of each stage: one struct per stage, one line per figure. The line's comment is the help
//! text that Prometheus shows, its string the family's name (counters get `_total` when written).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ebbd_core::model::Reason;

use super::cell::{Cell, Counter, Gauge, Ratio, Value};

/// One figure as it is exposed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) value: Value,
}

/// A stage's figures, always in the same order and number.
pub(super) trait Readings {
    fn readings(&self) -> Vec<Reading>;
}

macro_rules! figures {
    ($(#[doc = $stage:literal] pub struct $name:ident {
        $(#[doc = $help:literal] $field:ident: $cell:ident = $family:literal),+ $(,)?
    })+) => {$(
        #[doc = $stage]
        #[derive(Debug, Default)]
        pub struct $name { $(#[doc = $help] pub $field: $cell),+ }

        impl Readings for $name {
            fn readings(&self) -> Vec<Reading> {
                vec![$(Reading { name: $family, help: $help.trim_ascii(), value: self.$field.value() }),+]
            }
        }
    )+};
}

figures! {
    /// The process as a whole.
    pub struct DaemonGauges {
        /// Whether recovery is over and events are being counted (1) or not (0).
        ready: Gauge = "ebbd_ready",
        /// Whether something is held up that a person should look at, such as a failing disk.
        degraded: Gauge = "ebbd_degraded",
        /// When the process started, in unix time.
        start_time: Ratio = "ebbd_start_time_seconds",
    }

    /// What one source did.
    pub struct SourceCounters {
        /// Lines received.
        lines: Counter = "ebbd_source_lines",
        /// Bytes received.
        bytes: Counter = "ebbd_source_bytes",
        /// Connections, files or peers that are open.
        connections: Gauge = "ebbd_source_connections",
        /// Lines that acknowledged senders sent again and that were skipped.
        duplicate_lines: Counter = "ebbd_source_duplicate_lines",
        /// Connections refused because the limit was reached.
        refused: Counter = "ebbd_source_refused",
        /// Lines shed because a queue was full (datagrams only).
        shed_lines: Counter = "ebbd_source_shed_lines",
        /// Times that a full queue or an empty pool held the source back.
        waits: Counter = "ebbd_source_waits",
        /// Datagrams that the kernel dropped before they were received.
        kernel_datagrams: Counter = "ebbd_source_kernel_dropped_datagrams",
        /// Lines that had been read and were lost when the last run crashed.
        crash_dropped: Counter = "ebbd_crash_dropped_lines",
        /// Lines that the kernel may have held unread when the last run crashed.
        crash_unread: Counter = "ebbd_crash_unread_lines_at_most",
        /// Files that were cut or rewritten in place.
        cut_files: Counter = "ebbd_source_cut_files",
        /// Bytes of such files that had been seen and were not read.
        cut_bytes: Counter = "ebbd_source_cut_bytes",
        /// How old its latest event was when it came, in seconds; of several hosts, the one furthest behind.
        lag: Ratio = "ebbd_source_lag_seconds",
    }

    /// What acknowledged senders did, over all sources.
    pub struct SenderCounters {
        /// Connections that greeted.
        greeted: Counter = "ebbd_acked_greetings",
        /// Senders' names that are remembered.
        known: Gauge = "ebbd_acked_senders",
        /// Connections of acknowledged senders that are open.
        speaking: Gauge = "ebbd_acked_connections",
        /// Lines acknowledged: counted, or counted as rejected, and durable.
        lines: Counter = "ebbd_acked_lines",
    }

    /// What one lane did.
    pub struct LaneCounters {
        /// Blocks parsed and counted.
        blocks: Counter = "ebbd_lane_blocks",
        /// Blocks waiting in its queue.
        queued: Gauge = "ebbd_lane_queued_blocks",
    }

    /// What became of one stream.
    pub struct StreamCounters {
        /// Events counted.
        events: Counter = "ebbd_stream_events",
        /// Of the counted: events that came after their minute was sealed.
        late: Counter = "ebbd_stream_late_events",
        /// Lines refused that name this stream.
        rejected: Counter = "ebbd_stream_rejected_lines",
        /// Live series.
        series: Gauge = "ebbd_stream_series",
        /// End of the newest sealed minute, in unix time.
        complete_to: Ratio = "ebbd_stream_complete_to_timestamp_seconds",
        /// Believed fraction of the newest sealed minute's data that arrived.
        completeness: Ratio = "ebbd_stream_completeness_ratio",
        /// Watched slices.
        slices: Gauge = "ebbd_stream_watched_slices",
        /// Watched slices that are still learning.
        learning: Gauge = "ebbd_stream_learning_slices",
    }

    /// What the committer did.
    pub struct CommitterCounters {
        /// Epoch markers that have passed every lane.
        epochs: Counter = "ebbd_committer_epochs",
        /// Minutes sealed.
        sealed: Counter = "ebbd_committer_seals",
        /// Revisions of sealed minutes that late events made.
        revisions: Counter = "ebbd_committer_revisions",
        /// Change markers taken in.
        marks: Counter = "ebbd_committer_marks",
        /// Ledger entries that did not balance; anything but zero is a bug.
        unbalanced: Counter = "ebbd_committer_unbalanced_entries",
        /// Events that met the limit of series and are counted under the catch-all value.
        series_cap_hits: Counter = "ebbd_committer_series_cap_hits",
        /// Times that the log of distinct values was full and was put into sketches early.
        distinct_log_spills: Counter = "ebbd_committer_distinct_log_spills",
        /// Times that a stream had too many open cells for the judge to be shown its open minutes.
        glances_skipped: Counter = "ebbd_committer_glances_skipped",
    }

    /// What the judge did.
    pub struct JudgeCounters {
        /// Sealed minutes judged.
        minutes: Counter = "ebbd_judge_judged",
        /// Verdicts given.
        verdicts: Counter = "ebbd_judge_verdicts",
        /// Alarm records made.
        records: Counter = "ebbd_judge_records",
        /// Alarms that are open.
        open_alarms: Gauge = "ebbd_judge_open_alarms",
        /// What waits for the judge.
        queued: Gauge = "ebbd_judge_queued",
    }

    /// What the journal did.
    pub struct JournalCounters {
        /// Bytes of the segment that is being written.
        bytes: Gauge = "ebbd_journal_segment_bytes",
        /// Segments on the disk.
        segments: Gauge = "ebbd_journal_segments",
        /// Frames taken up.
        frames: Counter = "ebbd_journal_frames",
        /// Syncs.
        syncs: Counter = "ebbd_journal_syncs",
        /// Writes, syncs and other calls that the disk refused.
        errors: Counter = "ebbd_journal_errors",
        /// Whether it cannot be written at present (1): nothing is acknowledged, alarms go out as not durable.
        degraded: Gauge = "ebbd_journal_degraded",
        /// Frames that came while it could not be written; the next segment begins with what they held.
        lost_frames: Counter = "ebbd_journal_lost_frames",
        /// Commits that came while it could not be written and were too many to be written later.
        given_up: Counter = "ebbd_journal_given_up_commits",
        /// Requests turned away because too many were waiting.
        refused: Counter = "ebbd_journal_refused_requests",
        /// Bytes of unfinished writes that the start found at the end.
        torn_bytes: Counter = "ebbd_journal_torn_bytes",
        /// How long the last start took to read it and to tell again what it had, in seconds.
        recovery: Ratio = "ebbd_journal_recovery_seconds",
        /// Damaged segments that the start set aside.
        quarantined: Counter = "ebbd_journal_quarantined_segments",
    }

    /// What the Parquet writer did.
    pub struct StoreCounters {
        /// Files written.
        files: Counter = "ebbd_store_files",
        /// Rows written.
        rows: Counter = "ebbd_store_rows",
        /// Writes that failed and were tried again.
        errors: Counter = "ebbd_store_errors",
        /// What waits for the Parquet writer.
        queued: Gauge = "ebbd_store_queued_batches",
    }

    /// What the alarm socket did.
    pub struct AlarmSocketCounters {
        /// Subscribers that are connected.
        subscribers: Gauge = "ebbd_alarm_subscribers",
        /// Subscribers that ever connected.
        connected: Counter = "ebbd_alarm_subscribers_connected",
        /// Subscribers turned away because the limit was reached.
        refused: Counter = "ebbd_alarm_subscribers_refused",
        /// Subscribers closed because they took nothing for minutes.
        stalled: Counter = "ebbd_alarm_subscribers_stalled",
        /// Alarm records published.
        published: Counter = "ebbd_alarm_records_published",
        /// Published records that found the inbox full and are told as gaps.
        inbox_full: Counter = "ebbd_alarm_records_inbox_full",
        /// Lines sent to subscribers.
        sent: Counter = "ebbd_alarm_lines_sent",
        /// Gaps told to subscribers.
        gaps: Counter = "ebbd_alarm_gaps",
        /// Lines from subscribers that could not be understood.
        bad_lines: Counter = "ebbd_alarm_bad_lines",
    }

    /// What an outlet that sends did.
    pub struct OutletCounters {
        /// Records or alerts that were taken.
        sent: Counter = "ebbd_outlet_sent",
        /// Tries that failed and were repeated.
        failures: Counter = "ebbd_outlet_failures",
        /// Requests turned down or given up.
        refused: Counter = "ebbd_outlet_refused",
        /// Records that were gone before they could be sent, or found no room.
        missed: Counter = "ebbd_outlet_missed_records",
        /// Records or alerts that wait to be taken.
        waiting: Gauge = "ebbd_outlet_waiting",
        /// When something was taken last, in unix time.
        last_success: Ratio = "ebbd_outlet_last_success_timestamp_seconds",
    }

    /// What the HTTP server did.
    pub struct HttpCounters {
        /// Requests answered.
        requests: Counter = "ebbd_http_requests",
        /// Live streams of events that are open.
        live: Gauge = "ebbd_http_live_streams",
        /// Live streams turned away because the limit was reached.
        live_refused: Counter = "ebbd_http_live_streams_refused",
        /// Gaps told on live streams.
        live_gaps: Counter = "ebbd_http_live_gaps",
        /// Watched slices whose last hours the dashboard has no room to keep.
        slices_unkept: Gauge = "ebbd_http_slices_unkept",
    }

    /// What the control socket did.
    pub struct ControlCounters {
        /// Requests answered.
        requests: Counter = "ebbd_control_requests",
        /// Requests refused or not understood.
        refused: Counter = "ebbd_control_requests_refused",
    }
}

/// Refused lines, by reason.
#[derive(Debug, Default)]
pub struct RejectCounters([Counter; Reason::ALL.len()]);

impl RejectCounters {
    /// The counter of `reason`.
    pub fn of(&self, reason: Reason) -> &Counter {
        &self.0[reason as usize]
    }
}

/// The figures of outlets that send, by their names: as many as were ever configured in this run.
#[derive(Debug, Default)]
pub struct OutletBook(Mutex<BTreeMap<String, Arc<OutletCounters>>>);

impl OutletBook {
    /// The figures of the outlet `name`.
    pub fn of(&self, name: &str) -> Arc<OutletCounters> {
        Arc::clone(self.lock().entry(name.to_owned()).or_default())
    }

    /// All of them.
    pub(super) fn readings(&self) -> Vec<(String, Vec<Reading>)> {
        self.lock().iter().map(|(name, figures)| (name.clone(), figures.readings())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<OutletCounters>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts by a word from a list that only grows: a status, the name of an error.
#[derive(Debug, Default)]
pub struct Labelled(Mutex<BTreeMap<&'static str, u64>>);

impl Labelled {
    /// Takes over a total that is kept elsewhere.
    pub fn raise_to(&self, word: &'static str, total: u64) {
        let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = words.entry(word).or_default();
        *known = total.max(*known);
    }

    /// All words and their counts.
    pub fn get(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
