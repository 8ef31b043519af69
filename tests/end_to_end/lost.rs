//! What is lost of senders that do not send again is said: in the ledger, exactly, for what had been read; as
//! a bound for what the kernel still held.
//!
//! `LOST_ROUNDS` kills (half a dozen unless told), at moments that `LOST_SEED` draws.

use std::io::Write;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ebbd_core::model::{Rng, SplitMix64};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::Signal;
use serde_json::Value;

use super::crash::{await_quiet, number};
use super::support::{EBBD, Place, Running, stream, this_minute};

/// Lines a second of the steady sender, and how many it writes at a time.
const LINES_A_SECOND: u64 = 20_000;
const LINES_AT_A_TIME: u64 = 100;
/// A kill may cost this much of the input …
const PROMISED_MS: u64 = 50;
/// … and the time that a busy machine lets a thread wait, on average over all kills.
const SLACK_MS: u64 = 100;

/// One line; its event is of the minute that it is.
fn line() -> String {
    let now = this_minute().start().to_rfc3339();
    format!("{{\"ts\":\"{now}\",\"marketplace\":\"US\",\"feature\":\"cart\",\"status\":\"placed\"}}\n")
}

/// A figure of `/metrics`, for the source `shop`.
fn figure(running: &Running, name: &str) -> u64 {
    let (_, text) = running.get("/metrics").expect("it answers");
    let start = format!("{name}_total{{source=\"shop\"}} ");
    let found = text.lines().find_map(|line| line.strip_prefix(&start)).expect("the figure is there");
    found.parse().unwrap()
}

/// Sends at a steady rate as long as it is let; gives how many lines the kernel took.
fn sent_steadily(socket: PathBuf, stop: Arc<AtomicBool>) -> thread::JoinHandle<u64> {
    thread::spawn(move || {
        let mut sent = 0;
        while !stop.load(Ordering::Relaxed) {
            let Ok(mut stream) = UnixStream::connect(&socket) else {
                thread::sleep(Duration::from_millis(2));
                continue;
            };
            let (begun, mut written) = (Instant::now(), 0);
            let text = line().repeat(LINES_AT_A_TIME as usize);
            while !stop.load(Ordering::Relaxed) && stream.write_all(text.as_bytes()).is_ok() {
                written += LINES_AT_A_TIME;
                let due = begun + Duration::from_micros(written * 1_000_000 / LINES_A_SECOND);
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            sent += written;
        }
        sent
    })
}

#[test]
fn a_kill_costs_plain_senders_a_moment_and_that_is_said() {
    let (rounds, seed) = (number("LOST_ROUNDS", 6), number("LOST_SEED", 3));
    let source = "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\n";
    let place = Place::new(&(stream("orders") + source));
    let stop = Arc::new(AtomicBool::new(false));
    let sender = sent_steadily(place.path("events.sock"), Arc::clone(&stop));
    let mut rng = SplitMix64::new(seed);
    let (mut lost, mut unread) = (0, 0);
    for round in 0..=rounds {
        let running = place.start();
        lost += figure(&running, "ebbd_crash_dropped_lines");
        unread += figure(&running, "ebbd_crash_unread_lines_at_most");
        let notes = running.status()["notes"].clone();
        assert_eq!(round > 0, notes.to_string().contains("that had been read are lost"), "{notes}");
        if round == rounds {
            stop.store(true, Ordering::Relaxed);
            await_quiet(&running);
            running.stop_in_order();
            break;
        }
        thread::sleep(Duration::from_millis(300 + rng.below(700)));
        drop(running);
    }
    let sent = sender.join().unwrap();
    let row = &place.ledger()[0];
    let of = |name: &str| row[name].as_u64().unwrap();
    assert_eq!(of("dropped_crash"), lost, "as told: {row}");
    assert_eq!(of("received"), of("counted") + lost, "{row}");
    let missing = sent - of("received");
    assert!(missing <= unread, "{missing} of {sent} lines are gone, at most {unread} were said: {row}");
    let lost_ms = (sent - of("counted")) * 1000 / LINES_A_SECOND / rounds;
    println!("a kill costs {lost_ms} ms of the input; {missing} of {sent} lines never read, {lost} read");
    assert!(lost_ms <= PROMISED_MS + SLACK_MS, "a kill costs {lost_ms} ms of the input: {row}");
    let stored = place.sql("select sum(count) as n from @minutes");
    assert_eq!(stored[0]["n"], row["counted"]);
}

/// Sends so many datagrams.
fn datagrams(to: &UdpSocket, count: usize) -> u64 {
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.connect(to.local_addr().unwrap()).unwrap();
    let text = line();
    (0..count).for_each(|_| assert_eq!(sender.send(text.as_bytes()).unwrap(), text.len()));
    count as u64
}

/// The daemon with a socket that lives longer than it does, as a service manager keeps it.
fn started_with(place: &Place, socket: &UdpSocket) -> Running {
    fcntl_setfd(socket, FdFlags::empty()).unwrap();
    let mut command = Command::new("sh");
    let script =
        format!("exec 3<&{}; LISTEN_FDS=1 LISTEN_PID=$$ exec {EBBD} run -c \"$0\"", socket.as_raw_fd());
    command.args(["-c", &script]).arg(place.config());
    place.when_ready(place.spawn_by(command, Stdio::null()))
}

#[test]
fn what_the_kernel_drops_is_exact_over_stalls_kills_and_restarts() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let source = format!("[source.shop]\ntype = \"udp\"\nlisten = \"{address}\"\n");
    let place = Place::new(&(stream("orders") + &source));
    let running = started_with(&place, &socket);
    let mut sent = datagrams(&socket, 1_000);
    running.signal(Signal::STOP);
    sent += datagrams(&socket, 60_000);
    running.signal(Signal::CONT);
    await_quiet(&running);
    let stalled = figure(&running, "ebbd_source_kernel_dropped_datagrams");
    assert!(stalled > 0, "the buffer was large enough: the test shows nothing");
    // Stopped in the middle of a flood, killed while nothing comes.
    sent += datagrams(&socket, 20_000);
    running.stop_in_order();
    sent += datagrams(&socket, 50_000);
    let running = started_with(&place, &socket);
    await_quiet(&running);
    let told = figure(&running, "ebbd_source_kernel_dropped_datagrams");
    assert!(told > 0, "what came while it was down was not dropped: the test shows nothing");
    drop(running);
    sent += datagrams(&socket, 50_000);
    let running = started_with(&place, &socket);
    await_quiet(&running);
    assert!(figure(&running, "ebbd_source_kernel_dropped_datagrams") > 0);
    running.stop_in_order();
    let row: Value = place.ledger()[0].clone();
    let of = |name: &str| row[name].as_u64().unwrap();
    assert_eq!(of("received") + of("kernel_datagrams"), sent, "{row}");
    assert_eq!((of("counted"), of("dropped_crash")), (of("received"), 0), "{row}");
}
