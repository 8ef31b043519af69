//! Sketches written straight from coupons: no sketch is made for the many cells with few values.
//!
//! A small sketch is a list of its coupons behind a short head (the frozen format of Apache
//! DataSketches); larger ones are [`Registers`]. The library is the oracle of both.

use std::hash::{Hash, Hasher};

use datasketches::hll::{Coupon, HllSketch, HllType};

use super::registers::Registers;

/// lgK of every sketch; the format of the datasets is frozen with it.
pub(super) const LG_K: u8 = 12;
/// From this many coupons on a sketch is a set, below it a list.
const SET_FROM: usize = 8;
/// A sketch of more coupons than this keeps registers.
const SET_MOST: usize = 384;
/// log2 of the places of the largest set.
const LG_LARGEST_SET: u8 = LG_K - 3;

/// Makes one sketch after the other; keeps its memory.
#[derive(Debug)]
pub(super) struct SketchMaker {
    /// Odd; coupons come from the network, so their places in the table must not be foreseeable.
    factor: u32,
    table: Vec<u32>,
    distinct: Vec<Coupon>,
    registers: Registers,
}

impl SketchMaker {
    pub(super) fn new(seed: u64) -> SketchMaker {
        let mixed = (seed ^ seed >> 32 ^ 0x5bf0_3635).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        SketchMaker {
            factor: (mixed >> 32) as u32 | 1,
            table: Vec::new(),
            distinct: Vec::new(),
            registers: Registers::new(SET_MOST),
        }
    }

    /// Each of these coupons once, in order; `None` if they are too many for a set.
    pub(super) fn distinct(&mut self, coupons: [&[Coupon]; 2]) -> Option<&[Coupon]> {
        let behind = self.collect(coupons);
        behind.is_none().then_some(&self.distinct)
    }

    /// Appends the serialised sketch of these coupons; nothing if there are none.
    pub(super) fn append(&mut self, coupons: [&[Coupon]; 2], out: &mut Vec<u8>) {
        match self.collect(coupons) {
            None if self.distinct.is_empty() => {}
            None => append_small(&self.distinct, out),
            Some(behind) => {
                self.registers.begin(&self.distinct);
                behind.into_iter().for_each(|coupons| self.registers.add(coupons));
                self.registers.append(out);
            }
        }
    }

    /// Appends the serialised sketch of what [`SketchMaker::distinct`] gave; nothing if that was nothing.
    pub(super) fn append_distinct(distinct: &[Coupon], out: &mut Vec<u8>) {
        if !distinct.is_empty() {
            append_small(distinct, out);
        }
    }

    /// The sketch of these coupons, to which more may come.
    pub(super) fn sketch(&mut self, coupons: [&[Coupon]; 2]) -> HllSketch {
        let mut bytes = Vec::new();
        self.append(coupons, &mut bytes);
        if bytes.is_empty() {
            return empty_sketch();
        }
        HllSketch::deserialize(&bytes).expect("it is what the library writes, as its test says")
    }

    /// Collects each coupon once. When they become too many for a set: all that come behind.
    fn collect<'a>(&mut self, coupons: [&'a [Coupon]; 2]) -> Option<[&'a [Coupon]; 2]> {
        self.distinct.clear();
        let all = coupons[0].len() + coupons[1].len();
        if all < SET_FROM {
            self.compare(coupons);
            return None;
        }
        let lg = self.clear_table(all);
        if let Some(at) = self.look_up(coupons[0], lg) {
            return Some([&coupons[0][at..], coupons[1]]);
        }
        self.look_up(coupons[1], lg).map(|at| [&coupons[1][at..], &[]])
    }

    fn compare(&mut self, coupons: [&[Coupon]; 2]) {
        for &coupon in coupons.into_iter().flatten() {
            if !self.distinct.contains(&coupon) {
                self.distinct.push(coupon);
            }
        }
    }

    /// Room for so many coupons, three quarters of it free, so that few meet; its size as a power of two.
    fn clear_table(&mut self, all: usize) -> u32 {
        let lg = (4 * all.min(SET_MOST + 1)).next_power_of_two().trailing_zeros();
        self.table.clear();
        self.table.resize(1 << lg, 0);
        lg
    }

    /// Notes each coupon that is new; tells behind which one they were too many for a set.
    fn look_up(&mut self, coupons: &[Coupon], lg: u32) -> Option<usize> {
        let (factor, shift) = (self.factor, 32 - lg);
        let table = &mut self.table[..1 << lg];
        let mut count = self.distinct.len();
        // Whether a coupon is new can't be foreseen: it is written in any case, and kept if it is.
        let room = (count + coupons.len()).min(SET_MOST + 1);
        self.distinct.resize(room, Coupon::from_value(0u64));
        let distinct = &mut self.distinct[..room];
        for (at, &coupon) in coupons.iter().enumerate() {
            let bits = bits_of(coupon);
            let mut place = (bits.wrapping_mul(factor) >> shift) as usize;
            while table[place] != 0 && table[place] != bits {
                place = (place + 1) & (table.len() - 1);
            }
            distinct[count] = coupon;
            count += usize::from(table[place] == 0);
            table[place] = bits;
            if count > SET_MOST {
                return Some(at + 1);
            }
        }
        self.distinct.truncate(count);
        None
    }
}

