//! One sealed minute as the book looks at it, and the last minutes of every watched slice.

use std::cell::OnceCell;
use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::life::Life;
use super::marks::Marks;
use super::record::Kind;
use crate::detect::{SliceVerdict, Verdict};
use crate::impact::{Baskets, variance};
use crate::localize::Cell;
use crate::model::{Minute, SealedMinute, Slice, StreamSpec, TimeUs, View};

/// Minutes that are looked at together when a shortfall is explained.
pub(super) const WINDOW_MINUTES: usize = 16;
/// Later than every minute.
const LAST: Minute = Minute(i32::MAX);

/// A watched slice and what the detector says of it: a row of the `slices` dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceRow {
    /// The slice.
    pub slice: Slice,
    /// The verdict; its `slice` is the same slice as an id of the detector's table.
    pub verdict: SliceVerdict,
}

/// Whose verdicts they are.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    /// Kind of the alarms: a drop, or a funnel.
    pub(super) kind: Kind,
    /// What their keys name: the stream, or the funnel.
    pub(super) name: &'a str,
    /// What this host sees of the shop.
    pub(super) view: View,
    /// Whether what falls now may open an alarm.
    pub(super) opens: bool,
    /// The stream that should have brought the events, of a funnel.
    pub(super) per: Option<&'a str>,
    /// The stream whose baskets say what an event is worth.
    pub(super) priced: &'a StreamSpec,
    pub(super) baskets: &'a Baskets,
}

impl Subject<'_> {
    /// Whether alarms of this are about `slice`: where a host sees only a part of the shop, all that it sees is
    /// its traffic, and only shares of that can drop.
    pub(super) fn is_about(&self, slice: &Slice) -> bool {
        match (self.kind, self.view) {
            (Kind::Traffic, _) => slice.is_whole(),
            (Kind::Drop, View::Part) => !slice.is_whole(),
            _ => true,
        }
    }

    /// Whether an alarm is about this.
    pub(super) fn owns(&self, life: &Life) -> bool {
        let rest = life.key.strip_prefix(self.kind.name()).and_then(|rest| rest.strip_prefix('/'));
        let rest = rest.and_then(|rest| rest.strip_prefix(self.name));
        life.kind == self.kind && rest.is_some_and(|rest| rest.starts_with('/'))
    }
}

/// What the book knows of the minute it is looking at.
pub(super) struct Scene<'a> {
    pub(super) spec: &'a StreamSpec,
    pub(super) subject: Subject<'a>,
    pub(super) sealed: &'a SealedMinute,
    pub(super) now: TimeUs,
    pub(super) recent: &'a Recent,
    pub(super) marks: &'a Marks,
    rows: &'a [SliceRow],
    /// The rows by slice, once somebody asks: in most minutes nothing falls and nobody does.
    by_slice: OnceCell<BTreeMap<&'a Slice, &'a SliceVerdict>>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        (spec, subject): (&'a StreamSpec, Subject<'a>),
        sealed: &'a SealedMinute,
        rows: &'a [SliceRow],
        now: TimeUs,
        (recent, marks): (&'a Recent, &'a Marks),
    ) -> Scene<'a> {
        Scene { spec, subject, sealed, now, recent, marks, rows, by_slice: OnceCell::new() }
    }

    pub(super) fn minute(&self) -> Minute {
        self.sealed.minute
    }

    pub(super) fn no_data(&self) -> bool {
        self.sealed.completeness.no_data
    }

    pub(super) fn verdict(&self, slice: &Slice) -> Option<&'a SliceVerdict> {
        if slice.is_whole() {
            return self.rows.iter().find(|row| row.slice.is_whole()).map(|row| &row.verdict);
        }
        let sorted = || self.rows.iter().map(|row| (&row.slice, &row.verdict)).collect();
        self.by_slice.get_or_init(sorted).get(slice).copied()
    }

    /// The slices whose verdict is `drop`, in canonical order.
    pub(super) fn drops(&self) -> impl Iterator<Item = (&'a Slice, &'a SliceVerdict)> {
        let falls = |row: &&SliceRow| row.verdict.verdict == Verdict::Drop;
        let drops = self
            .rows
            .iter()
            .filter(falls)
            .filter(|row| self.subject.opens && self.subject.is_about(&row.slice));
        let mut drops: Vec<_> = drops.map(|row| (&row.slice, &row.verdict)).collect();
        drops.sort_by_key(|(slice, _)| *slice);
        drops.into_iter()
    }

    /// What may explain a shortfall: the slices that alarms of this are about, from `from` on.
    pub(super) fn cells(&self, from: Minute) -> Vec<Cell<'a>> {
        let recent: &'a Recent = self.recent;
        recent.cells(from).into_iter().filter(|cell| self.subject.is_about(cell.slice)).collect()
    }

    /// Events missing in this minute of `slice`.
    pub(super) fn shortfall(&self, slice: &Slice) -> f64 {
        self.verdict(slice).map_or(0.0, shortfall)
    }
}

