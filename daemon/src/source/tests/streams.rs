//! UNIX and TCP streams: nothing is lost, nothing blocks the others, every bound is counted.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

use ebbd_core::model::{Rng, SplitMix64};
use socket2::SockRef;

use super::*;

fn tcp_source(rig: &Rig) -> (SourceHandle, SocketAddr) {
    let any = "127.0.0.1:0".parse().expect("an address");
    let source = rig.start(SourceKind::Tcp { addr: any });
    let address = source.address.expect("bound");
    (source, address)
}

fn unix_source(rig: &Rig, change: impl Fn(&mut SourceConfig)) -> (SourceHandle, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut config = config(SourceKind::Unix(socket_path(dir.path(), "s")));
    change(&mut config);
    (rig.start_with(config), dir)
}

fn connect(dir: &tempfile::TempDir) -> UnixStream {
    UnixStream::connect(dir.path().join("s")).expect("connected")
}

/// Sends `text` in chunks of random sizes.
fn send_in_chunks(mut to: impl Write, text: &str, seed: u64) {
    let (mut rng, mut rest) = (SplitMix64::new(seed), text.as_bytes());
    while !rest.is_empty() {
        let size = (1 + rng.next_u64() % 5000).min(rest.len() as u64) as usize;
        to.write_all(&rest[..size]).expect("sent");
        rest = &rest[size..];
    }
}

#[test]
fn every_line_arrives_whatever_the_chunks() {
    let rig = Rig::new(USUAL);
    let (source, address) = tcp_source(&rig);
    let sent: Vec<Vec<String>> = (0..4).map(|c| some_lines(&format!("c{c}"), 3000)).collect();
    let senders: Vec<_> = sent
        .clone()
        .into_iter()
        .enumerate()
        .map(|(at, lines)| {
            thread::spawn(move || {
                let to = TcpStream::connect(address).expect("connected");
                to.set_nodelay(true).expect("set");
                send_in_chunks(to, &lines.join(if at % 2 == 0 { "\n" } else { "\r\n\n" }), at as u64);
            })
        })
        .collect();
    senders.into_iter().for_each(|sender| sender.join().expect("sent"));
    rig.await_lines(12_000);
    let (got, told) = rig.finish(source);
    got.assert_numbered();
    let mut lines = got.lines();
    lines.sort();
    assert_eq!(lines, sent);
    assert_eq!((told.partial_lines, told.too_long_lines, told.dropped_queue_lines), (0, 0, 0));
}

#[test]
fn a_slow_lane_holds_senders_up_and_loses_nothing() {
    let shape = Shape { lanes: 1, queue: 1, buffers: 4, per_block: Duration::from_millis(5) };
    let mut rig = Rig::new(shape);
    let (source, dir) = unix_source(&rig, |_| {});
    let lines = some_lines("slow", 60_000);
    let mut to = connect(&dir);
    to.write_all((lines.join("\n") + "\n").as_bytes()).expect("sent, in the end");
    drop(to);
    rig.await_lines(60_000);
    rig.await_told(&source, |told| told.waits > 0);
    let (got, told) = rig.finish(source);
    got.assert_numbered();
    assert_eq!((got.lines()[0].clone(), told.dropped_queue_lines), (lines, 0));
}

#[test]
fn one_fat_connection_is_spread_over_lanes() {
    let shape = Shape { queue: 6, per_block: Duration::from_millis(2), ..USUAL };
    let rig = Rig::new(shape);
    let (source, dir) = unix_source(&rig, |_| {});
    let lines = some_lines("fat", 100_000);
    let mut to = connect(&dir);
    to.write_all((lines.join("\n") + "\n").as_bytes()).expect("sent");
    drop(to);
    rig.await_lines(100_000);
    let (got, _) = rig.finish(source);
    got.assert_numbered();
    assert_eq!(got.lines(), [lines]);
    assert!(got.by_lane.len() == 2 && got.by_lane.values().all(|blocks| *blocks > 5), "{:?}", got.by_lane);
}

