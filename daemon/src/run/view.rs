//! What the daemon shows of itself: each stage's figures into telemetry, and the status report out of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use ebbd_core::alarm::{Achieved, AlarmRecord};
use ebbd_core::detect::Verdict;
use ebbd_core::judge::{Judge, JudgedMinute, RevisedRow};
use ebbd_core::model::{
    DeclaredPeriod, Ledger, LedgerCounts, Mark, Minute, SealedMinute, SourceId, SourceMinute, StreamId,
    TimeUs,
};

use super::warm::Learnt;
use crate::commit::{CommitView, Committer, LaneLatency};
use crate::config::Config;
use crate::judge::{JudgeView, Queued};
use crate::outlet::{AlarmHub, Board, Progress};
use crate::source::{AckFigures, Lost, PROTOCOL_ERRORS, SourceTold};
use crate::store::StoreCounters;
use crate::sys::Clock;
use crate::telemetry::{LatencyRecorder, Telemetry};

/// The latest minute of a stream, as judged for the whole of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pulse {
    /// The minute.
    pub minute: Minute,
    /// Watched events; none without data.
    pub observed: Option<i64>,
    /// Expected; none while learning.
    pub expected: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
    /// Believed fraction that arrived.
    pub completeness: f64,
}

/// Shared by all stages; locked by each a few times a second, never per event.
pub struct View {
    pub(super) config: Arc<Config>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) store: Arc<StoreCounters>,
    pub(super) state: Mutex<Seen>,
    epoch: AtomicU64,
    hub: OnceLock<Arc<AlarmHub>>,
    board: Arc<Board>,
    learnt: Mutex<Learnt>,
    pub(super) before: Before,
}

/// What figures had come to under earlier configurations, where those who count now began at zero.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) senders: AckFigures,
    /// By source, in the order of telemetry: answers by status.
    pub(super) answers: Vec<BTreeMap<&'static str, u64>>,
    pub(super) distinct_log_spills: u64,
    pub(super) glances_skipped: u64,
    pub(super) series_cap_hits: u64,
}

impl Before {
    fn of(telemetry: &Telemetry) -> Before {
        let errors = telemetry.protocol_errors.get();
        Before {
            senders: AckFigures {
                greeted: telemetry.senders.greeted.get(),
                acked_lines: telemetry.senders.lines.get(),
                errors: PROTOCOL_ERRORS.map(|error| errors.get(error).copied().unwrap_or(0)),
            },
            answers: telemetry.answers.iter().map(|(_, answers)| answers.get()).collect(),
            distinct_log_spills: telemetry.committer.distinct_log_spills.get(),
            glances_skipped: telemetry.committer.glances_skipped.get(),
            series_cap_hits: telemetry.committer.series_cap_hits.get(),
        }
    }
}

/// What was last seen of each stage.
#[derive(Default)]
pub(super) struct Seen {
    /// By source and stream: what is on its way to the store, and what still waits to be taken.
    pub(super) ledger: BTreeMap<(String, String), LedgerCounts>,
    pub(super) waiting: BTreeMap<(String, String), LedgerCounts>,
    pub(super) told: BTreeMap<String, SourceTold>,
    pub(super) connections: BTreeMap<String, usize>,
    pub(super) sources: BTreeMap<String, BTreeMap<String, SourceMinute>>,
    /// How far behind each source's hosts are, in microseconds.
    pub(super) lags: BTreeMap<(SourceId, Arc<str>), i64>,
    pub(super) pulses: BTreeMap<String, Pulse>,
    pub(super) learning: BTreeMap<String, (u64, u64)>,
    /// Minutes that each stream still needs to learn its last slice; `None` where all are learnt.
    pub(super) to_learn: BTreeMap<String, Option<u32>>,
    /// The periods that are declared at present.
    pub(super) declared: Vec<DeclaredPeriod>,
    pub(super) open: Vec<AlarmRecord>,
    /// How the budget of false alarms is kept.
    pub(super) achieved: Option<Achieved>,
    pub(super) unbalanced: u64,
    /// What happened that a person should know of.
    pub(super) notes: Vec<String>,
    progress: Progress,
    recorders: Option<Recorders>,
}

struct Recorders {
    block: LatencyRecorder,
    queues: Vec<LatencyRecorder>,
    judge: LatencyRecorder,
    handed_over: Instant,
}

