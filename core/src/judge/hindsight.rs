//! What was said of the last minutes, to be said again when data come late.
//!
//! In: verdicts as minutes are sealed, counts that come later. Out: verdicts judged anew, and whether the
//! evidence for a drop still stands. The expectation, the band and the bar of a minute stay those of then:
//! late data change what was seen, never what was to be expected. Late events are taken to be what was
//! missing. Must not know: alarms, when data are too late.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::baseline::Packed;
use crate::detect::{Drift, SinceOnset, SliceVerdict, Verdict};
use crate::impact::variance;
use crate::model::{Minute, SliceId};
use crate::simd::column::{CAP, LEAST_DISPERSION, LN_RATIO, MEMBERS, RATIO};
use crate::simd::ln1p;

/// Rows kept, over all streams, each its part; beyond, those that say nothing remarkable are forgotten, the
/// oldest first.
const MOST_ROWS: usize = 1 << 17;
/// The memory that the last minutes of all streams take at most.
pub const LAST_MINUTES_BYTES: u64 = (MOST_ROWS * size_of::<Past>()) as u64;
/// Evidence is remarkable from here on, in nats.
const REMARKABLE: f32 = 1.0;
/// A drop is refuted when less than this part of its evidence is left, and less than its bar.
const LEFT: f32 = 0.75;
/// Numbers that a row is saved as.
const COLUMNS: usize = 12;

/// The last minutes of one stream.
#[derive(Clone, Debug)]
pub(super) struct Hindsight {
    minutes: VecDeque<PastMinute>,
    rows: usize,
    most_rows: usize,
    changed: BTreeSet<(Minute, u32)>,
    /// Rows of a minute that was forgotten: the next are written in their place.
    spare: Vec<Past>,
}

#[derive(Clone, Debug)]
struct PastMinute {
    minute: Minute,
    /// The latest revision of its rows.
    revision: u32,
    completeness: f64,
    /// Watched events.
    counted: i64,
    /// By slice.
    rows: Vec<Past>,
}

/// A verdict as the minute was sealed, without what follows from others, and what came late. Figures that
/// are not known are NaN.
#[derive(Clone, Copy, Debug)]
struct Past {
    observed: i64,
    late: i64,
    /// So much of `late` was in what was said last.
    said_late: i64,
    slice: u32,
    upper: f32,
    expected: f32,
    low: f32,
    high: f32,
    evidence: f32,
    bar: f32,
    verdict: Verdict,
    /// The verdict that was said last.
    said: Verdict,
}

/// A verdict judged anew.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Anew {
    pub(super) minute: Minute,
    /// More than that of what was said before.
    pub(super) revision: u32,
    pub(super) before: SliceVerdict,
    pub(super) now: SliceVerdict,
}

/// A minute as it is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedMinute(i32, u32, Packed, Packed);

impl Past {
    fn of(verdict: &SliceVerdict) -> Past {
        let known = |figure: Option<f64>| figure.map_or(f32::NAN, |figure| figure as f32);
        Past {
            observed: verdict.observed.unwrap_or(0),
            late: 0,
            said_late: 0,
            slice: verdict.slice.0,
            upper: known(verdict.observed_max),
            expected: known(verdict.expected),
            low: known(verdict.low),
            high: known(verdict.high),
            evidence: verdict.evidence as f32,
            bar: verdict.threshold as f32,
            verdict: verdict.verdict,
            said: verdict.verdict,
        }
    }

    fn is_remarkable(&self) -> bool {
        !matches!(self.said, Verdict::Ok | Verdict::Learning) || self.evidence > REMARKABLE
    }

    /// Events with what may be missing of them, when `late` came late. Unknown while there are no data.
    fn upper(&self, late: i64) -> Option<f32> {
        let seen = (self.observed + late) as f32;
        match self.verdict {
            Verdict::NoData => (late > 0).then(|| seen.max(self.high)),
            _ => Some(self.upper.max(seen)),
        }
    }

