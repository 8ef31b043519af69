//! A short text as one number: loaded, compared and hashed as a whole instead of byte by byte.

/// A text of at most [`Word::BYTES`] bytes, padded with zeros, its length in the last byte; or, by that
/// byte, something that stands for a longer one. The default is the empty text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Its first eight bytes.
    low: u64,
    /// Its last eight bytes.
    high: u64,
}

/// The last byte of words that stand for longer texts.
const LONG: u64 = 0xff;

/// By length: the bits of both halves that belong to the text.
const TEXT_BITS: [(u64, u64); 16] = {
    let mut bits = [(0, 0); 16];
    let mut length = 1;
    while length < 16 {
        let all = u128::MAX >> (128 - 8 * length);
        bits[length] = (all as u64, (all >> 64) as u64);
        length += 1;
    }
    bits
};

impl Word {
    /// Longest text that a word holds.
    pub const BYTES: usize = 15;

    /// The word of a text; `None` if it is too long for one.
    #[inline]
    pub fn of(text: &str) -> Option<Word> {
        Word::within(text.as_bytes(), 0, text.len())
    }

    /// The word of the `length` bytes from `start` of `bytes`; `None` if that is too long for one. Where
    /// 16 bytes can be read from `start` on, they are read at once and the length is no branch.
    ///
    /// # Panics
    /// If `bytes` ends before them.
    #[inline(always)]
    pub fn within(bytes: &[u8], start: usize, length: usize) -> Option<Word> {
        let (low_bits, high_bits) = *TEXT_BITS.get(length)?;
        let (low, high) = match bytes.get(start..start + 16).and_then(<[u8]>::first_chunk::<16>) {
            Some(&[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]) => (
                u64::from_le_bytes([a, b, c, d, e, f, g, h]) & low_bits,
                u64::from_le_bytes([i, j, k, l, m, n, o, p]) & high_bits,
            ),
            None => short(&bytes[start..start + length]),
        };
        Some(Word { low, high: high | (length as u64) << 56 })
    }

    /// A word that stands for a long text, by 120 of the bits of its hash.
    pub(super) fn stand_in([low, high]: [u64; 2]) -> Word {
        Word { low, high: high | LONG << 56 }
    }

    /// Its bytes: the text, zeros, the length.
    pub fn bytes(self) -> [u8; 16] {
        (u128::from(self.high) << 64 | u128::from(self.low)).to_le_bytes()
    }

    /// The text of a word's [`Word::bytes`]; `None` if it only stands for a longer one.
    pub fn text(bytes: &[u8; 16]) -> Option<&str> {
        std::str::from_utf8(bytes.get(..usize::from(bytes[15]))?).ok()
    }

    /// Its lower and its upper half.
    #[inline(always)]
    pub(super) fn halves(self) -> (u64, u64) {
        (self.low, self.high)
    }
}

/// At most 15 bytes as a number, where nothing behind them can be read: two loads that may overlap.
#[cold]
fn short(text: &[u8]) -> (u64, u64) {
    let length = text.len();
    let number = if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        u128::from(first) | u128::from(last) << (8 * (length - 8))
    } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        u128::from(first) | u128::from(last) << (8 * (length - 4))
    } else {
        text.iter().rev().fold(0, |number, &byte| number << 8 | u128::from(byte))
    };
    (number as u64, (number >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_its_text_wherever_it_stands() {
        let text = "abcdefghijklmnopqrstuvwxyz\u{0}0123456789";
        for length in 0..=Word::BYTES {
            for start in 0..=text.len() - length {
                let part = &text[start..start + length];
                let word = Word::within(text.as_bytes(), start, length).unwrap();
                assert_eq!(Word::text(&word.bytes()), Some(part));
                assert_eq!(Some(word), Word::of(part), "{part:?}");
            }
        }
        assert_eq!(Word::of(""), Some(Word::default()));
        assert_eq!(Word::of(&text[..16]), None);
        assert_ne!(Word::of("a\0"), Word::of("a"));
        assert_eq!(Word::text(&Word::stand_in([1, 2]).bytes()), None);
        assert_ne!(Word::stand_in([1, 2]), Word::stand_in([1, 3]));
    }
}
