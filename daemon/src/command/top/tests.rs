//! What a person sees, at 80 columns and 24 rows and at 200 and 50.

use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use super::*;
use crate::outlet::tests::record;
use crate::outlet::{MinuteNow, SliceNow, StreamNow};
use crate::telemetry::{LedgerStatus, OriginStatus, SourceStatus, StatusReport, StreamStatus};
use ebbd_core::alarm::State;

fn minute(observed: Option<i64>, verdict: &str) -> MinuteNow {
    MinuteNow {
        minute: "2026-11-22T13:06:00Z".to_owned(),
        observed,
        expected: Some(540.2),
        low: Some(498.0),
        high: Some(585.0),
        completeness: Some(0.96),
        verdict: Some(verdict.to_owned()),
    }
}

fn slice(title: &str, observed: i64, verdict: &str) -> SliceNow {
    let since = (verdict == "drop").then(|| "2026-11-22T13:03:00Z".to_owned());
    SliceNow { title: title.to_owned(), since, now: minute(Some(observed), verdict), ..SliceNow::default() }
}

fn report() -> NowReport {
    let mut minutes = vec![minute(Some(540), "ok"); 170];
    minutes.extend([minute(None, "no_data"), minute(Some(270), "incomplete"), minute(Some(12), "drop")]);
    let mut worst = vec![slice("US / one-click \u{1b}[2J", 12, "drop")];
    worst.extend((0..40).map(|n| slice(&format!("slice {n}"), 540, "ok")));
    let origins = ["alive", "silent"].map(|state| OriginStatus {
        name: format!("web-{state}"),
        state: state.to_owned(),
        share: 0.04,
        last: Some("2026-11-22T13:02:00Z".to_owned()),
        ..OriginStatus::default()
    });
    let source = SourceStatus {
        name: "shop".to_owned(),
        state: "alive".to_owned(),
        origins: origins.into(),
        ..SourceStatus::default()
    };
    let orders = StreamStatus {
        name: "orders".to_owned(),
        counted: 18_204,
        complete_to: Some("2026-11-22T13:07:00Z".to_owned()),
        completeness: Some(0.96),
        ..StreamStatus::default()
    };
    let status = StatusReport {
        host: "web-01".to_owned(),
        state: "ready".to_owned(),
        now: "2026-11-22T13:07:20Z".to_owned(),
        uptime_s: 11_530,
        streams: vec![orders],
        sources: vec![source],
        ledger: LedgerStatus { received: 18_213, counted: 18_213, balances: true, ..LedgerStatus::default() },
        ..StatusReport::default()
    };
    let verdicts = [("drop".to_owned(), 1), ("ok".to_owned(), 40)].into();
    let stream = StreamNow { stream: "orders".to_owned(), verdicts, minutes, worst };
    NowReport { v: 1, status, streams: vec![stream], open: vec![record(1, 47, State::Firing)] }
}

fn drawn(report: &NowReport, width: usize, rows: usize) -> String {
    let style = Style { zone: TimeZone::UTC, width, colour: false };
    let mut rates = Rates::default();
    let begun = Instant::now();
    let mut before = report.clone();
    before.status.streams[0].counted -= 100;
    rates.note(&before, begun);
    rates.note(report, begun + Duration::from_secs(2));
    let lines = frame(&Shown { report, rates: &rates, silent: None, live: true }, &style, rows);
    assert!(lines.len() <= rows, "{lines:#?}");
    assert!(lines.iter().all(|line| line.chars().count() <= width && !line.contains('\u{1b}')), "{lines:#?}");
    lines.join("\n")
}

#[test]
fn what_matters_fits_80_by_24() {
    insta::assert_snapshot!(drawn(&report(), 80, 24));
}

#[test]
fn there_is_more_to_see_at_200_by_50() {
    let (wide, narrow) = (drawn(&report(), 200, 50), drawn(&report(), 80, 24));
    assert!(wide.contains("slice 30") && !narrow.contains("slice 30"), "{wide}");
    assert!(wide.contains("last 173 min"), "{wide}");
}

#[test]
fn any_size_is_kept_to() {
    let mut crowded = report();
    crowded.open = (0..30).map(|no| record(no, no, State::Firing)).collect();
    for (width, rows) in [(80, 24), (20, 5), (1, 1), (61, 10), (200, 200)] {
        drawn(&crowded, width, rows);
    }
    assert!(drawn(&crowded, 80, 24).contains("more alarms: ebbd alarms list"));
    assert!(drawn(&crowded, 80, 24).contains("SLICES"), "slices have room, too");
}

#[test]
fn trouble_is_told_first_and_in_colour_where_it_is_wanted() {
    let mut report = report();
    report.status.degraded = vec!["the disk is full".to_owned()];
    report.status.ledger.balances = false;
    let style = Style { zone: TimeZone::UTC, width: 80, colour: true };
    let shown = Shown {
        report: &report,
        rates: &Rates::default(),
        silent: Some("no daemon answers at x"),
        live: true,
    };
    let lines = frame(&shown, &style, 24);
    assert!(lines[1].contains("\x1b[1;31mNO ANSWER: no daemon answers at x"), "{lines:#?}");
    assert!(lines[2].contains("\x1b[1;31mDEGRADED: the disk is full"), "{lines:#?}");
    assert!(lines.last().unwrap().contains("DOES NOT BALANCE"), "{lines:#?}");
    assert!(
        lines.iter().any(|line| line.contains("\x1b[1;31m▁")),
        "the minute of the drop is red: {lines:#?}"
    );
}

#[test]
fn only_who_can_press_a_key_is_told_of_it() {
    let (report, style) = (report(), Style::plain());
    let head =
        |live| frame(&Shown { report: &report, rates: &Rates::default(), silent: None, live }, &style, 1);
    assert!(head(true)[0].ends_with(" UTC   q quits"), "{:?}", head(true));
    assert!(head(false)[0].ends_with(" UTC"), "{:?}", head(false));
}

#[test]
fn a_daemon_that_has_judged_nothing_is_shown_too() {
    let report = NowReport {
        status: StatusReport { streams: vec![StreamStatus::default()], ..StatusReport::default() },
        ..NowReport::default()
    };
    let style = Style { zone: TimeZone::UTC, width: 80, colour: false };
    let shown = Shown { report: &report, rates: &Rates::default(), silent: None, live: true };
    assert!(frame(&shown, &style, 24).join("\n").contains("no minute judged yet"));
}
