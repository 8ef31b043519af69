//! Walks `tests/corpus/<format>/{ok,bad}`: each line of `name.in` against its line of `name.expect`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::model::{
    DimensionSpec, Limits, Mark, SourceId, StreamId, StreamRoute, StreamSpec, SumSpec, TimeUs, Weight,
};

use super::{Decoded, Decoder, Event, Format, Lines, SourceSpec, lines};

/// 2026-11-22T13:05:00Z: when every line of the corpus arrives.
const ARRIVAL: TimeUs = TimeUs(1_795_352_700_000_000);
/// Small, so that a line that is too long fits into the repository.
const LINE_BYTES: usize = 1024;

/// `orders` as in the documentation, with a nested dimension, an id, and a second sum without currency;
/// `shipments` is the same with its time in `at`.
fn streams() -> [StreamSpec; 2] {
    let mut orders = StreamSpec::example();
    orders.dimensions[1] = DimensionSpec { name: "feature".to_owned(), field: "cart.feature".to_owned() };
    orders.sums.push(SumSpec { name: "tax".to_owned(), field: "tax".to_owned(), scale: 3, currency: None });
    orders.id = vec!["order_id".to_owned()];
    let shipments = StreamSpec { name: "shipments".to_owned(), time: "at".to_owned(), ..orders.clone() };
    [orders, shipments]
}

fn decoder(format: Format) -> Decoder {
    let route = match format {
        Format::Ndjson => StreamRoute::ByField {
            field: "type".to_owned(),
            routes: BTreeMap::from([
                (String::new(), Some(StreamId(0))),
                ("shipped".to_owned(), Some(StreamId(1))),
                ("noise".to_owned(), None),
            ]),
            other: None,
        },
        _ => StreamRoute::ByName(BTreeMap::from([
            ("orders".to_owned(), StreamId(0)),
            ("shipments".to_owned(), StreamId(1)),
        ])),
    };
    let source = SourceSpec {
        id: SourceId(0),
        name: "corpus".to_owned(),
        format,
        route,
        expect: Vec::new(),
        forget_after_us: 0,
    };
    Decoder::new(&source, &streams(), &Limits { line: LINE_BYTES, ..Limits::default() })
}

/// An outcome as it is written in the corpus: what is missing or usual is left out.
fn written(decoded: &Decoded<'_>, streams: &[StreamSpec]) -> Value {
    let value = match decoded {
        Decoded::Event(event) => event_written(event, &streams[event.stream().index()]),
        Decoded::Mark(mark) => mark_written(mark),
        Decoded::Heartbeat(beat) => json!({ "heartbeat": {
            "origin": beat.origin, "through": beat.through.map(TimeUs::to_rfc3339), "dropped": beat.dropped } }),
        Decoded::Goodbye(goodbye) => json!({ "goodbye": { "origin": goodbye.origin } }),
        Decoded::Ignored => json!("ignored"),
        Decoded::Rejected(reason) => json!({ "rejected": reason.name() }),
    };
    without_empty(value)
}

fn event_written(event: &Event<'_>, spec: &StreamSpec) -> Value {
    let named = |names: Vec<&str>, value: &dyn Fn(usize) -> Value| -> Map<String, Value> {
        names.iter().enumerate().map(|(i, name)| ((*name).to_owned(), value(i))).collect()
    };
    let sums = spec.sums.iter().map(|s| s.name.as_str()).collect::<Vec<_>>();
    let distincts = spec.distincts.iter().map(|d| d.name.as_str()).collect();
    json!({
        "event": spec.name,
        "time": event.time().to_rfc3339(),
        "weight": (event.weight() != Weight::ONE).then_some(event.weight().0),
        "dimensions": named(spec.dimension_names(), &|i| json!(event.dimension(i))),
        "sums": named(sums.clone(), &|i| json!(event.amount(i).map(|amount| amount.0))),
        "currencies": named(sums, &|i| json!(event.currency(i))),
        "distinct": named(distincts, &|i| json!(event.distinct(i))),
        "origin": event.origin(),
        "id": event.id_part(0),
        "bad": event.bad_fields().collect::<Vec<_>>(),
    })
}

