//! `ebbd compact` beside a daemon that writes and readers that read, killed half-way, and what it removes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::readers::read_all;
use super::support::{PATIENCE, Place, eventually, python, stream, this_minute};
use super::wire::through_unix;

const SOURCE: &str = "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\n";
const DAY: i32 = 24 * 60;

/// Fifty orders spread over the day that lies so many days back.
fn orders(days_back: i32, round: u64) -> String {
    let midnight = this_minute().0.div_euclid(DAY) * DAY - days_back * DAY;
    (0..50u64)
        .map(|n| {
            let minute = ebbd_core::model::Minute(midnight + ((round * 37 + n * 29) % 1440) as i32);
            let (time, place) = (minute.start().to_rfc3339(), ["US", "DE", "UK"][(n % 3) as usize]);
            format!(
                "{{\"ts\":\"{time}\",\"marketplace\":\"{place}\",\"status\":\"placed\",\"amount\":\"1.50\",\
                 \"currency\":\"USD\",\"customer\":\"c{}\",\"host\":\"web-01\"}}\n",
                round * 50 + n
            )
        })
        .collect()
}

/// Files of each day of a table.
fn files(place: &Place, table: &str) -> Vec<usize> {
    let mut counts = Vec::new();
    count_files(&place.data().join(table), &mut counts);
    counts
}

fn count_files(dir: &Path, counts: &mut Vec<usize>) {
    let paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    counts.extend((!files.is_empty()).then_some(files.len()));
    folders.iter().for_each(|folder| count_files(folder, counts));
}

/// What DuckDB makes of all minutes, as one row; nothing if a file went while it read.
fn sums(place: &Place) -> Option<Value> {
    let files = place.data().join("minutes/**/*.parquet");
    let text = format!(
        "select sum(count)::bigint as count, count(*) as rows, sum(amount)::varchar as amount, \
         bit_xor(hash(minute, marketplace, count, amount, customer_hll, revision))::varchar as content \
         from read_parquet('{}', hive_partitioning = true, union_by_name = true)",
        files.display()
    );
    let output = python("sql.py", &[&text]);
    let told = String::from_utf8_lossy(&output.stderr);
    let is_gone = ["No such file", "Cannot open", "No files found", "could not open"];
    assert!(output.status.success() || is_gone.iter().any(|why| told.contains(why)), "{told}");
    serde_json::from_slice(&output.stdout).ok()
}

fn compact(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let output = place.command(&[&["compact"], arguments].concat()).output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(told).unwrap())
}

/// Sends until it is stopped; so many orders were sent.
fn feed(socket: &Path, sent: &AtomicU64, stop: &AtomicBool) {
    for round in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        sent.fetch_add(50, Ordering::Relaxed);
        through_unix(socket, orders(1 + (round % 2) as i32, round).as_bytes());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Reads again and again: the sum never falls and is never more than what was sent.
fn read(place: &Place, sent: &AtomicU64, stop: &AtomicBool) -> u64 {
    let (mut last, mut reads) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let Some(row) = sums(place) else { continue };
        let count = row["count"].as_u64().unwrap_or(0);
        let most = sent.load(Ordering::Relaxed);
        assert!(last <= count && count <= most, "{last}, then {count} of {most}");
        (last, reads) = (count, reads + 1);
    }
    reads
}

