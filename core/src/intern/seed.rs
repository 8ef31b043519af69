//! Hashes of what comes from the network: seeded, so that nobody outside can choose collisions.

use std::hash::Hasher;

use foldhash::{SharedSeed, fast, quality};

/// A seeded hash function. Both the start and the multipliers come from the seed.
#[derive(Clone, Debug)]
pub struct Seeded {
    start: u64,
    shared: SharedSeed,
}

impl Seeded {
    /// The hash function of `seed`.
    pub fn new(seed: u64) -> Seeded {
        Seeded { start: seed, shared: SharedSeed::from_u64(seed ^ 0x5bf0_3635_71f6_b1d9) }
    }

    /// The hash of a text, for tables.
    pub fn text(&self, text: &str) -> u64 {
        let mut hasher = fast::FoldHasher::with_seed(self.start, &self.shared);
        hasher.write(text.as_bytes());
        hasher.finish()
    }

    /// 128 bits that stand for a list of texts; `["a", "bc"]` and `["ab", "c"]` differ.
    pub fn identity<'a>(&self, parts: impl Iterator<Item = &'a str>) -> [u64; 2] {
        let mut low = quality::FoldHasher::with_seed(self.start, &self.shared);
        let mut high = quality::FoldHasher::with_seed(!self.start, &self.shared);
        for part in parts {
            for hasher in [&mut low, &mut high] {
                hasher.write_u64(part.len() as u64);
                hasher.write(part.as_bytes());
            }
        }
        [low.finish(), high.finish()]
    }
}
