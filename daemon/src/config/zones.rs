//! `timezone`: in which local time a stream's week is learnt.

use std::collections::BTreeMap;

use ebbd_core::model::{DimensionSpec, Timezones};

use super::nearest::nearest;
use super::watching::dimension_at;
use super::written::{Item, Section};

const EXAMPLE: &str = "timezone = \"Europe/Berlin\", or \
    { default = \"UTC\", by = \"marketplace\", zones = { US = \"America/New_York\" } }";

/// UTC where nothing is written.
pub(super) fn read(stream: &Section<'_>, dimensions: &[DimensionSpec]) -> Timezones {
    let utc = || Timezones { default: "UTC".to_owned(), by: None, zones: BTreeMap::new() };
    let Some(item) = stream.get("timezone") else { return utc() };
    if item.as_text().is_some() {
        return Timezones { default: zone(&item).unwrap_or_default(), ..utc() };
    }
    if !item.is_table() {
        let _: Option<()> = item.wrong_type("a zone's name or a table", EXAMPLE);
        return utc();
    }
    let table = item.section("`timezone`");
    let default = table.get("default").and_then(|item| zone(&item)).unwrap_or_else(|| "UTC".to_owned());
    let by_item = table.get("by");
    let by = by_item.as_ref().and_then(|by| dimension_at(stream, dimensions, by.text()?, &by.span));
    let zones_item = table.get("zones");
    let zones = zones_item.as_ref().map(zones_by_value).unwrap_or_default();
    table.finish();
    match (&by_item, &zones_item) {
        (None, Some(zones)) => zones.error("`zones` needs `by`", "add by = \"marketplace\" (a dimension)"),
        (Some(by), None) => by.error("`by` needs `zones`", "add zones = { US = \"America/New_York\" }"),
        _ => {}
    }
    Timezones { default, by, zones }
}

fn zones_by_value(item: &Item<'_>) -> BTreeMap<String, String> {
    let entries = item.section("`zones`").entries();
    entries.iter().filter_map(|entry| Some((entry.key.clone(), zone(entry)?))).collect()
}

/// An IANA name that this machine's (or the built-in) database knows, or an error with the nearest one.
fn zone(item: &Item<'_>) -> Option<String> {
    let name = item.text()?;
    if jiff::tz::TimeZone::get(name).is_ok() {
        return Some(name.to_owned());
    }
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let hint = match nearest_zone(name, &known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "use an IANA name such as \"Europe/Berlin\" or \"UTC\"".to_owned(),
    };
    item.error(format!("{name:?} is no time zone"), hint);
    None
}

/// A slip in the whole name, or the city alone.
fn nearest_zone<'k>(name: &str, known: &'k [String]) -> Option<&'k str> {
    let city = name.rsplit('/').next().unwrap_or(name);
    let same_city = known.iter().find(|k| k.rsplit('/').next().is_some_and(|c| c.eq_ignore_ascii_case(city)));
    same_city.map(String::as_str).or_else(|| nearest(name, known.iter().map(String::as_str)))
}
