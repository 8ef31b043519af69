//! `[[calendar]]`: days unlike others.

use std::collections::BTreeMap;

use ebbd_core::model::{CalendarEntry, CalendarTime, Slice, StreamSpec, TimeUs};

use super::nearest::nearest;
use super::written::{Item, Section, listed};

const EXAMPLE: &str = "\"2026-11-27\" (a local day) or \"2026-11-27T18:00:00+01:00\"";

/// Days that a profile remembers; the first hours of the oldest are overwritten in the meantime.
const REMEMBERED_DAYS: i32 = 27;
/// Most entries: each minute looks at all of them.
const MOST_ENTRIES: usize = 1_000;

/// All entries in the order of the file.
pub(super) fn read_all(root: &Section<'_>, streams: &[StreamSpec]) -> Vec<CalendarEntry> {
    let Some(item) = root.get("calendar") else { return Vec::new() };
    let entries = item.list("each entry below a line [[calendar]]").unwrap_or_default();
    if let Some(beyond) = entries.get(MOST_ENTRIES) {
        beyond.error(
            format!("more than {MOST_ENTRIES} entries of the calendar"),
            "leave out days that are more than five weeks past",
        );
    }
    entries.iter().filter_map(|entry| read(entry, streams)).collect()
}

fn read(entry: &Item<'_>, streams: &[StreamSpec]) -> Option<CalendarEntry> {
    let section = entry.section("[[calendar]]");
    let name = section.get("name").and_then(|item| item.text()).unwrap_or_default().to_owned();
    let from_item = section.get("from");
    let to_item = section.get("to");
    let from = from_item.as_ref().and_then(time);
    let to = to_item.as_ref().map_or(from, time);
    let slice = section.get("slice").map(|item| slice(&item, streams)).unwrap_or_default();
    let learn = section.flag("learn").unwrap_or(false);
    let like = section.get("like").and_then(|item| day(&item));
    section.finish();
    warn_of_old_like(&section, from, like);
    if from_item.is_none() {
        let message = "this [[calendar]] entry has no `from`";
        section.findings.error(&section.span, message, format!("add from = {EXAMPLE}"));
    }
    let (from, to) = (from?, to?);
    if let Some(item) = to_item.filter(|_| is_before(to, from)) {
        item.error("`to` is before `from`", "swap them; both ends are included");
    }
    Some(CalendarEntry { name, from, to, slice, learn, like })
}

/// What a profile remembers is all that a day can be made to look like.
fn warn_of_old_like(section: &Section<'_>, from: Option<CalendarTime>, like: Option<jiff::civil::Date>) {
    let (Some(item), Some(CalendarTime::Day(from)), Some(like)) = (section.get("like"), from, like) else {
        return;
    };
    let days = from.since(like).map_or(i32::MAX, |span| span.get_days());
    if !(1..=REMEMBERED_DAYS).contains(&days) {
        section.findings.warning(
            &item.span,
            format!("`like`: only the last {REMEMBERED_DAYS} days before `from` are remembered"),
            "its level is followed as it comes; name a day of the weeks before, such as the last Sunday",
        );
    }
}

/// Days and instants are only compared with their own kind.
fn is_before(a: CalendarTime, b: CalendarTime) -> bool {
    match (a, b) {
        (CalendarTime::Day(a), CalendarTime::Day(b)) => a < b,
        (CalendarTime::At(a), CalendarTime::At(b)) => a < b,
        _ => false,
    }
}

fn time(item: &Item<'_>) -> Option<CalendarTime> {
    let text = item.scalar_text().unwrap_or_default();
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Some(CalendarTime::At(TimeUs(stamp.as_microsecond())));
    }
    day(item).map(CalendarTime::Day)
}

fn day(item: &Item<'_>) -> Option<jiff::civil::Date> {
    let text = item.scalar_text().unwrap_or_default();
    let parsed = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10);
    if parsed.is_none() {
        item.error(
            format!("`{}`: {text:?} is neither a day nor a time with a zone", item.key),
            format!("write {EXAMPLE}"),
        );
    }
    parsed
}

/// Conditions on dimensions that at least one stream has.
fn slice(item: &Item<'_>, streams: &[StreamSpec]) -> Slice {
    let names: Vec<&str> = streams.iter().flat_map(StreamSpec::dimension_names).collect();
    let condition = |entry: &Item<'_>| {
        if !names.contains(&entry.key.as_str()) {
            let near = nearest(&entry.key, names.iter().copied());
            let hint = near
                .map_or_else(|| format!("known: {}", listed(&names)), |n| format!("did you mean \"{n}\"?"));
            item.findings.error(&entry.key_span, format!("no stream has a dimension {:?}", entry.key), hint);
        }
        let value =
            entry.scalar_text().or_else(|| entry.wrong_type("a text", "slice = { marketplace = \"US\" }"));
        Some((entry.key.clone(), value?))
    };
    Slice(item.section("`slice`").entries().iter().filter_map(condition).collect::<BTreeMap<_, _>>())
}
