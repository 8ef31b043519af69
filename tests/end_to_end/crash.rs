//! Kills at any moment, and power cuts: what the journal had is counted once, however often the daemon dies.
//!
//! `CRASH_ROUNDS` kills in each of three places (a hundred unless told) and `POWER_ROUNDS` power cuts (as many),
//! at moments that `CRASH_SEED` draws.

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ebbd_bench::WireFormat;
use ebbd_core::model::{Rng, SplitMix64};
use socket2::{Domain, SockAddr, Socket, Type};

use super::medium::{Medium, PlainDir};
use super::support::{MONEY, PATIENCE, Place, Running, free_port, result, stream};
use super::wire::{append, load};

/// Lines of the followed file that are written between two deaths, about.
const LINES_A_ROUND: usize = 400;
/// A death comes within this time of readiness …
const LIFE_MS: u64 = 220;
/// … but for one in so many lives, which sees a segment of the journal go.
const LONG_LIVES: u64 = 40;
/// How long such a life is: four rolls and a little.
const LONG_LIFE: Duration = Duration::from_millis(5_200);
/// What a round takes, about.
const ROUND: Duration = Duration::from_millis(300);
/// After that the daemon may still be at work on what it found at its start.
const SLOW_START_MS: u64 = 60;
/// One life in so many dies in the middle of a roll …
const ROLL_LIVES: u64 = 5;
/// … unless none comes within this time.
const ROLL_COMES: Duration = Duration::from_secs(4);
/// A roll takes about so long.
const ROLL_MS: u64 = 12;

/// A number from the environment.
pub fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Three sources: a followed file, a plain sender, and an acknowledged one that comes by `till`.
pub fn tables(till: &str) -> String {
    stream("orders")
        + &stream("plain")
        + &stream("acked")
        + "[source.logs]\ntype = \"file\"\npath = \"@/orders.log\"\nstream = \"orders\"\n"
        + &format!("[source.till]\n{till}\nstream = \"acked\"\n")
        + "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\nstream = \"plain\"\n"
        + "[parquet]\nroll = \"1s\"\n"
}

/// A directory with that.
pub fn place(till: &str) -> Place {
    Place::new(&tables(till))
}

/// Appends `text` to a file in small pieces, some of them in the middle of a line, for about `time`.
pub fn written_slowly(path: PathBuf, text: String, time: Duration) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(7_013).collect();
        let pause = time / u32::try_from(pieces.len()).unwrap();
        for piece in pieces {
            append(&path, piece);
            thread::sleep(pause);
        }
    })
}

/// Sends plain lines as long as it is let; gives how many were taken by the kernel at most.
pub fn sent_plainly(socket: PathBuf, lines: Vec<String>, stop: Arc<AtomicBool>) -> thread::JoinHandle<u64> {
    thread::spawn(move || {
        let sent = AtomicU64::new(0);
        let mut lines = lines.iter().cycle();
        while !stop.load(Ordering::Relaxed) {
            let Ok(mut stream) = UnixStream::connect(&socket) else {
                thread::sleep(Duration::from_millis(5));
                continue;
            };
            for line in lines.by_ref() {
                sent.fetch_add(1, Ordering::Relaxed);
                if stream.write_all(format!("{line}\n").as_bytes()).is_err() || stop.load(Ordering::Relaxed) {
                    break;
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
        sent.into_inner()
    })
}

/// Where the acknowledged sender sends to.
#[derive(Clone)]
pub enum Till {
    /// A socket's path.
    Unix(PathBuf),
    /// A port of this machine.
    Tcp(u16),
}

impl Till {
    fn connect(&self) -> std::io::Result<Socket> {
        let (domain, address) = match self {
            Till::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
            Till::Tcp(port) => {
                (Domain::IPV4, SockAddr::from(std::net::SocketAddr::from(([127, 0, 0, 1], *port))))
            }
        };
        let socket = Socket::new(domain, Type::STREAM, None)?;
        socket.connect(&address)?;
        Ok(socket)
    }
}

/// Greets and gives the connection, the answers to come and the number up to which all is safe.
fn greeted(till: &Till, greeting: &str) -> std::io::Result<(Socket, BufReader<Socket>, usize)> {
    let mut stream = till.connect()?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    writeln!(stream, "{greeting}")?;
    let (mut answers, mut answer) = (BufReader::new(stream.try_clone()?), String::new());
    answers.read_line(&mut answer)?;
    let number = answer.strip_prefix("OK ").and_then(|number| number.trim().parse().ok());
    Ok((stream, answers, number.ok_or(std::io::ErrorKind::InvalidData)?))
}

/// Sends lines as an acknowledged sender, whatever is safe once more now and then; whether all are safe.
fn sent_from_there(till: &Till, lines: &[String], pause: Duration) -> std::io::Result<bool> {
    let (stream, answers, safe) = greeted(till, "EBBD/1 id=till-1")?;
    let again = safe.min(37) * usize::from(safe % 2 == 0);
    drop((stream, answers));
    let from = safe - again;
    let (mut stream, answers, _) = greeted(till, &format!("EBBD/1 id=till-1 from={}", from + 1))?;
    for piece in lines[from..].chunks(40) {
        stream.write_all(piece.concat().as_bytes())?;
        thread::sleep(pause * 40);
    }
    stream.shutdown(Shutdown::Write)?;
    let last = answers.lines().map_while(Result::ok).last().unwrap_or_default();
    assert!(!last.starts_with("ERR gap") && !last.starts_with("ERR diverged"), "{last}");
    Ok(last.starts_with(&format!("BYE {} ", lines.len())))
}

/// Sends lines as an acknowledged sender that goes on where the daemon says, until all of them are safe.
pub fn sent_for_sure(till: Till, lines: Vec<String>, pause: Duration) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let (begun, least) = (Instant::now(), pause * u32::try_from(lines.len()).unwrap());
        while !sent_from_there(&till, &lines, pause).unwrap_or(false) {
            assert!(begun.elapsed() < 20 * PATIENCE + 4 * least, "it never gets done");
            thread::sleep(Duration::from_millis(5));
        }
    })
}

