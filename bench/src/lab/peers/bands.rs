//! Bands: Grafana's published anomaly rules, and the seasonal median with its absolute deviation.

use super::WEEK;
use super::series::{five_minute_means, held, trailing_means};

const DAY: usize = 1440;
/// The rules average spreads over so many minutes.
const SPREAD_OVER: usize = 26 * 60;
/// Minutes between two looks of the seasonal rule.
const LOOK: usize = 5;

/// How far below the lowest of three bands, for five minutes; zeros are zeros.
pub(super) fn zeros_kept(counts: &[u32], from: usize) -> Vec<f32> {
    bands(&five_minute_means(counts), counts, from)
}

/// The same with `> 0` before everything, as published: where nothing comes there is no series.
pub(super) fn zeros_dropped(counts: &[u32], from: usize) -> Vec<f32> {
    let seen: Vec<u32> = counts.iter().map(|count| u32::from(*count > 0)).collect();
    let (means, share) = (five_minute_means(counts), five_minute_means(&seen));
    let known = means.iter().zip(&share);
    let present: Vec<f32> =
        known.map(|(mean, share)| if *share > 0.0 { mean / share } else { f32::INFINITY }).collect();
    bands(&present, counts, from)
}

fn bands(now: &[f32], counts: &[u32], from: usize) -> Vec<f32> {
    let hour = trailing_means(counts, 60);
    let spread = mean_of(&deviations(&five_minute_means(counts), 60), SPREAD_OVER);
    let middle = |at: usize, ago: usize| if at + 30 >= ago { hour[at + 30 - ago] } else { f32::INFINITY };
    let fallen = |at: usize| {
        let lowest = hour[at.saturating_sub(5)].min(middle(at, DAY)).min(middle(at, WEEK));
        if now[at] < lowest - 2.0 * spread[at] { 1.0 - now[at] / lowest } else { 0.0 }
    };
    let fallen: Vec<f32> = (from - 4..now.len()).map(fallen).collect();
    held(&fallen, 5)[4..].to_vec()
}

/// Standard deviation over the last `window` values.
fn deviations(values: &[f32], window: usize) -> Vec<f32> {
    let (mut sum, mut squares) = (0.0f64, 0.0f64);
    let deviation = |at: usize| {
        let new = f64::from(values[at]);
        (sum, squares) = (sum + new, squares + new * new);
        if at >= window {
            let old = f64::from(values[at - window]);
            (sum, squares) = (sum - old, squares - old * old);
        }
        let n = (at + 1).min(window) as f64;
        (squares / n - (sum / n).powi(2)).max(0.0).sqrt() as f32
    };
    (0..values.len()).map(deviation).collect()
}

fn mean_of(values: &[f32], window: usize) -> Vec<f32> {
    let mut sum = 0.0f64;
    let mean = |at: usize| {
        sum += f64::from(values[at]);
        if at >= window {
            sum -= f64::from(values[at - window]);
        }
        (sum / (at + 1).min(window) as f64) as f32
    };
    (0..values.len()).map(mean).collect()
}

/// Deviations below the median of the same quarter of an hour in the last four weeks, every five minutes.
pub(super) fn seasonal(counts: &[u32], from: usize) -> Vec<f32> {
    let means = five_minute_means(counts);
    let mut score = 0.0;
    let look = |at: usize| {
        if at % LOOK == LOOK - 1 {
            score = deviation_below(&means, at);
        }
        score
    };
    (from..counts.len()).map(look).collect()
}

fn deviation_below(means: &[f32], at: usize) -> f32 {
    let weeks = (1..=4).filter_map(|week| at.checked_sub(week * WEEK + LOOK));
    let mut known: Vec<f32> =
        weeks.flat_map(|ago| [0, LOOK, 2 * LOOK].map(|later| means[ago + later])).collect();
    if known.is_empty() {
        return 0.0;
    }
    let middle = median(&mut known);
    known.iter_mut().for_each(|value| *value = (*value - middle).abs());
    let deviation = (1.4826 * median(&mut known)).max(0.5 * (middle / LOOK as f32).sqrt()).max(1e-6);
    (middle - means[at]) / deviation
}

fn median(values: &mut [f32]) -> f32 {
    values.sort_by(f32::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}
