//! Declared days: which slices they concern and when, what is not learnt then, what may fire.
//!
//! How much a declared day brings is not known, so levels follow what is seen, quickly, and only a fall from one
//! minute to the next is told. What the day brought leaves no trace in profile, slow level and dispersion. A slice
//! that is concerned in part expects what its concerned part brings.

use std::collections::BTreeMap;

use super::bank::Bank;
use super::clock::SliceClock;
use super::{Detector, SliceTable};
use crate::baseline::{BUCKETS, LocalTime, Profiles};
use crate::model::{CalendarEntry, CalendarTime, DeclaredPeriod, Minute, Slice, SliceId};
use crate::simd::column::*;

/// Members that open a drop of a declared slice: the total outage, and the one with the shortest memory.
const FIRES: u32 = 0b10_0101;
/// Minutes in which the level of a declared slice follows what is seen, at least, …
const FOLLOWS_MINUTES: f32 = 7.0;
/// … and until about so many events say so.
const FOLLOWS_EVENTS: f32 = 100.0;
/// How far evidence slows it.
const EVIDENCE_SLOWS: f32 = 0.7;
/// What comes is at most so many times the level, or that part of it.
const MOST_AHEAD: f32 = 5.0;
/// A part of a slice takes away no more than this of what it expects, and adds no more than [`MOST_ADDED`].
const MOST_TAKEN: f32 = 0.95;
/// See [`MOST_TAKEN`].
const MOST_ADDED: f32 = 3.0;
/// Half-hours before the present one that a profile remembers.
const REMEMBERED: i64 = 5 * BUCKETS as i64;

/// How an entry concerns a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// All its events may be unlike other days'.
    Inside,
    /// Some of them.
    InPart,
    /// None.
    Apart,
}

/// What is declared for a slice in the present minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Declared {
    /// Place of the entry.
    pub(super) entry: u16,
    reach: Reach,
}

/// The declared days of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Calendar {
    entries: Vec<Entry>,
    /// By slice; empty while nothing is declared.
    now: Vec<Option<Declared>>,
}

#[derive(Clone, Debug)]
struct Entry {
    spec: CalendarEntry,
    /// Per zone, and at the end for slices that span zones: the first minute, and the one after the last.
    spans: Vec<[Minute; 2]>,
    /// The same as half-hours since the first local week, both included.
    half_hours: Vec<[i64; 2]>,
    /// Half-hours from the day that it should look like to its first.
    back: Option<i64>,
}

/// What the whole of what is declared did in a minute.
#[derive(Clone, Copy, Debug)]
struct Moved {
    /// Its level has become so many times what it was, …
    level: f32,
    /// … and what came is so many times what that expects: its parts have the same before them.
    ahead: f32,
}

impl Moved {
    const NOT: Moved = Moved { level: 1.0, ahead: 1.0 };
}

/// The columns that a declared minute leaves as they were.
pub(super) struct Held([f32; HELD]);

const HELD: usize = 3 + BLOCK_COLUMNS + MEMBERS * (BLOCK_COLUMNS + 1);

fn held_columns() -> impl Iterator<Item = usize> {
    let shared = [SLOW, SLOW_X, SLOW_M].into_iter().chain(MINUTE_BLOCK..MINUTE_BLOCK + BLOCK_COLUMNS);
    let own = |member: usize| {
        (0..BLOCK_COLUMNS).map(move |column| of(member, BLOCK_X + column)).chain([of(member, PEAK)])
    };
    shared.chain((0..MEMBERS).flat_map(own))
}

