//! Where all lanes meet: deltas in, sealed minutes, revisions, the ledger and positions out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::arrivals::Arrivals;
use super::dedupe::Dedupe;
use super::delta::{RefusedLines, Sample};
use super::open::{OpenMinute, Shape};
use super::position::{Positions, Reached};
use super::series::StreamSeries;
use super::sketch::SketchMaker;
use super::sources::{Inventory, Origin};
use crate::decode::SourceSpec;
use crate::model::{
    ConnId, Ledger, LedgerCounts, LedgerKey, Limits, Mark, Minute, Reason, SourceId, StreamId, StreamSpec,
    TimeUs,
};

/// Marks and samples that wait to be taken at most.
pub(super) const WAITING: usize = 4096;

/// What a source's own thread knows of lines that never reached a lane. All are since the last telling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceTally {
    /// Lines shed because a queue was full.
    pub dropped_queue_lines: u64,
    /// Lines longer than the limit, cut off by the source.
    pub too_long_lines: u64,
    /// Lines without their end.
    pub partial_lines: u64,
    /// Lines spoken to ebbd itself: greetings.
    pub control_lines: u64,
    /// Lines that a sender sent again although they had been counted and acked: known by their number.
    pub duplicate_lines: u64,
    /// Datagrams the kernel dropped.
    pub kernel_datagrams: u64,
}

/// Sizes and bounds, for people who watch ebbd itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AggregateCounters {
    /// Series that are known, over all streams.
    pub series: u64,
    /// Events and keys that met the series limit, in lanes and here, ever.
    pub series_cap_hits: u64,
    /// Minutes with cells that are not sealed yet.
    pub open_minutes: u64,
    /// Cells of minutes that are not sealed yet.
    pub open_cells: u64,
    /// Cells of late events that wait to be taken as revisions.
    pub revision_cells: u64,
    /// Keys that were coarsened because too many cells waited, ever.
    pub cell_cap_hits: u64,
    /// Times that the log of distinct values was full and was put into sketches early, ever.
    pub distinct_log_spills: u64,
    /// Events that came after their minute was sealed, ever.
    pub late_events: u64,
    /// Event ids that are remembered.
    pub dedupe_ids: u64,
    /// Times that ids had to be forgotten before `dedupe` was over, ever.
    pub dedupe_forced: u64,
    /// Sources and origins that are known.
    pub origins: u64,
    /// Lines and origins that met the origins limit, ever.
    pub origin_cap_hits: u64,
    /// Times that positions met a bound, ever.
    pub position_overflows: u64,
    /// Marks and samples that were dropped because nobody took them, ever.
    pub waiting_overflows: u64,
    /// Times that a stream had too many open cells for the judge to be shown its open minutes, ever.
    pub glances_skipped: u64,
}

/// What is remembered of a sealed minute while late events may still come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Closed {
    /// The revision that was handed out last.
    pub(super) revision: u32,
    /// Events handed out so far.
    pub(super) events: i64,
}

/// One stream where all lanes meet.
#[derive(Debug)]
pub(super) struct StreamState {
    pub(super) shape: Shape,
    pub(super) series: StreamSeries,
    pub(super) open: BTreeMap<Minute, OpenMinute>,
    /// Late events by the sealed minute to which they belong.
    pub(super) revisions: BTreeMap<Minute, OpenMinute>,
    pub(super) closed: BTreeMap<Minute, Closed>,
    /// The first minute that is not sealed; `None` before the start, and for batches.
    pub(super) next: Option<Minute>,
    pub(super) ever_seen: bool,
    pub(super) dedupe: Dedupe,
}

