//! A small seeded shop against the detector.

mod adopt;
mod calendar;
mod labels;
mod life;
mod loss;
mod power;
mod shop;
mod time;

use shop::{Shop, WEEK, stream};

use super::{DetectKnobs, Detector, SliceVerdict, Verdict};
use crate::model::{SealedMinute, Slice, SliceId};

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

/// A shop of four learnt weeks.
fn learnt(seed: u64, rates: &[f64]) -> (Shop, Detector) {
    let (mut shop, mut detector) = (Shop::new(seed, rates), Detector::new(&stream(), &KNOBS));
    run(&mut detector, &mut shop, 0, 4 * WEEK, |_, _| 1.0);
    (shop, detector)
}

/// Judges a minute and gives the row of one market.
fn row(detector: &mut Detector, minute: &SealedMinute, name: &str) -> SliceVerdict {
    let rows = detector.judge(minute);
    let id = market(detector, name);
    rows.into_iter().find(|row| row.slice == id).expect("a row per known slice")
}
