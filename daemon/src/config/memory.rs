//! What each component may need at most, by the configuration, and whether all of it fits `limits.memory`.
//!
//! A component's bound is either enforced by a figure that is declared here (buffers, waiting rows) or adds
//! up what its own limits allow. Estimates are per entry, measured with some room.

use ebbd_core::judge;
use ebbd_core::model::StreamSpec;

use super::checked::{Config, LimitsConfig, SourceConfig, SourceKind};
use super::size::size_text;
use super::written::Section;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Blocks that wait for a lane at most.
pub const LANE_BLOCKS: usize = 64;
/// Reads are at least this large.
const READ_BYTES: usize = 64 * 1024;

/// The program itself: code, threads, HTTP, control, journal.
const PROGRAM_BYTES: u64 = 64 * MIB;
/// A batch of datagrams under receipt, per socket.
const DATAGRAM_BYTES: u64 = 4 * MIB + 16 * KIB;
/// Values that a lane logs for one stream's distinct counts until it drops repeated ones, and the
/// committer for its open minutes until it makes sketches of them: 4 Mi of them, 8 bytes each.
const DISTINCT_BYTES: u64 = 32 * MIB;
/// One judged slice: profile, levels, evidence, name.
const SLICE_BYTES: u64 = 4096;
/// One remembered event id.
const ID_BYTES: u64 = 32;
/// The alarm socket's ring and inbox, and 256 subscribers with their batches.
const SUBSCRIBER_BYTES: u64 = 24 * MIB + 256 * 128 * KIB;
/// An outlet that sends: the alerts that it keeps, the request on its way.
const OUTLET_BYTES: u64 = 4 * MIB;
/// The last hours of 256 watched slices that the dashboard keeps.
const DASHBOARD_BYTES: u64 = 8 * MIB;
/// A Parquet file under construction: a row group and the batch on its way into it.
const PARQUET_BYTES: u64 = 72 * MIB;
/// The bodies of one HTTP source's requests together, packed and unpacked.
pub const HTTP_BODIES_BYTES: usize = 64 << 20;
/// Of `limits.memory`, the part that receive buffers may take where blocks are large.
const BUFFERS_PART: u64 = 8;
/// Of `limits.memory`, the part that rows may take that wait for their roll; with more it comes early.
const ROWS_PART: u64 = 8;

/// No advice goes beyond this.
const MOST: u64 = 1 << 50;

/// A component's upper bound of memory, for people and for the check at start.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MemoryBound {
    /// What it is.
    pub component: String,
    /// Its upper bound in bytes.
    pub bytes: u64,
}

/// The pool of receive buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveBuffers {
    /// How many.
    pub count: usize,
    /// Bytes of each.
    pub bytes: usize,
}

impl Config {
    /// The upper bounds of memory that the components declare; their sum is at most `limits.memory`.
    pub fn memory_bounds(&self) -> Vec<MemoryBound> {
        bounds(&self.limits, (&self.streams, &self.sources, self.outlets.len()), self.lanes)
    }

    /// The receive buffers that all sources share. Connections need none of their own.
    pub fn receive_buffers(&self) -> ReceiveBuffers {
        receive_buffers(&self.limits, &self.sources, self.lanes)
    }

    /// Bytes of rows that may wait for their roll.
    pub fn waiting_rows_bytes(&self) -> u64 {
        self.limits.memory / ROWS_PART
    }
}

/// How large a receive buffer has to be for lines of up to `line` bytes: an unfinished line and a large
/// read behind it.
pub fn buffer_bytes(line: usize) -> usize {
    (line + 2).next_multiple_of(READ_BYTES) + READ_BYTES
}

/// Enough to fill every lane's queue, or as many as an eighth of the memory has room for; at least two for
/// each thread that receives and each lane.
fn receive_buffers(limits: &LimitsConfig, sources: &[SourceConfig], lanes: usize) -> ReceiveBuffers {
    let bytes = buffer_bytes(limits.core.line);
    let threads: usize = sources.iter().map(receivers).sum();
    let affordable = usize::try_from(limits.memory / BUFFERS_PART).unwrap_or(usize::MAX) / bytes;
    let count = (2 * threads + LANE_BLOCKS * lanes).min(affordable).max(2 * threads + 2 * lanes);
    ReceiveBuffers { count, bytes }
}

/// Threads of a source that receive.
fn receivers(source: &SourceConfig) -> usize {
    match source.kind {
        SourceKind::Udp { options, .. } => options.receivers,
        _ => 1,
    }
}

