//! Attacks from outside: floods, drips, endless lines, endless names, no descriptors, subscribers that hang.
//! Whoever is not attacked notices nothing, what is refused is counted, and when it is over all is as before.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::strain::{Strain, is_full, lines};
use super::support::{PATIENCE, Running, eventually, this_minute};

/// The first line that a socket says.
fn first_line(path: &Path) -> Value {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn connections(running: &Running) -> u64 {
    let status = running.status();
    let sources = status["sources"].as_array().unwrap();
    let attacked = sources.iter().find(|source| source["name"] == "attacked");
    attacked.and_then(|source| source["connections"].as_u64()).unwrap()
}

/// More connections than allowed, each of those let in with a line that never ends, a byte at a time.
#[test]
fn a_flood_of_connections_that_drip_costs_only_its_source() {
    let strain = Strain::new("connections = 64\npartial_line = \"1s\"");
    let running = strain.place.start();
    let healthy = strain.healthy(false);
    let flood = if is_full() { 10_000 } else { 300 };
    let drips: Vec<UnixStream> = (0..flood).map(|_| strain.attack()).collect();
    // Those that were refused can't take it.
    let drip = |byte: &[u8]| drips.iter().for_each(|mut drip| drop(drip.write(byte)));
    drip(b"{");
    let refused = f64::from(flood - 64);
    eventually("all beyond the limit are refused", PATIENCE, || running.refused() == refused);
    assert_eq!(connections(&running), 64);
    let given_up = || running.metric("ebbd_rejected_lines_total", "{reason=\"partial_line\"}");
    eventually("unfinished lines are given up", PATIENCE, || {
        drip(b" ");
        given_up() >= 64.0
    });
    running.is_calm();
    running.kept_memory();
    drop(drips);
    eventually("all are gone", PATIENCE, || connections(&running) == 0);
    strain.is_served_again(&running, 1_000, 1_000);
    let sent = healthy.finish(&running);
    let ledger = strain.finish(running, sent, 1_000);
    let attacked = ledger.iter().find(|row| row["source"] == "attacked").unwrap();
    assert_eq!(attacked["received"].as_u64(), attacked["partial_line"].as_u64().map(|n| n + 1_000));
}

/// Lines without an end: each costs one rejection and no memory.
#[test]
fn gigabyte_lines_are_skipped() {
    let strain = Strain::new("");
    let running = strain.place.start();
    let healthy = strain.healthy(false);
    let mib: usize = if is_full() { 1_024 } else { 96 };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let (mut stream, chunk) = (strain.attack(), vec![b'x'; 1 << 20]);
                // A first line is looked at more closely.
                for mib in [1, mib] {
                    (0..mib).for_each(|_| stream.write_all(&chunk).unwrap());
                    stream.write_all(b"\n").unwrap();
                }
                stream.write_all(lines(10, "DE").as_bytes()).unwrap();
            });
        }
    });
    running.await_counted("attacked", 30);
    running.kept_memory();
    running.is_calm();
    let sent = healthy.finish(&running);
    let ledger = strain.finish(running, sent, 30);
    let attacked = ledger.iter().find(|row| row["source"] == "attacked").unwrap();
    assert_eq!((&attacked["too_long"], &attacked["received"]), (&6.into(), &36.into()));
}

/// Ever new values for every dimension, host and customer.
#[test]
fn endless_names_become_others() {
    let strain = Strain::new("");
    let running = strain.place.start();
    let healthy = strain.healthy(false);
    let count: u64 = if is_full() { 12_500_000 } else { 20_000 };
    let (now, padding) = (this_minute().start().to_rfc3339(), "x".repeat(100));
    let mut attacker = strain.attack();
    for first in (0..count).step_by(1_000) {
        let mut text = String::new();
        for n in first..count.min(first + 1_000) {
            writeln!(
                text,
                r#"{{"ts":"{now}","marketplace":"m{n}{padding}","feature":"f{n}","host":"h{n}","customer":"c{n}"}}"#
            )
            .unwrap();
        }
        attacker.write_all(text.as_bytes()).unwrap();
    }
    drop(attacker);
    running.await_counted("attacked", count);
    running.kept_memory();
    let sent = healthy.finish(&running);
    running.is_calm();
    strain.finish(running, sent, count);
    let rows = strain.place.sql(
        "select stream, sum(count) as n, count(distinct marketplace) as names, \
         coalesce(sum(count) filter (marketplace = '__other__'), 0) as others from @minutes group by stream order by stream",
    );
    let (attacked, healthy) = (&rows[0], &rows[1]);
    // Each lane and the committer have their own 500.
    assert!(attacked["n"] == count && attacked["names"].as_u64() < Some(2_000), "{attacked}");
    assert!(attacked["others"].as_u64() > Some(count / 2), "{attacked}");
    assert!(healthy["n"] == sent && healthy["names"] == 1 && healthy["others"] == 0, "{healthy}");
}