impl Entry {
    fn new(spec: &CalendarEntry, clock: &SliceClock) -> Entry {
        let zones = clock.zones();
        let end = |time: CalendarTime, is_end: bool, zone: usize| match time {
            CalendarTime::Day(day) => {
                let day = if is_end { day.tomorrow().unwrap_or(day) } else { day };
                zones[zone].begin_of(day)
            }
            CalendarTime::At(at) if is_end && at.minute().start() < at => at.minute().next(),
            CalendarTime::At(at) => at.minute(),
        };
        let span = |zone: usize| {
            let from = end(spec.from, false, zone);
            [from, end(spec.to, true, zone).max(from.next())]
        };
        let mut spans: Vec<[Minute; 2]> = (0..zones.len()).map(span).collect();
        let first = spans.iter().map(|span| span[0]).min().unwrap_or_default();
        let last = spans.iter().map(|span| span[1]).max().unwrap_or_default();
        spans.push([first, last]);
        let half_hours = |(place, span): (usize, &[Minute; 2])| {
            let zone = &zones[place % zones.len()];
            [zone.at(span[0]).half_hour(), zone.at(span[1].plus(-1)).half_hour()]
        };
        let half_hours = spans.iter().enumerate().map(half_hours).collect();
        let back = spec.like.map(|like| {
            let day = |minute: Minute| zones[0].at(minute).half_hour().div_euclid(48);
            48 * (day(spans[0][0]) - day(zones[0].begin_of(like)))
        });
        Entry { spec: spec.clone(), spans, half_hours, back }
    }

    fn reach(&self, slice: &Slice) -> Reach {
        match () {
            () if self.spec.slice.contains(slice) => Reach::Inside,
            () if self.spec.slice.is_apart(slice) => Reach::Apart,
            () => Reach::InPart,
        }
    }

    fn holds(&self, place: usize, minute: Minute) -> bool {
        (self.spans[place][0]..self.spans[place][1]).contains(&minute)
    }
}

impl Calendar {
    /// Whether the half-hour of a slice is to be learnt from.
    pub(super) fn teaches(&self, clock: &SliceClock, slice: &Slice, half_hour: i64) -> bool {
        let place = clock.place_of(slice);
        let counts = |entry: &Entry| {
            let [first, last] = entry.half_hours[place];
            !entry.spec.learn && (first..=last).contains(&half_hour) && entry.reach(slice) != Reach::Apart
        };
        !self.entries.iter().any(counts)
    }

    /// Whether some half-hour that a profile still remembers at `now` is not to be learnt from.
    pub(super) fn is_remembered(&self, now: i64) -> bool {
        let remembered = |[first, last]: &[i64; 2]| *first <= now && now - *last <= REMEMBERED;
        self.entries.iter().any(|entry| !entry.spec.learn && entry.half_hours.iter().any(remembered))
    }

    /// Of the weeks that stand in a bucket at `now`, those that are left out, as bits by week modulo four.
    pub(super) fn left_out(&self, clock: &SliceClock, slice: &Slice, bucket: usize, now: LocalTime) -> u8 {
        let latest = if bucket < now.bucket { now.week } else { now.week - 1 };
        let out = |week: &i64| !self.teaches(clock, slice, week * BUCKETS as i64 + bucket as i64);
        (latest - 3..=latest).filter(out).fold(0, |bits, week| bits | 1 << week.rem_euclid(4))
    }

    /// Begins behind a minute.
    pub(super) fn begin(&mut self, table: &SliceTable, clock: &SliceClock, last: Minute) {
        self.now.clear();
        self.advance(table, clock, last);
    }

    /// Goes on to a minute. Gives the slices for which a declared period has ended.
    fn advance(&mut self, table: &SliceTable, clock: &SliceClock, minute: Minute) -> Vec<SliceId> {
        let is_near = |entry: &&(usize, &Entry)| entry.1.spans.iter().any(|s| (s[0]..s[1]).contains(&minute));
        let near: Vec<(usize, &Entry)> = self.entries.iter().enumerate().filter(|e| is_near(&e)).collect();
        let mut now = Vec::new();
        if !near.is_empty() {
            now.resize(table.slots(), None);
            for (id, slice) in table.iter() {
                now[id.index()] = declared(&near, table, (slice, clock.place_of(slice)), minute);
            }
        }
        let is_in = |now: &[Option<Declared>], at: usize| {
            now.get(at).is_some_and(|d| d.is_some_and(|d| d.reach == Reach::Inside))
        };
        let ended: Vec<SliceId> = (0..self.now.len())
            .filter(|at| is_in(&self.now, *at) && !is_in(&now, *at))
            .map(|at| SliceId(at as u32))
            .collect();
        self.now = now;
        ended
    }

