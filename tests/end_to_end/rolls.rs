//! Rolls that cannot be done, and journals with a hole: what is not in files is in the journal, what is lost is
//! told.

use std::fs;
use std::path::PathBuf;

use ebbd_bench::WireFormat;

use super::crash::await_quiet;
use super::support::{MONEY, PATIENCE, Place, Running, eventually, stream};
use super::wire::{append, load};

const LINES: usize = 2_000;

fn place(roll: &str) -> Place {
    let source = |name: &str| {
        format!("[source.{name}]\ntype = \"file\"\npath = \"@/{name}.log\"\nstream = \"{name}\"\n")
    };
    let both = ["before", "behind"].map(|name| stream(name) + &source(name)).concat();
    Place::new(&(both + &format!("[parquet]\nroll = \"{roll}\"\n")))
}

/// So many lines of the file of this name; its path.
fn written(place: &Place, name: &str, seed: u64) -> PathBuf {
    let path = place.path(&format!("{name}.log"));
    append(&path, load(seed, LINES).text(WireFormat::Ndjson).as_bytes());
    path
}

/// Something stands where the files of `minutes` have to go.
fn obstacle(place: &Place) -> PathBuf {
    fs::create_dir_all(place.data()).unwrap();
    let path = place.data().join("minutes");
    fs::write(&path, "in the way").unwrap();
    path
}

fn counted(place: &Place) -> Running {
    let running = place.start();
    running.await_lines(LINES as u64);
    running
}

#[test]
fn a_roll_that_fails_at_the_stop_is_done_by_the_next_start() {
    let place = place("1h");
    let log = written(&place, "before", 31);
    let running = counted(&place);
    let obstacle = obstacle(&place);
    let ended = running.stop();
    assert_eq!(ended.code, Some(3), "{}", ended.told);
    assert!(ended.told.contains("the next start writes them"), "{}", ended.told);
    fs::remove_file(obstacle).unwrap();
    let running = place.start();
    await_quiet(&running);
    running.stop_in_order();
    assert_eq!(place.ledger()[0]["received"], LINES);
    assert_eq!(place.recount(&log, &["before"], &MONEY), LINES as u64);
}

#[test]
fn a_missing_segment_is_told_and_counting_goes_on() {
    let place = place("1s");
    written(&place, "before", 32);
    // Rolls fail, so no segment may go; each start begins one.
    let obstacle = obstacle(&place);
    let running = counted(&place);
    let fails = || running.degraded().contains("Parquet");
    eventually("there is something to be rolled", 2 * PATIENCE, fails);
    drop(running);
    for _ in 0..2 {
        drop(place.start());
    }
    let journal = place.data().join("journal");
    let mut segments: Vec<PathBuf> = fs::read_dir(&journal)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "segment"))
        .collect();
    segments.sort();
    assert!(segments.len() >= 3, "{segments:?}");
    fs::remove_file(&segments[1]).unwrap();
    fs::remove_file(obstacle).unwrap();
    let running = place.start();
    let told = running.status().to_string();
    assert!(told.contains("segment 2 of the journal is missing"), "{told}\n{}", running.told());
    let log = written(&place, "behind", 33);
    await_quiet(&running);
    running.stop_in_order();
    // What was counted before may be lost with the hole; nothing of it comes twice.
    let ledger = place.ledger();
    let figure = |source: &str| {
        ledger.iter().find(|row| row["source"] == source).map_or(0, |row| row["received"].as_u64().unwrap())
    };
    assert!(figure("before") <= LINES as u64 && figure("behind") == LINES as u64, "{ledger:?}");
    assert_eq!(place.recount(&log, &["behind"], &MONEY), LINES as u64);
}
