//! The outlets over real sockets.

mod alarm_socket;
mod crowd;
mod dashboard;
mod http;
mod live;
mod outbound;
mod peer;

use std::collections::BTreeMap;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ebbd_core::alarm::{AlarmRecord, Because, DataQuality, Kind, Notify, Severity, State};
use ebbd_core::detect::{Drift, SinceOnset, SliceVerdict, Verdict};
use ebbd_core::model::{Slice, SliceId};

use super::{AlarmHub, AlarmSocketOptions, Board, Outlets};
use crate::telemetry::Telemetry;

/// Quick heartbeats, so that tests are quick.
fn quick() -> AlarmSocketOptions {
    AlarmSocketOptions {
        heartbeat: Duration::from_millis(300),
        select_within: Duration::from_millis(100),
        ..AlarmSocketOptions::default()
    }
}

/// A served alarm socket.
struct Served {
    hub: Arc<AlarmHub>,
    board: Arc<Board>,
    telemetry: Arc<Telemetry>,
    outlets: Outlets,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Served {
    fn with(options: AlarmSocketOptions, ring_records: usize) -> Served {
        let telemetry = Arc::new(Telemetry::new(&["shop"], &["orders"], 1));
        let hub = AlarmHub::bounded(Arc::clone(&telemetry), ring_records, 8 << 20);
        let outlets = Outlets::start(Arc::clone(&hub), Arc::clone(&telemetry)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alarms.sock");
        outlets.serve_alarms(UnixListener::bind(&path).unwrap(), options).unwrap();
        let board = Board::new(Arc::clone(&telemetry));
        Served { hub, board, telemetry, outlets, path, _folder: folder }
    }
}

/// A slice's minute of which ten were expected.
pub(crate) fn verdict(observed: i64, word: Verdict) -> SliceVerdict {
    SliceVerdict {
        slice: SliceId(0),
        verdict: word,
        observed: Some(observed),
        observed_max: None,
        expected: Some(10.0),
        low: Some(5.0),
        high: Some(15.0),
        completeness: 1.0,
        evidence: 0.0,
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

/// Record `seq` of alarm `no`.
pub(crate) fn record(seq: u64, no: u64, state: State) -> AlarmRecord {
    AlarmRecord {
        record_type: "alarm".to_owned(),
        v: 1,
        seq,
        no,
        id: format!("id-{no}"),
        key: "drop/orders/".to_owned(),
        rev: 1,
        at: "2026-11-22T13:07:02Z".to_owned(),
        host: "web-01".to_owned(),
        view: "whole".to_owned(),
        state,
        kind: Kind::Drop,
        severity: Severity::Page,
        notify: Notify::Page,
        because: if state == State::Resolved { Because::Resolved } else { Because::Opened },
        stream: "orders".to_owned(),
        slice: Slice::of([("marketplace", "US")]),
        title: "US: orders -98 % since 13:03 UTC".to_owned(),
        text: String::new(),
        minute: "2026-11-22T13:06:00Z".to_owned(),
        onset: None,
        ended: None,
        observed: Some(12),
        observed_max: Some(13.0),
        expected: Some(540.2),
        low: Some(498.0),
        high: Some(585.0),
        since_onset: None,
        evidence: Some(41.7),
        threshold: Some(17.0),
        completeness: DataQuality { fraction: 1.0, late: 0.0, dropped: 0, rejected: 0, missing: Vec::new() },
        losing: None,
        lost: None,
        causes: Vec::new(),
        unexplained: None,
        changes: Vec::new(),
        changes_note: None,
        early: false,
        late: false,
        durable: true,
        acked: None,
        silenced_until: None,
        label: None,
        reason: None,
        config: "9f3c".to_owned(),
        url: None,
    }
}

fn fractions(pairs: &[(&str, f64)]) -> BTreeMap<String, f64> {
    pairs.iter().map(|(stream, fraction)| ((*stream).to_owned(), *fraction)).collect()
}