/// The upper bounds of all components for this many lanes.
pub(super) fn bounds(
    limits: &LimitsConfig,
    (streams, sources, outlets): (&[StreamSpec], &[SourceConfig], usize),
    lanes: usize,
) -> Vec<MemoryBound> {
    let bound = |component: &str, bytes: u64| MemoryBound { component: component.to_owned(), bytes };
    let buffers = receive_buffers(limits, sources, lanes);
    let (lanes, series) = (lanes as u64, limits.core.series as u64);
    let all = |each: fn(&StreamSpec) -> u64| streams.iter().map(each).fold(0, u64::saturating_add);
    let with_ids = streams.iter().filter(|s| !s.id.is_empty()).count() as u64;
    let batches: usize = sources.iter().filter(|s| takes_datagrams(s)).map(receivers).sum();
    let web = sources.iter().filter(|s| matches!(s.kind, SourceKind::Http { .. })).count();
    vec![
        bound("program", PROGRAM_BYTES),
        bound("receive buffers", buffers.count as u64 * buffers.bytes as u64),
        bound("datagram batches", batches as u64 * DATAGRAM_BYTES),
        bound("connections: partial lines", lines(limits, sources)),
        bound("HTTP writes: bodies", (web as u64).saturating_mul(HTTP_BODIES_BYTES as u64)),
        bound("lanes: series", lanes.saturating_mul(series).saturating_mul(all(lane_series_bytes))),
        bound("lanes: distinct values", lanes.saturating_mul(all(distinct_bytes))),
        bound("committer: series", series.saturating_mul(all(open_series_bytes))),
        bound("committer: distinct values", all(distinct_bytes)),
        bound("event ids", with_ids.saturating_mul(limits.core.dedupe_ids as u64 * ID_BYTES)),
        bound("judge: slices", limits.slices as u64 * SLICE_BYTES),
        bound("judge: last minutes", judge::LAST_MINUTES_BYTES),
        bound("alarm socket: records and subscribers", SUBSCRIBER_BYTES),
        bound("outlets that send", outlets as u64 * OUTLET_BYTES),
        bound("dashboard: last hours", DASHBOARD_BYTES),
        bound("rows that wait for their roll", limits.memory / ROWS_PART),
        bound("Parquet under construction", PARQUET_BYTES),
    ]
}

fn takes_datagrams(source: &SourceConfig) -> bool {
    matches!(source.kind, SourceKind::Udp { .. } | SourceKind::UnixDatagram(_))
}

/// A live series in a lane: its key and codes, and the cell that is on its way to the committer.
fn lane_series_bytes(stream: &StreamSpec) -> u64 {
    let (dimensions, sums, distincts) = shape(stream);
    80 + 24 * dimensions + 24 * sums + 24 * distincts
}

/// A live series at the committer: its key, and its cells of the open minutes.
fn open_series_bytes(stream: &StreamSpec) -> u64 {
    let (dimensions, sums, distincts) = shape(stream);
    112 + 24 * dimensions + 72 * sums + 48 * distincts
}

fn distinct_bytes(stream: &StreamSpec) -> u64 {
    let (_, _, distincts) = shape(stream);
    DISTINCT_BYTES * distincts.min(1)
}

fn shape(stream: &StreamSpec) -> (u64, u64, u64) {
    (stream.dimensions.len() as u64, stream.sums.len() as u64, stream.distincts.len() as u64)
}

fn lines(limits: &LimitsConfig, sources: &[SourceConfig]) -> u64 {
    let open = |source: &SourceConfig| if source.kind.is_stream() { source.connections as u64 } else { 1 };
    sources.iter().map(|source| open(source).saturating_mul(limits.core.line as u64)).sum()
}

/// The sum of all bounds.
fn total(bounds: &[MemoryBound]) -> u64 {
    bounds.iter().fold(0, |sum, bound| sum.saturating_add(bound.bytes))
}

/// The lanes to run: as written, or one per core but no more than memory allows. Tells what does not fit.
pub(super) fn fit_lanes(
    root: &Section<'_>,
    written: usize,
    cores: usize,
    bounds: impl Fn(usize, u64) -> Vec<MemoryBound>,
    memory: u64,
) -> usize {
    let fits = |lanes: usize| total(&bounds(lanes, memory)) <= memory;
    let lanes = match written {
        0 => (1..=cores.max(1)).rev().find(|&lanes| fits(lanes)).unwrap_or(1),
        lanes => lanes,
    };
    if !fits(lanes) {
        let message = format!("limits.memory = {} is too small for the other limits", size_text(memory));
        let item = root.get("limits").map(|item| item.section("[limits]"));
        let place = item.as_ref().and_then(|limits| limits.get("memory"));
        let span = place.map(|item| item.span).or(item.map(|item| item.span)).unwrap_or(0..0);
        let enough = enough(|memory| total(&bounds(lanes, memory)), memory);
        root.findings.error(&span, message, too_small(bounds(lanes, enough), enough, lanes));
    }
    lanes
}

/// The least memory in whole MiB that has room for what is `needed` with it: some parts are shares of it, a
/// quarter together, so each step is a quarter of the one before.
fn enough(needed: impl Fn(u64) -> u64, memory: u64) -> u64 {
    let mut enough = memory;
    loop {
        let more = needed(enough).min(MOST).next_multiple_of(MIB);
        if more <= enough {
            return enough;
        }
        enough = more;
    }
}

/// Who needs how much with `enough` memory, the largest first, and what to change.
fn too_small(mut bounds: Vec<MemoryBound>, enough: u64, lanes: usize) -> String {
    bounds.retain(|bound| bound.bytes > 0);
    bounds.sort_by_key(|bound| std::cmp::Reverse(bound.bytes));
    let parts: Vec<String> =
        bounds.iter().map(|bound| format!("{} {}", bound.component, size_text(bound.bytes))).collect();
    format!(
        "with {lanes} lane(s) they add up to {}: {}; raise `memory` to \"{}MiB\" or lower `series`, `slices`, \
         `connections`, `line` or `lanes`",
        size_text(enough),
        parts.join(", "),
        enough.div_ceil(MIB)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_holds_an_unfinished_line_and_a_large_read() {
        for line in [256, 64 * 1024, 64 * 1024 - 1, 16 << 20] {
            assert!(buffer_bytes(line) >= line + 2 + READ_BYTES);
        }
    }
}