    fn with_verdict(&self, verdict: Verdict, late: i64, completeness: f64) -> SliceVerdict {
        let known = |figure: f32| (!figure.is_nan()).then_some(f64::from(figure));
        let upper = self.upper(late);
        SliceVerdict {
            slice: SliceId(self.slice),
            verdict,
            observed: upper.map(|_| self.observed + late),
            observed_max: upper.map(f64::from),
            expected: known(self.expected),
            low: known(self.low),
            high: known(self.high),
            completeness,
            evidence: f64::from(self.evidence),
            threshold: f64::from(self.bar),
            onset: None,
            since_onset: SinceOnset::default(),
            deep: false,
            recovering: false,
            escalated: false,
            drift: Drift::default(),
            declared: None,
            before_drop: None,
            at_normal: None,
        }
    }

    /// The verdict with what came late; `is_open` tells whether a drop was open then.
    fn decide(&self, is_open: bool) -> Verdict {
        let Some(upper) = self.upper(self.late) else { return Verdict::NoData };
        if self.low.is_nan() {
            return Verdict::Learning;
        }
        match ((self.observed + self.late) as f32) < self.low && self.low <= upper {
            true => Verdict::Incomplete,
            false if is_open => Verdict::Drop,
            false => Verdict::Ok,
        }
    }

    /// Nats that this minute adds to the evidence for a drop to a member's ratio.
    fn gain(&self, member: usize, late: i64) -> f32 {
        let (Some(x), false) = (self.upper(late), self.expected.is_nan()) else { return 0.0 };
        let mu = self.expected.max(1e-4);
        let spread = variance(&self.with_verdict(self.verdict, 0, 1.0)) as f32;
        let r = 1.0 / ((spread - mu) / (mu * mu)).max(LEAST_DISPERSION);
        let gain = x * LN_RATIO[member] - (x + r) * ln1p((RATIO[member] - 1.0) * mu / (r + mu));
        gain.min(self.bar / CAP)
    }
}

impl Hindsight {
    /// Nothing yet, for one of so many streams.
    pub(super) fn new(streams: usize) -> Hindsight {
        let most_rows = MOST_ROWS / streams.max(1);
        Hindsight {
            minutes: VecDeque::new(),
            rows: 0,
            most_rows,
            changed: BTreeSet::new(),
            spare: Vec::new(),
        }
    }

