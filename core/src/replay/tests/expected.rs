//! A shop with one incident, lived through once, and what may be expected of it.

use std::sync::OnceLock;

use super::{BEGIN, HISTORY, broken, context, minute, shop, streams};
use crate::alarm::Kind;
use crate::judge::JudgedMinute;
use crate::model::{MICROS_PER_MINUTE, Mark, Slice};
use crate::replay::*;

struct Lived {
    stories: Stories,
    judged: Vec<JudgedMinute>,
}

/// The shop's 200 minutes, an hour before its incident to an hour after it.
fn lived() -> &'static Lived {
    static LIVED: OnceLock<Lived> = OnceLock::new();
    LIVED.get_or_init(|| {
        let (shop, mut stories, mut judged) = (shop(7), Stories::default(), Vec::new());
        let deploy = Mark {
            id: "d".to_owned(),
            kind: "deploy".to_owned(),
            what: "checkout v42".to_owned(),
            at: BEGIN.plus(59).start(),
            until: None,
            scope: Slice::default(),
            retracted: false,
            received: BEGIN.plus(59).start(),
            by: "test".to_owned(),
        };
        let mut replay = Replay::new(streams(), context(), vec![deploy]);
        for at in -HISTORY..200 {
            let sealed = minute(&shop, BEGIN.plus(at));
            let moment = Moment { now: sealed.minute.end(), is_history: at < 0, sealed };
            judged.extend(replay.tell(&moment));
        }
        judged.iter().flat_map(|minute| &minute.records).for_each(|record| stories.add(record));
        Lived { stories, judged }
    })
}

fn expect(slice: Slice, from: i32, to: i32) -> Expectation {
    let at = |minutes: i32| BEGIN.plus(minutes).start();
    Expectation { slice, from: at(from), to: at(to), kind: Kind::Drop, within_us: None, cause: None }
}

fn found(expectations: Expectations) -> Findings {
    let mut looking = Looking::new(expectations);
    lived().judged.iter().for_each(|judged| looking.minute(judged));
    looking.finish(&lived().stories)
}

fn only(expectation: Expectation) -> Findings {
    found(Expectations { expected: vec![expectation], ..Expectations::default() })
}

fn near(findings: &Findings) -> String {
    let Fate::Missed(why) = &findings.fates[0] else { panic!("{findings:?}") };
    why.near.iter().map(|(_, objection)| objection.as_str()).collect()
}

#[test]
fn an_incident_is_found_on_its_slice_and_those_next_to_it() {
    for slice in [broken(), Slice::of([("marketplace", "US")]), Slice::of([("feature", "one-click")])] {
        let findings = only(expect(slice.clone(), 60, 80));
        let Fate::Found { no: 1, delay_us } = findings.fates[0] else { panic!("{slice}: {findings:?}") };
        assert!((0..=6 * MICROS_PER_MINUTE).contains(&delay_us), "{delay_us}");
        assert!(findings.is_green() && findings.false_alarms.is_empty(), "{findings:?}");
    }
    let named = Expectation {
        cause: Some(ExpectedCause::Change("checkout v42".to_owned())),
        ..expect(broken(), 60, 80)
    };
    assert!(only(named).is_green());
}

#[test]
fn what_is_missed_is_explained() {
    let elsewhere = only(expect(Slice::of([("marketplace", "DE")]), 60, 80));
    assert!(near(&elsewhere).contains("it is about"), "{elsewhere:?}");
    let Fate::Missed(why) = &elsewhere.fates[0] else { unreachable!() };
    let peak = why.peak.unwrap();
    assert!(peak.reach() < 1.0 && peak.expected.is_some(), "{why:?}");
    assert_eq!(why.verdicts.values().sum::<u64>(), 21);
    assert_eq!(elsewhere.false_alarms, [1]);
    let hasty = Expectation { within_us: Some(1_000_000), ..expect(broken(), 60, 80) };
    assert!(near(&only(hasty)).contains("it opened after"));
    let other = Expectation { kind: Kind::NoData, ..expect(broken(), 60, 80) };
    assert!(near(&only(other)).contains("its kind is drop"));
    let cause = Some(ExpectedCause::Change("rollback".to_owned()));
    assert!(near(&only(Expectation { cause, ..expect(broken(), 60, 80) })).contains("does not name"));
    assert!(near(&only(expect(broken(), 80, 95))).contains("it was open before"));
    let unknown = only(expect(Slice::of([("marketplace", "FR")]), 60, 80));
    assert_eq!(unknown.fates.len(), 1);
    assert!(matches!(&unknown.fates[0], Fate::Missed(why) if why.verdicts.is_empty()));
}

#[test]
fn quiet_times_and_false_alarms() {
    let quiet = |from: i32, to: i32| Quiet { from: BEGIN.plus(from).start(), to: BEGIN.plus(to).start() };
    let broken = found(Expectations { quiet: vec![quiet(0, 50), quiet(50, 80)], ..Expectations::default() });
    assert_eq!((broken.broken.as_slice(), broken.is_green()), (&[(1, 1)][..], false));
    let none = Expectations { max_false: Some(0), ..Expectations::default() };
    assert!(!found(none).is_green());
    let one = Expectations { max_false: Some(1), quiet: vec![quiet(0, 50)], ..Expectations::default() };
    assert!(found(one).is_green());
}

#[test]
fn two_runs_differ_by_what_appears_vanishes_and_moves() {
    let (before, mut after) = (&lived().stories, lived().stories.clone());
    assert_eq!(differences(before, &after), (vec![], 1));
    let empty = Stories::default();
    assert!(matches!(differences(before, &empty).0[..], [Difference::Vanishes(_)]));
    assert!(matches!(differences(&empty, before).0[..], [Difference::Appears(_)]));
    let story = after.0.get_mut(&1).unwrap();
    story.openings[0].minute = story.openings[0].minute.plus(3);
    assert!(matches!(differences(before, &after).0[..], [Difference::Moves { minutes: 3, .. }]));
}

#[test]
fn a_story_is_told_from_its_records() {
    let story = &lived().stories.0[&1];
    assert_eq!(story.onset(), Some(BEGIN.plus(60)));
    assert!((1..=6).contains(&story.delay_minutes().unwrap()), "{story:?}");
    assert_eq!((story.minutes(), story.is_open()), (Some(40), false));
    assert!(story.lost().is_some_and(|[low, estimate, high]| low < estimate && estimate < high));
    assert!(story.slices.contains(&broken()) && story.changes.contains("checkout v42"));
}
