//! Figures as people read them: `18,204`, `3 h 12 min`, `14:03 CET`; how wide their terminal is, and whether it wants
//! colours.

use std::io::IsTerminal;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Columns when nobody says how many there are.
const COLUMNS: usize = 100;

/// How wide the terminal is: as `$COLUMNS` says, else as it says itself, else 100.
pub(super) fn terminal_columns() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let seen = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
    told.or_else(seen).filter(|columns| *columns > 0).unwrap_or(COLUMNS)
}

/// Whether standard output is a terminal that wants colours (<https://no-color.org>).
pub(super) fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|text| text.is_empty())
}

/// `18,204`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `12 s`, `3 min`, `3 h 12 min`, `5 d 4 h`: the two largest units that matter.
pub(super) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// Milliseconds: `0.4 ms`, `38 ms`, `1.2 s`, `3 min`.
pub(super) fn millis(ms: f64) -> String {
    match ms {
        ms if ms < 9.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms if ms < 99_500.0 => format!("{:.1} s", ms / 1e3),
        ms => span((ms / 1e3) as u64),
    }
}

/// A share: `4 %`, `0.3 %`.
pub(super) fn percent(share: f64) -> String {
    let hundredths = share * 100.0;
    if hundredths > 0.0 && hundredths < 0.95 {
        format!("{hundredths:.1} %")
    } else {
        format!("{hundredths:.0} %")
    }
}

/// An RFC 3339 instant in `zone` as seen on the day of `now`: `14:03 CET`, with the date if it is another
/// day. Text that is no instant stays as it is.
pub(super) fn clock(instant: &str, now: &str, zone: &TimeZone) -> String {
    let Ok(at) = instant.parse::<Timestamp>() else { return instant.to_owned() };
    let at: Zoned = at.to_zoned(zone.clone());
    let today = now.parse::<Timestamp>().is_ok_and(|now| now.to_zoned(zone.clone()).date() == at.date());
    at.strftime(if today { "%H:%M %Z" } else { "%Y-%m-%d %H:%M %Z" }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_say_their_unit() {
        let numbers = [0, 999, 1_000, 18_204, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "18,204", "1,234,567"]);
        let spans = [12, 190, 7_200, 11_520, 86_400, 446_400].map(span);
        assert_eq!(spans, ["12 s", "3 min", "2 h", "3 h 12 min", "1 d", "5 d 4 h"]);
        let times = [0.38, 38.2, 1_240.0, 190_000.0].map(millis);
        assert_eq!(times, ["0.4 ms", "38 ms", "1.2 s", "3 min"]);
        assert_eq!([0.0, 0.003, 0.04, 1.0].map(percent), ["0 %", "0.3 %", "4 %", "100 %"]);
    }

    #[test]
    fn clocks_say_their_zone_and_other_days_their_date() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let now = "2026-11-22T13:05:00Z";
        assert_eq!(clock("2026-11-22T13:03:00Z", now, &berlin), "14:03 CET");
        assert_eq!(clock("2026-11-21T13:03:00Z", now, &TimeZone::UTC), "2026-11-21 13:03 UTC");
        assert_eq!(clock("soon", now, &berlin), "soon");
    }
}
