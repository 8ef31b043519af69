//! What a stream reads from an event: dimensions, sums, distinct counts, and that their columns differ.

use std::collections::BTreeMap;

use ebbd_core::model::{DimensionSpec, DistinctSpec, Limits, SumSpec};

use super::names::{check_dimension_name, check_name};
use super::written::{Findings, Item, Section, Span};

const DIMENSIONS_EXAMPLE: &str = "[\"marketplace\", { name = \"feature\", field = \"cart.feature\" }]";
const SUMS_EXAMPLE: &str = "{ amount = { field = \"amount\", scale = 2, currency = \"currency\" } }";

/// Dimensions, sums and distinct counts of a stream.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) dimensions: Vec<DimensionSpec>,
    pub(super) sums: Vec<SumSpec>,
    pub(super) distincts: Vec<DistinctSpec>,
}

/// Reads the three keys and tells names that collide.
pub(super) fn read(stream: &Section<'_>) -> Fields {
    let mut columns = Columns::default();
    let dimensions = named_fields(stream, "dimensions", Limits::DIMENSIONS, |name, span| {
        check_dimension_name(name, span, stream.findings);
        columns.claim(name, span, stream.findings);
    });
    let dimensions = dimensions.into_iter().map(|(name, field)| DimensionSpec { name, field }).collect();
    let sums = sums(stream, &mut columns);
    let distincts = named_fields(stream, "distinct", Limits::DISTINCTS, |name, span| {
        check_name("distinct count's name", name, span, stream.findings);
        columns.claim(&format!("{name}_hll"), span, stream.findings);
    });
    let distincts = distincts.into_iter().map(|(name, field)| DistinctSpec { name, field }).collect();
    Fields { dimensions, sums, distincts }
}

/// Columns already taken, by lower-case name (query engines ignore case), with the name as written.
#[derive(Default)]
struct Columns(BTreeMap<String, String>);

impl Columns {
    fn claim(&mut self, column: &str, span: &Span, findings: &Findings<'_>) {
        if let Some(taken) = self.0.insert(column.to_ascii_lowercase(), column.to_owned()) {
            let message = match taken == column {
                true => format!("the column `{column}` would be there twice"),
                false => format!("the columns `{taken}` and `{column}` differ only in case"),
            };
            findings.error(span, message, "give one of them another name: { name = \"…\", field = \"…\" }");
        }
    }
}

/// A list of names, or of tables with a name and a field.
fn named_fields(
    stream: &Section<'_>,
    key: &'static str,
    most: usize,
    mut check: impl FnMut(&str, &Span),
) -> Vec<(String, String)> {
    let Some(list) = stream.get(key) else { return Vec::new() };
    let items = list.list(&format!("{key} = {DIMENSIONS_EXAMPLE}")).unwrap_or_default();
    if items.len() > most {
        list.error(format!("{} {key}, but at most {most} are kept apart", items.len()), "leave some out");
    }
    let fields: Vec<(String, String, Span)> = items.iter().filter_map(named_field).collect();
    fields.iter().for_each(|(name, _, span)| check(name, span));
    fields.into_iter().map(|(name, field, _)| (name, field)).collect()
}

/// `"status"` or `{ name = "feature", field = "cart.feature" }`.
fn named_field(item: &Item<'_>) -> Option<(String, String, Span)> {
    if let Some(name) = item.as_text() {
        check_path(name, &item.span, item.findings);
        return Some((name.to_owned(), name.to_owned(), item.span.clone()));
    }
    if !item.is_table() {
        return item.wrong_type("a list of names or tables", &format!("{} = {DIMENSIONS_EXAMPLE}", item.key));
    }
    let table = item.section(&format!("`{}`", item.key));
    let name = table.get("name");
    let field = table.get("field");
    table.finish();
    let Some(name) = name else {
        item.error(format!("this entry of `{}` has no name", item.key), "add name = \"…\"");
        return None;
    };
    let text = name.text()?;
    let field = field.map_or(Some(text), |field| path(&field));
    Some((text.to_owned(), field.unwrap_or(text).to_owned(), name.span))
}

fn sums(stream: &Section<'_>, columns: &mut Columns) -> Vec<SumSpec> {
    let Some(item) = stream.get("sums") else { return Vec::new() };
    if !item.is_table() {
        let _: Option<()> = item.wrong_type("a table", &format!("sums = {SUMS_EXAMPLE}"));
        return Vec::new();
    }
    let entries = item.section("`sums`").entries();
    if entries.len() > Limits::SUMS {
        item.error(
            format!("{} sums, but at most {} are kept", entries.len(), Limits::SUMS),
            "leave some out",
        );
    }
    entries.iter().filter_map(|entry| sum(entry, columns)).collect()
}

fn sum(entry: &Item<'_>, columns: &mut Columns) -> Option<SumSpec> {
    let name = entry.key.clone();
    check_dimension_name(&name, &entry.key_span, entry.findings);
    columns.claim(&name, &entry.key_span, entry.findings);
    columns.claim(&format!("{name}_currency"), &entry.key_span, entry.findings);
    if !entry.is_table() {
        return entry.wrong_type("a table", &format!("{name} = {{ field = \"{name}\", scale = 2 }}"));
    }
    let table = entry.section(&format!("the sum `{name}`"));
    let field = table.get("field").and_then(|item| path(&item)).unwrap_or(&name).to_owned();
    let scale = table.whole("scale", 2, 0..=9) as u8;
    let currency = table.get("currency").and_then(|item| path(&item)).map(str::to_owned);
    table.finish();
    Some(SumSpec { name, field, scale, currency })
}

/// The text of a field path such as `cart.feature`, or an error.
pub(super) fn path<'d>(item: &Item<'d>) -> Option<&'d str> {
    let text = item.text()?;
    check_path(text, &item.span, item.findings).then_some(text)
}

/// Tells a path that names no field.
pub(super) fn check_path(path: &str, span: &Span, findings: &Findings<'_>) -> bool {
    let depth = path.split('.').count();
    let fits = path.split('.').all(|part| !part.is_empty())
        && path.len() <= 256
        && depth <= usize::from(Limits::DEPTH)
        && !path.contains(|c: char| c.is_control());
    if !fits {
        let hint = "write the field's name; for one inside an object, \"cart.feature\"";
        findings.error(span, format!("{path:?} names no field"), hint);
    }
    fits
}
