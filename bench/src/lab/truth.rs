//! A trial's truth, made ready for scoring: what each minute of each slice is in, and what was findable.

use std::collections::BTreeMap;

use ebbd_core::simulate::trial::{Happening, Kind, SLICES, Trial};

#[cfg(test)]
use super::BANDS;
use super::band;
use super::bound::{bound, dispersion};

/// Minutes after a short happening in which an alarm is still of it.
const ECHO: i32 = 3;
/// A slice of which a part is hit may alarm where its mean is below this share of the normal one.
const PARTLY: f32 = 0.97;

/// What a minute of a slice is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing: an alarm is false.
    Calm,
    /// An incident of this number (in [`Truth::happenings`]) that hits the slice as a whole.
    Incident(usize),
    /// Something of which alarms are neither hits nor false.
    Aside,
    /// What nobody wants an alarm of.
    Other(Kind),
}

/// The truth of one trial. Minutes are counted from the first evaluated one.
pub struct Truth {
    /// What happened.
    pub happenings: Vec<Happening>,
    /// Per slice: the band of its rate.
    pub bands: Vec<usize>,
    /// Minutes after which (happening, slice) was findable.
    pub bounds: BTreeMap<(usize, usize), Option<i32>>,
    /// Evaluated minutes.
    pub minutes: i32,
    /// Slice → dispersion over 1, 2, 4, 16 and 64 minutes.
    pub dispersions: Vec<[f64; 5]>,
    places: Vec<Vec<Place>>,
}

/// Minutes over which dispersions are measured.
pub const WINDOWS: [usize; 5] = [1, 2, 4, 16, 64];

impl Truth {
    /// The truth of a trial.
    pub fn of(trial: &Trial) -> Truth {
        let from = trial.spec.evaluated_from();
        let minutes = trial.spec.minutes() - from;
        let mut happenings = trial.happenings.clone();
        for happening in &mut happenings {
            (happening.from, happening.to) = (happening.from - from, (happening.to - from).min(minutes));
        }
        let mut truth = Truth {
            bands: (0..SLICES).map(|slice| band(trial.rate(slice))).collect(),
            bounds: BTreeMap::new(),
            minutes,
            dispersions: Vec::new(),
            places: vec![vec![Place::Calm; minutes as usize]; SLICES],
            happenings,
        };
        truth.mark(trial);
        truth.measure(trial);
        truth.limit(trial);
        truth
    }

    /// The truth of one slice of a thousand minutes in which this happens, all of it findable at once.
    #[cfg(test)]
    pub(super) fn by_hand(happenings: Vec<Happening>) -> Truth {
        let mut truth = Truth {
            bands: vec![BANDS.len()],
            bounds: (0..happenings.len()).map(|at| ((at, 0), Some(1))).collect(),
            minutes: 1000,
            dispersions: vec![[0.001; 5]],
            places: vec![vec![Place::Calm; 1000]],
            happenings,
        };
        for at in 0..truth.happenings.len() {
            let Happening { kind, from, to, .. } = truth.happenings[at];
            let place = if kind.is_incident() { Place::Incident(at) } else { Place::Other(kind) };
            truth.places[0][from as usize..to as usize].fill(place);
        }
        truth
    }

    /// What this minute of this slice is in.
    pub fn place(&self, slice: usize, minute: i32) -> Place {
        self.places[slice][minute as usize]
    }

    /// Lays the happenings over the minutes; what matters more comes later, over the rest.
    fn mark(&mut self, trial: &Trial) {
        let mut order: Vec<usize> = (0..self.happenings.len()).collect();
        order.sort_by_key(|at| weight(self.happenings[*at].kind));
        for at in order {
            let happening = self.happenings[at].clone();
            let to = if lasts(happening.kind) { happening.to } else { happening.to + ECHO };
            let range = happening.from..to.min(self.minutes);
            for slice in happening.partly {
                self.mark_partly(trial, slice, happening.kind, range.clone());
            }
            let place = match happening.kind {
                Kind::Around => Place::Aside,
                kind if kind.is_incident() => Place::Incident(at),
                kind => Place::Other(kind),
            };
            for slice in happening.slices {
                self.places[slice][range.start as usize..range.end as usize].fill(place);
            }
        }
    }

    fn mark_partly(&mut self, trial: &Trial, slice: usize, kind: Kind, range: std::ops::Range<i32>) {
        let from = trial.spec.evaluated_from();
        let amiss = kind.is_incident() || kind == Kind::Around;
        for minute in range {
            let at = (minute + from) as usize;
            let low = trial.actual[slice][at] < PARTLY * trial.normal[slice][at];
            if amiss && low {
                self.places[slice][minute as usize] = Place::Aside;
            } else if !amiss {
                self.places[slice][minute as usize] = Place::Other(kind);
            }
        }
    }

    fn measure(&mut self, trial: &Trial) {
        let from = trial.spec.evaluated_from() as usize;
        let whole = &trial.whole()[from..];
        for slice in 0..SLICES {
            let free: Vec<bool> = self.places[slice]
                .iter()
                .zip(whole)
                .map(|(place, whole)| *whole && *place == Place::Calm)
                .collect();
            let (counts, means) = (&trial.counts[slice][from..], &trial.actual[slice][from..]);
            self.dispersions.push(WINDOWS.map(|window| dispersion(counts, means, &free, window)));
        }
    }

    fn limit(&mut self, trial: &Trial) {
        let first = trial.spec.evaluated_from();
        for (at, happening) in self.happenings.iter().enumerate().filter(|(_, h)| h.kind.is_incident()) {
            let range = (happening.from + first) as usize..(happening.to + first) as usize;
            let window = match happening.kind {
                Kind::Outage => 1,
                Kind::Fifth | Kind::Shift => 3,
                Kind::Tenth => 4,
                _ => 2,
            };
            for slice in &happening.slices {
                let spread = self.dispersions[*slice][0].max(self.dispersions[*slice][window]);
                let (actual, normal) =
                    (&trial.actual[*slice][range.clone()], &trial.normal[*slice][range.clone()]);
                self.bounds.insert((at, *slice), bound(actual, normal, spread));
            }
        }
    }
}

fn lasts(kind: Kind) -> bool {
    !matches!(kind, Kind::Dip | Kind::Blip | Kind::Late | Kind::Missing | Kind::NoData)
}

/// Which of two happenings a minute counts to: the heavier.
fn weight(kind: Kind) -> u32 {
    match kind {
        Kind::Inside => 3,
        Kind::Shift => 1,
        kind if kind.is_incident() || kind == Kind::Around => 2,
        _ => 0,
    }
}
