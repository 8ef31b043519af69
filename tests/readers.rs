//! Real readers: every dataset is written in the Hive layout and opened by DuckDB, Polars and pyarrow,
//! which have to agree with each other and with what was written; sketches by Apache DataSketches.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use datasketches::hash::value::raw_bytes;
use datasketches::hll::{HllSketch, HllType};
use ebbd_core::alarm::{AlarmRecord, Because, DataQuality, Kind, Notify, Severity, State};
use ebbd_core::columns::*;
use ebbd_core::detect::{SinceOnset, SliceVerdict, Verdict};
use ebbd_core::model::*;
use serde_json::Value;

/// 2026-11-22T23:58Z: the minutes of the samples lie on two dates.
const START: Minute = Minute(29_923_198);
const MARKETS: [&str; 3] = ["US", "DE", "ä ö"];

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

/// A data directory being filled: each file gets the next sequence number.
struct Store {
    dir: PathBuf,
    sequence: u64,
}

impl Store {
    fn add(
        &mut self,
        dataset: Dataset,
        stream: &str,
        time: TimeUs,
        write: impl FnOnce(&Footer, File) -> Written,
    ) {
        let dir = self.dir.join(dataset.directory(stream, time));
        fs::create_dir_all(&dir).unwrap();
        self.sequence += 1;
        let footer = Footer {
            host: "web-01".into(),
            config: "9f3c".into(),
            sequence: self.sequence,
            more: BTreeMap::new(),
        };
        let name = format!("{}-web-01-{:08}.parquet", dataset.name(), self.sequence);
        write(&footer, File::create(dir.join(name)).unwrap());
    }
}

fn sketch(customers: std::ops::Range<i64>) -> Box<[u8]> {
    let mut sketch = HllSketch::new(12, HllType::Hll4).unwrap();
    for customer in customers.clone() {
        sketch.update(raw_bytes::from_str(format!("c-{customer}").as_str()));
    }
    if customers.is_empty() { Box::default() } else { sketch.serialize().into() }
}

fn row(market: &str, currency: &str, count: i64) -> SealedRow {
    let dimensions = [market, "one-click", "card", "placed"].map(Arc::from).into();
    let key = SeriesKey { dimensions, currencies: [Arc::from(currency)].into(), watched: true };
    // 0.01 too much for a float's sum to be exact by luck; some refunds are negative
    let cents = if market == "DE" { -count * 333 } else { count * 1999 + 900_000_000_000_001 };
    SealedRow { key: Arc::new(key), count, sums: [Money(cents)].into(), sketches: [sketch(0..count)].into() }
}

fn sealed(at: i32, revision: u32) -> Arc<SealedMinute> {
    let minute = START.plus(at);
    let count = |place: usize| if revision > 0 { 1 } else { i64::from(at) * 400 + place as i64 };
    let rows = |(place, market): (usize, &&str)| row(market, ["USD", "EUR", ""][place], count(place));
    let mut rows: Vec<SealedRow> = MARKETS.iter().enumerate().map(rows).collect();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    Arc::new(SealedMinute {
        stream: StreamId(0),
        minute,
        revision,
        rows,
        earlier: Vec::new(),
        completeness: Completeness::whole(),
        sources: Vec::new(),
        sealed_at: minute.end(),
    })
}

/// Five minutes over two dates in two files each, one of revisions.
fn sealed_minutes() -> Vec<Vec<Arc<SealedMinute>>> {
    vec![
        vec![sealed(0, 0), sealed(1, 0)],
        vec![sealed(2, 0), sealed(3, 0), sealed(4, 0)],
        vec![sealed(3, 1), sealed(2, 1)],
    ]
}

fn write_all(dir: &Path) {
    let mut store = Store { dir: dir.to_owned(), sequence: 0 };
    let spec = StreamSpec::example();
    for minutes in sealed_minutes() {
        let time = minutes[0].minute.start();
        store.add(Dataset::Minutes, "orders", time, |footer, out| {
            write_minutes(&spec, &minutes, footer, out).unwrap()
        });
    }
    write_verdicts(&mut store, &spec);
    write_alarm_data(&mut store);
    write_arrivals(&mut store, &spec);
}

fn verdict(verdict: Verdict, observed: Option<i64>) -> SliceVerdict {
    let band = (verdict == Verdict::Ok).then_some(10.5);
    SliceVerdict {
        slice: SliceId(0),
        verdict,
        observed,
        observed_max: observed.map(|v| v as f64),
        expected: band,
        low: band,
        high: band,
        completeness: 0.98,
        evidence: 1.5,
        threshold: 17.0,
        onset: None,
        since_onset: SinceOnset::default(),
        deep: false,
        recovering: false,
        escalated: false,
    }
}

