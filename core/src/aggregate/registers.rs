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
/// Bytes before the registers in the format.
const HEAD: usize = 40;
/// A nibble that stands for a value in the list of exceptions.
const EXCEPTION: u8 = 15;

/// The registers of one sketch after the other.
#[derive(Debug)]
pub(super) struct Registers {
    values: Box<[u8; REGISTERS]>,
    /// What is estimated so far, from what each change of a register said when it came.
    estimate: f64,
    /// Sums of 2^-value over registers below 32 and over the others.
    low: f64,
    high: f64,
    /// What the library estimates when a set becomes registers.
    first_estimate: f64,
}

impl Registers {
    /// Registers for sketches that become so at `set_most` + 1 coupons.
    pub(super) fn new(set_most: usize) -> Registers {
        Registers {
            values: Box::new([0; REGISTERS]),
            estimate: 0.0,
            low: 0.0,
            high: 0.0,
            first_estimate: first_estimate(set_most + 1),
        }
    }

    /// Begins a sketch with the coupons of a set that has become too large.
    pub(super) fn begin(&mut self, distinct: impl Iterator<Item = Coupon>) {
        self.values.fill(0);
        (self.low, self.high) = (REGISTERS as f64, 0.0);
        distinct.for_each(|coupon| self.add(coupon));
        self.estimate = self.first_estimate;
    }

    /// Adds a coupon.
    #[inline]
    pub(super) fn add(&mut self, coupon: Coupon) {
        let bits = bits_of(coupon);
        let (place, value) = (bits as usize % REGISTERS, (bits >> PLACE_BITS) as u8);
        let old = self.values[place];
        if value > old {
            self.raise(place, old, value);
        }
    }

    fn raise(&mut self, place: usize, old: u8, value: u8) {
        self.estimate += REGISTERS as f64 / (self.low + self.high);
        *self.sum_of(old) -= share(old);
        *self.sum_of(value) += share(value);
        self.values[place] = value;
    }

    fn sum_of(&mut self, value: u8) -> &mut f64 {
        if value < 32 { &mut self.low } else { &mut self.high }
    }

    /// Appends the sketch in the compact format: nibbles above the least value, then exceptions.
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        let least = self.values.iter().copied().min().unwrap_or(0);
        let at_least = self.values.iter().filter(|&&value| value == least).count() as u32;
        let exceptions =
            || (0u32..).zip(self.values.iter()).filter(|(_, value)| **value - least >= EXCEPTION);
        out.reserve(HEAD + REGISTERS / 2);
        out.extend_from_slice(&[10, 1, 7, LG_K, 0, 8, least, 2]);
        for figure in [self.estimate, self.low, self.high] {
            out.extend_from_slice(&figure.to_le_bytes());
        }
        out.extend_from_slice(&at_least.to_le_bytes());
        out.extend_from_slice(&(exceptions().count() as u32).to_le_bytes());
        let nibble = |value: u8| (value - least).min(EXCEPTION);
        out.extend(self.values.as_chunks().0.iter().map(|&[even, odd]| nibble(even) | nibble(odd) << 4));
        for (place, &value) in exceptions() {
            out.extend_from_slice(&(u32::from(value) << PLACE_BITS | place).to_le_bytes());
        }
    }
}

/// 2^-value.
fn share(value: u8) -> f64 {
    f64::from_bits((1023 - u64::from(value)) << 52)
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
