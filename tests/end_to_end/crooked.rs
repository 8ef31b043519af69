//! Crooked lines among good ones: each costs one rejection with its reason, and no neighbour.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use ebbd_bench::WireFormat;
use serde_json::json;

use super::support::{MONEY, Place, stream, this_minute};
use super::wire::{Transport, Wire, load};

/// A line, and why it is refused.
type Crooked = (Vec<u8>, &'static str);

fn crooked_ndjson(transport: Transport) -> Vec<Crooked> {
    let now = this_minute().start().to_rfc3339();
    let line = |text: String| text.into_bytes();
    let deep = format!(r#"{{"ts":"{now}","x":{}{}}}"#, "[".repeat(2_000), "]".repeat(2_000));
    vec![
        (format!("{{\"ts\":\"{now}\",\"marketplace\":\"U\0S\"}}").into_bytes(), "bad_utf8"),
        ([format!("{{\"ts\":\"{now}\",\"marketplace\":\"").as_bytes(), b"\xff\xfe\"}"].concat(), "bad_utf8"),
        (b"\0".to_vec(), "bad_utf8"),
        (line(deep), "too_deep"),
        (vec![b'x'; over_long(transport)], "too_long"),
        (line("not json".to_owned()), "bad_syntax"),
        (line(format!(r#"{{"ts":"{now}","marketplace":"US""#)), "bad_syntax"),
        (line(format!(r#"[{{"ts":"{now}"}}]"#)), "bad_syntax"),
        (line(format!(r#"{{"ts":"{now}"}} {{"ts":"{now}"}}"#)), "bad_syntax"),
        (line(r#"{"ts":"yesterday","marketplace":"US"}"#.to_owned()), "bad_time"),
        (line(r#"{"marketplace":"US"}"#.to_owned()), "bad_time"),
        (line(r#"{"ts":"1970-01-01T00:00:00Z"}"#.to_owned()), "too_late"),
        (line(r#"{"ts":"2100-01-01T00:00:00Z"}"#.to_owned()), "in_future"),
        (line(r#"{"ebbd":"marker"}"#.to_owned()), "bad_control"),
    ]
}

fn crooked_influx(name: &str) -> Vec<Crooked> {
    let bad = |text: &str, reason| (text.replace('@', name).into_bytes(), reason);
    vec![
        bad("@,marketplace=US\0 amount=1", "bad_utf8"),
        bad("@,marketplace=US", "bad_syntax"),
        bad("@,marketplace=US amount=1 soon", "bad_time"),
        bad("@,marketplace=US amount=1 0", "too_late"),
        bad("@,marketplace=US amount=1 4102444800000000000", "in_future"),
        bad("nobodys,marketplace=US amount=1", "unknown_stream"),
    ]
}

fn crooked_statsd(name: &str) -> Vec<Crooked> {
    let bad = |text: &str, reason| (text.replace('@', name).into_bytes(), reason);
    vec![
        bad("@:1|c|#marketplace:US\0", "bad_utf8"),
        bad("@", "bad_syntax"),
        bad("@:-1|c", "bad_value"),
        bad("@:3|g", "bad_type"),
        bad("@:1|c|T1", "too_late"),
        bad("nobodys:1|c", "unknown_stream"),
    ]
}

/// Some MiB where that fits; a datagram has at most 64 KiB.
fn over_long(transport: Transport) -> usize {
    match transport {
        Transport::Udp | Transport::UnixDatagram => 40_000,
        _ => 5 << 20,
    }
}

fn crooked(wire: &Wire) -> Vec<Crooked> {
    match wire.format {
        WireFormat::Ndjson => crooked_ndjson(wire.transport),
        WireFormat::Influx => crooked_influx(&wire.name),
        WireFormat::Statsd | WireFormat::StatsdPlain => crooked_statsd(&wire.name),
    }
}

/// Good lines with a crooked one behind every tenth, CR LF behind every seventh, empty lines behind some;
/// the last one has no end. Beside it how often each reason is to be told.
fn mixed(wire: &Wire, good: &str) -> (Vec<u8>, BTreeMap<&'static str, u64>) {
    let (mut text, mut reasons) = (Vec::new(), BTreeMap::new());
    let crooked = crooked(wire);
    for (at, line) in good.lines().enumerate() {
        text.extend_from_slice(line.as_bytes());
        text.extend_from_slice(if at % 7 == 0 { b"\r\n" } else { b"\n" });
        if at % 10 == 0 && at / 10 < crooked.len() * 2 {
            let (line, reason) = &crooked[at / 10 % crooked.len()];
            text.extend_from_slice(line);
            text.push(b'\n');
            *reasons.entry(*reason).or_default() += 1;
        }
        if at % 13 == 0 {
            text.extend_from_slice(b"\n\r\n");
        }
    }
    // A file's last line counts when it is whole.
    if wire.transport != Transport::File {
        text.pop();
    }
    (text, reasons)
}

fn every_crooked_line_costs_one_rejection(format: WireFormat) {
    let wires: Vec<Wire> = Transport::ALL.map(|transport| Wire::new(transport, format)).into();
    let mut text = "[limits]\nline = \"16KiB\"\nseries = 5000\n".to_owned();
    wires.iter().for_each(|wire| text += &(stream(&wire.name) + &wire.section()));
    let place = Place::new(&text);
    let load = load(31, 2_000);
    let raw = place.path("raw.ndjson");
    fs::write(&raw, load.text(WireFormat::Ndjson)).unwrap();
    let mut running = place.start_reading(Stdio::piped());
    let (mut lines, mut expected) = (0, BTreeMap::new());
    for wire in &wires {
        let (text, reasons) = mixed(wire, &wire.text(&load));
        lines += 2_000 + reasons.values().sum::<u64>();
        wire.send(&place, &mut running, &text);
        if wire.transport == Transport::Stdin {
            drop(running.child().stdin.take());
        }
        running.await_lines(lines);
        expected.insert(wire.name.clone(), reasons);
    }
    running.stop_in_order();
    for row in place.ledger() {
        let reasons = &expected[row["source"].as_str().unwrap()];
        assert_eq!(row["counted"], 2_000, "{row}");
        let refused = reasons.values().sum::<u64>();
        assert_eq!(row["received"], 2_000 + refused, "{row}");
        reasons.iter().for_each(|(reason, count)| assert_eq!(row[reason], json!(count), "{reason}: {row}"));
    }
    let streams: Vec<&str> = wires.iter().map(|wire| wire.name.as_str()).collect();
    let more: &[&str] = if format == WireFormat::Statsd { &[] } else { &MONEY };
    assert_eq!(place.recount(&raw, &streams, more), 2_000);
    let samples = fs::read_dir(place.data().join("rejects")).unwrap().count();
    assert!(samples > 0, "samples of refused lines are kept");
}

#[test]
fn crooked_ndjson_costs_no_neighbour() {
    every_crooked_line_costs_one_rejection(WireFormat::Ndjson);
}

#[test]
fn crooked_line_protocol_costs_no_neighbour() {
    every_crooked_line_costs_one_rejection(WireFormat::Influx);
}

#[test]
fn crooked_statsd_costs_no_neighbour() {
    every_crooked_line_costs_one_rejection(WireFormat::Statsd);
}
