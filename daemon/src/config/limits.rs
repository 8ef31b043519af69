//! `[limits]`.

use ebbd_core::model::Limits;

use super::checked::LimitsConfig;
use super::written::Section;

const MIB: u64 = 1 << 20;

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