impl View {
    /// A view of nothing yet, or one in which the figures of an earlier configuration go on.
    pub(super) fn succeeding(
        earlier: Option<Arc<View>>,
        config: &Arc<Config>,
        clock: &Arc<dyn Clock>,
    ) -> View {
        let sources: Vec<&str> = config.sources.iter().map(|source| source.spec.name.as_str()).collect();
        let streams: Vec<&str> = config.streams.iter().map(|stream| stream.name.as_str()).collect();
        let telemetry = match &earlier {
            Some(earlier) => earlier.telemetry.succeeding(&sources, &streams, config.lanes),
            None => Telemetry::new(&sources, &streams, config.lanes),
        };
        if earlier.is_none() {
            telemetry.daemon.start_time.set(clock.now().0 as f64 / 1e6);
        }
        let telemetry = Arc::new(telemetry);
        let board = earlier.as_ref().map(|earlier| Arc::clone(&earlier.board));
        let board = board.unwrap_or_else(|| Board::new(Arc::clone(&telemetry)));
        board.retain(&config.streams);
        let recorders = Recorders {
            block: telemetry.latencies.block.recorder(),
            queues: telemetry.latencies.queues.iter().map(|queue| queue.recorder()).collect(),
            judge: telemetry.latencies.judge.recorder(),
            handed_over: Instant::now(),
        };
        View {
            config: Arc::clone(config),
            clock: Arc::clone(clock),
            before: Before::of(&telemetry),
            telemetry,
            store: earlier.as_ref().map(|earlier| earlier.store_counters()).unwrap_or_default(),
            learnt: Mutex::new(earlier.as_ref().map(|earlier| earlier.history()).unwrap_or_default()),
            state: Mutex::new(Seen {
                recorders: Some(recorders),
                ..earlier.map(|earlier| std::mem::take(&mut *earlier.seen())).unwrap_or_default()
            }),
            epoch: AtomicU64::new(0),
            hub: OnceLock::new(),
            board,
        }
    }

    /// What a source has told so far.
    pub(super) fn told_by(&self, source: &str) -> SourceTold {
        self.seen().told.get(source).copied().unwrap_or_default()
    }

    /// All figures.
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// What the dashboard shows.
    pub(super) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// Whose heartbeats tell how far each stream has come.
    pub(super) fn heartbeats(&self, hub: &Arc<AlarmHub>) {
        // Set once, at the start.
        let _ = self.hub.set(Arc::clone(hub));
    }

    /// What the writer counts.
    pub(super) fn store_counters(&self) -> Arc<StoreCounters> {
        Arc::clone(&self.store)
    }

    /// The latest judged minute of a stream.
    pub fn pulse(&self, stream: &str) -> Option<Pulse> {
        self.seen().pulses.get(stream).copied()
    }

