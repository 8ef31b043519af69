//! Marks, heartbeats and goodbyes that come in band: from what a format found to what the rest knows.
//!
//! They are rare, so they are read plainly and own their texts.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::{Goodbye, Heartbeat, Limits, Mark, Reason, Slice, TimeUs};

use super::Decoded;
use super::columns::shorten;
use super::mapping::CONTROL_KEY;
use super::time;

/// Longest text of what was changed, in bytes; longer ones are cut.
const WHAT_BYTES: usize = 1024;

/// The keys of control records, beside the scope.
const KEYS: [&str; 10] =
    ["kind", "what", "at", "until", "id", "retract", "retracted", "origin", "through", "dropped"];

/// A control record as a format found it: what it says it is, and its keys with their texts.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// `mark`, `heartbeat` or `goodbye`.
    pub(super) control: String,
    /// Everything but the scope, as text.
    pub(super) keys: BTreeMap<String, String>,
    /// What a mark touches.
    pub(super) scope: BTreeMap<String, String>,
    /// The line's own time, if its format has one.
    pub(super) at: Option<TimeUs>,
}

impl Draft {
    /// The draft of a flat record whose name (`ebbd_mark`, `ebbd_heartbeat`, `ebbd_goodbye`) says that
    /// it is a control record.
    pub(super) fn named(name: &str) -> Option<Draft> {
        let control = name.strip_prefix("ebbd_")?;
        let known = ["mark", "heartbeat", "goodbye"].contains(&control);
        known.then(|| Draft { control: control.to_owned(), ..Draft::default() })
    }

    /// Takes a key of a flat record; `scope_<dimension>` belongs to the scope, unknown keys are dropped.
    pub(super) fn put(&mut self, key: &str, text: &str) {
        if let Some(dimension) = key.strip_prefix("scope_") {
            self.scope.insert(dimension.to_owned(), text.to_owned());
        } else if KEYS.contains(&key) {
            self.keys.insert(key.to_owned(), text.to_owned());
        }
    }

    /// The record it stands for, which arrived at `arrival` from `by`.
    pub(super) fn finish(self, arrival: TimeUs, by: &str) -> Decoded<'static> {
        let decoded = match self.control.as_str() {
            "mark" => self.mark(arrival, by).map(Box::new).map(Decoded::Mark),
            "heartbeat" => self.heartbeat().map(Box::new).map(Decoded::Heartbeat),
            "goodbye" => Some(Decoded::Goodbye(Box::new(Goodbye { origin: self.text("origin") }))),
            _ => None,
        };
        decoded.unwrap_or(Decoded::Rejected(Reason::BadControl))
    }

    fn mark(&self, arrival: TimeUs, by: &str) -> Option<Mark> {
        let at = self.time("at")?.or(self.at).unwrap_or(arrival);
        let until = self.time("until")?;
        let retracted = self.flag("retract")? || self.flag("retracted")?;
        let kind =
            Some(self.text("kind")).filter(|kind| !kind.is_empty()).unwrap_or_else(|| "note".to_owned());
        let what = short(self.keys.get("what").map_or("", String::as_str), WHAT_BYTES);
        let id = self.text("id");
        let named = !what.is_empty() || (retracted && !id.is_empty());
        if !named || until.is_some_and(|until| until < at) || self.scope.len() > Limits::DIMENSIONS {
            return None;
        }
        let scope =
            self.scope.iter().map(|(d, v)| (short(d, Limits::VALUE_BYTES), short(v, Limits::VALUE_BYTES)));
        let scope = Slice(scope.collect());
        let id = if id.is_empty() { content_id(&kind, &what, at, &scope) } else { id };
        Some(Mark { id, kind, what, at, until, scope, retracted, received: arrival, by: by.to_owned() })
    }

    fn heartbeat(&self) -> Option<Heartbeat> {
        let dropped = self.keys.get("dropped").map(|text| text.parse::<u64>());
        Some(Heartbeat {
            origin: self.text("origin"),
            through: self.time("through")?,
            dropped: dropped.transpose().ok()?,
        })
    }

    fn text(&self, key: &str) -> String {
        short(self.keys.get(key).map_or("", String::as_str), Limits::VALUE_BYTES)
    }

    /// The time of `key`; `None` if it is no time.
    fn time(&self, key: &str) -> Option<Option<TimeUs>> {
        match self.keys.get(key) {
            Some(text) => time::from_text(text).map(Some),
            None => Some(None),
        }
    }

    /// Whether `key` is set; `None` if it is neither true nor false.
    fn flag(&self, key: &str) -> Option<bool> {
        match self.keys.get(key).map(String::as_str) {
            None | Some("false") => Some(false),
            Some("true") => Some(true),
            Some(_) => None,
        }
    }
}

/// Reads a control record in its JSON form, which every format accepts.
///
/// # Errors
/// `BadControl` if it is no JSON object, or a key of a control record is no text.
pub(super) fn from_json(line: &str) -> Result<Draft, Reason> {
    let object: serde_json::Map<String, Value> =
        serde_json::from_str(line).map_err(|_| Reason::BadControl)?;
    let mut draft = Draft::default();
    for (key, value) in object {
        match (key.as_str(), value) {
            (_, Value::Null) => {}
            (CONTROL_KEY, Value::String(control)) => draft.control = control,
            ("scope", Value::Object(conditions)) => draft.scope = scope(conditions)?,
            ("scope" | CONTROL_KEY, _) => return Err(Reason::BadControl),
            (known, value) if KEYS.contains(&known) => {
                draft.keys.insert(key, plain_text(value).ok_or(Reason::BadControl)?);
            }
            _ => {}
        }
    }
    Ok(draft)
}

/// Whether a line of another format is a control record in its JSON form.
pub(super) fn is_json(line: &str) -> bool {
    line.strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with("\"ebbd\""))
}

fn scope(conditions: serde_json::Map<String, Value>) -> Result<BTreeMap<String, String>, Reason> {
    let present = conditions.into_iter().filter(|(_, value)| !value.is_null());
    present.map(|(key, value)| plain_text(value).map(|text| (key, text)).ok_or(Reason::BadControl)).collect()
}

fn plain_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn short(text: &str, most: usize) -> String {
    let mut out = String::new();
    shorten(text, most, &mut out);
    out
}

/// An id from what a mark says, so that the same mark sent twice is one: FNV-1a over its parts.
fn content_id(kind: &str, what: &str, at: TimeUs, scope: &Slice) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for part in [kind, what, &at.0.to_string(), &scope.canonical()] {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}
