//! Numbers and texts as bytes of variable length, and back.

use super::read::StepError;

/// Longest number: 64 bits, 7 a byte.
const LONGEST: usize = 10;

/// Appends a number.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a number that may be negative.
#[inline]
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, (number << 1 ^ number >> 63) as u64);
}

/// Appends how many things follow.
pub(super) fn put_count(out: &mut Vec<u8>, count: usize) {
    put(out, count as u64);
}

/// Appends bytes and how many they are.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Bytes that were not read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest<'a>(pub(super) &'a [u8]);

impl<'a> Rest<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, StepError> {
        let (&byte, rest) = self.0.split_first().ok_or(StepError::Short)?;
        self.0 = rest;
        Ok(byte)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, StepError> {
        match self.0 {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64, StepError> {
        let mut number = 0u64;
        for at in 0..LONGEST {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(StepError::Damaged("a number without end"))
    }

    #[inline]
    pub(super) fn signed(&mut self) -> Result<i64, StepError> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A number of fewer bits.
    #[inline]
    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, StepError> {
        T::try_from(self.number()?).map_err(|_| StepError::Damaged("a number out of range"))
    }

    /// How many things follow of which each takes at least `least` bytes.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, StepError> {
        let count: usize = self.small()?;
        if count > self.0.len() / least.max(1) {
            return Err(StepError::Short);
        }
        Ok(count)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], StepError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(StepError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Exactly so many bytes.
    #[inline]
    pub(super) fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], StepError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(StepError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// Bytes behind how many they are.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], StepError> {
        let length = self.small()?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, StepError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| StepError::Damaged("a text that is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(number: u64, signed: i64, shift in 0..64u32, text: String) {
            let (number, signed) = (number >> shift, signed >> shift);
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            put_signed(&mut bytes, signed);
            put_bytes(&mut bytes, text.as_bytes());
            let mut rest = Rest(&bytes);
            prop_assert_eq!((rest.number().unwrap(), rest.signed().unwrap()), (number, signed));
            prop_assert_eq!(rest.text().unwrap(), text);
            prop_assert!(rest.0.is_empty() && rest.number().is_err());
        }
    }
}
