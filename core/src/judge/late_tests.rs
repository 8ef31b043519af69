//! Data that come late: what was told is told anew, never more than the data say.

use std::sync::Arc;

use super::hindsight::Hindsight;
use super::tests::{HISTORY, context, learnt, minute_with, streams};
use super::{Judge, JudgeState, Revised};
use crate::alarm::{AlarmRecord, Because, State};
use crate::detect::{Drift, SinceOnset, SliceVerdict, Verdict};
use crate::model::{Completeness, Minute, Rng, SealedMinute, SealedRow, Slice, SliceId, SplitMix64, TimeUs};

/// US / one-click orders of a minute.
const USUAL: i64 = 60;
const LATE: std::ops::Range<i32> = HISTORY + 20..HISTORY + 28;

/// A sealed minute in which so much of US / one-click is there in time.
fn sealed(at: i32, in_time: Option<i64>, rng: &mut SplitMix64) -> SealedMinute {
    minute_with(at, rng, |market, feature| in_time.filter(|_| (market, feature) == ("US", "one-click")))
}

/// The rest of it, as a revision.
fn revision(at: i32, late: i64, number: u32) -> Arc<SealedMinute> {
    let mut revision = sealed(at, Some(late), &mut SplitMix64::new(1));
    let rows = revision.rows.to_vec();
    let own = |row: &SealedRow| row.key.dimensions[..2] == ["US".into(), "one-click".into()];
    revision.rows = rows.into_iter().filter(own).collect::<Vec<_>>().into();
    revision.revision = number;
    revision.completeness = Completeness { late: 0.3, ..Completeness::whole() };
    Arc::new(revision)
}

struct Story {
    judge: Judge,
    rng: SplitMix64,
    records: Vec<AlarmRecord>,
}

impl Story {
    /// A shop of whose US / one-click orders so many came in time while it lagged, up to `until`.
    fn of(in_time: i64, until: i32) -> Story {
        let mut rng = SplitMix64::new(7);
        let mut story = Story { judge: learnt(&mut rng), rng, records: Vec::new() };
        (HISTORY..until).for_each(|at| story.minute(at, LATE.contains(&at).then_some(in_time)));
        story
    }

    fn minute(&mut self, at: i32, in_time: Option<i64>) {
        let sealed = sealed(at, in_time, &mut self.rng);
        self.records.extend(self.judge.judge(&sealed, sealed.sealed_at).records);
    }

    fn late(&mut self, counts: impl Iterator<Item = (i32, i64)>, now: TimeUs) -> Revised {
        let revisions: Vec<_> = counts.map(|(at, late)| revision(at, late, 1)).collect();
        let revised = self.judge.revise(&revisions, now);
        self.records.extend(revised.records.clone());
        revised
    }
}

fn after(at: i32) -> TimeUs {
    Minute(29_000_000 + at).end().plus_us(10_000_000)
}

fn one_click() -> Slice {
    Slice::of([("marketplace", "US"), ("feature", "one-click")])
}

#[test]
fn a_drop_that_was_only_late_is_withdrawn_and_does_not_come_back() {
    let mut story = Story::of(0, LATE.end);
    assert_eq!(story.records[0].because, Because::Opened, "{:?}", story.records);
    let revised = story.late(LATE.map(|at| (at, USUAL)), after(LATE.end));
    let [withdrawn] = &revised.records[..] else { panic!("{:?}", revised.records) };
    let before = &story.records[story.records.len() - 2];
    assert_eq!((withdrawn.because, withdrawn.state), (Because::Withdrawn, State::Withdrawn));
    assert_eq!((withdrawn.no, withdrawn.rev), (before.no, before.rev + 1));
    assert!(withdrawn.late && withdrawn.ended.is_some() && withdrawn.losing.is_none());
    assert!(withdrawn.reason.as_ref().unwrap().starts_with("late data: 480 orders of "), "{withdrawn:?}");
    assert!(withdrawn.text.contains("WITHDRAWN"), "{}", withdrawn.text);
    let lost = withdrawn.lost.as_ref().unwrap().orders.unwrap()[1];
    assert!(lost < 60.0, "{lost}");
    let mine: Vec<_> = revised.rows.iter().filter(|row| *row.row.slice == one_click()).collect();
    assert_eq!(mine.len(), LATE.len());
    assert!(mine.iter().all(|row| row.revision == 1 && row.row.verdict.verdict == Verdict::Ok));
    assert_eq!(mine[0].row.verdict.observed, Some(USUAL));
    assert!(story.judge.open_alarms().is_empty());
    let told = story.records.len();
    (LATE.end..LATE.end + 60).for_each(|at| story.minute(at, None));
    assert_eq!(story.records.len(), told, "{:?}", story.records.last());
}

