//! What a subscriber asks for: `{"since":SEQ,"filter":{"stream":["orders"],"kind":["drop"]}}`.
//! Every key may be left out; a single word may stand for a list.

use ebbd_core::alarm::Kind;
use serde::Deserialize;
use serde_json::Value;

use super::ring::Line;

/// Streams that one filter may name.
const STREAMS_MAX: usize = 256;

/// A filter; an empty list takes everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Selection {
    streams: Vec<String>,
    kinds: Vec<Kind>,
}

/// A subscriber's line, understood.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    /// Wants the records after this number.
    pub(super) since: Option<u64>,
    /// Wants only these.
    pub(super) selection: Selection,
}

impl Selection {
    /// Whether `line` is wanted.
    pub(super) fn takes(&self, line: &Line) -> bool {
        let stream = self.streams.is_empty() || self.streams.iter().any(|s| **s == *line.stream);
        stream && (self.kinds.is_empty() || self.kinds.contains(&line.kind))
    }
}

impl Request {
    /// Reads a subscriber's line.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn read(line: &[u8]) -> Result<Request, String> {
        let value: Value = serde_json::from_slice(line).map_err(|why| format!("not JSON: {why}"))?;
        let Value::Object(keys) = value else {
            return Err("not a JSON object; write {\"since\":0}".to_owned());
        };
        let mut request = Request { since: None, selection: Selection::default() };
        for (key, value) in keys {
            match key.as_str() {
                "since" => request.since = since(&value)?,
                "filter" => request.selection = filter(value)?,
                other => return Err(format!("unknown key {other:?}; known are since and filter")),
            }
        }
        Ok(request)
    }
}

fn since(value: &Value) -> Result<Option<u64>, String> {
    match value {
        Value::Null => Ok(None),
        number => number.as_u64().map(Some).ok_or_else(|| "since is a whole number from 0".to_owned()),
    }
}

fn filter(value: Value) -> Result<Selection, String> {
    let Value::Object(keys) = value else {
        return value.is_null().then(Selection::default).ok_or_else(|| "filter is an object".to_owned());
    };
    let mut selection = Selection::default();
    for (key, value) in keys {
        match key.as_str() {
            "stream" => selection.streams = words(&key, value)?,
            "kind" => selection.kinds = kinds(words(&key, value)?)?,
            other => return Err(format!("unknown key {other:?} in filter; known are stream and kind")),
        }
    }
    Ok(selection)
}

fn words(key: &str, value: Value) -> Result<Vec<String>, String> {
    let list = match value {
        Value::String(word) => vec![word],
        Value::Null => Vec::new(),
        list => Vec::<String>::deserialize(list).map_err(|_| format!("filter.{key} is a list of words"))?,
    };
    if list.len() > STREAMS_MAX {
        return Err(format!("filter.{key} names more than {STREAMS_MAX}"));
    }
    Ok(list)
}

fn kinds(words: Vec<String>) -> Result<Vec<Kind>, String> {
    let kind = |word: String| {
        let unknown = format!("unknown kind {word:?}; known are drop, no_data, funnel, traffic, ebbd");
        Kind::deserialize(Value::String(word)).map_err(|_| unknown)
    };
    words.into_iter().map(kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(stream: &str, kind: Kind) -> Line {
        Line { seq: 1, no: 1, kind, open: true, stream: stream.into(), json: "{}".into() }
    }

    #[test]
    fn reads_what_the_interface_shows() {
        let text = br#"{"since":4711,"filter":{"stream":["orders"],"kind":["drop"]}}"#;
        let request = Request::read(text).unwrap();
        assert_eq!(request.since, Some(4711));
        assert!(request.selection.takes(&line("orders", Kind::Drop)));
        assert!(!request.selection.takes(&line("orders", Kind::NoData)));
        assert!(!request.selection.takes(&line("shipments", Kind::Drop)));
        let all = Request::read(b" {} \r").unwrap();
        assert!(all.since.is_none() && all.selection.takes(&line("x", Kind::Ebbd)));
        let one = Request::read(br#"{"filter":{"kind":"no_data"},"since":null}"#).unwrap();
        assert!(one.selection.takes(&line("x", Kind::NoData)));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_get_an_answer(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = Request::read(&bytes);
        }

        #[test]
        fn any_keys_get_an_answer(key in "since|filter|stream|kind", value in r#"[\[\]{}"0-9a-z:,-]{0,24}"#) {
            let _ = Request::read(format!("{{\"filter\":{{\"{key}\":{value}}},\"{key}\":{value}}}").as_bytes());
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let wrong = |text: &str| Request::read(text.as_bytes()).unwrap_err();
        assert!(wrong("SUB").starts_with("not JSON"));
        assert!(wrong("[1]").contains("not a JSON object"));
        assert!(wrong(r#"{"since":-1}"#).contains("whole number"));
        assert!(wrong(r#"{"since":1.5}"#).contains("whole number"));
        assert!(wrong(r#"{"sinse":1}"#).contains("\"sinse\""));
        assert!(wrong(r#"{"filter":{"kind":["drops"]}}"#).contains("\"drops\""));
        assert!(wrong(r#"{"filter":{"slice":[]}}"#).contains("in filter"));
        assert!(wrong(r#"{"filter":[]}"#).contains("filter is an object"));
        assert!(Request::read(b"\xff\xfe").is_err());
    }
}
