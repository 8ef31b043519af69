//! The aggregator's state as it is kept over a restart: plain, versioned, by names instead of ids where
//! a changed configuration may give other ids.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::aggregator::Closed;
use super::arrivals::ArrivalMinute;
use super::running::{LaneSaved, RunningSaved};
use crate::model::{Mark, Minute, StreamSpec, TimeUs};

/// The version of state that this code writes. It reads every older one.
pub(super) const VERSION: u32 = 1;

/// Everything that has to outlive a restart. It serialises well as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AggregateState {
    /// Version of the format.
    pub version: u32,
    pub(super) seed: u64,
    pub(super) saved_at: TimeUs,
    /// Names of the sources; a number that names a source is a place in this list.
    pub(super) sources: Vec<String>,
    /// The streams; a number that names a stream is a place in this list.
    pub(super) streams: Vec<StreamSaved>,
    pub(super) origins: Vec<OriginSaved>,
    /// Sources that ever had a connection.
    pub(super) connected: Vec<u16>,
    pub(super) arrivals: Vec<(Minute, ArrivalMinute)>,
    pub(super) ledger: Vec<LedgerSaved>,
    pub(super) marks: Vec<Mark>,
    /// The last step in it; 0 if it was never told of steps.
    #[serde(default)]
    pub(super) commit: u64,
    #[serde(default)]
    pub(super) running: Option<RunningSaved>,
}

/// Why state can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Written by a newer release.
    #[error("the saved counts are of version {0}, this release reads up to {VERSION}")]
    Version(u32),
    /// Not what was written.
    #[error("the saved counts are damaged: {0}")]
    Damaged(&'static str),
    /// To be gone on with as they are, but streams or sources are others.
    #[error("the saved counts are of another configuration")]
    Configuration,
}

/// One stream: what its cells look like and what is in them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StreamSaved {
    pub(super) name: String,
    pub(super) dimensions: Vec<String>,
    /// Names and scales.
    pub(super) sums: Vec<(String, u8)>,
    pub(super) distincts: Vec<String>,
    pub(super) next: Option<Minute>,
    pub(super) ever_seen: bool,
    /// Keys that the rest refers to by place: dimension values, then currencies.
    pub(super) keys: Vec<Vec<String>>,
    /// Fractions of events (millionths) by key.
    pub(super) carries: Vec<(u32, i64)>,
    pub(super) open: Vec<MinuteSaved>,
    pub(super) revisions: Vec<MinuteSaved>,
    pub(super) closed: Vec<(Minute, Closed)>,
    pub(super) ids: IdsSaved,
    /// Every series, for who goes on: when each was last used. Their keys are the first in `keys`.
    #[serde(default)]
    pub(super) used: Vec<TimeUs>,
    /// The dimension that gave way at the limit, and how often the limit was met.
    #[serde(default)]
    pub(super) met_limit: (Option<usize>, u64),
    #[serde(default)]
    pub(super) lanes: Vec<LaneSaved>,
}

impl StreamSaved {
    /// Whether it is of this very stream: keys and cells mean the same.
    pub(super) fn is_of(&self, spec: &StreamSpec) -> bool {
        let sums = spec.sums.iter().map(|sum| (&sum.name, sum.scale));
        self.name == spec.name
            && self.dimensions.iter().eq(spec.dimensions.iter().map(|dimension| &dimension.name))
            && self.sums.iter().map(|(name, scale)| (name, *scale)).eq(sums)
            && self.distincts.iter().eq(spec.distincts.iter().map(|distinct| &distinct.name))
    }
}

/// One minute's cells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct MinuteSaved {
    pub(super) minute: Minute,
    pub(super) cells: Vec<CellSaved>,
    /// Lines by source and origin.
    pub(super) lines: Vec<(u16, String, u64)>,
    /// Rows that were handed out: `values[0]` are whole events.
    pub(super) earlier: Vec<CellSaved>,
}

/// One cell, or one row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CellSaved {
    pub(super) key: u32,
    /// Weight in millionths (whole events for a row), then one amount per sum.
    pub(super) values: Vec<i64>,
    /// One sketch per distinct, in hexadecimal; empty if there is none.
    pub(super) sketches: Vec<String>,
}

/// Event ids in two generations, 48 hexadecimal digits each: the id, then its arrival.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct IdsSaved {
    pub(super) since: TimeUs,
    pub(super) young: String,
    pub(super) old: String,
}

/// One sending host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OriginSaved {
    pub(super) source: u16,
    pub(super) name: String,
    pub(super) expected: bool,
    pub(super) first_seen: Option<TimeUs>,
    pub(super) last_arrival: Option<TimeUs>,
    pub(super) widest_gap_us: f64,
    pub(super) through: Option<TimeUs>,
    pub(super) left_at: Option<TimeUs>,
    pub(super) dropped_total: Option<u64>,
    pub(super) habits: Vec<HabitSaved>,
}

/// What a host usually sends of one stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct HabitSaved {
    pub(super) stream: u16,
    pub(super) rate: f64,
    pub(super) minutes: f64,
    pub(super) latest_event: TimeUs,
    pub(super) delay_us: i64,
}

/// One entry of the ledger. Reasons are kept by name, so that new ones may come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LedgerSaved {
    pub(super) arrival: Minute,
    pub(super) source: u16,
    pub(super) origin: String,
    pub(super) stream: String,
    pub(super) received: u64,
    pub(super) counted: u64,
    pub(super) control: u64,
    pub(super) duplicate: u64,
    pub(super) rejected: BTreeMap<String, u64>,
    pub(super) dropped_queue: u64,
    pub(super) dropped_crash: u64,
    pub(super) late: u64,
    pub(super) bad: BTreeMap<String, u64>,
    pub(super) kernel_datagrams: u64,
    pub(super) sender_dropped: u64,
}

/// Bytes as hexadecimal text.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// Hexadecimal text as bytes.
pub(super) fn from_hex(text: &str) -> Result<Vec<u8>, RestoreError> {
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(RestoreError::Damaged("no hexadecimal digit"));
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Ok((digit(*high)? << 4 | digit(*low)?) as u8),
            _ => Err(RestoreError::Damaged("half a byte")),
        })
        .collect()
}