    /// The last epoch that has passed the whole pipeline.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// What the judge learnt from history at the start.
    pub fn history(&self) -> Learnt {
        *self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The start took so long to find out where the run before was.
    pub(super) fn recovered_in(&self, time: std::time::Duration) {
        self.telemetry.journal.recovery.set(time.as_secs_f64());
    }

    pub(super) fn learnt(&self, learnt: Learnt) {
        *self.learnt.lock().unwrap_or_else(PoisonError::into_inner) = learnt;
    }

    pub(super) fn set_ready(&self, ready: bool) {
        self.telemetry.daemon.ready.set(i64::from(ready));
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stream_name(&self, sealed: &SealedMinute) -> &str {
        &self.config.streams[sealed.stream.index()].name
    }
}

impl CommitView for View {
    fn committed(&self, committer: &Committer, latency: &[LaneLatency]) {
        self.telemetry.committer.epochs.inc();
        self.show_lanes(committer, latency);
        let mut seen = self.seen();
        for source in committer.feeds.sources() {
            seen.told.insert(source.name.clone(), source.total);
            seen.connections.insert(source.name.clone(), committer.feeds.conns().open_of(source.id));
        }
        if seen.record(latency) {
            seen.lags = committer.aggregator.lags();
        }
        seen.waiting.clear();
        for (key, counts) in &committer.aggregator.ledger().0 {
            let source = committer.feeds.name(key.source).to_owned();
            seen.waiting.entry((source, key.stream.clone())).or_default().add(counts);
        }
        self.show_streams(&seen);
        self.show_sources(committer, &seen);
        drop(seen);
        self.show_senders(committer);
        self.show_store();
        let counters = committer.aggregator.counters();
        let (figures, before) = (&self.telemetry.committer, &self.before);
        figures.distinct_log_spills.raise_to(before.distinct_log_spills + counters.distinct_log_spills);
        figures.glances_skipped.raise_to(before.glances_skipped + counters.glances_skipped);
        figures.series_cap_hits.raise_to(before.series_cap_hits + counters.series_cap_hits);
        for (id, (_, stream)) in (0u16..).zip(&self.telemetry.streams) {
            let watermark = committer.aggregator.watermark(StreamId(id));
            stream.series.set(i64::try_from(counters.series).unwrap_or(i64::MAX));
            stream.complete_to.set(watermark.map_or(0.0, |at| at.0 as f64 / 1e6));
        }
    }

    fn ledger(&self, ledger: &Ledger) {
        let mut seen = self.seen();
        for (key, counts) in &ledger.0 {
            let source = self.config.sources.get(key.source.index());
            let source = source.map_or(String::new(), |source| source.spec.name.clone());
            if !counts.balances() {
                seen.unbalanced += 1;
                tracing::error!(
                    "the ledger of source {source} at {} does not balance: {counts:?}",
                    key.arrival
                );
            }
            seen.ledger.entry((source, key.stream.clone())).or_default().add(counts);
        }
        self.telemetry.committer.unbalanced.raise_to(seen.unbalanced);
    }

    fn sealed(&self, sealed: &SealedMinute) {
        if sealed.revision > 0 {
            self.telemetry.committer.revisions.inc();
            return;
        }
        self.telemetry.committer.sealed.inc();
        let mut seen = self.seen();
        let by_stream = seen.sources.entry(self.stream_name(sealed).to_owned()).or_default();
        for source in &sealed.sources {
            by_stream.insert(format!("{}\0{}", source.source_name, source.origin), source.clone());
        }
        if let Some((_, stream)) = self.telemetry.streams.get(sealed.stream.index()) {
            stream.completeness.set(sealed.completeness.fraction);
        }
        let name = self.stream_name(sealed).to_owned();
        seen.progress.watermark.insert(name.clone(), sealed.minute.end());
        seen.progress.completeness.insert(name, sealed.completeness.fraction);
        if let Some(hub) = self.hub.get() {
            hub.set_progress(seen.progress.clone());
        }
    }
}

impl Seen {
    /// How far behind the furthest of a source's hosts is, in microseconds; none before an event has come.
    pub(super) fn lag_us(&self, source: SourceId) -> Option<i64> {
        self.lags.iter().filter(|((of, _), _)| *of == source).map(|(_, lag_us)| *lag_us).max()
    }

    /// The counts of the sources and streams that `wanted` picks.
    pub(super) fn by_key<'a>(
        &'a self,
        wanted: impl Fn(&str, &str) -> bool + 'a,
    ) -> impl Iterator<Item = &'a LedgerCounts> {
        let all = self.ledger.iter().chain(&self.waiting);
        all.filter(move |((source, stream), _)| wanted(source, stream)).map(|(_, counts)| counts)
    }

    /// Notes how long blocks waited and took; whether what is looked at once a second is due.
    fn record(&mut self, latency: &[LaneLatency]) -> bool {
        let Some(recorders) = &mut self.recorders else { return false };
        for (lane, latency) in latency {
            recorders.block.record_all_ns(&latency.counted_ns);
            if let Some(queue) = recorders.queues.get_mut(*lane) {
                queue.record_all_ns(&latency.waited_ns);
            }
        }
        let is_due = recorders.handed_over.elapsed().as_millis() > 900;
        if is_due {
            recorders.handed_over = Instant::now();
            recorders.block.hand_over();
            recorders.queues.iter_mut().for_each(LatencyRecorder::hand_over);
            recorders.judge.hand_over();
        }
        is_due
    }
}