    /// Keeps the verdicts of a minute, and those of the `keep` minutes up to it.
    pub(super) fn note<'a>(
        &mut self,
        minute: Minute,
        counted: i64,
        verdicts: impl Iterator<Item = &'a SliceVerdict>,
        keep: i32,
    ) {
        let mut completeness = 1.0;
        while self.minutes.front().is_some_and(|first| minute.0 - first.minute.0 >= keep) {
            self.forget_first();
        }
        let mut rows = std::mem::take(&mut self.spare);
        rows.clear();
        rows.extend(verdicts.map(|verdict| {
            completeness = verdict.completeness;
            Past::of(verdict)
        }));
        self.rows += rows.len();
        self.minutes.push_back(PastMinute { minute, revision: 0, completeness, counted, rows });
        self.make_room();
    }

    fn forget_first(&mut self) {
        if let Some(first) = self.minutes.pop_front() {
            self.rows -= first.rows.len();
            self.spare = first.rows;
        }
    }

    fn make_room(&mut self) {
        for past in &mut self.minutes {
            if self.rows <= self.most_rows {
                return;
            }
            let before = past.rows.len();
            past.rows.retain(Past::is_remarkable);
            self.rows -= before - past.rows.len();
        }
        while self.rows > self.most_rows {
            self.forget_first();
        }
    }

    /// Adds what came late to a minute, `late` by slice.
    pub(super) fn add(&mut self, minute: Minute, revision: u32, counted: i64, late: &[(SliceId, i64)]) {
        let Some(past) = self.minutes.iter_mut().find(|past| past.minute == minute) else { return };
        past.revision = past.revision.max(revision.saturating_sub(1));
        past.completeness = past.believed(counted);
        past.counted += counted;
        for (slice, count) in late {
            if let Ok(at) = past.rows.binary_search_by_key(&slice.0, |row| row.slice) {
                past.rows[at].late += count;
                self.changed.insert((minute, slice.0));
            }
        }
    }

    /// Slices to which something was added since verdicts were last taken.
    pub(super) fn touched(&self) -> BTreeSet<SliceId> {
        self.changed.iter().map(|(_, slice)| SliceId(*slice)).collect()
    }

    /// The verdicts that late data changed since the last call, and what was said before. `was_none` are the
    /// slices whose open drop is none any more.
    pub(super) fn take(&mut self, was_none: &BTreeSet<SliceId>) -> Vec<Anew> {
        let mut changed = std::mem::take(&mut self.changed);
        for past in &self.minutes {
            let drops = past.rows.iter().filter(|row| row.said == Verdict::Drop);
            let none = drops.filter(|row| was_none.contains(&SliceId(row.slice)));
            changed.extend(none.map(|row| (past.minute, row.slice)));
        }
        let mut anew = Vec::with_capacity(changed.len());
        for (minute, slice) in changed {
            let is_open = self.was_open(minute, slice) && !was_none.contains(&SliceId(slice));
            let at = self.minutes.iter().position(|past| past.minute == minute);
            anew.extend(at.and_then(|at| self.minutes[at].again(slice, is_open)));
        }
        for minute in anew.iter().map(|anew: &Anew| anew.minute).collect::<BTreeSet<_>>() {
            let past = self.minutes.iter_mut().find(|past| past.minute == minute);
            past.into_iter().for_each(|past| past.revision += 1);
        }
        anew
    }

    /// What was said last of a slice in a minute.
    pub(super) fn said(&self, slice: SliceId, minute: Minute) -> Option<SliceVerdict> {
        let past = self.minutes.iter().rfind(|past| past.minute == minute)?;
        let at = past.rows.binary_search_by_key(&slice.0, |row| row.slice).ok()?;
        let row = &past.rows[at];
        Some(row.with_verdict(row.said, row.said_late, past.completeness))
    }

    /// Whether the last thing that was said of a slice up to a minute, where anything was known, is a drop.
    fn was_open(&self, minute: Minute, slice: u32) -> bool {
        let known = |row: &Past| !matches!(row.said, Verdict::NoData | Verdict::Incomplete);
        let rows = self.rows_of(slice, Minute(i32::MIN), minute);
        rows.filter(|row| known(row)).last().is_some_and(|row| row.said == Verdict::Drop)
    }

    fn rows_of(&self, slice: u32, from: Minute, to: Minute) -> impl Iterator<Item = &Past> {
        let minutes = self.minutes.iter().filter(move |past| (from..=to).contains(&past.minute));
        minutes.filter_map(move |past| {
            past.rows.binary_search_by_key(&slice, |row| row.slice).ok().map(|at| &past.rows[at])
        })
    }

    /// Whether what came late leaves too little evidence for a drop of the slice that began between `earliest`
    /// and `likeliest` and was over after `to`. What lies too far back can't be refuted.
    pub(super) fn refutes(&self, slice: SliceId, [earliest, likeliest]: [Minute; 2], to: Minute) -> bool {
        if self.minutes.front().is_none_or(|first| first.minute > likeliest) {
            return false;
        }
        let bar = self.rows_of(slice.0, earliest, to).last().map_or(0.0, |row| row.bar);
        let evidence = |with_late: bool| {
            (0..MEMBERS).map(|member| self.summit(slice, earliest, to, member, with_late)).fold(0.0, f32::max)
        };
        let (sealed, now) = (evidence(false), evidence(true));
        now < bar && now < LEFT * sealed
    }

    /// The highest that a member's evidence stood in these minutes.
    fn summit(&self, slice: SliceId, from: Minute, to: Minute, member: usize, with_late: bool) -> f32 {
        let (mut evidence, mut summit) = (0.0f32, 0.0f32);
        for row in self.rows_of(slice.0, from, to) {
            evidence =
                (evidence + row.gain(member, if with_late { row.late } else { 0 })).clamp(0.0, 2.0 * row.bar);
            summit = summit.max(evidence);
        }
        summit
    }

    /// Everything that later answers depend on.
    pub(super) fn save(&self) -> Vec<SavedMinute> {
        self.minutes.iter().map(PastMinute::save).collect()
    }

    /// Goes on from what was saved; `None` if it is damaged.
    pub(super) fn restore(&mut self, saved: &[SavedMinute]) -> Option<()> {
        self.minutes = saved.iter().map(PastMinute::restore).collect::<Option<_>>()?;
        self.rows = self.minutes.iter().map(|past| past.rows.len()).sum();
        Some(())
    }
}

