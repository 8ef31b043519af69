//! Subscribers that hang, crawl and come and go cost the pipeline nothing: two daemons are fed the same at the
//! same time, such a crowd goes from one to the other and back, and the latencies of the same rounds are compared.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::strain::{Strain, is_full, lines};
use super::support::{PATIENCE, Running};

/// Lines at once, to both daemons.
const AT_ONCE: u64 = 20;

/// Connections that ask for everything and never read.
fn stuck(alarms: &Path, count: usize) -> Vec<UnixStream> {
    let hang = |_| {
        let mut stream = UnixStream::connect(alarms).unwrap();
        stream.write_all(b"{\"since\":0}\n").unwrap();
        stream
    };
    (0..count).map(hang).collect()
}

/// Reads a byte now and then.
fn crawl(alarms: &Path, is_over: &AtomicBool) {
    let mut stream = UnixStream::connect(alarms).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    while !is_over.load(Ordering::Relaxed) {
        // Nothing may have come.
        let _ = stream.read(&mut [0]);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Comes, hears the greeting and goes.
fn churn(alarms: &Path, is_over: &AtomicBool) -> u64 {
    let mut times = 0;
    while !is_over.load(Ordering::Relaxed) {
        let stream = UnixStream::connect(alarms).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut greeting = String::new();
        BufReader::new(stream).read_line(&mut greeting).unwrap();
        assert!(greeting.contains("hello"), "{greeting}");
        times += 1;
        std::thread::sleep(Duration::from_millis(10));
    }
    times
}

/// How many blocks took at most so many seconds, by the bounds of `/metrics`: cumulated since the start.
fn blocks_counted(running: &Running) -> Vec<(f64, f64)> {
    let (_, text) = running.get("/metrics").expect("it answers");
    let bucket = |line: &str| {
        let (bound, count) = line.strip_prefix("ebbd_block_age_seconds_bucket{le=\"")?.split_once("\"} ")?;
        Some((bound.parse().unwrap_or(f64::INFINITY), count.parse().ok()?))
    };
    text.lines().filter_map(bucket).collect()
}

/// What came between two looks.
fn between(before: &[(f64, f64)], after: &[(f64, f64)]) -> Vec<(f64, f64)> {
    before.iter().zip(after).map(|(&(bound, before), &(_, after))| (bound, after - before)).collect()
}

/// The 99th percentile of some rounds together, in milliseconds; within a bucket on a logarithmic scale.
fn p99_ms<'a>(rounds: impl Iterator<Item = &'a Vec<(f64, f64)>>) -> f64 {
    let mut sums: Vec<(f64, f64)> = Vec::new();
    for round in rounds {
        sums.resize(round.len(), (0.0, 0.0));
        sums.iter_mut().zip(round).for_each(|(sum, &(bound, count))| *sum = (bound, sum.1 + count));
    }
    let wanted = 0.99 * sums.last().unwrap().1;
    let at = sums.iter().position(|&(_, count)| count >= wanted).unwrap();
    let (low, below) = if at == 0 { (sums[0].0 / 2.0, 0.0) } else { sums[at - 1] };
    let share = (wanted - below) / (sums[at].1 - below);
    1e3 * low * (sums[at].0 / low).powf(share)
}

/// The crowded rounds' 99th percentile over the others', with its 90 % interval from rounds drawn anew.
fn slowdown(rounds: &[[Vec<(f64, f64)>; 2]]) -> (f64, [f64; 2]) {
    let ratio = |drawn: &[usize]| {
        let of = |side: usize| p99_ms(drawn.iter().map(move |&at| &rounds[at][side]));
        of(1) / of(0)
    };
    let mut random = 1u64;
    let mut draw = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % rounds.len()
    };
    let mut ratios: Vec<f64> =
        (0..1_000).map(|_| ratio(&(0..rounds.len()).map(|_| draw()).collect::<Vec<_>>())).collect();
    ratios.sort_by(f64::total_cmp);
    (ratio(&(0..rounds.len()).collect::<Vec<_>>()), [ratios[50], ratios[949]])
}

/// Both are fed for `lasts`; who is first changes, for the second finds the machine busy. So much was sent to each.
fn feed(senders: &mut [TcpStream; 2], lasts: Duration) -> u64 {
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < lasts {
        let text = lines(AT_ONCE, "US");
        let [a, b] = &mut *senders;
        let order = if (sent / AT_ONCE).is_multiple_of(2) { [a, b] } else { [b, a] };
        order.into_iter().for_each(|sender| sender.write_all(text.as_bytes()).unwrap());
        sent += AT_ONCE;
        std::thread::sleep(Duration::from_millis(2));
    }
    sent
}

/// Feeds both while a crowd sits at `alarms`.
fn crowded(senders: &mut [TcpStream; 2], alarms: &Path, lasts: Duration) -> u64 {
    let is_over = AtomicBool::new(false);
    let hanging = stuck(alarms, 100);
    let sent = std::thread::scope(|scope| {
        (0..8).for_each(|_| drop(scope.spawn(|| crawl(alarms, &is_over))));
        let churners: Vec<_> = (0..2).map(|_| scope.spawn(|| churn(alarms, &is_over))).collect();
        let sent = feed(senders, lasts);
        is_over.store(true, Ordering::Relaxed);
        let times: u64 = churners.into_iter().map(|churner| churner.join().unwrap()).sum();
        assert!(times > 20, "{times}");
        sent
    });
    drop(hanging);
    sent
}

#[test]
fn a_crowd_of_subscribers_changes_no_latency() {
    let strains = [Strain::new(""), Strain::new("")];
    let running = [strains[0].place.start(), strains[1].place.start()];
    let mut senders = [0, 1].map(|at: usize| TcpStream::connect(("127.0.0.1", strains[at].port())).unwrap());
    let (count, lasts) = if is_full() { (120, Duration::from_secs(4)) } else { (4, Duration::from_secs(2)) };
    let (mut sent, mut rounds) = (feed(&mut senders, Duration::from_secs(1)), Vec::new());
    for round in 0..count {
        // The crowd goes from one to the other, so that what distinguishes them otherwise cancels.
        let at = round % 2;
        let alarms: PathBuf = strains[at].place.data().join("alarms.sock");
        let before = [0, 1].map(|at| blocks_counted(&running[at]));
        sent += crowded(&mut senders, &alarms, lasts);
        let of = |at: usize| between(&before[at], &blocks_counted(&running[at]));
        rounds.push([of(1 - at), of(at)]);
    }
    drop(senders);
    running.iter().for_each(|running| running.await_counted("healthy", sent));
    let (ratio, [low, high]) = slowdown(&rounds);
    let alone = p99_ms(rounds.iter().map(|round| &round[0]));
    println!("blocks counted: p99 {alone:.3} ms alone, crowded {ratio:.3} of it [{low:.3} {high:.3}]");
    assert!(
        low <= 1.05 || ratio <= 1.5 + 1.0 / alone,
        "{alone} ms alone, crowded {ratio} [{low} {high}] of it"
    );
    running[1].kept_memory();
    for (strain, running) in strains.iter().zip(running) {
        strain.finish(running, sent, 0);
    }
}
