//! What of a stream is judged: the `watched` filter, the `watch` groupings, the `id` that goes with them.

use ebbd_core::model::{DimensionSpec, WatchedFilter};

use super::fields::check_path;
use super::nearest::nearest;
use super::written::{Item, Section, Span, listed};

/// Most groupings of one stream.
const MAX_GROUPINGS: usize = 64;

const WATCH_EXAMPLE: &str = "watch = [[], [\"marketplace\"], [\"marketplace\", \"feature\"]]";
const WATCHED_EXAMPLE: &str = "watched = { status = [\"placed\"] }";

/// The index of a dimension named by a value of `key`, or an error with the nearest name.
pub(super) fn dimension_at(
    section: &Section<'_>,
    dimensions: &[DimensionSpec],
    name: &str,
    span: &Span,
) -> Option<usize> {
    let found = dimensions.iter().position(|dimension| dimension.name == name);
    if found.is_none() {
        let names: Vec<&str> = dimensions.iter().map(|d| d.name.as_str()).collect();
        let hint = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("its dimensions: {}", listed(&names)),
        };
        section.findings.error(span, format!("{} has no dimension {name:?}", section.name), hint);
    }
    found
}

/// `watched`: the events that are judged.
pub(super) fn watched(stream: &Section<'_>, dimensions: &[DimensionSpec]) -> WatchedFilter {
    let Some(item) = stream.get("watched") else { return WatchedFilter::default() };
    if !item.is_table() {
        let _: Option<()> = item.wrong_type("a table of dimensions", WATCHED_EXAMPLE);
        return WatchedFilter::default();
    }
    let condition = |entry: &Item<'_>| {
        let at = dimension_at(stream, dimensions, &entry.key, &entry.key_span);
        let values = watched_values(entry);
        at.map(|at| (at, values))
    };
    let mut filter: Vec<(usize, Vec<String>)> =
        item.section("`watched`").entries().iter().filter_map(condition).collect();
    filter.sort();
    WatchedFilter(filter)
}

/// One value or a list of them; sorted and without repetitions, so that order means nothing.
fn watched_values(entry: &Item<'_>) -> Vec<String> {
    if !entry.is_list() {
        let value = entry.scalar_text();
        return value.or_else(|| entry.wrong_type("a list of values", WATCHED_EXAMPLE)).into_iter().collect();
    }
    let items = entry.list(WATCHED_EXAMPLE).unwrap_or_default();
    let mut values: Vec<String> = items
        .iter()
        .filter_map(|i| i.scalar_text().or_else(|| i.wrong_type("a list of values", WATCHED_EXAMPLE)))
        .collect();
    if items.is_empty() {
        entry.error(format!("`watched.{}` allows no value: nothing would be judged", entry.key), "name one");
    }
    values.sort();
    values.dedup();
    values
}

/// `watch`: which groupings are judged. By default the whole stream and each dimension that `watched`
/// does not filter by.
pub(super) fn groupings(
    stream: &Section<'_>,
    dimensions: &[DimensionSpec],
    watched: &WatchedFilter,
) -> Vec<Vec<usize>> {
    let Some(item) = stream.get("watch") else { return default_groupings(dimensions.len(), watched) };
    let Some(items) = item.list(WATCH_EXAMPLE) else { return vec![Vec::new()] };
    if items.len() > MAX_GROUPINGS {
        let message = format!("{} groupings, but at most {MAX_GROUPINGS} are judged", items.len());
        item.error(message, "watch fewer; `ebbd explain` finds causes in all of them anyway");
    }
    let mut found: Vec<Vec<usize>> =
        items.iter().filter_map(|grouping| self::grouping(stream, dimensions, grouping)).collect();
    found.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    found.dedup();
    if !found.iter().any(Vec::is_empty) && found.len() == items.len() {
        let hint = "add []: it is what says that everything is down";
        stream.findings.warning(&item.span, format!("{} is not watched as a whole", stream.name), hint);
    }
    found
}

fn default_groupings(dimensions: usize, watched: &WatchedFilter) -> Vec<Vec<usize>> {
    let filtered = |at: usize| watched.0.iter().any(|(filtered, _)| *filtered == at);
    let singles = (0..dimensions).filter(|&at| !filtered(at)).map(|at| vec![at]);
    std::iter::once(Vec::new()).chain(singles).collect()
}

fn grouping(stream: &Section<'_>, dimensions: &[DimensionSpec], item: &Item<'_>) -> Option<Vec<usize>> {
    if item.as_text().is_some() {
        return item.wrong_type("a list of lists of dimensions", WATCH_EXAMPLE);
    }
    let names = item.texts(WATCH_EXAMPLE);
    let mut found: Vec<usize> =
        names.iter().filter_map(|(name, span)| dimension_at(stream, dimensions, name, span)).collect();
    found.sort_unstable();
    found.dedup();
    Some(found)
}

/// `id`: the paths that identify an event. A dimension's name stands for its field.
pub(super) fn identity(
    stream: &Section<'_>,
    dimensions: &[DimensionSpec],
    watched: &WatchedFilter,
) -> Vec<String> {
    let Some(item) = stream.get("id") else { return Vec::new() };
    let names = item.texts("id = [\"order_id\", \"status\"]");
    names.iter().for_each(|(name, span)| {
        check_path(name, span, stream.findings);
    });
    let field = |name: &str| dimensions.iter().find(|d| d.name == name).map_or(name, |d| &d.field).to_owned();
    let mut id: Vec<String> = Vec::new();
    for (name, _) in &names {
        let field = field(name);
        if !id.contains(&field) {
            id.push(field);
        }
    }
    if !id.is_empty() {
        warn_blind_id(&item, dimensions, watched, &id);
    }
    id
}

/// An order that first comes as `pending` and then as `placed` under the same id would count once: as pending.
fn warn_blind_id(item: &Item<'_>, dimensions: &[DimensionSpec], watched: &WatchedFilter, id: &[String]) {
    let ignored = watched.0.iter().map(|(at, _)| &dimensions[*at]).find(|d| !id.contains(&d.field));
    if let Some(dimension) = ignored {
        let message = format!("`id` ignores `{}`, which `watched` filters by", dimension.name);
        let hint = format!(
            "add \"{0}\" to `id`, unless the id is new for every event: \
             else only the first of an order's {0} values counts",
            dimension.name
        );
        item.findings.warning(&item.span, message, hint);
    }
}
