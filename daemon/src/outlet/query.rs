//! What stands behind the question mark of a request, checked: everything wrong is said with what would be right.

use ebbd_core::alarm::block::instant;
use ebbd_core::model::{Minute, Slice};
use jiff::tz::TimeZone;

use super::board::BOARD_MINUTES;

/// Longest query that is looked at.
const QUERY_BYTES: usize = 8 << 10;
/// Hours that are shown if nobody says how many, and at most.
const HOURS: (u32, u32) = (3, BOARD_MINUTES as u32 / 60);

/// A query, read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    pub(super) stream: Option<String>,
    /// The conditions; none if no slice was asked for. `slice=` alone is the whole stream.
    pub(super) slice: Option<Slice>,
    pub(super) hours: u32,
    /// The first minute behind what is asked for; none for now.
    pub(super) until: Option<Minute>,
    pub(super) zone: TimeZone,
}

impl Query {
    /// Reads `stream=`, `slice=dim=value` (again for each condition), `hours=`, `until=`, `zone=`. Keys that are not
    /// known are left alone.
    ///
    /// # Errors
    /// What cannot be understood, in a sentence.
    pub(super) fn read(text: Option<&str>) -> Result<Query, String> {
        let text = text.unwrap_or_default();
        if text.len() > QUERY_BYTES {
            return Err(format!("the query is longer than {QUERY_BYTES} bytes"));
        }
        let mut query = Query { stream: None, slice: None, hours: HOURS.0, until: None, zone: TimeZone::UTC };
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            match key.as_ref() {
                "stream" => query.stream = Some(value.into_owned()),
                "slice" => condition(&value, query.slice.get_or_insert_default())?,
                "hours" => query.hours = hours(&value)?,
                "until" => query.until = Some(until(&value)?),
                "zone" => query.zone = zone(&value)?,
                _ => {}
            }
        }
        Ok(query)
    }
}

fn condition(text: &str, slice: &mut Slice) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let (dimension, value) =
        text.split_once('=').ok_or("slice is written dimension=value, again for each condition")?;
    slice.0.insert(dimension.to_owned(), value.to_owned());
    Ok(())
}

fn hours(text: &str) -> Result<u32, String> {
    let hours = text.parse().ok().filter(|hours| (1..=HOURS.1).contains(hours));
    hours.ok_or_else(|| format!("hours is a whole number from 1 to {}", HOURS.1))
}

fn until(text: &str) -> Result<Minute, String> {
    let at = instant(text).ok_or("until is a time such as 2026-11-22T13:00:00Z")?;
    Ok(at.minute())
}

fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_| "zone is a name such as Europe/Berlin".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_add_up_and_the_whole_stream_can_be_asked_for() {
        let query =
            Query::read(Some("stream=orders&slice=feature%3Done-click&slice=a+b=c%26=&hours=6")).unwrap();
        assert_eq!(query.slice, Some(Slice::of([("feature", "one-click"), ("a b", "c&=")])));
        assert_eq!((query.stream.as_deref(), query.hours), (Some("orders"), 6));
        assert_eq!(Query::read(Some("slice=")).unwrap().slice, Some(Slice::default()));
        assert_eq!(Query::read(None).unwrap().slice, None);
        assert_eq!(Query::read(Some("zone=Asia/Tokyo")).unwrap().zone.iana_name(), Some("Asia/Tokyo"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for wrong in ["slice=US", "hours=0", "hours=7", "hours=x", "zone=Atlantis", "until=now"] {
            assert!(Query::read(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(Query::read(Some(&"x".repeat(9_000))).is_err());
    }
}
