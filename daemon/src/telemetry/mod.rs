//! What the daemon knows of itself: counters, latencies, the text that Prometheus scrapes, the status
//! report, logging.
//!
//! In: figures from every stage, as plain atomics. Out: [`Exposition`], [`StatusReport`].
//! Must not know: sockets, what any stage does with its figures, how an order looks.

mod cell;
mod exposition;
mod latency;
mod logging;
mod seldom;
mod stages;
mod status;

use std::sync::Arc;
use std::time::Instant;

use crossbeam::utils::CachePadded;

pub use cell::{Counter, Gauge, Ratio};
pub use exposition::{Exposition, TextFormat};
pub use latency::{Latency, LatencyRecorder, LatencySummary};
pub use logging::{LoggingError, start_logging};
pub use seldom::Seldom;
pub use stages::{
    AlarmSocketCounters, CommitterCounters, ControlCounters, DaemonGauges, HttpCounters, JournalCounters,
    JudgeCounters, Labelled, LaneCounters, OutletBook, OutletCounters, RejectCounters, SenderCounters,
    SourceCounters, StoreCounters, StreamCounters,
};
pub use status::{
    AlarmSummary, BudgetStatus, CalendarStatus, LatencyStatus, LearningStatus, LedgerStatus, OriginStatus,
    QueueStatus, SendersStatus, SourceStatus, StatusReport, StreamStatus,
};

/// Every figure of the running daemon. Shared by reference; each field is written by its own stage.
#[derive(Debug)]
pub struct Telemetry {
    /// When the daemon started.
    pub started: Instant,
    /// The process as a whole.
    pub daemon: Arc<DaemonGauges>,
    /// One per declared source, in the configuration's order.
    pub sources: Vec<(String, Arc<SourceCounters>)>,
    /// Requests over HTTP by status, one per declared source.
    pub answers: Vec<(String, Arc<Labelled>)>,
    /// Acknowledged senders.
    pub senders: Arc<SenderCounters>,
    /// Conversations with acknowledged senders that ended by an error, by its name.
    pub protocol_errors: Arc<Labelled>,
    /// One per lane; padded, because each belongs to another thread.
    pub lanes: Vec<Arc<CachePadded<LaneCounters>>>,
    /// One per declared stream, in the configuration's order.
    pub streams: Vec<(String, Arc<StreamCounters>)>,
    /// Refused lines by reason.
    pub rejects: Arc<RejectCounters>,
    /// The committer.
    pub committer: Arc<CommitterCounters>,
    /// The judge.
    pub judge: Arc<JudgeCounters>,
    /// The journal.
    pub journal: Arc<JournalCounters>,
    /// The Parquet writer.
    pub store: Arc<StoreCounters>,
    /// The alarm socket.
    pub alarm_socket: Arc<AlarmSocketCounters>,
    /// Outlets that send.
    pub outlets: Arc<OutletBook>,
    /// HTTP.
    pub http: Arc<HttpCounters>,
    /// The control socket.
    pub control: Arc<ControlCounters>,
    /// How long things take.
    pub latencies: Arc<Latencies>,
}

/// How long things take, in microseconds of real time.
#[derive(Debug)]
pub struct Latencies {
    /// From a block's hand-over to a lane until it is counted.
    pub block: Latency,
    /// A block's time in the queue of each lane.
    pub queues: Vec<Latency>,
    /// From an epoch marker until every lane's delta is merged.
    pub epoch: Latency,
    /// Judging one sealed minute of one stream.
    pub judge: Latency,
    /// From the moment a minute is due until its alarm records are handed to the alarm socket.
    pub alarm: Latency,
    /// Writing one Parquet file, fsync included.
    pub roll: Latency,
    /// One write and sync of the journal.
    pub journal_sync: Latency,
}

impl Latencies {
    fn new(lanes: usize) -> Latencies {
        let queue =
            |_| Latency::new("ebbd_lane_queue_seconds", "How long blocks waited in the lane's queue.");
        Latencies {
            queues: (0..lanes).map(queue).collect(),
            block: Latency::new(
                "ebbd_block_age_seconds",
                "From a block's hand-over to a lane until it is counted.",
            ),
            epoch: Latency::new("ebbd_epoch_seconds", "From an epoch marker until all deltas are merged."),
            judge: Latency::new("ebbd_judge_seconds", "Judging one sealed minute of one stream."),
            alarm: Latency::new("ebbd_alarm_seconds", "From a due minute until its alarm records are out."),
            roll: Latency::new("ebbd_roll_seconds", "Writing one Parquet file, fsync included."),
            journal_sync: Latency::new("ebbd_journal_sync_seconds", "One write and sync of the journal."),
        }
    }