impl PastMinute {
    /// The fraction that is believed to be there with so many more.
    fn believed(&self, late: i64) -> f64 {
        let whole = self.rows.first().filter(|row| row.slice == 0).map_or(f32::NAN, |row| row.expected);
        let usual = f64::from(whole).max(1.0);
        let share = if self.counted > 0 && self.completeness > 0.0 {
            self.completeness * (1.0 + late as f64 / self.counted as f64)
        } else {
            self.completeness + late as f64 / usual
        };
        share.min(1.0)
    }

    fn again(&mut self, slice: u32, is_open: bool) -> Option<Anew> {
        let at = self.rows.binary_search_by_key(&slice, |row| row.slice).ok()?;
        let row = &mut self.rows[at];
        let before = row.with_verdict(row.said, row.said_late, self.completeness);
        (row.said, row.said_late) = (row.decide(is_open), row.late);
        let now = row.with_verdict(row.said, row.said_late, self.completeness);
        Some(Anew { minute: self.minute, revision: self.revision + 1, before, now })
    }

    fn save(&self) -> SavedMinute {
        let halves = |n: i64| [n as u32, (n >> 32) as u32].map(f32::from_bits);
        let row = |row: &Past| -> [f32; COLUMNS] {
            let ([x, y], [v, w]) = (halves(row.observed), halves(row.late));
            let verdicts = (row.verdict as u32) | (row.said as u32) << 8;
            let [slice, verdicts] = [row.slice, verdicts].map(f32::from_bits);
            let Past { upper, expected, low, high, evidence, bar, .. } = *row;
            [x, y, v, w, slice, verdicts, upper, expected, low, high, evidence, bar]
        };
        let completeness = self.completeness.to_bits() as i64;
        let head = [halves(completeness), halves(self.counted)].into_iter().flatten();
        let rows = self.rows.iter().flat_map(row);
        SavedMinute(self.minute.0, self.revision, Packed::from_f32(head), Packed::from_f32(rows))
    }

    fn restore(SavedMinute(minute, revision, head, rows): &SavedMinute) -> Option<PastMinute> {
        let whole = |low: f32, high: f32| i64::from(low.to_bits()) | i64::from(high.to_bits()) << 32;
        let [a, b, c, d] = head.to_f32()?.try_into().ok()?;
        let numbers = rows.to_f32()?;
        let (rows, rest) = numbers.as_chunks::<COLUMNS>();
        let row =
            |&[x, y, v, w, slice, verdicts, upper, expected, low, high, evidence, bar]: &[f32; COLUMNS]| {
                let (verdict, said) = (named(verdicts.to_bits() & 0xff)?, named(verdicts.to_bits() >> 8)?);
                let (observed, late, slice) = (whole(x, y), whole(v, w), slice.to_bits());
                let said_late = late;
                let past = Past {
                    observed,
                    late,
                    said_late,
                    slice,
                    upper,
                    expected,
                    low,
                    high,
                    evidence,
                    bar,
                    verdict,
                    said,
                };
                Some(past)
            };
        let rows = rows.iter().map(row).collect::<Option<Vec<Past>>>().filter(|_| rest.is_empty())?;
        let (completeness, counted) = (f64::from_bits(whole(a, b) as u64), whole(c, d));
        Some(PastMinute { minute: Minute(*minute), revision: *revision, completeness, counted, rows })
    }
}

fn named(number: u32) -> Option<Verdict> {
    let all = [Verdict::NoData, Verdict::Incomplete, Verdict::Learning, Verdict::Drop, Verdict::Ok];
    all.into_iter().find(|verdict| *verdict as u32 == number)
}
