//! Drops: opening, joining, spreading, going blind, recovering, ending, coming back.

use super::stage::Says::*;
use super::stage::{Says, Stage, slice, told};
use crate::alarm::{Because, Notify, Severity, State};

const CLICK: &str = "feature=one-click";
const US: &str = "marketplace=US";
const DE: &str = "marketplace=DE";
const US_CLICK: &str = "marketplace=US,feature=one-click";
const DE_CLICK: &str = "marketplace=DE,feature=one-click";

const WELL: [(&str, Says); 6] = [
    ("", Ok(1000, 1000.0)),
    (US, Ok(700, 700.0)),
    (DE, Ok(300, 300.0)),
    (CLICK, Ok(200, 200.0)),
    (US_CLICK, Ok(140, 140.0)),
    (DE_CLICK, Ok(60, 60.0)),
];

/// Everything well but the named slices.
fn but(says: &[(&'static str, Says)]) -> Vec<(&'static str, Says)> {
    let said = |slice: &str| says.iter().find(|(other, _)| *other == slice).map(|(_, says)| *says);
    WELL.iter().map(|(slice, well)| (*slice, said(slice).unwrap_or(*well))).collect()
}

#[test]
fn one_outage_in_three_slices_is_one_alarm_about_the_narrowest() {
    let mut stage = Stage::new();
    assert_eq!(told(&stage.minutes(5, &WELL)), [""; 0]);
    stage.minute(&but(&[(CLICK, Ok(62, 200.0)), (US_CLICK, Ok(2, 140.0)), (US, Ok(562, 700.0))]));
    let down =
        [(CLICK, DropSince(1, 62, 200.0)), (US_CLICK, DropSince(1, 2, 140.0)), (US, Shallow(562, 700.0))];
    let mut records = stage.minute(&but(&down));
    assert_eq!(told(&records), ["1 1.1 opened page firing: US / one-click: orders -99 % since 13:05 UTC"]);
    let record = records.remove(0);
    assert_eq!(record.key, "drop/orders/feature=one-click,marketplace=US");
    assert_eq!(record.slice, slice(US_CLICK));
    assert_eq!(record.causes[0].slice, slice(US_CLICK));
    assert_eq!((record.observed, record.expected), (Some(2), Some(140.0)));
    let lost = record.lost.unwrap();
    assert_eq!(lost.orders.unwrap()[1], 276.0);
    assert_eq!(lost.amount["USD"][1], 5520.0);
    assert_eq!(record.losing.unwrap().amount_per_min["USD"], 2760.0);
}

#[test]
fn a_parent_joins_silently_and_another_value_spreads() {
    let mut stage = Stage::new();
    stage.minutes(5, &WELL);
    let click = [(CLICK, Drop(60, 200.0)), (US_CLICK, Drop(0, 140.0))];
    assert_eq!(stage.minute(&but(&click)).len(), 1);
    let whole = [("", Drop(860, 1000.0)), (CLICK, Drop(60, 200.0)), (US_CLICK, Drop(0, 140.0))];
    let records = stage.minute(&but(&whole));
    assert_eq!(told(&records), ["2 1.2 update none firing: US / one-click: orders -100 % since 13:05 UTC"]);
    let both = [
        ("", Drop(650, 1000.0)),
        (CLICK, Drop(0, 200.0)),
        (US_CLICK, Drop(0, 140.0)),
        (DE_CLICK, Drop(0, 60.0)),
        (DE, Drop(90, 300.0)),
    ];
    let records = stage.minute(&but(&both));
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].because, Because::Spread, "{:?}", told(&records));
    assert_eq!(records[0].reason.as_deref(), Some("now DE as well"));
    assert_eq!(stage.book.open_alarms().len(), 1);
}

#[test]
fn two_causes_without_relation_are_two_alarms() {
    let mut stage = Stage::new();
    stage.minutes(5, &WELL);
    let down = but(&[(US_CLICK, Drop(0, 140.0)), (DE, Drop(150, 300.0))]);
    let records = stage.minute(&down);
    assert_eq!(
        told(&records),
        [
            "1 1.1 opened page firing: US / one-click: orders -100 % since 13:05 UTC",
            "2 2.1 opened page firing: DE: orders -50 % since 13:05 UTC",
        ]
    );
    assert_ne!(records[0].id, records[1].id);
}

#[test]
fn two_causes_below_a_fallen_parent_are_one_alarm_that_names_both() {
    let mut stage = Stage::new();
    stage.minutes(5, &WELL);
    let down = but(&[("", Drop(710, 1000.0)), (US_CLICK, Drop(0, 140.0)), (DE, Drop(150, 300.0))]);
    let records = stage.minute(&down);
    assert_eq!(told(&records), ["1 1.1 opened page firing: all: orders -29 % since 13:05 UTC"]);
    let causes: Vec<String> = records[0].causes.iter().map(|cause| cause.slice.key()).collect();
    assert_eq!(causes, ["feature=one-click,marketplace=US", "marketplace=DE"]);
    assert_eq!(records[0].key, "drop/orders/");
}