#[test]
fn a_thousand_connections_come_and_go() {
    let mut rig = Rig::new(USUAL);
    let (source, dir) = unix_source(&rig, |_| {});
    for round in 0..2 {
        let open: Vec<_> = (0..600)
            .map(|at| {
                let mut to = connect(&dir);
                writeln!(to, "r{round}-{at}").and_then(|()| write!(to, "tail-{round}-{at}")).expect("sent");
                to
            })
            .collect();
        rig.await_lines(round * 1200 + 600);
        drop(open);
        rig.await_lines(round * 1200 + 1200);
    }
    let deadline = Instant::now() + PATIENCE;
    while rig.intake.conns.open_of(SourceId(0)) > 0 {
        assert!(Instant::now() < deadline, "connections stay open");
        thread::sleep(Duration::from_millis(1));
    }
    let changes = rig.intake.conns.take_changes().list;
    assert_eq!(changes.iter().filter(|change| change.opened).count(), 1200);
    assert_eq!(changes.iter().filter(|change| !change.opened).count(), 1200);
    rig.await_told(&source, |told| told.delivered_lines == 2400);
    assert_eq!(rig.finish(source).1.refused_connections, 0);
}

#[test]
fn connections_beyond_the_limit_are_closed_and_counted() {
    let mut rig = Rig::new(USUAL);
    let (source, dir) = unix_source(&rig, |config| config.connections = 2);
    let mut first = connect(&dir);
    let second = connect(&dir);
    let mut third = connect(&dir);
    rig.await_told(&source, |told| told.refused_connections == 1);
    assert_eq!(third.read(&mut [0; 8]).expect("closed"), 0);
    writeln!(first, "still here").expect("sent");
    rig.await_lines(1);
    drop(second);
    let deadline = Instant::now() + PATIENCE;
    while rig.intake.conns.open_of(SourceId(0)) > 1 {
        assert!(Instant::now() < deadline, "the second stays open");
        thread::sleep(Duration::from_millis(1));
    }
    writeln!(connect(&dir), "in its place").expect("sent");
    rig.await_lines(2);
    assert_eq!(rig.finish(source).1.refused_connections, 1);
}

#[test]
fn an_endless_line_costs_one_count_and_no_memory() {
    let rig = Rig::new(USUAL);
    let (source, address) = tcp_source(&rig);
    let mut to = TcpStream::connect(address).expect("connected");
    let before = resident_bytes();
    writeln!(to, "before").expect("sent");
    for _ in 0..64 {
        to.write_all(&[b'x'; 1 << 20]).expect("sent");
    }
    write!(to, "\nafter\nlast").expect("sent");
    drop(to);
    rig.await_lines(3);
    assert!(resident_bytes().saturating_sub(before) < 32 << 20, "the line was buffered");
    let (got, told) = rig.finish(source);
    assert_eq!(got.all_lines(), ["after", "before", "last"]);
    assert_eq!((told.too_long_lines, told.partial_lines), (1, 0));
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("readable");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096
}

#[test]
fn an_unfinished_line_is_given_up_after_a_while() {
    let mut rig = Rig::new(USUAL);
    let (source, dir) = unix_source(&rig, |config| config.partial_line_ms = 50);
    let mut to = connect(&dir);
    write!(to, "whole\nhalf").expect("sent");
    rig.await_told(&source, |told| told.partial_lines == 1);
    write!(to, " of a line\nnext\n").expect("sent");
    rig.await_lines(2);
    write!(to, "again").expect("sent");
    rig.await_told(&source, |told| told.partial_lines == 2);
    drop(to);
    let (got, told) = rig.finish(source);
    assert_eq!((got.all_lines(), told.partial_lines), (vec!["next".to_owned(), "whole".to_owned()], 2));
}

