//! Large sketches from coupons: registers of a byte each, packed only when they are written.
//!
//! It does what the library does, in the same order, so that the bytes are the same; the library stays
//! the oracle. Registers that need no packing and no exceptions on the way are several times faster.

use datasketches::hll::{Coupon, HllSketch, HllType};

use super::sketch::{LG_K, bits_of};

/// How many registers there are.
const REGISTERS: usize = 1 << LG_K;
/// Bits of a coupon that say which register; those above are the value.
const PLACE_BITS: u32 = 26;
/// Registers whose number still fits a byte.
const STRETCH: usize = 128;
/// Bytes before the registers in the format.
const HEAD: usize = 40;
/// A nibble that stands for a value in the list of exceptions.
const EXCEPTION: u8 = 15;

/// Sums of 2^-value, exact: those of registers below 32 in 2^-31, those of the others in 2^-63. Whole
/// numbers are added in a cycle each, and the library's fractions have room for the same digits. Signed, as
/// processors like to make fractions of; they stay below 2^44.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    low: i64,
    high: i64,
}

/// The registers of one sketch after the other.
#[derive(Debug)]
pub(super) struct Registers {
    values: Box<[u8; REGISTERS]>,
    sums: Sums,
    /// What is estimated so far, from what each change of a register said when it came.
    estimate: f64,
    /// What the library estimates when a set becomes registers.
    first_estimate: f64,
}

impl Registers {
    /// Registers for sketches that become so at `set_most` + 1 coupons.
    pub(super) fn new(set_most: usize) -> Registers {
        Registers {
            values: Box::new([0; REGISTERS]),
            sums: Sums::default(),
            estimate: 0.0,
            first_estimate: first_estimate(set_most + 1),
        }
    }

    /// Begins a sketch with the coupons of a set that has become too large.
    pub(super) fn begin(&mut self, distinct: &[Coupon]) {
        self.values.fill(0);
        self.sums = Sums { low: (REGISTERS as i64) << 31, high: 0 };
        self.add(distinct);
        self.estimate = self.first_estimate;
    }

    /// Adds coupons in the order in which they came.
    pub(super) fn add(&mut self, coupons: &[Coupon]) {
        let (mut sums, mut estimate) = (self.sums, self.estimate);
        for &coupon in coupons {
            let bits = bits_of(coupon);
            let (place, value) = (bits as usize % REGISTERS, (bits >> PLACE_BITS) as u8);
            let old = self.values[place];
            if value > old {
                estimate += REGISTERS as f64 / sums.total();
                sums.swap(old, value);
                self.values[place] = value;
            }
        }
        (self.sums, self.estimate) = (sums, estimate);
    }

    /// Appends the sketch in the compact format: nibbles above the least value, then exceptions.
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        let least = self.values.iter().copied().min().unwrap_or(0);
        let at_least = self.count(|value| value == least);
        let is_exception = |value: u8| value - least >= EXCEPTION;
        let exceptions = self.count(is_exception);
        out.reserve(HEAD + REGISTERS / 2);
        out.extend_from_slice(&[10, 1, 7, LG_K, 0, 8, least, 2]);
        for figure in [self.estimate, self.sums.low(), self.sums.high()] {
            out.extend_from_slice(&figure.to_le_bytes());
        }
        out.extend_from_slice(&at_least.to_le_bytes());
        out.extend_from_slice(&exceptions.to_le_bytes());
        let nibble = |value: u8| (value - least).min(EXCEPTION);
        out.extend(self.values.as_chunks().0.iter().map(|&[even, odd]| nibble(even) | nibble(odd) << 4));
        let found = (0u32..).zip(self.values.iter()).filter(|(_, value)| is_exception(**value));
        for (place, &value) in found.take(exceptions as usize) {
            out.extend_from_slice(&(u32::from(value) << PLACE_BITS | place).to_le_bytes());
        }
    }

    /// How many registers are so. They are counted in bytes, of which a vector holds the most.
    fn count(&self, is_so: impl Fn(u8) -> bool) -> u32 {
        let (stretches, _) = self.values.as_chunks::<STRETCH>();
        let in_stretch =
            |values: &[u8; STRETCH]| values.iter().map(|&value| u8::from(is_so(value))).sum::<u8>();
        stretches.iter().map(|values| u32::from(in_stretch(values))).sum()
    }
}

impl Sums {
    /// A register of one value becomes one of a larger value, below 64.
    #[inline]
    fn swap(&mut self, old: u8, new: u8) {
        if new < 32 {
            self.low -= (1 << (31 - old)) - (1 << (31 - new));
        } else {
            self.swap_high(old, new);
        }
    }

    /// One register in 2^32 or so.
    #[cold]
    fn swap_high(&mut self, old: u8, new: u8) {
        match old {
            0..32 => self.low -= 1 << (31 - old),
            _ => self.high -= 1 << (63 - old),
        }
        self.high += 1 << (63 - new);
    }

    fn low(self) -> f64 {
        self.low as f64 / (1u64 << 31) as f64
    }

    fn high(self) -> f64 {
        self.high as f64 / (1u64 << 63) as f64
    }

    #[inline]
    fn total(self) -> f64 {
        // Mostly there is none so high.
        if self.high == 0 { self.low() } else { self.low() + self.high() }
    }
}

/// What the library estimates when `count` coupons make it change to registers: it depends on their
/// number only, and is read from a sketch of its own making.
fn first_estimate(count: usize) -> f64 {
    let mut sketch = HllSketch::new(LG_K, HllType::Hll4).expect("12 is a valid lgK");
    // Different coupons by construction: numbers that the hash does not bring together.
    let mut numbers = 0u64..;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < count {
        let coupon = numbers.next().map(Coupon::from_value).expect("numbers don't end");
        if seen.insert(bits_of(coupon)) {
            sketch.update_with_coupon(coupon);
        }
    }
    sketch.estimate()
}