#[test]
fn figures_are_told_when_a_person_would_see_the_difference() {
    let mut stage = Stage::new();
    stage.minutes(5, &WELL);
    let down = but(&[(DE, Shallow(270, 300.0))]);
    let records = stage.minutes(13, &down);
    assert_eq!(
        told(&records),
        [
            "1 1.1 opened ticket firing: DE: orders -10 % since 13:05 UTC",
            "2 1.2 update none firing: DE: orders -10 % since 13:05 UTC",
            "3 1.3 update none firing: DE: orders -10 % since 13:05 UTC",
            "4 1.4 update none firing: DE: orders -10 % since 13:05 UTC",
            "5 1.5 update none firing: DE: orders -10 % since 13:05 UTC",
        ],
        "twice the loss after 2, 4 and 8 minutes, then five minutes later"
    );
}

#[test]
fn a_deeper_fall_escalates_a_ticket_to_a_page() {
    let mut stage = Stage::new();
    stage.minutes(5, &WELL);
    stage.minutes(2, &but(&[(DE, Shallow(270, 300.0))]));
    let records = stage.minute(&but(&[(DE, Worse(60, 300.0))]));
    assert_eq!(
        told(&records),
        ["3 1.3 escalated page firing: DE: orders -33 % since 13:05 UTC (missing 100/min, was 30/min)"]
    );
    assert_eq!(records[0].severity, Severity::Page);
    stage.minutes(3, &but(&[(DE, Drop(60, 300.0))]));
    let again = stage.minute(&but(&[(DE, Worse(60, 300.0))]));
    assert!(again.iter().all(|record| record.because == Because::Update), "not worse than told");
}

#[test]
fn absence_blinds_and_never_resolves() {
    let mut stage = Stage::new();
    stage.minutes(5, &WELL);
    stage.minute(&but(&[(DE, Drop(0, 300.0))]));
    stage.completeness.no_data = true;
    let dark: Vec<_> = WELL.iter().map(|(slice, _)| (*slice, NoData(300.0))).collect();
    let records = stage.minutes(3, &dark);
    let drops: Vec<_> = records.into_iter().filter(|r| r.no == 1).collect();
    assert_eq!(told(&drops), ["2 1.2 blind ticket firing_blind: DE: orders -100 % since 13:05 UTC"]);
    assert_eq!((drops[0].observed, drops[0].losing.is_none()), (None, true));
    stage.completeness.no_data = false;
    let records = stage.minute(&but(&[(DE, Drop(10, 300.0))]));
    let drops: Vec<_> = records.into_iter().filter(|r| r.no == 1).collect();
    assert_eq!(told(&drops), ["4 1.3 no longer blind none firing: DE: orders -97 % since 13:05 UTC"]);
    assert!(drops[0].lost.as_ref().unwrap().method.ends_with("3 min without data are left out"));
}

#[test]
fn an_incomplete_minute_does_not_end_it() {
    let mut stage = Stage::new();
    stage.minutes(5, &WELL);
    stage.minute(&but(&[(DE, Drop(0, 300.0))]));
    let records = stage.minutes(2, &but(&[(DE, Incomplete(200, 300.0))]));
    assert!(records.iter().all(|r| r.state == State::Firing));
    assert_eq!(stage.book.open_alarms().len(), 1);
}

#[test]
fn recovery_is_seen_then_accepted_and_the_same_again_is_the_same_alarm() {
    let mut stage = Stage::new();
    stage.minutes(5, &WELL);
    let first = stage.minutes(3, &but(&[(DE, Drop(0, 300.0))]));
    let records = stage.minutes(4, &but(&[(DE, Back(299, 300.0))]));
    let recovering = records.last().unwrap();
    assert_eq!(
        (recovering.because, recovering.minute.as_str()),
        (Because::Recovering, "2026-11-22T13:10:00Z")
    );
    let relapse = stage.minute(&but(&[(DE, Drop(100, 300.0))]));
    assert_eq!(relapse[0].reason.as_deref(), Some("the recovery did not hold"));
    stage.minutes(4, &but(&[(DE, Back(299, 300.0))]));
    let mut records = stage.minute(&WELL);
    let over = records.remove(0);
    assert_eq!((over.state, over.because), (State::Resolved, Because::Resolved));
    assert_eq!(over.ended.as_deref(), Some("2026-11-22T13:13:00Z"));
    let lost = over.lost.unwrap();
    assert_eq!((lost.orders.unwrap()[1], lost.through.as_str()), (1104.0, "2026-11-22T13:12:00Z"));
    assert!(stage.book.open_alarms().is_empty());

    stage.minutes(11, &WELL);
    let again = stage.minute(&but(&[(DE, Drop(0, 300.0))]));
    assert_eq!((again[0].no, &again[0].id, again[0].rev), (1, &first[0].id, over.rev + 1));
    assert_eq!(again[0].reason.as_deref(), Some("again, 16 min after it had ended"));
    assert_eq!(again[0].lost.as_ref().unwrap().orders.unwrap()[1], 1404.0);
    stage.minutes(32, &WELL);
    let other = stage.minute(&but(&[(DE, Drop(0, 300.0))]));
    assert_eq!((other[0].no, other[0].rev), (2, 1));
    assert_ne!(other[0].id, first[0].id);
}