    /// What is declared for a slice that is concerned as a whole.
    pub(super) fn inside(&self, slice: usize) -> Option<u16> {
        let now = self.now.get(slice).copied().flatten()?;
        (now.reach == Reach::Inside).then_some(now.entry)
    }

    /// Whether anything is declared for a slice or a part of it.
    pub(super) fn concerns(&self, slice: usize) -> bool {
        self.now.get(slice).is_some_and(Option::is_some)
    }

    /// The columns of a slice that this minute may not change.
    pub(super) fn hold(&self, bank: &Bank, slice: usize) -> Option<Held> {
        let entry = self.inside(slice)?;
        let mut held = [0.0; HELD];
        held.iter_mut().zip(held_columns()).for_each(|(held, column)| *held = bank.get(slice, column));
        (!self.entries[usize::from(entry)].spec.learn).then_some(Held(held))
    }
}

/// The first entry that concerns all of a slice, else the first that concerns some of it. Where nothing is watched that
/// says how much an entry takes of the slice, all of it is concerned.
fn declared(
    near: &[(usize, &Entry)],
    table: &SliceTable,
    (slice, place): (&Slice, usize),
    minute: Minute,
) -> Option<Declared> {
    let mut found = None;
    for (at, entry) in near.iter().filter(|(_, entry)| entry.holds(place, minute)) {
        let reach = match entry.reach(slice) {
            Reach::Apart => continue,
            Reach::InPart if table.find(&entry.spec.slice).is_some() => Reach::InPart,
            Reach::InPart | Reach::Inside => Reach::Inside,
        };
        let this = Declared { entry: *at as u16, reach };
        if reach == Reach::Inside {
            return Some(this);
        }
        found = found.or(Some(this));
    }
    found
}

impl Held {
    /// Puts them back. What is declared is no rise that would hold the levels, either.
    pub(super) fn put_back(self, bank: &mut Bank, slice: usize) {
        held_columns().zip(self.0).for_each(|(column, held)| bank.set(slice, column, held));
    }
}

impl Detector {
    /// Takes up declared days in place of those before.
    pub fn declare(&mut self, calendar: &[CalendarEntry]) {
        let entries = calendar.iter().map(|entry| Entry::new(entry, &self.clock)).collect();
        self.calendar = Calendar { entries, now: Vec::new() };
        if let Some(last) = self.last {
            self.calendar.begin(&self.table, &self.clock, last);
        }
    }

    /// The periods that are declared for the last minute judged.
    pub fn declared(&self) -> Vec<DeclaredPeriod> {
        let Some(last) = self.last else { return Vec::new() };
        let now = self.calendar.entries.iter().filter_map(|entry| {
            let place = self.clock.place_of(&entry.spec.slice);
            let until = entry.spans[place][1].start();
            let (name, slice) = (entry.spec.title(), entry.spec.slice.clone());
            entry.holds(place, last).then_some(DeclaredPeriod { name, slice, until })
        });
        now.collect()
    }

    /// The counts of a minute are in the columns: what is declared for it changes what is expected.
    pub(super) fn declare_minute(&mut self, minute: Minute) {
        if self.calendar.entries.is_empty() {
            return;
        }
        for ended in self.calendar.advance(&self.table, &self.clock, minute) {
            self.usual_again(ended.index());
        }
        if self.calendar.now.is_empty() {
            return;
        }
        self.take_parts();
        for slice in 0..self.calendar.now.len() {
            if let Some(entry) = self.calendar.inside(slice) {
                self.bank.set(slice, RISE, 0.0);
                self.bank.set(slice, RISE_MINUTES, 0.0);
                let like = self.calendar.entries[usize::from(entry)].back;
                like.into_iter().for_each(|back| self.look_like(slice, minute, back));
            }
        }
    }

