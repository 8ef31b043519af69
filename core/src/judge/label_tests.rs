//! Labels through the whole judge: the same after a restart, taken back without a trace.

use super::tests::{HISTORY, context, learnt, minute_with, streams};
use super::{Judge, JudgeState};
use crate::model::{AlarmOrder, Label, SplitMix64, TimeUs};

fn label(no: u64, label: Option<Label>) -> AlarmOrder {
    AlarmOrder::Label { no, label, by: "ann".to_owned() }
}

/// A judge that has seen an outage of 30 minutes, up to `until` minutes after its beginning.
fn story(until: i32) -> (Judge, TimeUs) {
    let mut rng = SplitMix64::new(3);
    let mut judge = learnt(&mut rng);
    let mut now = TimeUs(0);
    for at in HISTORY..HISTORY + 20 + until {
        let is_down = (HISTORY + 20..HISTORY + 50).contains(&at);
        let sealed = minute_with(at, &mut rng, |market, feature| {
            (is_down && (market, feature) == ("US", "one-click")).then_some(0)
        });
        now = sealed.sealed_at;
        judge.judge(&sealed, now);
    }
    (judge, now)
}

fn text(judge: &Judge) -> String {
    serde_json::to_string(&judge.save()).unwrap()
}

#[test]
fn a_label_changes_the_detector_and_is_taken_back_without_a_trace() {
    let (mut judge, now) = story(60);
    let plain = serde_json::to_value(judge.save()).unwrap()["detectors"].clone();
    judge.ordered(&label(1, Some(Label::Expected)), now);
    let expected = judge.label_effect(1);
    assert!(expected.masked_half_hours >= 2 && expected.raised_slices == 0, "{expected:?}");
    let state: JudgeState = serde_json::from_str(&text(&judge)).unwrap();
    let restored = Judge::restore(streams(), context(), state).unwrap();
    assert_eq!(restored.label_effect(1), expected);
    judge.ordered(&label(1, Some(Label::False)), now);
    let raised = judge.label_effect(1);
    assert!(raised.masked_half_hours == 0 && raised.raised_slices >= 1 && raised.raised_until.is_some());
    judge.ordered(&label(1, Some(Label::Real)), now);
    assert_eq!(serde_json::to_value(judge.save()).unwrap()["detectors"], plain);
    assert!(judge.ordered(&label(9, Some(Label::False)), now).is_empty());
}

#[test]
fn a_drop_that_is_expected_while_it_goes_on_stays_out() {
    let (mut judge, now) = story(12);
    judge.ordered(&label(1, Some(Label::Expected)), now);
    let first = judge.label_effect(1).masked_half_hours;
    let mut rng = SplitMix64::new(4);
    for at in HISTORY + 32..HISTORY + 92 {
        let sealed = minute_with(at, &mut rng, |market, feature| {
            (at < HISTORY + 80 && (market, feature) == ("US", "one-click")).then_some(0)
        });
        judge.judge(&sealed, sealed.sealed_at);
    }
    let all = judge.label_effect(1).masked_half_hours;
    assert!(first > 0 && all > first, "{first} {all}");
}
