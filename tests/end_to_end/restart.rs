//! Stops and starts: nothing is lost, nothing is doubled, nobody else's directory is touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use ebbd::journal::{self, About, FrameKind, Journal};
use ebbd::sys::{Disk, RealDisk};
use ebbd::telemetry::Telemetry;
use ebbd_bench::{Load, LoadSpec, WireFormat};
use serde_json::Value;

use super::support::{MONEY, Place, Running, stream, this_minute};
use super::wire::{Transport, Wire, append, line_end, load, through_unix};

fn unix_source() -> String {
    stream("orders") + "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\n"
}

fn raw(place: &Place, lines: &str) -> PathBuf {
    let path = place.path("raw.ndjson");
    append(&path, lines.as_bytes());
    path
}

#[test]
fn a_stop_in_the_middle_of_a_minute_loses_and_doubles_nothing() {
    let place = Place::new(&unix_source());
    // This minute and the next one are open all the time.
    let spec = LoadSpec { seed: 41, events: 30_000, from: this_minute().plus(-2), minutes: 4, late: 0.05 };
    let text = Load::new(&spec).text(WireFormat::Ndjson);
    let mut rest = text.as_str();
    let mut sent = 0;
    for left in (1..=3).rev() {
        let (part, others) = rest.split_at(line_end(rest.as_bytes(), rest.len() / left - 1));
        rest = others;
        let running = place.start();
        through_unix(&place.path("events.sock"), part.as_bytes());
        running.await_lines(part.lines().count() as u64);
        running.stop_in_order();
        // While it is down the Parquet is whole, open minutes included.
        sent += part.lines().count() as u64;
        assert_eq!(place.recount(&raw(&place, part), &["orders"], &MONEY), sent);
        assert_eq!(place.ledger()[0]["counted"], sent);
    }
    assert_eq!(sent, 30_000);
    place.start().stop_in_order();
    assert_eq!(place.recount(&place.path("raw.ndjson"), &["orders"], &MONEY), sent);
}

/// The lines of a load in `parts` texts of about the same length.
fn parts(load: &Load, parts: usize) -> Vec<String> {
    let text = load.text(WireFormat::Ndjson);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.chunks(lines.len().div_ceil(parts)).map(<[&str]>::concat).collect()
}

#[test]
fn files_are_followed_through_every_rotation_and_a_restart() {
    let place = Place::new(&(stream("orders") + "[source.logs]\ntype = \"file\"\npath = \"@/orders.log\"\n"));
    let load = load(42, 24_000);
    let parts = parts(&load, 8);
    let log = place.path("orders.log");
    let add = |path: &Path, part: usize| append(path, parts[part].as_bytes());
    let running = place.start();
    add(&log, 0);
    running.await_lines(3_000);
    // Renamed while its writer still has it open.
    fs::rename(&log, place.path("orders.log.1")).unwrap();
    add(&place.path("orders.log.1"), 1);
    add(&log, 2);
    running.await_lines(9_000);
    // Copied and cut.
    fs::copy(&log, place.path("orders.log.2")).unwrap();
    fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    add(&log, 3);
    running.await_lines(12_000);
    // Removed and made again.
    fs::remove_file(&log).unwrap();
    add(&log, 4);
    running.await_lines(15_000);
    // Stopped in the middle of a line; rotated while it is down.
    let (half, other_half) = parts[5].split_at(parts[5].len() / 2 + 7);
    append(&log, half.as_bytes());
    running.await_lines(15_000 + half.matches('\n').count() as u64);
    running.stop_in_order();
    append(&log, other_half.as_bytes());
    fs::rename(&log, place.path("orders.log.3")).unwrap();
    add(&log, 6);
    let running = place.start();
    running.await_lines(6_000 - half.matches('\n').count() as u64);
    add(&log, 7);
    running.await_lines(9_000 - half.matches('\n').count() as u64);
    running.stop_in_order();
    assert_eq!(place.ledger()[0]["received"], 24_000);
    assert_eq!(place.recount(&raw(&place, &parts.concat()), &["orders"], &MONEY), 24_000);
}

