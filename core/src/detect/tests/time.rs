//! Learning, gaps, restarts and daylight saving.

use super::shop::{DAY, START, Shop, WEEK, stream};
use super::*;
use crate::baseline::Packed;
use crate::detect::DetectorState;
use crate::model::{Minute, StreamSpec, Timezones};

#[test]
fn learning_ends_after_eight_days_of_data_for_each_slice() {
    let (mut shop, mut detector) = (Shop::new(1, &[50.0, 20.0]), Detector::new(&stream(), &KNOBS));
    let late = |market: usize, at: i32| if market == 1 && at < 3 * DAY { 0.0 } else { 1.0 };
    run(&mut detector, &mut shop, 0, 8 * DAY - 1, late);
    let learning = row(&mut detector, &shop.minute(8 * DAY - 1, late), "AA");
    assert_eq!((learning.verdict, learning.expected, learning.low), (Verdict::Learning, None, None));
    let rows = detector.judge(&shop.minute(8 * DAY, late));
    let verdicts: Vec<Verdict> = rows.iter().map(|row| row.verdict).collect();
    assert_eq!(verdicts, [Verdict::Ok, Verdict::Ok, Verdict::Learning]);
    assert!(rows[1].high.expect("learnt") > rows[1].low.expect("learnt"));
    run(&mut detector, &mut shop, 8 * DAY + 1, 11 * DAY + 10, late);
    assert_ne!(row(&mut detector, &shop.minute(11 * DAY + 10, late), "AB").verdict, Verdict::Learning);
}

#[test]
fn a_gap_is_no_data_and_older_minutes_are_ignored() {
    let (mut shop, mut detector) = learnt(2, &[50.0, 500.0]);
    let zero = |_: usize, _: i32| 0.0;
    detector.judge(&shop.minute(4 * WEEK, zero));
    detector.judge(&shop.minute(4 * WEEK + 1, zero));
    assert!(detector.judge(&shop.minute(4 * WEEK + 1, zero)).is_empty());
    assert_eq!(detector.last_minute(), Some(Minute(START + 4 * WEEK + 1)));
    let after = run(&mut detector, &mut shop, 4 * WEEK + 2 * DAY, 4 * WEEK + 4 * DAY, |_, _| 1.0);
    assert!(after.began.is_empty(), "{:?}", after.began);
}

#[test]
fn a_restored_detector_gives_the_same_verdicts() {
    let (mut shop, mut detector) = learnt(3, &[0.2, 5.0, 60.0, 900.0]);
    let hit = |market: usize, at: i32| if market > 1 && at > 4 * WEEK + 30 { 0.5 } else { 1.0 };
    run(&mut detector, &mut shop, 4 * WEEK, 4 * WEEK + 77, hit);
    let text = serde_json::to_string(&detector.save()).expect("JSON");
    assert!(text.len() < 5 * 6_000, "{} bytes for five slices", text.len());
    let state: DetectorState = serde_json::from_str(&text).expect("the same");
    let mut restored = Detector::new(&stream(), &KNOBS);
    restored.restore(&state).expect("sound");
    assert_eq!(restored.save(), detector.save());
    for at in 4 * WEEK + 77..4 * WEEK + 3 * DAY {
        let minute = shop.minute(at, hit);
        assert_eq!(detector.judge(&minute), restored.judge(&minute));
    }
}

#[test]
fn a_state_of_the_first_version_is_read() {
    let (_, detector) = learnt(3, &[5.0, 60.0]);
    let mut old = serde_json::to_value(detector.save()).expect("JSON");
    old["version"] = 1.into();
    for slice in old["slices"].as_array_mut().expect("slices") {
        let columns: Packed = serde_json::from_value(slice["columns"].take()).expect("columns");
        let known = columns.to_f32().expect("sound").into_iter().take(122);
        slice["columns"] = serde_json::to_value(Packed::from_f32(known)).expect("JSON");
        slice.as_object_mut().expect("a slice").remove("drift").expect("how far totals stray");
    }
    let old: DetectorState = serde_json::from_value(old).expect("a state");
    let mut restored = Detector::new(&stream(), &KNOBS);
    restored.restore(&old).expect("an older state");
    let without_drift = |detector: &Detector| {
        let mut state = serde_json::to_value(detector.save()).expect("JSON");
        state["slices"]
            .as_array_mut()
            .expect("slices")
            .iter_mut()
            .for_each(|slice| slice["drift"] = 0.into());
        state
    };
    assert!(without_drift(&restored) == without_drift(&detector), "all but what it did not know");
}

