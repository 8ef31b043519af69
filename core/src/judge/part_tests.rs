//! One host of many: a balancer drains it, and nothing drops; one feature fails, and that does.

use std::sync::Arc;

use super::tests::{HISTORY, context, minute_with, streams};
use super::{Judge, JudgeContext};
use crate::alarm::{AlarmRecord, Because, Kind, Severity};
use crate::model::{Slice, SplitMix64, View};

/// Nine days of history, then half an hour in which `left` is what is left of marketplace and feature.
fn records(left: impl Fn(&str, &str) -> f64) -> Vec<AlarmRecord> {
    let mut judge = Judge::new(streams(), JudgeContext { view: View::Part, ..context() });
    let mut rng = SplitMix64::new(11);
    let mut records = Vec::new();
    let event = HISTORY + 60..HISTORY + 90;
    for at in 0..event.end + 60 {
        let mut sealed = minute_with(at, &mut rng, |_, _| None);
        if event.contains(&at) {
            let mut rows = sealed.rows.to_vec();
            for row in &mut rows {
                let kept = left(&row.key.dimensions[0], &row.key.dimensions[1]);
                row.count = (row.count as f64 * kept).round() as i64;
            }
            sealed.rows = rows.into_iter().collect();
        }
        records.extend(judge.judge(&Arc::new(sealed), crate::model::TimeUs(0)).records);
    }
    records
}

fn opened(records: &[AlarmRecord]) -> Vec<&AlarmRecord> {
    records.iter().filter(|record| record.because == Because::Opened).collect()
}

#[test]
fn what_falls_alike_is_traffic_and_no_drop() {
    let records = records(|_, _| 0.3);
    let opened = opened(&records);
    assert_eq!(opened.len(), 1, "{:?}", opened.iter().map(|r| &r.title).collect::<Vec<_>>());
    let traffic = opened[0];
    assert_eq!((traffic.kind, traffic.severity), (Kind::Traffic, Severity::Ticket));
    assert_eq!((&traffic.lost, &traffic.losing), (&None, &None));
    assert!(traffic.title.starts_with("[web-01 only] all slices -"), "{}", traffic.title);
    assert!(traffic.title.ends_with("this host can't tell"), "{}", traffic.title);
    assert!(records.iter().all(|record| record.severity == Severity::Ticket));
    assert_eq!(records.last().unwrap().because, Because::Resolved);
}

#[test]
fn a_share_that_falls_is_a_drop_even_while_the_host_is_drained() {
    let records = records(|market, feature| if (market, feature) == ("US", "one-click") { 0.0 } else { 0.5 });
    let opened = opened(&records);
    let drop = opened.iter().find(|record| record.kind == Kind::Drop).expect("a drop");
    assert!(
        drop.slice.contains(&Slice::of([("marketplace", "US"), ("feature", "one-click")])),
        "{}",
        drop.title
    );
    assert!(drop.slice.0.contains_key("feature"), "{}", drop.title);
    assert!(drop.title.starts_with("[web-01 only] "), "{}", drop.title);
    assert!(opened.iter().filter(|record| record.kind == Kind::Drop).count() == 1, "{opened:?}");
}

#[test]
fn a_calm_host_has_no_alarm() {
    assert!(records(|_, _| 1.0).is_empty());
}
