//! The distinct values that a lane has met since the last cut, 8 bytes each, within a bound.
//!
//! In: places (cell × distincts of the stream + distinct) and coupons as they come. Out: the same, or what a
//! full log was folded into: sketches, one per place at most. Must not know: series, minutes.

use std::collections::BTreeMap;

use datasketches::hll::{Coupon, HllSketch};

use super::coupon::shuffled;
use super::sketch::empty_sketch;

/// Coupons there is room for from the beginning.
const ROOM: usize = 1 << 14;
/// Coupons that are kept as they came.
const MOST: usize = if cfg!(test) { 1 << 12 } else { 1 << 22 };

/// What belongs to places by their numbers.
pub(super) type Placed<T> = Vec<(u32, T)>;

/// Distinct values in the order in which they came, some of them more than once.
#[derive(Debug)]
pub(super) struct Noted {
    log: Placed<Coupon>,
    /// What did not fit in the log. As many as there are places at most, about 2 KB each.
    sketches: BTreeMap<u32, HllSketch>,
    spills: u64,
}

impl Noted {
    /// Nothing noted yet; `any` says whether anything ever will be.
    pub(super) fn new(any: bool) -> Noted {
        let log = Vec::with_capacity(if any { ROOM } else { 0 });
        Noted { log, sketches: BTreeMap::new(), spills: 0 }
    }

    /// Notes a coupon of a place down.
    #[inline(always)]
    pub(super) fn note(&mut self, place: u32, coupon: Coupon) {
        self.log.push((place, coupon));
    }

    /// How many coupons the log has.
    pub(super) fn len(&self) -> usize {
        self.log.len()
    }

    /// Puts others in the place of the numbers that the coupons from `first` on came with.
    pub(super) fn place_from(&mut self, first: usize, place: impl Fn(u32) -> u32) {
        self.log[first..].iter_mut().for_each(|(at, _)| *at = place(*at));
    }

    /// Makes room in a full log. All coupons have their places.
    #[inline]
    pub(super) fn bound(&mut self) {
        if self.log.len() >= MOST {
            self.shrink();
        }
    }

    /// Drops repeated coupons; where that is not worth it, the log becomes sketches.
    #[cold]
    fn shrink(&mut self) {
        self.log.sort_unstable_by_key(|&(at, coupon)| (at, shuffled(coupon)));
        self.log.dedup();
        if self.log.len() > MOST / 2 {
            self.spills += 1;
            for (place, coupon) in self.log.drain(..) {
                self.sketches.entry(place).or_insert_with(empty_sketch).update_with_coupon(coupon);
            }
        }
    }

    /// How often a full log became sketches since this was last asked.
    pub(super) fn new_spills(&mut self) -> u64 {
        std::mem::take(&mut self.spills)
    }

    /// All coupons, all sketches; begins anew.
    pub(super) fn cut(&mut self) -> (Placed<Coupon>, Placed<HllSketch>) {
        let sketches = std::mem::take(&mut self.sketches).into_iter().collect();
        if self.log.is_empty() {
            return (Vec::new(), sketches);
        }
        let room = ROOM.max(self.log.len() + self.log.len() / 8).min(MOST);
        (std::mem::replace(&mut self.log, Vec::with_capacity(room)), sketches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The estimate of a sketch that gets `count` coupons, each twice, as a full log hands them on.
    fn estimate(count: u32, seed: u64) -> f64 {
        let mut noted = Noted::new(true);
        let coupons = (0..count).map(|n| (0, Coupon::from_value(seed << 32 | u64::from(n))));
        coupons.clone().chain(coupons).for_each(|(place, coupon)| noted.note(place, coupon));
        noted.log.sort_unstable_by_key(|&(at, coupon)| (at, shuffled(coupon)));
        noted.log.dedup();
        assert!(noted.len() <= count as usize);
        let mut sketch = empty_sketch();
        noted.cut().0.iter().for_each(|&(_, coupon)| sketch.update_with_coupon(coupon));
        sketch.estimate()
    }

    #[test]
    fn estimates_lean_to_neither_side() {
        for count in [1_000, 4_000, 30_000] {
            let errors = (0..40).map(|seed| estimate(count, seed) / f64::from(count) - 1.0);
            let lean = errors.sum::<f64>() / 40.0;
            assert!(lean.abs() < 0.01, "{count} distinct values: {lean:+.4} off on average");
        }
    }

    #[test]
    fn a_full_log_drops_what_stands_in_it_twice_or_becomes_sketches() {
        let mut noted = Noted::new(true);
        // A few values that each place meets again and again; values that never come again.
        for (different, of_each) in [(MOST / 16, MOST / 16), (20 * MOST, 20 * MOST / 3)] {
            for at in 0..20 * MOST {
                noted.note((at % 3) as u32, Coupon::from_value((at % different) as u64));
                noted.bound();
                assert!(noted.len() < MOST);
            }
            let (spills, (coupons, sketches)) = (noted.new_spills(), noted.cut());
            assert!(coupons.len() < MOST);
            assert_eq!((sketches.len(), spills > 0), if different < MOST { (0, false) } else { (3, true) });
            for (place, sketch) in sketches {
                let mut sketch = sketch.clone();
                let rest = coupons.iter().filter(|(at, _)| *at == place);
                rest.for_each(|&(_, coupon)| sketch.update_with_coupon(coupon));
                let error = sketch.estimate() / of_each as f64 - 1.0;
                assert!(error.abs() < 0.05, "{place}: {error:+.4}");
            }
        }
    }
}
