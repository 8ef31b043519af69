//! Exponential smoothing: Netflix Atlas' double one, and Holt-Winters with weekly seasons.

use super::WEEK;
use super::series::five_minute_means;

/// Gains of Atlas' `des-fast`.
const LEVEL_GAIN: f32 = 0.1;
const TREND_GAIN: f32 = 0.02;
/// Minutes between two steps of Holt-Winters.
const STEP: usize = 5;
/// Gain of its seasons and deviations.
const SEASON_GAIN: f32 = 0.3;

/// One minus the ratio to what a level and a trend predict of five-minute means.
pub(super) fn double_exponential(counts: &[u32], from: usize) -> Vec<f32> {
    let means = five_minute_means(counts);
    let (mut level, mut trend) = (means[0], 0.0);
    let score = |value: &f32| {
        let predicted = level + trend;
        let score = if predicted > 0.0 { 1.0 - value / predicted } else { 0.0 };
        let next = LEVEL_GAIN * value + (1.0 - LEVEL_GAIN) * predicted;
        trend = TREND_GAIN * (next - level) + (1.0 - TREND_GAIN) * trend;
        level = next;
        score
    };
    means.iter().map(score).collect::<Vec<f32>>()[from..].to_vec()
}

/// Deviations below the prediction of level times season, every five minutes.
pub(super) fn holt_winters(counts: &[u32], from: usize) -> Vec<f32> {
    let means = five_minute_means(counts);
    let values: Vec<f32> = means.iter().skip(STEP - 1).step_by(STEP).copied().collect();
    let slots = WEEK / STEP;
    let mut level = (values[..slots].iter().sum::<f32>() / slots as f32).max(1e-6);
    let mut seasons: Vec<f32> = values[..slots].iter().map(|value| value / level).collect();
    let mut deviations: Vec<f32> = seasons.iter().map(|season| 0.1 * season * level + 0.1).collect();
    let mut scores = vec![0.0; slots];
    for (at, value) in values.iter().enumerate().skip(slots) {
        let slot = at % slots;
        let (predicted, season) = (level * seasons[slot], seasons[slot].max(1e-3));
        scores.push((predicted - value) / deviations[slot].max(1e-3));
        deviations[slot] += SEASON_GAIN * ((value - predicted).abs() - deviations[slot]);
        level = (level + LEVEL_GAIN * (value / season - level)).clamp(0.3 * level, 3.0 * level).max(1e-6);
        seasons[slot] += SEASON_GAIN * (value / level - seasons[slot]);
    }
    (from..counts.len()).map(|at| ((at + 1) / STEP).checked_sub(1).map_or(0.0, |step| scores[step])).collect()
}
