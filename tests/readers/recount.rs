//! Events of a simulated shop, in each format: decoded, counted and written here, recounted from the raw
//! NDJSON by DuckDB, which knows nothing of our parsers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use datasketches::hash::value::raw_bytes;
use datasketches::hll::{HllSketch, HllType};
use ebbd_core::columns::{Dataset, write_minutes};
use ebbd_core::decode::{Decoded, Decoder, Event, Format, SourceSpec, lines};
use ebbd_core::model::*;
use ebbd_core::simulate::{Shop, ShopSpec, SimulatedEvent};

use super::samples::{Store, sealed};
use super::{answer, python};

/// Lines at which a careless recount goes another way than the daemon.
const CROOKED: &str = concat!(
    r#"{"ts":"2026-11-22T14:04:05+01:00","marketplace":"US","amount":"0.005","currency":"usd","customer":"a"}"#,
    "\r\n",
    r#"{"ts":1795352645123,"marketplace":7,"status":true,"amount":19.99,"currency":"USD","customer":null}"#,
    "\n\n",
    r#"{"ts":1795352645.5,"marketplace":{"a":1},"amount":"-0.005","currency":"DOLLAR","customer":""}"#,
    "\n",
    r#"{"ts":"1795352645","marketplace":null,"amount":"1e3","currency":""}"#,
    "\n",
    r#"{"ts":"2026-11-22T13:04:59.999999999Z","amount":[1],"currency":"EUR","customer":"ä"}"#,
    "\n",
    "not json\n[1]\n",
    r#"{"ts":"yesterday"}"#,
    "\n",
    r#"{"ts":true}"#,
    "\n",
    r#"{"marketplace":"US"}"#,
    "\n",
    r#"{"ebbd":"heartbeat","origin":"web-17","ts":1795352645}"#,
    "\n",
);

type Counted = BTreeMap<(Minute, Arc<SeriesKey>), (i64, i64, HllSketch)>;

fn decoder(format: Format, spec: &StreamSpec) -> Decoder {
    let route = match format {
        Format::Ndjson => StreamRoute::Fixed(StreamId(0)),
        _ => StreamRoute::ByName(BTreeMap::from([("orders".to_owned(), StreamId(0))])),
    };
    let source = SourceSpec {
        id: SourceId(0),
        name: "shop".into(),
        format,
        route,
        expect: vec![],
        forget_after_us: 0,
    };
    Decoder::new(&source, std::slice::from_ref(spec), &Limits::default())
}

/// Counts a text of lines without any of the daemon's counting.
fn counted(format: Format, text: &str, spec: &StreamSpec) -> Counted {
    let mut decoder = decoder(format, spec);
    let mut counted = Counted::new();
    for line in lines(text.as_bytes()) {
        if let Decoded::Event(event) = decoder.decode(line, TimeUs(0)) {
            count(&mut counted, spec, &event);
        }
    }
    counted
}

fn count(counted: &mut Counted, spec: &StreamSpec, event: &Event<'_>) {
    let dimensions: Box<[Arc<str>]> = (0..spec.dimensions.len()).map(|i| event.dimension(i).into()).collect();
    let watched = spec.watched.admits(&dimensions);
    let key = SeriesKey { dimensions, currencies: [event.currency(0).into()].into(), watched };
    let empty = || (0, 0, HllSketch::new(12, HllType::Hll4).unwrap());
    let cell = counted.entry((event.time().minute(), Arc::new(key))).or_insert_with(empty);
    cell.0 += event.weight().rounded();
    cell.1 += event.amount(0).unwrap_or_default().0;
    if let Some(customer) = event.distinct(0) {
        cell.2.update(raw_bytes::from_str(customer));
    }
}

/// Writes what was counted as one revision.
fn write(store: &mut Store, spec: &StreamSpec, revision: u32, counted: &Counted) {
    let mut minutes: BTreeMap<Minute, Vec<SealedRow>> = BTreeMap::new();
    for ((minute, key), (count, cents, sketch)) in counted {
        let sketches = [if sketch.is_empty() { Box::default() } else { sketch.serialize().into() }].into();
        let row = SealedRow { key: key.clone(), count: *count, sums: [Money(*cents)].into(), sketches };
        minutes.entry(*minute).or_default().push(row);
    }
    let sealed = |(minute, rows): (Minute, Vec<SealedRow>)| {
        Arc::new(SealedMinute { minute, revision, rows: rows.into(), ..(*sealed(0, 0)).clone() })
    };
    let minutes: Vec<_> = minutes.into_iter().map(sealed).collect();
    let time = minutes[0].minute.start();
    store.add(Dataset::Minutes, "orders", time, |footer, out| {
        write_minutes(spec, &minutes, footer, out).unwrap()
    });
}

