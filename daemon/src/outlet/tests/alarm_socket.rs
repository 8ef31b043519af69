//! What one subscriber sees, case by case.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ebbd_core::alarm::{AlarmRecord, Kind, State};
use ebbd_core::model::Minute;

use super::peer::{Peer, until};
use super::{Served, fractions, quick, record};
use crate::outlet::Progress;

fn publish(served: &Served, seqs: std::ops::RangeInclusive<u64>) {
    seqs.for_each(|seq| served.hub.publish(&record(seq, seq, State::Resolved)));
}

#[test]
fn hello_then_snapshot_then_records() {
    let served = Served::with(quick(), 100);
    let mut first = Peer::connect(&served.path);
    let hello = first.next();
    assert_eq!(hello["v"], 1);
    assert_eq!((hello["oldest"].as_u64(), hello["newest"].as_u64()), (Some(1), Some(0)));
    assert_eq!(hello["boot"].as_str().map(str::len), Some(26));

    served.hub.publish(&record(1, 7, State::Firing));
    served.hub.publish(&record(2, 8, State::Firing));
    served.hub.publish(&record(3, 7, State::Recovering));
    served.hub.publish(&record(4, 8, State::Resolved));
    assert_eq!(first.words(4), ["alarm 1", "alarm 2", "alarm 3", "alarm 4"]);

    let mut second = Peer::connect(&served.path);
    let hello = second.next();
    assert_eq!((hello["oldest"].as_u64(), hello["newest"].as_u64()), (Some(1), Some(4)));
    assert_eq!(second.words(1), ["snapshot 3"]);
    publish(&served, 5..=5);
    let live = second.next();
    assert_eq!(live["seq"], 5);
    let whole: AlarmRecord = serde_json::from_value(live.clone()).unwrap();
    assert_eq!(whole, record(5, 5, State::Resolved));
    assert!(live.get("snapshot").is_none());
}