    /// A declared period is over: what was usual before it is usual again. A drop that is open is held against that.
    fn usual_again(&mut self, slice: usize) {
        let usual = self.bank.get(slice, SLOW);
        match self.episodes.get(slice) {
            Some(episode) if !episode.accepted => self.bank.set(slice, NORMAL, usual),
            _ => {
                self.episodes.remove(slice);
                self.bank.set_levels(slice, usual);
            }
        }
    }

    /// Slices of which a part is declared expect so much more or less as the level of that part says.
    fn take_parts(&mut self) {
        let whole = self.table.find(&Slice::default());
        let mut changes = Vec::new();
        for (id, slice) in self.table.iter() {
            let Some(now) = self.calendar.now.get(id.index()).copied().flatten() else { continue };
            if now.reach != Reach::InPart {
                continue;
            }
            let entry = &self.calendar.entries[usize::from(now.entry)].spec.slice;
            let mut common = slice.0.clone();
            common.extend(entry.0.clone());
            let usual = self.usual(id);
            let change =
                match self.table.find(&Slice(common)) {
                    Some(part) => self.change_of(part),
                    // Nothing watched has exactly what both have in common: as much of it as of the whole.
                    None => self.table.find(entry).zip(whole).map_or(0.0, |(part, whole)| {
                        self.change_of(part) * usual / self.usual(whole).max(1e-6)
                    }),
                };
            let share = (change / usual.max(1e-6)).clamp(-MOST_TAKEN, MOST_ADDED);
            changes.push((id.index(), 1.0 + share));
        }
        for (slice, factor) in changes {
            self.bank.scale_profile(slice, factor);
        }
    }

    fn usual(&self, id: SliceId) -> f32 {
        self.bank.get(id.index(), PROFILE) * self.bank.get(id.index(), SLOW)
    }

    /// Events that a declared slice has more than usual at present; negative: fewer.
    fn change_of(&self, id: SliceId) -> f32 {
        self.bank.get(id.index(), PROFILE) * self.bank.get(id.index(), of(2, LEVEL)) - self.usual(id)
    }

    /// The profile of so many half-hours before, where that is remembered.
    fn look_like(&mut self, slice: usize, minute: Minute, back: i64) {
        let local = self.clock.local(self.zone_of[slice], minute);
        let left = local.half_hour() - i64::from(local.minute < 15);
        let remembers = |half_hour: i64| local.half_hour() - half_hour < 4 * BUCKETS as i64;
        let rate = |profiles: &Profiles, half_hour: i64| {
            let (week, bucket) = (half_hour.div_euclid(BUCKETS as i64), half_hour.rem_euclid(BUCKETS as i64));
            profiles.rate_of_week(slice, week, bucket as usize).filter(|_| remembers(half_hour))
        };
        let sides = rate(&self.profiles, left - back).zip(rate(&self.profiles, left + 1 - back));
        if let Some((left, right)) = sides {
            let like = left + local.fraction() * (right - left);
            let usual = self.bank.get(slice, PROFILE);
            self.bank.scale_profile(slice, like.max(1e-6) / usual.max(1e-6));
        }
    }

    /// Before a minute of a block: its declared slices, each with what the minute may not change.
    pub(super) fn hold_declared(&self, block: usize) -> Vec<(usize, Option<Held>)> {
        let all = block * WIDTH..((block + 1) * WIDTH).min(self.calendar.now.len());
        let inside = all.filter(|slice| self.calendar.inside(*slice).is_some());
        inside.map(|slice| (slice, self.calendar.hold(&self.bank, slice))).collect()
    }

