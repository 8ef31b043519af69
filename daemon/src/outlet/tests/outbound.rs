//! Outlets that send, to servers that answer well, badly, late or never.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::Instant;

use ebbd_core::alarm::Severity;
use serde_json::Value;

use super::*;
use crate::config::{OutletConfig, OutletKind};
use crate::outlet::alertmanager::Pace;
use crate::outlet::post::Poster;
use crate::outlet::{Senders, outbound};

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Status(u16),
    Never,
}

/// A server that notes what it was sent.
struct Server {
    url: String,
    got: Arc<Mutex<Vec<(String, Value)>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

impl Server {
    /// It gives these answers, then 200 for ever.
    fn answering(answers: &[Answer]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/base/", listener.local_addr().unwrap());
        let got: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let answers: Arc<Mutex<VecDeque<Answer>>> = Arc::new(Mutex::new(answers.iter().copied().collect()));
        let (noted, given) = (Arc::clone(&got), Arc::clone(&answers));
        std::thread::spawn(move || {
            let mut left_open = Vec::new();
            for stream in listener.incoming() {
                left_open.extend(serve(stream.unwrap(), &noted, &given));
            }
        });
        Server { url, got, answers }
    }

    fn got(&self) -> Vec<(String, Value)> {
        self.got.lock().unwrap().clone()
    }

    fn outlet(&self, kind: OutletKind) -> OutletConfig {
        OutletConfig { name: "pager".to_owned(), kind, url: self.url.clone(), ca_file: None }
    }
}

/// One request; the connection if it is never answered.
fn serve(
    stream: TcpStream,
    got: &Mutex<Vec<(String, Value)>>,
    answers: &Mutex<VecDeque<Answer>>,
) -> Option<TcpStream> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    match answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(200)) {
        Answer::Never => return Some(stream),
        Answer::Status(status) => {
            if status == 200 {
                got.lock().unwrap().push((first, serde_json::from_slice(&body).unwrap()));
            }
            let mut stream = stream;
            let _ =
                write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nwhy");
        }
    }
    None
}

fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn senders<'a>(served: &'a Served, outlets: &'a [OutletConfig]) -> Senders<'a> {
    let notes = served.path.parent().unwrap();
    Senders { outlets, host: "web-01", notes, telemetry: &served.telemetry }
}

fn seqs(server: &Server) -> Vec<u64> {
    server.got().iter().map(|(_, record)| record["seq"].as_u64().unwrap()).collect()
}

/// Alerts that the server was sent, latest last: name, number, whether over.
fn alerts(server: &Server) -> Vec<(String, String, bool)> {
    let now = jiff::Timestamp::now();
    let of = |alert: &Value| {
        let label = |name: &str| alert["labels"][name].as_str().unwrap_or_default().to_owned();
        let ends: jiff::Timestamp = alert["endsAt"].as_str().unwrap().parse().unwrap();
        (label("alertname"), label("no"), ends <= now)
    };
    server.got().iter().flat_map(|(_, body)| body.as_array().unwrap().iter().map(of)).collect()
}

/// A record of this very moment.
fn now(seq: u64, no: u64, state: State) -> AlarmRecord {
    AlarmRecord { at: jiff::Timestamp::now().to_string(), ..record(seq, no, state) }
}

fn quiet(record: AlarmRecord) -> AlarmRecord {
    AlarmRecord { notify: Notify::None, because: Because::Update, ..record }
}

#[test]
fn a_webhook_gets_each_record_once_over_failures_and_restarts() {
    let served = Served::with(quick(), 64);
    let server = Server::answering(&[Answer::Status(503), Answer::Status(200), Answer::Status(400)]);
    let outlets = [server.outlet(OutletKind::Webhook)];
    let sending = served.outlets.send(&senders(&served, &outlets));
    eventually("it has begun", || served.path.parent().unwrap().join("outlet-pager.json").exists());
    served.hub.publish(&record(1, 47, State::Firing));
    served.hub.publish(&quiet(record(2, 47, State::Firing)));
    served.hub.publish(&record(3, 48, State::Firing));
    served.hub.publish(&record(4, 47, State::Resolved));
    eventually("four is posted", || seqs(&server).last() == Some(&4));
    assert_eq!(seqs(&server), [1, 4], "2 is for nobody, 3 was refused");
    assert!(server.got()[0].0.starts_with("POST /base HTTP/1.1"), "{:?}", server.got()[0].0);
    assert_eq!(server.got()[0].1, serde_json::to_value(record(1, 47, State::Firing)).unwrap());
    let figures = served.telemetry.outlets.of("pager");
    eventually("it is noted", || figures.waiting.get() == 0);
    assert_eq!((figures.sent.get(), figures.failures.get(), figures.refused.get()), (2, 1, 1));
    drop(sending);
    served.hub.publish(&record(5, 49, State::Firing));
    let _sending = served.outlets.send(&senders(&served, &outlets));
    eventually("it goes on", || seqs(&server).last() == Some(&5));
    assert_eq!(seqs(&server), [1, 4, 5]);
}

