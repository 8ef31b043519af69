//! Subscribers that hang, crawl and come and go cost the pipeline nothing: two daemons are fed the same at the
//! same time, one of them with such a crowd, and their latencies are compared.

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

/// The 99th percentile of a stage, in milliseconds.
fn p99_ms(running: &Running, stage: &str) -> f64 {
    let status = running.status();
    let stages = status["latencies"].as_array().unwrap();
    let of = stages.iter().find(|latency| latency["name"] == stage);
    of.unwrap_or_else(|| panic!("{stage} is not in {stages:?}"))["p99_ms"].as_f64().unwrap()
}

#[test]
fn a_crowd_of_subscribers_changes_no_latency() {
    let strains = [Strain::new(""), Strain::new("")];
    let running = [strains[0].place.start(), strains[1].place.start()];
    let connect = |strain: &Strain| TcpStream::connect(("127.0.0.1", strain.port())).unwrap();
    let mut senders = [connect(&strains[0]), connect(&strains[1])];
    let alarms: PathBuf = strains[1].place.data().join("alarms.sock");
    let (is_over, mut sent) = (AtomicBool::new(false), 0);
    let lasts = Duration::from_secs(if is_full() { 60 } else { 5 });
    let hanging = stuck(&alarms, 100);
    std::thread::scope(|scope| {
        (0..8).for_each(|_| drop(scope.spawn(|| crawl(&alarms, &is_over))));
        let churners: Vec<_> = (0..2).map(|_| scope.spawn(|| churn(&alarms, &is_over))).collect();
        let begun = Instant::now();
        while begun.elapsed() < lasts {
            let text = lines(AT_ONCE, "US");
            // Who is first changes, for the second finds the machine busy.
            let [a, b] = &mut senders;
            let order = if (sent / AT_ONCE).is_multiple_of(2) { [a, b] } else { [b, a] };
            order.into_iter().for_each(|sender| sender.write_all(text.as_bytes()).unwrap());
            sent += AT_ONCE;
            std::thread::sleep(Duration::from_millis(2));
        }
        is_over.store(true, Ordering::Relaxed);
        let times: u64 = churners.into_iter().map(|churner| churner.join().unwrap()).sum();
        assert!(times > 50, "{times}");
    });
    drop(senders);
    running.iter().for_each(|running| running.await_counted("healthy", sent));
    // From a block's arrival until it is counted.
    let [alone, crowded] = [&running[0], &running[1]].map(|running| p99_ms(running, "block counted"));
    println!("blocks counted: p99 {alone} ms alone, {crowded} ms crowded");
    assert!(crowded <= 1.5 * alone + 1.0, "{alone} ms alone, {crowded} ms crowded");
    drop(hanging);
    running[1].kept_memory();
    for (strain, running) in strains.iter().zip(running) {
        strain.finish(running, sent, 0);
    }
}