/// The events of four minutes.
fn events(spec: &StreamSpec) -> Vec<SimulatedEvent> {
    let shop = Shop::new(ShopSpec::demo(7), spec);
    (0..4).flat_map(|at| shop.events(Minute(29_922_544).plus(at))).collect()
}

fn text(events: &[SimulatedEvent], write: fn(&SimulatedEvent, &mut String)) -> String {
    let mut text = String::new();
    events.iter().for_each(|event| write(event, &mut text));
    text
}

/// Runs the recount of `raw` against what lies under `dir`.
fn recount(dir: &Path, raw: &str, sums: &[&str]) -> std::process::Output {
    let file = dir.join("events.ndjson");
    fs::write(&file, raw).unwrap();
    let dimensions = ["marketplace", "feature", "payment", "status"].iter().flat_map(|d| ["--dimension", d]);
    let ends = ["--data-dir", dir.to_str().unwrap(), file.to_str().unwrap()];
    let arguments: Vec<&str> = dimensions.chain(sums.iter().copied()).chain(ends).collect();
    python("recount.py", &arguments)
}

const MONEY: [&str; 4] = ["--sum", "amount:2:currency", "--distinct", "customer"];

/// Writes `lines` of `format` in two revisions under a new directory.
fn written(format: Format, text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let spec = StreamSpec::example();
    let mut store = Store { dir: dir.path().to_owned(), sequence: 0 };
    let half = text[..text.len() / 2].rfind('\n').unwrap() + 1;
    write(&mut store, &spec, 0, &counted(format, &text[..half], &spec));
    write(&mut store, &spec, 1, &counted(format, &text[half..], &spec));
    dir
}

#[test]
fn ndjson_recounts_alike_crooked_lines_too() {
    let events = events(&StreamSpec::example());
    let raw = text(&events, SimulatedEvent::write_ndjson) + CROOKED;
    let told = answer(&recount(written(Format::Ndjson, &raw).path(), &raw, &MONEY));
    assert_eq!(told["events"], events.len() + 5);
    assert_eq!((told["written"].clone(), told["differences"].clone()), (told["events"].clone(), 0.into()));
}

#[test]
fn line_protocol_and_statsd_recount_alike() {
    let events = events(&StreamSpec::example());
    let raw = text(&events, SimulatedEvent::write_ndjson);
    let influx = written(Format::Influx, &text(&events, SimulatedEvent::write_influx));
    assert_eq!(answer(&recount(influx.path(), &raw, &MONEY))["events"], events.len());
    let statsd = written(Format::Statsd, &text(&events, SimulatedEvent::write_statsd));
    assert_eq!(answer(&recount(statsd.path(), &raw, &[]))["written"], events.len());
}

#[test]
fn one_lost_event_and_one_lost_cent_are_told() {
    let events = events(&StreamSpec::example());
    let raw = text(&events, SimulatedEvent::write_ndjson);
    let mut more = events[0].clone();
    let dir = written(Format::Ndjson, &raw);
    let told = |raw: &str| {
        let output = recount(dir.path(), raw, &MONEY);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let lost = told(&(raw.clone() + &text(&[more.clone()], SimulatedEvent::write_ndjson)));
    assert_eq!(lost.lines().count(), 2, "{lost}");
    assert!(lost.starts_with("- recount {\"minute\": \"2026-11-22T13:04Z\", \"marketplace\": "), "{lost}");
    assert!(lost.lines().nth(1).is_some_and(|line| line.starts_with("+ minutes {")), "{lost}");
    more.amount = Money(more.amount.0 + 1);
    let other =
        text(&events[1..], SimulatedEvent::write_ndjson) + &text(&[more], SimulatedEvent::write_ndjson);
    assert_eq!(told(&other).lines().count(), 2);
}