impl JudgeView for View {
    fn judged(&self, judged: &JudgedMinute, took: std::time::Duration) {
        if judged.rows.is_empty() {
            return;
        }
        let spec = &self.config.streams[judged.stream.index()];
        let name = &spec.name;
        self.board.judged(spec, judged);
        let learning =
            judged.rows.iter().filter(|row| row.verdict.verdict == Verdict::Learning).count() as u64;
        let slices = judged.rows.len() as u64;
        let mut seen = self.seen();
        if let Some(recorders) = &mut seen.recorders {
            recorders.judge.record(took);
        }
        if let Some(whole) = judged.rows.iter().find(|row| row.slice.is_whole()) {
            let verdict = &whole.verdict;
            let pulse = Pulse {
                minute: judged.minute,
                observed: verdict.observed,
                expected: verdict.expected,
                verdict: verdict.verdict,
                completeness: verdict.completeness,
            };
            seen.pulses.insert(name.clone(), pulse);
        }
        seen.learning.insert(name.clone(), (slices, learning));
        self.telemetry.judge.minutes.inc();
        self.telemetry.judge.verdicts.add(slices);
        if let Some((_, stream)) = self.telemetry.streams.get(judged.stream.index()) {
            stream.slices.set(i64::try_from(slices).unwrap_or(i64::MAX));
            stream.learning.set(i64::try_from(learning).unwrap_or(i64::MAX));
        }
    }

    fn revised(&self, rows: &[RevisedRow]) {
        for RevisedRow { stream, minute, row, .. } in rows {
            self.board.revised(&self.config.streams[stream.index()].name, *minute, &row.slice, &row.verdict);
        }
    }

    fn marked(&self, mark: &Mark) {
        self.telemetry.committer.marks.inc();
        self.board.marked(mark);
    }

    fn told(&self, judge: &Judge, records: usize) {
        let open = judge.open_alarms();
        self.telemetry.judge.records.add(records as u64);
        self.telemetry.judge.open_alarms.set(i64::try_from(open.len()).unwrap_or(i64::MAX));
        self.seen().open = open;
        self.looked_back(judge);
    }

    fn looked_back(&self, judge: &Judge) {
        let achieved = judge.book().achieved(self.now());
        let named = || (0u16..).map(StreamId).zip(self.config.streams.iter());
        let to_learn = named().map(|(id, spec)| (spec.name.clone(), judge.detector(id).minutes_to_learn()));
        let mut declared: Vec<DeclaredPeriod> = Vec::new();
        for period in named().flat_map(|(id, _)| judge.detector(id).declared()) {
            if !declared.contains(&period) {
                declared.push(period);
            }
        }
        let to_learn = to_learn.collect();
        let mut seen = self.seen();
        (seen.achieved, seen.to_learn, seen.declared) = (achieved, to_learn, declared);
    }

    fn epoch_passed(&self, epoch: u64, queued: Queued) {
        let depth = |queued: usize| i64::try_from(queued).unwrap_or(i64::MAX);
        self.telemetry.judge.queued.set(depth(queued.judge));
        self.telemetry.store.queued.set(depth(queued.store));
        self.epoch.store(epoch, Ordering::Release);
    }
}

impl View {
    /// What the run before lost when it crashed.
    pub(super) fn crashed(&self, lost: &Lost) {
        let mut notes = Vec::new();
        for crash in &lost.crashes {
            let name = &self.config.sources[crash.source.index()].spec.name;
            notes.push(format!(
                "the run before crashed at {}: of source {name} {} lines that had been read are lost, and \
                 up to {} that had not been",
                crash.at.to_rfc3339(),
                crash.lines,
                crash.unread_lines_at_most
            ));
            if let Some((_, figures)) = self.telemetry.sources.get(crash.source.index()) {
                figures.crash_dropped.raise_to(crash.lines);
                figures.crash_unread.raise_to(crash.unread_lines_at_most);
            }
        }
        let unknown = lost.unknown.iter();
        notes.extend(
            unknown.map(|why| format!("the run before crashed, and what it lost is not known: {why}")),
        );
        notes.iter().for_each(|note| tracing::warn!("{note}"));
        self.seen().notes.extend(notes);
    }

    /// What time the daemon takes it to be.
    pub(super) fn now(&self) -> TimeUs {
        self.clock.now()
    }

    /// The source that an origin sends to, if it was ever heard.
    pub(super) fn source_of_origin(&self, origin: &str) -> Option<SourceId> {
        let seen = self.seen();
        let mut minutes = seen.sources.values().flat_map(BTreeMap::values);
        minutes.find(|minute| minute.origin == origin).map(|minute| minute.source)
    }
}
