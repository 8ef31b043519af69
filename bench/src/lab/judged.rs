//! A trial as the detector judges it.

use std::sync::Arc;

use ebbd_core::detect::{DetectKnobs, Detector, Verdict};
use ebbd_core::model::{Slice, SliceId};
use ebbd_core::simulate::trial::{SLICES, Trial};

use super::{BUDGET, DEEP, DROP, ESCALATED, Minutes};

/// How the detector is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// False alarms per slice-week.
    pub budget: f64,
    /// Members of the bank that may fire, as bits; all of them outside an ablation.
    pub members: u32,
}

impl Default for Setting {
    fn default() -> Setting {
        Setting { budget: BUDGET, members: u32::MAX }
    }
}

/// Judges a trial; the flags of what is evaluated, by slice and minute.
pub fn judge(trial: &Trial, setting: Setting) -> Vec<Minutes> {
    let knobs = DetectKnobs { false_alarms_per_week: setting.budget * SLICES as f64, max_slices: SLICES };
    let mut detector = Detector::new(&trial.stream, &knobs);
    detector.let_fire(setting.members);
    let from = trial.spec.evaluated_from();
    let mut judged = vec![vec![0; (trial.spec.minutes() - from) as usize]; SLICES];
    let mut number_of: Vec<usize> = Vec::new();
    for minute in 0..trial.spec.minutes() {
        let verdicts = detector.judge(&trial.sealed(minute));
        if minute < from {
            continue;
        }
        if number_of.len() < detector.slices().slots() {
            number_of = numbers(trial, &detector);
        }
        for verdict in &verdicts {
            let flag = |holds: bool, flag: u8| if holds { flag } else { 0 };
            judged[number_of[verdict.slice.index()]][(minute - from) as usize] =
                flag(verdict.verdict == Verdict::Drop, DROP)
                    | flag(verdict.escalated, ESCALATED)
                    | flag(verdict.deep, DEEP);
        }
    }
    judged
}

/// The trial's number of each of the detector's slices.
fn numbers(trial: &Trial, detector: &Detector) -> Vec<usize> {
    let number = |(_, slice): (SliceId, &Arc<Slice>)| {
        trial.slices.iter().position(|s| *s == **slice).expect("a trial has no others")
    };
    detector.slices().iter().map(number).collect()
}
