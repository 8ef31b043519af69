//! One small sample per dataset, and files written from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use datasketches::hash::value::raw_bytes;
use datasketches::hll::{HllSketch, HllType};

use crate::alarm::{AlarmRecord, Because, DataQuality, Kind, Notify, Severity, State};
use crate::columns::*;
use crate::detect::{Drift, SinceOnset, SliceVerdict, Verdict};
use crate::model::*;

pub(super) const START: Minute = Minute(29_922_544); // 2026-11-22T13:04Z

pub(super) fn footer() -> Footer {
    Footer { host: "web-01".into(), config: "9f3c".into(), sequence: 7, more: BTreeMap::new() }
}

pub(super) fn written(write: impl FnOnce(&mut Vec<u8>) -> Result<Written, ColumnsError>) -> (Bytes, Written) {
    let mut bytes = Vec::new();
    let written = write(&mut bytes).expect("written");
    (Bytes::from(bytes), written)
}

pub(super) fn sketch(values: &[&str]) -> Box<[u8]> {
    let mut sketch = HllSketch::new(12, HllType::Hll4).expect("lgK 12");
    for value in values {
        sketch.update(raw_bytes::from_str(value));
    }
    if values.is_empty() { Box::default() } else { sketch.serialize().into() }
}

pub(super) fn key(values: [&str; 4], currency: &str) -> Arc<SeriesKey> {
    let watched = values[3] == "placed";
    Arc::new(SeriesKey {
        dimensions: values.map(Arc::from).into(),
        currencies: [Arc::from(currency)].into(),
        watched,
    })
}

pub(super) fn row(values: [&str; 4], currency: &str, count: i64, cents: i64, ids: &[&str]) -> SealedRow {
    SealedRow {
        key: key(values, currency),
        count,
        sums: [Money(cents)].into(),
        sketches: [sketch(ids)].into(),
    }
}

pub(super) fn sealed(minute: Minute, revision: u32, mut rows: Vec<SealedRow>) -> Arc<SealedMinute> {
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    let completeness = Completeness::whole();
    let sealed_at = minute.end();
    Arc::new(SealedMinute {
        stream: StreamId(0),
        minute,
        revision,
        rows: rows.into(),
        earlier: SealedRows::default(),
        completeness,
        sources: Vec::new(),
        sealed_at,
    })
}

pub(super) fn minutes() -> Vec<Arc<SealedMinute>> {
    let us = ["US", "one-click", "card", "placed"];
    let de = ["DE", "", "invoice", "failed"];
    vec![
        sealed(START.next(), 0, vec![row(us, "USD", 3, 5997, &["a", "b"])]),
        sealed(START, 1, vec![row(de, "EUR", 1, 1, &["z"]), row(us, "", 1, 0, &[])]),
        sealed(START, 0, vec![row(us, "USD", 2, 3998, &["a", "c"]), row(de, "EUR", 4, -100, &["x"])]),
    ]
}

pub(super) fn minutes_file() -> (Bytes, Written) {
    written(|out| write_minutes(&StreamSpec::example(), &minutes(), &footer(), out))
}