#[test]
fn a_reset_costs_the_unfinished_line_a_half_close_does_not() {
    let mut rig = Rig::new(USUAL);
    let (source, address) = tcp_source(&rig);
    let mut reset = TcpStream::connect(address).expect("connected");
    write!(reset, "one\ntw").expect("sent");
    rig.await_lines(1);
    SockRef::from(&reset).set_linger(Some(Duration::ZERO)).expect("set");
    drop(reset);
    rig.await_told(&source, |told| told.partial_lines == 1);
    let mut half = TcpStream::connect(address).expect("connected");
    write!(half, "three\nfour").expect("sent");
    half.shutdown(Shutdown::Write).expect("half-closed");
    assert_eq!(half.read(&mut [0; 64]).expect("closed in turn"), 0, "plain senders are never written to");
    rig.await_lines(3);
    let (got, told) = rig.finish(source);
    assert_eq!((got.all_lines().join(" "), told.partial_lines), ("four one three".to_owned(), 1));
}

#[test]
fn a_greeting_is_turned_down_with_a_reason() {
    let mut rig = Rig::new(USUAL);
    let (source, dir) = unix_source(&rig, |_| {});
    let mut greets = connect(&dir);
    write!(greets, "EBBD/1 id=shop-7\n{{\"never\":\"received\"}}\n").expect("sent");
    let mut answer = String::new();
    greets.read_to_string(&mut answer).expect("answered, then closed");
    assert_eq!(answer, "ERR not_acked\n");
    writeln!(connect(&dir), "EBBD/1x is no greeting").expect("sent");
    writeln!(connect(&dir), "plain\nEBBD/1").expect("sent");
    rig.await_lines(3);
    rig.await_told(&source, |told| told.control_lines == 1);
    let (got, told) = rig.finish(source);
    assert_eq!((got.all_lines().len(), told.control_lines), (3, 1));
}

#[test]
fn a_stop_takes_what_was_sent_before() {
    let rig = Rig::new(USUAL);
    let (source, dir) = unix_source(&rig, |_| {});
    let mut to = connect(&dir);
    let lines = some_lines("late", 500);
    to.write_all((lines.join("\n") + "\nunfin").as_bytes()).expect("sent");
    let mut waiting = connect(&dir);
    writeln!(waiting, "accepted at the last moment").expect("sent");
    let (got, told) = rig.finish(source);
    assert_eq!((got.all_lines().len(), told.partial_lines), (501, 1));
    assert!(UnixStream::connect(dir.path().join("s")).is_err(), "the path is gone");
}

#[test]
fn an_address_in_use_is_told() {
    let rig = Rig::new(USUAL);
    let (source, address) = tcp_source(&rig);
    let second = spawn(
        &config(SourceKind::Tcp { addr: address }),
        &rig.intake,
        &mut Inherited::none(),
        Before::default(),
    );
    let error = second.expect_err("in use");
    assert_eq!(error.error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address.to_string()));
    rig.finish(source);
}

#[test]
fn an_inherited_listener_is_used() {
    let rig = Rig::new(USUAL);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    let keeper = listener.try_clone().expect("the manager keeps it");
    let mut inherited = Inherited::from_sockets(vec![(listener.into(), "shop".to_owned())]);
    let config = config(SourceKind::Tcp { addr: address });
    let source = spawn(&config, &rig.intake, &mut inherited, Before::default()).expect("taken over");
    writeln!(TcpStream::connect(address).expect("connected"), "hello").expect("sent");
    rig.await_lines(1);
    rig.finish(source);
    TcpStream::connect(address).expect("the backlog outlives the source");
    drop(keeper);
}

