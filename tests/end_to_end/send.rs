//! `ebbd send`: lines arrive once, whatever happens to the daemon meanwhile.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use ebbd_bench::WireFormat;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::support::{EBBD, MONEY, PATIENCE, Place, eventually, free_port, stream};
use super::wire::{append, line_end, load};

fn tables(port: u16) -> String {
    let unix = "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\n";
    stream("orders") + unix + &format!("[source.far]\ntype = \"tcp\"\nlisten = \"127.0.0.1:{port}\"\n")
}

fn told(output: &Output) -> (i32, Value, String) {
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), json, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn send(place: &Place, arguments: &[&str]) -> (i32, Value, String) {
    let mut all = vec!["send", "--json"];
    all.extend(arguments);
    told(&place.command(&all).output().unwrap())
}

#[test]
fn files_are_sent_once_and_mistakes_are_told() {
    let port = free_port();
    let place = Place::new(&tables(port));
    let text = load(81, 4_000).text(WireFormat::Ndjson);
    let (one, two) = text.split_at(line_end(text.as_bytes(), text.len() / 3));
    let (first, second) = (place.path("1.ndjson"), place.path("2.ndjson"));
    fs::write(&first, one).unwrap();
    fs::write(&second, two.trim_end()).unwrap();
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let (code, _, said) = send(&place, &["--patience", "300ms", first]);
    assert!(code == 3 && said.contains("events.sock") && said.contains("is the daemon running?"), "{said}");
    let running = place.start();
    let (code, sent, said) = send(&place, &[first, second]);
    assert_eq!((code, &sent["lines"], &sent["known_before"]), (0, &4_000.into(), &0.into()), "{said}");
    let address = format!("127.0.0.1:{port}");
    let (code, sent, said) = send(&place, &["--to", &address, first, second]);
    assert_eq!((code, &sent["lines"], &sent["known_before"]), (0, &4_000.into(), &4_000.into()), "{said}");
    let id = sent["id"].as_str().unwrap();
    let (code, _, said) = send(&place, &["--id", id, second]);
    assert!(code == 1 && said.contains("knows 4000 lines"), "{said}");
    let (code, _, said) = send(&place, &["--id", id, second, first]);
    assert!(code == 1 && said.contains("are not those that were counted"), "{said}");
    let (code, _, said) = send(&place, &["--id", "a/b", first]);
    assert!(code == 2 && said.contains("A-Z"), "{said}");
    let (code, _, said) = send(&place, &["nowhere.ndjson"]);
    assert!(code == 3 && said.contains("nowhere.ndjson"), "{said}");
    fs::write(place.path("3.gz"), [0x1f, 0x8b, 8]).unwrap();
    let (code, _, said) = send(&place, &[place.path("3.gz").to_str().unwrap()]);
    assert!(code == 3 && said.contains("zcat"), "{said}");
    running.stop_in_order();
    let raw = place.path("raw");
    fs::write(&raw, &text).unwrap();
    assert_eq!(place.recount(&raw, &["orders"], &MONEY), 4_000);
    place.ledger();
}

#[test]
fn logs_are_followed_through_rotation_and_restarts_of_both_sides() {
    let place = Place::new(&tables(free_port()));
    let text = load(83, 8_000).text(WireFormat::Ndjson);
    let mut rest = text.as_str();
    let mut part = |left: usize| {
        let (part, others) = rest.split_at(line_end(rest.as_bytes(), rest.len() / left - 1));
        rest = others;
        part.to_owned()
    };
    let (log, state) = (place.path("orders.log"), place.path("positions"));
    let start = || {
        let mut command = Command::new(EBBD);
        command.args(["send", "--origin", "web-03", "--follow"]).arg(place.path("orders.log*"));
        command.arg("--state").arg(&state).arg("-c").arg(place.config());
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
    };
    let stop = |mut sending: std::process::Child| {
        kill_process(Pid::from_child(&sending), Signal::TERM).unwrap();
        assert!(sending.wait().unwrap().success());
    };
    let safe = || -> u64 {
        let kept: Value = serde_json::from_slice(&fs::read(&state).unwrap_or_default()).unwrap_or_default();
        kept.as_array().into_iter().flatten().map(|file| file["lines"].as_u64().unwrap()).sum()
    };
    let lines = |part: &str| part.lines().count() as u64;
    let mut sent = 0;
    let mut write = |path: &std::path::Path, part: String| {
        sent += lines(&part);
        append(path, part.as_bytes());
        sent
    };
    write(&log, part(8));
    let running = place.start();
    let sending = start();
    let all = write(&log, part(7));
    eventually("two parts are safe", PATIENCE, || safe() == all);
    fs::rename(&log, place.path("orders.log.1")).unwrap();
    write(&place.path("orders.log.1"), part(6));
    let all = write(&log, part(5));
    eventually("the new file too", PATIENCE, || safe() == all);
    running.stop_in_order();
    write(&log, part(4));
    std::thread::sleep(Duration::from_millis(500));
    let running = place.start();
    let all = write(&log, part(3));
    eventually("the daemon is back", PATIENCE, || safe() == all);
    stop(sending);
    write(&log, part(2));
    fs::rename(&log, place.path("orders.log.2")).unwrap();
    write(&log, part(1));
    // Killed rather than stopped: what is kept is older than what was sent.
    let mut killed = start();
    std::thread::sleep(Duration::from_millis(700));
    killed.kill().unwrap();
    killed.wait().unwrap();
    let sending = start();
    eventually("all of it", PATIENCE, || safe() == 8_000);
    stop(sending);
    running.stop_in_order();
    let raw = place.path("raw");
    fs::write(&raw, &text).unwrap();
    assert_eq!(place.recount(&raw, &["orders"], &MONEY), 8_000);
    assert!(place.ledger()[0]["control"].as_u64().unwrap() > 4, "heartbeats and goodbyes");
}

#[test]
fn a_pipe_goes_on_over_stops_and_starts_of_the_daemon() {
    let place = Place::new(&tables(free_port()));
    let text = load(82, 9_000).text(WireFormat::Ndjson);
    let mut command = Command::new(EBBD);
    command.args(["send", "--json", "--patience", "60s", "-c"]).arg(place.config()).arg("-");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = place.start();
    let mut sending = command.spawn().unwrap();
    let mut pipe = sending.stdin.take().unwrap();
    let mut rest = text.as_str();
    for left in (1..=3).rev() {
        let (part, others) = rest.split_at(line_end(rest.as_bytes(), rest.len() / left - 1));
        rest = others;
        pipe.write_all(part.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(120));
        if left > 1 {
            running.stop_in_order();
            running = place.start();
        }
    }
    drop(pipe);
    let (code, sent, said) = told(&sending.wait_with_output().unwrap());
    assert_eq!((code, &sent["lines"]), (0, &9_000.into()), "{said}");
    assert!(sent["connections"].as_u64().unwrap() >= 2, "{sent}");
    running.stop_in_order();
    let raw = place.path("raw");
    fs::write(&raw, &text).unwrap();
    assert_eq!(place.recount(&raw, &["orders"], &MONEY), 9_000);
    place.ledger();
}
