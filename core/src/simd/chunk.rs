//! Sixteen bytes of a line at once: where a name or a value ends, whether it is digits, whether it is
//! what was expected.
//!
//! Names and values of flat formats are mostly shorter than that, so one load answers for most. It runs
//! for every value of every line: inlined whole, with what every x86-64 machine has. Other
//! architectures run the plain twin.

/// Sixteen bytes of a text; where it has ended, zeros.
#[derive(Clone, Copy, Debug)]
pub struct Chunk(Register);

#[cfg(target_arch = "x86_64")]
type Register = std::arch::x86_64::__m128i;
#[cfg(not(target_arch = "x86_64"))]
type Register = [u8; Chunk::LEN];

impl Chunk {
    /// How many bytes it is.
    pub const LEN: usize = 16;

    /// The bytes of `text` from `at` on.
    #[inline(always)]
    pub fn at(text: &[u8], at: usize) -> Chunk {
        match text.get(at..).and_then(|rest| rest.first_chunk()) {
            Some(bytes) => Chunk::new(bytes),
            None => Chunk::new(&last(text, at)),
        }
    }

    /// These bytes.
    #[inline(always)]
    pub fn of(bytes: &[u8; Chunk::LEN]) -> Chunk {
        Chunk::new(bytes)
    }
}

/// What is left of `text` from `at` on, less than sixteen bytes, and zeros.
#[inline]
fn last(text: &[u8], at: usize) -> [u8; Chunk::LEN] {
    let beyond = (at + Chunk::LEN).saturating_sub(text.len());
    match text.last_chunk() {
        // One load that ends with the text, moved down: a copy of some bytes would be a call.
        Some(whole) if beyond < Chunk::LEN => (u128::from_le_bytes(*whole) >> (8 * beyond)).to_le_bytes(),
        Some(_) => [0; Chunk::LEN],
        None => {
            let mut bytes = [0; Chunk::LEN];
            let rest = text.get(at..).unwrap_or_default();
            bytes.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            bytes
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Chunk {
    #[inline(always)]
    fn new(bytes: &[u8; Chunk::LEN]) -> Chunk {
        Chunk(*bytes)
    }

    /// A bit for each byte that is in `set`, the first byte's lowest.
    #[inline(always)]
    pub fn any<const N: usize>(self, set: [u8; N]) -> u32 {
        twin::mask(&self.0, |_, b| set.contains(&b))
    }

    /// A bit for each byte that is not above `most`.
    #[inline(always)]
    pub fn at_most(self, most: u8) -> u32 {
        twin::mask(&self.0, |_, b| b <= most)
    }

    /// A bit for each byte that is a decimal digit.
    #[inline(always)]
    pub fn digits(self) -> u32 {
        twin::mask(&self.0, |_, b| b.is_ascii_digit())
    }

    /// A bit for each byte that is the same in `other`.
    #[inline(always)]
    pub fn same(self, other: &[u8; Chunk::LEN]) -> u32 {
        twin::mask(&self.0, |at, b| b == other[at])
    }
}

#[cfg(target_arch = "x86_64")]
impl Chunk {
    #[inline(always)]
    fn new(bytes: &[u8; Chunk::LEN]) -> Chunk {
        use std::arch::x86_64::{__m128i, _mm_loadu_si128};
        // SAFETY: SSE2 is part of every x86-64 machine; the load needs no alignment, and 16 bytes can be
        // read at `bytes`.
        Chunk(unsafe { _mm_loadu_si128(bytes.as_ptr().cast::<__m128i>()) })
    }

    /// A bit for each byte that is in `set`, the first byte's lowest.
    #[inline(always)]
    pub fn any<const N: usize>(self, set: [u8; N]) -> u32 {
        use std::arch::x86_64::{
            _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8, _mm_setzero_si128,
        };
        // SAFETY: SSE2 is always there, and these work on registers only. Measured: the end of a value of
        // a flat line is found in 12 instructions, against 5 for each of its bytes.
        unsafe {
            let is = set.map(|byte| _mm_cmpeq_epi8(self.0, _mm_set1_epi8(byte as i8)));
            _mm_movemask_epi8(is.into_iter().fold(_mm_setzero_si128(), |all, is| _mm_or_si128(all, is)))
                as u32
        }
    }

    /// A bit for each byte that is not above `most`.
    #[inline(always)]
    pub fn at_most(self, most: u8) -> u32 {
        use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_set1_epi8};
        // SAFETY: as in `any`.
        unsafe {
            let least = _mm_min_epu8(self.0, _mm_set1_epi8(most as i8));
            _mm_movemask_epi8(_mm_cmpeq_epi8(least, self.0)) as u32
        }
    }

    /// A bit for each byte that is a decimal digit.
    #[inline(always)]
    pub fn digits(self) -> u32 {
        use std::arch::x86_64::{_mm_add_epi8, _mm_cmplt_epi8, _mm_movemask_epi8, _mm_set1_epi8};
        // SAFETY: as in `any`. The sum brings `0` to `9` to the ten lowest signed bytes.
        unsafe {
            let lowest = _mm_add_epi8(self.0, _mm_set1_epi8(i8::MIN.wrapping_sub(b'0' as i8)));
            _mm_movemask_epi8(_mm_cmplt_epi8(lowest, _mm_set1_epi8(i8::MIN + 10))) as u32
        }
    }

    /// A bit for each byte that is the same in `other`.
    #[inline(always)]
    pub fn same(self, other: &[u8; Chunk::LEN]) -> u32 {
        use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8};
        // SAFETY: as in `any`. Measured: a key of 12 bytes is recognised in 8 instructions, against
        // 40 for a call that compares memory.
        unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(self.0, Chunk::new(other).0)) as u32 }
    }
}

/// The same, byte by byte.
#[cfg(any(test, not(target_arch = "x86_64")))]
mod twin {
    use super::Chunk;

    /// A bit for each byte for which `is` holds, given its place and the byte.
    pub(super) fn mask(bytes: &[u8; Chunk::LEN], is: impl Fn(usize, u8) -> bool) -> u32 {
        bytes.iter().enumerate().fold(0, |mask, (at, &byte)| mask | u32::from(is(at, byte)) << at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn masks_are_those_of_the_plain_twin(
            text in prop::collection::vec(prop_oneof![any::<u8>(), b'-'..b'?', Just(b',')], 0..50),
            (at, byte, change) in (0usize..60, any::<u8>(), 0usize..16),
        ) {
            let rest = text.iter().skip(at).copied().chain([0; Chunk::LEN]);
            let plain: Vec<u8> = rest.take(Chunk::LEN).collect();
            let mut plain: [u8; Chunk::LEN] = plain.try_into().unwrap();
            let chunk = Chunk::at(&text, at);
            prop_assert_eq!(chunk.same(&plain), 0xffff);
            prop_assert_eq!(chunk.at_most(byte), twin::mask(&plain, |_, b| b <= byte));
            prop_assert_eq!(chunk.digits(), twin::mask(&plain, |_, b| b.is_ascii_digit()));
            prop_assert_eq!(chunk.any([byte]), twin::mask(&plain, |_, b| b == byte));
            prop_assert_eq!(chunk.any([b',', b' ', byte]), twin::mask(&plain, |_, b| [b',', b' ', byte].contains(&b)));
            plain[change] ^= 1;
            prop_assert_eq!(chunk.same(&plain), 0xffff ^ 1 << change);
        }
    }
}
