//! What people said of drops: a raised bar, a profile without what was expected.

use super::shop::{START, WEEK};
use super::*;
use crate::detect::DetectorState;
use crate::model::Minute;
use crate::simd::column;

fn aa() -> Slice {
    Slice::of([("marketplace", "AA")])
}

/// The bar of a market's second member after the minute `at`, in nats.
fn bar(detector: &mut Detector, shop: &mut shop::Shop, at: i32, name: &str) -> f64 {
    detector.judge(&shop.minute(at, |_, _| 1.0));
    f64::from(detector.bank.get(market(detector, name).index(), column::of(1, column::BAR)))
}

#[test]
fn a_false_alarm_raises_the_bar_for_a_week() {
    let (mut shop, mut detector) = learnt(5, &[60.0, 60.0]);
    let (usual, other) =
        (bar(&mut detector, &mut shop, 4 * WEEK, "AA"), bar(&mut detector, &mut shop, 4 * WEEK + 1, "AB"));
    detector.raise_bar(47, &[aa()]);
    let effect = detector.label_effect(47);
    assert_eq!((effect.raised_slices, effect.raised_until), (1, Some(Minute(START + 5 * WEEK + 1))));
    let raised = bar(&mut detector, &mut shop, 4 * WEEK + 2, "AA");
    assert!(raised > 1.3 * usual, "{raised} {usual}");
    let state: DetectorState =
        serde_json::from_str(&serde_json::to_string(&detector.save()).unwrap()).unwrap();
    let mut restored = Detector::new(&shop::stream(), &KNOBS);
    restored.restore(&state).expect("sound");
    assert_eq!(restored.label_effect(47), effect);
    run(&mut restored, &mut shop, 4 * WEEK + 3, 5 * WEEK - 2, |_, _| 1.0);
    let held = bar(&mut restored, &mut shop, 5 * WEEK - 2, "AA");
    assert!(
        held > 1.3 * usual && bar(&mut restored, &mut shop, 5 * WEEK - 1, "AB") < 1.2 * other,
        "{held} {usual}"
    );
    run(&mut restored, &mut shop, 5 * WEEK, 5 * WEEK + 2, |_, _| 1.0);
    let after = bar(&mut restored, &mut shop, 5 * WEEK + 2, "AA");
    assert!(after < 1.2 * usual && restored.label_effect(47) == Default::default(), "{after} {usual}");
}

#[test]
fn a_label_taken_back_lowers_the_bar() {
    let (mut shop, mut detector) = learnt(6, &[60.0]);
    let usual = bar(&mut detector, &mut shop, 4 * WEEK, "AA");
    detector.raise_bar(47, &[aa()]);
    detector.unlearn_label(48);
    assert!(bar(&mut detector, &mut shop, 4 * WEEK + 1, "AA") > 1.3 * usual);
    detector.unlearn_label(47);
    assert!(bar(&mut detector, &mut shop, 4 * WEEK + 2, "AA") < 1.2 * usual);
}

/// Two weeks in which Wednesday's noon is half of what it is: masked, the profile does not know of it.
#[test]
fn what_was_expected_is_not_in_the_profile() {
    let noon = 2 * 1440 + 720;
    let hole = |week: i32| week * WEEK + noon..week * WEEK + noon + 60;
    let expected = |is_masked: bool| {
        let (mut shop, mut detector) = learnt(7, &[200.0, 200.0]);
        for week in [4, 5, 6] {
            let inside =
                |market: usize, at: i32| if market == 0 && hole(week).contains(&at) { 0.5 } else { 1.0 };
            run(&mut detector, &mut shop, week * WEEK, hole(week).end + 200, inside);
            if is_masked {
                let [from, to] = [hole(week).start, hole(week).end].map(|at| Minute(START + at));
                detector.mask(47, |slice| *slice == aa(), from, to);
            }
            run(&mut detector, &mut shop, hole(week).end + 200, (week + 1) * WEEK, |_, _| 1.0);
        }
        run(&mut detector, &mut shop, 7 * WEEK, hole(7).start + 30, |_, _| 1.0);
        row(&mut detector, &shop.minute(hole(7).start + 30, |_, _| 1.0), "AA").expected.expect("learnt")
    };
    let (learnt, masked) = (expected(false), expected(true));
    assert!(learnt < 0.7 * masked, "{learnt} {masked}");
}