pub(super) fn verdict(verdict: Verdict, observed: Option<i64>) -> SliceVerdict {
    let band = (verdict != Verdict::Learning).then_some(10.5);
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

pub(super) fn slices_file() -> (Bytes, Written) {
    let (whole, us) = (Slice::default(), Slice::of([("marketplace", "US")]));
    let (ok, silent) = (verdict(Verdict::Ok, Some(9)), verdict(Verdict::NoData, None));
    let learning = verdict(Verdict::Learning, Some(4));
    let judged_at = START.end();
    let row = |minute, slice, verdict, revision| SliceRowRef { minute, slice, verdict, revision, judged_at };
    let rows = [
        row(START.next(), &us, &silent, 0),
        row(START, &us, &ok, 1),
        row(START, &us, &learning, 0),
        row(START, &whole, &ok, 0),
    ];
    written(|out| write_slices(&StreamSpec::example(), &rows, &footer(), out))
}

pub(super) fn incidents_file() -> (Bytes, Written) {
    let incident = |id: &str, onset: Minute, ended: Option<TimeUs>| IncidentRow {
        id: id.into(),
        stream: "orders".into(),
        kind: Kind::Drop,
        slice: Slice::default(),
        cause: Some(Slice::of([("feature", "one-click")])),
        onset: onset.start(),
        detected: onset.end(),
        acked: None,
        ended,
        state: State::Resolved,
        severity: Severity::Page,
        label: None,
        orders: Some([2010.0, 2110.0, 2205.0]),
        customers: None,
        recovered_later: Some(0.0),
        change: Some("deploy checkout v42".into()),
        provisional_until: ended,
    };
    let rows = [incident("b", START.next(), None), incident("a", START, Some(START.plus(38).start()))];
    written(|out| write_incidents(&rows, &footer(), out))
}

pub(super) fn money_file() -> (Bytes, Written) {
    let row = |id: &str, currency: &str| MoneyRow {
        id: id.into(),
        currency: currency.into(),
        amount: [1.0, 2.0, 3.5],
    };
    written(|out| write_incident_money(&[row("b", "USD"), row("a", "USD"), row("a", "EUR")], &footer(), out))
}

pub(super) fn record(seq: u64) -> AlarmRecord {
    AlarmRecord {
        record_type: "alarm".into(),
        v: 1,
        seq,
        no: 47,
        id: "01JD".into(),
        key: "drop/orders/".into(),
        rev: 1,
        at: "2026-11-22T13:07:02.5Z".into(),
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
        minute: "2026-11-22T13:06:00Z".into(),
        onset: Some(
            ["2026-11-22T13:02:00Z", "2026-11-22T13:03:00Z", "2026-11-22T13:03:00Z"].map(str::to_owned),
        ),
        ended: None,
        observed: Some(12),
        observed_max: Some(13.0),
        expected: Some(540.2),
        low: Some(498.0),
        high: Some(585.0),
        since_onset: None,
        evidence: Some(41.7),
        threshold: Some(17.0),
        completeness: DataQuality { fraction: 0.998, late: 0.002, dropped: 0, rejected: 0, missing: vec![] },
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

pub(super) fn alarms_file() -> (Bytes, Written) {
    written(|out| write_alarms(&[record(9), record(8)], &footer(), out))
}

pub(super) fn marks_file() -> (Bytes, Written) {
    let mark = |id: &str, at: TimeUs| Mark {
        id: id.into(),
        kind: "deploy".into(),
        what: "checkout v42".into(),
        at,
        until: None,
        scope: Slice::of([("feature", "one-click")]),
        retracted: false,
        received: START.end(),
        by: "shop".into(),
    };
    written(|out| write_marks(&[mark("a", START.end()), mark("b", START.start())], &footer(), out))
}

pub(super) fn source(origin: &str, state: SourceState) -> SourceMinute {
    SourceMinute {
        source: SourceId(0),
        source_name: "shop".into(),
        origin: origin.into(),
        state,
        share: 0.5,
        completeness: 1.0,
        lost_upper: 2.0,
        missing_since: state.is_missing().then_some(START.start()),
    }
}

pub(super) fn sources_file() -> (Bytes, Written) {
    let (alive, silent) = (source("web-02", SourceState::Alive), source("web-01", SourceState::Silent));
    let row = |minute, source| SourceRowRef { minute, stream: "orders", source };
    written(|out| {
        write_sources(&[row(START.next(), &alive), row(START, &alive), row(START, &silent)], &footer(), out)
    })
}

pub(super) fn ledger_file() -> (Bytes, Written) {
    let mut ledger = Ledger::default();
    let key = |source, origin: &str| LedgerKey {
        arrival: START,
        source: SourceId(source),
        origin: origin.into(),
        stream: "orders".into(),
    };
    ledger.entry(key(1, "web-02")).received = 3;
    ledger.entry(key(1, "web-02")).counted = 3;
    ledger.entry(key(0, "")).reject(Reason::BadTime);
    ledger.entry(key(0, "")).bad.insert("amount".into(), 2);
    ledger.entry(key(0, "")).bad.insert("unlisted".into(), 1);
    let sources = ["shop".to_owned(), "logs".to_owned()];
    let bad_fields = bad_field_names(&[StreamSpec::example()]);
    let names = LedgerNames { sources: &sources, bad_fields: &bad_fields };
    written(|out| write_ledger(&ledger, names, &footer(), out))
}