/// Expected minus observed of one minute, never negative; 0 where either is not known.
pub(super) fn shortfall(verdict: &SliceVerdict) -> f64 {
    match (verdict.observed, verdict.expected) {
        (Some(observed), Some(expected)) => (expected - observed as f64).max(0.0),
        _ => 0.0,
    }
}

/// The last minutes of every watched slice of one stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Recent {
    /// By the detector's slice ids.
    tracks: Vec<Track>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Track {
    slice: Slice,
    /// Ascending; minutes without data or expectation are left out.
    moments: VecDeque<(Minute, f32, f32, f32)>,
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
}

impl Recent {
    /// Notes a minute of every slice.
    pub(super) fn push(&mut self, minute: Minute, rows: &[SliceRow]) {
        for row in rows {
            let at = row.verdict.slice.index();
            if self.tracks.len() <= at {
                self.tracks.resize_with(at + 1, Track::default);
            }
            let track = &mut self.tracks[at];
            if track.slice != row.slice {
                *track = Track { slice: row.slice.clone(), ..Track::default() };
            }
            track.push(minute, &row.verdict);
        }
    }

    /// A minute that is known better than before, if it is one of the last.
    pub(super) fn correct(&mut self, minute: Minute, slice: &Slice, now: &SliceVerdict) {
        let track = self.tracks.get_mut(now.slice.index()).filter(|track| track.slice == *slice);
        track.into_iter().for_each(|track| track.correct(minute, now));
    }

    /// What the slices had from `from` to the last minute noted, as cells to explain a shortfall by.
    pub(super) fn cells(&self, from: Minute) -> Vec<Cell<'_>> {
        let seen = self.tracks.iter().filter(|track| track.last() >= Some(from));
        seen.map(|track| {
            let Window { observed, expected, variance, .. } = track.window(from, LAST);
            Cell { slice: &track.slice, observed, expected, variance }
        })
        .collect()
    }

    /// The sums of one slice from `from` on; zeros when it is not known.
    pub(super) fn window(&self, slice: &Slice, from: Minute) -> Window {
        self.between(slice, from, LAST)
    }

    /// The sums of one slice from `from` to `to`, both included; zeros when it is not known.
    pub(super) fn between(&self, slice: &Slice, from: Minute, to: Minute) -> Window {
        let same = self.tracks.iter().filter(|track| track.slice == *slice);
        let track = same.max_by_key(|track| track.last());
        track.map(|track| track.window(from, to)).unwrap_or_default()
    }
}

impl Track {
    fn push(&mut self, minute: Minute, verdict: &SliceVerdict) {
        let (Some(observed), Some(expected)) = (verdict.observed, verdict.expected) else { return };
        if self.moments.len() == WINDOW_MINUTES {
            self.moments.pop_front();
        }
        self.moments.push_back((minute, observed as f32, expected as f32, variance(verdict) as f32));
    }

    fn correct(&mut self, minute: Minute, now: &SliceVerdict) {
        let (Some(observed), Some(expected)) = (now.observed, now.expected) else { return };
        match self.moments.binary_search_by_key(&minute, |moment| moment.0) {
            Ok(at) => self.moments[at].1 = observed as f32,
            Err(0) => {}
            Err(at) => {
                self.moments.insert(at, (minute, observed as f32, expected as f32, variance(now) as f32));
                self.moments.drain(..self.moments.len().saturating_sub(WINDOW_MINUTES));
            }
        }
    }

    fn last(&self) -> Option<Minute> {
        self.moments.back().map(|moment| moment.0)
    }

    fn window(&self, from: Minute, to: Minute) -> Window {
        let inside = self.moments.iter().filter(|moment| (from..=to).contains(&moment.0));
        inside.fold(Window::default(), |sum, &(_, observed, expected, variance)| Window {
            minutes: sum.minutes + 1,
            observed: sum.observed + f64::from(observed),
            expected: sum.expected + f64::from(expected),
            variance: sum.variance + f64::from(variance),
        })
    }
}
