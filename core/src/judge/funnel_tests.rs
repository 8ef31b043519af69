//! Orders come in and can't be shipped: a funnel's alarm, and not when there are fewer orders.

use std::sync::Arc;

use super::tests::context;
use super::{Judge, JudgeContext, JudgeState};
use crate::alarm::{AlarmRecord, Because, Kind, Severity};
use crate::detect::{FunnelShop, sealed_of_funnel};
use crate::model::{FunnelDimension, FunnelSpec, Minute, Slice, StreamId, StreamSpec};

const BEGIN: Minute = Minute(29_900_000);
const OUTAGE: std::ops::Range<i32> = 5 * 1440..5 * 1440 + 60;

fn streams() -> Arc<[StreamSpec]> {
    let shipments = StreamSpec { name: "shipments".to_owned(), ..StreamSpec::example() };
    Arc::from([StreamSpec::example(), shipments])
}

fn funnel_context() -> JudgeContext {
    let by = FunnelDimension { name: "marketplace".to_owned(), from: 0, to: 0 };
    let funnel = FunnelSpec {
        name: "shipped".to_owned(),
        from: StreamId(0),
        to: StreamId(1),
        by: vec![by],
        within_min: 240,
    };
    JudgeContext { funnels: vec![funnel], ..context() }
}

/// Five days of history, then an hour in which few of the US orders are shipped, then two more.
fn records(restart_at: Option<i32>) -> Vec<AlarmRecord> {
    let mut judge = Judge::new(streams(), funnel_context());
    let mut shop = FunnelShop::new(3);
    let mut records = Vec::new();
    for at in 0..OUTAGE.end + 120 {
        let shipped = if OUTAGE.contains(&at) { [1.0, 0.1] } else { [1.0; 2] };
        let (came, follow) = shop.minute(at, 1.0, shipped);
        let (minute, now) = (BEGIN.plus(at), BEGIN.plus(at + 1).start());
        let both = [sealed_of_funnel(0, minute, came), sealed_of_funnel(1, minute, follow)];
        for sealed in &both {
            records.extend(judge.judge(sealed, now).records);
        }
        if restart_at == Some(at) {
            let text = serde_json::to_string(&judge.save()).unwrap();
            let state: JudgeState = serde_json::from_str(&text).unwrap();
            judge = Judge::restore(streams(), funnel_context(), state).unwrap();
        }
    }
    records
}

#[test]
fn what_does_not_follow_is_an_alarm_of_its_own() {
    let records = records(None);
    let us = Slice::of([("marketplace", "US")]);
    let first = records.iter().find(|record| record.kind == Kind::Funnel).expect("a funnel's alarm");
    assert_eq!((first.because, first.severity), (Because::Opened, Severity::Page));
    assert_eq!((&*first.stream, &first.slice), ("shipments", &us));
    assert_eq!(first.key, "funnel/shipped/marketplace=US");
    assert!(first.title.starts_with("US: shipments per orders -"), "{}", first.title);
    assert!(first.text.contains("now ") && first.text.contains("expected "), "{}", first.text);
    assert!(first.minute < BEGIN.plus(OUTAGE.start + 8).to_string(), "{}", first.minute);
    let over = |record: &&AlarmRecord| record.no == first.no && record.because == Because::Resolved;
    let last = records.iter().rfind(over).expect("it ends");
    let lost = last.lost.as_ref().and_then(|lost| lost.orders).unwrap();
    assert!((3_000.0..9_000.0).contains(&lost[1]), "about 90 % of an hour's 100 a minute: {lost:?}");
}

#[test]
fn a_restart_amid_it_changes_no_record() {
    assert_eq!(records(None), records(Some(OUTAGE.start + 20)));
}

#[test]
fn a_state_without_funnels_is_read() {
    let mut state = serde_json::to_value(Judge::new(streams(), context()).save()).unwrap();
    state.as_object_mut().unwrap().remove("funnels");
    let state: JudgeState = serde_json::from_value(state).unwrap();
    assert!(Judge::restore(streams(), funnel_context(), state).is_ok());
}
