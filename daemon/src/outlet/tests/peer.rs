//! A subscriber for tests.

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

pub(super) struct Peer {
    pub(super) stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Peer {
    pub(super) fn connect(path: &Path) -> Peer {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        Peer { stream, lines }
    }

    /// Connects and sends a line at once.
    pub(super) fn asking(path: &Path, line: &str) -> Peer {
        let mut peer = Peer::connect(path);
        peer.say(line);
        peer
    }

    pub(super) fn say(&mut self, line: &str) {
        writeln!(self.stream, "{line}").unwrap();
    }

    pub(super) fn close_own_side(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The next line; `None` at the end.
    pub(super) fn line(&mut self) -> Option<Value> {
        let mut text = String::new();
        let read = self.lines.read_line(&mut text).unwrap();
        assert!(read == 0 || text.ends_with('\n'), "an unfinished line: {text}");
        (read > 0).then(|| serde_json::from_str(&text).unwrap())
    }

    /// The next line that is no heartbeat.
    pub(super) fn next(&mut self) -> Value {
        loop {
            let line = self.line().expect("the connection has not ended");
            if line["type"] != "heartbeat" {
                return line;
            }
        }
    }

    /// The next `count` lines that are no heartbeats, each as `alarm 4`, `snapshot 4`, `gap 1-3`, `hello`.
    pub(super) fn words(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| word(&self.next())).collect()
    }
}

fn word(line: &Value) -> String {
    match line["type"].as_str().unwrap() {
        "alarm" if line["snapshot"] == true => format!("snapshot {}", line["seq"]),
        "alarm" => format!("alarm {}", line["seq"]),
        "gap" => format!("gap {}-{}", line["from"], line["to"]),
        "error" => format!("error {}", line["code"].as_str().unwrap()),
        other => other.to_owned(),
    }
}

/// Waits until `done`, at most ten seconds.
pub(super) fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "still not: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
