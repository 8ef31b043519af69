//! What a person sees.

use ebbd_core::model::Slice;
use jiff::tz::TimeZone;

use super::text::status;
use crate::telemetry::{
    AlarmSummary, BudgetStatus, CalendarStatus, LatencyStatus, LearningStatus, LedgerStatus, OriginStatus,
    QueueStatus, SendersStatus, SourceStatus, StatusReport, StreamStatus,
};

fn learning() -> LearningStatus {
    let until = Some("2026-11-27T09:03:00Z".to_owned());
    LearningStatus { slices: 88, learning: 12, minutes: 4_560, minutes_needed: 11_520, until }
}

fn calendar() -> Vec<CalendarStatus> {
    let slice = Slice::of([("marketplace", "DE")]);
    let until = "2026-11-22T23:00:00Z".to_owned();
    vec![CalendarStatus { name: "Totensonntag".to_owned(), slice, until }]
}

fn report() -> StatusReport {
    let orders = StreamStatus {
        name: "orders".to_owned(),
        counted: 18_204,
        complete_to: Some("2026-11-22T13:03:00Z".to_owned()),
        completeness: Some(0.96),
        learning: learning(),
        ..StreamStatus::default()
    };
    let origin = |name: &str, state: &str, share| OriginStatus {
        name: name.to_owned(),
        state: state.to_owned(),
        expected: name == "web-03",
        lag_ms: (state == "alive").then_some(210.0),
        share,
        last: Some("2026-11-22T13:02:00Z".to_owned()),
    };
    let shop = SourceStatus {
        name: "shop".to_owned(),
        kind: "unix".to_owned(),
        state: "alive".to_owned(),
        lag_ms: Some(212.0),
        lines: 18_210,
        connections: 3,
        origins: vec![origin("web-01", "alive", 0.96), origin("web-03", "silent", 0.04)],
        ..SourceStatus::default()
    };
    let ledger = LedgerStatus {
        received: 18_213,
        counted: 18_204,
        control: 6,
        rejected: [("bad_time".to_owned(), 3)].into(),
        balances: true,
        ..LedgerStatus::default()
    };
    let queue = |name: &str, depth| QueueStatus { name: name.to_owned(), depth, capacity: 64, full: depth };
    let latency = |name: &str, p50_ms| LatencyStatus {
        name: name.to_owned(),
        count: 10,
        p50_ms,
        p99_ms: p50_ms * 3.0,
        p999_ms: p50_ms * 4.0,
        max_ms: p50_ms * 5.0,
    };
    let alarm = AlarmSummary {
        no: 47,
        state: "firing".to_owned(),
        severity: "page".to_owned(),
        title: "US / one-click: orders -98 % since 13:03 UTC".to_owned(),
        since: Some("2026-11-22T13:03:00Z".to_owned()),
    };
    StatusReport {
        v: 1,
        version: "0.1.0".to_owned(),
        host: "web-01".to_owned(),
        state: "ready".to_owned(),
        now: "2026-11-22T13:03:20Z".to_owned(),
        uptime_s: 11_530,
        streams: vec![orders],
        sources: vec![shop],
        ledger,
        queues: vec![queue("lane-0", 0), queue("lane-1", 7)],
        latencies: vec![latency("block counted", 1.2), latency("epoch", 0.3), latency("alarm", 21.0)],
        budget: BudgetStatus { per_week: 1.0, ..BudgetStatus::default() },
        alarms: vec![alarm],
        calendar: calendar(),
        subscribers: 2,
        ..StatusReport { recovery_s: 0.41, ..StatusReport::default() }
    }
}

#[test]
fn the_streams_come_first_and_all_fits_80_columns() {
    let text = status(&report(), &TimeZone::UTC);
    insta::assert_snapshot!(text, @r"
    orders: 18,204 counted, 0 rejected, complete to 13:03 UTC (96 % arrived)

    SOURCE    TYPE           STATE            LAG        LINES  REJECTED  OPEN
    shop      unix           alive         212 ms       18,210         0     3
      web-01                 alive       210 ms behind, 96 % of events
      web-03                 silent      last 13:02 UTC, 4 % of events, expected

    ledger    18,213 received = 18,204 counted + 6 control + 3 rejected   bad_time 3
    queues    lane-0 0/64   lane-1 7/64 (full 7 times)
    latency   block counted 1.2 ms (p99 3.6 ms, max 6.0 ms)
              epoch 0.3 ms (p99 0.9 ms, max 1.5 ms)
              alarm 21 ms (p99 63 ms, max 105 ms)
    learning  orders: 12 of 88 slices still learning until 2026-11-27 09:03 UTC (3 d
              4 h of 8 d seen)
    calendar  Totensonntag is declared for marketplace=DE until 23:00 UTC
    budget    1 false alarm a week allowed, the achieved rate is not known yet
    alarms    page 47 firing: US / one-click: orders -98 % since 13:03 UTC
    daemon    ebbd 0.1.0 on web-01   ready   up 3 h 12 min   recovered in 410 ms
              2 watch the alarms
    ");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn trouble_is_not_hidden() {
    let mut report = report();
    let words = "the disk is full since 13:01 UTC; counting goes on in memory, acks have stopped";
    report.degraded = vec![words.to_owned()];
    report.ledger.balances = false;
    report.alarms.clear();
    report.streams[0].complete_to = None;
    let text = status(&report, &TimeZone::UTC);
    assert!(text.contains("\nDEGRADED  the disk is full since 13:01 UTC; counting"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("DOES NOT BALANCE") && text.contains("none open"), "{text}");
    assert!(text.starts_with("orders: 18,204 counted, 0 rejected, no minute complete yet"), "{text}");
}

#[test]
fn the_achieved_rate_says_how_sure_it_is() {
    let mut report = report();
    report.budget = BudgetStatus {
        per_week: 1.0,
        achieved_per_week: Some(0.952),
        achieved_interval: Some([0.17, 3.0]),
        weeks: 2.1,
        pages: 3,
        unlabelled: 2,
    };
    let text = status(&report, &TimeZone::UTC);
    let told = "budget    1 false alarm a week allowed, 1.0 achieved [0.2-3.0] in 2.1 weeks (3";
    assert!(text.contains(told) && text.contains("pages, 2 of them not labelled)"), "{text}");
    report.budget.weeks = 0.1;
    assert!(status(&report, &TimeZone::UTC).contains("not known yet"));
}

#[test]
fn senders_and_writers_are_told_where_there_are_some() {
    let mut report = report();
    report.senders = SendersStatus {
        known: 12,
        speaking: 3,
        greeted: 40,
        acked_lines: 6_200,
        errors: [("fenced".to_owned(), 2)].into(),
    };
    report.sources[0].answers = [("204".to_owned(), 1_200), ("400".to_owned(), 3)].into();
    let text = status(&report, &TimeZone::UTC);
    assert!(text.contains("\nsenders   3 open, 12 known   6,200 lines acknowledged   fenced 2\n"), "{text}");
    assert!(text.contains("\nanswers   shop   204: 1,200, 400: 3\n"), "{text}");
}

#[test]
fn an_empty_daemon_has_a_status_too() {
    let text = status(&StatusReport::default(), &TimeZone::UTC);
    assert!(text.contains("SOURCE") && text.contains("0 received = 0 counted"), "{text}");
}
