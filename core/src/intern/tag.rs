//! A key's words as 96 bits that stand for it.
//!
//! Two different keys get the same tag with a probability of at most 2^-63, whoever chose them without
//! knowing the seed: the words are multiplied half by half with secret numbers and added up (NH, Black
//! et al. 1999: 2^-64), and the sum is spread over the tag by a strongly universal multilinear hash
//! (Lemire and Kaser 2013: 2^-96). So a table of 10^6 series mistakes one key for another with a
//! probability of 10^-7 in its whole life, and need not look at a key to know it again.

use super::{Seeded, Word};
use crate::model::{Limits, Rng, SplitMix64};

/// Stands for a key in an index. Its lowest 32 bits are no part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(pub(super) u128);

impl Tag {
    #[inline(always)]
    pub(super) fn low(self) -> u64 {
        self.0 as u64
    }

    #[inline(always)]
    pub(super) fn high(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

/// Makes tags. Everything it multiplies with comes from the seed.
#[derive(Clone, Debug)]
pub struct Tagger {
    words: [(u64, u64); Limits::DIMENSIONS + Limits::SUMS],
    parts: [u128; 4],
    start: u128,
    long: Seeded,
}

impl Tagger {
    /// The tagger of `seed`.
    pub fn new(seed: u64) -> Tagger {
        let mut rng = SplitMix64::new(seed ^ 0x7c1d_93e5_a20b_4f68);
        let wide = |rng: &mut SplitMix64| u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        Tagger {
            words: std::array::from_fn(|_| (rng.next_u64(), rng.next_u64())),
            parts: std::array::from_fn(|_| wide(&mut rng)),
            start: wide(&mut rng),
            long: Seeded::new(rng.next_u64()),
        }
    }

    /// The word of a text of any length.
    #[inline(always)]
    pub fn word(&self, text: &str) -> Word {
        Word::of(text).unwrap_or_else(|| self.long(text))
    }

    /// The word that stands for a text that is too long for one.
    #[cold]
    pub fn long(&self, text: &str) -> Word {
        Word::stand_in(self.long.identity(std::iter::once(text)))
    }

    /// The tag of a list of words. Lists of one index are all of one length.
    #[inline(always)]
    pub fn tag(&self, words: impl Iterator<Item = Word>) -> Tag {
        let sum = words.enumerate().fold(0u128, |sum, (at, word)| sum.wrapping_add(self.product(at, word)));
        self.spread(sum)
    }

    /// What the word at `at` of a list adds to what [`Tagger::spread`] spreads.
    #[inline(always)]
    pub(super) fn product(&self, at: usize, word: Word) -> u128 {
        let (low, high) = word.halves();
        let (low_key, high_key) = self.words[at];
        u128::from(low.wrapping_add(low_key)) * u128::from(high.wrapping_add(high_key))
    }

    /// The tag of a list of words whose products come to `sum`, wrapping.
    #[inline(always)]
    pub(super) fn spread(&self, sum: u128) -> Tag {
        let parts = self.parts.iter().enumerate();
        Tag(parts.fold(self.start, |tag, (at, part)| {
            tag.wrapping_add(u128::from((sum >> (32 * at)) as u32).wrapping_mul(*part))
        }))
    }
}