    /// Every latency but those per lane, with the name that people read.
    pub fn all(&self) -> [(&'static str, &Latency); 6] {
        [
            ("block counted", &self.block),
            ("epoch", &self.epoch),
            ("judge", &self.judge),
            ("alarm", &self.alarm),
            ("roll", &self.roll),
            ("journal sync", &self.journal_sync),
        ]
    }
}

impl Telemetry {
    /// Zeroed figures for these sources, streams and number of lanes.
    pub fn new(sources: &[&str], streams: &[&str], lanes: usize) -> Telemetry {
        Telemetry {
            started: Instant::now(),
            daemon: Arc::default(),
            sources: sources.iter().map(|name| ((*name).to_owned(), Arc::default())).collect(),
            answers: sources.iter().map(|name| ((*name).to_owned(), Arc::default())).collect(),
            senders: Arc::default(),
            protocol_errors: Arc::default(),
            lanes: (0..lanes).map(|_| Arc::default()).collect(),
            streams: streams.iter().map(|name| ((*name).to_owned(), Arc::default())).collect(),
            rejects: Arc::default(),
            committer: Arc::default(),
            judge: Arc::default(),
            journal: Arc::default(),
            store: Arc::default(),
            alarm_socket: Arc::default(),
            outlets: Arc::default(),
            http: Arc::default(),
            control: Arc::default(),
            latencies: Arc::new(Latencies::new(lanes)),
        }
    }

    /// The same figures for other sources, streams and lanes: what has the same name goes on.
    pub fn succeeding(&self, sources: &[&str], streams: &[&str], lanes: usize) -> Telemetry {
        let fresh = Telemetry::new(sources, streams, lanes);
        let goes_on = |latencies: &Latencies| latencies.queues.len() == lanes;
        Telemetry {
            started: self.started,
            daemon: Arc::clone(&self.daemon),
            sources: going_on(fresh.sources, &self.sources),
            answers: going_on(fresh.answers, &self.answers),
            senders: Arc::clone(&self.senders),
            protocol_errors: Arc::clone(&self.protocol_errors),
            lanes: self.lanes.iter().cloned().chain(fresh.lanes).take(lanes).collect(),
            streams: going_on(fresh.streams, &self.streams),
            rejects: Arc::clone(&self.rejects),
            committer: Arc::clone(&self.committer),
            judge: Arc::clone(&self.judge),
            journal: Arc::clone(&self.journal),
            store: Arc::clone(&self.store),
            alarm_socket: Arc::clone(&self.alarm_socket),
            outlets: Arc::clone(&self.outlets),
            http: Arc::clone(&self.http),
            control: Arc::clone(&self.control),
            latencies: if goes_on(&self.latencies) { Arc::clone(&self.latencies) } else { fresh.latencies },
        }
    }

    /// Percentiles of every latency that has been measured, for the status report.
    pub fn latency_status(&self) -> Vec<LatencyStatus> {
        let of = |name: &str, latency: &Latency| LatencyStatus::of(name, &latency.summary());
        let stages = self.latencies.all().map(|(name, latency)| of(name, latency)).into_iter();
        let queues = self.latencies.queues.iter().enumerate();
        let queues = queues.map(|(lane, latency)| of(&format!("lane {lane} queue"), latency));
        stages.chain(queues).filter(|status| status.count > 0).collect()
    }
}

/// `fresh`, but for those that have the name of an earlier one.
fn going_on<T>(fresh: Vec<(String, Arc<T>)>, earlier: &[(String, Arc<T>)]) -> Vec<(String, Arc<T>)> {
    let found =
        |name: &str| earlier.iter().find(|(of, _)| of == name).map(|(_, figures)| Arc::clone(figures));
    fresh
        .into_iter()
        .map(|(name, figures)| (found(&name).unwrap_or(figures), name))
        .map(|(f, n)| (n, f))
        .collect()
}
