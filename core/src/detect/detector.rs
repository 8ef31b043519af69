//! The judge of one stream: each sealed minute against the baselines, slice by slice.

use std::sync::Arc;

use super::bank::Bank;
use super::calendar::Calendar;
use super::clock::SliceClock;
use super::drift::Drift;
use super::episode::{self, Episode, Turn};
use super::episodes::Episodes;
use super::labels::Raises;
use super::loss::{LossModel, Missing};
use super::parts::Parts;
use super::pulse::Pulses;
use super::shares::share_out;
use super::{SinceOnset, SliceTable, SliceVerdict, Verdict};
use crate::baseline::{Profiles, Sides};
use crate::model::{Minute, SealedMinute, Slice, SliceId, StreamSpec};
use crate::simd::Step;
use crate::simd::column::*;

/// Minutes in a week.
const WEEK: f64 = 10_080.0;
/// The lowest bar, in nats.
const LEAST_BAR: f64 = 8.0;
/// Nats by which the bar stands above the plain union bound (measured on simulated shops).
const BAR_MARGIN: f64 = 0.5;
/// After a gap of so many minutes evidence from before it counts no more.
const STALE_EVIDENCE: i32 = 60;
/// After a gap of so many minutes fast levels start anew from the slow one.
const STALE_LEVELS: i32 = 360;
/// A slice without an event for so many minutes is retired.
const RETIRED_AFTER: f32 = 28.0 * 1440.0;

/// What an operator may turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectKnobs {
    /// False alarms per week over all watched slices of the stream.
    pub false_alarms_per_week: f64,
    /// Most slices that are judged; later ones are not, and are counted.
    pub max_slices: usize,
}

/// What says of each slice which events a minute should have.
pub(super) type Given<'a> = &'a dyn Fn(&Slice) -> f64;
/// Takes the verdicts of a minute, each with its slice.
type Tell<'a> = &'a mut dyn FnMut(&Arc<Slice>, SliceVerdict);

/// Judges the watched slices of one stream, minute by minute. The same minutes give the same verdicts.
#[derive(Debug)]
pub struct Detector {
    pub(super) knobs: DetectKnobs,
    pub(super) min_loss: f64,
    pub(super) table: SliceTable,
    pub(super) clock: SliceClock,
    pub(super) zone_of: Vec<u16>,
    pub(super) parts: Parts,
    pub(super) profiles: Profiles,
    pub(super) bank: Bank,
    pub(super) episodes: Episodes,
    pub(super) loss: LossModel,
    pub(super) pulses: Pulses,
    pub(super) raises: Raises,
    pub(super) calendar: Calendar,
    pub(super) origin: Option<Minute>,
    pub(super) last: Option<Minute>,
    observed: Vec<i64>,
    /// Whether slices are judged as shares of the whole.
    shares: bool,
    /// Members whose passing of the bar counts, as bits.
    pub(super) firing: u32,
}

/// What is the same for all verdicts of a minute.
struct Context {
    minute: Minute,
    origin: Minute,
    no_data: bool,
    learns: bool,
    missing: f64,
    completeness: f64,
}

impl Detector {
    /// A detector that knows nothing yet.
    pub fn new(stream: &StreamSpec, knobs: &DetectKnobs) -> Detector {
        let mut detector = Detector {
            knobs: *knobs,
            min_loss: stream.min_loss,
            table: SliceTable::new(stream, knobs.max_slices),
            clock: SliceClock::new(stream),
            zone_of: Vec::new(),
            parts: Parts::new(stream.timezones.by.map(|at| stream.dimensions[at].name.clone())),
            profiles: Profiles::default(),
            bank: Bank::default(),
            episodes: Episodes::default(),
            loss: LossModel::default(),
            pulses: Pulses::default(),
            raises: Raises::default(),
            calendar: Calendar::default(),
            origin: None,
            last: None,
            observed: Vec::new(),
            shares: false,
            firing: u32::MAX,
        };
        detector.grow();
        detector
    }

    /// The slices judged so far; ids in verdicts are of this table.
    pub fn slices(&self) -> &SliceTable {
        &self.table
    }

    /// The last minute judged.
    pub fn last_minute(&self) -> Option<Minute> {
        self.last
    }

    /// Drops that are open now.
    pub fn open_episodes(&self) -> usize {
        self.episodes.iter().filter(|(_, episode)| !episode.accepted).count()
    }

    /// From now on slices are judged as shares of what this host sees; only the whole is judged as a count.
    pub fn judge_shares(&mut self) {
        self.shares = true;
    }