/// The library's sketch of these coupons: the oracle of those made here.
#[cfg(test)]
pub(super) fn sketch_of(coupons: [&[Coupon]; 2]) -> HllSketch {
    let mut sketch = empty_sketch();
    coupons.into_iter().flatten().for_each(|&coupon| sketch.update_with_coupon(coupon));
    sketch
}

/// A sketch that saw nothing.
pub(super) fn empty_sketch() -> HllSketch {
    HllSketch::new(LG_K, HllType::Hll4).expect("12 is a valid lgK")
}

/// A list or a set in the compact format: 1 to [`SET_MOST`] different coupons.
fn append_small(coupons: &[Coupon], out: &mut Vec<u8>) {
    const VERSION: u8 = 1;
    const FAMILY: u8 = 7;
    const COMPACT: u8 = 8;
    let count = coupons.len();
    if count < SET_FROM {
        out.extend_from_slice(&[2, VERSION, FAMILY, LG_K, 3, COMPACT, count as u8, 0]);
    } else {
        // The library's sets are at most three quarters full.
        let lg = (5..LG_LARGEST_SET).find(|lg| count * 4 <= 3 << lg).unwrap_or(LG_LARGEST_SET);
        out.extend_from_slice(&[3, VERSION, FAMILY, LG_K, lg, COMPACT, 0, 1]);
        out.extend_from_slice(&(count as u32).to_le_bytes());
    }
    out.reserve(4 * count);
    coupons.iter().for_each(|&coupon| out.extend_from_slice(&bits_of(coupon).to_le_bytes()));
}

/// A coupon's 32 bits, never 0. The library shows them to hashers only.
pub(super) fn bits_of(coupon: Coupon) -> u32 {
    let mut bits = Bits(0);
    coupon.hash(&mut bits);
    bits.0
}

/// Keeps the number that it is fed.
struct Bits(u32);

impl Hasher for Bits {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.0 = self.0 << 8 | u32::from(byte));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        u64::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Rng, SplitMix64};

    fn coupons(seed: u64, count: usize, different: u64) -> Vec<Coupon> {
        let mut rng = SplitMix64::new(seed);
        (0..count).map(|_| Coupon::from_value(seed ^ rng.below(different) << 10)).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_the_library_would_write(
            seed: u64,
            count in prop_oneof![0..30usize, 0..1_200usize, 0..100_000usize],
            different in prop_oneof![1..1_500u64, 1..1u64 << 40],
            cut in 0..1_200usize,
        ) {
            let coupons = coupons(seed, count, different);
            let (one, two) = coupons.split_at(cut.min(count));
            let mut bytes = Vec::new();
            SketchMaker::new(seed).append([one, two], &mut bytes);
            let slow = sketch_of([&coupons, &[]]);
            if slow.is_empty() {
                prop_assert!(bytes.is_empty());
                return Ok(());
            }
            // Coupons of a set may stand in any order, as may exceptions; all else must be the same.
            let same = if bytes[0] == 10 { 40 + 2048 } else { 8 };
            prop_assert_eq!(&bytes[..same], &slow.serialize()[..same]);
            prop_assert_eq!(bytes.len(), slow.serialize().len());
            let read = HllSketch::deserialize(&bytes).unwrap();
            prop_assert!(read == slow);
            prop_assert!(SketchMaker::new(seed).sketch([one, two]) == slow);
            prop_assert_eq!(read.estimate(), slow.estimate());
        }
    }

    #[test]
    fn sizes_at_which_the_format_changes() {
        for count in [1, 7, 8, 24, 25, 48, 49, 96, 97, 192, 193, 384, 385] {
            let coupons: Vec<Coupon> = (0..count).map(|n| Coupon::from_value(n as u64)).collect();
            let mut bytes = Vec::new();
            SketchMaker::new(5).append([&coupons, &[]], &mut bytes);
            assert_eq!(bytes[..8], sketch_of([&coupons, &[]]).serialize()[..8], "{count} coupons");
        }
    }
}
