//! What happens when, and to whom: drawn so that no two incidents blur each other.

use super::shop::{LEAVES, SLICES, Scope, touched};
use super::stage::{Change, Gap};
use super::{DAY, Happening, Kind, TrialSpec};
use crate::model::{Rng, SplitMix64};

/// How often a place is looked for before something is left out.
const TRIES: usize = 60;
/// Minutes kept free before and after what hits a slice as a whole.
const QUIET_BEFORE: i32 = 120;
const QUIET_AFTER: i32 = 420;
/// The kinds of incident that slices get in turn.
const IN_TURN: [Kind; 6] = [Kind::Outage, Kind::Half, Kind::Fifth, Kind::Tenth, Kind::Ramp, Kind::Inside];

/// Everything that happens in a trial.
pub(super) struct Plan<'a> {
    pub(super) spec: &'a TrialSpec,
    pub(super) rates: &'a [f64; LEAVES],
    pub(super) rng: SplitMix64,
    pub(super) happenings: Vec<Happening>,
    pub(super) changes: Vec<Change>,
    pub(super) gaps: Vec<Gap>,
    busy: Vec<Vec<(i32, i32)>>,
    turn: usize,
}

/// A time for something, and whom it touches.
struct Place {
    from: i32,
    whole: Vec<usize>,
    partly: Vec<usize>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(spec: &'a TrialSpec, rates: &'a [f64; LEAVES], rng: SplitMix64) -> Plan<'a> {
        Plan {
            spec,
            rates,
            rng,
            happenings: Vec::new(),
            changes: Vec::new(),
            gaps: Vec::new(),
            busy: vec![Vec::new(); SLICES],
            turn: 0,
        }
    }

    /// Draws what every shop has.
    pub(super) fn draw(&mut self) {
        self.contaminate();
        self.miss();
        (0..self.times(2)).for_each(|_| self.holiday());
        (0..self.times(5)).for_each(|_| self.promotion(true));
        (0..self.times(3)).for_each(|_| self.incident(Scope::Whole));
        for _ in 0..self.times(2) {
            Scope::markets().chain(Scope::features()).for_each(|scope| self.incident(scope));
        }
        for _ in 0..self.times(3) {
            Scope::leaves().for_each(|scope| self.incident(scope));
        }
        for _ in 0..self.times(2) {
            Scope::leaves().chain(Scope::markets()).for_each(|scope| self.flicker(scope));
        }
    }

    /// As often as `in_three_weeks` says, for the time that is evaluated.
    pub(super) fn times(&self, in_three_weeks: i32) -> i32 {
        (in_three_weeks * self.spec.evaluated_days + 20) / 21
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.rng.unit()
    }

    /// Whole minutes, evenly by magnitude.
    fn lasting(&mut self, low: f64, high: f64) -> i32 {
        (low * ((high / low).ln() * self.rng.unit()).exp()) as i32
    }

    /// A minute in the training (`evaluated` is false) or in what is evaluated.
    pub(super) fn minute(&mut self, evaluated: bool, lasts: i32) -> i32 {
        let first = self.spec.evaluated_from();
        let (from, to) = if evaluated { (first, self.spec.minutes()) } else { (0, first) };
        from + self.rng.below((to - from - lasts).max(1) as u64) as i32
    }

    pub(super) fn any_leaf(&mut self) -> usize {
        self.rng.below(LEAVES as u64) as usize
    }

    pub(super) fn any_market(&mut self) -> Scope {
        let markets: Vec<Scope> = Scope::markets().collect();
        markets[self.rng.below(markets.len() as u64) as usize]
    }

    fn is_free(&self, slice: usize, from: i32, to: i32) -> bool {
        self.busy[slice].iter().all(|(start, end)| to <= *start || *end <= from)
    }

    /// Looks for a time at which nothing else happens to whom `scope` touches.
    fn place(&mut self, scope: Scope, lasts: i32, after: i32) -> Option<Place> {
        let (whole, partly) = touched(scope, self.rates);
        for _ in 0..TRIES {
            let from = self.minute(true, lasts);
            let alone = whole.iter().all(|s| self.is_free(*s, from - QUIET_BEFORE, from + lasts + after))
                && partly.iter().all(|s| self.is_free(*s, from, from + lasts + 60));
            if alone {
                whole.iter().for_each(|s| self.busy[*s].push((from, from + lasts + after)));
                partly.iter().for_each(|s| self.busy[*s].push((from, from + lasts + 60)));
                return Some(Place { from, whole, partly });
            }
        }
        None
    }

    pub(super) fn note(&mut self, kind: Kind, scope: Scope, from: i32, to: i32) {
        let (slices, partly) = touched(scope, self.rates);
        self.happenings.push(Happening { kind, from, to, slices, partly });
    }

    /// Something happens at a free time; `None` if there is none.
    pub(super) fn happen(&mut self, kind: Kind, scope: Scope, lasts: i32, after: i32) -> Option<i32> {
        let Place { from, whole, partly } = self.place(scope, lasts, after)?;
        self.happenings.push(Happening { kind, from, to: from + lasts, slices: whole, partly });
        Some(from)
    }

    fn amiss(&mut self, scope: Scope, from: i32, to: i32, rise: i32, factor: f32) {
        self.changes.push(Change { scope, from, to, rise, fall: 0, factor, amiss: true });
    }

    /// Outages and promotions in the weeks of learning.
    fn contaminate(&mut self) {
        for market in Scope::markets() {
            let (from, lasts) = (self.minute(false, 240), self.lasting(60.0, 240.0));
            self.amiss(market, from, from + lasts, 0, 0.0);
        }
        for leaf in Scope::leaves() {
            for _ in 0..self.rng.below(3) {
                let (from, lasts) = (self.minute(false, 360), self.lasting(60.0, 360.0));
                self.amiss(leaf, from, from + lasts, 0, 0.5);
            }
        }
        (0..6).for_each(|_| self.promotion(false));
        for _ in 0..2 {
            let (market, from) = (self.any_market(), self.minute(false, DAY));
            self.day_off(market, from);
        }
    }

    /// Minutes of which a part comes late, sources that are missing, times with nobody alive.
    fn miss(&mut self) {
        for (kind, times, low, high) in
            [(Kind::Late, 20, 1.0, 3.5), (Kind::Missing, 6, 10.0, 120.0), (Kind::NoData, 3, 3.0, 30.0)]
        {
            for _ in 0..self.times(times) {
                let lasts = self.lasting(low, high).max(1);
                if let Some(from) = self.happen(kind, Scope::Whole, lasts, 60) {
                    let share = if kind == Kind::NoData { 1.0 } else { self.between(0.15, 0.6) as f32 };
                    self.gaps.push(Gap { from, to: from + lasts, share, named: kind == Kind::Missing });
                }
            }
        }
    }

    fn day_off(&mut self, scope: Scope, from: i32) {
        let factor = self.between(0.5, 0.75) as f32;
        let to = from + 18 * 60;
        self.changes.push(Change { scope, from, to, rise: 60, fall: 60, factor, amiss: false });
    }

    fn holiday(&mut self) {
        let market = self.any_market();
        if let Some(from) = self.happen(Kind::Holiday, market, 18 * 60 + 180, QUIET_AFTER) {
            self.day_off(market, from);
        }
    }

    fn promotion(&mut self, evaluated: bool) {
        let features: Vec<Scope> = Scope::features().collect();
        let feature = features[self.rng.below(features.len() as u64) as usize];
        let scope = if self.rng.below(2) == 0 { feature } else { self.any_market() };
        let (lasts, rise, fall) =
            (self.lasting(180.0, 1440.0), self.lasting(2.0, 20.0), self.lasting(1.0, 20.0));
        let factor = self.between(1.4, 2.5) as f32;
        let from = if evaluated {
            let Some(place) = self.place(scope, lasts, QUIET_AFTER) else { return };
            place.from
        } else {
            self.minute(false, lasts)
        };
        let to = from + lasts;
        self.changes.push(Change { scope, from, to, rise, fall, factor, amiss: false });
        if evaluated {
            self.note(Kind::PromotionEnd, scope, to - fall, to + 180);
        }
    }

    /// The next kind of incident happens to `scope`.
    fn incident(&mut self, scope: Scope) {
        let kind = IN_TURN[self.turn % IN_TURN.len()];
        self.turn += 1 + usize::from(self.rng.below(4) == 0);
        let lasts = match kind {
            Kind::Outage => self.lasting(10.0, 400.0),
            Kind::Half => self.lasting(20.0, 400.0),
            Kind::Fifth => self.lasting(30.0, 480.0),
            Kind::Tenth => self.lasting(60.0, 480.0),
            Kind::Ramp => 60 + self.lasting(30.0, 180.0),
            _ => return self.inside(scope),
        };
        if let Some(from) = self.happen(kind, scope, lasts, QUIET_AFTER) {
            let rise = if kind == Kind::Ramp { 60 } else { 0 };
            self.amiss(scope, from, from + lasts, rise, kind.remaining());
        }
    }

    /// An incident within an alarm that is open already.
    fn inside(&mut self, scope: Scope) {
        let (lasts, waits, inner) =
            (self.lasting(300.0, 420.0), self.lasting(60.0, 170.0), self.lasting(30.0, 60.0));
        let Some(from) = self.happen(Kind::Around, scope, lasts, QUIET_AFTER) else { return };
        let around = Kind::Around.remaining();
        self.amiss(scope, from, from + lasts, 0, around);
        self.amiss(scope, from + waits, from + waits + inner, 0, Kind::Inside.remaining() / around);
        self.note(Kind::Inside, scope, from + waits, from + waits + inner);
    }

    /// A dip or a blip.
    fn flicker(&mut self, scope: Scope) {
        let dip = self.rng.below(2) == 0;
        let lasts = 1 + self.rng.below(2) as i32;
        let kind = if dip { Kind::Dip } else { Kind::Blip };
        if let Some(from) = self.happen(kind, scope, lasts, 60) {
            let depth = if self.rng.below(2) == 0 { 0.1 } else { 0.0 };
            let factor = if dip { depth } else { self.between(1.5, 4.0) as f32 };
            self.amiss(scope, from, from + lasts, 0, factor);
        }
    }
}
