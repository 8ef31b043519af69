//! Scores of alarms made by hand, and a small trial from end to end.

use ebbd_core::simulate::trial::{Family, Happening, Kind, Trial, TrialSpec};

use super::*;

fn happening(kind: Kind, from: i32, to: i32) -> Happening {
    Happening { kind, from, to, slices: vec![0], partly: Vec::new() }
}

/// Flags of a thousand minutes with these runs of `drop`.
fn drops(runs: &[(usize, usize)]) -> Minutes {
    let mut minutes = vec![0; 1000];
    runs.iter().for_each(|(from, to)| minutes[*from..*to].fill(DROP));
    minutes
}

fn score(happenings: Vec<Happening>, minutes: Minutes) -> Score {
    Score::of(&Truth::by_hand(happenings), &[minutes])
}

#[test]
fn an_alarm_that_opens_inside_is_a_hit_and_one_outside_is_false() {
    let of = score(vec![happening(Kind::Outage, 100, 130)], drops(&[(50, 60), (102, 140), (200, 201)]));
    let cell = of.cell(&[Kind::Outage], 0..);
    assert_eq!((cell.all, cell.findable, cell.delays), (1, 1, vec![3]));
    assert_eq!(cell.slowness, [1.0]);
    assert_eq!(of.false_alarms.iter().sum::<u32>(), 2);
    // Of 970 calm minutes these were in alarm: ten before, ten after the end, one later.
    assert!((of.calm_weeks.iter().sum::<f64>() - 970.0 / 10_080.0).abs() < 1e-9);
    assert_eq!(of.calm_alarm_min, 21.0);
}

#[test]
fn an_alarm_that_was_open_before_masks_unless_it_is_told_again() {
    let incident = || vec![happening(Kind::Half, 100, 130)];
    let masked = score(incident(), drops(&[(90, 140)]));
    assert_eq!((masked.masked, masked.cell(&[Kind::Half], 0..).delays.len()), (1, 0));
    let mut minutes = drops(&[(90, 140)]);
    minutes[104] |= ESCALATED;
    let told = score(incident(), minutes);
    assert_eq!((told.masked, told.cell(&[Kind::Half], 0..).delays), (0, vec![5]));
}

#[test]
fn an_incident_inside_an_open_alarm_counts_only_while_it_is_open() {
    let inside = || vec![happening(Kind::Inside, 100, 130)];
    assert_eq!(score(inside(), drops(&[(80, 140)])).inside, [1, 0]);
    assert_eq!(score(inside(), drops(&[(110, 140)])).inside, [0, 0]);
    let mut minutes = drops(&[(80, 140)]);
    minutes[110] |= ESCALATED;
    assert_eq!(score(inside(), minutes).inside, [1, 1]);
}

#[test]
fn alarms_of_what_nobody_wants_are_kept_apart() {
    let of = score(vec![happening(Kind::Holiday, 100, 900)], drops(&[(200, 210), (300, 310), (950, 960)]));
    assert_eq!(of.others[&Kind::Holiday], 2);
    assert_eq!(of.false_alarms.iter().sum::<u32>(), 1);
}

#[test]
fn scores_add_up() {
    let one = || score(vec![happening(Kind::Outage, 100, 130)], drops(&[(50, 60), (102, 140)]));
    let mut two = one();
    two.add(one());
    assert_eq!(two.cell(&[Kind::Outage], 0..).findable, 2);
    assert_eq!(two.false_alarms.iter().sum::<u32>(), 2);
    assert_eq!(two.false_rate(0..), one().false_rate(0..));
}

#[test]
fn nobody_beats_the_oracle_and_the_detector_beats_the_peers() {
    for family in [Family::Like, Family::Unlike] {
        let spec = TrialSpec { training_days: 15, evaluated_days: 4, ..TrialSpec::new(1, family) };
        let trial = Trial::new(spec);
        let truth = Truth::of(&trial);
        let figures = |judged: &[Minutes]| Figures::of(&Score::of(&truth, judged));
        let (best, own) = (figures(&oracle(&trial, &truth)), figures(&judge(&trial, Setting::default())));
        assert!(best.all.recall > 0.95 && best.false_alarms[0] < 0.3, "{family:?}: {best:?}");
        assert!(own.all.recall > 0.5 && own.all.recall <= best.all.recall, "{family:?}: {own:?}");
        for (name, peer) in peers::best(&peers::scores(&trial, &truth)) {
            assert!(peer.false_alarms[0] > 0.5 || peer.all.recall < own.all.recall, "{name}: {peer:?}");
        }
    }
}

/// A small shop; `ebbd-bench impact` looks at larger ones.
#[test]
fn what_alarms_say_was_lost_holds_what_was_lost() {
    let spec = TrialSpec { training_days: 12, evaluated_days: 6, ..TrialSpec::new(9401, Family::Like) };
    let cases = super::cost::cases(spec);
    let covered = cases.iter().filter(|case| case.orders.covers()).count();
    assert!(cases.len() >= 10, "{} alarms", cases.len());
    assert!(10 * covered >= 7 * cases.len(), "{covered} of {}", cases.len());
    let far = |case: &&super::cost::Case| case.orders.half_width() > 0.5 * case.orders.interval[1];
    assert!(2 * cases.iter().filter(far).count() < cases.len(), "intervals say something");
}
