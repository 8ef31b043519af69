//! Instants and minutes of event time, in UTC.

use std::fmt;

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;

/// An instant: microseconds since 1970-01-01T00:00:00Z, negative before.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct TimeUs(pub i64);

/// A UTC minute: whole minutes since 1970-01-01T00:00Z. It begins at its own start instant.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Minute(pub i32);

impl TimeUs {
    /// The minute that contains this instant (rounds down, also before 1970).
    /// Instants outside the range of [`Minute`] saturate.
    pub fn minute(self) -> Minute {
        let minutes = self.0.div_euclid(MICROS_PER_MINUTE);
        Minute(i32::try_from(minutes).unwrap_or(if minutes < 0 { i32::MIN } else { i32::MAX }))
    }

    /// This instant moved by `micros` (saturating).
    pub fn plus_us(self, micros: i64) -> TimeUs {
        TimeUs(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to this instant (saturating, negative if `earlier` is later).
    pub fn since_us(self, earlier: TimeUs) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// RFC 3339 in UTC, with as many fraction digits as are needed: `2026-11-22T13:04:05.123Z`.
    pub fn to_rfc3339(self) -> String {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(stamp) => stamp.to_string(),
            Err(_) => format!("{}us", self.0),
        }
    }

    /// The UTC date as `2026-11-22`: the `date=` of a partition.
    pub fn utc_date(self) -> String {
        self.to_rfc3339().chars().take_while(|&c| c != 'T').collect()
    }
}

impl Minute {
    /// The instant at which this minute begins.
    pub fn start(self) -> TimeUs {
        TimeUs(i64::from(self.0) * MICROS_PER_MINUTE)
    }

    /// The instant at which this minute has ended, which is the start of the next.
    pub fn end(self) -> TimeUs {
        self.next().start()
    }

    /// The minute after this one.
    pub fn next(self) -> Minute {
        Minute(self.0.saturating_add(1))
    }

    /// This minute moved by `minutes` (saturating).
    pub fn plus(self, minutes: i32) -> Minute {
        Minute(self.0.saturating_add(minutes))
    }
}

impl fmt::Display for TimeUs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.start().to_rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_round_down_on_both_sides_of_1970() {
        assert_eq!(TimeUs(59_999_999).minute(), Minute(0));
        assert_eq!(TimeUs(60_000_000).minute(), Minute(1));
        assert_eq!(TimeUs(-1).minute(), Minute(-1));
        assert_eq!(Minute(-1).end(), TimeUs(0));
        assert_eq!(TimeUs(i64::MAX).minute(), Minute(i32::MAX));
    }

    #[test]
    fn writes_rfc3339() {
        assert_eq!(TimeUs(1_795_352_645_123_000).to_rfc3339(), "2026-11-22T13:04:05.123Z");
        assert_eq!(Minute(29_922_544).to_string(), "2026-11-22T13:04:00Z");
        assert_eq!(TimeUs(1_795_352_645_123_000).utc_date(), "2026-11-22");
    }
}