#[test]
fn a_killed_daemon_starts_again_and_counts_on() {
    let wire = Wire::new(Transport::UnixDatagram, WireFormat::Ndjson);
    let place = Place::new(&(stream(&wire.name) + &wire.section()));
    let running = place.start();
    drop(running);
    let mut running = place.start();
    let load = load(43, 1_000);
    wire.send(&place, &mut running, wire.text(&load).as_bytes());
    running.await_lines(1_000);
    running.stop_in_order();
    let text = load.text(WireFormat::Ndjson);
    assert_eq!(place.recount(&raw(&place, &text), &[&wire.name], &MONEY), 1_000);
}

#[test]
fn a_second_daemon_on_the_same_data_is_refused() {
    let place = Place::new(&unix_source());
    let running = place.start();
    let second = place.spawn(Stdio::null()).wait(Duration::from_secs(20));
    assert_eq!(second.code, Some(2), "{}", second.told);
    assert!(second.told.contains("is in use by another ebbd: stop it"), "{}", second.told);
    through_unix(&place.path("events.sock"), b"{\"ts\":1}\n");
    running.await_lines(1);
    running.stop_in_order();
}

/// What was added to a checkpoint since the release that knew no segments.
const ADDED: [&str; 5] = ["senders", "spoken", "reads", "kept", "rolls"];

#[test]
fn state_of_the_release_before_is_gone_on_from() {
    let place = Place::new(&unix_source());
    let spec = LoadSpec { seed: 44, events: 6_000, from: this_minute().plus(-2), minutes: 4, late: 0.05 };
    let text = Load::new(&spec).text(WireFormat::Ndjson);
    let half = line_end(text.as_bytes(), text.len() / 2);
    let send = |running: &Running, part: &str| {
        through_unix(&place.path("events.sock"), part.as_bytes());
        running.await_lines(part.lines().count() as u64);
    };
    let running = place.start();
    send(&running, &text[..half]);
    running.stop_in_order();

    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (dir, old) = (place.data().join("journal"), place.path("old"));
    let left = journal::recover(Arc::clone(&disk), &dir).unwrap();
    let mut frames = Vec::new();
    for segment in left.unbroken() {
        for frame in left.read(segment).unwrap().frames() {
            let mut body = frame.body.to_vec();
            if frame.kind == FrameKind::Checkpoint {
                let mut state: Value = serde_json::from_slice(&body).unwrap();
                let keys = state.as_object_mut().unwrap();
                ADDED.iter().for_each(|key| drop(keys.remove(*key)));
                keys.insert("of a later release".to_owned(), Value::from(1));
                body = state.to_string().into_bytes();
            }
            frames.push((frame.kind, body));
        }
    }
    frames.retain(|(kind, _)| matches!(kind, FrameKind::Alarm | FrameKind::Checkpoint));
    let telemetry = Arc::new(Telemetry::new(&[], &[], 0));
    let empty = journal::recover(Arc::clone(&disk), &old).unwrap();
    Journal::begin(disk, &empty, About::default(), &frames, telemetry).unwrap().close(&frames).unwrap();
    // That is all that the release before left.
    fs::remove_dir_all(&dir).unwrap();
    fs::create_dir(&dir).unwrap();
    fs::rename(old.join("state.journal"), dir.join("state.journal")).unwrap();

    let running = place.start();
    send(&running, &text[half..]);
    running.stop_in_order();
    assert_eq!(place.recount(&raw(&place, &text), &["orders"], &MONEY), 6_000);
    assert_eq!(place.ledger()[0]["counted"], 6_000);
}

#[test]
fn state_of_a_later_version_is_refused_and_left_alone() {
    let place = Place::new(&unix_source());
    let dir = place.data().join("journal");
    fs::create_dir_all(&dir).unwrap();
    let body = br#"{"version":99,"what":"nobody knows yet"}"#;
    let frames = [(FrameKind::Checkpoint, body.to_vec())];
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let left = journal::recover(Arc::clone(&disk), &dir).unwrap();
    let telemetry = Arc::new(Telemetry::new(&[], &[], 0));
    let journal = Journal::begin(disk, &left, About::default(), &frames, telemetry).unwrap();
    journal.close(&frames).unwrap();
    let files = |dir: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    };
    let before = files(&dir);
    let ended = place.spawn(Stdio::null()).wait(Duration::from_secs(20));
    assert_eq!(ended.code, Some(2), "{}", ended.told);
    assert!(ended.told.contains("version 99") && ended.told.contains("start the ebbd that wrote it"));
    assert_eq!(files(&dir), before);
}
