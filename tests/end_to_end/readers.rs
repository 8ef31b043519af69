//! DuckDB, Polars and pyarrow read while the daemon writes, and no file is ever seen half written.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::{Place, python, stream, this_minute};
use super::wire::through_unix;

/// What a daemon without alarms writes within a minute or so.
const DATASETS: [&str; 5] = ["minutes", "slices", "marks", "sources", "ledger"];

/// A few orders of this moment and of the last half hour.
fn some_orders(at: u64) -> String {
    (0..50)
        .map(|n| {
            let minute = this_minute().plus(-((at + n) as i32 % 30));
            let (time, place) = (minute.start().to_rfc3339(), ["US", "DE", "UK"][(n % 3) as usize]);
            format!(
                "{{\"ts\":\"{time}\",\"marketplace\":\"{place}\",\"status\":\"placed\",\"amount\":\"1.50\",\
                 \"currency\":\"USD\",\"customer\":\"c{at}\",\"host\":\"web-01\"}}\n"
            )
        })
        .collect()
}

/// All files below `dir` but the staged ones, which readers do not look for.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Looks again and again, at each file as soon as it is there; how many there were.
fn watch_files(data: &Path, stop: &AtomicBool) -> usize {
    let mut seen = BTreeSet::new();
    while !stop.load(Ordering::Relaxed) {
        let mut found = Vec::new();
        DATASETS.iter().for_each(|dataset| files(&data.join(dataset), &mut found));
        for path in found.into_iter().filter(|path| seen.insert(path.clone())) {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(name.ends_with(".parquet") && !name.starts_with('.'), "{}", path.display());
            let bytes = fs::read(&path).unwrap();
            assert!(
                bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"),
                "half written: {}",
                path.display()
            );
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    seen.len()
}

fn feed(socket: &Path, sent: &AtomicU64, stop: &AtomicBool) {
    let mark = b"{\"ebbd\":\"mark\",\"kind\":\"deploy\",\"what\":\"checkout v42\"}\n";
    through_unix(socket, mark);
    while !stop.load(Ordering::Relaxed) {
        let orders = some_orders(sent.load(Ordering::Relaxed));
        through_unix(socket, orders.as_bytes());
        sent.fetch_add(50, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Files that there have to be at the end: of several rolls.
const FILES: usize = 10;

/// Reads everything until every dataset has been read and there are enough files; each time without an error.
fn read_until_all_are_there(data: &Path) -> usize {
    let (begun, mut reads) = (Instant::now(), 0);
    let (mut missing, mut found) = (DATASETS.to_vec(), Vec::new());
    while !missing.is_empty() || reads < 5 || found.len() < FILES {
        assert!(begun.elapsed() < Duration::from_secs(120), "nothing was written of {missing:?}");
        std::thread::sleep(Duration::from_millis(200));
        found.clear();
        DATASETS.iter().for_each(|dataset| files(&data.join(dataset), &mut found));
        if !found.is_empty() {
            let read = told(&["--growing", data.to_str().unwrap()]);
            missing.retain(|dataset| read[dataset]["rows"].as_u64().is_none_or(|rows| rows == 0));
            reads += 1;
        }
    }
    reads
}

/// Reads every dataset with all three readers, which have to agree.
pub fn read_all(data: &Path) -> Value {
    told(&[data.to_str().unwrap()])
}

fn told(arguments: &[&str]) -> Value {
    let output = python("read_all.py", arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn three_readers_read_every_dataset_while_it_is_written() {
    let place = Place::new(
        &(stream("orders")
            + "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\n[parquet]\nroll = \"2s\"\n"),
    );
    let running = place.start();
    let (sent, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (socket, data) = (place.path("events.sock"), place.data());
    let (reads, files) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch_files(&data, &stop));
        let feeder = scope.spawn(|| feed(&socket, &sent, &stop));
        let reads = scope.spawn(|| read_until_all_are_there(&data)).join();
        stop.store(true, Ordering::Relaxed);
        feeder.join().unwrap();
        (reads.unwrap(), watcher.join().unwrap())
    });
    assert!(reads >= 5 && files >= FILES, "{reads} reads of {files} files");
    running.stop_in_order();
    let read = read_all(&place.data());
    assert_eq!(read["minutes"]["sums"]["count"], sent.load(Ordering::Relaxed));
    assert_eq!(read["marks"]["rows"], 1);
}
