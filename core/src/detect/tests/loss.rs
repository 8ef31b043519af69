//! Missing data: it widens, it never silences, and it is never zero.

use super::shop::WEEK;
use super::*;
use crate::model::{Completeness, MissingOrigin, TimeUs};

const RATES: [f64; 3] = [60.0, 300.0, 2000.0];

fn without(share: f64) -> Completeness {
    let origin = MissingOrigin { origin: "web-03".to_owned(), since: TimeUs(0), share };
    Completeness { fraction: 1.0 - share, missing: vec![origin], ..Completeness::whole() }
}

/// Runs minutes of which `share` is missing; gives the verdicts of market AC.
fn verdicts(
    shop: &mut Shop,
    detector: &mut Detector,
    minutes: std::ops::Range<i32>,
    share: f64,
    ratio: f64,
) -> Vec<Verdict> {
    let mut seen = Vec::new();
    for at in minutes {
        let mut minute = shop.minute(at, |_, _| ratio * (1.0 - share));
        minute.completeness = without(share);
        seen.push(row(detector, &minute, "AC").verdict);
    }
    seen
}

#[test]
fn a_missing_source_is_no_drop_but_an_outage_beyond_it_is() {
    let (mut shop, mut detector) = learnt(5, &RATES);
    let from = 4 * WEEK;
    let missing = verdicts(&mut shop, &mut detector, from..from + 300, 0.4, 1.0);
    assert!(!missing.contains(&Verdict::Drop), "{missing:?}");
    assert!(missing.iter().filter(|v| **v == Verdict::Incomplete).count() > 250, "{missing:?}");
    let outage = verdicts(&mut shop, &mut detector, from + 300..from + 310, 0.4, 0.0);
    assert_eq!(outage.last(), Some(&Verdict::Drop), "{outage:?}");
    let back = verdicts(&mut shop, &mut detector, from + 310..from + 370, 0.4, 1.0);
    assert!(!back.contains(&Verdict::Ok), "an incomplete minute never resolves: {back:?}");
    let whole = verdicts(&mut shop, &mut detector, from + 370..from + 380, 0.0, 1.0);
    assert_eq!(whole.last(), Some(&Verdict::Ok), "{whole:?}");
}

#[test]
fn a_jump_of_rejections_is_missing_data() {
    let (mut shop, mut detector) = learnt(6, &RATES);
    for at in 4 * WEEK..4 * WEEK + 60 {
        let mut minute = shop.minute(at, |_, _| 0.3);
        minute.completeness.rejected = 1700 + (at as u64 % 5) * 50;
        let rows = detector.judge(&minute);
        assert!(rows.iter().all(|row| row.verdict != Verdict::Drop), "{at}");
    }
}

#[test]
fn one_lost_event_a_minute_does_not_hide_an_outage() {
    let (mut shop, mut detector) = learnt(6, &RATES);
    let mut last = Verdict::Ok;
    for at in 4 * WEEK..4 * WEEK + 3 {
        let mut minute = shop.minute(at, |market, _| if market == 0 { 0.0 } else { 1.0 });
        minute.completeness.dropped = 1;
        last = row(&mut detector, &minute, "AA").verdict;
    }
    assert_eq!(last, Verdict::Drop);
}

#[test]
fn no_data_is_not_zero_and_holds_everything() {
    let (mut shop, mut detector) = learnt(7, &RATES);
    let from = 4 * WEEK;
    let quiet = |_: usize, _: i32| 0.0;
    for at in from..from + 120 {
        let mut minute = shop.minute(at, quiet);
        minute.completeness = Completeness::absent();
        let row = row(&mut detector, &minute, "AA");
        assert_eq!((row.verdict, row.observed, row.observed_max), (Verdict::NoData, None, None));
        assert!(row.expected.is_some_and(|expected| expected > 10.0));
    }
    let after = run(&mut detector, &mut shop, from + 120, from + 300, |_, _| 1.0);
    assert!(after.began.is_empty(), "{:?}", after.began);
    let zero = (from + 300..from + 303).map(|at| row(&mut detector, &shop.minute(at, quiet), "AA"));
    let zero: Vec<(Verdict, Option<i64>)> = zero.map(|row| (row.verdict, row.observed)).collect();
    assert_eq!(zero, [(Verdict::Ok, Some(0)), (Verdict::Ok, Some(0)), (Verdict::Drop, Some(0))]);
    let mut blind = shop.minute(from + 303, quiet);
    blind.completeness = Completeness::absent();
    assert_eq!(row(&mut detector, &blind, "AA").verdict, Verdict::NoData);
    assert_eq!(row(&mut detector, &shop.minute(from + 700, quiet), "AA").verdict, Verdict::Drop);
}