#[test]
fn a_drop_of_which_something_is_left_is_told_with_smaller_figures() {
    let mut story = Story::of(0, LATE.end);
    let before = story.records.last().unwrap().clone();
    let whole = f64::from(8 * 60);
    let revised = story.late(LATE.map(|at| (at, 20)), after(LATE.end));
    let [update] = &revised.records[..] else { panic!("{:?}", revised.records) };
    assert_eq!((update.because, update.state, update.late), (Because::Update, State::Firing, true));
    assert_eq!((update.no, &update.minute), (before.no, &Minute(29_000_000 + LATE.end - 1).to_string()));
    let lost = update.lost.as_ref().unwrap().orders.unwrap()[1];
    assert!((lost - (whole - 160.0)).abs() < 45.0, "{lost}");
    assert!(update.losing.as_ref().unwrap().orders_per_min < 50.0 && update.observed == Some(20));
    assert!(revised.rows.iter().any(|row| row.row.verdict.verdict == Verdict::Drop));
    let more = story.late(LATE.map(|at| (at, 40)), after(LATE.end));
    assert_eq!(more.records[0].because, Because::Withdrawn, "late data may come in pieces");
    assert!(more.rows.iter().all(|row| row.revision == 2));
}

#[test]
fn an_alarm_that_is_over_is_withdrawn_too() {
    let mut story = Story::of(0, LATE.end + 12);
    assert_eq!(story.records.last().unwrap().because, Because::Resolved);
    let revised = story.late(LATE.map(|at| (at, USUAL)), after(LATE.end + 12));
    assert_eq!(revised.records[0].because, Because::Withdrawn);
    let row = story.judge.incidents_changed().pop().expect("the incident is told anew");
    assert_eq!(row.state, State::Withdrawn);
}

#[test]
fn a_minute_without_data_is_judged_when_they_come() {
    let mut story = Story::of(USUAL, HISTORY + 10);
    let mut blank = sealed(HISTORY + 10, None, &mut story.rng);
    blank.rows.clear();
    blank.completeness = Completeness::absent();
    story.judge.judge(&blank, blank.sealed_at);
    let mut late = sealed(HISTORY + 10, None, &mut story.rng);
    late.revision = 1;
    let revised = story.judge.revise(&[Arc::new(late)], after(HISTORY + 11));
    assert_eq!(revised.rows.len(), 9, "every slice");
    for row in &revised.rows {
        assert_eq!(row.row.verdict.verdict, Verdict::Ok, "{row:?}");
        assert!(row.row.verdict.observed.is_some() && row.row.verdict.completeness > 0.5, "{row:?}");
    }
}

#[test]
fn what_comes_later_than_revise_changes_nothing() {
    let mut story = Story::of(0, LATE.end);
    let told = story.judge.save();
    let revised = story.late(LATE.map(|at| (at, USUAL)), after(LATE.end + 121));
    assert_eq!(revised, Revised::default());
    assert_eq!(story.judge.save(), told);
}

#[test]
fn a_restored_judge_revises_word_for_word() {
    let mut story = Story::of(0, LATE.end);
    story.late(LATE.take(2).map(|at| (at, 10)), after(LATE.end));
    let text = serde_json::to_string(&story.judge.save()).unwrap();
    let state: JudgeState = serde_json::from_str(&text).unwrap();
    let mut restored = Judge::restore(streams(), context(), state).unwrap();
    let revisions: Vec<_> = LATE.map(|at| revision(at, 50 - (at % 3) as i64, 2)).collect();
    let now = after(LATE.end);
    assert_eq!(restored.revise(&revisions, now), story.judge.revise(&revisions, now));
    assert_eq!(restored.save(), story.judge.save());
}

#[test]
fn small_lateness_in_quiet_times_makes_rows_and_no_records() {
    let mut story = Story::of(USUAL, LATE.end);
    let told = story.records.len();
    let late = (LATE.start..LATE.end).map(|at| (at, 1 + story.rng.next_u64() as i64 % 3)).collect::<Vec<_>>();
    let revised = story.late(late.into_iter(), after(LATE.end));
    assert_eq!(story.records.len(), told);
    assert!(!revised.rows.is_empty());
    assert!(revised.rows.iter().all(|row| row.row.verdict.verdict == Verdict::Ok));
}

#[test]
fn what_is_kept_for_late_data_is_bounded_and_the_remarkable_stays() {
    let verdict = |slice: u32, verdict: Verdict| SliceVerdict {
        slice: SliceId(slice),
        verdict,
        observed: Some(5),
        observed_max: Some(5.0),
        expected: Some(9.0),
        low: Some(4.0),
        high: Some(14.0),
        completeness: 1.0,
        evidence: 0.0,
        threshold: 12.0,
        onset: None,
        since_onset: SinceOnset::default(),
        deep: false,
        recovering: false,
        escalated: false,
        drift: Drift::default(),
        declared: None,
        before_drop: None,
        at_normal: None,
    };
    let mut hindsight = Hindsight::new(1 << 10);
    for minute in 0..60 {
        let of = |slice| verdict(slice, if slice == 3 { Verdict::Drop } else { Verdict::Ok });
        let verdicts: Vec<SliceVerdict> = (0..40).map(of).collect();
        hindsight.note(Minute(minute), 200, verdicts.iter(), 120);
    }
    let kept =
        |slice: u32| (0..60).filter(|at| hindsight.said(SliceId(slice), Minute(*at)).is_some()).count();
    assert_eq!(kept(3), 60, "a drop's minutes are all there");
    assert!((1..=3).contains(&kept(4)), "{}", kept(4));
    let saved = hindsight.save();
    let mut restored = Hindsight::new(1 << 10);
    restored.restore(&saved).unwrap();
    assert_eq!(restored.save(), saved);
}
