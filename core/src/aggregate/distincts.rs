//! The distinct values of an open minute: a log that is put in order only when it is needed.
//!
//! A place is a cell and a distinct. While the minute is open its coupons are only noted down, 8 bytes
//! each. At the close, or when the log grows too long, they are brought together by place, in the order
//! in which they came: a sketch estimates by that order.

use std::collections::BTreeMap;

use datasketches::hll::{Coupon, HllSketch, HllType, HllUnion};

use super::sketch::{LG_K, SketchMaker};
use crate::simd::prefetch;

/// Bytes of a large sketch with some exceptions.
const LARGEST: usize = 2_200;
/// Coupons in a piece of the log, the first and the largest.
const SHORTEST: usize = 32;
const LONGEST: usize = 1 << 15;

/// Distinct values by place.
#[derive(Debug, Default)]
pub(super) struct Distincts {
    log: Log,
    /// What was tidied up: each coupon of a place once.
    kept: ByPlace,
    /// Places with too many coupons to keep, and those that were saved.
    sketches: BTreeMap<u32, HllSketch>,
}

/// (place, coupon) in the order in which they came, in pieces: a long log is never moved.
#[derive(Debug, Default)]
struct Log {
    /// All of them full but the last.
    pieces: Vec<Vec<(u32, Coupon)>>,
    length: usize,
}

/// Coupons by place.
#[derive(Debug, Default)]
struct ByPlace {
    /// Where each place's coupons start, and where the last end.
    starts: Vec<u32>,
    coupons: Vec<Coupon>,
}

/// All that is known of each place, ready to be made into sketches.
pub(super) struct Gathered<'a> {
    of: &'a Distincts,
    log: ByPlace,
}

impl Distincts {
    /// Notes a coupon of a place down.
    #[inline]
    pub(super) fn note(&mut self, place: u32, coupon: Coupon) {
        self.log.room().push((place, coupon));
        self.log.length += 1;
    }

    /// Notes many coupons down; `place` tells the place of each number that they come with.
    pub(super) fn note_all(&mut self, mut coupons: &[(u32, Coupon)], place: impl Fn(u32) -> u32) {
        self.log.length += coupons.len();
        while !coupons.is_empty() {
            let piece = self.log.room();
            let (now, later) = coupons.split_at(coupons.len().min(piece.capacity() - piece.len()));
            piece.extend(now.iter().map(|&(at, coupon)| (place(at), coupon)));
            coupons = later;
        }
    }

    /// Coupons in the log: what [`Distincts::tidy`] makes smaller.
    pub(super) fn logged(&self) -> usize {
        self.log.length
    }

    /// Adds a sketch that was saved, or that a lane made of too many values.
    pub(super) fn unite(&mut self, place: u32, mut sketch: HllSketch) {
        match self.sketches.remove(&place) {
            // Beside a sketch nothing is kept.
            None => self.kept.at(place).iter().for_each(|&coupon| sketch.update_with_coupon(coupon)),
            Some(mine) => sketch = union(&mine, &sketch),
        }
        self.sketches.insert(place, sketch);
    }

    /// Empties the log: few values of a place are kept as they are, many as a sketch.
    pub(super) fn tidy(&mut self, places: usize, maker: &mut SketchMaker) {
        let log = ByPlace::of(&std::mem::take(&mut self.log), places);
        let mut kept = ByPlace { starts: Vec::with_capacity(places + 1), coupons: Vec::new() };
        // For all of them: what stays unused costs nothing, growing costs memory twice.
        kept.coupons.reserve(self.kept.coupons.len() + log.coupons.len());
        kept.starts.push(0);
        for place in 0..places as u32 {
            let coupons = [self.kept.at(place), log.at(place)];
            match self.sketches.get_mut(&place) {
                Some(sketch) => coupons[1].iter().for_each(|&coupon| sketch.update_with_coupon(coupon)),
                None => match maker.distinct(coupons) {
                    Some(distinct) => kept.coupons.extend_from_slice(distinct),
                    None => drop(self.sketches.insert(place, maker.sketch(coupons))),
                },
            }
            kept.starts.push(kept.coupons.len() as u32);
        }
        kept.coupons.shrink_to_fit();
        self.kept = kept;
    }

    /// Brings the log together by place.
    pub(super) fn gather(&self, places: usize) -> Gathered<'_> {
        Gathered { of: self, log: ByPlace::of(&self.log, places) }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Distincts::default();
    }
}

