//! A literal and the value behind it, in one look: for lines that are read side by side.
//!
//! One check of bounds covers both, and whether the literals are there is collected without a branch and
//! asked for once, at the end of the line. What is read after a literal that isn't there is thrown away then.
//! Other architectures run the plain twins.

use super::scan::{HALF, Literal, WINDOW, string_mask};

/// Bytes in which a literal, a quote and a value of the usual length stand.
pub const STRETCH: usize = 80;

/// All stretches of some bytes.
#[derive(Clone, Copy, Debug)]
pub struct Stretches<'b> {
    bytes: &'b [u8],
    /// How many there are: the first place from which less than one is left.
    count: usize,
}

impl<'b> Stretches<'b> {
    /// Those of `bytes`.
    pub fn of(bytes: &'b [u8]) -> Stretches<'b> {
        Stretches { bytes, count: (bytes.len() + 1).saturating_sub(STRETCH) }
    }

    /// The one that begins at `at`, if there is a whole one.
    #[inline(always)]
    pub fn at(self, at: usize) -> Option<&'b [u8; STRETCH]> {
        if at >= self.count {
            return None;
        }
        // SAFETY: `count` is set only above, so at + STRETCH <= bytes.len(). Measured: one comparison for each
        // value of a line, and not six instructions.
        Some(unsafe { &*self.bytes.as_ptr().add(at).cast::<[u8; STRETCH]>() })
    }
}

/// The `N` bytes of a stretch from `start` on; its last ones where there are less.
#[inline(always)]
pub fn part<const N: usize>(stretch: &[u8; STRETCH], start: usize) -> &[u8; N] {
    let start = start.min(STRETCH - N);
    stretch[start..].first_chunk().expect("it begins at least so many bytes before the end")
}

/// The length of the JSON string whose inside begins `window`, if it is plain text and its quote is there.
#[inline(always)]
pub fn quoted(window: &[u8; WINDOW]) -> Option<usize> {
    let (halves, _) = window.as_chunks::<HALF>();
    let mut len = string_mask(&halves[0]).trailing_zeros() as usize;
    if len >= HALF {
        len = HALF + string_mask(&halves[1]).trailing_zeros() as usize;
    }
    (len < WINDOW && window[len] == b'"').then_some(len)
}

/// Where a line differs from its shape, over all of its literals.
#[derive(Clone, Copy, Debug)]
pub struct Differences(Bits);

#[cfg(target_arch = "x86_64")]
type Bits = std::arch::x86_64::__m128i;
#[cfg(not(target_arch = "x86_64"))]
type Bits = u8;

impl Differences {
    /// Nowhere so far.
    #[inline(always)]
    pub fn none() -> Differences {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: SSE2 is part of every x86-64 machine, and this works on registers only.
        let bits = unsafe { std::arch::x86_64::_mm_setzero_si128() };
        #[cfg(not(target_arch = "x86_64"))]
        let bits = 0;
        Differences(bits)
    }

    /// Whether there are any.
    #[inline(always)]
    pub fn any(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_setzero_si128};
            // SAFETY: as above.
            unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(self.0, _mm_setzero_si128())) != 0xffff }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self.0 != 0
        }
    }

    /// Adds those of the beginning of `stretch` from `literal`.
    #[inline(always)]
    pub fn add(&mut self, literal: &Literal, stretch: &[u8; STRETCH]) {
        let (expected, counts) = literal.patterns();
        self.add_half(expected[0], counts[0], part(stretch, 0));
        if literal.len() > HALF {
            self.add_half(expected[1], counts[1], part(stretch, HALF));
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn add_half(&mut self, expected: &[u8; HALF], counts: &[u8; HALF], there: &[u8; HALF]) {
        use std::arch::x86_64::{__m128i, _mm_and_si128, _mm_loadu_si128, _mm_or_si128, _mm_xor_si128};
        let load = |bytes: &[u8; HALF]| {
            // SAFETY: SSE2 is always there; the load doesn't need alignment, and 16 bytes can be read.
            unsafe { _mm_loadu_si128(bytes.as_ptr().cast::<__m128i>()) }
        };
        let (expected, counts, there) = (load(expected), load(counts), load(there));
        // SAFETY: SSE2 is always there, and these work on registers only. Measured: 5 instructions for 16
        // bytes, against 13 where each literal is decided upon.
        self.0 = unsafe { _mm_or_si128(self.0, _mm_and_si128(_mm_xor_si128(expected, there), counts)) };
    }

    #[cfg(not(target_arch = "x86_64"))]
    #[inline(always)]
    fn add_half(&mut self, expected: &[u8; HALF], counts: &[u8; HALF], there: &[u8; HALF]) {
        self.0 |= twin(expected, counts, there);
    }
}

/// [`Differences::add`] for a half, byte by byte.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn twin(expected: &[u8; HALF], counts: &[u8; HALF], there: &[u8; HALF]) -> u8 {
    (0..HALF).fold(0, |bits, at| bits | (expected[at] ^ there[at]) & counts[at])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simd::scan::twin;

    proptest! {
        #[test]
        fn differences_are_found_wherever_they_are(
            text in prop::collection::vec(prop::sample::select(b"ab\"".to_vec()), STRETCH),
            len in 0usize..=WINDOW,
            change in 0usize..STRETCH,
            by in 0u8..3,
        ) {
            let literal = Literal::new(&text[..len]).unwrap();
            let mut there = text.clone();
            there[change] ^= by;
            let mut differences = Differences::none();
            differences.add(&literal, Stretches::of(&text).at(0).unwrap());
            prop_assert!(!differences.any());
            differences.add(&literal, Stretches::of(&there).at(0).unwrap());
            prop_assert_eq!(differences.any(), there[..len] != text[..len]);
            let (expected, counts) = literal.patterns();
            let halves = there.as_chunks::<HALF>().0;
            let plain = (0..2).fold(0, |bits, at| bits | super::twin(expected[at], counts[at], &halves[at]));
            prop_assert_eq!(differences.any(), plain != 0);
        }

        #[test]
        fn a_quoted_string_ends_where_the_plain_twin_says(
            text in prop::collection::vec(prop_oneof![20 => Just(b'a'), 1 => any::<u8>(), 1 => Just(b'"')], WINDOW),
        ) {
            let end = twin::string_end(&text, 0);
            let want = text.get(end).filter(|&&byte| byte == b'"').map(|_| end);
            prop_assert_eq!(quoted(text.first_chunk().unwrap()), want);
        }

        #[test]
        fn a_part_lies_inside(at in 0usize..100, len in 0usize..200) {
            let text: Vec<u8> = (0..len).map(|at| at as u8).collect();
            prop_assert_eq!(Stretches::of(&text).at(at).is_some(), at + STRETCH <= len);
            if let Some(here) = Stretches::of(&text).at(0) {
                prop_assert_eq!(part::<HALF>(here, at)[0] as usize, at.min(STRETCH - HALF));
            }
        }
    }
}