    /// The level of each declared slice.
    pub(super) fn declared_levels(&self) -> Vec<(usize, f32)> {
        let inside = (0..self.calendar.now.len()).filter(|slice| self.calendar.inside(*slice).is_some());
        inside.map(|slice| (slice, self.bank.get(slice, of(1, LEVEL)))).collect()
    }

    /// After a minute: the levels of declared slices go on from `levels`, within minutes, however slow those of their
    /// members are. A slice with few events moves with the whole of what is declared.
    pub(super) fn follow_declared(&mut self, levels: &[(usize, f32)]) {
        let mut moves: BTreeMap<u16, (usize, Moved)> = BTreeMap::new();
        let guides: BTreeMap<u16, usize> =
            levels.iter().filter_map(|(slice, _)| self.guide(*slice)).collect();
        for (entry, guide) in guides {
            if let Ok(at) = levels.binary_search_by_key(&guide, |(slice, _)| *slice) {
                let before = levels[at].1;
                self.follow(guide, before, Moved::NOT);
                moves.insert(entry, (guide, self.moved(guide, before)));
            }
        }
        for (slice, level) in levels {
            let guide = self.calendar.inside(*slice).and_then(|entry| moves.get(&entry));
            match guide {
                Some((guide, _)) if guide == slice => {}
                guide => self.follow(*slice, *level, guide.map_or(Moved::NOT, |(_, moved)| *moved)),
            }
        }
    }

    /// The entry that a slice lies in, and the slice that is all of what that declares.
    fn guide(&self, slice: usize) -> Option<(u16, usize)> {
        let entry = self.calendar.inside(slice)?;
        let whole = self.table.find(&self.calendar.entries[usize::from(entry)].spec.slice)?;
        Some((entry, whole.index()))
    }

    fn moved(&self, guide: usize, before: f32) -> Moved {
        let level = self.bank.get(guide, of(1, LEVEL)).max(1e-6);
        let mu = level * self.bank.get(guide, PROFILE).max(1e-6);
        let ahead = (self.bank.get(guide, UPPER) / mu.max(1e-4)).clamp(1.0 / MOST_AHEAD, MOST_AHEAD);
        Moved { level: level / before.max(1e-6), ahead }
    }

    fn follow(&mut self, slice: usize, before: f32, moved: Moved) {
        let bank = &mut self.bank;
        let profile = bank.get(slice, PROFILE);
        if bank.get(slice, OPEN) == 1.0 || profile <= 0.0 {
            return;
        }
        let level = before * moved.level;
        let mu = (profile * level).max(1e-4);
        let spread = 4.0 * (mu + bank.get(slice, MINUTE_BLOCK + DISPERSION) * mu * mu).sqrt() + 2.0;
        let seen = (bank.get(slice, UPPER) / moved.ahead).clamp(mu - spread, mu + spread) / profile;
        let share = |member: usize| bank.get(slice, of(member, EVIDENCE)) / bank.get(slice, of(member, BAR));
        let evidence = (0..MEMBERS).filter(|member| FIRES & 1 << member != 0).map(share).fold(0.0, f32::max);
        let gain = 1.0 / FOLLOWS_MINUTES.max(FOLLOWS_EVENTS / mu);
        let level = level + gain * (1.0 - EVIDENCE_SLOWS * evidence.min(1.0)) * (seen - level);
        (0..MEMBERS).for_each(|member| bank.set(slice, of(member, LEVEL), level));
    }

    /// After it: they are as they were, and only some members count.
    pub(super) fn fire_declared(&mut self, slice: usize, held: Option<Held>) {
        if let Some(held) = held {
            held.put_back(&mut self.bank, slice);
        }
        if self.calendar.inside(slice).is_some() {
            let fired = self.bank.get(slice, FIRED) as u32 & FIRES;
            self.bank.set(slice, FIRED, fired as f32);
        }
    }
}
