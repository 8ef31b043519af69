//! Local time of the week: half-hour buckets, so that daylight saving moves the profile with people.

use jiff::tz::TimeZone;

use crate::model::Minute;

/// Half-hours in a week.
pub const BUCKETS: usize = 336;
/// Minutes in a bucket.
pub const MINUTES_PER_BUCKET: i64 = 30;

const MINUTES_PER_DAY: i64 = 1440;
/// 1970-01-01 was a Thursday: three days after the Monday that weeks begin with here.
const EPOCH_WEEKDAY: i64 = 3;

/// A time zone that minutes can be placed in.
#[derive(Clone, Debug)]
pub struct LocalZone(TimeZone);

/// Where a minute lies in its local week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Local weeks since 1969-12-29.
    pub week: i64,
    /// Half-hour of the week, Monday 00:00 first.
    pub bucket: usize,
    /// Minute of the half-hour, 0 to 29.
    pub minute: i64,
}

impl LocalZone {
    /// The zone of this IANA name; UTC if there is none (the configuration is checked before).
    pub fn named(name: &str) -> LocalZone {
        LocalZone(TimeZone::get(name).unwrap_or(TimeZone::UTC))
    }

    /// The local time at the start of `minute`.
    pub fn at(&self, minute: Minute) -> LocalTime {
        let local = i64::from(minute.0) + self.offset_minutes(minute);
        let days = local.div_euclid(MINUTES_PER_DAY) + EPOCH_WEEKDAY;
        let of_day = local.rem_euclid(MINUTES_PER_DAY);
        let bucket = days.rem_euclid(7) * 48 + of_day / MINUTES_PER_BUCKET;
        LocalTime {
            week: days.div_euclid(7),
            bucket: bucket as usize,
            minute: of_day.rem_euclid(MINUTES_PER_BUCKET),
        }
    }

    /// The first minute of a local day.
    pub fn begin_of(&self, day: jiff::civil::Date) -> Minute {
        let begin = day.to_zoned(self.0.clone()).map(|zoned| zoned.timestamp().as_second().div_euclid(60));
        Minute(begin.ok().and_then(|minute| i32::try_from(minute).ok()).unwrap_or(i32::MAX))
    }

    fn offset_minutes(&self, minute: Minute) -> i64 {
        match jiff::Timestamp::from_microsecond(minute.start().0) {
            Ok(stamp) => i64::from(self.0.to_offset(stamp).seconds().div_euclid(60)),
            Err(_) => 0,
        }
    }
}

impl LocalTime {
    /// Half-hours since the first local week began.
    pub fn half_hour(self) -> i64 {
        self.week * BUCKETS as i64 + self.bucket as i64
    }

    /// The buckets whose centres lie before and after the minute's middle.
    pub fn sides(self) -> (usize, usize) {
        let left = if self.minute < 15 { self.bucket + BUCKETS - 1 } else { self.bucket };
        (left % BUCKETS, (left + 1) % BUCKETS)
    }

    /// How far the minute's middle is from the centre before to the one after, 0 to 1.
    pub fn fraction(self) -> f32 {
        let from_left = if self.minute < 15 { self.minute + 15 } else { self.minute - 15 };
        (from_left as f32 + 0.5) / MINUTES_PER_BUCKET as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(text: &str) -> Minute {
        let stamp: jiff::Timestamp = text.parse().expect("a timestamp");
        Minute((stamp.as_second() / 60) as i32)
    }

    #[test]
    fn weeks_begin_on_monday_and_buckets_follow_the_clock() {
        let utc = LocalZone::named("UTC");
        let monday = utc.at(minute("2026-11-23T00:00:00Z"));
        assert_eq!((monday.bucket, monday.minute), (0, 0));
        assert_eq!(utc.at(minute("2026-11-22T23:59:00Z")).bucket, 335);
        assert_eq!(utc.at(minute("2026-11-22T23:59:00Z")).week + 1, monday.week);
        assert_eq!(monday.sides(), (335, 0));
        let later = utc.at(minute("2026-11-23T00:14:00Z"));
        assert!((later.fraction() - 29.5 / 30.0).abs() < 1e-6);
        assert_eq!(utc.at(minute("2026-11-23T00:15:00Z")).sides(), (0, 1));
    }

    #[test]
    fn daylight_saving_keeps_local_hours() {
        let berlin = LocalZone::named("Europe/Berlin");
        let before = berlin.at(minute("2026-03-27T11:00:00Z"));
        let after = berlin.at(minute("2026-04-03T10:00:00Z"));
        assert_eq!(before.bucket, after.bucket);
        assert_eq!(before.week + 1, after.week);
        let delhi = LocalZone::named("Asia/Kathmandu");
        assert_eq!(delhi.at(minute("2026-11-23T00:00:00Z")).minute, 15);
    }
}
