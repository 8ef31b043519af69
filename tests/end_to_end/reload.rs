//! SIGHUP: a mistake changes nothing and says so; what is new is taken up at the minute's edge.

use std::fs;
use std::time::Duration;

use ebbd_bench::WireFormat;
use rustix::process::Signal;

use super::support::{MONEY, PATIENCE, Place, eventually, stream};
use super::wire::{load, through_unix};

fn configuration(streams: &[&str]) -> String {
    let part = |name: &&str| {
        let source =
            format!("[source.{name}]\ntype = \"unix\"\nlisten = \"@/{name}.sock\"\nstream = \"{name}\"\n");
        stream(name) + &source
    };
    streams.iter().map(part).collect()
}

#[test]
fn a_reload_takes_up_what_is_new_and_keeps_what_is_counted() {
    let place = Place::new(&configuration(&["orders"]));
    let text = load(51, 9_000).text(WireFormat::Ndjson);
    let raw = place.path("raw.ndjson");
    fs::write(&raw, &text).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let send = |name: &str, part: usize| {
        through_unix(
            &place.path(&format!("{name}.sock")),
            lines[part * 3_000..][..3_000].concat().as_bytes(),
        );
    };
    let running = place.start();
    send("orders", 0);
    running.await_lines(3_000);

    place.configure("[stream.orders]\ndimensons = []\n");
    running.signal(Signal::HUP);
    eventually("the mistake is told", PATIENCE, || running.told().contains("the old one stays"));
    let told = running.told();
    assert!(told.contains("ebbd.toml:5:1: error") && told.contains("`dimensions`"), "{told}");
    send("orders", 1);
    running.await_lines(6_000);

    place.configure(&configuration(&["orders", "shipments"]));
    running.signal(Signal::HUP);
    eventually("the new stream is taken up", PATIENCE + Duration::from_secs(15), || {
        running.told().contains("the new configuration is taken up")
    });
    send("orders", 2);
    (0..3).for_each(|part| send("shipments", part));
    eventually("the lines are there", PATIENCE, || {
        let status = running.status();
        let named =
            |name: &str| status["streams"].as_array().unwrap().iter().find(|s| s["name"] == name).cloned();
        named("shipments").is_some_and(|stream| stream["counted"] == 9_000) && running.lines() >= 12_000
    });
    running.stop_in_order();
    assert_eq!(place.recount(&raw, &["orders", "shipments"], &MONEY), 9_000);
}
