//! How busy a shop is at a local time of the week.

use crate::model::Minute;

const MINUTES_PER_DAY: i64 = 1440;

/// Activity at `minute` in a place `offset_min` minutes ahead of UTC, 1 at the usual peak: quiet
/// nights, a noon shoulder, an evening peak, fuller Sundays.
pub(super) fn activity(minute: Minute, offset_min: i32) -> f64 {
    let local = i64::from(minute.0) + i64::from(offset_min);
    let hour = local.rem_euclid(MINUTES_PER_DAY) as f64 / 60.0;
    // 1970-01-01 was a Thursday: day 0 of this week is Monday.
    let day = (local.div_euclid(MINUTES_PER_DAY) + 3).rem_euclid(7) as usize;
    daily(hour) * [0.92, 0.90, 0.91, 0.94, 0.97, 1.0, 1.06][day]
}

fn daily(hour: f64) -> f64 {
    let bump = |centre: f64, width: f64, height: f64| {
        let away = (hour - centre + 36.0).rem_euclid(24.0) - 12.0;
        height * (-(away / width).powi(2)).exp()
    };
    0.22 + bump(12.5, 4.0, 0.55) + bump(20.0, 2.6, 0.62)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenings_are_busy_and_nights_quiet_in_local_time() {
        let monday = 4 * 1440; // 1970-01-05
        let at = |hour: i32, offset| activity(Minute(monday + hour * 60), offset);
        assert!(at(20, 0) > 3.0 * at(4, 0));
        assert!((at(20, 0) - at(12, 480)).abs() < 1e-9, "the same local time is as busy");
        assert!(at(20, 0) < activity(Minute(monday - 1440 + 20 * 60), 0), "Sundays are fuller");
    }
}
