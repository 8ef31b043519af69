//! HTTP over a real connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use ebbd_core::alarm::{AlarmRecord, State};
use ebbd_core::model::{Minute, Slice};
use serde_json::Value;

use super::{Served, quick, record};
use crate::outlet::http::serve_within;
use crate::outlet::{FiguresSource, HttpOutlet, NamesSource, Past, Point};
use crate::telemetry::StatusReport;

/// A past in which each minute had its own number of orders, and alarm 99 was opened and told once more.
pub(super) struct Weeks;

impl Past for Weeks {
    fn minutes(&self, stream: &str, slice: &Slice, minutes: Range<Minute>) -> Arc<[Point]> {
        let known = stream == "orders" && !slice.0.values().any(|value| value == "XX");
        let minutes = if known { minutes } else { Minute(0)..Minute(0) };
        let point = |at: i32| Point {
            minute: Minute(at),
            observed: Some(at.into()),
            expected: None,
            low: None,
            high: None,
            completeness: 1.0,
            verdict: None,
        };
        (minutes.start.0..minutes.end.0).map(point).collect()
    }

    fn alarm(&self, no: u64) -> Vec<AlarmRecord> {
        let told = |rev| AlarmRecord { rev, ..record(100 + u64::from(rev), 99, State::Firing) };
        if no == 99 { vec![told(1), told(2)] } else { Vec::new() }
    }
}

/// Records that the ring of [`served`] keeps.
pub(super) const RING: usize = 100;

/// What the daemon is called.
fn names() -> NamesSource {
    let names: Arc<[String]> = Arc::from(["x".to_owned()]);
    Arc::new(move || Arc::clone(&names))
}

fn figures(served: &Served) -> FiguresSource {
    let telemetry = Arc::clone(&served.telemetry);
    Arc::new(move || Arc::clone(&telemetry))
}

pub(super) fn served() -> (Served, SocketAddr) {
    let served = Served::with(quick(), RING);
    let status = || StatusReport { host: "web-01".to_owned(), v: 1, ..StatusReport::default() };
    let outlet = HttpOutlet::new(
        Arc::clone(&served.hub),
        Arc::clone(&served.board),
        figures(&served),
        Arc::new(status),
        Arc::new(Weeks),
        names(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    served.outlets.serve_http(listener, outlet).unwrap();
    (served, address)
}

pub(super) fn get(address: SocketAddr, path: &str, header: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
}

#[test]
fn health_is_not_readiness() {
    let (served, address) = served();
    assert_eq!(get(address, "/healthz", "").0, 200);
    assert_eq!(get(address, "/readyz", "").0, 503);
    served.telemetry.daemon.ready.set(1);
    assert_eq!(get(address, "/readyz", "").0, 200);
    assert_eq!(get(address, "/nowhere", "").0, 404);
}

/// A page from elsewhere whose name was rebound to this address is turned away, whatever it asks for.
#[test]
fn who_asks_for_somebody_else_is_turned_away() {
    let (_served, address) = served();
    let ask = |host: &str, path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    for path in ["/", "/metrics", "/api/v1/status", "/api/v1/live", "/assets/main.js", "/nowhere"] {
        let answer = ask("Host: evil.example:7780\r\n", path);
        assert!(answer.starts_with("HTTP/1.1 421 "), "{path}: {answer}");
        assert!(answer.contains("http_names = [\"evil.example\"]"), "{answer}");
    }
    assert!(ask("Host: evil.example\r\n", "/healthz").starts_with("HTTP/1.1 200 "));
    for host in ["Host: localhost\r\n", "Host: [::1]:7780\r\n", "Host: X:80\r\n"] {
        assert!(ask(host, "/api/v1/status").starts_with("HTTP/1.1 200 "), "{host}");
    }
    let odd = ask("Host: <script>\u{1b}[2J\r\n", "/");
    assert!(!odd.contains('\u{1b}'), "{odd:?}");
}

#[test]
fn metrics_come_in_the_form_that_is_asked_for() {
    let (_served, address) = served();
    let (code, head, body) = get(address, "/metrics", "");
    assert_eq!(code, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("# TYPE ebbd_http_requests_total counter"), "{body}");
    let (_, head, body) = get(address, "/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n");
    assert!(head.contains("application/openmetrics-text") && body.contains("# EOF"), "{head}");
}

#[test]
fn status_and_alarms_are_json() {
    let (served, address) = served();
    served.hub.publish(&record(1, 7, State::Firing));
    served.hub.publish(&record(2, 8, State::Resolved));
    let (_, _, body) = get(address, "/api/v1/alarms", "");
    let alarms: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((alarms["open"][0]["no"].as_u64(), alarms["open"][1].as_u64()), (Some(7), None));
    assert_eq!(
        (alarms["recent"][0]["seq"].as_u64(), alarms["recent"][1]["seq"].as_u64()),
        (Some(2), Some(1))
    );
    let (_, head, body) = get(address, "/api/v1/status", "");
    let status: StatusReport = serde_json::from_str(&body).unwrap();
    assert!(status.host == "web-01" && head.contains("application/json"));
    let (code, head, body) = get(address, "/", "");
    assert!(code == 200 && head.contains("text/html") && body.contains("/assets/main.js"));
}

#[test]
fn those_who_say_nothing_make_room() {
    let (served, address) = served();
    let quick = TcpListener::bind("127.0.0.1:0").unwrap();
    quick.set_nonblocking(true).unwrap();
    let slow = quick.local_addr().unwrap();
    let status = Arc::new(StatusReport::default);
    let outlet = HttpOutlet::new(
        Arc::clone(&served.hub),
        Arc::clone(&served.board),
        figures(&served),
        status,
        Arc::new(Weeks),
        names(),
    );
    let stop = served.outlets.stopping();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(quick).unwrap();
        serve_within(Duration::from_millis(300), listener, outlet, stop).await;
    });
    let silent: Vec<TcpStream> = (0..130).map(|_| TcpStream::connect(slow).unwrap()).collect();
    assert_eq!(get(slow, "/healthz", "").0, 200);
    assert_eq!(get(address, "/healthz", "").0, 200);
    drop(silent);
    // Neither do those keep it who never come to the end of what they ask.
    let done = Arc::new(AtomicBool::new(false));
    let dripping = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let drips: Vec<TcpStream> = (0..130).map(|_| TcpStream::connect(slow).unwrap()).collect();
            while !done.load(Relaxed) {
                // Most of them have been turned out by then.
                drips.iter().for_each(|mut drip| drop(drip.write(b"G")));
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    });
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(get(slow, "/healthz", "").0, 200);
    done.store(true, Relaxed);
    dripping.join().unwrap();
}
