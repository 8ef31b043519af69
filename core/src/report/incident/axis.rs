//! Where ticks stand: round figures on the value axis, round times on the time axis.

use crate::alarm::words::Clock;
use crate::model::Minute;

/// Minutes between two ticks of the time axis.
const STEPS: [i32; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440];

/// Round values from zero up, the last at or above `most`; about `ticks` of them.
pub(super) fn values(most: f64, ticks: usize) -> Vec<f64> {
    let rough = most.max(1.0) / ticks as f64;
    let unit = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * unit).find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * unit);
    let count = (most / step).ceil().max(1.0) as usize;
    (0..=count).map(|at| at as f64 * step).collect()
}

/// Round times between two minutes, at most `ticks`, with what is written there: `13:05`, at midnight and at
/// the first of another day `Nov 23`.
pub(super) fn times(from: Minute, to: Minute, ticks: i32) -> Vec<(Minute, String)> {
    let span = (to.0 - from.0).max(1);
    let step =
        STEPS.into_iter().find(|step| span / step <= ticks).unwrap_or(1440 * (span / 1440 / ticks + 1));
    let clock = Clock::utc(from.start());
    let label = |minute: Minute| {
        let written = clock.minute(minute.start());
        // `Nov 23 00:00` is written as the day alone.
        written.strip_suffix(" 00:00").map_or(written.clone(), str::to_owned)
    };
    let first = from.0 + (step - from.0.rem_euclid(step)) % step;
    let times = (first..to.0).step_by(step as usize).map(Minute);
    times.map(|minute| (minute, last_word(label(minute), minute))).collect()
}

/// Of a time on another day only the time, but for midnight.
fn last_word(label: String, minute: Minute) -> String {
    match label.rsplit_once(' ') {
        Some((_, time)) if minute.0.rem_euclid(1440) != 0 => time.to_owned(),
        _ => label,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(values(585.0, 4), [0.0, 200.0, 400.0, 600.0]);
        assert_eq!(values(0.0, 4), [0.0, 0.5]);
        let noon = Minute(29_922_540); // 2026-11-22T13:00Z
        let labels =
            |to, ticks| times(noon, noon.plus(to), ticks).into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(labels(60, 4), ["13:00", "13:15", "13:30", "13:45"]);
        assert_eq!(labels(24 * 60, 4), ["18:00", "Nov 23", "06:00", "12:00"]);
    }
}
