//! EBBD/1 spoken by `nc` and by hand: what is sent twice is counted once, over restarts too.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use super::support::{MONEY, PATIENCE, Place, eventually, free_port, stream};
use super::wire::{append, load};
use ebbd_bench::WireFormat;

fn unix_source() -> String {
    stream("orders") + "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\n"
}

/// What `(echo GREETING; cat FILE) | nc -N -U SOCKET` prints.
fn by_nc(place: &Place, greeting: &str, file: &str) -> Vec<String> {
    let script = format!(
        "(echo '{greeting}'; cat '{}') | nc -N -U '{}'",
        place.path(file).display(),
        place.path("events.sock").display()
    );
    let output = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Greets, sends, half-closes; all that is answered.
fn by_hand(place: &Place, text: &str) -> String {
    let mut to = UnixStream::connect(place.path("events.sock")).unwrap();
    to.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may be turned down before all is sent.
    let _ = to.write_all(text.as_bytes());
    let _ = to.shutdown(Shutdown::Write);
    let mut said = String::new();
    to.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn the_same_file_twice_through_nc_is_counted_once_over_a_restart_too() {
    let place = Place::new(&unix_source());
    let text = load(71, 5_000).text(WireFormat::Ndjson);
    append(&place.path("orders.ndjson"), text.as_bytes());
    let running = place.start();
    let said = by_nc(&place, "EBBD/1 id=backfill-0412", "orders.ndjson");
    assert_eq!(said.first().unwrap(), "OK 0");
    assert_eq!(said.last().unwrap(), "BYE 5000 counted=5000 rejected=0 duplicate=0");
    let said = by_nc(&place, "EBBD/1 id=backfill-0412", "orders.ndjson");
    assert_eq!(said, ["OK 5000", "BYE 5000 counted=0 rejected=0 duplicate=5000"]);
    running.stop_in_order();
    let running = place.start();
    append(&place.path("orders.ndjson"), text.lines().next().unwrap().as_bytes());
    let said = by_nc(&place, "EBBD/1 id=backfill-0412 from=1", "orders.ndjson");
    assert_eq!(said.first().unwrap(), "OK 5000");
    let partial = text.lines().next().unwrap().len();
    assert_eq!(
        said.last().unwrap(),
        &format!("BYE 5000 counted=0 rejected=0 duplicate=5000 partial={partial}")
    );
    running.stop_in_order();
    assert_eq!(place.recount(&text_file(&place, &text), &["orders"], &MONEY), 5_000);
    let ledger = &place.ledger()[0];
    assert_eq!(
        (&ledger["received"], &ledger["duplicate"], &ledger["control"]),
        (&serde_json::json!(15_003), &serde_json::json!(10_000), &serde_json::json!(3))
    );
}

fn text_file(place: &Place, text: &str) -> std::path::PathBuf {
    let path = place.path("raw.ndjson");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_sender_in_pieces_over_tcp_and_unix_loses_and_doubles_nothing() {
    let port = free_port();
    let tcp = format!("[source.far]\ntype = \"tcp\"\nlisten = \"127.0.0.1:{port}\"\n");
    let place = Place::new(&(unix_source() + &tcp));
    let text = load(72, 6_000).text(WireFormat::Ndjson);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut running = place.start();
    let mut acked = 0_usize;
    let mut cuts = 0;
    // Each time it goes on behind what it knows to be safe, and hangs up without having heard the rest.
    while acked < lines.len() {
        let end = (acked + 900).min(lines.len());
        let mut sender = Sender::new(&place, port, cuts % 2 == 0);
        let known = sender.greet(&format!("EBBD/1 id=cut from={}\n", acked + 1));
        assert!(known >= acked, "what was acknowledged is forgotten: {known} < {acked}");
        sender.send(&lines[acked..end].concat());
        acked = sender.await_ack(end - 300).max(known);
        drop(sender);
        cuts += 1;
        if cuts % 3 == 0 {
            running.stop_in_order();
            running = place.start();
        }
    }
    let said = by_hand(&place, &format!("EBBD/1 id=cut\n{text}"));
    assert_eq!(said, "OK 6000\nBYE 6000 counted=0 rejected=0 duplicate=6000\n");
    running.stop_in_order();
    assert_eq!(place.recount(&text_file(&place, &text), &["orders"], &MONEY), 6_000);
    place.ledger();
}

/// A sender over one of two transports.
struct Sender {
    to: Box<dyn Write>,
    from: BufReader<Box<dyn Read>>,
}

impl Sender {
    fn new(place: &Place, port: u16, over_tcp: bool) -> Sender {
        let (to, from): (Box<dyn Write>, Box<dyn Read>) = if over_tcp {
            let to = TcpStream::connect(("127.0.0.1", port)).unwrap();
            to.set_read_timeout(Some(PATIENCE)).unwrap();
            (Box::new(to.try_clone().unwrap()), Box::new(to))
        } else {
            let to = UnixStream::connect(place.path("events.sock")).unwrap();
            to.set_read_timeout(Some(PATIENCE)).unwrap();
            (Box::new(to.try_clone().unwrap()), Box::new(to))
        };
        Sender { to, from: BufReader::new(from) }
    }

    fn send(&mut self, text: &str) {
        self.to.write_all(text.as_bytes()).unwrap();
    }

    fn greet(&mut self, greeting: &str) -> usize {
        self.send(greeting);
        self.number("OK ")
    }

    /// Waits until so many lines are acknowledged, or more.
    fn await_ack(&mut self, enough: usize) -> usize {
        loop {
            let acked = self.number("ACK ");
            if acked >= enough {
                return acked;
            }
        }
    }

    fn number(&mut self, word: &str) -> usize {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line.trim_end().strip_prefix(word).unwrap_or_else(|| panic!("{line:?}")).parse().unwrap()
    }
}

#[test]
fn gaps_forgeries_and_crowds_are_told() {
    let place = Place::new(
        &(unix_source() + "[source.mute]\ntype = \"unix\"\nlisten = \"@/mute.sock\"\nack = false\n"),
    );
    let text = load(73, 20).text(WireFormat::Ndjson);
    let running = place.start();
    assert!(
        by_hand(&place, &format!("EBBD/1 id=a\n{text}"))
            .ends_with("BYE 20 counted=20 rejected=0 duplicate=0\n")
    );
    assert_eq!(by_hand(&place, "EBBD/1 id=a from=22\n"), "ERR gap 20\n");
    let forged = text.replacen("\"US\"", "\"DE\"", 1);
    assert_ne!(forged, text);
    assert_eq!(by_hand(&place, &format!("EBBD/1 id=a\n{forged}{text}")), "OK 20\nERR diverged 20\n");
    let mut first = Sender::new(&place, 0, false);
    assert_eq!(first.greet("EBBD/1 id=a from=21\n"), 20);
    assert_eq!(by_hand(&place, "EBBD/1 id=a\n"), "OK 20\nBYE 20 counted=0 rejected=0 duplicate=0\n");
    let mut said = String::new();
    first.from.read_to_string(&mut said).unwrap();
    assert_eq!(said, "ERR fenced\n");
    let mut mute = UnixStream::connect(place.path("mute.sock")).unwrap();
    mute.write_all(b"EBBD/1 id=a\n").unwrap();
    let mut said = String::new();
    mute.read_to_string(&mut said).unwrap();
    assert_eq!(said, "ERR not_acked\n");
    // Every name that has sent a line is remembered, up to the bound.
    let line = text.lines().next().unwrap();
    let mut known = 1;
    for hundred in 0..41 {
        let connect = |n| (n, UnixStream::connect(place.path("events.sock")).unwrap());
        let mut crowd: Vec<_> = (hundred * 100..hundred * 100 + 100).map(connect).collect();
        for (n, one) in &mut crowd {
            write!(one, "EBBD/1 id=crowd-{n}\n{line}\n").unwrap();
            one.shutdown(Shutdown::Write).unwrap();
        }
        for (n, mut one) in crowd {
            let mut said = String::new();
            one.read_to_string(&mut said).unwrap();
            let is_known = said.ends_with("BYE 1 counted=1 rejected=0 duplicate=0\n");
            assert!(is_known || said == "ERR too_many_ids\n", "{n}: {said}");
            known += u64::from(is_known);
        }
    }
    assert_eq!(known, 4_096);
    assert_eq!(
        by_hand(&place, "EBBD/1\n"),
        "OK 0\nBYE 0 counted=0 rejected=0 duplicate=0\n",
        "no name is needed"
    );
    eventually("what went wrong is in the status", PATIENCE, || {
        let senders = &running.status()["senders"];
        let errors = &senders["errors"];
        let of = |name: &str| errors[name].as_u64().unwrap_or(0);
        let each = ["gap", "diverged", "fenced", "not_acked"].map(of);
        each == [1; 4] && of("too_many_ids") == 4_100 - 4_095 && senders["acked_lines"] == 20 + 4_095
    });
    running.stop_in_order();
    let counted: u64 = place.ledger().iter().map(|row| row["counted"].as_u64().unwrap()).sum();
    assert_eq!(counted, 20 + 4_095);
}
