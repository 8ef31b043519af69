//! Every event is counted, whatever the transport and the format: DuckDB recounts the raw lines.

use std::fs;
use std::process::Stdio;

use ebbd_bench::{Load, WireFormat};

use super::support::{MONEY, Place, Running, stream};
use super::wire::{Transport, Wire, load};

/// Events per transport and format.
const EVENTS: usize = 200_000;

fn configuration(wires: &[Wire]) -> String {
    let mut text = "[limits]\nseries = 5000\n[parquet]\nroll = \"10s\"\n".to_owned();
    for wire in wires {
        text += &stream(&wire.name);
        text += &wire.section();
    }
    text
}

/// Sends the same events over `wires`, one after another, and stops in order.
fn run(place: &Place, wires: &[Wire], load: &Load) {
    let mut running = place.start_reading(Stdio::piped());
    let mut sent = 0;
    for wire in wires {
        wire.send(place, &mut running, wire.text(load).as_bytes());
        sent += load.events().len() as u64;
        running.await_lines(sent);
    }
    running.stop_in_order();
}

/// One daemon per format with all six transports.
fn counts_over_every_transport(format: WireFormat, seed: u64) {
    let wires: Vec<Wire> = Transport::ALL.map(|transport| Wire::new(transport, format)).into();
    let place = Place::new(&configuration(&wires));
    let load = load(seed, EVENTS);
    let raw = place.path("raw.ndjson");
    fs::write(&raw, load.text(WireFormat::Ndjson)).unwrap();
    run(&place, &wires, &load);

    let ledger = place.ledger();
    assert_eq!(ledger.len(), wires.len(), "{ledger:?}");
    for row in &ledger {
        assert_eq!((&row["received"], &row["counted"]), (&EVENTS.into(), &EVENTS.into()), "{row}");
        assert_eq!(row["kernel_datagrams"], 0, "the rate was too high for this machine: {row}");
        assert!(row["late"].as_u64() > Some(0), "late lines were sent: {row}");
    }
    let streams: Vec<&str> = wires.iter().map(|wire| wire.name.as_str()).collect();
    // StatsD carries neither amounts nor customers.
    let more: &[&str] = if format == WireFormat::Statsd { &[] } else { &MONEY };
    assert_eq!(place.recount(&raw, &streams, more), EVENTS as u64);
}

#[test]
fn ndjson_over_every_transport() {
    counts_over_every_transport(WireFormat::Ndjson, 11);
}

#[test]
fn line_protocol_over_every_transport() {
    counts_over_every_transport(WireFormat::Influx, 12);
}

#[test]
fn statsd_over_every_transport() {
    counts_over_every_transport(WireFormat::Statsd, 13);
}

/// The stop takes with it what the kernel still holds: nobody waits for the lines to be read.
#[test]
fn what_was_sent_before_the_stop_is_counted() {
    for transport in [Transport::Unix, Transport::Tcp, Transport::UnixDatagram] {
        let wire = Wire::new(transport, WireFormat::Ndjson);
        let place = Place::new(&configuration(std::slice::from_ref(&wire)));
        let load = load(21, 2_000);
        let raw = place.path("raw.ndjson");
        fs::write(&raw, load.text(WireFormat::Ndjson)).unwrap();
        let mut running: Running = place.start();
        wire.send(&place, &mut running, wire.text(&load).as_bytes());
        running.stop_in_order();
        assert_eq!(place.ledger()[0]["received"], 2_000, "{}", transport.name());
        assert_eq!(place.recount(&raw, &[&wire.name], &MONEY), 2_000);
    }
}