#[test]
fn since_resumes_without_a_hole_and_tells_what_is_gone() {
    let served = Served::with(quick(), 3);
    publish(&served, 1..=5);
    let mut peer = Peer::asking(&served.path, r#"{"since":3}"#);
    assert_eq!(peer.words(3), ["hello", "alarm 4", "alarm 5"]);
    let mut late = Peer::asking(&served.path, r#"{"since":0}"#);
    assert_eq!(late.words(5), ["hello", "gap 1-2", "alarm 3", "alarm 4", "alarm 5"]);
    publish(&served, 6..=6);
    assert_eq!((peer.words(1), late.words(1)), (vec!["alarm 6".to_owned()], vec!["alarm 6".to_owned()]));
    assert_eq!(served.telemetry.alarm_socket.gaps.get(), 1);
}

#[test]
fn the_line_may_come_late_or_in_pieces() {
    let served = Served::with(quick(), 100);
    publish(&served, 1..=2);
    let mut peer = Peer::connect(&served.path);
    assert_eq!(peer.words(1), ["hello"]);
    std::thread::sleep(Duration::from_millis(250));
    publish(&served, 3..=3);
    assert_eq!(peer.words(1), ["alarm 3"]);
    peer.stream.write_all(br#"{"sin"#).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    peer.stream.write_all(b"ce\":1}\n").unwrap();
    assert_eq!(peer.words(2), ["alarm 2", "alarm 3"]);
}

#[test]
fn a_filter_rules_snapshot_and_records() {
    let served = Served::with(quick(), 100);
    let of = |seq, kind, stream: &str| AlarmRecord {
        kind,
        stream: stream.to_owned(),
        ..record(seq, seq, State::Firing)
    };
    served.hub.publish(&of(1, Kind::Drop, "orders"));
    served.hub.publish(&of(2, Kind::NoData, "orders"));
    served.hub.publish(&of(3, Kind::Drop, "shipments"));
    let line = r#"{"since":0,"filter":{"stream":["orders"],"kind":["drop"]}}"#;
    let mut peer = Peer::asking(&served.path, line);
    assert_eq!(peer.words(3), ["hello", "snapshot 1", "alarm 1"]);
    served.hub.publish(&of(4, Kind::Ebbd, "orders"));
    served.hub.publish(&of(5, Kind::Drop, "orders"));
    assert_eq!(peer.words(1), ["alarm 5"]);
}

#[test]
fn garbage_gets_an_answer_and_too_much_of_it_the_door() {
    let served = Served::with(quick(), 100);
    let mut peer = Peer::asking(&served.path, "SUBSCRIBE please");
    assert_eq!(peer.words(2), ["hello", "error bad_line"]);
    publish(&served, 1..=1);
    peer.say(r#"{"since":0}"#);
    assert_eq!(peer.words(1), ["alarm 1"]);
    (0..20).for_each(|_| drop(writeln!(peer.stream, "\u{fffd}\0")));
    let mut refusals = 0;
    while let Some(line) = peer.line() {
        refusals += u32::from(line["code"] == "bad_line");
    }
    assert_eq!(refusals, 15);

    let mut long = Peer::connect(&served.path);
    let _ = long.stream.write_all(&vec![b'x'; 40_000]);
    let mut rest = String::new();
    let _ = long.stream.read_to_string(&mut rest);
    assert!(rest.contains("\"too_long\""), "{rest}");
}

#[test]
fn a_number_never_given_here_is_told() {
    let served = Served::with(quick(), 100);
    publish(&served, 1..=2);
    let mut peer = Peer::asking(&served.path, r#"{"since":900}"#);
    assert_eq!(peer.words(2), ["hello", "error since_ahead"]);
    publish(&served, 3..=3);
    assert_eq!(peer.words(1), ["alarm 3"]);
}

#[test]
fn heartbeats_say_how_far_everything_is() {
    let served = Served::with(quick(), 100);
    publish(&served, 1..=2);
    let watermark = BTreeMap::from([("orders".to_owned(), Minute(29_922_544).start())]);
    served.hub.set_progress(Progress { watermark, completeness: fractions(&[("orders", 0.998)]) });
    let mut peer = Peer::connect(&served.path);
    assert_eq!(peer.words(1), ["hello"]);
    let start = Instant::now();
    let beat = peer.line().unwrap();
    assert_eq!(beat["type"], "heartbeat");
    assert_eq!(beat["seq"], 2);
    assert_eq!(beat["watermark"]["orders"], "2026-11-22T13:04:00Z");
    assert_eq!(beat["completeness"]["orders"], 0.998);
    assert_eq!(peer.line().unwrap()["type"], "heartbeat");
    assert!(start.elapsed() > Duration::from_millis(400), "{:?}", start.elapsed());
}

#[test]
fn an_earlier_start_is_put_back() {
    let served = Served::with(quick(), 100);
    let before: Vec<_> = (4..=6).map(|seq| record(seq, seq, State::Resolved)).collect();
    served.hub.preload(&before);
    served.hub.set_newest(7);
    served.hub.set_open(&[record(5, 5, State::FiringBlind)]);
    let mut peer = Peer::asking(&served.path, r#"{"since":4}"#);
    let hello = peer.next();
    assert_eq!((hello["oldest"].as_u64(), hello["newest"].as_u64()), (Some(4), Some(7)));
    assert_eq!(peer.words(4), ["snapshot 5", "alarm 5", "alarm 6", "gap 7-7"]);
    served.hub.renew_boot();
    served.hub.publish(&AlarmRecord { durable: false, ..record(8, 8, State::Firing) });
    let again = peer.next();
    assert!(again["type"] == "hello" && again["boot"] != hello["boot"], "{again}");
    assert_eq!(peer.next()["durable"], false);
}

#[test]
fn too_many_are_turned_away_and_seats_come_back() {
    let served = Served::with(crate::outlet::AlarmSocketOptions { subscribers_max: 2, ..quick() }, 100);
    let mut two: Vec<Peer> = (0..2).map(|_| Peer::connect(&served.path)).collect();
    two.iter_mut().for_each(|peer| assert_eq!(peer.words(1), ["hello"]));
    let mut third = Peer::connect(&served.path);
    assert_eq!(third.words(1), ["error too_many_subscribers"]);
    assert!(third.line().is_none());
    drop(two);
    until("the seats are free again", || served.telemetry.alarm_socket.subscribers.get() == 0);
    assert_eq!(Peer::connect(&served.path).words(1), ["hello"]);
}

#[test]
fn a_peer_that_closed_its_side_still_hears() {
    let served = Served::with(quick(), 100);
    publish(&served, 1..=1);
    let mut peer = Peer::connect(&served.path);
    peer.stream.write_all(br#"{"since":0}"#).unwrap();
    peer.close_own_side();
    assert_eq!(peer.words(2), ["hello", "alarm 1"]);
    publish(&served, 2..=2);
    assert_eq!(peer.words(1), ["alarm 2"]);
    drop(peer);
    until("its seat is free", || served.telemetry.alarm_socket.subscribers.get() == 0);
}

#[test]
fn a_stop_sends_what_is_published() {
    let served = Served::with(quick(), 2_000);
    let mut peer = Peer::connect(&served.path);
    assert_eq!(peer.words(1), ["hello"]);
    std::thread::sleep(Duration::from_millis(150));
    publish(&served, 1..=50);
    served.outlets.stop(Duration::from_secs(5));
    let mut seqs = Vec::new();
    while let Some(line) = peer.line() {
        seqs.extend(line["seq"].as_u64().filter(|_| line["type"] == "alarm"));
    }
    assert_eq!(seqs, (1..=50).collect::<Vec<u64>>());
}

/// The way a person would look. Skipped where nc is not installed; the tests' setup installs it.
#[test]
fn netcat_is_a_subscriber() {
    let served = Served::with(quick(), 100);
    served.hub.publish(&record(1, 1, State::Firing));
    let nc =
        Command::new("nc").arg("-U").arg(&served.path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut nc) = nc else { return };
    std::thread::sleep(Duration::from_millis(300));
    served.hub.publish(&record(2, 1, State::Resolved));
    std::thread::sleep(Duration::from_millis(200));
    served.outlets.stop(Duration::from_secs(5));
    let _ = nc.kill();
    let text = String::from_utf8(nc.wait_with_output().unwrap().stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["type"], "hello");
    assert!(lines[1]["seq"] == 1 && lines[1]["snapshot"] == true, "{text}");
    assert!(lines.iter().any(|line| line["seq"] == 2 && line["state"] == "resolved"), "{text}");
}