/// A service with few descriptors keeps what it needs for itself and for the other source.
#[test]
fn a_flood_leaves_descriptors_to_others() {
    let strain = Strain::new("connections = 1000");
    let running = strain.start_with_descriptors(200);
    assert!(running.told().contains("`connections` is lowered for"), "{}", running.told());
    let healthy = strain.healthy(false);
    let flood: Vec<UnixStream> = (0..300).map(|_| strain.attack()).collect();
    eventually("the flood is refused", PATIENCE, || running.refused() >= 200.0);
    running.is_calm();
    assert_eq!(first_line(&strain.place.data().join("alarms.sock"))["type"], "hello");
    assert!(strain.place.command(&["status"]).output().unwrap().status.success());
    drop(flood);
    eventually("all are gone", PATIENCE, || connections(&running) == 0);
    strain.is_served_again(&running, 100, 100);
    let sent = healthy.finish(&running);
    running.kept_memory();
    strain.finish(running, sent, 100);
}

/// Not a single descriptor left, by whatever took them: those that are connected are counted on.
#[test]
fn without_descriptors_what_is_open_goes_on() {
    let strain = Strain::new("");
    let running = strain.place.start();
    let healthy = strain.healthy(true);
    running.await_lines_of_anybody();
    let most = running.descriptors() + 8;
    let limit = |most: usize| {
        let mut prlimit = Command::new("prlimit");
        prlimit.args([format!("--pid={}", running.pid().as_raw_nonzero()), format!("--nofile={most}:")]);
        assert!(prlimit.status().unwrap().success());
    };
    limit(most);
    let flood: Vec<UnixStream> = (0..100).map(|_| strain.attack()).collect();
    eventually("it has none left", PATIENCE, || running.descriptors() + 1 >= most);
    running.is_calm();
    // Long enough for files that should be opened meanwhile.
    std::thread::sleep(Duration::from_secs(2));
    drop(flood);
    eventually("it has some again", PATIENCE, || running.descriptors() + 4 < most);
    assert!(running.refused() > 0.0);
    strain.is_served_again(&running, 100, 100);
    assert_eq!(first_line(&strain.place.data().join("alarms.sock"))["type"], "hello");
    running.kept_memory();
    let sent = healthy.finish(&running);
    strain.finish(running, sent, 100);
}

/// Subscribers and controllers that connect and hang, more than are allowed.
#[test]
fn those_who_hang_slow_nothing() {
    let strain = Strain::new("");
    let running = strain.place.start();
    let healthy = strain.healthy(false);
    let (alarms, control) =
        (strain.place.data().join("alarms.sock"), strain.place.data().join("control.sock"));
    let hang = |path: &Path, count: usize| -> Vec<UnixStream> {
        (0..count).map(|_| UnixStream::connect(path).unwrap()).collect()
    };
    let (subscribers, controllers) = (hang(&alarms, 300), hang(&control, 100));
    let refused = || running.metric("ebbd_alarm_subscribers_refused_total", "");
    eventually("those beyond the limit are refused", PATIENCE, || refused() >= 44.0);
    assert_eq!(first_line(&alarms)["code"], "too_many_subscribers");
    // Requests without an end, and thousands that nobody waits for.
    for mut stream in &controllers {
        let _ = stream.write_all(&vec![b'{'; 4_096]);
    }
    for mut stream in &subscribers {
        let _ = stream.write_all(b"{\"since\":0}\n{\"since\":");
    }
    running.is_calm();
    running.kept_memory();
    drop((subscribers, controllers));
    eventually("there is room again", PATIENCE, || first_line(&alarms)["type"] == "hello");
    eventually("it answers again", PATIENCE, || {
        strain.place.command(&["status"]).output().unwrap().status.success()
    });
    let sent = healthy.finish(&running);
    strain.finish(running, sent, 0);
}

/// Stopped like a laptop's lid closed on it: what the kernel held meanwhile is counted, nothing is dropped.
#[test]
fn a_process_that_was_frozen_goes_on() {
    let strain = Strain::new("");
    let running = strain.place.start();
    let healthy = strain.healthy(true);
    running.await_lines_of_anybody();
    running.signal(Signal::STOP);
    // Long enough for a minute to go by that is sealed when it goes on.
    std::thread::sleep(Duration::from_secs(if is_full() { 130 } else { 3 }));
    running.signal(Signal::CONT);
    running.is_calm();
    assert_eq!(running.status()["alarms"].as_array().map(Vec::len), Some(0), "nobody was missed");
    let sent = healthy.finish(&running);
    strain.finish(running, sent, 0);
}