#[test]
fn days_are_merged_beside_a_writer_and_readers_and_over_kills() {
    let place = Place::new(&(stream("orders") + SOURCE + "[parquet]\nroll = \"1s\"\ncompact = \"1m\"\n"));
    let running = place.start();
    let (sent, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let socket = place.path("events.sock");
    let rounds: u64 = std::env::var("COMPACT_ROUNDS").map_or(12, |text| text.parse().unwrap());
    let (mut killed, mut ended) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| feed(&socket, &sent, &stop));
        let reader = scope.spawn(|| read(&place, &sent, &stop));
        eventually("there are many files", 3 * PATIENCE, || {
            place.data().join("minutes").exists() && files(&place, "minutes").iter().any(|&n| n > 24)
        });
        // From before it has begun to about when one that nobody disturbs has ended.
        let begun = Instant::now();
        let (code, told) = compact(&place, &[]);
        assert_eq!(code, Some(0), "{told}");
        let sixth = begun.elapsed() / 6;
        for round in 0..rounds {
            std::thread::sleep(Duration::from_millis(700));
            let mut child = place.command(&["compact"]).stdout(std::process::Stdio::null()).spawn().unwrap();
            std::thread::sleep(sixth * (round % 6) as u32);
            let was_over = child.try_wait().unwrap().is_some();
            child.kill().unwrap();
            child.wait().unwrap();
            (killed, ended) = if was_over { (killed, ended + 1) } else { (killed + 1, ended) };
        }
        let (code, told) = compact(&place, &[]);
        assert_eq!(code, Some(0), "{told}");
        stop.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() >= 3);
    });
    assert!(killed >= 2, "{killed} were killed, {ended} had ended");
    running.await_lines(sent.load(Ordering::Relaxed));
    running.stop_in_order();
    let before = sums(&place).unwrap();
    assert_eq!(before["count"], sent.load(Ordering::Relaxed));
    let (code, told) = compact(&place, &["--dry-run"]);
    assert!(code == Some(0) && sums(&place).unwrap() == before, "{told}");
    let (code, told) = compact(&place, &[]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(sums(&place).unwrap(), before, "every row is there once, as it was");
    for table in ["minutes", "slices"] {
        let days = files(&place, table);
        assert!(days.iter().all(|&files| files <= 24), "{table}: {days:?}");
    }
    assert_eq!(fs::read_dir(place.data().join(".work/compact")).unwrap().count(), 0);
    let verified = place.command(&["verify"]).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
    assert_eq!(read_all(&place.data())["minutes"]["sums"]["count"], before["count"]);
    removed_when_old(&place, &before);
}

/// Days beyond `retain` go, others stay; a start on what is left counts on.
fn removed_when_old(place: &Place, before: &Value) {
    let rest =
        "[parquet]\nroll = \"1s\"\ncompact = \"1m\"\nretain = { minutes = \"2d\", slices = \"forever\" }\n";
    place.configure(&(stream("orders") + SOURCE + rest));
    let running = place.start();
    through_unix(&place.path("events.sock"), orders(4, 0).as_bytes());
    running.await_lines(50);
    running.stop_in_order();
    assert_eq!(sums(place).unwrap()["count"].as_u64(), before["count"].as_u64().map(|count| count + 50));
    let slices = files(place, "slices").len();
    let (code, told) = compact(place, &["--json"]);
    assert_eq!(code, Some(0), "{told}");
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let removed: Vec<&Value> = lines.iter().filter(|line| line["type"] == "removed").collect();
    assert!(removed.len() == 1 && removed[0]["place"].as_str().unwrap().starts_with("minutes/"), "{told}");
    assert_eq!(lines.last().unwrap()["removed"], 1);
    assert_eq!(sums(place).unwrap(), *before);
    assert_eq!(files(place, "slices").len(), slices);
}

#[test]
fn two_at_a_time_are_refused_and_a_missing_directory_is_said() {
    let place = Place::new(&(stream("orders") + SOURCE));
    let (code, told) = compact(&place, &[]);
    assert!(code == Some(3) && told.contains("no such data directory"), "{told}");
    fs::create_dir_all(place.data().join(".work")).unwrap();
    let (code, told) = compact(&place, &[]);
    assert_eq!((code, told.as_str()), (Some(0), "nothing to do\n"));
    let lock = fs::File::create(place.data().join(".work/compact.lock")).unwrap();
    lock.lock().unwrap();
    let begun = Instant::now();
    let (code, told) = compact(&place, &[]);
    assert!(code == Some(3) && told.contains("another `ebbd compact`"), "{told}");
    assert!(begun.elapsed() < PATIENCE);
}
