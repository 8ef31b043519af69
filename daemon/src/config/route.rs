//! How a source's lines find their stream.

use std::collections::BTreeMap;

use ebbd_core::decode::Format;
use ebbd_core::model::{StreamId, StreamRoute};

use super::checked::StreamNames;
use super::fields;
use super::nearest::nearest;
use super::written::{Item, Section, Span, listed};

/// The word that drops records without counting them as rejected.
const IGNORE: &str = "ignore";

/// Reads `stream`, or takes the only sensible route if it is not written.
pub(super) fn read(source: &Section<'_>, format: Format, streams: &StreamNames<'_>) -> StreamRoute {
    let by_name = format != Format::Ndjson;
    match source.get("stream") {
        None if by_name => StreamRoute::ByName(all(streams)),
        None => only(source, streams),
        Some(item) if item.is_table() => table(source, &item, by_name, streams),
        Some(item) => match item.text().map(|name| stream(source, streams, name, &item.span)) {
            Some(Some(id)) if by_name => {
                StreamRoute::ByName(all(streams).into_iter().filter(|(_, s)| *s == id).collect())
            }
            Some(Some(id)) => StreamRoute::Fixed(id),
            _ => StreamRoute::Fixed(StreamId(0)),
        },
    }
}

fn all(streams: &StreamNames<'_>) -> BTreeMap<String, StreamId> {
    streams.iter().map(|(name, at)| ((*name).to_owned(), StreamId(*at as u16))).collect()
}

/// The one declared stream; with several the source has to say which.
fn only(source: &Section<'_>, streams: &StreamNames<'_>) -> StreamRoute {
    if streams.len() > 1 {
        let names: Vec<&str> = streams.keys().copied().collect();
        let hint = format!(
            "add stream = \"{}\" (declared: {}), or {{ field = \"type\", order_placed = \"{}\", other = \"ignore\" }}",
            names[0],
            listed(&names),
            names[0]
        );
        source.findings.error(
            &source.span,
            format!("{} does not say which stream its lines are", source.name),
            hint,
        );
    }
    StreamRoute::Fixed(StreamId(0))
}

/// `{ field = "type", order_placed = "orders", other = "ignore" }`; without `field`, measurements by name.
fn table(source: &Section<'_>, item: &Item<'_>, by_name: bool, streams: &StreamNames<'_>) -> StreamRoute {
    let table = item.section("`stream`");
    let field = table.get("field").and_then(|field| fields::path(&field));
    let other = table.get("other").map(|other| target(source, &other, streams));
    let entries = table.entries();
    let named = entries.iter().filter(|entry| entry.key != "field" && entry.key != "other");
    let routes: BTreeMap<String, Option<StreamId>> =
        named.map(|entry| (entry.key.clone(), target(source, entry, streams))).collect();
    match field {
        Some(field) => StreamRoute::ByField { field: field.to_owned(), routes, other },
        None if by_name => {
            by_name_only(item, other.is_some());
            StreamRoute::ByName(routes.into_iter().filter_map(|(name, id)| Some((name, id?))).collect())
        }
        None => {
            item.error("`stream` as a table needs `field`", "add field = \"type\": the field that decides");
            StreamRoute::Fixed(StreamId(0))
        }
    }
}

fn by_name_only(item: &Item<'_>, has_other: bool) {
    if has_other {
        let hint = "remove `other`, or add `field` (a tag that decides)";
        item.error("names that are not listed are rejected as unknown_stream", hint);
    }
}

/// A route's stream; `ignore` is none.
fn target(source: &Section<'_>, item: &Item<'_>, streams: &StreamNames<'_>) -> Option<StreamId> {
    let name = item.text()?;
    if name == IGNORE { None } else { stream(source, streams, name, &item.span) }
}

/// A declared stream by name, or an error that lists them.
pub(super) fn stream(
    section: &Section<'_>,
    streams: &StreamNames<'_>,
    name: &str,
    span: &Span,
) -> Option<StreamId> {
    let found = streams.get(name).map(|at| StreamId(*at as u16));
    if found.is_none() {
        let names: Vec<&str> = streams.keys().copied().collect();
        let near = nearest(name, names.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("did you mean \"{near}\"? "));
        let hint = format!("{near}Declared: {}; another needs a [stream.{name}]", listed(&names));
        section.findings.error(span, format!("{} names the unknown stream {name:?}", section.name), hint);
    }
    found
}