fn mark_written(mark: &Mark) -> Value {
    json!({ "mark": {
        "id": mark.id, "kind": mark.kind, "what": mark.what, "at": mark.at.to_rfc3339(),
        "until": mark.until.map(TimeUs::to_rfc3339), "scope": mark.scope.0,
        "retracted": mark.retracted.then_some(true), "by": (mark.by != "corpus").then_some(&mark.by),
        "received": (mark.received != ARRIVAL).then(|| mark.received.to_rfc3339()),
    } })
}

/// Drops nulls, empty texts, lists and objects inside `value`, but not `value` itself.
fn without_empty(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(inner) => inner.is_empty(),
        _ => false,
    };
    let control = ["heartbeat", "goodbye"].iter().any(|name| fields.contains_key(*name));
    let kept = fields.into_iter().map(|(key, value)| (key, without_empty(value)));
    Value::Object(kept.filter(|(_, value)| control || !empty(value)).collect())
}

fn corpus(format: Format, folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus");
    let folder = root.join(format.name()).join(folder);
    let mut inputs: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "in"))
        .collect();
    inputs.sort();
    inputs
}

/// What the lines of a file are, read in every way there is: alone, alone without any quick way, and
/// twice as a block, of which the second time is by learned shapes.
fn ways(format: Format, bytes: &[u8]) -> [Vec<Value>; 4] {
    let streams = streams();
    let alone = |mut decoder: Decoder| -> Vec<Value> {
        lines(bytes).map(|line| written(&decoder.decode(line, ARRIVAL), &streams)).collect()
    };
    let mut warm = decoder(format);
    let mut block = || {
        let (mut lines, mut seen) = (Lines::new(bytes), Vec::new());
        while let Some((_, decoded)) = warm.next(&mut lines, ARRIVAL) {
            seen.push(written(&decoded, &streams));
        }
        seen
    };
    [alone(decoder(format)), alone(decoder(format).general_only()), block(), block()]
}

/// Decodes a file and compares; returns what is wrong with it.
fn complaints(format: Format, input: &Path, rejects: bool) -> Vec<String> {
    let bytes = fs::read(input).unwrap();
    let expected = fs::read_to_string(input.with_extension("expect")).unwrap_or_default();
    let expected: Vec<Value> = expected.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut wrong = Vec::new();
    for (way, seen) in ways(format, &bytes).iter().enumerate() {
        if seen.len() != expected.len() {
            wrong.push(format!("{}: {} lines, not {}", input.display(), seen.len(), expected.len()));
        }
        for (nth, (got, want)) in seen.iter().zip(&expected).enumerate() {
            if want != got || got.get("rejected").is_some() != rejects {
                wrong.push(format!("{}:{} way {way}\n  want {want}\n  got  {got}", input.display(), nth + 1));
            }
        }
    }
    wrong
}

#[test]
fn every_line_of_the_corpus_is_what_it_is_expected_to_be() {
    let mut wrong = Vec::new();
    for format in Format::ALL {
        for (folder, rejects) in [("ok", false), ("bad", true)] {
            let inputs = corpus(format, folder);
            assert!(!inputs.is_empty(), "no corpus for {}/{folder}", format.name());
            wrong.extend(inputs.iter().flat_map(|input| complaints(format, input, rejects)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_reason_that_the_decoder_gives_is_in_the_corpus() {
    use crate::model::Reason;
    let judged_elsewhere = [Reason::TooLate, Reason::InFuture, Reason::PartialLine];
    let mut seen = String::new();
    for format in Format::ALL {
        for input in corpus(format, "bad") {
            seen.push_str(&fs::read_to_string(input.with_extension("expect")).unwrap());
        }
    }
    for reason in Reason::ALL.iter().filter(|reason| !judged_elsewhere.contains(reason)) {
        assert!(seen.contains(&format!("\"{}\"", reason.name())), "{} is not in the corpus", reason.name());
    }
}
