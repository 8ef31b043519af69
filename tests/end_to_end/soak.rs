//! Everything at once for a while: senders of every kind, kills, orderly stops, reloads, subscribers that never
//! read, a connection that never says anything, a disk that is full now and then. In the end the counts are
//! right, and the memory that it took is told.
//!
//! `SOAK_SECONDS` long (twenty unless told), with moments that `SOAK_SEED` draws.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ebbd_bench::WireFormat;
use ebbd_core::model::{Rng, SplitMix64};
use rustix::process::Signal;

use super::bounds_disk::Mounted;
use super::crash::{
    self, Till, assert_not_stuck, await_quiet, number, recounted, sent_for_sure, sent_plainly, written_slowly,
};
use super::support::{Place, Running, result, stream};
use super::wire::{append, load};

const LINES_A_SECOND: u64 = 1_000;
const STUCK: usize = 5;
/// What a daemon of this size may take, far above what it does.
const MEMORY_MIB: u64 = 600;

/// The configuration, with one stream more or not.
fn tables(has_more: bool) -> String {
    let more = if has_more { stream("more") } else { String::new() };
    crash::tables("type = \"unix\"\nlisten = \"@/till.sock\"") + &more + "[limits]\nseries = 20000\n"
}

/// What has happened.
#[derive(Debug, Default)]
struct Happened {
    kills: u64,
    stops: u64,
    reloads: u64,
    full: u64,
    peak_mib: u64,
}

/// A daemon and those who only hang about.
struct Lived {
    running: Running,
    _hangers: Vec<UnixStream>,
}

impl Lived {
    fn begun(place: &Place) -> Lived {
        let running = place.start();
        let mut hangers: Vec<UnixStream> = (0..STUCK)
            .map(|_| {
                let mut stream = UnixStream::connect(place.data().join("alarms.sock")).unwrap();
                stream.write_all(b"{\"since\":0}\n").unwrap();
                stream
            })
            .collect();
        hangers.push(UnixStream::connect(place.path("events.sock")).unwrap());
        Lived { running, _hangers: hangers }
    }

    /// The most memory that it ever took.
    fn peak_mib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.running.pid().as_raw_nonzero());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
        peak.split_whitespace().next().unwrap().parse::<u64>().unwrap() >> 10
    }
}

impl Happened {
    /// Something happens; the daemon that lives afterwards.
    fn next(&mut self, place: &Place, disk: Option<&Mounted>, lived: Lived, rng: &mut SplitMix64) -> Lived {
        thread::sleep(Duration::from_millis(rng.below(2_500)));
        assert!(lived.running.is_alive(), "{}", lived.running.told());
        assert_not_stuck(&lived.running);
        self.peak_mib = self.peak_mib.max(lived.peak_mib());
        match (rng.below(10), disk) {
            (0..=3, _) => {
                self.kills += 1;
                drop(lived);
                Lived::begun(place)
            }
            (4..=5, _) => {
                self.stops += 1;
                lived.running.stop_in_order();
                Lived::begun(place)
            }
            (6, _) => {
                self.reloads += 1;
                place.configure(&tables(self.reloads % 2 == 1));
                lived.running.signal(Signal::HUP);
                lived
            }
            (7, Some(disk)) => {
                self.full += 1;
                disk.fill();
                thread::sleep(Duration::from_millis(rng.below(4_000)));
                let dies = rng.below(2) == 0;
                let lived = (!dies).then_some(lived);
                disk.free();
                self.kills += u64::from(dies);
                lived.unwrap_or_else(|| Lived::begun(place))
            }
            _ => lived,
        }
    }
}

#[test]
fn whatever_happens_the_counts_are_right_in_the_end() {
    let (seconds, seed) = (number("SOAK_SECONDS", 20), number("SOAK_SEED", 5));
    let place = Place::new(&tables(false));
    let disk = Mounted::at(&place.data(), "size=96m");
    let (lines, time) = ((LINES_A_SECOND * seconds) as usize, Duration::from_secs(seconds));
    let text = load(seed, lines).text(WireFormat::Ndjson);
    let plain: Vec<String> = text.lines().map(str::to_owned).collect();
    let (log, stop) = (place.path("orders.log"), Arc::new(AtomicBool::new(false)));
    let writer = written_slowly(log.clone(), text, time);
    let sender = sent_plainly(place.path("events.sock"), plain, Arc::clone(&stop));
    let till: Vec<String> =
        load(seed + 1, lines / 2).text(WireFormat::Ndjson).split_inclusive('\n').map(str::to_owned).collect();
    append(&place.path("till.ndjson"), till.concat().as_bytes());
    let to = Till::Unix(place.path("till.sock"));
    let till = sent_for_sure(to, till, time / u32::try_from(lines / 2).unwrap());
    let (mut rng, mut happened) = (SplitMix64::new(seed), Happened::default());
    let (begun, mut lived) = (Instant::now(), Lived::begun(&place));
    while begun.elapsed() < time {
        lived = happened.next(&place, disk.as_ref(), lived, &mut rng);
    }
    writer.join().unwrap();
    stop.store(true, Ordering::Relaxed);
    let sent = sender.join().unwrap();
    till.join().unwrap();
    await_quiet(&lived.running);
    assert_not_stuck(&lived.running);
    happened.peak_mib = happened.peak_mib.max(lived.peak_mib());
    lived.running.stop_in_order();
    recounted(&place, &log, lines as u64, sent, seed);
    assert!(happened.peak_mib < MEMORY_MIB, "{happened:?}");
    let Happened { kills, stops, reloads, full, peak_mib } = happened;
    let told = format!(
        "{kills} kills, {stops} orderly stops, {reloads} reloads, {full} full disks; at most {peak_mib} MiB"
    );
    println!("{seconds} s: {told}");
    result("soak", &format!("{seconds} s"), &told);
}
