//! The hash of a content that passes by in pieces: XXH3 of 128 bits.
//!
//! In: bytes. Out: their hash, however they were cut. Must not know: files. What is long is hashed by
//! `ebbd_core::simd`, four times as fast as the library, which would be a tenth of all that an event costs.

use ebbd_core::simd::LongContent;
use twox_hash::XxHash3_128;

const BLOCK: usize = LongContent::BLOCK;
/// The last bytes of a content are hashed once more, as a stripe of their own.
const LAST: usize = 64;
/// Up to here a content is short: it is hashed in another way.
const SHORT: u64 = 240;

/// A hash on its way.
pub(super) struct Content {
    long: LongContent,
    /// The [`LAST`] bytes before what is held; zeros at the beginning, where nobody looks at them.
    held: Vec<u8>,
    bytes: u64,
}

impl Content {
    pub(super) fn new() -> Content {
        Content { long: LongContent::default(), held: vec![0; LAST], bytes: 0 }
    }

    /// Takes the next bytes in. A block goes in once it is known that it isn't the last one.
    pub(super) fn add(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if self.held.len() > LAST {
            let (now, later) = bytes.split_at(bytes.len().min(LAST + BLOCK - self.held.len()));
            self.held.extend_from_slice(now);
            if later.is_empty() {
                return;
            }
            bytes = later;
            self.long.add(self.held[LAST..].as_chunks().0);
            self.held.drain(..BLOCK);
        }
        let whole = bytes.len().saturating_sub(1) / BLOCK * BLOCK;
        let (blocks, rest) = bytes.split_at(whole);
        self.long.add(blocks.as_chunks().0);
        if let Some(last) = blocks.last_chunk::<LAST>() {
            self.held.copy_from_slice(last);
        }
        self.held.extend_from_slice(rest);
    }

    /// The hash of all bytes so far.
    pub(super) fn hash(&self) -> u128 {
        let rest = &self.held[LAST..];
        match self.held.last_chunk() {
            Some(last) if self.bytes > SHORT => self.long.hash(rest, last, self.bytes),
            _ => XxHash3_128::oneshot(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u128 {
        let mut content = Content::new();
        pieces.into_iter().for_each(|piece| content.add(piece));
        content.hash()
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count as u32).map(|n| (n.wrapping_mul(0x9e37_79b1) >> 13) as u8).collect()
    }

    proptest! {
        #[test]
        fn is_the_librarys_however_the_bytes_are_cut(
            count in prop_oneof![0..600usize, 900..1_200usize, 0..20_000usize],
            piece in prop_oneof![1..80usize, 1..3_000usize],
        ) {
            let bytes = bytes(count);
            prop_assert_eq!(in_pieces(bytes.chunks(piece)), XxHash3_128::oneshot(&bytes));
        }
    }

    #[test]
    fn is_the_librarys_at_every_length() {
        for count in 0..4 * BLOCK {
            let bytes = bytes(count);
            let (one, two) = bytes.split_at(count / 3);
            let hash = XxHash3_128::oneshot(&bytes);
            assert_eq!((in_pieces([&bytes[..]]), in_pieces([one, two])), (hash, hash), "{count} bytes");
        }
    }
}
