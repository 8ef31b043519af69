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
    /// The word of the empty text.
    pub const EMPTY: Word = Word { low: 0, high: 0 };
    /// Longest text that a word holds.
    pub const BYTES: usize = 15;

    /// The word of a text; `None` if it is too long for one.
    #[inline]
    pub fn of(text: &str) -> Option<Word> {
        if text.len() > Word::BYTES {
            return None;
        }
        let (low, high) = short(text.as_bytes());
        Some(Word { low, high: high | (text.len() as u64) << 56 })
    }

    /// The word of the first `length` of these bytes; `None` if that is too long for one. The length is
    /// no branch.
    #[inline(always)]
    pub fn wide(bytes: &[u8; 16], length: usize) -> Option<Word> {
        let (low_bits, high_bits) = *TEXT_BITS.get(length)?;
        let &[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Some(Word {
            low: u64::from_le_bytes([a, b, c, d, e, f, g, h]) & low_bits,
            high: u64::from_le_bytes([i, j, k, l, m, n, o, p]) & high_bits | (length as u64) << 56,
        })
    }

    /// A text's bytes as two numbers, and how many they are. Not of words that stand for longer texts.
    #[inline(always)]
    pub fn numbers(self) -> (u64, u64, u64) {
        (self.low, self.high & u64::MAX >> 8, self.high >> 56)
    }

    /// A word that stands for a long text, by 120 of the bits of its hash.
    pub(super) fn stand_in([low, high]: [u64; 2]) -> Word {
        Word { low, high: high | LONG << 56 }
    }

    /// Whether it is a text and not something that stands for one.
    #[inline(always)]
    pub(super) fn is_text(self) -> bool {
        self.high < LONG << 56
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
                let word = Word::of(part).unwrap();
                assert_eq!(Word::text(&word.bytes()), Some(part));
                if let Some(bytes) = text.as_bytes()[start..].first_chunk() {
                    assert_eq!(Word::wide(bytes, length), Some(word), "{part:?}");
                }
            }
        }
        assert_eq!(Word::of(""), Some(Word::default()));
        assert_eq!(Word::of(&text[..16]), None);
        assert_eq!(Word::wide(b"0123456789abcdef", 16), None);
        assert_ne!(Word::of("a\0"), Word::of("a"));
        assert_eq!(Word::text(&Word::stand_in([1, 2]).bytes()), None);
        assert_ne!(Word::stand_in([1, 2]), Word::stand_in([1, 3]));
    }
}
