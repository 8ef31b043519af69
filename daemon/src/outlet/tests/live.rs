//! Server-sent events over real connections.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ebbd_core::alarm::State;
use ebbd_core::model::StreamSpec;
use serde_json::Value;

use super::http::{RING, get, served};
use super::record;
use crate::outlet::board::tests::minute;

/// A client of the live stream.
struct Client(BufReader<TcpStream>);

#[derive(Debug)]
struct Event {
    name: String,
    id: Option<u64>,
    data: Value,
}

impl Client {
    fn connect(address: SocketAddr, header: &str) -> Client {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "GET /api/v1/live HTTP/1.1\r\nHost: x\r\n{header}\r\n").unwrap();
        Client(BufReader::new(stream))
    }

    /// The next event, and whether there is one: the stream may have ended.
    fn next(&mut self) -> Option<Event> {
        let mut event = Event { name: String::new(), id: None, data: Value::Null };
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = id.parse().ok(),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                None if line.trim_end().is_empty() && !event.name.is_empty() => return Some(event),
                // Heads, lengths of chunks.
                _ => {}
            }
        }
    }

    fn until(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().unwrap_or_else(|| panic!("the stream ended before {name}"));
            if event.name == name {
                return event;
            }
        }
    }
}

#[test]
fn records_and_minutes_come_as_they_happen() {
    let (served, address) = served();
    let mut client = Client::connect(address, "");
    assert_eq!(client.next().unwrap().name, "hello");
    served.hub.publish(&record(1, 7, State::Firing));
    let event = client.next().unwrap();
    assert_eq!((event.name.as_str(), event.id, &event.data["no"]), ("alarm", Some(1), &Value::from(7)));
    served.board.judged(&StreamSpec::example(), &minute(1_000, 3));
    let event = client.next().unwrap();
    assert_eq!((event.name.as_str(), event.id), ("minute", None));
    assert_eq!(
        (&event.data["whole"]["observed"], &event.data["verdicts"]["drop"]),
        (&1_000.into(), &1.into())
    );
    assert_eq!(served.telemetry.http.live.get(), 1);
    drop(client);
    let begun = Instant::now();
    while served.telemetry.http.live.get() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "a client that left keeps its place");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn whoever_comes_back_gets_what_it_missed_and_is_told_what_is_gone() {
    let (served, address) = served();
    (1..=4).for_each(|seq| served.hub.publish(&record(seq, seq, State::Firing)));
    let mut client = Client::connect(address, "Last-Event-ID: 2\r\n");
    assert_eq!((client.until("alarm").id, client.until("alarm").id), (Some(3), Some(4)));
    let last = RING as u64 + 10;
    (5..=last).for_each(|seq| served.hub.publish(&record(seq, seq, State::Firing)));
    let mut client = Client::connect(address, "Last-Event-ID: 4\r\n");
    let gap = client.until("gap");
    assert_eq!((&gap.data["from"], &gap.data["to"], gap.id), (&5.into(), &10.into(), Some(10)));
    assert_eq!(client.until("alarm").id, Some(11));
    // A number of another start, and none at all: from here on.
    for header in ["Last-Event-ID: 9999\r\n", "Last-Event-ID: x\r\n", ""] {
        let mut client = Client::connect(address, header);
        assert_eq!(client.until("hello").data["newest"].as_u64(), Some(last));
    }
}

#[test]
fn a_crowd_leaves_room_for_others_and_the_stop_ends_all() {
    let (served, address) = served();
    let mut clients: Vec<Client> = (0..64).map(|_| Client::connect(address, "")).collect();
    clients.iter_mut().for_each(|client| drop(client.until("hello")));
    let (code, head, _) = get(address, "/api/v1/live", "");
    assert!(code == 503 && head.contains("retry-after: 10"), "{head}");
    assert_eq!(served.telemetry.http.live_refused.get(), 1);
    assert_eq!(get(address, "/healthz", "").0, 200);
    // Nobody reads; the judge does not notice.
    let begun = Instant::now();
    (0..2_000).for_each(|at| served.board.judged(&StreamSpec::example(), &minute(at, 3)));
    (1..=2_000).for_each(|seq| served.hub.publish(&record(seq, seq, State::Firing)));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let begun = Instant::now();
    served.outlets.stop(Duration::from_secs(10));
    assert!(begun.elapsed() < Duration::from_secs(9), "the streams outlived the stop");
    let last = clients.pop().map(|mut client| std::iter::from_fn(|| client.next()).count());
    assert!(last.is_some());
}