fn write_verdicts(store: &mut Store, spec: &StreamSpec) {
    let slices = [Slice::default(), Slice::of([("marketplace", "US")])];
    let verdicts =
        [verdict(Verdict::Ok, Some(9)), verdict(Verdict::NoData, None), verdict(Verdict::Learning, Some(0))];
    for at in 0..3 {
        let minute = START.plus(at);
        let verdict = &verdicts[at as usize];
        let judged_at = minute.end();
        let rows: Vec<_> = slices
            .iter()
            .map(|slice| SliceRowRef { minute, slice, verdict, revision: 0, judged_at })
            .collect();
        store.add(Dataset::Slices, "orders", minute.start(), |footer, out| {
            write_slices(spec, &rows, footer, out).unwrap()
        });
    }
}

fn record(seq: u64) -> AlarmRecord {
    AlarmRecord {
        record_type: "alarm".into(),
        v: 1,
        seq,
        no: 47,
        id: "01JD".into(),
        key: "drop/orders/".into(),
        rev: 1,
        at: "2026-11-22T23:59:02Z".into(),
        host: "web-01".into(),
        view: "whole".into(),
        state: State::Firing,
        kind: Kind::Drop,
        severity: Severity::Page,
        notify: Notify::Page,
        because: Because::Opened,
        stream: "orders".into(),
        slice: Slice::default(),
        title: "all: orders -98 %".into(),
        text: String::new(),
        minute: START.to_string(),
        onset: None,
        ended: None,
        observed: Some(12),
        observed_max: Some(13.0),
        expected: Some(540.25),
        low: None,
        high: None,
        since_onset: None,
        evidence: Some(41.5),
        threshold: Some(17.0),
        completeness: DataQuality { fraction: 0.5, late: 0.0, dropped: 0, rejected: 0, missing: vec![] },
        losing: None,
        lost: None,
        causes: vec![],
        unexplained: None,
        changes: vec![],
        changes_note: None,
        early: false,
        late: false,
        durable: true,
        acked: None,
        silenced_until: None,
        label: None,
        reason: None,
        config: "9f3c".into(),
        url: None,
    }
}

fn write_alarm_data(store: &mut Store) {
    let time = START.start();
    let incident = IncidentRow {
        id: "01JD".into(),
        stream: "orders".into(),
        kind: Kind::Drop,
        slice: Slice::default(),
        cause: None,
        onset: time,
        detected: START.end(),
        acked: None,
        ended: None,
        state: State::Firing,
        severity: Severity::Page,
        label: None,
        orders: Some([2010.0, 2110.5, 2205.0]),
        customers: None,
        recovered_later: None,
        change: None,
        provisional_until: None,
    };
    let money =
        MoneyRow { id: "01JD".into(), currency: "USD".into(), amount: [38_900.0, 41_200.25, 43_600.0] };
    let mark = Mark {
        id: "d-1".into(),
        kind: "deploy".into(),
        what: "checkout v42".into(),
        at: time,
        until: None,
        scope: Slice::of([("feature", "one-click")]),
        retracted: false,
        received: START.end(),
        by: "shop".into(),
    };
    let records = [record(1), record(2)];
    store.add(Dataset::Incidents, "", time, |footer, out| write_incidents(&[incident], footer, out).unwrap());
    store.add(Dataset::IncidentMoney, "", time, |footer, out| {
        write_incident_money(&[money], footer, out).unwrap()
    });
    store.add(Dataset::Alarms, "", time, |footer, out| write_alarms(&records, footer, out).unwrap());
    store.add(Dataset::Marks, "", time, |footer, out| write_marks(&[mark], footer, out).unwrap());
}

fn write_arrivals(store: &mut Store, spec: &StreamSpec) {
    let source = SourceMinute {
        source: SourceId(0),
        source_name: "shop".into(),
        origin: "web-03".into(),
        state: SourceState::Silent,
        share: 0.25,
        completeness: 0.5,
        lost_upper: 2.0,
        missing_since: Some(START.start()),
    };
    let row = SourceRowRef { minute: START, stream: "orders", source: &source };
    let mut ledger = Ledger::default();
    let key =
        LedgerKey { arrival: START, source: SourceId(0), origin: "web-03".into(), stream: "orders".into() };
    let counts = ledger.entry(key);
    (counts.received, counts.counted) = (12, 12);
    counts.reject(Reason::TooLate);
    counts.bad.insert("amount".into(), 3);
    let sources = ["shop".to_owned()];
    let bad_fields = bad_field_names(std::slice::from_ref(spec));
    let names = LedgerNames { sources: &sources, bad_fields: &bad_fields };
    store.add(Dataset::Sources, "", START.start(), |footer, out| write_sources(&[row], footer, out).unwrap());
    store.add(Dataset::Ledger, "", START.start(), |footer, out| {
        write_ledger(&ledger, names, footer, out).unwrap()
    });
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
    let rows: Vec<&SealedRow> = minutes.iter().flatten().flat_map(|m| &m.rows).collect();
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
    for row in &mut older.rows {
        let mut key = (*row.key).clone();
        key.dimensions =
            key.dimensions.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, v)| v.clone()).collect();
        row.key = Arc::new(key);
    }
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