    /// Lets only these members of the bank open and escalate drops (bit by bit, the deepest first, total
    /// silence last): for trying what each of them brings.
    pub fn let_fire(&mut self, members: u32) {
        self.firing = members;
    }

    /// Judges a minute: one verdict per known slice, in id order. Minutes must ascend; missing ones are
    /// taken as without data. A minute not later than the last one, or a revision, gives nothing.
    pub fn judge(&mut self, sealed: &SealedMinute) -> Vec<SliceVerdict> {
        let mut verdicts = Vec::with_capacity(self.table.len());
        self.judge_by(sealed, None, &mut |_, verdict| verdicts.push(verdict));
        verdicts
    }

    /// As [`Detector::judge`]; tells the verdicts one by one, each with its slice.
    pub fn judge_each(&mut self, sealed: &SealedMinute, tell: Tell<'_>) {
        self.judge_by(sealed, None, tell);
    }

    /// As [`Detector::judge_each`], but a slice's profile at the minute is what `given` says, in events per
    /// minute; nothing is learnt of the week, and verdicts are given after a day.
    pub(super) fn judge_given(&mut self, sealed: &SealedMinute, given: Given<'_>, tell: Tell<'_>) {
        self.judge_by(sealed, Some(given), tell);
    }

    fn judge_by(&mut self, sealed: &SealedMinute, given: Option<Given<'_>>, tell: Tell<'_>) {
        if sealed.revision > 0 || self.last.is_some_and(|last| sealed.minute <= last) {
            return;
        }
        let origin = *self.origin.get_or_insert(sealed.minute);
        self.bridge(sealed.minute);
        match given {
            None => {
                self.tick(sealed.minute);
                self.fill(sealed);
            }
            Some(given) => self.fill_given(sealed, given),
        }
        self.hold_raises(sealed.minute);
        self.declare_minute(sealed.minute);
        let missing = self.missing(sealed);
        let context = Context {
            minute: sealed.minute,
            origin,
            no_data: sealed.completeness.no_data,
            learns: missing.learns,
            missing: missing.of_expected,
            completeness: sealed.completeness.fraction,
        };
        self.last = Some(sealed.minute);
        let levels = self.declared_levels();
        self.verdicts(&context, tell);
        if context.learns && !context.no_data {
            self.follow_declared(&levels);
        }
        let bank = &self.bank;
        let expected = |slice: usize| bank.expected_now(slice).filter(|_| bank.is_learnt(slice));
        self.pulses.sealed(sealed.sealed_at, &self.observed, expected);
        self.retire(sealed.minute);
    }

    /// What late rows add to each slice that is judged.
    pub fn late(&mut self, sealed: &SealedMinute) -> Vec<(SliceId, i64)> {
        let mut counts = Vec::new();
        self.table.roll_up(&sealed.rows, &mut counts);
        self.grow();
        let ids = (0u32..).map(SliceId);
        let counts: Vec<_> = ids.zip(counts).filter(|(_, count)| *count != 0).collect();
        counts.iter().for_each(|(id, count)| self.pulses.late(id.0, *count));
        counts
    }

    /// The earliest and the likeliest first minute of the drop that is open for a slice.
    pub fn open_since(&self, id: SliceId) -> Option<[Minute; 2]> {
        let episode = self.episodes.get(id.index()).filter(|episode| !episode.accepted)?;
        let origin = self.origin?;
        Some([origin.plus(episode.onset[0]), origin.plus(episode.onset[1])])
    }

    /// The drop that is open for a slice was none: its evidence is forgotten and its level is again the normal
    /// one. What is missing from now on counts anew.
    pub fn absolve(&mut self, id: SliceId) {
        if let Some(episode) = self.episodes.remove(id.index()) {
            episode.absolve(&mut self.bank, id.index());
        }
    }

    /// Makes columns for slices that were found; they begin with nothing known.
    pub(super) fn grow(&mut self) {
        let slots = self.table.slots();
        self.bank.grow(slots);
        if slots > self.zone_of.len() {
            self.profiles.grow(slots);
            self.zone_of.resize(slots, 0);
        }
        let found = self.table.take_found();
        found.iter().for_each(|id| self.parts.place(&self.table, *id));
        for id in found {
            self.bank.set_lane(id.index(), &fresh());
            let zone = self.table.get(id).map_or(0, |slice| self.clock.zone_of(slice));
            self.zone_of[id.index()] = zone;
        }
    }

