//! Real readers: every dataset is written in the Hive layout and opened by DuckDB, Polars and pyarrow,
//! which have to agree with each other and with what was written; sketches by Apache DataSketches.

#![allow(clippy::unwrap_used, reason = "a test target: a panic is a failed test")]

mod recount;
mod samples;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use ebbd_core::columns::{Dataset, write_minutes};
use ebbd_core::model::{SealedRow, StreamSpec};
use serde_json::Value;

use samples::{Store, sealed, sealed_minutes, write_all};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").to_owned()
}

/// Runs a script of tests/python with the environment that tests/setup.sh makes.
fn python(script: &str, arguments: &[&str]) -> Output {
    let python = root().join(".venv/bin/python");
    assert!(python.exists(), "the Python readers are not installed: run tests/setup.sh once");
    let script = root().join("tests/python").join(script);
    Command::new(python).arg(script).args(arguments).output().expect("python runs")
}

/// The JSON that a script printed; its complaints fail the test.
fn answer(output: &Output) -> Value {
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn three_readers_agree_on_every_dataset() {
    let dir = tempfile::tempdir().unwrap();
    write_all(dir.path());
    let read = answer(&python("read_all.py", &[dir.path().to_str().unwrap()]));
    let rows: Vec<(&str, u64)> =
        Dataset::ALL.iter().map(|d| (d.name(), read[d.name()]["rows"].as_u64().unwrap())).collect();
    let want = [
        ("minutes", 21),
        ("slices", 6),
        ("incidents", 1),
        ("incident_money", 1),
        ("alarms", 2),
        ("marks", 1),
        ("sources", 1),
        ("ledger", 1),
    ];
    assert_eq!(rows, want);
    assert_eq!(read["ledger"]["sums"]["received"], 13);
    assert_eq!(read["ledger"]["sums"]["bad_amount"], 3);
    assert_eq!(read["alarms"]["sums"]["expected"], 1080.5);
    assert_eq!(read["slices"]["nulls"]["observed"], 2);
    assert_eq!(read["incident_money"]["sums"]["amount"], 41_200.25);
}

#[test]
fn minutes_are_whole_to_the_event_the_cent_and_the_customer() {
    let dir = tempfile::tempdir().unwrap();
    write_all(dir.path());
    let read = answer(&python("read_all.py", &[dir.path().to_str().unwrap()]));
    let minutes = sealed_minutes();
    let rows: Vec<SealedRow> = minutes.iter().flatten().flat_map(|m| m.rows.to_vec()).collect();
    let count: i64 = rows.iter().map(|row| row.count).sum();
    let cents: i64 = rows.iter().map(|row| row.sums[0].0).sum();
    assert_eq!(read["minutes"]["sums"]["count"], count);
    let amount = format!("{}.{:02}", cents / 100, cents % 100);
    assert_eq!(read["minutes"]["sums"]["amount"], amount);
    let largest = rows.iter().map(|row| row.count).max().unwrap() as f64;
    let told = read["minutes"]["estimates"]["customer_hll"].as_f64().unwrap();
    assert!((told / largest - 1.0).abs() < 0.05, "{told} of {largest} customers");
    assert!(read["minutes"]["nulls"].as_object().unwrap().is_empty());
}

#[test]
fn a_new_dimension_appears_in_new_files_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store { dir: dir.path().to_owned(), sequence: 0 };
    let mut old = StreamSpec::example();
    old.dimensions.remove(1);
    let mut older = (*sealed(1, 0)).clone();
    let mut rows = older.rows.to_vec();
    for row in &mut rows {
        let mut key = (*row.key).clone();
        key.dimensions =
            key.dimensions.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, v)| v.clone()).collect();
        row.key = Arc::new(key);
    }
    older.rows = rows.into();
    for (spec, minute) in [(&old, Arc::new(older)), (&StreamSpec::example(), sealed(1, 1))] {
        let time = minute.minute.start();
        store.add(Dataset::Minutes, "orders", time, |footer, out| {
            write_minutes(spec, &[minute], footer, out).unwrap()
        });
    }
    let read = answer(&python("read_all.py", &[dir.path().to_str().unwrap()]));
    assert_eq!(read["minutes"]["sums"]["count"], 1203 + 3);
    assert_eq!(read["minutes"]["nulls"], serde_json::json!({"feature": 3}), "absent in the older file");
}

#[test]
fn a_reader_that_sees_other_bytes_complains() {
    let dir = tempfile::tempdir().unwrap();
    let empty = python("read_all.py", &[dir.path().to_str().unwrap()]);
    assert_eq!(empty.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&empty.stderr).contains("no dataset found"));
    write_all(dir.path());
    let misplaced = dir.path().join("minutes/stream=orders/date=2026-11-24");
    fs::rename(dir.path().join("minutes/stream=orders/date=2026-11-23"), misplaced).unwrap();
    let told = python("read_all.py", &[dir.path().to_str().unwrap()]);
    assert_eq!(told.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&told.stderr).contains("a row in another date's directory"));
}