/// Waits until nothing comes any more.
pub fn await_quiet(running: &Running) {
    let (begun, mut last) = (Instant::now(), u64::MAX);
    loop {
        let lines = running.lines();
        if lines == last {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "it never gets quiet:\n{}", running.told());
        last = lines;
        thread::sleep(Duration::from_millis(1_500));
    }
}

/// Nothing went wrong that nobody is told of otherwise.
pub fn assert_not_stuck(running: &Running) {
    let told = running.told();
    for bad in ["panicked", "is lost", "is damaged", "is missing"] {
        assert!(!told.contains(bad), "{told}");
    }
}

/// Files of a roll that have no name yet, and when they were last written.
fn staged(place: &Place) -> Vec<(PathBuf, SystemTime)> {
    let entries = std::fs::read_dir(place.data().join(".work")).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "parquet"));
    files.filter_map(|file| Some((file.path(), file.metadata().ok()?.modified().ok()?))).collect()
}

/// Starts a daemon and kills it in the middle of a roll; whether there was one.
fn dies_in_a_roll(place: &Place, medium: &mut dyn Medium, rng: &mut SplitMix64) -> bool {
    let (left, begun) = (staged(place), Instant::now());
    let running = place.spawn(std::process::Stdio::null());
    let is_in_one = || staged(place).iter().any(|file| !left.contains(file));
    while begun.elapsed() < ROLL_COMES && !is_in_one() {
        thread::sleep(Duration::from_micros(50));
    }
    let came = begun.elapsed() < ROLL_COMES;
    thread::sleep(Duration::from_micros(rng.below(ROLL_MS * 1000)));
    medium.dies(running);
    came
}

