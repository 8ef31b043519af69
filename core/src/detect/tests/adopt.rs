//! Slices that are watched anew.

use super::shop::{Shop, WEEK, stream};
use super::{Detector, KNOBS, Verdict, market, run};
use crate::model::StreamSpec;

#[test]
fn a_grouping_that_is_watched_anew_is_judged_by_what_another_has_learnt() {
    let whole_only = StreamSpec { watch: vec![vec![]], ..stream() };
    let mut shop = Shop::new(12, &[80.0, 40.0]);
    let (mut detector, mut taught) = (Detector::new(&whole_only, &KNOBS), Detector::new(&stream(), &KNOBS));
    for at in 0..3 * WEEK {
        let minute = shop.minute(at, |_, _| 1.0);
        detector.judge(&minute);
        // What is learnt ahead ends a while before.
        if at < 3 * WEEK - 40 {
            taught.judge(&minute);
        }
    }
    assert_eq!(detector.groupings_anew(), Vec::<Vec<usize>>::new());
    let mut wider = Detector::new(&stream(), &KNOBS);
    wider.restore(&detector.save()).expect("what was just saved");
    assert_eq!(wider.groupings_anew(), [vec![0]]);
    assert_eq!(wider.adopt(&taught), 2, "the whole was known");
    assert!(wider.groupings_anew().is_empty() && wider.minutes_to_learn().is_none());
    let runs = run(&mut wider, &mut shop, 3 * WEEK, 3 * WEEK + 600, |_, _| 1.0);
    assert_eq!(runs.began, []);
    let outage = |which: usize, _: i32| if which == 1 { 0.0 } else { 1.0 };
    run(&mut wider, &mut shop, 3 * WEEK + 600, 3 * WEEK + 604, outage);
    let rows = wider.judge(&shop.minute(3 * WEEK + 604, outage));
    assert_eq!(rows[market(&wider, "AB").index()].verdict, Verdict::Drop);
    assert_eq!(rows[market(&wider, "AA").index()].verdict, Verdict::Ok);
}
