//! Times of day in a zone that is always named, and lengths of time.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::TimeUs;

/// Writes times in one zone, with the date only where the reader would not guess it.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: TimeZone,
    today: Option<jiff::civil::Date>,
}

impl Clock {
    /// A clock of `zone` for a reader at `now`: times of that local day go without a date.
    pub fn new(zone: TimeZone, now: TimeUs) -> Clock {
        let mut clock = Clock { zone, today: None };
        clock.today = clock.local(now).map(|zoned| zoned.date());
        clock
    }

    /// A clock of UTC, as records use it.
    pub fn utc(now: TimeUs) -> Clock {
        Clock::new(TimeZone::UTC, now)
    }

    fn local(&self, at: TimeUs) -> Option<jiff::Zoned> {
        Timestamp::from_microsecond(at.0).ok().map(|stamp| stamp.to_zoned(self.zone.clone()))
    }

    /// `14:03`; on another day `Nov 22 14:03`.
    pub fn minute(&self, at: TimeUs) -> String {
        self.write(at, "%H:%M", "%b %-d %H:%M")
    }

    /// `14:02:10`; on another day `Nov 22 14:02:10`.
    pub fn second(&self, at: TimeUs) -> String {
        self.write(at, "%H:%M:%S", "%b %-d %H:%M:%S")
    }

    /// `14:03 CET`.
    pub fn minute_zoned(&self, at: TimeUs) -> String {
        self.write(at, "%H:%M %Z", "%b %-d %H:%M %Z")
    }

    fn write(&self, at: TimeUs, today: &str, else_: &str) -> String {
        match self.local(at) {
            Some(zoned) if Some(zoned.date()) == self.today => zoned.strftime(today).to_string(),
            Some(zoned) => zoned.strftime(else_).to_string(),
            None => at.to_string(),
        }
    }
}

/// `50 s`, `4 min`, `2 h 05 min`, `3 d 4 h`; never negative.
pub fn duration(micros: i64) -> String {
    let seconds = micros.max(0) / 1_000_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..=89 => format!("{seconds} s"),
        90..=7199 => format!("{minutes} min"),
        7200..=172_799 => format!("{hours} h {:02} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MICROS_PER_SECOND;

    #[test]
    fn times_name_their_zone_and_their_day_where_needed() {
        let onset = TimeUs(1_795_352_645_000_000); // 2026-11-22T13:04:05Z
        let utc = Clock::utc(onset);
        assert_eq!(utc.minute_zoned(onset), "13:04 UTC");
        assert_eq!(utc.second(onset), "13:04:05");
        let later = Clock::utc(onset.plus_us(86_400 * MICROS_PER_SECOND));
        assert_eq!(later.minute(onset), "Nov 22 13:04");
        let fixed = TimeZone::fixed(jiff::tz::offset(9));
        assert_eq!(Clock::new(fixed, onset).minute_zoned(onset), "22:04 +09");
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(Clock::new(berlin, onset).minute_zoned(onset), "14:04 CET");
    }

    #[test]
    fn lengths_are_short() {
        let words: Vec<String> =
            [0, 50, 89, 90, 240, 2280, 7500, 273_600].map(|s| duration(s * MICROS_PER_SECOND)).into();
        assert_eq!(words, ["0 s", "50 s", "89 s", "1 min", "4 min", "38 min", "2 h 05 min", "3 d 4 h"]);
        assert_eq!(duration(-5), "0 s");
    }
}
