//! A daemon under attack: what is attacked, a healthy sender beside it whose every line has to be counted,
//! and what the process takes meanwhile.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::support::{PATIENCE, Place, Running, eventually, free_port, this_minute};

/// What the daemon may use; its resident memory stays below.
const MEMORY_MIB: u64 = 600;
/// Lines that the healthy sender writes at once.
const AT_ONCE: u64 = 50;
/// More than so much of a core, with nothing to do but a few healthy lines, is turning in circles.
const CALM_PERCENT: u64 = 50;

/// Whether the numbers are to be large (`BOUNDS=full`).
pub fn is_full() -> bool {
    std::env::var("BOUNDS").is_ok_and(|size| size == "full")
}

/// A daemon with a source that will be attacked and one that will not.
pub struct Strain {
    /// Its directory.
    pub place: Place,
    port: u16,
}

impl Strain {
    /// `attacked` goes into the attacked source.
    pub fn new(attacked: &str) -> Strain {
        let port = free_port();
        let stream = |name: &str| {
            format!(
                "[stream.{name}]\ndimensions = [\"marketplace\", \"feature\"]\ndistinct = [\"customer\"]\n\
                 origin = \"host\"\nwatched = {{}}\nwatch = [[], [\"marketplace\"]]\n"
            )
        };
        let place = Place::new(&format!(
            "lanes = 2\n[limits]\nmemory = \"{MEMORY_MIB}MiB\"\nslices = 1000\nseries = 500\norigins = 200\n[parquet]\nroll = \"1s\"\n\
             {}{}[source.healthy]\ntype = \"tcp\"\nlisten = \"127.0.0.1:{port}\"\nstream = \"healthy\"\n\
             connections = 16\n[source.attacked]\ntype = \"unix\"\nlisten = \"@/attacked.sock\"\n\
             stream = \"attacked\"\n{attacked}\n",
            stream("healthy"),
            stream("attacked"),
        ));
        Strain { place, port }
    }

    /// The path of the attacked source.
    pub fn target(&self) -> PathBuf {
        self.place.path("attacked.sock")
    }

    /// The port of the healthy source.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection to the attacked source.
    pub fn attack(&self) -> UnixStream {
        UnixStream::connect(self.target()).unwrap()
    }

    /// Starts the daemon with at most so many file descriptors.
    pub fn start_with_descriptors(&self, most: u64) -> Running {
        let ebbd = self.place.command(&["run"]);
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={most}:{most}")).arg(ebbd.get_program()).args(ebbd.get_args());
        self.place.when_ready(self.place.spawn_by(command, std::process::Stdio::null()))
    }

    /// A sender that goes on until it is finished. It comes again and again, each time over a new
    /// connection that it waits to see closed, or stays connected.
    pub fn healthy(&self, stays: bool) -> Healthy {
        let (stop, port) = (Arc::new(AtomicBool::new(false)), self.port);
        let is_over = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut sent = 0;
            while !is_over.load(Ordering::Relaxed) {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let mut turns = 0;
                while !is_over.load(Ordering::Relaxed) && (stays || turns < 10) {
                    stream.write_all(lines(AT_ONCE, "US").as_bytes()).unwrap();
                    sent += AT_ONCE;
                    turns += 1;
                    std::thread::sleep(Duration::from_millis(20));
                }
                stream.shutdown(Shutdown::Write).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0, "plain senders get no answer");
            }
            sent
        });
        Healthy { stop, thread }
    }

    /// Sends `count` lines to the attacked source and waits until they are counted as `total` in all.
    pub fn is_served_again(&self, running: &Running, count: u64, total: u64) {
        super::wire::through_unix(&self.target(), lines(count, "DE").as_bytes());
        running.await_counted("attacked", total);
    }

    /// Stops the daemon; checks what the ledger's files say of both sources.
    pub fn finish(&self, running: Running, healthy: u64, attacked: u64) -> Vec<Value> {
        running.stop_in_order();
        let ledger = self.place.ledger();
        let counted =
            |source: &str| ledger.iter().find(|row| row["source"] == source).map(|row| &row["counted"]);
        assert_eq!(counted("healthy").and_then(Value::as_u64), Some(healthy), "{ledger:?}");
        assert_eq!(counted("attacked").and_then(Value::as_u64).unwrap_or(0), attacked, "{ledger:?}");
        let rows = self.place.sql("select sum(count) as n from @minutes where stream = 'healthy'");
        assert_eq!(rows[0]["n"].as_u64(), Some(healthy), "{rows:?}");
        ledger
    }
}

/// Whole lines of events of now.
pub fn lines(count: u64, marketplace: &str) -> String {
    let now = this_minute().start().to_rfc3339();
    let count = usize::try_from(count).unwrap();
    format!("{{\"ts\":\"{now}\",\"marketplace\":\"{marketplace}\",\"feature\":\"one-click\"}}\n")
        .repeat(count)
}

/// A healthy sender on its thread.
pub struct Healthy {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Healthy {
    /// Ends it; every line of it is received and counted, which makes how many.
    pub fn finish(self, running: &Running) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.thread.join().expect("it can always connect and write");
        assert!(sent > 0);
        running.await_counted("healthy", sent);
        sent
    }
}

impl Running {
    /// Waits until `count` events of a stream are counted, and no more.
    pub fn await_counted(&self, stream: &str, count: u64) {
        let counted = || {
            let status = self.status();
            let streams = status["streams"].as_array().unwrap();
            streams.iter().find(|s| s["name"] == stream).and_then(|s| s["counted"].as_u64()).unwrap()
        };
        let what = format!("{count} events of {stream} are counted, not {}", counted());
        eventually(&what, PATIENCE, || counted() >= count);
        assert_eq!(counted(), count, "events of {stream}");
    }

    /// Waits until something has come.
    pub fn await_lines_of_anybody(&self) {
        eventually("something comes", PATIENCE, || self.lines() > 0);
    }

    /// A figure of `/metrics`; `labels` is as it stands there, with its braces.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let (_, text) = self.get("/metrics").expect("it answers");
        let wanted = format!("{name}{labels} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&wanted));
        value.unwrap_or_else(|| panic!("{wanted} is not in\n{text}")).parse().unwrap()
    }

    /// How many connections the attacked source had to refuse.
    pub fn refused(&self) -> f64 {
        self.metric("ebbd_source_refused_total", "{source=\"attacked\"}")
    }

    /// What a person should look at, in words.
    pub fn degraded(&self) -> String {
        self.status()["degraded"].to_string()
    }

    /// File descriptors that it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid().as_raw_nonzero())).unwrap().count()
    }

    /// Processor time so far, in hundredths of a second.
    fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid().as_raw_nonzero())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// It does not turn in circles: soon there is a second in which it takes little processor time.
    pub fn is_calm(&self) {
        eventually("a calm second", PATIENCE / 2, || {
            let before = self.ticks();
            std::thread::sleep(Duration::from_secs(1));
            self.ticks() - before < CALM_PERCENT
        });
    }

    /// Its resident memory never exceeded what it may use.
    pub fn kept_memory(&self) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_nonzero())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: u64 = peak.split_whitespace().next().unwrap().parse().unwrap();
        assert!(kib < MEMORY_MIB << 10, "{kib} KiB");
    }
}
