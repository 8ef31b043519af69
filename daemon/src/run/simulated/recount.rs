//! The naive recount: every Parquet file on the disk, added up, against what was sent.
//!
//! In: a disk. Out: the first difference. Must not know: how anything was counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ebbd_core::columns::read_minutes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use super::senders::Written;
use crate::config::Config;
use crate::sys::{Disk, FaultDisk};

/// Compares; says what differs. Plain senders may have lost lines: never more counted than `plain` sent.
pub(super) fn check(disk: &FaultDisk, config: &Config, written: &Written, plain: u64) -> Result<(), String> {
    let mut counted = Written::new();
    for (spec, stream) in config.streams.iter().zip(["acked", "plain", "orders"]) {
        for path in files(disk, &config.data_dir.join("minutes").join(format!("stream={stream}"))) {
            let minutes = read_minutes(spec, read(disk, &path)?).map_err(|e| told(&path, &e))?;
            for minute in minutes {
                let minute = minute.map_err(|e| told(&path, &e))?;
                for row in minute.rows {
                    let key = (stream, minute.minute, row.key.dimensions[0].to_string());
                    let cell = counted.entry(key).or_default();
                    *cell = (cell.0 + row.count, cell.1 + row.sums[0].0);
                }
            }
        }
    }
    let is_plain = |(key, _): &(&(&'static str, _, _), &(i64, i64))| key.0 == "plain";
    let stored_plain: i64 = counted.iter().filter(is_plain).map(|(_, (count, _))| count).sum();
    counted.retain(|key, _| key.0 != "plain");
    if let Some(difference) = difference(&counted, written) {
        return Err(difference);
    }
    let ledger = ledger(disk, &config.data_dir)?;
    let figure = |source: &str| ledger.get(source).copied().unwrap_or_default();
    if figure("shop") != stored_plain || stored_plain as u64 > plain {
        return Err(format!("plain: {stored_plain} stored, ledger {}, {plain} sent", figure("shop")));
    }
    for (source, stream) in [("till", "acked"), ("logs", "orders")] {
        let lines: i64 = written.iter().filter(|(key, _)| key.0 == stream).map(|(_, (count, _))| count).sum();
        if figure(source) != lines {
            return Err(format!("{source}: the ledger has {} of {lines}", figure(source)));
        }
    }
    Ok(())
}

/// Each record has one row, those that were `heard` of have theirs.
pub(super) fn check_records(
    disk: &FaultDisk,
    data_dir: &Path,
    heard: &BTreeMap<u64, String>,
) -> Result<(), String> {
    let mut stored: BTreeMap<u64, String> = BTreeMap::new();
    for path in files(disk, &data_dir.join("alarms")) {
        let reader = SerializedFileReader::new(read(disk, &path)?).map_err(|e| told(&path, &e))?;
        for row in reader.get_row_iter(None).map_err(|e| told(&path, &e))? {
            let row = row.map_err(|e| told(&path, &e))?;
            let (mut seq, mut key) = (0, String::new());
            for (name, field) in row.get_column_iter() {
                match (name.as_str(), field) {
                    ("seq", Field::Long(n)) => seq = *n as u64,
                    ("key", Field::Str(text)) => key.clone_from(text),
                    _ => {}
                }
            }
            if let Some(other) = stored.insert(seq, key) {
                return Err(format!("the record {seq} {other} has two rows"));
            }
        }
    }
    let lost = heard.iter().find(|(seq, key)| stored.get(*seq) != Some(*key));
    lost.map_or(Ok(()), |(seq, key)| Err(format!("the record {seq} {key} has no row: {:?}", stored.get(seq))))
}

fn difference(counted: &Written, written: &Written) -> Option<String> {
    let empty = (0, 0);
    let mut keys = counted.keys().chain(written.keys());
    let differs = |key: &&(&'static str, _, _)| counted.get(*key) != written.get(*key);
    keys.find(differs).map(|key| {
        let at = |cells: &Written| *cells.get(key).unwrap_or(&empty);
        let sum = |cells: &Written| -> i64 {
            cells.iter().filter(|(other, _)| other.0 == key.0).map(|(_, (count, _))| count).sum()
        };
        let (stored, sent) = (at(counted), at(written));
        format!("{key:?}: {stored:?} stored, {sent:?} sent; in all {} of {}", sum(counted), sum(written))
    })
}

/// Lines counted by source, as the ledger has it, if it balances.
fn ledger(disk: &FaultDisk, data_dir: &Path) -> Result<BTreeMap<String, i64>, String> {
    let mut counted: BTreeMap<String, i64> = BTreeMap::new();
    for path in files(disk, &data_dir.join("ledger")) {
        let reader = SerializedFileReader::new(read(disk, &path)?).map_err(|e| told(&path, &e))?;
        for row in reader.get_row_iter(None).map_err(|e| told(&path, &e))? {
            let row = row.map_err(|e| told(&path, &e))?;
            let (mut source, mut received, mut spent) = (String::new(), 0, 0);
            for (name, field) in row.get_column_iter() {
                match (name.as_str(), field) {
                    ("source", Field::Str(text)) => source.clone_from(text),
                    ("received", Field::Long(n)) => received += n,
                    ("counted", Field::Long(n)) => {
                        *counted.entry(source.clone()).or_default() += n;
                        spent += n;
                    }
                    ("control" | "duplicate" | "dropped_queue" | "dropped_crash", Field::Long(n)) => {
                        spent += n
                    }
                    (rejected, Field::Long(n)) if rejected.starts_with("rejected_") => spent += n,
                    _ => {}
                }
            }
            if received != spent {
                return Err(format!("the ledger does not balance: {row}"));
            }
        }
    }
    Ok(counted)
}

fn files(disk: &FaultDisk, dir: &Path) -> Vec<PathBuf> {
    let Ok(inside) = disk.list(dir) else { return Vec::new() };
    let of = |path: PathBuf| {
        if path.extension().is_some_and(|ending| ending == "parquet") {
            vec![path]
        } else {
            files(disk, &path)
        }
    };
    inside.into_iter().flat_map(of).collect()
}

fn read(disk: &FaultDisk, path: &Path) -> Result<Bytes, String> {
    disk.read(path).map(Bytes::from).map_err(|error| told(path, &error))
}

fn told(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}
