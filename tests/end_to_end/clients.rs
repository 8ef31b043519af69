//! Clients as others ship them: rsyslog, StatsD libraries. (curl and InfluxDB's client: `http.rs`; nc: `alarms.rs`.)

use std::fs;
use std::io::Write;
use std::process::Command;

use super::support::{PATIENCE, Place, eventually, free_port, python, stream, this_minute};
use super::watchers::{Server, tool};

/// Lines counted per source so far.
fn counted(place: &Place) -> Vec<(String, u64)> {
    let rows = place.ledger();
    rows.iter()
        .map(|row| (row["source"].as_str().unwrap().into(), row["counted"].as_u64().unwrap()))
        .collect()
}

#[test]
fn statsd_libraries_are_counted_over_udp_datagrams_and_streams() {
    let port = free_port();
    let place = Place::new(
        &(stream("orders")
            + &format!("[source.udp]\ntype = \"udp\"\nlisten = \"127.0.0.1:{port}\"\nformat = \"statsd\"\n")
            + "[source.dgram]\ntype = \"unix_datagram\"\nlisten = \"@/dgram.sock\"\nformat = \"statsd\"\n"
            + "[source.stream]\ntype = \"unix\"\nlisten = \"@/stream.sock\"\nformat = \"statsd\"\n"
            + "[parquet]\nroll = \"1s\"\n"),
    );
    let running = place.start();
    let (datagrams, streams) = (place.path("dgram.sock"), place.path("stream.sock"));
    let arguments = [&port.to_string(), datagrams.to_str().unwrap(), streams.to_str().unwrap()];
    let output = python("statsd_clients.py", &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Two plain clients, one by datagrams in packs; two of Datadog's with an event each.
    running.await_lines(101 + 101 + 101 + 102 + 102);
    running.stop_in_order();
    let rows = place.sql(
        "select marketplace, feature, sum(count)::bigint as count from @minutes group by all order by all",
    );
    let all: Vec<(&str, &str, u64)> = rows
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap();
            (text("marketplace"), text("feature"), row["count"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(all, [("", "", 3 * 105), ("US", "one-click", 2 * 105)]);
    assert_eq!(place.sql("select what from @marks").len(), 2);
    let refused = place.sql("select sum(received - counted - control)::bigint as refused from @ledger");
    assert_eq!(refused[0]["refused"], 0);
}

/// Debian's rsyslog follows a file of JSON lines and sends them on by TCP, and makes JSON of what it knows itself
/// for a UNIX datagram socket.
#[test]
fn rsyslog_sends_lines_and_json_of_its_own() {
    let port = free_port();
    let place = Place::new(
        &(stream("orders")
            + &format!("[source.tcp]\ntype = \"tcp\"\nlisten = \"127.0.0.1:{port}\"\n")
            + "[source.dgram]\ntype = \"unix_datagram\"\nlisten = \"@/dgram.sock\"\n[parquet]\nroll = \"1s\"\n"),
    );
    let running = place.start();
    let log = place.path("orders.log");
    let now = this_minute().start().to_rfc3339();
    let line = format!(
        "{{\"ts\":\"{now}\",\"marketplace\":\"US\",\"status\":\"placed\",\"note\":\"a \\\"quote\\\"\"}}\n"
    );
    fs::write(&log, line.repeat(200)).unwrap();
    let config = place.path("rsyslog.conf");
    fs::create_dir(place.path("work")).unwrap();
    let text = include_str!("../../docs/clients/rsyslog.conf")
        .replace("/var/log/shop/orders.log", log.to_str().unwrap())
        .replace("/run/ebbd/events.dgram", place.path("dgram.sock").to_str().unwrap())
        .replace("/var/spool/rsyslog", place.path("work").to_str().unwrap())
        .replace("port=\"7701\"", &format!("port=\"{port}\""));
    fs::write(&config, text).unwrap();
    let mut command = Command::new(tool("sbin/rsyslogd"));
    command.arg("-n").arg("-f").arg(&config).arg("-i").arg(place.path("pid"));
    command.arg("-M").arg(tool("lib/x86_64-linux-gnu/rsyslog"));
    command.env("LD_LIBRARY_PATH", tool("lib/x86_64-linux-gnu"));
    let _rsyslog = Server::start(command, &place.path("rsyslog.log"));
    let told = || fs::read_to_string(place.path("rsyslog.log")).unwrap_or_default();
    eventually("both ways have the lines", PATIENCE, || {
        assert!(!told().contains("error"), "{}", told());
        running.lines() >= 400
    });
    let mut file = fs::File::options().append(true).open(&log).unwrap();
    file.write_all(line.repeat(100).as_bytes()).unwrap();
    running.await_lines(600);
    running.stop_in_order();
    assert_eq!(counted(&place), [("dgram".to_owned(), 300), ("tcp".to_owned(), 300)], "{}", told());
    let rows = place.sql("select marketplace, sum(count)::bigint as count from @minutes group by all");
    assert_eq!((&rows[0]["marketplace"], &rows[0]["count"], rows.len()), (&"US".into(), &600.into(), 1));
}
