//! Columns of numbers as text: little-endian bytes in base64, exact to the bit, small in any format.

use serde::{Deserialize, Serialize};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A column of numbers, packed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Packed(String);

impl Packed {
    /// Packs f32.
    pub fn from_f32(values: impl IntoIterator<Item = f32>) -> Packed {
        Packed::from_bytes(&values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>())
    }

    /// Packs u16.
    pub fn from_u16(values: impl IntoIterator<Item = u16>) -> Packed {
        Packed::from_bytes(&values.into_iter().flat_map(u16::to_le_bytes).collect::<Vec<u8>>())
    }

    /// What [`Packed::from_f32`] packed; `None` if it is damaged.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        let bytes = self.to_bytes()?;
        let (whole, rest) = bytes.as_chunks::<4>();
        rest.is_empty().then(|| whole.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }

    /// What [`Packed::from_u16`] packed; `None` if it is damaged.
    pub fn to_u16(&self) -> Option<Vec<u16>> {
        let bytes = self.to_bytes()?;
        let (whole, rest) = bytes.as_chunks::<2>();
        rest.is_empty().then(|| whole.iter().map(|b| u16::from_le_bytes(*b)).collect())
    }

    fn from_bytes(bytes: &[u8]) -> Packed {
        let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
        for group in bytes.chunks(3) {
            let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
            let word = at(0) << 16 | at(1) << 8 | at(2);
            for place in 0..=group.len() {
                text.push(char::from(ALPHABET[(word >> (18 - 6 * place)) as usize & 63]));
            }
        }
        Packed(text)
    }

    fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.0.len() / 4 * 3 + 2);
        for group in self.0.as_bytes().chunks(4) {
            let mut word = 0u32;
            for (place, byte) in group.iter().enumerate() {
                word |= value(*byte)? << (18 - 6 * place);
            }
            bytes.extend_from_slice(&word.to_be_bytes()[1..group.len().max(1)]);
        }
        Some(bytes)
    }
}

/// For `#[serde(with)]`: an f64 as its bits, exact in every format.
pub mod exact {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the bits.
    ///
    /// # Errors
    /// Those of the format.
    pub fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.to_bits())
    }

    /// Reads the bits.
    ///
    /// # Errors
    /// Those of the format.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        u64::deserialize(from).map(f64::from_bits)
    }
}

fn value(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(words: Vec<u16>, bits: Vec<u32>) {
            prop_assert_eq!(Packed::from_u16(words.clone()).to_u16(), Some(words));
            let back = Packed::from_f32(bits.iter().map(|b| f32::from_bits(*b))).to_f32();
            let back = back.map(|v| v.into_iter().map(f32::to_bits).collect::<Vec<_>>());
            prop_assert_eq!(back, Some(bits));
        }
    }

    #[test]
    fn damage_is_noticed() {
        assert_eq!(Packed("AAE".to_owned()).to_u16(), Some(vec![256]));
        assert_eq!(Packed("A?E".to_owned()).to_u16(), None);
        assert_eq!(Packed("AAAA".to_owned()).to_u16(), None);
    }
}