#[test]
fn slices_no_longer_watched_are_dropped_at_restore() {
    let (_, detector) = learnt(3, &[5.0, 60.0]);
    let spec = StreamSpec { watch: vec![vec![]], ..stream() };
    let mut restored = Detector::new(&spec, &KNOBS);
    restored.restore(&detector.save()).expect("sound");
    assert_eq!(restored.slices().len(), 1);
    let mut damaged: serde_json::Value = serde_json::to_value(detector.save()).expect("JSON");
    damaged["slices"][0]["columns"] = "AAAA".into();
    let damaged: DetectorState = serde_json::from_value(damaged).expect("a state");
    assert!(restored.restore(&damaged).is_err());
}

/// Four weeks before the clocks went back (2026-10-25T01:00Z) and two days after.
fn clocks_go_back(zone: &str) -> usize {
    let mut spec = stream();
    let zones = [("AA".to_owned(), zone.to_owned())].into();
    spec.timezones = Timezones { default: "Europe/Berlin".to_owned(), by: Some(0), zones };
    let (mut shop, mut detector) = (Shop::new(4, &[3000.0]), Detector::new(&spec, &KNOBS));
    shop.markets[0].ahead = |at| if at < 27 * DAY + 60 { 120 } else { 60 };
    let runs = run(&mut detector, &mut shop, 0, 5 * WEEK, |_, _| 1.0);
    let id = market(&detector, "AA").0;
    runs.began.iter().filter(|(slice, at)| *slice == id && *at > 26 * DAY).count()
}

#[test]
fn daylight_saving_is_no_drop_in_local_time() {
    assert_eq!(clocks_go_back("Europe/Berlin"), 0);
    assert!(clocks_go_back("UTC") > 0, "in UTC the morning comes an hour late");
}

/// Two marketplaces, in Berlin and in Tokyo; the clocks of the first go back on the last day of week four.
fn two_zones(watch: Vec<Vec<usize>>) -> (Shop, Detector) {
    let mut spec = StreamSpec { watch, ..stream() };
    let zones = [("AA", "Europe/Berlin"), ("AB", "Asia/Tokyo")];
    let zones = zones.map(|(market, zone)| (market.to_owned(), zone.to_owned())).into();
    spec.timezones = Timezones { default: "Europe/Berlin".to_owned(), by: Some(0), zones };
    let mut shop = Shop::new(4, &[3000.0, 3000.0]);
    shop.markets[0].ahead = |at| if at < 27 * DAY + 60 { 120 } else { 60 };
    shop.markets[1].ahead = |_| 540;
    (shop, Detector::new(&spec, &KNOBS))
}

#[test]
fn a_slice_that_spans_zones_expects_what_its_parts_expect() {
    // How far off what is expected of the whole is in the week after the clocks changed, on average.
    let off_by = |watch: Vec<Vec<usize>>| {
        let (mut shop, mut detector) = two_zones(watch);
        run(&mut detector, &mut shop, 0, 4 * WEEK, |_, _| 1.0);
        let off = (4 * WEEK..5 * WEEK).map(|at| {
            let minute = shop.minute(at, |_, _| 1.0);
            let rows = detector.judge(&minute);
            let whole = rows.iter().find(|row| row.slice.0 == 0).expect("the whole");
            (whole.expected.expect("learnt") / minute.watched_count() as f64 - 1.0).abs()
        });
        off.sum::<f64>() / f64::from(WEEK)
    };
    let (own, of_parts) = (off_by(vec![vec![]]), off_by(vec![vec![], vec![0]]));
    assert!(of_parts < 0.7 * own && of_parts < 0.03, "{own} {of_parts}");
}

#[test]
fn a_new_part_changes_nothing_of_what_is_expected() {
    let (mut shop, mut detector) = two_zones(vec![vec![], vec![0]]);
    let late = |market: usize, at: i32| if market == 1 && at < 2 * WEEK { 0.0 } else { 1.0 };
    let runs = run(&mut detector, &mut shop, 0, 6 * WEEK, late);
    assert!(runs.began.is_empty(), "{:?}", runs.began);
    let minute = shop.minute(6 * WEEK, late);
    let row = detector.judge(&minute).into_iter().find(|row| row.slice.0 == 0).expect("the whole");
    let ratio = row.expected.expect("learnt") / minute.watched_count() as f64;
    assert!((ratio - 1.0).abs() < 0.1, "{ratio}");
}
