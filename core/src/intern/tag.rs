//! A key's words as 64 bits that stand for it.
//!
//! Two different keys get the same tag with a probability of at most 2^-63, whoever chose them without
//! knowing the seed: the words are multiplied half by half with secret numbers and added up (NH, Black
//! et al. 1999: two keys have one sum with at most 2^-64), and the sum's two halves are spread over the tag
//! by a multilinear hash with keys of 128 bits, whose highest 65 bits are strongly universal (Lemire and
//! Kaser 2013: two sums have one tag with at most 2^-64, as the tag is the highest 64). So a table of 10^6
//! series mistakes one key for another with a probability of 10^-7 in its whole life, and need not look at
//! a key to know it again.

use super::{Seeded, Word};
use crate::model::{Limits, Rng, SplitMix64};

/// Stands for a key in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(pub(super) u64);

/// Makes tags. Everything it multiplies with comes from the seed.
#[derive(Clone, Debug)]
pub struct Tagger {
    words: [(u64, u64); Limits::DIMENSIONS + Limits::SUMS],
    parts: [u128; 2],
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
    #[cold]
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
        let products = self.words.iter().zip(words).map(|(pair, word)| Tagger::product(pair, word));
        self.spread(products.fold(0u128, u128::wrapping_add))
    }

    /// The secret numbers of the first `count` words of a list.
    #[inline(always)]
    pub(super) fn keys(&self, count: usize) -> &[(u64, u64)] {
        &self.words[..count]
    }

    /// What a word adds to what [`Tagger::spread`] spreads, by its place's secret numbers.
    #[inline(always)]
    pub(super) fn product(&(low_key, high_key): &(u64, u64), word: Word) -> u128 {
        let (low, high) = word.halves();
        u128::from(low.wrapping_add(low_key)) * u128::from(high.wrapping_add(high_key))
    }

    /// The tag of a list of words whose products come to `sum`, wrapping.
    #[inline(always)]
    pub(super) fn spread(&self, sum: u128) -> Tag {
        let low = u128::from(sum as u64).wrapping_mul(self.parts[0]);
        let high = (sum >> 64).wrapping_mul(self.parts[1]);
        Tag((self.start.wrapping_add(low).wrapping_add(high) >> 64) as u64)
    }
}
