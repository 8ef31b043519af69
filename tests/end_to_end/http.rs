//! The HTTP source as its users know it: curl, InfluxDB's own client, crowds, clients that misbehave, kills.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::support::{PATIENCE, Place, eventually, free_port, python, stream};

/// A place with an HTTP source at this port.
fn place(port: u16, more: &str) -> Place {
    let source = format!("[source.web]\ntype = \"http\"\nlisten = \"127.0.0.1:{port}\"\n{more}");
    Place::new(&(stream("orders") + &source + "[parquet]\nroll = \"1s\"\n"))
}

/// Runs a script of the shell; what it prints.
fn shell(script: &str, dir: &Path) -> String {
    let output =
        Command::new("bash").args(["-c", script]).current_dir(dir).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{script}\n{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Posts and reads the answer: status and body. `None` if the connection broke.
fn post(to: &mut TcpStream, path: &str, body: &str) -> Option<(u16, String)> {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    to.write_all((head + body).as_bytes()).ok()?;
    answer(to)
}

fn answer(from: &mut TcpStream) -> Option<(u16, String)> {
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !said.ends_with(b"\r\n\r\n") {
        from.read_exact(&mut byte).ok()?;
        said.push(byte[0]);
    }
    let head = String::from_utf8(said).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    from.read_exact(&mut body).ok()?;
    Some((head.split(' ').nth(1)?.parse().ok()?, String::from_utf8(body).unwrap()))
}

fn connect(port: u16) -> Option<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

#[test]
fn what_the_documentation_shows_works() {
    let port = free_port();
    let place = place(port, "token_file = \"@/token\"\n");
    fs::write(place.path("token"), "s3cret\n").unwrap();
    let running = place.start();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("docs/formats.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with("HTTP")).unwrap();
    let scripts: Vec<&str> =
        section.split("```sh\n").skip(1).map(|s| s.split("```").next().unwrap()).collect();
    assert!(scripts.len() >= 3);
    for script in scripts {
        // What it shows is what comes.
        let shown: Vec<&str> = script.lines().filter_map(|line| line.strip_prefix("# ")).collect();
        let script = script
            .replace("127.0.0.1:8086", &format!("127.0.0.1:{port}"))
            .replace("/etc/ebbd/write.token", place.path("token").to_str().unwrap());
        let said = shell(&script, place.path("data").as_path());
        assert_eq!(said.trim_end(), shown.join("\n"), "{script}");
    }
    eventually("answers are in the status", PATIENCE, || {
        running.status()["sources"][0]["answers"] == json!({"200": 2, "204": 1, "400": 1})
    });
    let (_, metrics) = running.get("/metrics").unwrap();
    assert!(
        metrics.contains("ebbd_source_http_requests_total{source=\"web\",status=\"204\"} 1\n"),
        "{metrics}"
    );
    running.stop_in_order();
    let row = &place.ledger()[0];
    assert!(row["counted"].as_u64().unwrap() >= 3 && row["control"] == 1, "{row}");
}

#[test]
fn influxdbs_own_client_writes_unchanged() {
    let port = free_port();
    let place = place(port, "token_file = \"token\"\n");
    fs::write(place.path("token"), "s3cret\n").unwrap();
    // As the service manager hands credentials over.
    let mut command = place.command(&["run"]);
    command.env("CREDENTIALS_DIRECTORY", place.path("token").parent().unwrap());
    let running = place.when_ready(place.spawn_by(command, Stdio::null()));
    let output = python("influx_writer.py", &[&format!("http://127.0.0.1:{port}"), "s3cret"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["ping"], true);
    assert!(told["version"].as_str().unwrap().starts_with("v2."));
    let partial = json!({
        "code": "invalid", "line": 2,
        "message": "partial write: 2 of 3 lines rejected: unknown_stream 1 (first in line 2), \
                    bad_time 1 (first in line 3) dropped=2",
    });
    assert_eq!(told["partial"], json!({"status": 400, "body": partial}));
    assert_eq!(told["stranger"]["status"], 401);
    assert_eq!(told["stranger"]["body"]["code"], "unauthorized");
    assert!(!running.told().contains("s3cret"), "secrets are not logged");
    running.stop_in_order();
    let rows = place.sql("select sum(count)::bigint as n, sum(amount)::double as amount from @minutes");
    assert_eq!((&rows[0]["n"], &told["written"]), (&json!(1731), &json!(1731)));
    assert_eq!(rows[0]["amount"], json!(1730.0 * 1.25 + 1.0));
    place.ledger();
}

#[test]
fn what_was_answered_survives_kills() {
    let rounds = std::env::var("CRASH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    let port = free_port();
    let place = place(port, "");
    let (mut answered, mut sent) = (Vec::new(), 0);
    for round in 0..rounds {
        let running = place.start();
        let stop = AtomicBool::new(false);
        let of_round = thread::scope(|scope| {
            let clients: Vec<_> = (0..8)
                .map(|client| {
                    scope.spawn({
                        let stop = &stop;
                        move || requests_until(port, &format!("r{round}c{client}"), stop)
                    })
                })
                .collect();
            // Right after an answer as often as at any other moment.
            thread::sleep(Duration::from_millis(40 + round * 37 % 200));
            drop(running);
            stop.store(true, Ordering::Relaxed);
            clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
        });
        for (names, requests) in of_round {
            answered.extend(names);
            sent += requests;
        }
    }
    place.start().stop_in_order();
    let rows = place.sql("select feature, sum(count)::bigint as n from @minutes group by feature");
    let count = |name: &String| {
        rows.iter().find(|row| row["feature"] == name.as_str()).map_or(0, |row| row["n"].as_u64().unwrap())
    };
    for name in &answered {
        assert_eq!(count(name), 10, "{name} was answered");
    }
    assert!(rows.iter().all(|row| row["n"].as_u64().unwrap() <= 10), "nothing is counted twice");
    assert!(answered.len() >= rows.len() - 8 * rounds as usize && sent >= answered.len() as u64);
    assert!(!answered.is_empty());
    place.ledger();
}

/// Sends requests of ten orders each, one after the other; the features of those that were answered, and how
/// many were sent.
fn requests_until(port: u16, name: &str, stop: &AtomicBool) -> (Vec<String>, u64) {
    let (mut answered, mut sent) = (Vec::new(), 0);
    let Some(mut stream) = connect(port) else { return (answered, sent) };
    while !stop.load(Ordering::Relaxed) {
        let feature = format!("{name}n{sent}");
        let body = format!("orders,feature={feature},status=placed amount=1 {}\n", seconds()).repeat(10);
        sent += 1;
        match post(&mut stream, "/api/v2/write?precision=s", &body) {
            Some((204, _)) => answered.push(feature),
            Some(other) => panic!("{other:?}"),
            None => break,
        }
    }
    (answered, sent)
}

#[test]
fn a_hundred_clients_and_some_that_misbehave() {
    let port = free_port();
    let place = place(port, "connections = 130\n");
    let running = place.start();
    // One says nothing, one never ends its body, one asks and asks and never reads an answer.
    let silent = connect(port).unwrap();
    let mut endless = connect(port).unwrap();
    endless
        .write_all(b"POST /write HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf ")
        .unwrap();
    let mut deaf = connect(port).unwrap();
    deaf.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let bad =
        "POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n";
    while deaf.write_all(bad.repeat(100).as_bytes()).is_ok() {}
    let begun = Instant::now();
    thread::scope(|scope| {
        for client in 0..100 {
            scope.spawn(move || {
                let mut stream = connect(port).unwrap();
                for _ in 0..10 {
                    let line = format!("orders,feature=f{client},status=placed amount=1 {}\n", seconds());
                    let (status, told) = post(&mut stream, "/write?precision=s", &line.repeat(7)).unwrap();
                    assert_eq!(status, 204, "{told}");
                }
            });
        }
    });
    assert!(begun.elapsed() < PATIENCE);
    drop((silent, endless));
    deaf.shutdown(Shutdown::Both).unwrap();
    running.await_lines(7_000);
    running.stop_in_order();
    let rows = place.sql("select feature, sum(count)::bigint as n from @minutes group by feature");
    assert!(rows.len() == 100 && rows.iter().all(|row| row["n"] == 70), "{rows:?}");
    place.ledger();
}
