//! The status report: what `ebbd status` prints and `/api/v1/status` answers. Plain figures, so that it
//! can cross a socket; times are RFC 3339 in UTC, fractions 0 to 1. Fields are only ever added.

use std::collections::BTreeMap;

use ebbd_core::model::Slice;
use serde::{Deserialize, Serialize};

use super::LatencySummary;

macro_rules! report {
    ($(#[$doc:meta] pub struct $name:ident { $(#[$help:meta] pub $field:ident: $kind:ty),+ $(,)? })+) => {$(
        #[$doc]
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name { $(#[$help] pub $field: $kind),+ }
    )+};
}

report! {
    /// How the daemon is doing.
    pub struct StatusReport {
        /// Version of the report: 1.
        pub v: u32,
        /// The program's version.
        pub version: String,
        /// The host's name.
        pub host: String,
        /// `whole` or `part`.
        pub view: String,
        /// This start's id.
        pub boot: String,
        /// `recovering`, `ready` or `stopping`.
        pub state: String,
        /// What time the daemon takes it to be.
        pub now: String,
        /// Seconds of real time since the start.
        pub uptime_s: u64,
        /// Seconds that the start took to read the journal and to tell again what it had.
        pub recovery_s: f64,
        /// One per declared stream.
        pub streams: Vec<StreamStatus>,
        /// One per declared source.
        pub sources: Vec<SourceStatus>,
        /// Acknowledged senders.
        pub senders: SendersStatus,
        /// What became of every line.
        pub ledger: LedgerStatus,
        /// The queues between stages.
        pub queues: Vec<QueueStatus>,
        /// How long things take.
        pub latencies: Vec<LatencyStatus>,
        /// The false-alarm budget and how it is kept.
        pub budget: BudgetStatus,
        /// Alarms that are open.
        pub alarms: Vec<AlarmSummary>,
        /// Subscribers on the alarm socket.
        pub subscribers: u64,
        /// What a person should look at, in words; empty when all is well.
        pub degraded: Vec<String>,
        /// What happened that a person should know of, in words: a crash and what it lost.
        pub notes: Vec<String>,
        /// The periods of the calendar that are declared at present.
        pub calendar: Vec<CalendarStatus>
    }

    /// A period of the calendar.
    pub struct CalendarStatus {
        /// What people call it.
        pub name: String,
        /// Which slice it concerns.
        pub slice: Slice,
        /// When it ends.
        pub until: String
    }

    /// One stream.
    pub struct StreamStatus {
        /// Its name.
        pub name: String,
        /// Events counted since the daemon's first start, as far as it remembers.
        pub counted: u64,
        /// Lines refused that were meant for it.
        pub rejected: u64,
        /// Of the counted: events that came after their minute was sealed.
        pub late: u64,
        /// End of the newest sealed minute; none before the first.
        pub complete_to: Option<String>,
        /// Believed fraction of that minute's data that arrived.
        pub completeness: Option<f64>,
        /// Live series.
        pub series: u64,
        /// How far the judge has learnt it.
        pub learning: LearningStatus
    }

    /// How far a stream has been learnt.
    pub struct LearningStatus {
        /// Watched slices.
        pub slices: u64,
        /// Of them: still learning.
        pub learning: u64,
        /// Minutes that the slice which was found last has learnt from so far.
        pub minutes: u64,
        /// Minutes after which the last one has learnt at the latest.
        pub minutes_needed: u64,
        /// When the last one is learnt if every minute has data; none when all are, or before the first minute.
        pub until: Option<String>
    }

    /// One source.
    pub struct SourceStatus {
        /// Its name.
        pub name: String,
        /// Its type: `unix`, `tcp`, `file`, …
        pub kind: String,
        /// `alive`, `silent`, `closed`, `left`, `never_seen` or `idle` (nothing has come yet).
        pub state: String,
        /// How far its events are behind, in milliseconds.
        pub lag_ms: Option<f64>,
        /// Lines received.
        pub lines: u64,
        /// Lines refused.
        pub rejected: u64,
        /// Connections, files or peers that are open.
        pub connections: u64,
        /// When something last came from it.
        pub last: Option<String>,
        /// Its named hosts.
        pub origins: Vec<OriginStatus>,
        /// Requests over HTTP by the status that was answered.
        pub answers: BTreeMap<String, u64>
    }

    /// Acknowledged senders, over all sources, since the daemon's start.
    pub struct SendersStatus {
        /// Names that are remembered.
        pub known: u64,
        /// Connections that are open.
        pub speaking: u64,
        /// Connections that ever greeted.
        pub greeted: u64,
        /// Lines acknowledged.
        pub acked_lines: u64,
        /// Conversations that ended by an error, by its name.
        pub errors: BTreeMap<String, u64>
    }

    /// One named host of a source.
    pub struct OriginStatus {
        /// Its name.
        pub name: String,
        /// As a source's state.
        pub state: String,
        /// Whether the configuration or a person says that it ought to send.
        pub expected: bool,
        /// How far its events are behind, in milliseconds.
        pub lag_ms: Option<f64>,
        /// Its usual share of the stream's events.
        pub share: f64,
        /// When something last came from it.
        pub last: Option<String>
    }

    /// What became of every line since the start.
    pub struct LedgerStatus {
        /// Lines that came in.
        pub received: u64,
        /// Lines counted as events.
        pub counted: u64,
        /// Marks, heartbeats, goodbyes, ignored lines.
        pub control: u64,
        /// Events or lines already counted.
        pub duplicate: u64,
        /// Refused lines by reason, without the reasons that did not occur.
        pub rejected: BTreeMap<String, u64>,
        /// Lines shed because a queue was full.
        pub dropped_queue: u64,
        /// Lines lost in a crash.
        pub dropped_crash: u64,
        /// Datagrams that the kernel dropped before they were received.
        pub kernel_datagrams: u64,
        /// Whether it may have been more: a source has `gro`, and a train that is dropped counts as one.
        pub kernel_datagrams_at_least: bool,
        /// Events that senders say they dropped.
        pub sender_dropped: u64,
        /// Whether every entry balances.
        pub balances: bool
    }

    /// A queue between stages.
    pub struct QueueStatus {
        /// Its name.
        pub name: String,
        /// Entries in it.
        pub depth: u64,
        /// Entries it has room for.
        pub capacity: u64,
        /// Times it was found full.
        pub full: u64
    }

    /// How long one thing takes, in milliseconds.
    pub struct LatencyStatus {
        /// What it is.
        pub name: String,
        /// Measurements.
        pub count: u64,
        /// Median.
        pub p50_ms: f64,
        /// 99th percentile.
        pub p99_ms: f64,
        /// 99.9th percentile.
        pub p999_ms: f64,
        /// Longest.
        pub max_ms: f64
    }

    /// The false-alarm budget.
    pub struct BudgetStatus {
        /// False alarms a week that the configuration allows over all watched slices.
        pub per_week: f64,
        /// Drops that paged and that nobody labelled `real`, per week; none before any slice has learnt.
        pub achieved_per_week: Option<f64>,
        /// How sure that is: the 90 % interval.
        pub achieved_interval: Option<[f64; 2]>,
        /// Weeks that are looked back on, at most four.
        pub weeks: f64,
        /// Drops that paged in them.
        pub pages: u64,
        /// Of these: nobody has said what they were.
        pub unlabelled: u64
    }

    /// An open alarm in one line.
    pub struct AlarmSummary {
        /// Its number.
        pub no: u64,
        /// `firing`, `firing_blind` or `recovering`.
        pub state: String,
        /// `page` or `ticket`.
        pub severity: String,
        /// Its title.
        pub title: String,
        /// Its likeliest first minute.
        pub since: Option<String>
    }
}

impl LatencyStatus {
    /// The percentiles of `summary` under the name `name`.
    pub fn of(name: &str, summary: &LatencySummary) -> LatencyStatus {
        let ms = |micros: u64| micros as f64 / 1e3;
        LatencyStatus {
            name: name.to_owned(),
            count: summary.count,
            p50_ms: ms(summary.p50_us),
            p99_ms: ms(summary.p99_us),
            p999_ms: ms(summary.p999_us),
            max_ms: ms(summary.max_us),
        }
    }
}

impl LedgerStatus {
    /// The totals of `counts`; `balances` says whether every entry they are the sum of does.
    pub fn of(counts: &ebbd_core::model::LedgerCounts, balances: bool) -> LedgerStatus {
        let by_reason = ebbd_core::model::Reason::ALL.iter().zip(counts.rejected);
        let rejected = by_reason.filter(|(_, lines)| *lines > 0);
        LedgerStatus {
            received: counts.received,
            counted: counts.counted,
            control: counts.control,
            duplicate: counts.duplicate,
            rejected: rejected.map(|(reason, lines)| (reason.name().to_owned(), lines)).collect(),
            dropped_queue: counts.dropped_queue,
            dropped_crash: counts.dropped_crash,
            kernel_datagrams: counts.kernel_datagrams,
            kernel_datagrams_at_least: false,
            sender_dropped: counts.sender_dropped,
            balances,
        }
    }

    /// Lines refused for any reason.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }
}

impl AlarmSummary {
    /// The line for the alarm whose latest record is `record`.
    pub fn of(record: &ebbd_core::alarm::AlarmRecord) -> AlarmSummary {
        AlarmSummary {
            no: record.no,
            state: record.state.name().to_owned(),
            severity: record.severity.name().to_owned(),
            title: record.title.clone(),
            since: record.onset.as_ref().map(|onset| onset[1].clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebbd_core::model::{LedgerCounts, Reason};

    #[test]
    fn ledger_totals_name_only_reasons_that_occurred() {
        let mut counts = LedgerCounts { received: 5, counted: 5, ..LedgerCounts::default() };
        counts.reject(Reason::BadTime);
        let status = LedgerStatus::of(&counts, counts.balances());
        assert_eq!(status.rejected, BTreeMap::from([("bad_time".to_owned(), 1)]));
        assert!(status.balances && status.rejected_total() == 1 && status.received == 6);
    }

    #[test]
    fn an_older_report_still_reads() {
        let report: StatusReport = serde_json::from_str(r#"{"v":1,"host":"web-01","new":1}"#).unwrap();
        assert_eq!((report.v, report.host.as_str()), (1, "web-01"));
    }
}
