//! The fields of a raw line, whatever the configuration wants of them: for looking, not for counting.

use ebbd_core::decode::{Format, lines};
use serde_json::Value;

/// Most fields looked at in one line.
const MAX_FIELDS: usize = 256;

/// What a raw value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RawKind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// A list.
    List,
    /// The measurement or metric.
    Name,
}

/// A field with its dotted path and its value's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawField {
    pub(super) path: String,
    pub(super) kind: RawKind,
    pub(super) text: String,
}

impl RawField {
    fn new(path: impl Into<String>, kind: RawKind, text: impl Into<String>) -> RawField {
        RawField { path: path.into(), kind, text: text.into() }
    }
}

/// The path under which measurements and metrics are listed.
pub(super) const NAME_PATH: &str = "(name)";

/// The format that the first line looks like.
pub(super) fn guess_format(bytes: &[u8]) -> Format {
    let first = lines(bytes).map(String::from_utf8_lossy).find(|line| !line.trim_start().starts_with('#'));
    match first.as_deref().map(str::trim_start) {
        Some(line) if line.starts_with('{') || line.starts_with('\u{feff}') => Format::Ndjson,
        Some(line) if line.contains('|') && line.contains(':') => Format::Statsd,
        Some(line) if line.contains('=') && line.contains(' ') => Format::Influx,
        _ => Format::Ndjson,
    }
}

/// The fields of one line; none if it is broken. Null counts as absent.
pub(super) fn fields(format: Format, line: &str) -> Vec<RawField> {
    let mut found = match format {
        Format::Ndjson => ndjson(line),
        Format::Influx => influx(line),
        Format::Statsd => statsd(line),
    };
    found.truncate(MAX_FIELDS);
    found
}

fn ndjson(line: &str) -> Vec<RawField> {
    let mut found = Vec::new();
    if let Ok(Value::Object(object)) = serde_json::from_str(line) {
        if object.contains_key("ebbd") {
            return found;
        }
        flatten("", &object, &mut found);
    }
    found
}

fn flatten(prefix: &str, object: &serde_json::Map<String, Value>, found: &mut Vec<RawField>) {
    for (key, value) in object {
        if found.len() >= MAX_FIELDS {
            return;
        }
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Null => {}
            Value::Bool(flag) => found.push(RawField::new(path, RawKind::Flag, flag.to_string())),
            Value::Number(number) => found.push(RawField::new(path, RawKind::Number, number.to_string())),
            Value::String(text) => found.push(RawField::new(path, RawKind::Text, text.as_str())),
            Value::Array(list) => found.push(RawField::new(path, RawKind::List, format!("[{}]", list.len()))),
            Value::Object(inner) => flatten(&path, inner, found),
        }
    }
}

fn influx(line: &str) -> Vec<RawField> {
    let parts = split(line, ' ');
    let (Some(key), Some(values)) = (parts.first(), parts.get(1)) else { return Vec::new() };
    if key.starts_with('#') || key.starts_with("ebbd_") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (at, part) in split(key, ',').into_iter().enumerate() {
        match part.split_once('=') {
            _ if at == 0 => found.push(RawField::new(NAME_PATH, RawKind::Name, unescaped(part))),
            Some((tag, value)) => found.push(RawField::new(unescaped(tag), RawKind::Text, unescaped(value))),
            None => {}
        }
    }
    let field = |part: &&str| part.split_once('=').map(|(key, value)| influx_field(key, value));
    found.extend(split(values, ',').iter().filter_map(field));
    found
}

fn influx_field(key: &str, value: &str) -> RawField {
    let key = unescaped(key);
    if let Some(quoted) = value.strip_prefix('"') {
        return RawField::new(key, RawKind::Text, unescaped(quoted.strip_suffix('"').unwrap_or(quoted)));
    }
    let number = value.strip_suffix(['i', 'u']).unwrap_or(value);
    match number.parse::<f64>() {
        Ok(_) => RawField::new(key, RawKind::Number, number),
        Err(_) => RawField::new(key, RawKind::Flag, value),
    }
}

/// Splits at separators that are neither escaped nor in quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut escaped, mut quoted) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(',' | '=' | ' ' | '"' | '\\')) => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    out
}

fn statsd(line: &str) -> Vec<RawField> {
    let Some((name, rest)) = line.split_once(':').filter(|_| !line.starts_with("_e{")) else {
        return Vec::new();
    };
    let mut found = vec![RawField::new(NAME_PATH, RawKind::Name, name)];
    let tags = rest.split('|').find_map(|part| part.strip_prefix('#')).unwrap_or_default();
    for tag in tags.split(',').filter(|tag| !tag.is_empty()) {
        let (key, value) = tag.split_once(':').unwrap_or((tag, ""));
        found.push(RawField::new(key, RawKind::Text, value));
    }
    found
}