/// Merges what lanes count and closes minutes by event time. It is told the time, it never asks.
#[derive(Debug)]
pub struct Aggregator {
    pub(super) specs: Arc<[StreamSpec]>,
    pub(super) limits: Limits,
    pub(super) seed: u64,
    pub(super) streams: Vec<StreamState>,
    pub(super) inventory: Inventory,
    pub(super) arrivals: Arrivals,
    pub(super) ledger: Ledger,
    pub(super) positions: Positions,
    pub(super) marks: Vec<Mark>,
    pub(super) samples: Vec<Sample>,
    pub(super) refused: Vec<RefusedLines>,
    pub(super) batch: bool,
    /// The last step that was applied.
    pub(super) commit: u64,
    /// The latest instant it was told.
    pub(super) now: TimeUs,
    /// Until when it had been running before it was started: for ever ago, or when its state was saved.
    pub(super) down_since: TimeUs,
    /// When it was not running, as far as open minutes are concerned.
    pub(super) down: Vec<(TimeUs, TimeUs)>,
    /// When it started (again): minutes are not sealed before the first `seal` after it.
    pub(super) started: Option<TimeUs>,
    pub(super) swept: TimeUs,
    pub(super) counters: AggregateCounters,
    pub(super) maker: SketchMaker,
}

impl Aggregator {
    /// An aggregator that knows nothing yet. `seed` makes the hashes unforeseeable; lanes get it from
    /// [`Aggregator::seed`].
    pub fn new(
        streams: Arc<[StreamSpec]>,
        sources: Arc<[SourceSpec]>,
        limits: Limits,
        seed: u64,
    ) -> Aggregator {
        let state = |stream: &StreamSpec| StreamState {
            shape: Shape { sums: stream.sums.len(), distincts: stream.distincts.len() },
            series: StreamSeries::new(stream, &limits, seed),
            open: BTreeMap::new(),
            revisions: BTreeMap::new(),
            closed: BTreeMap::new(),
            next: None,
            ever_seen: false,
            dedupe: Dedupe::new(stream.dedupe_us, limits.dedupe_ids),
        };
        Aggregator {
            streams: streams.iter().map(state).collect(),
            specs: streams,
            inventory: Inventory::new(sources, limits.origins),
            limits,
            seed,
            arrivals: Arrivals::default(),
            ledger: Ledger::default(),
            positions: Positions::default(),
            marks: Vec::new(),
            samples: Vec::new(),
            refused: Vec::new(),
            batch: false,
            commit: 0,
            now: TimeUs(i64::MIN),
            down_since: TimeUs(i64::MIN),
            down: Vec::new(),
            started: None,
            swept: TimeUs(i64::MIN),
            counters: AggregateCounters::default(),
            maker: SketchMaker::new(seed),
        }
    }

    /// For batch ingest: no minute is ever sealed or late; [`Aggregator::take_open_rows`] hands out
    /// everything, whatever its age.
    pub fn batch(mut self) -> Aggregator {
        self.batch = true;
        self
    }

    /// The seed of all hashes; after [`Aggregator::restore`] that of the saved state.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Books what a source's thread knows of lines that never reached a lane.
    pub fn book(&mut self, source: SourceId, now: TimeUs, tally: SourceTally) {
        let mut counts = LedgerCounts {
            received: tally.dropped_queue_lines
                + tally.too_long_lines
                + tally.partial_lines
                + tally.control_lines
                + tally.duplicate_lines,
            control: tally.control_lines,
            duplicate: tally.duplicate_lines,
            dropped_queue: tally.dropped_queue_lines,
            kernel_datagrams: tally.kernel_datagrams,
            ..LedgerCounts::default()
        };
        counts.rejected[Reason::TooLong as usize] = tally.too_long_lines;
        counts.rejected[Reason::PartialLine as usize] = tally.partial_lines;
        self.book_counts(now, source, "", &counts);
    }

    /// Notes that a connection or file was opened.
    pub fn opened(&mut self, source: SourceId, conn: ConnId, now: TimeUs) {
        self.inventory.opened(source, conn);
        self.now = self.now.max(now);
    }

    /// Notes that a connection or file was closed.
    pub fn closed(&mut self, source: SourceId, conn: ConnId, now: TimeUs) {
        self.inventory.closed(source, conn, now);
        self.positions.closed(source, conn, now);
    }