    /// What a gap before `minute` makes stale.
    fn bridge(&mut self, minute: Minute) {
        let gap = self.last.map_or(0, |last| minute.0.saturating_sub(last.0) - 1);
        if gap < STALE_EVIDENCE {
            return;
        }
        for slice in 0..self.table.slots() {
            if self.bank.get(slice, OPEN) > 0.0 {
                continue;
            }
            self.bank.clear_evidence(slice);
            if gap >= STALE_LEVELS {
                let level = self.bank.get(slice, SLOW) * self.bank.get(slice, OFFSET);
                self.bank.set_levels(slice, level);
            }
        }
    }

    /// Counts of the minute into the columns; slices seen for the first time begin.
    fn fill(&mut self, sealed: &SealedMinute) {
        self.table.roll_up(sealed.judged_rows(), &mut self.observed);
        self.grow();
        let fractions = self.clock.fractions();
        for (slice, observed) in self.observed.iter().enumerate() {
            self.bank.put(slice, *observed, fractions[usize::from(self.zone_of[slice])]);
        }
        if self.shares && !sealed.completeness.no_data {
            share_out(&mut self.bank, &self.table);
        }
    }

    fn fill_given(&mut self, sealed: &SealedMinute, given: Given<'_>) {
        self.table.roll_up(sealed.judged_rows(), &mut self.observed);
        self.grow();
        for (id, name) in self.table.iter() {
            let (slice, profile) = (id.index(), given(name) as f32);
            if self.bank.get(slice, AGE) <= READY_AGE {
                self.bank.set(slice, AGE, READY_AGE + 1.0);
            }
            self.bank.set_sides(slice, Sides { left: profile, right: profile, weeks: 4.0 });
            self.bank.put(slice, self.observed[slice], 0.0);
        }
    }

    fn missing(&mut self, sealed: &SealedMinute) -> Missing {
        let counted = sealed.watched_count() as f64;
        let whole = self.table.first_grouping().map(|id| self.bank.expected_now(id.index()).unwrap_or(0.0));
        let expected = whole.sum::<f64>();
        let expected = if expected > 0.0 { expected } else { counted };
        self.loss.of(&sealed.completeness, counted, expected)
    }

    /// The bar in nats: false alarms are spread over all slices and minutes.
    pub(super) fn bar(&self) -> f64 {
        let slices = self.table.len().max(1) as f64;
        let budget = self.knobs.false_alarms_per_week.max(1e-9);
        ((WEEK * slices / budget).ln() + BAR_MARGIN).max(LEAST_BAR)
    }

    fn step_of(&self, context: &Context) -> Step {
        let flag = |on: bool| if on { 1.0 } else { 0.0 };
        Step {
            now: (context.minute.0 - context.origin.0) as f32,
            judged: flag(!context.no_data),
            learns: flag(context.learns),
            missing: context.missing as f32,
            bar: self.bar() as f32,
            min_loss: self.min_loss as f32,
        }
    }

    /// Block by block: the kernel, then the rows while its columns are near.
    fn verdicts(&mut self, context: &Context, tell: Tell<'_>) {
        let step = self.step_of(context);
        for block in 0..self.bank.blocks() {
            let held = self.hold_declared(block);
            self.bank.step(block, &step);
            held.into_iter().for_each(|(slice, held)| self.fire_declared(slice, held));
            if self.firing != u32::MAX {
                self.bank.let_fire(block, self.firing);
            }
            for slice in block * WIDTH..((block + 1) * WIDTH).min(self.table.slots()) {
                let id = SliceId(slice as u32);
                if self.table.get(id).is_none() {
                    continue;
                }
                let verdict = self.verdict(id, context);
                if let Some(slice) = self.table.get(id) {
                    tell(slice, verdict);
                }
            }
        }
    }

    fn verdict(&mut self, id: SliceId, context: &Context) -> SliceVerdict {
        let escalated = !context.no_data && self.live(id, context);
        let slice = id.index();
        let open = self.episodes.get(slice).filter(|episode| !episode.accepted);
        let mut row = self.figures(id, context);
        row.verdict = self.decide(&row, context, open.is_some());
        row.escalated = escalated;
        if let Some(episode) = open {
            row.onset = Some(episode.onset.map(|at| minute_of(at, context)));
            row.since_onset = since(episode.onset[1], episode.observed, episode.expected, context);
            row.deep = episode.is_deep();
            row.recovering = episode.recovery >= 1.0;
        } else if row.evidence > 0.0 {
            let lead = self.bank.lead(slice);
            let at = episode::onset(&self.bank, slice, lead);
            let sums = [SINCE_X, SINCE_M].map(|column| f64::from(self.bank.get(slice, of(lead, column))));
            row.onset = Some(at.map(|at| minute_of(at, context)));
            row.since_onset = since(at[1], sums[0], sums[1], context);
        }
        row
    }

