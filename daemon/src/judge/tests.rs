//! ebbd's own troubles: told once, over when all parts are well, the same after a crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ebbd_core::alarm::{AlarmRecord, Because, Kind, Notify, Severity, State};
use ebbd_core::detect::DetectKnobs;
use ebbd_core::judge::{Judge, JudgeContext};
use ebbd_core::model::{StreamSpec, TimeUs, View};

use super::{Ailment, JudgeReplay, Published, Troubles};
use crate::store::StoreMessage;

const MINUTE_US: i64 = 60_000_000;

fn judge() -> Judge {
    let context = JudgeContext {
        host: "web-01".to_owned(),
        view: View::Whole,
        config_hash: "9f3c".to_owned(),
        knobs: DetectKnobs { false_alarms_per_week: 1.0, max_slices: 100 },
        http_url: None,
        funnels: Vec::new(),
        calendar: Vec::new(),
    };
    Judge::new(Arc::from([StreamSpec::example()]), context)
}

fn at(minutes: i64) -> TimeUs {
    TimeUs(1_764_000_000_000_000 + minutes * MINUTE_US)
}

type Part = (&'static str, Severity);

/// Troubles of a disk whose failing parts are set by hand.
fn disk() -> (Troubles, impl Fn(&[Part], &str)) {
    let state: Arc<Mutex<Vec<Ailment>>> = Arc::default();
    let mut troubles = Troubles::default();
    let seen = Arc::clone(&state);
    troubles.watch("disk", move || seen.lock().unwrap().clone());
    let set = move |parts: &[Part], error: &str| {
        let ailment = |(part, severity): &Part| Ailment {
            part: (*part).to_owned(),
            text: format!("{part} cannot be written: {error}"),
            severity: *severity,
        };
        *state.lock().unwrap() = parts.iter().map(ailment).collect();
    };
    (troubles, set)
}

/// A disk that fails, fails further and heals; the records of it.
fn story(judge: &mut Judge) -> Vec<AlarmRecord> {
    let (mut troubles, set) = disk();
    let mut records = troubles.look(judge, at(0));
    let mut then = |minutes, parts: &[Part], error| {
        set(parts, error);
        records.extend(troubles.look(judge, at(minutes)));
    };
    then(1, &[("files", Severity::Ticket)], "no space left");
    then(2, &[("files", Severity::Ticket)], "input/output error");
    then(3, &[("journal", Severity::Page), ("files", Severity::Ticket)], "no space left");
    then(4, &[("files", Severity::Ticket)], "no space left");
    then(5, &[], "");
    then(6, &[], "");
    records
}

#[test]
fn a_trouble_is_one_alarm_told_again_only_when_other_parts_fail() {
    let mut judge = judge();
    let records = story(&mut judge);
    let told: Vec<(Because, Severity, Notify)> =
        records.iter().map(|record| (record.because, record.severity, record.notify)).collect();
    assert_eq!(
        told,
        [
            (Because::Opened, Severity::Ticket, Notify::Ticket),
            (Because::Escalated, Severity::Page, Notify::Page),
            (Because::Update, Severity::Ticket, Notify::None),
            (Because::Resolved, Severity::Ticket, Notify::Ticket),
        ]
    );
    assert!(records.iter().all(|record| record.kind == Kind::Ebbd && record.no == 1));
    assert!(records[1].title.starts_with("EBBD disk: journal cannot be written"), "{}", records[1].title);
    assert_eq!(records[3].state, State::Resolved);
    assert!(judge.open_alarms().is_empty());
}

#[test]
fn a_trouble_that_an_earlier_run_left_open_is_over_at_the_first_look() {
    let mut judge = judge();
    judge.trouble("disk", "full", Severity::Page, at(0));
    let (mut troubles, _) = disk();
    let records = troubles.look(&mut judge, at(1));
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].because, Because::Resolved);
    assert!(troubles.look(&mut judge, at(2)).is_empty());
}

#[test]
fn troubles_are_told_to_a_judge_again_where_they_stood_among_the_records() {
    let mut live = judge();
    let mut records = story(&mut live);
    let (mut troubles, set) = disk();
    set(
        &[("journal", Severity::Page)],
        &"a reason that is much longer than a title is let to be, ".repeat(3),
    );
    records.extend(troubles.look(&mut live, at(9)));
    let kept =
        |record: &AlarmRecord| Published { record: record.clone(), commit: Some(record.seq * 10), epoch: 1 };
    let published: BTreeMap<u64, Published> =
        records.iter().map(|record| (record.seq, kept(record))).collect();
    let mut replay = JudgeReplay { judge: judge(), published, unpublished: Vec::new() };
    let mut rows = replay.commit(9, Vec::new());
    assert!(rows.is_empty(), "none was told by then");
    rows.extend(replay.commit(20, Vec::new()));
    assert_eq!(replay.judge.seq(), 2);
    rows.extend(replay.run_ended(35, 2));
    let again: Vec<AlarmRecord> = rows
        .into_iter()
        .filter_map(|(commit, row)| match row {
            StoreMessage::Alarms(alarms) => Some((commit, alarms)),
            _ => None,
        })
        .flat_map(|(commit, alarms)| alarms.into_iter().map(move |alarm| (commit, alarm)))
        .inspect(|(commit, alarm)| assert_eq!(*commit, (alarm.seq * 10).min(35)))
        .map(|(_, alarm)| alarm)
        .collect();
    assert_eq!(again, records);
    assert_eq!(replay.judge.seq(), live.seq());
    assert_eq!(replay.judge.open_alarms(), live.open_alarms());
    assert!(replay.run_ended(99, 2).is_empty() && replay.unpublished.is_empty());
}
