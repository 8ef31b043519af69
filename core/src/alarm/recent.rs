//! The last minutes of every watched slice of one stream, minute by minute: what a minute brings is written
//! in one stretch.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::scene::SliceRow;
use crate::detect::SliceVerdict;
use crate::impact::variance;
use crate::localize::Cell;
use crate::model::{Minute, Slice};

/// Minutes that are looked at together when a shortfall is explained.
pub(super) const WINDOW_MINUTES: usize = 16;
/// Later than every minute.
const LAST: Minute = Minute(i32::MAX);

/// The last minutes of one stream in which anything was expected.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub(super) struct Recent {
    /// By the detector's slice ids.
    slices: Vec<Arc<Slice>>,
    /// The id that a slice has now.
    ids: HashMap<Arc<Slice>, usize, foldhash::fast::RandomState>,
    /// Ascending; of each what the slices had, by id.
    minutes: VecDeque<(Minute, Vec<Moment>)>,
}

/// What a slice had in a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moment {
    observed: f32,
    expected: f32,
    /// Negative: there were no data, or nothing to expect.
    variance: f32,
}

const UNKNOWN: Moment = Moment { observed: 0.0, expected: 0.0, variance: -1.0 };

/// As it is saved: slice by slice, minutes without data or expectation left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Saved {
    tracks: Vec<Track>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Track {
    slice: Arc<Slice>,
    /// Ascending: minute, observed, expected, variance.
    moments: Vec<(Minute, f32, f32, f32)>,
}

/// Sums over a window of minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Window {
    pub(super) minutes: u32,
    pub(super) observed: f64,
    pub(super) expected: f64,
    pub(super) variance: f64,
}

impl Window {
    /// Events missing per minute, never negative.
    pub(super) fn loss_rate(&self) -> f64 {
        (self.expected - self.observed).max(0.0) / f64::from(self.minutes.max(1))
    }

    /// Whether so many standard deviations are missing.
    pub(super) fn is_down(&self, sigmas: f64) -> bool {
        self.expected - self.observed > sigmas * self.variance.sqrt()
    }

    fn add(&mut self, moment: Moment) {
        self.minutes += 1;
        self.observed += f64::from(moment.observed);
        self.expected += f64::from(moment.expected);
        self.variance += f64::from(moment.variance);
    }
}

impl Moment {
    /// `None` while nothing is known or nothing expected.
    fn of(verdict: &SliceVerdict) -> Option<Moment> {
        let (observed, expected) = (verdict.observed? as f32, verdict.expected? as f32);
        Some(Moment { observed, expected, variance: variance(verdict) as f32 })
    }

    fn is_known(self) -> bool {
        self.variance >= 0.0
    }
}

impl Recent {
    /// Notes a minute of every slice.
    pub(super) fn push(&mut self, minute: Minute, rows: &[SliceRow]) {
        for row in rows {
            let at = row.verdict.slice.index();
            if self.slices.get(at) != Some(&row.slice) {
                self.name(at, &row.slice);
            }
        }
        if !rows.iter().any(|row| row.verdict.observed.is_some() && row.verdict.expected.is_some()) {
            return;
        }
        let full = self.minutes.len() == WINDOW_MINUTES;
        let mut moments = self.minutes.pop_front_if(|_| full).map_or_else(Vec::new, |(_, spare)| spare);
        moments.clear();
        moments.resize(self.slices.len(), UNKNOWN);
        for row in rows {
            moments[row.verdict.slice.index()] = Moment::of(&row.verdict).unwrap_or(UNKNOWN);
        }
        self.minutes.push_back((minute, moments));
    }

    /// The id is this slice's from now on.
    fn name(&mut self, at: usize, slice: &Arc<Slice>) {
        if self.slices.len() <= at {
            self.slices.resize_with(at + 1, Arc::default);
        }
        if self.ids.get(&self.slices[at]) == Some(&at) {
            self.ids.remove(&self.slices[at]);
        }
        self.slices[at] = Arc::clone(slice);
        self.ids.insert(Arc::clone(slice), at);
        let before = self.minutes.iter_mut().filter_map(|(_, moments)| moments.get_mut(at));
        before.for_each(|moment| *moment = UNKNOWN);
    }

    /// A minute that is known better than before, if it is one of the last.
    pub(super) fn correct(&mut self, minute: Minute, slice: &Slice, now: &SliceVerdict) {
        let at = now.slice.index();
        if self.slices.get(at).is_none_or(|known| **known != *slice) {
            return;
        }
        let Some(moment) = Moment::of(now) else { return };
        let place = match self.minutes.binary_search_by_key(&minute, |(minute, _)| *minute) {
            Ok(place) => place,
            Err(0) => return,
            Err(place) => {
                self.minutes.insert(place, (minute, Vec::new()));
                let surplus = self.minutes.len().saturating_sub(WINDOW_MINUTES);
                self.minutes.drain(..surplus);
                place - surplus
            }
        };
        let moments = &mut self.minutes[place].1;
        moments.resize(moments.len().max(at + 1), UNKNOWN);
        let known = &mut moments[at];
        *known = if known.is_known() { Moment { observed: moment.observed, ..*known } } else { moment };
    }