#[test]
fn a_fat_sender_doesn_t_starve_a_small_one() {
    let shape = Shape { lanes: 1, queue: 2, buffers: 8, per_block: Duration::from_millis(2) };
    let rig = Rig::new(shape);
    let (source, dir) = unix_source(&rig, |_| {});
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (mut fat, is_over) = (connect(&dir), Arc::clone(&stop));
    let flood = thread::spawn(move || {
        let text = some_lines("fat", 2000).join("\n") + "\n";
        let mut sent = 0;
        while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
            fat.write_all(text.as_bytes()).expect("sent");
            sent += 2000;
        }
        sent
    });
    rig.await_lines(10_000);
    let small = connect(&dir);
    for round in 0..20 {
        writeln!(&small, "small {round}").expect("sent");
        let deadline = Instant::now() + PATIENCE;
        let came = |got: &Got| {
            got.blocks.values().any(|blocks| blocks[0].2.starts_with(b"small") && blocks.len() > round)
        };
        while !came(&rig.got.lock().expect("no test panics in here")) {
            assert!(Instant::now() < deadline, "it starves");
            thread::sleep(Duration::from_millis(1));
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let sent: u64 = flood.join().expect("sent");
    rig.await_lines(sent + 20);
    assert_eq!(rig.finish(source).0.lines, sent + 20);
}

/// Runs in a process of its own, because the limit on descriptors is the process's.
#[test]
fn without_descriptors_connections_are_turned_away_and_counted() {
    let this = std::env::current_exe().expect("a running test has a path");
    let name = "source::tests::streams::starved_of_descriptors";
    let run = std::process::Command::new(this).args([name, "--exact", "--ignored", "--nocapture"]).output();
    let run = run.expect("the test binary starts");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

#[test]
#[ignore = "lowers the limit on descriptors of its process: another test runs it"]
fn starved_of_descriptors() {
    let mut rig = Rig::new(USUAL);
    let (source, dir) = unix_source(&rig, |_| {});
    let mut first = connect(&dir);
    writeln!(first, "before").expect("sent");
    rig.await_lines(1);
    // From now on every free descriptor below the limit is taken, but those of the waiting senders.
    let mut senders: Vec<_> = (0..5)
        .map(|_| socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).expect("made"))
        .collect();
    let limit = rustix::process::Rlimit { current: Some(64), maximum: Some(64) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).expect("lowered");
    let mut hogs: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    assert!(!hogs.is_empty());
    let address = socket2::SockAddr::unix(dir.path().join("s")).expect("an address");
    for sender in &senders {
        sender.connect(&address).expect("it waits in the backlog");
    }
    rig.await_told(&source, |told| told.refused_connections == 5);
    let before = process_time();
    thread::sleep(Duration::from_millis(300));
    assert!(process_time() - before < Duration::from_millis(100), "it spins");
    writeln!(first, "those that are open go on").expect("sent");
    rig.await_lines(2);
    hogs.clear();
    senders.clear();
    writeln!(connect(&dir), "and new ones come in again").expect("sent");
    rig.await_lines(3);
    assert_eq!(rig.finish(source).1.refused_connections, 5);
}

/// Processor time that this process has used.
fn process_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn idle_sources_sleep() {
    let rig = Rig::new(USUAL);
    let (source, dir) = unix_source(&rig, |config| config.spec.name = "idle".to_owned());
    let open: Vec<_> = (0..50).map(|_| connect(&dir)).collect();
    for to in &open {
        write!(&*to, "whole\nunfinished").expect("sent");
    }
    rig.await_lines(50);
    let switches = || -> u64 {
        let tasks = std::fs::read_dir("/proc/self/task").expect("listed").flatten();
        let status = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok());
        let named = status.filter(|text| text.starts_with("Name:\tsource-idle"));
        named
            .flat_map(|text| {
                text.lines()
                    .filter_map(|l| l.strip_prefix("voluntary_ctxt_switches:")?.trim().parse::<u64>().ok())
                    .collect::<Vec<_>>()
            })
            .sum()
    };
    let before = switches();
    thread::sleep(Duration::from_millis(300));
    assert!(switches() - before <= 5, "it wakes up for nothing");
    drop(open);
    rig.finish(source);
}
