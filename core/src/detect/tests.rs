//! A small seeded shop against the detector.

mod shop;

use shop::{DAY, Shop, WEEK, stream};

use super::{DetectKnobs, Detector, SliceVerdict, Verdict};
use crate::model::{Slice, SliceId};

const KNOBS: DetectKnobs = DetectKnobs { false_alarms_per_week: 1.0, max_slices: 1000 };

/// Minutes at which a slice's run of `drop` begins.
#[derive(Default)]
struct Runs {
    began: Vec<(u32, i32)>,
    last: Vec<Verdict>,
}

impl Runs {
    fn note(&mut self, at: i32, verdicts: &[SliceVerdict]) {
        for verdict in verdicts {
            let slice = verdict.slice.index();
            self.last.resize(self.last.len().max(slice + 1), Verdict::Ok);
            if verdict.verdict == Verdict::Drop && self.last[slice] != Verdict::Drop {
                self.began.push((verdict.slice.0, at));
            }
            self.last[slice] = verdict.verdict;
        }
    }
}

fn market(detector: &Detector, name: &str) -> SliceId {
    detector.slices().find(&Slice::of([("marketplace", name)])).expect("a market")
}

/// Runs the shop from minute `from` to `to`.
fn run(
    detector: &mut Detector,
    shop: &mut Shop,
    from: i32,
    to: i32,
    factor: impl Fn(usize, i32) -> f64,
) -> Runs {
    let mut runs = Runs::default();
    for at in from..to {
        runs.note(at, &detector.judge(&shop.minute(at, &factor)));
    }
    runs
}

const RATES: [f64; 20] = [
    0.05, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 50.0, 60.0, 80.0, 120.0, 200.0, 400.0, 1000.0,
    5000.0, 20000.0,
];

#[test]
fn clean_weeks_are_quiet() {
    let (mut shop, mut detector) = (Shop::new(1, &RATES), Detector::new(&stream(), &KNOBS));
    let learning = run(&mut detector, &mut shop, 0, 4 * WEEK, |_, _| 1.0);
    let clean = run(&mut detector, &mut shop, 4 * WEEK, 8 * WEEK, |_, _| 1.0);
    println!("weeks 1-4: {:?}; 5-8: {:?}", learning.began, clean.began);
    assert!(clean.began.len() <= 4, "{:?}", clean.began);
}

#[test]
#[ignore = "prints figures"]
fn figures() {
    for depth in [0.0, 0.5, 0.8, 0.9] {
        let mut delays: Vec<i32> = Vec::new();
        let (mut missed, mut false_alarms) = (0, 0);
        for seed in 10..13 {
            let (mut shop, mut detector) = (Shop::new(seed, &RATES[11..]), Detector::new(&stream(), &KNOBS));
            run(&mut detector, &mut shop, 0, 4 * WEEK, |_, _| 1.0);
            // every market has an incident of 90 minutes each 10 hours, at its own times
            let begin = |market: usize, at: i32| (at - 4 * WEEK - market as i32 * 61).rem_euclid(1000);
            let hit =
                |market: usize, at: i32| if begin(market, at) < 90 && at < 8 * WEEK { depth } else { 1.0 };
            let runs = run(&mut detector, &mut shop, 4 * WEEK, 4 * WEEK + 4 * 1000, hit);
            let mut found = std::collections::BTreeMap::new();
            for (slice, at) in &runs.began {
                let Some(m) = shop.markets.iter().position(|m| market(&detector, m.name).0 == *slice) else {
                    continue;
                };
                let phase = begin(m, *at);
                if phase < 90 {
                    found.entry((m, at - phase)).or_insert(phase + 1);
                } else {
                    false_alarms += 1;
                }
            }
            missed += (4 * shop.markets.len()).saturating_sub(found.len());
            delays.extend(found.values());
        }
        delays.sort_unstable();
        println!(
            "ratio {depth}: found {} missed {missed} median {:?} p95 {:?} false {false_alarms}",
            delays.len(),
            delays.get(delays.len() / 2),
            delays.get(delays.len() * 19 / 20)
        );
    }
    let _ = DAY;
}
