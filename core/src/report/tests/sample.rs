//! Records to lay out: those of the interface's own examples.

use std::collections::BTreeMap;

use crate::alarm::{
    AlarmRecord, Because, Cause, Change, DataQuality, Kind, Losing, Lost, MissingPart, Notify, Severity,
    SinceOnsetPart, State,
};
use crate::model::Slice;

fn money(amount: f64) -> BTreeMap<String, f64> {
    BTreeMap::from([("USD".to_owned(), amount)])
}

pub fn utc(time: &str) -> String {
    format!("2026-11-22T{time}Z")
}

/// The alarm of the interface page, four minutes old.
pub fn page() -> AlarmRecord {
    let slice = Slice::of([("feature", "one-click"), ("marketplace", "US")]);
    AlarmRecord {
        record_type: "alarm".to_owned(),
        v: 1,
        seq: 4711,
        no: 47,
        id: "01JD".to_owned(),
        key: "drop/orders/feature=one-click,marketplace=US".to_owned(),
        rev: 1,
        at: utc("13:07:02"),
        host: "web-01".to_owned(),
        view: "whole".to_owned(),
        state: State::Firing,
        kind: Kind::Drop,
        severity: Severity::Page,
        notify: Notify::Page,
        because: Because::Opened,
        stream: "orders".to_owned(),
        slice: slice.clone(),
        title: "US / one-click: orders -98 % since 13:03 UTC".to_owned(),
        text: String::new(),
        minute: utc("13:06:00"),
        onset: Some([utc("13:02:00"), utc("13:03:00"), utc("13:03:00")]),
        ended: None,
        observed: Some(12),
        observed_max: Some(13.0),
        expected: Some(540.2),
        low: Some(498.0),
        high: Some(585.0),
        since_onset: Some(SinceOnsetPart { minutes: 4, observed: 51, expected: 2161.0 }),
        evidence: Some(41.7),
        threshold: Some(17.0),
        completeness: quality(),
        losing: Some(Losing { orders_per_min: 528.0, amount_per_min: money(10_300.0) }),
        lost: Some(Lost {
            through: utc("13:06:00"),
            orders: Some([2010.0, 2110.0, 2205.0]),
            amount: BTreeMap::from([("USD".to_owned(), [38_900.0, 41_200.0, 43_600.0])]),
            customers: None,
            recovered_later: 0.0,
            method: "m".to_owned(),
        }),
        causes: vec![Cause {
            slice,
            explains: 0.97,
            observed: 12.0,
            expected: 540.2,
            effect: [0.96, 0.98, 0.99],
            refined: None,
        }],
        unexplained: Some(0.03),
        changes: vec![deploy()],
        changes_note: Some("no other marker within 30 min".to_owned()),
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

fn quality() -> DataQuality {
    let missing = MissingPart { origin: "web-03".to_owned(), since: utc("13:02:00"), share: 0.04 };
    DataQuality { fraction: 0.96, late: 0.002, dropped: 0, rejected: 0, missing: vec![missing] }
}

fn deploy() -> Change {
    Change {
        kind: "deploy".to_owned(),
        what: "checkout v42".to_owned(),
        at: utc("13:02:10"),
        score: 0.91,
        why: "50 s before onset, same scope".to_owned(),
    }
}

/// The same alarm after it was over.
pub fn resolved() -> AlarmRecord {
    let rollback = Change {
        kind: "rollback".to_owned(),
        at: utc("13:38:00"),
        why: "3 min before it came back, same scope".to_owned(),
        ..deploy()
    };
    let mut record = AlarmRecord {
        state: State::Resolved,
        because: Because::Resolved,
        notify: Notify::Ticket,
        at: utc("13:44:02"),
        minute: utc("13:43:00"),
        ended: Some(utc("13:41:00")),
        changes: vec![deploy(), rollback],
        ..page()
    };
    if let Some(lost) = &mut record.lost {
        lost.orders = Some([19_400.0, 20_100.0, 20_800.0]);
        lost.amount = BTreeMap::from([("USD".to_owned(), [380_000.0, 391_000.0, 402_000.0])]);
    }
    record
}

/// A later record of the same alarm, at a time of day.
pub fn later(because: Because, at: &str, reason: Option<&str>) -> AlarmRecord {
    let state = match because {
        Because::Blind => State::FiringBlind,
        Because::Recovering => State::Recovering,
        Because::Withdrawn => State::Withdrawn,
        _ => State::Firing,
    };
    let minute = utc(&format!("{}:00", &at[..5]));
    AlarmRecord { because, state, at: utc(at), minute, reason: reason.map(str::to_owned), ..page() }
}

/// Missing data.
pub fn no_data(title: &str) -> AlarmRecord {
    AlarmRecord {
        no: 48,
        kind: Kind::NoData,
        severity: Severity::Ticket,
        slice: Slice::default(),
        title: title.to_owned(),
        onset: Some([utc("13:02:00"), utc("13:02:00"), utc("13:02:00")]),
        losing: None,
        lost: None,
        causes: Vec::new(),
        unexplained: None,
        changes: Vec::new(),
        ..page()
    }
}
