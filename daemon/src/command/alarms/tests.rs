//! What a person sees of alarms, at 80 and at 200 columns.

use ebbd_core::alarm::{AlarmRecord, HeldSilence};
use ebbd_core::columns::StoredVerdict;
use ebbd_core::detect::Verdict;
use ebbd_core::model::{Label, Minute, Silence, Silenced, Slice, TimeUs};
use ebbd_core::report::watch::Style;
use jiff::tz::TimeZone;

use super::act::changed;
use super::list::{silences_text, table};
use super::show::{Told, text};
use super::weeks::WeekAgo;
use crate::control::{AlarmsKnown, Labelled};

fn at(text: &str) -> TimeUs {
    ebbd_core::alarm::block::instant(text).unwrap()
}

fn style(width: usize) -> Style {
    Style { zone: TimeZone::get("Europe/Berlin").unwrap(), width, colour: false }
}

fn firing() -> AlarmRecord {
    let record = r#"{
        "type": "alarm", "v": 1, "seq": 4711, "no": 47, "id": "01KAP4VM40000000000000000A",
        "key": "drop/orders/feature=one-click,marketplace=US", "rev": 1, "at": "2026-11-22T13:06:02Z",
        "host": "web-01", "view": "whole", "state": "firing", "kind": "drop", "severity": "page",
        "notify": "page", "because": "opened", "stream": "orders",
        "slice": {"feature": "one-click", "marketplace": "US"},
        "title": "US / one-click: orders -98 % since 13:03 UTC", "text": "", "minute": "2026-11-22T13:05:00Z",
        "onset": ["2026-11-22T13:02:00Z", "2026-11-22T13:03:00Z", "2026-11-22T13:03:00Z"], "ended": null,
        "observed": 12, "observed_max": 13.0, "expected": 540.2, "low": 498.0, "high": 585.0,
        "since_onset": {"minutes": 3, "observed": 39, "expected": 1620.0}, "evidence": 18.2, "threshold": 17.0,
        "completeness": {"fraction": 1.0, "late": 0.0, "dropped": 0, "rejected": 0, "missing": []},
        "losing": {"orders_per_min": 528.0, "amount_per_min": {"USD": 10300.0}},
        "lost": {"through": "2026-11-22T13:05:00Z", "orders": [1480.0, 1580.0, 1690.0],
            "amount": {"USD": [28900.0, 30900.0, 32900.0]}, "customers": null, "recovered_later": 0.0,
            "method": "expected minus observed since the onset"},
        "causes": [{"slice": {"feature": "one-click", "marketplace": "US"}, "explains": 0.97, "observed": 12.0,
            "expected": 540.2, "effect": [0.96, 0.98, 0.99], "refined": null}],
        "unexplained": 0.03,
        "changes": [{"kind": "deploy", "what": "checkout v42", "at": "2026-11-22T13:02:10Z", "score": 0.91,
            "why": "50 s before onset, same scope"}],
        "changes_note": "no other marker within 30 min", "early": false, "late": false, "durable": true,
        "acked": null, "silenced_until": null, "label": null, "reason": null, "config": "9f3c",
        "url": "http://127.0.0.1:7780/alarms/47"}"#;
    serde_json::from_str(record).unwrap()
}

fn acked() -> AlarmRecord {
    let mut record = firing();
    (record.seq, record.rev, record.at) = (4712, 2, "2026-11-22T13:08:20Z".to_owned());
    record.because = ebbd_core::alarm::Because::Acked;
    record.notify = ebbd_core::alarm::Notify::None;
    record.acked = Some("2026-11-22T13:08:20Z ann: rolling \u{1b}[31mback".to_owned());
    record.silenced_until = Some("2026-11-22T15:00:00Z".to_owned());
    record.evidence = Some(34.0);
    record
}

fn over() -> AlarmRecord {
    let mut record = firing();
    (record.no, record.state) = (46, ebbd_core::alarm::State::Resolved);
    record.ended = Some("2026-11-22T13:41:00Z".to_owned());
    record.title = "US / one-click: orders +3 % since 13:03 UTC".to_owned();
    record.label = Some("real".to_owned());
    record.losing = None;
    record
}

fn known() -> AlarmsKnown {
    AlarmsKnown {
        now: at("2026-11-22T13:09:00Z"),
        open: vec![acked()],
        over: vec![over()],
        silences: Vec::new(),
    }
}

fn fits(text: &str, width: usize) {
    for line in text.lines() {
        assert!(line.chars().count() <= width, "{line}");
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }
}