    /// What the slices had from `from` to the last minute noted, as cells to explain a shortfall by.
    pub(super) fn cells(&self, from: Minute) -> Vec<Cell<'_>> {
        let mut sums = vec![Window::default(); self.slices.len()];
        for (_, moments) in self.minutes.iter().filter(|(minute, _)| *minute >= from) {
            for (sum, moment) in sums.iter_mut().zip(moments).filter(|(_, moment)| moment.is_known()) {
                sum.add(*moment);
            }
        }
        let seen = self.slices.iter().zip(&sums).filter(|(_, sum)| sum.minutes > 0);
        seen.map(|(slice, &Window { observed, expected, variance, .. })| Cell {
            slice,
            observed,
            expected,
            variance,
        })
        .collect()
    }

    /// The sums of one slice from `from` on; zeros when it is not known.
    pub(super) fn window(&self, slice: &Slice, from: Minute) -> Window {
        self.between(slice, from, LAST)
    }

    /// The sums of one slice from `from` to `to`, both included; zeros when it is not known.
    pub(super) fn between(&self, slice: &Slice, from: Minute, to: Minute) -> Window {
        let mut window = Window::default();
        let Some(at) = self.id_of(slice) else { return window };
        let inside = self.minutes.iter().filter(|(minute, _)| (from..=to).contains(minute));
        let moments = inside.filter_map(|(_, moments)| moments.get(at)).filter(|moment| moment.is_known());
        moments.for_each(|moment| window.add(*moment));
        window
    }

    /// The detector's id of a slice, if any minute of it was noted.
    pub(super) fn id_of(&self, slice: &Slice) -> Option<usize> {
        self.ids.get(slice).copied()
    }
}

impl From<Recent> for Saved {
    fn from(recent: Recent) -> Saved {
        let track = |(at, slice): (usize, &Arc<Slice>)| {
            let known = |(minute, moments): &(Minute, Vec<Moment>)| {
                let Moment { observed, expected, variance } = *moments.get(at)?;
                (variance >= 0.0).then_some((*minute, observed, expected, variance))
            };
            Track { slice: Arc::clone(slice), moments: recent.minutes.iter().filter_map(known).collect() }
        };
        Saved { tracks: recent.slices.iter().enumerate().map(track).collect() }
    }
}

impl From<Saved> for Recent {
    fn from(Saved { tracks }: Saved) -> Recent {
        let minutes: BTreeSet<Minute> = tracks.iter().flat_map(|track| &track.moments).map(|m| m.0).collect();
        let blank = vec![UNKNOWN; tracks.len()];
        let last = minutes.iter().rev().take(WINDOW_MINUTES);
        let mut by_minute: BTreeMap<Minute, Vec<Moment>> = last.map(|at| (*at, blank.clone())).collect();
        for (at, track) in tracks.iter().enumerate() {
            for &(minute, observed, expected, variance) in &track.moments {
                if let Some(moments) = by_minute.get_mut(&minute) {
                    moments[at] = Moment { observed, expected, variance };
                }
            }
        }
        let slices: Vec<Arc<Slice>> = tracks.into_iter().map(|track| track.slice).collect();
        let ids = slices.iter().enumerate().map(|(at, slice)| (Arc::clone(slice), at)).collect();
        Recent { slices, ids, minutes: by_minute.into_iter().collect() }
    }
}

/// Two are the same if they would be saved the same.
impl PartialEq for Recent {
    fn eq(&self, other: &Recent) -> bool {
        Saved::from(self.clone()) == Saved::from(other.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{SinceOnset, Verdict};
    use crate::model::SliceId;

    fn row(id: u32, slice: &Arc<Slice>, observed: Option<i64>, expected: Option<f64>) -> SliceRow {
        let verdict = SliceVerdict {
            slice: SliceId(id),
            verdict: Verdict::Ok,
            observed,
            observed_max: None,
            expected,
            low: None,
            high: None,
            completeness: 1.0,
            evidence: 0.0,
            threshold: 12.0,
            onset: None,
            since_onset: SinceOnset::default(),
            deep: false,
            recovering: false,
            escalated: false,
            drift: crate::detect::Drift::default(),
            declared: None,
            before_drop: None,
            at_normal: None,
        };
        SliceRow { slice: Arc::clone(slice), verdict }
    }

    #[test]
    fn only_the_last_known_minutes_are_kept_and_come_back() {
        let (whole, us) = (Arc::new(Slice::default()), Arc::new(Slice::of([("marketplace", "US")])));
        let mut recent = Recent::default();
        for at in 0..40 {
            let there = at % 4 != 3;
            let rows =
                [row(0, &whole, there.then_some(at), Some(50.0)), row(1, &us, there.then_some(1), None)];
            recent.push(Minute(at as i32), &rows);
        }
        let all = recent.window(&whole, Minute(0));
        // Every fourth minute has no data: the last sixteen others begin at 18.
        assert_eq!((all.minutes, all.expected), (16, 800.0));
        let sum = (18..40).filter(|at| at % 4 != 3).sum::<i64>() as f64;
        assert_eq!(all.observed, sum);
        assert_eq!(recent.between(&whole, Minute(20), Minute(23)).minutes, 3);
        assert_eq!((recent.window(&us, Minute(0)).minutes, recent.cells(Minute(0)).len()), (0, 1));
        let text = serde_json::to_string(&recent).expect("JSON");
        let back: Recent = serde_json::from_str(&text).expect("what was written");
        assert_eq!(back, recent);
        assert_eq!(back.window(&whole, Minute(0)), all);
    }

    #[test]
    fn an_id_that_goes_to_another_slice_begins_anew() {
        let (us, de) = (Arc::new(Slice::of([("m", "US")])), Arc::new(Slice::of([("m", "DE")])));
        let mut recent = Recent::default();
        recent.push(Minute(1), &[row(0, &us, Some(5), Some(9.0))]);
        recent.push(Minute(2), &[row(0, &de, Some(6), Some(9.0))]);
        assert_eq!(recent.window(&us, Minute(0)).minutes, 0);
        assert_eq!(recent.window(&de, Minute(0)).observed, 6.0);
    }
}