#[test]
fn a_recovery_that_is_clear_at_once_is_no_new_normal() {
    let mut stage = Stage::new();
    stage.minutes(5, &WELL);
    stage.minutes(120, &but(&[(DE, Drop(150, 300.0))]));
    let records = stage.minute(&WELL);
    let over = &records[0];
    assert_eq!((over.because, over.reason.as_deref()), (Because::Resolved, None));
    assert_eq!(over.title, "DE: orders -50 % since 13:05 UTC until 15:05");
    assert_eq!(over.since_onset.as_ref().unwrap().minutes, 120);
    assert_eq!(over.lost.as_ref().unwrap().orders.unwrap()[1], 18_000.0);
}

#[test]
fn a_lasting_fall_that_is_no_drop_any_more_was_taken_as_normal() {
    let mut stage = Stage::new();
    stage.minutes(5, &WELL);
    stage.minutes(180, &but(&[(DE, Shallow(240, 300.0))]));
    let records = stage.minute(&but(&[(DE, Accepted(240, 240.0, 300.0))]));
    assert_eq!(records[0].reason.as_deref(), Some("no recovery was seen: taken as the new normal"));
    assert!(records[0].title.ends_with("orders -20 % since 13:05 UTC"), "{}", records[0].title);
}

#[test]
fn a_marker_that_comes_late_is_told() {
    let mut stage = Stage::new();
    stage.minutes(5, &WELL);
    let down = but(&[(DE, Drop(0, 300.0))]);
    let onset = stage.minute.start();
    assert_eq!(stage.minutes(4, &down)[0].changes_note.as_deref(), Some("no marker within 30 min"));
    assert_eq!(stage.minute(&down).len(), 0);
    stage.mark("m", "deploy", onset.plus_us(-50_000_000), DE);
    let records = stage.minute(&down);
    assert_eq!(records[0].changes[0].why, "50 s before onset, same scope");
    assert_eq!(records[0].changes_note.as_deref(), Some("no other marker within 30 min"));
}

#[test]
fn what_recovers_last_is_not_what_it_was_about() {
    let mut stage = Stage::new();
    stage.minutes(5, &WELL);
    let down = but(&[
        ("", Drop(300, 1000.0)),
        (CLICK, Drop(60, 200.0)),
        (US, Drop(210, 700.0)),
        (DE, Drop(90, 300.0)),
    ]);
    stage.minutes(20, &down);
    stage.minutes(2, &but(&[("", Back(1000, 1000.0)), (CLICK, Drop(200, 200.0))]));
    let records = stage.minutes(4, &but(&[(CLICK, Drop(199, 200.0))]));
    assert!(records.iter().all(|r| r.state == State::Recovering), "{:?}", told(&records));
    let over = stage.minute(&WELL).remove(0);
    assert_eq!((over.state, over.slice.is_whole()), (State::Resolved, true));
    assert_eq!(over.ended.as_deref(), Some("2026-11-22T13:25:00Z"));
    assert_eq!(over.lost.unwrap().orders.unwrap()[1], 20.0 * 700.0);
}

#[test]
fn what_comes_on_top_afterwards_was_only_delayed() {
    for (surplus, is_told) in [(450, true), (310, false)] {
        let mut stage = Stage::new();
        stage.minutes(5, &WELL);
        stage.minutes(10, &but(&[(DE, Drop(0, 300.0))]));
        stage.minutes(4, &but(&[(DE, Back(surplus, 300.0))]));
        let mut records = stage.minutes(6, &but(&[(DE, Ok(surplus, 300.0))]));
        records.extend(stage.minutes(40, &WELL));
        let last = records.last().expect("it was resolved");
        assert_eq!((last.state, last.notify == Notify::None), (State::Resolved, is_told));
        let later = last.lost.as_ref().expect("it cost something").recovered_later;
        assert_eq!((last.because == Because::Update, later > 0.0), (is_told, is_told), "{later}");
        if is_told {
            assert!((1300.0..=1500.0).contains(&later), "ten minutes of 150 more: {later}");
            assert_eq!(last.reason.as_deref(), Some("1.5k came later: delayed, not lost"));
            assert!(records.iter().filter(|record| record.because == Because::Update).count() == 1);
        }
    }
}