    /// From now on this origin ought to send: its silence is missing data.
    pub fn expect(&mut self, source: SourceId, origin: &str) {
        self.inventory.expect(source, origin);
    }

    /// Forgets an origin; `false` if it is not known.
    pub fn forget(&mut self, source: SourceId, origin: &str) -> bool {
        self.inventory.forget(source, origin)
    }

    /// Takes the ledger's entries of arrival minutes before `before`; all of them for `None`. What is
    /// booked later under a key that was taken is additive.
    pub fn take_ledger(&mut self, before: Option<Minute>) -> Ledger {
        let Some(before) = before else { return std::mem::take(&mut self.ledger) };
        let first_kept =
            LedgerKey { arrival: before, source: SourceId(0), origin: String::new(), stream: String::new() };
        let kept = self.ledger.0.split_off(&first_kept);
        Ledger(std::mem::replace(&mut self.ledger.0, kept))
    }

    /// The ledger's entries that were not taken yet.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Takes the marks that came in band, in the order in which they came.
    pub fn take_marks(&mut self) -> Vec<Mark> {
        std::mem::take(&mut self.marks)
    }

    /// Takes the refused lines of which their sources are told.
    pub fn take_refused(&mut self) -> Vec<RefusedLines> {
        std::mem::take(&mut self.refused)
    }

    /// Takes the samples of refused lines.
    pub fn take_samples(&mut self) -> Vec<Sample> {
        std::mem::take(&mut self.samples)
    }

    /// How far each connection or file was counted, without a hole.
    pub fn positions(&self) -> impl Iterator<Item = (SourceId, ConnId, Reached)> {
        self.positions.marks()
    }

    /// How far one connection or file was counted, if anything of it was.
    pub fn position(&self, source: SourceId, conn: ConnId) -> Option<Reached> {
        self.positions.mark(source, conn)
    }

    /// The end of the last sealed minute of a stream: everything before it has been handed out.
    pub fn watermark(&self, stream: StreamId) -> Option<TimeUs> {
        self.streams[stream.index()].next.map(Minute::start)
    }

    /// How old the latest event of each sender was when it came, in microseconds; of several streams, of the
    /// one it is nearest with.
    pub fn lags(&self) -> BTreeMap<(SourceId, Arc<str>), i64> {
        let delay = |origin: &Origin| origin.habits.values().map(|habit| habit.delay_us.max(0)).min();
        let origins = self.inventory.origins.iter().filter(|(_, origin)| !origin.has_left());
        origins.filter_map(|(key, origin)| Some((key.clone(), delay(origin)?))).collect()
    }

    /// Sizes and bounds.
    pub fn counters(&self) -> AggregateCounters {
        let mut counters = self.counters;
        for stream in &self.streams {
            counters.series += stream.series.len() as u64;
            counters.open_minutes += stream.open.len() as u64;
            counters.open_cells += cells(&stream.open);
            counters.revision_cells += cells(&stream.revisions);
            counters.dedupe_ids += stream.dedupe.len() as u64;
            counters.dedupe_forced += stream.dedupe.forced();
            counters.series_cap_hits += stream.series.cap_hits();
        }
        counters.origins = self.inventory.origins.len() as u64;
        counters.origin_cap_hits += self.inventory.cap_hits();
        counters.position_overflows = self.positions.overflows();
        counters
    }

    /// Adds to the ledger, and to what is known of the minute of arrival.
    pub(super) fn book_counts(&mut self, now: TimeUs, source: SourceId, origin: &str, counts: &LedgerCounts) {
        self.arrivals.book(now.minute(), source, None, counts);
        let origin = origin.to_owned();
        self.ledger
            .entry(LedgerKey { arrival: now.minute(), source, origin, stream: String::new() })
            .add(counts);
    }
}

/// Cells of these minutes.
pub(super) fn cells(minutes: &BTreeMap<Minute, OpenMinute>) -> u64 {
    minutes.values().map(|minute| minute.series().len() as u64).sum()
}