impl Gathered<'_> {
    /// Bytes that all sketches together are at most.
    pub(super) fn sketch_bytes(&self, places: usize) -> usize {
        let coupons = self.log.coupons.len() + self.of.kept.coupons.len();
        (places * LARGEST).min(4 * coupons + 12 * places) + self.of.sketches.len() * LARGEST
    }

    /// Asks for the memory that says where a place's coupons are.
    pub(super) fn ask_for(&self, place: u32) {
        prefetch(&self.log.starts, place as usize);
        prefetch(&self.of.kept.starts, place as usize);
    }

    /// Asks for the memory of a place's coupons.
    pub(super) fn ask_for_coupons(&self, place: u32) {
        for coupons in [&self.log, &self.of.kept] {
            if let Some(&start) = coupons.starts.get(place as usize) {
                prefetch(&coupons.coupons, start as usize);
            }
        }
    }

    /// Whether a place has no value at all.
    pub(super) fn is_empty(&self, place: u32) -> bool {
        let none = self.log.at(place).is_empty() && self.of.kept.at(place).is_empty();
        none && !self.of.sketches.contains_key(&place)
    }

    /// Appends the serialised sketch of a place; nothing if it has no value.
    pub(super) fn append(&self, place: u32, maker: &mut SketchMaker, out: &mut Vec<u8>) {
        let log = self.log.at(place);
        match self.of.sketches.get(&place) {
            None if log.is_empty() => SketchMaker::append_distinct(self.of.kept.at(place), out),
            None => maker.append([self.of.kept.at(place), log], out),
            Some(sketch) if log.is_empty() => out.extend_from_slice(&sketch.serialize()),
            Some(sketch) => {
                let mut sketch = sketch.clone();
                log.iter().for_each(|&coupon| sketch.update_with_coupon(coupon));
                out.extend_from_slice(&sketch.serialize());
            }
        }
    }
}

impl Log {
    /// A piece with room for at least one more.
    #[inline]
    fn room(&mut self) -> &mut Vec<(u32, Coupon)> {
        if self.pieces.last().is_none_or(|piece| piece.len() == piece.capacity()) {
            self.pieces.push(Vec::with_capacity(self.length.clamp(SHORTEST, LONGEST)));
        }
        self.pieces.last_mut().expect("a piece with room was just made if there was none")
    }
}

impl ByPlace {
    /// A counting sort: coupons of a place stay in their order.
    fn of(log: &Log, places: usize) -> ByPlace {
        let Some(&(_, any)) = log.pieces.iter().flatten().next() else { return ByPlace::default() };
        // One entry further on than usual: placing the coupons moves each start to its end.
        let mut starts = vec![0u32; places + 2];
        log.pieces.iter().flatten().for_each(|&(place, _)| starts[place as usize + 2] += 1);
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut coupons = vec![any; log.length];
        for &(place, coupon) in log.pieces.iter().flatten() {
            let next = &mut starts[place as usize + 1];
            coupons[*next as usize] = coupon;
            *next += 1;
        }
        ByPlace { starts, coupons }
    }

    fn at(&self, place: u32) -> &[Coupon] {
        match self.starts.get(place as usize..place as usize + 2) {
            Some(&[start, end]) => &self.coupons[start as usize..end as usize],
            _ => &[],
        }
    }
}

fn union(one: &HllSketch, other: &HllSketch) -> HllSketch {
    let mut union = HllUnion::new(LG_K).expect("12 is a valid lgK");
    union.update(one);
    union.update(other);
    union.to_sketch(HllType::Hll4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Rng, SplitMix64};

    const PLACES: usize = 40;

    /// The estimates of all places: a library sketch per place, and a log that is tidied `every` so often.
    fn both(seed: u64, count: usize, values: u64, every: usize) -> Vec<(f64, f64)> {
        let mut rng = SplitMix64::new(seed);
        let mut maker = SketchMaker::new(seed);
        let mut slow = vec![super::super::sketch::empty_sketch(); PLACES];
        let mut fast = Distincts::default();
        for at in 1..=count {
            let place = rng.below(PLACES as u64).min(rng.below(PLACES as u64)) as u32;
            let coupon = Coupon::from_value(seed << 32 | rng.below(values));
            slow[place as usize].update_with_coupon(coupon);
            fast.note(place, coupon);
            if at % every == 0 {
                fast.tidy(PLACES, &mut maker);
                assert_eq!(fast.logged(), 0);
            }
        }
        let gathered = fast.gather(PLACES);
        let read = |place: usize| {
            let mut bytes = Vec::new();
            gathered.append(place as u32, &mut maker, &mut bytes);
            assert_eq!(gathered.is_empty(place as u32), bytes.is_empty());
            if bytes.is_empty() { 0.0 } else { HllSketch::deserialize(&bytes).unwrap().estimate() }
        };
        (0..PLACES).map(read).zip(slow.iter().map(HllSketch::estimate)).collect()
    }

    #[test]
    fn estimates_are_those_of_sketches_that_were_kept_from_the_beginning() {
        for (seed, (count, values)) in
            [(50, 10), (3_000, 1 << 40), (60_000, 900), (60_000, 1 << 40)].into_iter().enumerate()
        {
            for every in [17 * count, count / 3, count / 20 + 1] {
                for (fast, slow) in both(seed as u64, count, values, every) {
                    assert!((fast - slow).abs() <= slow * 1e-3, "{count} of {values}: {fast} for {slow}");
                }
            }
        }
    }
}