#[test]
fn a_list_has_two_lines_an_alarm() {
    for width in [80, 200] {
        fits(&table(&known(), 3, &style(width)), width);
    }
    insta::assert_snapshot!(table(&known(), 3, &style(80)), @r"
      47  page firing          US / one-click: orders -98 %
          14:03 CET (6 min); losing 528/min; lost 1.6k orders; acked 14:08 ann: rol…
      46  page resolved        US / one-click: orders -98 %
          14:03 CET (38 min); lost 1.6k orders; labelled real
    and 3 before: ebbd alarms list --all
    ");
    assert_eq!(table(&AlarmsKnown::default(), 0, &style(80)), "no alarm yet\n");
}

#[test]
fn silences_say_how_long_they_last() {
    let silence = |what, until: &str, text: &str| Silence {
        what,
        since: at("2026-11-22T13:00:00Z"),
        until: at(until),
        by: "ann".to_owned(),
        text: text.to_owned(),
    };
    let us = Silenced::Slice { stream: None, slice: Slice::of([("marketplace", "US")]) };
    let whole = Silenced::Slice { stream: Some("orders".to_owned()), slice: Slice::default() };
    let held = [
        HeldSilence { id: 1, silence: silence(us, "2026-11-22T15:00:00Z", "planned stop") },
        HeldSilence { id: 12, silence: silence(whole, "2026-11-23T13:09:00Z", "") },
    ];
    let told = silences_text(&held, at("2026-11-22T13:09:00Z"), &style(80));
    fits(&told, 80);
    insta::assert_snapshot!(told, @r"
      ID  UNTIL             LEFT         WHAT
       1  16:00 CET         111 min      marketplace=US, by ann: planned stop
      12  Nov 23 14:09 CET  24 h 00 min  everything of orders, by ann
    ");
}

#[test]
fn show_says_everything_at_both_widths() {
    let week = |day: &str, observed: Option<i64>| WeekAgo {
        minute: at(day).minute(),
        verdict: observed.map(|observed| StoredVerdict {
            minute: at(day).minute(),
            slice: std::sync::Arc::new(firing().slice),
            verdict: Verdict::Ok,
            observed: Some(observed),
            observed_max: Some(observed as f64),
            expected: Some(541.0),
            low: Some(499.0),
            high: Some(586.0),
            completeness: 1.0,
            evidence: 0.0,
            revision: 0,
            judged_at: at(day),
            host: "web-01".into(),
        }),
        counted: Some(530).filter(|_| day.contains("-08")),
    };
    let weeks = vec![
        week("2026-11-15T13:05:00Z", Some(552)),
        week("2026-11-08T13:05:00Z", None),
        week("2026-11-01T13:05:00Z", None),
    ];
    let told = Told { records: vec![firing(), acked()], weeks };
    fits(&text(&told, &style(200)), 200);
    let narrow = text(&told, &style(80));
    fits(&narrow, 80);
    insta::assert_snapshot!(narrow, @r#"
    PAGE 47  US / one-click: orders -98 %  since 14:03 CET (3 min)
        LOSING 528/min, 10.3k USD/min
      now 12/min, expected 540 (498-585); so far 1.6k orders, 31k USD;
        the rest of the shop is normal
      suspect  deploy "checkout v42" 14:02:10, 50 s before, same scope; no other
               marker within 30 min
      data     100 %: every source is heard
      next     ebbd alarms show 47 | ack 47 | silence 47 --for 2h
               waiting 15 min more: ~154k USD

      state    page firing, as of 14:08:20, acked
      acked    14:08 by ann: rolling \u{1b}[31mback
      silenced until 16:00 CET
      onset    14:03 CET, between 14:02 and 14:03
      evidence 34.0 nats at the most against a bar of 17.0: clearly over
      lost     1.6k orders (1.5-1.7k), 30.9k USD (28.9-32.9k); expected minus
               observed since the onset
      cause    feature=one-click,marketplace=US: explains 97 %, 98 % of it gone
               (96-99)
      change   deploy "checkout v42" 14:02:10, 50 s before onset, same scope (score
               0.91)
      key      drop/orders/feature=one-click,marketplace=US
      id       01KAP4VM40000000000000000A   revision 2   configuration 9f3c
      url      http://127.0.0.1:7780/alarms/47

    THE SAME MINUTE of feature=one-click,marketplace=US
      14:05 CET                12  expected 540     (498-585)          this alarm
      Nov 15 14:05 CET        552  expected 541     (499-586)          ok
      Nov 8 14:05 CET         530                                      not judged
      Nov 1 14:05 CET    not kept

    HISTORY
      14:06:02         opened          page    US / one-click: orders -98 %
      14:08:20         acked           none    US / one-click: orders -98 %
    "#);
}

#[test]
fn a_label_says_what_it_changes_and_until_when() {
    let now = "2026-11-22T13:09:00Z";
    let said = |label, masked_half_hours, raised_slices| {
        let raised_until = (raised_slices > 0).then(|| Minute(29_932_629).to_string());
        let labelled = Labelled { record: over(), masked_half_hours, raised_slices, raised_until };
        changed(label, &labelled, now, &TimeZone::UTC)
    };
    let raised = said(Some(Label::False), 0, 3);
    assert_eq!(
        raised,
        "46 is labelled false: the bar of 3 slices is half as high again until 2026-11-29 13:09 UTC"
    );
    assert!(said(Some(Label::Expected), 12, 0).contains("12 half-hours of its slices are kept out"));
    assert!(said(Some(Label::Expected), 0, 0).contains("no baseline knows of it any more"));
    assert!(said(Some(Label::Real), 0, 0).contains("does not count as a false alarm"));
    assert!(said(None, 0, 0).contains("taken back"));
}
