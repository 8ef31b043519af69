//! What a lane hands to the aggregator at each epoch marker: everything it counted since the last.
//!
//! A delta is exact and additive: how often a lane cuts, and how lines were spread over lanes, changes
//! nothing in the sums.

use std::sync::Arc;

use datasketches::hll::{Coupon, HllSketch};

use crate::intern::Tag;
use crate::model::{
    ConnId, Goodbye, Heartbeat, LedgerCounts, Mark, Minute, Reason, SeriesId, SeriesKey, SourceId, StreamId,
    TimeUs, Weight,
};

/// Everything one lane counted between two epoch markers.
#[derive(Debug, Default)]
pub struct Delta {
    /// Which lane.
    pub lane: u16,
    /// The marker it answers.
    pub epoch: u64,
    /// One per declared stream, in their order.
    pub streams: Vec<StreamDelta>,
    /// What became of the lines, and how each sending host is getting on.
    pub tallies: Vec<Tally>,
    /// How far each connection or file was read.
    pub positions: Vec<Position>,
    /// Marks, heartbeats and goodbyes, in the order in which they came.
    pub controls: Vec<Control>,
    /// A few refused lines per reason.
    pub samples: Vec<Sample>,
    /// Every refused line of blocks whose source is told of all of them.
    pub refused: Vec<RefusedLines>,
    /// Events that met the series limit, in this lane, since the last cut.
    pub series_cap_hits: u64,
    /// Lines whose origin met the origins limit, since the last cut.
    pub origin_cap_hits: u64,
    /// How often noted distinct values were too many and became sketches, in this lane, since the last cut.
    pub distinct_log_spills: u64,
}

impl Delta {
    /// Whether nothing at all was counted.
    pub fn is_empty(&self) -> bool {
        self.tallies.is_empty() && self.positions.is_empty()
    }
}

/// What one lane counted of one stream.
#[derive(Debug, Default)]
pub struct StreamDelta {
    /// Counts how often the lane has forgotten its series: ids of an older generation mean nothing.
    pub generation: u32,
    /// Id of the first of [`Self::new_series`]; the others follow densely.
    pub first_new: u32,
    /// Keys of the series that are new since the last cut.
    pub new_series: Vec<Arc<SeriesKey>>,
    /// The same as the lane's table has them, so that their texts need not be read again.
    pub new_rows: NewRows,
    /// The cells that were touched.
    pub cells: Vec<CellKey>,
    /// Per cell: its lines, its weight in millionths, then one amount per sum.
    pub values: Vec<i64>,
    /// Distinct values in the order in which they came, some of them more than once. The number is
    /// cell × distincts of the stream + distinct.
    pub coupons: Vec<(u32, Coupon)>,
    /// Sketches of distinct values that were too many for [`Self::coupons`], by the same numbers.
    pub sketches: Vec<(u32, HllSketch)>,
    /// Events of a stream with an `id`: they are counted only after deduplication.
    pub events: EventLog,
}

/// New series by tag and code: for whoever has the lane's seed. A delta that was read back has none.
#[derive(Debug, Default)]
pub struct NewRows {
    /// The seed of the lane's tables.
    pub seed: u64,
    /// One per new series, or none at all.
    pub tags: Vec<Tag>,
    /// Per new series the lane's codes of its values: of each dimension, then of one currency per sum.
    pub codes: Vec<u32>,
}

/// Which cell of a [`StreamDelta`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellKey {
    /// Minute of event time.
    pub minute: Minute,
    /// The lane's series.
    pub series: SeriesId,
    /// A source that touched it.
    pub source: SourceId,
}

/// Events one by one, in columns.
#[derive(Clone, Debug, Default)]
pub struct EventLog {
    /// One per event.
    pub heads: Vec<IdEvent>,
    /// One amount per event and sum.
    pub sums: Vec<i64>,
    /// One coupon per event and distinct.
    pub coupons: Vec<Option<Coupon>>,
}

/// One event that has an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdEvent {
    /// 128 bits that stand for its id.
    pub id: [u64; 2],
    /// When it arrived: duplicates are told apart by arrival.
    pub arrival: TimeUs,
    /// Minute of event time.
    pub minute: Minute,
    /// The lane's series.
    pub series: SeriesId,
    /// How many events it stands for.
    pub weight: Weight,
    /// The tally (of this delta) in which it stands as counted.
    pub tally: u32,
}

/// Lines of one sending host, stream and event minute that arrived in one minute.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Minute of arrival.
    pub arrival: Minute,
    /// The declared source.
    pub source: SourceId,
    /// The sending host; empty if unnamed or not known.
    pub origin: Arc<str>,
    /// The stream, if the lines got that far.
    pub stream: Option<StreamId>,
    /// The minute of event time, of counted lines.
    pub minute: Option<Minute>,
    /// What became of them.
    pub counts: LedgerCounts,
    /// The latest event time among them.
    pub latest_event: TimeUs,
    /// When the first of them arrived.
    pub first_arrival: TimeUs,
    /// When the last of them arrived.
    pub last_arrival: TimeUs,
}

/// Consecutive lines of one connection or file that were consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The declared source.
    pub source: SourceId,
    /// The connection or file.
    pub conn: ConnId,
    /// Number of the first of these lines.
    pub first_line: u64,
    /// Number of the line after the last of them.
    pub next_line: u64,
    /// Byte offset behind the last of them.
    pub end_offset: u64,
    /// What its source said of the bytes up to there: see [`Block::check`](crate::decode::Block::check).
    pub check: u32,
    /// How many of them were refused.
    pub rejected: u64,
}

/// A control record and whence it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The declared source.
    pub source: SourceId,
    /// When it arrived.
    pub arrival: TimeUs,
    /// What it says.
    pub what: ControlKind,
}

/// The kinds of control records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlKind {
    /// A change marker.
    Mark(Mark),
    /// "All of my events up to here have been sent."
    Heartbeat(Heartbeat),
    /// "I stop on purpose."
    Goodbye(Goodbye),
}

/// A refused line, for people who look for the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Why it was refused.
    pub reason: Reason,
    /// The declared source.
    pub source: SourceId,
    /// The connection, file or socket.
    pub conn: ConnId,
    /// Its number on its connection, from 1.
    pub number: u64,
    /// When it arrived.
    pub arrival: TimeUs,
    /// The beginning of the line, at most [`Sample::BYTES`].
    pub line: Box<[u8]>,
}

impl Sample {
    /// Bytes of a line that a sample keeps.
    pub const BYTES: usize = 512;
    /// Samples of one reason in one delta.
    pub const PER_REASON: u8 = 5;
}

/// Lines of one block that were refused for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedLines {
    /// The connection.
    pub conn: ConnId,
    /// Why.
    pub reason: Reason,
    /// The number of the first of them on its connection, from 1.
    pub first: u64,
    /// How many they are.
    pub lines: u64,
}
