//! Restarts under load, as by a service manager: it holds the listeners and keeps the connections of greeted senders.
//! Nobody is refused, and what was acknowledged is counted once.
//!
//! `RESTARTS` restarts (nine unless told), one in three by a kill.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ebbd_bench::WireFormat;

use super::supervisor::Supervisor;
use super::support::{MONEY, PATIENCE, Place, eventually, free_port, stream};
use super::wire::{append, load};

/// Lines of each acknowledged sender between two restarts, about.
const LINES_A_ROUND: usize = 600;

/// Either kind of connection.
trait Line: Read + Write + Send {
    fn twin(&self) -> Box<dyn Line>;
    fn half_close(&self);
}

impl Line for UnixStream {
    fn twin(&self) -> Box<dyn Line> {
        Box::new(self.try_clone().unwrap())
    }
    fn half_close(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Line for TcpStream {
    fn twin(&self) -> Box<dyn Line> {
        Box::new(self.try_clone().unwrap())
    }
    fn half_close(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

#[derive(Clone)]
enum Address {
    Unix(PathBuf),
    Tcp(u16),
}

impl Address {
    /// Connects: nobody may ever be refused.
    fn connect(&self) -> Box<dyn Line> {
        match self {
            Address::Unix(path) => Box::new(UnixStream::connect(path).expect("not refused")),
            Address::Tcp(port) => Box::new(TcpStream::connect(("127.0.0.1", *port)).expect("not refused")),
        }
    }
}

/// An acknowledged sender.
struct Sender {
    to: Address,
    id: &'static str,
    lines: Vec<String>,
    pause: Duration,
    /// How often its connection was closed under it.
    closed: Arc<AtomicU64>,
    /// Until then it holds its last line back.
    is_over: Arc<AtomicBool>,
}

impl Sender {
    fn run(self) {
        let begun = Instant::now();
        while !self.converse() {
            self.closed.fetch_add(1, Ordering::Relaxed);
            assert!(begun.elapsed() < 10 * PATIENCE, "it never gets done");
        }
    }

    /// Sends what is not acknowledged yet; whether all is.
    fn converse(&self) -> bool {
        let mut line = self.to.connect();
        let mut answers = BufReader::new(line.twin()).lines().map_while(Result::ok);
        if writeln!(line, "EBBD/1 id={}", self.id).is_err() {
            return false;
        }
        let Some(answer) = answers.next() else { return false };
        let safe: usize = answer.strip_prefix("OK ").expect(&answer).parse().unwrap();
        // The numbers begin at 1 again: what is known is passed over.
        let reader = thread::spawn(move || {
            answers.inspect(|answer| assert!(!answer.starts_with("ERR"), "{answer}")).last()
        });
        let mut sent = true;
        for (at, text) in self.lines.iter().enumerate() {
            if at >= safe && at % 8 == 0 {
                thread::sleep(self.pause * 8);
            }
            while at + 1 == self.lines.len() && !self.is_over.load(Ordering::Relaxed) {
                // It notices like this, too, if it has to connect again.
                sent &= line.write_all(b"\n").is_ok();
                thread::sleep(Duration::from_millis(10));
                if !sent {
                    break;
                }
            }
            sent = sent && line.write_all(text.as_bytes()).is_ok();
            if !sent {
                break;
            }
        }
        if sent {
            line.half_close();
        }
        let last = reader.join().unwrap().unwrap_or_default();
        sent && last.starts_with(&format!("BYE {} ", self.lines.len()))
    }
}

/// Connects again and again and sends a line; gives how many were sent.
fn knock(at: Address, lines: Vec<String>, stop: Arc<AtomicBool>) -> thread::JoinHandle<u64> {
    thread::spawn(move || {
        let mut sent = 0;
        for line in lines.iter().cycle() {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            // Whoever is closed in the middle has only lost its line: nobody promised anything.
            sent += u64::from(at.connect().write_all(line.as_bytes()).is_ok());
            thread::sleep(Duration::from_millis(3));
        }
        sent
    })
}

fn place(port: u16) -> Place {
    Place::new(
        &(stream("unix")
            + &stream("tcp")
            + &stream("plain")
            + "[source.till]\ntype = \"unix\"\nlisten = \"@/till.sock\"\nstream = \"unix\"\nconnections = 64\n"
            + &format!(
                "[source.web]\ntype = \"tcp\"\nlisten = \"127.0.0.1:{port}\"\nstream = \"tcp\"\nconnections = 64\n"
            )
            + "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\nstream = \"plain\"\nconnections = 64\n"
            + "[parquet]\nroll = \"1s\"\n"),
    )
}

#[test]
fn restarts_under_load_refuse_nobody_and_lose_nothing_acknowledged() {
    let rounds: u64 = std::env::var("RESTARTS").ok().and_then(|text| text.parse().ok()).unwrap_or(9);
    let port = free_port();
    let place = place(port);
    let unix = |name: &str| UnixListener::bind(place.path(name)).unwrap().into();
    let tcp = TcpListener::bind(("127.0.0.1", port)).unwrap().into();
    let listeners = vec![
        ("till".to_owned(), unix("till.sock")),
        ("web".to_owned(), tcp),
        ("shop".to_owned(), unix("events.sock")),
    ];
    let supervisor = Supervisor::new(&place, listeners);
    let lines = LINES_A_ROUND * rounds as usize;
    let pause = Duration::from_millis(450) / LINES_A_ROUND as u32;
    let (closed, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let text = |name: &str, seed: u64| -> Vec<String> {
        let text = load(seed, lines).text(WireFormat::Ndjson);
        append(&place.path(name), text.as_bytes());
        text.split_inclusive('\n').map(str::to_owned).collect()
    };
    let sender = |to: Address, id: &'static str, lines: Vec<String>| {
        let (closed, is_over) = (Arc::clone(&closed), Arc::clone(&stop));
        let sender = Sender { to, id, lines, pause, closed, is_over };
        thread::spawn(move || sender.run())
    };
    let (till, web) = (Address::Unix(place.path("till.sock")), Address::Tcp(port));
    let senders = [
        sender(till, "till-1", text("unix.ndjson", 61)),
        sender(web.clone(), "web-1", text("tcp.ndjson", 62)),
    ];
    let plain = load(63, 500).text(WireFormat::Ndjson).split_inclusive('\n').map(str::to_owned).collect();
    let plain = knock(Address::Unix(place.path("events.sock")), plain, Arc::clone(&stop));
    let mut killed = 0;
    for round in 0..rounds {
        let running = supervisor.start(&place);
        eventually("it says that it is ready", PATIENCE, || supervisor.ready() == round + 1);
        thread::sleep(Duration::from_millis(300));
        assert_eq!(supervisor.kept(), 0, "what it goes on with is not kept");
        if round % 3 == 2 {
            killed += 1;
            drop(running);
            continue;
        }
        running.stop_in_order();
    }
    let running = supervisor.start(&place);
    stop.store(true, Ordering::Relaxed);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    let sent = plain.join().unwrap();
    running.stop_in_order();
    let closed = closed.load(Ordering::Relaxed);
    // One that was just connecting is not kept.
    let (most, kept) = (2 * (rounds - killed), supervisor.ever_kept());
    assert!(kept <= most && kept > most / 2, "{kept} of {most} were kept");
    assert!(closed <= 2 * killed + most - kept, "{closed} closed by {killed} kills, {kept} of {most} kept");
    let ledger = place.ledger();
    let counted = |source: &str| {
        ledger.iter().find(|row| row["source"] == source).map_or(0, |row| row["counted"].as_u64().unwrap())
    };
    assert_eq!((counted("till"), counted("web")), (lines as u64, lines as u64));
    for name in ["unix", "tcp"] {
        let raw = place.path(&format!("{name}.ndjson"));
        assert_eq!(place.recount(&raw, &[name], &MONEY), lines as u64);
    }
    assert!(counted("shop") > 0 && counted("shop") <= sent, "{} of {sent}", counted("shop"));
}
