//! Declared days: nothing of them is learnt, parts are taken from their wholes, a day can be like another.

use super::shop::{DAY, Shop, WEEK, stream};
use super::{Detector, KNOBS, learnt, market, run};
use crate::model::{CalendarEntry, CalendarTime, Slice, SliceId};

/// Wednesday, 2026-10-28: the third day after four weeks.
const HOLIDAY: i32 = 4 * WEEK + 2 * DAY;

fn day(text: &str) -> jiff::civil::Date {
    text.parse().expect("a day")
}

fn entry(slice: Slice) -> CalendarEntry {
    let on = CalendarTime::Day(day("2026-10-28"));
    CalendarEntry { name: "Fete".to_owned(), from: on, to: on, slice, learn: false, like: None }
}

fn expected(detector: &mut Detector, shop: &mut Shop, at: i32, id: SliceId) -> f64 {
    let rows = detector.judge(&shop.minute(at, |_, _| 1.0));
    rows.iter().find(|row| row.slice == id).and_then(|row| row.expected).expect("it is learnt")
}

#[test]
fn a_declared_day_leaves_no_trace_even_when_it_is_declared_afterwards() {
    let noon = HOLIDAY + WEEK + DAY / 2;
    let after = |declared: &[CalendarEntry], later: bool, holiday: f64| {
        let (mut shop, mut detector) = learnt(7, &[100.0, 50.0]);
        if !later {
            detector.declare(declared);
        }
        let on = |at: i32| (HOLIDAY..HOLIDAY + DAY).contains(&at);
        run(&mut detector, &mut shop, 4 * WEEK, noon - DAY, |_, at| if on(at) { holiday } else { 1.0 });
        if later {
            detector.declare(declared);
        }
        run(&mut detector, &mut shop, noon - DAY, noon, |_, _| 1.0);
        let id = market(&detector, "AA");
        let weeks = detector.bank.get(id.index(), crate::simd::column::WEEKS);
        (expected(&mut detector, &mut shop, noon, id), weeks)
    };
    let (usual, all_weeks) = after(&[], false, 1.0);
    for later in [false, true] {
        let (told, weeks) = after(&[entry(Slice::default())], later, 0.2);
        assert!((told / usual - 1.0).abs() < 0.05, "{told} {usual} {later}");
        assert_eq!((all_weeks, weeks), (4.0, 3.0), "the week of the holiday is left out");
    }
}

#[test]
fn nobody_hears_of_a_declared_day_and_its_market_is_not_missed_elsewhere() {
    let (mut shop, mut detector) = learnt(8, &[100.0, 100.0, 60.0]);
    detector.declare(&[entry(Slice::of([("marketplace", "AA")]))]);
    // From eight to ten in the morning it falls to a third, and stays there.
    let factor = |which: usize, at: i32| {
        let fallen = f64::from((at - HOLIDAY - 480).clamp(0, 120)) / 120.0 * 0.67;
        let on = which == 0 && (HOLIDAY..HOLIDAY + DAY).contains(&at);
        if on { 1.0 - fallen } else { 1.0 }
    };
    let runs = run(&mut detector, &mut shop, 4 * WEEK, HOLIDAY + DAY - 60, factor);
    assert_eq!(runs.began, []);
    assert_eq!(detector.declared()[0].name, "Fete");
    let outage = |which: usize, at: i32| if which == 0 { 0.0 } else { factor(which, at) };
    let runs = run(&mut detector, &mut shop, HOLIDAY + DAY - 60, HOLIDAY + DAY - 50, outage);
    assert!(runs.began.iter().any(|(id, _)| *id == market(&detector, "AA").0), "an outage on it is seen");
    let rows = detector.judge(&shop.minute(HOLIDAY + DAY - 50, outage));
    let row = &rows[market(&detector, "AA").index()];
    assert!(row.deep && row.declared == Some(0), "{row:?}");
}

#[test]
fn a_day_is_expected_to_look_like_another() {
    let holiday = |_: usize, at: i32| {
        // As on a Sunday, four days before: nights and noons alike, the weekend's 0.8 and another half of it.
        if (HOLIDAY..HOLIDAY + DAY).contains(&at) || (HOLIDAY - 3 * DAY..HOLIDAY - 2 * DAY).contains(&at) {
            0.5
        } else {
            1.0
        }
    };
    let (mut shop, mut detector) = (Shop::new(9, &[100.0]), Detector::new(&stream(), &KNOBS));
    run(&mut detector, &mut shop, 0, HOLIDAY, holiday);
    let like = Some(day("2026-10-25"));
    detector.declare(&[CalendarEntry { like, ..entry(Slice::default()) }]);
    let (id, at) = (market(&detector, "AA"), HOLIDAY + 30);
    run(&mut detector, &mut shop, HOLIDAY, at, holiday);
    let rows = detector.judge(&shop.minute(at, |_, _| 1.0));
    let profile = detector.bank.get(id.index(), crate::simd::column::PROFILE);
    let (left, right) = [crate::simd::column::LEFT, crate::simd::column::RIGHT]
        .map(|column| detector.bank.get(id.index(), column))
        .into();
    let usual = f32::midpoint(left, right);
    assert!((profile / usual - 0.4).abs() < 0.08, "{profile} of {usual}, {:?}", rows[id.index()]);
}

#[test]
fn a_restart_on_a_declared_day_changes_nothing() {
    let calendar = [entry(Slice::default())];
    let (mut shop, mut detector) = learnt(10, &[100.0, 8.0]);
    detector.declare(&calendar);
    run(&mut detector, &mut shop, 4 * WEEK, HOLIDAY + 600, |_, at| if at < HOLIDAY { 1.0 } else { 0.5 });
    let mut again = Detector::new(&stream(), &KNOBS);
    again.declare(&calendar);
    again.restore(&detector.save()).expect("what was just saved");
    for at in HOLIDAY + 600..HOLIDAY + DAY + 120 {
        let minute = shop.minute(at, |_, at| if at < HOLIDAY + DAY { 0.5 } else { 1.0 });
        assert_eq!(detector.judge(&minute), again.judge(&minute), "{at}");
    }
}