    /// Opens, moves and ends the slice's episode; tells whether it escalated.
    fn live(&mut self, id: SliceId, context: &Context) -> bool {
        let slice = id.index();
        let observed = f64::from(self.bank.get(slice, OBSERVED));
        let turn = match self.episodes.get_mut(slice) {
            Some(episode) => Some(episode.step(&mut self.bank, slice, observed, context.learns)),
            None => None,
        };
        if turn == Some(Turn::Forgotten)
            || turn == Some(Turn::Ended) && self.episodes.get(slice).is_some_and(|e| !e.accepted)
        {
            self.episodes.remove(slice);
        }
        let closed = self.bank.get(slice, OPEN) == 0.0;
        if closed && !matches!(turn, Some(Turn::Ended | Turn::Forgotten)) && self.bank.get(slice, FIRED) > 0.0
        {
            let declared = self.calendar.inside(slice).is_some();
            self.episodes.put(slice, Episode::open(&mut self.bank, slice, declared));
        }
        turn == Some(Turn::Escalated)
    }

    /// The row without verdict and onset.
    fn figures(&self, id: SliceId, context: &Context) -> SliceVerdict {
        let slice = id.index();
        let of_bank = |column: usize| f64::from(self.bank.get(slice, column));
        let judged = self.bank.is_learnt(slice);
        let lead = self.bank.lead(slice);
        let at_normal = of_bank(PROFILE) * of_bank(NORMAL);
        let observed = self.observed[slice];
        let lost = if self.bank.is_ready(slice) {
            (of_bank(UPPER) - of_bank(OBSERVED)).max(0.0)
        } else {
            observed as f64 * context.missing / (1.0 - context.missing).max(0.05)
        };
        SliceVerdict {
            slice: id,
            verdict: Verdict::Ok,
            observed: (!context.no_data).then_some(observed),
            observed_max: (!context.no_data).then_some(observed as f64 + lost),
            expected: judged.then(|| of_bank(EXPECTED)),
            low: judged.then(|| ceil(of_bank(LOW) - 0.5).max(0.0)),
            high: judged.then(|| ceil(of_bank(HIGH) - 0.5).max(0.0)),
            completeness: context.completeness,
            evidence: of_bank(of(lead, EVIDENCE)),
            threshold: of_bank(of(lead, BAR)),
            onset: None,
            since_onset: SinceOnset::default(),
            deep: false,
            recovering: false,
            escalated: false,
            drift: if judged { self.bank.drift(slice) } else { Drift::default() },
            declared: self.calendar.inside(slice),
            before_drop: self.episodes.get(slice).map(|_| at_normal),
            at_normal: (judged && at_normal > 0.0).then_some(at_normal),
        }
    }

    fn decide(&self, row: &SliceVerdict, context: &Context, open: bool) -> Verdict {
        if context.no_data {
            return Verdict::NoData;
        }
        let (Some(low), Some(observed), Some(upper)) = (row.low, row.observed, row.observed_max) else {
            return Verdict::Learning;
        };
        match (observed as f64) < low && low <= upper {
            true => Verdict::Incomplete,
            false if open => Verdict::Drop,
            false => Verdict::Ok,
        }
    }

    /// Once a day: slices that have long been silent make room. The whole stream stays.
    fn retire(&mut self, minute: Minute) {
        if minute.0.rem_euclid(1440) != 0 {
            return;
        }
        let silent = |id: &SliceId| self.bank.get(id.index(), SILENT) >= RETIRED_AFTER;
        let whole = |id: &SliceId| self.table.get(*id).is_some_and(|slice| slice.is_whole());
        let gone: Vec<SliceId> =
            self.table.iter().map(|(id, _)| id).filter(|id| silent(id) && !whole(id)).collect();
        for id in gone {
            self.table.retire(id);
            self.forget(id.index());
        }
    }

    pub(super) fn forget(&mut self, slice: usize) {
        self.profiles.clear(slice);
        self.parts.forget(slice);
        self.pulses.forget(slice as u32);
        self.episodes.remove(slice);
        self.raises.forget(slice);
    }
}

/// The next whole number. Without a call: not every processor that this runs on has an instruction for it.
fn ceil(value: f64) -> f64 {
    let cut = value as i64 as f64;
    if cut < value { cut + 1.0 } else { cut }
}

fn minute_of(since_origin: i32, context: &Context) -> Minute {
    context.origin.plus(since_origin)
}

fn since(onset: i32, observed: f64, expected: f64, context: &Context) -> SinceOnset {
    let minutes = context.minute.0.saturating_sub(minute_of(onset, context).0).saturating_add(1);
    SinceOnset { minutes: minutes.max(0) as u32, observed, expected }
}
