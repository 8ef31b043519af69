//! Alarms against the truth: hits, delays, false alarms, and what else goals ask for.

use std::collections::BTreeMap;

use ebbd_core::simulate::trial::{Happening, Kind};

use super::truth::{Place, Truth};
use super::{BANDS, DEEP, DROP, ESCALATED, Minutes};

/// Minutes of a week.
const WEEK: f64 = 10_080.0;

/// Incidents of one kind on slices of one band.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// All of them.
    pub all: u32,
    /// Those whose information reached the budget before they ended.
    pub findable: u32,
    /// Minutes from the onset to the first judged `drop`, of the findable ones that were found.
    pub delays: Vec<i32>,
    /// The same in units of the information bound, which counts at least three minutes.
    pub slowness: Vec<f64>,
}

/// What came of judging some trials.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Per band: slice-weeks outside everything that happened.
    pub calm_weeks: [f64; BANDS.len() + 1],
    /// Per band: slice-weeks altogether.
    pub weeks: [f64; BANDS.len() + 1],
    /// Per band: alarms there.
    pub false_alarms: [u32; BANDS.len() + 1],
    /// Those of them that would wake somebody.
    pub false_pages: u32,
    /// Minutes in alarm there.
    pub calm_alarm_min: f64,
    /// By kind and band.
    pub cells: BTreeMap<(Kind, usize), Cell>,
    /// Alarms of what nobody wants an alarm of.
    pub others: BTreeMap<Kind, u32>,
    /// How often those happened, counted per slice.
    pub other_chances: BTreeMap<Kind, u32>,
    /// Findable incidents that began under an open alarm and were never told of.
    pub masked: u32,
    /// Findable incidents within an open alarm, and those that were told.
    pub inside: [u32; 2],
}

/// Minutes at which a slice's alarm opens or escalates.
pub fn events(minutes: &[u8]) -> Vec<i32> {
    let mut before = 0;
    let mut all = Vec::new();
    for (at, flags) in minutes.iter().enumerate() {
        let opens = flags & DROP != 0 && before & DROP == 0;
        if opens || flags & DROP != 0 && flags & ESCALATED != 0 {
            all.push(at as i32);
        }
        before = *flags;
    }
    all
}

impl Score {
    /// Scores the alarms of one trial.
    pub fn of(truth: &Truth, judged: &[Minutes]) -> Score {
        let mut score = Score::default();
        for (slice, minutes) in judged.iter().enumerate() {
            let events = events(minutes);
            score.count_calm(truth, slice, minutes);
            events.iter().for_each(|at| score.count_event(truth, slice, *at, minutes));
            for (at, happening) in truth.happenings.iter().enumerate() {
                if happening.kind.is_incident() && happening.slices.contains(&slice) {
                    score.count_incident(truth, (at, slice), happening, &events, minutes);
                } else if happening.slices.contains(&slice) {
                    *score.other_chances.entry(happening.kind).or_default() += 1;
                }
            }
        }
        score
    }

    fn count_calm(&mut self, truth: &Truth, slice: usize, minutes: &[u8]) {
        let band = truth.bands[slice];
        self.weeks[band] += minutes.len() as f64 / WEEK;
        for (at, flags) in minutes.iter().enumerate() {
            if truth.place(slice, at as i32) == Place::Calm {
                self.calm_weeks[band] += 1.0 / WEEK;
                self.calm_alarm_min += f64::from(flags & DROP);
            }
        }
    }

    fn count_event(&mut self, truth: &Truth, slice: usize, at: i32, minutes: &[u8]) {
        match truth.place(slice, at) {
            Place::Calm => {
                self.false_alarms[truth.bands[slice]] += 1;
                // A drop becomes deep within minutes, or stays a ticket.
                let soon = &minutes[at as usize..(at as usize + 10).min(minutes.len())];
                self.false_pages += u32::from(soon.iter().any(|flags| flags & DEEP != 0));
            }
            Place::Other(kind) => *self.others.entry(kind).or_default() += 1,
            Place::Incident(_) | Place::Aside => {}
        }
    }

    fn count_incident(
        &mut self,
        truth: &Truth,
        (at, slice): (usize, usize),
        happening: &Happening,
        events: &[i32],
        minutes: &[u8],
    ) {
        let cell = self.cells.entry((happening.kind, truth.bands[slice])).or_default();
        cell.all += 1;
        let Some(bound) = truth.bounds[&(at, slice)] else { return };
        cell.findable += 1;
        let hit = events.iter().find(|event| (happening.from..happening.to).contains(*event));
        if let Some(event) = hit {
            let delay = event - happening.from + 1;
            cell.delays.push(delay);
            cell.slowness.push(f64::from(delay) / f64::from(bound.max(3)));
        }
        let open = happening.from > 0 && minutes[happening.from as usize - 1] & DROP != 0;
        if happening.kind == Kind::Inside {
            self.inside[0] += u32::from(open);
            self.inside[1] += u32::from(open && hit.is_some());
        } else {
            self.masked += u32::from(open && hit.is_none());
        }
    }

    /// Adds what another trial gave.
    pub fn add(&mut self, other: Score) {
        for band in 0..=BANDS.len() {
            self.calm_weeks[band] += other.calm_weeks[band];
            self.weeks[band] += other.weeks[band];
            self.false_alarms[band] += other.false_alarms[band];
        }
        self.false_pages += other.false_pages;
        self.calm_alarm_min += other.calm_alarm_min;
        self.masked += other.masked;
        (0..2).for_each(|at| self.inside[at] += other.inside[at]);
        for (key, cell) in other.cells {
            let own = self.cells.entry(key).or_default();
            own.all += cell.all;
            own.findable += cell.findable;
            own.delays.extend(cell.delays);
            own.slowness.extend(cell.slowness);
        }
        for (mine, theirs) in
            [(&mut self.others, other.others), (&mut self.other_chances, other.other_chances)]
        {
            theirs.into_iter().for_each(|(kind, count)| *mine.entry(kind).or_default() += count);
        }
    }

    /// False alarms per slice-week on slices of these bands.
    pub fn false_rate(&self, bands: std::ops::RangeFrom<usize>) -> f64 {
        let (count, weeks): (u32, f64) =
            (self.false_alarms[bands.clone()].iter().sum(), self.calm_weeks[bands].iter().sum());
        f64::from(count) / weeks.max(1e-9)
    }

    /// All cells of these kinds and bands as one.
    pub fn cell(&self, kinds: &[Kind], bands: std::ops::RangeFrom<usize>) -> Cell {
        let mut sum = Cell::default();
        for ((kind, band), cell) in &self.cells {
            if kinds.contains(kind) && bands.contains(band) {
                sum.all += cell.all;
                sum.findable += cell.findable;
                sum.delays.extend(&cell.delays);
                sum.slowness.extend(&cell.slowness);
            }
        }
        sum
    }
}

impl Cell {
    /// The share of the findable ones that was found; `NaN` if there were none.
    pub fn recall(&self) -> f64 {
        self.delays.len() as f64 / f64::from(self.findable)
    }

    /// A quantile of the delays, in minutes; `NaN` if there are none.
    pub fn delay(&self, q: f64) -> f64 {
        quantile(self.delays.iter().map(|delay| f64::from(*delay)), q)
    }

    /// A quantile of the delays in units of the bound.
    pub fn slowness(&self, q: f64) -> f64 {
        quantile(self.slowness.iter().copied(), q)
    }
}

fn quantile(values: impl Iterator<Item = f64>, q: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    if values.is_empty() { f64::NAN } else { values[((values.len() - 1) as f64 * q).round() as usize] }
}