#[test]
fn a_webhook_that_was_never_there_hears_of_open_alarms() {
    let served = Served::with(quick(), 64);
    served.hub.publish(&record(1, 46, State::Firing));
    served.hub.publish(&record(2, 46, State::Resolved));
    served.hub.publish(&quiet(record(3, 47, State::Firing)));
    let server = Server::answering(&[]);
    let outlets = [server.outlet(OutletKind::Webhook)];
    let _sending = served.outlets.send(&senders(&served, &outlets));
    eventually("the open one is posted", || seqs(&server) == [3]);
}

#[test]
fn a_record_that_is_trouble_to_the_server_does_not_keep_others_from_people() {
    let served = Served::with(quick(), 64);
    let server = Server::answering(&[]);
    let outlets = [server.outlet(OutletKind::Webhook)];
    let mut webhook = outbound::webhook(
        Arc::clone(&served.hub),
        Poster::new(&server.url, None, Duration::from_secs(5)),
        &outlets[0],
        &senders(&served, &outlets),
    );
    webhook.backoff = crate::outlet::backoff::Backoff::paced("pager", Duration::from_millis(1));
    *server.answers.lock().unwrap() = vec![Answer::Status(500); 10].into();
    let _task = served.outlets.spawn(webhook.run());
    served.hub.publish(&record(1, 47, State::Firing));
    served.hub.publish(&record(2, 48, State::Firing));
    eventually("the second is posted", || seqs(&server) == [2]);
    assert_eq!(served.telemetry.outlets.of("pager").refused.get(), 1);
}

#[test]
fn alertmanager_is_told_at_once_again_and_of_the_end() {
    let served = Served::with(quick(), 64);
    let server = Server::answering(&[]);
    let outlets = [server.outlet(OutletKind::Alertmanager)];
    let pace = Pace {
        again: Duration::from_millis(300),
        held: Duration::from_secs(60),
        watched: Duration::from_secs(60),
    };
    let alertmanager = outbound::alertmanager(
        Arc::clone(&served.hub),
        Poster::new(&server.url, None, Duration::from_secs(5)),
        &outlets[0],
        &senders(&served, &outlets),
        pace,
    );
    served.hub.publish(&record(1, 46, State::Resolved));
    let _task = served.outlets.spawn(alertmanager.run());
    served.hub.publish(&quiet(now(2, 47, State::Firing)));
    std::thread::sleep(Duration::from_millis(100));
    assert!(server.got().is_empty(), "a daemon that is not ready has nothing to say");
    served.telemetry.daemon.ready.set(1);
    eventually("the watchdog fires", || alerts(&server).contains(&("Watchdog".into(), String::new(), false)));
    let mut ticket = now(3, 47, State::Firing);
    ticket.severity = Severity::Ticket;
    served.hub.publish(&ticket);
    let is_open =
        || alerts(&server).iter().filter(|a| **a == ("EbbdDrop".into(), "47".into(), false)).count();
    eventually("it is told again and again", || is_open() >= 3);
    served.hub.publish(&now(4, 47, State::Firing));
    let over = || alerts(&server).iter().filter(|a| **a == ("EbbdDrop".into(), "47".into(), true)).count();
    eventually("the milder one is over", || over() == 1);
    served.hub.publish(&now(5, 47, State::Resolved));
    eventually("it is over", || over() == 2);
    let told = server.got().len();
    eventually("the watchdog goes on", || server.got().len() > told + 2);
    assert_eq!(over(), 2, "an end is told once");
    assert!(alerts(&server).iter().all(|(_, no, _)| no != "46"), "nobody heard of it");
    assert!(server.got()[0].0.starts_with("POST /base/api/v2/alerts HTTP/1.1"));
}

#[test]
fn one_that_hangs_slows_nothing_and_catches_up() {
    let served = Served::with(quick(), 64);
    let (hanging, well) = (Server::answering(&[Answer::Never]), Server::answering(&[]));
    let outlets = [hanging.outlet(OutletKind::Webhook), well.outlet(OutletKind::Webhook)];
    let other = OutletConfig { name: "other".to_owned(), ..outlets[1].clone() };
    let all = senders(&served, &outlets[..1]);
    let hung = Poster::new(&hanging.url, None, Duration::from_secs(3));
    let _hung =
        served.outlets.spawn(outbound::webhook(Arc::clone(&served.hub), hung, &outlets[0], &all).run());
    let others = [other];
    let _well = served.outlets.send(&senders(&served, &others));
    eventually("both have begun", || served.path.parent().unwrap().join("outlet-other.json").exists());
    for seq in 1..=200 {
        served.hub.publish(&record(seq, seq, State::Firing));
        // So that the ring is never outrun by who reads it.
        eventually("the other one gets it", || seqs(&well).last() == Some(&seq));
    }
    let figures = served.telemetry.outlets.of("pager");
    eventually("it catches up", || seqs(&hanging).last() == Some(&200));
    assert_eq!(seqs(&well), (1..=200).collect::<Vec<_>>());
    assert!(figures.failures.get() >= 1);
}
