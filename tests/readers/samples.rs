//! A data directory with a little of every dataset, in the Hive layout.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datasketches::hash::value::raw_bytes;
use datasketches::hll::{HllSketch, HllType};
use ebbd_core::alarm::{AlarmRecord, Because, DataQuality, Kind, Notify, Severity, State};
use ebbd_core::columns::*;
use ebbd_core::detect::{Drift, SinceOnset, SliceVerdict, Verdict};
use ebbd_core::model::*;

/// 2026-11-22T23:58Z: the minutes of the samples lie on two dates.
const START: Minute = Minute(29_923_198);
const MARKETS: [&str; 3] = ["US", "DE", "ä ö"];

/// A data directory being filled: each file gets the next sequence number.
pub struct Store {
    pub dir: PathBuf,
    pub sequence: u64,
}

impl Store {
    pub fn add(
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

pub fn sketch(customers: std::ops::Range<i64>) -> Box<[u8]> {
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

pub fn sealed(at: i32, revision: u32) -> Arc<SealedMinute> {
    let minute = START.plus(at);
    let count = |place: usize| if revision > 0 { 1 } else { i64::from(at) * 400 + place as i64 };
    let rows = |(place, market): (usize, &&str)| row(market, ["USD", "EUR", ""][place], count(place));
    let mut rows: Vec<SealedRow> = MARKETS.iter().enumerate().map(rows).collect();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    Arc::new(SealedMinute {
        stream: StreamId(0),
        minute,
        revision,
        rows: rows.into(),
        earlier: SealedRows::default(),
        completeness: Completeness::whole(),
        sources: Vec::new(),
        sealed_at: minute.end(),
    })
}

/// Five minutes over two dates in two files each, one of revisions.
pub fn sealed_minutes() -> Vec<Vec<Arc<SealedMinute>>> {
    vec![
        vec![sealed(0, 0), sealed(1, 0)],
        vec![sealed(2, 0), sealed(3, 0), sealed(4, 0)],
        vec![sealed(3, 1), sealed(2, 1)],
    ]
}

pub fn write_all(dir: &Path) {
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
        drift: Drift::default(),
        declared: None,
        before_drop: None,
        at_normal: None,
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
