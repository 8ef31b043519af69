//! How many non-empty lines a block has, without looking at them one by one.

use multiversion::multiversion;

const LF: u8 = b'\n';
const CR: u8 = b'\r';
/// Bytes looked at together, as the bits of a mask.
const WORD: usize = 64;

/// Non-empty lines of `bytes`: what ends with LF or with the block, a trailing CR stripped, and isn't
/// empty then. These are the lines that have a number. [`twin::count_lines`](super::twin::count_lines)
/// says the same line by line.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2+popcnt"))]
pub fn count_lines(bytes: &[u8]) -> u64 {
    // In front of the block imagine two LFs: a CR or LF at its very beginning ends nothing.
    let mut counter = Counter { before: 0b11, last: LF, lines: 0 };
    let (words, rest) = bytes.as_chunks::<WORD>();
    for word in words {
        counter.add(word, lf_mask(word));
    }
    counter.add(rest, plain_lf_mask(rest));
    let tail = &bytes[memchr::memrchr(LF, bytes).map_or(0, |at| at + 1)..];
    counter.lines + u64::from(!tail.is_empty() && tail != [CR])
}

/// What has been counted, and what the next word has to know of the one before.
struct Counter {
    /// Which of its last two bytes were LF; bit 1 is the last one.
    before: u64,
    /// Its last byte.
    last: u8,
    lines: u64,
}

impl Counter {
    #[inline(always)]
    fn add(&mut self, word: &[u8], lf: u64) {
        let ends = lf & !(lf << 1 | self.before >> 1);
        self.lines += u64::from(ends.count_ones());
        let of_one_byte = ends & (lf << 2 | self.before);
        if of_one_byte != 0 {
            self.lines -= lone_crs(word, of_one_byte, self.last);
        }
        self.before = lf >> (WORD - 2);
        self.last = word.last().copied().unwrap_or(self.last);
    }
}

/// How many of the lines of a single byte, whose LFs are at `ends`, are a CR.
#[cold]
fn lone_crs(word: &[u8], mut ends: u64, last: u8) -> u64 {
    let mut lone = 0;
    while ends != 0 {
        let at = ends.trailing_zeros() as usize;
        let byte = if at == 0 { last } else { word[at - 1] };
        lone += u64::from(byte == CR);
        ends &= ends - 1;
    }
    lone
}

/// Which bytes are LF.
fn plain_lf_mask(word: &[u8]) -> u64 {
    word.iter().enumerate().fold(0, |mask, (at, &byte)| mask | u64::from(byte == LF) << at)
}

#[cfg(not(target_arch = "x86_64"))]
fn lf_mask(word: &[u8; WORD]) -> u64 {
    plain_lf_mask(word)
}

/// Which bytes are LF. SSE2 is part of every x86-64 machine; what is dispatched for is counting bits.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn lf_mask(word: &[u8; WORD]) -> u64 {
    use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};
    let (quarters, _) = word.as_chunks::<16>();
    let mask = |quarter: &[u8; 16]| {
        // SAFETY: SSE2 is always there; the load doesn't need alignment, and 16 bytes can be read at
        // `quarter`.
        let bits = unsafe {
            let bytes = _mm_loadu_si128(quarter.as_ptr().cast::<__m128i>());
            _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(LF as i8)))
        };
        u64::from(bits as u32)
    };
    mask(&quarters[0]) | mask(&quarters[1]) << 16 | mask(&quarters[2]) << 32 | mask(&quarters[3]) << 48
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simd::twin;

    #[test]
    fn counts_what_the_decoder_will_see() {
        let cases = [
            ("", 0),
            ("\n", 0),
            ("\r\n", 0),
            ("\r", 0),
            ("a", 1),
            ("a\n", 1),
            ("a\r\n\r\nb", 2),
            ("\n\n\na\n\n", 1),
            ("\r\r\n", 1),
            (" \n", 1),
        ];
        for (text, lines) in cases {
            assert_eq!(count_lines(text.as_bytes()), lines, "{text:?}");
            assert_eq!(twin::count_lines(text.as_bytes()), lines, "{text:?}");
            // The same at the border of two words, behind a line.
            for shift in 60..66 {
                let shifted = format!("{}\n{text}", "x".repeat(shift));
                assert_eq!(count_lines(shifted.as_bytes()), lines + 1, "{shift} {text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_its_plain_twin(
            bytes in prop::collection::vec(prop::sample::select(b"\n\r\na ".to_vec()), 0..700),
        ) {
            prop_assert_eq!(count_lines(&bytes), twin::count_lines(&bytes));
        }
    }
}
