//! Files of a simulated shop through the whole command into a data directory, recounted from its Parquet.

mod formats;
mod refused;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use ebbd_core::columns::{Dataset, Footer, read_footer, read_minutes, write_minutes};
use ebbd_core::model::{Minute, SealedMinute, StreamId, StreamSpec};
use ebbd_core::simulate::{Shop, ShopSpec, SimulatedEvent};
use serde_json::Value;

use super::{IngestArgs, run_to};
use crate::store::{DAEMON, Place, WRITER};
use crate::sys::RealDisk;

/// 2025-11-22T13:04:00Z: far older than `lateness`.
const START: Minute = Minute(29_396_944);

/// Count and cents by minute, dimensions and currency.
type Counts = BTreeMap<(Minute, Vec<String>, String), (i64, i64)>;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: IngestArgs,
}

/// A data directory, and files beside it.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { dir: tempfile::tempdir().unwrap() };
        bench.file("ebbd.toml", b"");
        bench
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Runs the command over files beside the data directory; gives its exit code and what it prints.
    fn ingest(&self, args: &[&str], files: &[&str]) -> (i32, String) {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        let fixed = ["ingest", "-c", &path("ebbd.toml"), "--data-dir", &path("data")].map(str::to_owned);
        let given = args.iter().map(|arg| (*arg).to_owned()).chain(files.iter().map(|file| path(file)));
        let line = Line::try_parse_from(fixed.into_iter().chain(given)).unwrap();
        let mut out = Vec::new();
        let code = run_to(&line.args, &mut out);
        (code, String::from_utf8(out).unwrap().replace(&format!("{}/", self.dir.path().display()), ""))
    }

    fn json(&self, args: &[&str], file: &str) -> (i32, Value) {
        let (code, text) = self.ingest(&[&["--json"], args].concat(), &[file]);
        assert_eq!(text.lines().count(), 1, "{text}");
        (code, serde_json::from_str(&text).unwrap())
    }

    fn files(&self, dataset: Dataset) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(&self.data().join(dataset.name()), &mut found);
        found
    }

    /// What lies in the dataset `minutes`.
    fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        for path in self.files(Dataset::Minutes) {
            for found in read_minutes(&StreamSpec::example(), File::open(path).unwrap()).unwrap() {
                let found = found.unwrap();
                for row in found.rows {
                    let values = row.key.dimensions.iter().map(|value| value.to_string()).collect();
                    let key = (found.minute, values, row.key.currencies[0].to_string());
                    add(&mut counts, key, row.count, row.sums[0].0);
                }
            }
        }
        counts
    }

    /// A file that the daemon had written, with these minutes.
    fn daemon_wrote(&self, minutes: &[Minute]) {
        let (spec, shop) = (StreamSpec::example(), shop());
        let sealed: Vec<Arc<SealedMinute>> =
            minutes.iter().map(|minute| Arc::new(shop.sealed(*minute, StreamId(0), &spec))).collect();
        let more = BTreeMap::from([(WRITER.to_owned(), DAEMON.to_owned())]);
        let footer = Footer { host: "web".into(), more, ..Footer::default() };
        let place = Place::new(Arc::new(RealDisk), &self.data(), "web");
        let write = |file: &mut _| write_minutes(&spec, &sealed, &footer, file).map(drop);
        place.publish(Dataset::Minutes, "orders", minutes[0].start(), "00000001", false, write).unwrap();
    }
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, found) } else { found.push(path) }
    }
    found.sort();
}

fn add(counts: &mut Counts, key: (Minute, Vec<String>, String), count: i64, cents: i64) {
    let known = counts.entry(key).or_default();
    *known = (known.0 + count, known.1 + cents);
}

fn shop() -> Shop {
    Shop::new(ShopSpec::demo(5), &StreamSpec::example())
}

/// The shop's events of some minutes from [`START`] on.
fn events(minutes: i32) -> Vec<SimulatedEvent> {
    (0..minutes).flat_map(|minute| shop().events(START.plus(minute))).collect()
}

fn ndjson(events: &[SimulatedEvent]) -> Vec<u8> {
    written(events, SimulatedEvent::write_ndjson)
}

fn written(events: &[SimulatedEvent], write: impl Fn(&SimulatedEvent, &mut String)) -> Vec<u8> {
    let mut text = String::new();
    events.iter().for_each(|event| write(event, &mut text));
    text.into_bytes()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// The plain recount of events.
fn recount(events: &[SimulatedEvent]) -> Counts {
    let mut counts = Counts::new();
    for event in events {
        let key = (event.time.minute(), event.dimensions.to_vec(), event.currency.clone());
        add(&mut counts, key, 1, event.amount.0);
    }
    counts
}

fn doubled(counts: &Counts) -> Counts {
    counts.iter().map(|(key, (count, cents))| (key.clone(), (2 * count, 2 * cents))).collect()
}
