//! The life of a drop: onset, recovery, escalation, acceptance.

use super::shop::WEEK;
use super::*;
use crate::model::Minute;

const FROM: i32 = 4 * WEEK + 600;

/// Runs market AA through `ratio(minute since FROM)`; its rows from FROM on.
fn story(seed: u64, minutes: i32, ratio: impl Fn(i32) -> f64) -> Vec<SliceVerdict> {
    let (mut shop, mut detector) = learnt(seed, &[200.0, 500.0, 40.0]);
    let factor = |market: usize, at: i32| if market == 0 && at >= FROM { ratio(at - FROM) } else { 1.0 };
    run(&mut detector, &mut shop, 4 * WEEK, FROM, factor);
    (FROM..FROM + minutes).map(|at| row(&mut detector, &shop.minute(at, factor), "AA")).collect()
}

fn drops(rows: &[SliceVerdict]) -> Vec<bool> {
    rows.iter().map(|row| row.verdict == Verdict::Drop).collect()
}

#[test]
fn an_outage_opens_tells_its_onset_and_recovers() {
    let rows = story(1, 60, |at| if (10..40).contains(&at) { 0.0 } else { 1.0 });
    let drop = drops(&rows);
    assert_eq!(drop.iter().position(|d| *d), Some(12));
    assert!((14..41).all(|at| drop[at]), "{drop:?}");
    let end = drop.iter().rposition(|d| *d).expect("it was found");
    assert!((41..=46).contains(&end), "{end}");
    assert!(rows[end].recovering && !rows[30].recovering && rows[30].deep);
    let onset = rows[12].onset.expect("evidence");
    let truth = Minute(super::shop::START + FROM + 10);
    assert!(onset[0] <= truth && truth <= onset[2] && onset[1] == truth, "{onset:?} {truth:?}");
    let since = rows[39].since_onset;
    assert_eq!((since.minutes, since.observed), (30, 0.0));
    let expected: f64 = rows[10..40].iter().filter_map(|row| row.expected).sum();
    assert!((since.expected / expected - 1.0).abs() < 0.1, "{since:?} {expected}");
}

/// Falls every seven hours to `ratio(minute of the fall)` for forty minutes, in a market of `rate`: how many minutes
/// after each began its likeliest onset was said to be, when it was opened.
fn onsets(rate: f64, ratio: impl Fn(i32) -> f64) -> Vec<i32> {
    const EVERY: i32 = 7 * 60;
    let (mut shop, mut detector) = learnt(6, &[rate, 500.0]);
    let into = |at: i32| (at - FROM).rem_euclid(EVERY);
    let factor = |market: usize, at: i32| {
        if market == 0 && at >= FROM && into(at) < 40 { ratio(into(at)) } else { 1.0 }
    };
    let mut told = Vec::new();
    run(&mut detector, &mut shop, 4 * WEEK, FROM, factor);
    let mut was_open = false;
    for at in FROM..FROM + 60 * EVERY {
        let row = row(&mut detector, &shop.minute(at, factor), "AA");
        let is_open = row.verdict == Verdict::Drop;
        if is_open && !was_open && into(at) < 40 {
            let onset = row.onset.expect("evidence")[1];
            told.push(onset.0 - (super::shop::START + at - into(at)));
        }
        was_open = is_open;
    }
    told
}

#[test]
fn what_breaks_at_once_is_dated_to_the_minute() {
    for (rate, ratio, off) in [(75.0, 0.03, 1), (75.0, 0.5, 2), (400.0, 0.7, 1)] {
        let told = onsets(rate, |_| ratio);
        let right = told.iter().filter(|minute| minute.abs() <= off).count();
        assert!(told.len() >= 50 && right * 100 >= told.len() * 90, "{rate}/min to {ratio}: {told:?}");
    }
}

#[test]
fn a_deeper_fall_inside_an_open_drop_is_told() {
    let quick = story(2, 60, |at| if at < 30 { 0.75 } else { 0.0 });
    assert!(drops(&quick)[29] && quick[30..40].iter().any(|row| row.escalated));
    let late = story(2, 120, |at| if at < 90 { 0.5 } else { 0.05 });
    assert!(late[..90].iter().all(|row| !row.escalated));
    assert!(late[90..96].iter().any(|row| row.escalated) && drops(&late)[119]);
    assert_eq!(late[..119].iter().filter(|row| row.escalated).count(), 1);
}

#[test]
fn what_stays_becomes_the_new_normal_but_an_outage_does_not() {
    let shift = story(3, 500, |_| 0.6);
    let drop = drops(&shift);
    let end = drop.iter().rposition(|d| *d).expect("it was found");
    assert!((175..=200).contains(&end), "{end}");
    let expected = shift[490].expected.expect("learnt");
    let observed = shift[480..500].iter().filter_map(|row| row.observed).sum::<i64>() as f64 / 20.0;
    assert!((observed / expected - 1.0).abs() < 0.15, "{observed} {expected}");
    assert!(drops(&story(3, 500, |_| 0.0))[3..].iter().all(|d| *d));
}

#[test]
fn the_way_back_after_a_new_normal_restores_the_old_levels() {
    let rows = story(4, 500, |at| if at < 300 { 0.5 } else { 1.0 });
    let sum = |f: &dyn Fn(&SliceVerdict) -> f64| rows[320..340].iter().map(f).sum::<f64>();
    let (observed, expected) =
        (sum(&|row| row.observed.unwrap_or(0) as f64), sum(&|row| row.expected.unwrap_or(0.0)));
    assert!((observed / expected - 1.0).abs() < 0.1, "{observed} {expected}");
    assert!(drops(&rows)[310..].iter().all(|d| !d));
}

#[test]
fn small_losses_never_alarm() {
    let (mut shop, _) = learnt(5, &[60.0]);
    let spec = crate::model::StreamSpec { min_loss: 1e6, ..stream() };
    let mut detector = Detector::new(&spec, &KNOBS);
    let hit = |_: usize, at: i32| if at > 2 * WEEK { 0.0 } else { 1.0 };
    assert!(run(&mut detector, &mut shop, 0, 2 * WEEK + 300, hit).began.is_empty());
}
