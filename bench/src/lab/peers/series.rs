//! The plain rules: a fixed floor, and the same time a week ago.

use super::WEEK;

/// Means over the last `window` minutes (fewer at the start).
pub fn trailing_means(counts: &[u32], window: usize) -> Vec<f32> {
    let mut sum = 0u64;
    let mean = |(at, count): (usize, &u32)| {
        sum += u64::from(*count);
        if at >= window {
            sum -= u64::from(counts[at - window]);
        }
        sum as f32 / (at + 1).min(window) as f32
    };
    counts.iter().enumerate().map(mean).collect()
}

/// Means over the last five minutes.
pub fn five_minute_means(counts: &[u32]) -> Vec<f32> {
    trailing_means(counts, 5)
}

/// The least of the last `minutes` values: "for so long".
pub(super) fn held(values: &[f32], minutes: usize) -> Vec<f32> {
    let least = |at: usize| {
        let from = (at + 1).saturating_sub(minutes);
        values[from..=at].iter().copied().fold(f32::INFINITY, f32::min)
    };
    (0..values.len()).map(least).collect()
}

/// How many times below the lowest hundredth of the weeks before, for three minutes.
pub(super) fn floor(counts: &[u32], from: usize) -> Vec<f32> {
    let mut known = counts[..from].to_vec();
    known.sort_unstable();
    let low = known.get(known.len() / 100).copied().unwrap_or(0) as f32;
    let times: Vec<f32> = counts[from - 2..].iter().map(|count| low / (*count as f32).max(0.5)).collect();
    held(&times, 3)[2..].to_vec()
}

/// One minus the ratio to the same five minutes a week ago, for five minutes.
pub(super) fn week_over_week(counts: &[u32], from: usize) -> Vec<f32> {
    let means = five_minute_means(counts);
    let fallen = |at: usize| match at.checked_sub(WEEK).map(|ago| means[ago]) {
        Some(ago) if ago > 0.0 => 1.0 - means[at] / ago,
        _ => 0.0,
    };
    let fallen: Vec<f32> = (from - 4..counts.len()).map(fallen).collect();
    held(&fallen, 5)[4..].to_vec()
}
