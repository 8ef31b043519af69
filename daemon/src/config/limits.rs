//! `[limits]`, and whether what the components declare fits into `memory`.

use ebbd_core::model::{Limits, StreamSpec};

use super::checked::{LimitsConfig, SourceConfig};
use super::size::size_text;
use super::written::Section;

const MIB: u64 = 1 << 20;

/// Buffers of one lane and its queue.
const LANE_BYTES: u64 = 12 * MIB;
/// Bytes of one judged slice: profile, levels, evidence, name.
const SLICE_BYTES: u64 = 4096;
/// Bytes of one remembered event id.
const ID_BYTES: u64 = 32;
/// What is needed whatever is configured: program, HTTP, subscribers, Parquet under construction.
const BASE_BYTES: u64 = 96 * MIB;

/// Reads `[limits]`.
pub(super) fn read(section: &Section<'_>) -> LimitsConfig {
    let defaults = Limits::default();
    let core = Limits {
        series: section.whole("series", defaults.series as u64, 100..=50_000_000) as usize,
        line: section.size("line", defaults.line as u64, 256..=16 * MIB) as usize,
        origins: section.whole("origins", defaults.origins as u64, 1..=1_000_000) as usize,
        dedupe_ids: section.whole("dedupe_ids", defaults.dedupe_ids as u64, 1000..=1_000_000_000) as usize,
    };
    let slices = section.whole("slices", 10_000, 1..=1_000_000) as usize;
    let memory = section.size("memory", 1 << 30, 64 * MIB..=1 << 50);
    section.finish();
    LimitsConfig { memory, core, slices }
}

/// A component's upper bound of memory, for people and for the check at start.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MemoryBound {
    /// What it is.
    pub component: String,
    /// Its upper bound in bytes.
    pub bytes: u64,
}

/// The upper bounds of all components for this many lanes.
pub(super) fn bounds(
    limits: &LimitsConfig,
    streams: &[StreamSpec],
    sources: &[SourceConfig],
    lanes: usize,
) -> Vec<MemoryBound> {
    let bound = |component: &str, bytes: u64| MemoryBound { component: component.to_owned(), bytes };
    let lanes = lanes as u64;
    let series = limits.core.series as u64;
    let per_lane: u64 = streams.iter().map(|s| series.saturating_mul(series_bytes(s))).sum();
    let merged: u64 = streams.iter().map(|s| series.saturating_mul(series_bytes(s) + 32)).sum();
    let with_ids = streams.iter().filter(|s| !s.id.is_empty()).count() as u64;
    vec![
        bound("base", BASE_BYTES),
        bound("lanes: buffers", lanes * LANE_BYTES),
        bound("lanes: series", lanes.saturating_mul(per_lane)),
        bound("committer: series", merged),
        bound("connections: partial lines", lines(limits, sources)),
        bound("judge: slices", limits.slices as u64 * SLICE_BYTES),
        bound("event ids", with_ids.saturating_mul(limits.core.dedupe_ids as u64 * ID_BYTES)),
    ]
}

/// An estimate for one live series: its key, its codes, its cells of the open minutes.
fn series_bytes(stream: &StreamSpec) -> u64 {
    let (dimensions, sums) = (stream.dimensions.len() as u64, stream.sums.len() as u64);
    80 + 8 * dimensions + 24 * sums + 24 * stream.distincts.len() as u64
}

fn lines(limits: &LimitsConfig, sources: &[SourceConfig]) -> u64 {
    let open = |source: &SourceConfig| if source.kind.is_stream() { source.connections as u64 } else { 1 };
    sources.iter().map(|source| open(source).saturating_mul(limits.core.line as u64)).sum()
}

/// The sum of all bounds.
pub(super) fn total(bounds: &[MemoryBound]) -> u64 {
    bounds.iter().fold(0, |sum, bound| sum.saturating_add(bound.bytes))
}

/// The lanes to run: as written, or one per core but no more than memory allows. Tells what does not fit.
pub(super) fn fit_lanes(
    root: &Section<'_>,
    written: usize,
    cores: usize,
    bounds: impl Fn(usize) -> Vec<MemoryBound>,
    memory: u64,
) -> usize {
    let fits = |lanes: usize| total(&bounds(lanes)) <= memory;
    let lanes = match written {
        0 => (1..=cores.max(1)).rev().find(|&lanes| fits(lanes)).unwrap_or(1),
        lanes => lanes,
    };
    if !fits(lanes) {
        let bounds = bounds(lanes);
        let largest = bounds.iter().max_by_key(|bound| bound.bytes);
        let largest = largest.map_or_else(String::new, |b| format!("{} {}", b.component, size_text(b.bytes)));
        let sum = total(&bounds);
        let message = format!("limits.memory = {} is too small for the other limits", size_text(memory));
        let hint = format!(
            "they add up to {} with {lanes} lane(s), the largest part is {largest}: \
             raise `memory` to \"{}MiB\" or lower `series`, `connections` or `line`",
            size_text(sum),
            sum.div_ceil(MIB)
        );
        let item = root.get("limits").map(|item| item.section("[limits]"));
        let memory = item.as_ref().and_then(|limits| limits.get("memory"));
        let span = memory.map(|item| item.span).or(item.map(|item| item.span)).unwrap_or(0..0);
        root.findings.error(&span, message, hint);
    }
    lanes
}