/// A daemon that dies again and again while everybody sends; what is counted in the end.
fn died(
    rounds: u64,
    seed: u64,
    port: Option<u16>,
    medium: impl FnOnce(&Place) -> Result<Box<dyn Medium>, String>,
) {
    let config = port.map_or("type = \"unix\"\nlisten = \"@/till.sock\"".to_owned(), |port| {
        format!("type = \"tcp\"\nlisten = \"127.0.0.1:{port}\"")
    });
    let place = place(&config);
    let mut medium = match medium(&place) {
        Ok(medium) => medium,
        Err(reason) => return result("power cuts", "skipped", &reason),
    };
    let mut rng = SplitMix64::new(seed);
    let lines = LINES_A_ROUND * rounds as usize;
    let text = load(seed, lines).text(WireFormat::Ndjson);
    let plain: Vec<String> = text.lines().map(str::to_owned).collect();
    let time = ROUND * u32::try_from(rounds).unwrap();
    let (log, stop) = (place.path("orders.log"), Arc::new(AtomicBool::new(false)));
    let writer = written_slowly(log.clone(), text, time);
    let sender = sent_plainly(place.path("events.sock"), plain, Arc::clone(&stop));
    let till: Vec<String> =
        load(seed + 1, lines / 2).text(WireFormat::Ndjson).split_inclusive('\n').map(str::to_owned).collect();
    append(&place.path("till.ndjson"), till.concat().as_bytes());
    let to = port.map_or_else(|| Till::Unix(place.path("till.sock")), Till::Tcp);
    let till = sent_for_sure(to, till, time / u32::try_from(lines / 2).unwrap());
    let mut in_rolls = 0;
    for round in 0..rounds {
        // One in five dies while it starts.
        if rng.below(5) == 0 {
            let starting = place.spawn(std::process::Stdio::null());
            thread::sleep(Duration::from_millis(rng.below(SLOW_START_MS)));
            medium.dies(starting);
            continue;
        }
        if rng.below(ROLL_LIVES) == 0 {
            in_rolls += u64::from(dies_in_a_roll(&place, medium.as_mut(), &mut rng));
            continue;
        }
        let running = place.start();
        let is_long = rng.below(LONG_LIVES) == 0;
        thread::sleep(if is_long { LONG_LIFE } else { Duration::from_millis(rng.below(LIFE_MS)) });
        assert!(running.is_alive(), "round {round} of seed {seed}:\n{}", running.told());
        assert_not_stuck(&running);
        medium.dies(running);
    }
    writer.join().unwrap();
    let running = place.start();
    stop.store(true, Ordering::Relaxed);
    let sent = sender.join().unwrap();
    till.join().unwrap();
    await_quiet(&running);
    assert_not_stuck(&running);
    running.stop_in_order();
    recounted(&place, &log, lines as u64, sent, seed);
    println!("{in_rolls} of {rounds} deaths were aimed at a roll");
    result(medium.name(), &format!("{seed}"), &rounds.to_string());
    result(&format!("of these {} in rolls", medium.name()), &format!("{seed}"), &in_rolls.to_string());
}

/// What lies in the Parquet in the end is what was sent.
pub fn recounted(place: &Place, log: &Path, lines: u64, sent: u64, seed: u64) {
    let ledger = place.ledger();
    let figure = |source: &str, name: &str| {
        ledger.iter().find(|row| row["source"] == source).map_or(0, |row| row[name].as_u64().unwrap())
    };
    assert_eq!(figure("logs", "received"), lines, "seed {seed}");
    recount(place, log, lines);
    assert_eq!(figure("till", "counted"), lines / 2, "seed {seed}");
    let till = place.recount(&place.path("till.ndjson"), &["acked"], &MONEY);
    assert_eq!(till, lines / 2, "seed {seed}");
    let counted = figure("shop", "counted");
    assert!(counted > 0 && counted <= sent, "{counted} of {sent} plain lines, seed {seed}");
    let stored = place.sql("select sum(count) as n from @minutes where stream = 'plain'");
    assert_eq!(stored[0]["n"].as_u64(), Some(counted), "seed {seed}");
}

fn killed(seed: u64, port: Option<u16>) {
    let seed = number("CRASH_SEED", 0) + seed;
    died(number("CRASH_ROUNDS", 100), seed, port, |_| Ok(Box::new(PlainDir)));
}

#[test]
fn nothing_is_lost_or_doubled_by_kills() {
    killed(7, None);
}

#[test]
fn nor_by_kills_while_a_sender_comes_over_tcp() {
    killed(8, Some(free_port()));
}

#[test]
fn nor_by_other_kills() {
    killed(9, None);
}

#[test]
fn nothing_is_lost_or_doubled_by_power_cuts() {
    let seed = number("CRASH_SEED", 0) + 10;
    died(number("POWER_ROUNDS", 100), seed, None, |place| {
        Ok(Box::new(super::medium::Loop::mounted(&place.path("disk.image"), &place.data())?))
    });
}

fn recount(place: &Place, log: &Path, lines: u64) {
    assert_eq!(place.recount(log, &["orders"], &MONEY), lines);
}

#[test]
fn what_was_counted_before_a_kill_is_told_under_its_own_configuration() {
    let place = place("type = \"unix\"\nlisten = \"@/till.sock\"");
    let text = load(5, 3_000).text(WireFormat::Ndjson);
    let log = place.path("orders.log");
    append(&log, text.as_bytes());
    let running = place.start();
    running.await_lines(3_000);
    thread::sleep(Duration::from_millis(300));
    drop(running);
    // The streams have changed places, and there is one more.
    place.configure(
        &(stream("first")
            + &stream("plain")
            + &stream("orders")
            + "[source.logs]\ntype = \"file\"\npath = \"@/orders.log\"\nstream = \"orders\"\n"),
    );
    let running = place.start();
    await_quiet(&running);
    assert_not_stuck(&running);
    running.stop_in_order();
    assert_eq!(place.ledger()[0]["received"], 3_000);
    recount(&place, &log, 3_000);
}
