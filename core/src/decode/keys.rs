//! Finding a wanted key among the few there are with one multiplication and one comparison.
//!
//! In: the wanted keys of an object, once; then the place of a key in a line. Out: which one it is. The
//! keys come from the configuration and each has a slot of its own, so no line can make a search long.
//! Must not know: what the keys stand for.

use crate::simd::scan::Literal;

/// Slots of the table: many more than keys, so that a multiplier without collisions is soon found.
const SLOTS: usize = 256;
/// Multipliers that are tried.
const TRIES: u64 = 4096;
/// No key.
const NONE: u8 = u8::MAX;

/// A table of keys without collisions.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    multiplier: u64,
    slots: Box<[u8; SLOTS]>,
    literals: Vec<Literal>,
}

impl Keys {
    /// A table of these different keys. `None` if there is none: a key is empty or too long, or two
    /// keys are too much alike.
    pub(super) fn new<'k>(keys: impl Iterator<Item = &'k str>) -> Option<Keys> {
        let keys: Vec<&[u8]> = keys.map(str::as_bytes).collect();
        if keys.len() >= usize::from(NONE) || keys.iter().any(|key| key.is_empty()) {
            return None;
        }
        let literals: Option<Vec<Literal>> = keys.iter().map(|key| Literal::new(key)).collect();
        let (multiplier, slots) = (1..TRIES).find_map(|nth| {
            let multiplier = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(2 * nth + 1);
            fill(&keys, multiplier).map(|slots| (multiplier, slots))
        })?;
        Some(Keys { multiplier, slots: Box::new(slots), literals: literals? })
    }

    /// Which of the keys stands in `bytes` at `at`, `len` bytes long.
    #[inline(always)]
    pub(super) fn find(&self, bytes: &[u8], at: usize, len: usize) -> Option<usize> {
        let found = usize::from(self.slots[slot(bytes, at, len, self.multiplier)?]);
        let literal = self.literals.get(found)?;
        (literal.len() == len && literal.stands_at(bytes, at)).then_some(found)
    }
}

/// Where each key has its slot with this multiplier; `None` if two share one.
fn fill(keys: &[&[u8]], multiplier: u64) -> Option<[u8; SLOTS]> {
    let mut slots = [NONE; SLOTS];
    for (nth, key) in keys.iter().enumerate() {
        let slot = &mut slots[slot(key, 0, key.len(), multiplier)?];
        if *slot != NONE {
            return None;
        }
        *slot = nth as u8;
    }
    Some(slots)
}

/// The slot of a key: of its first bytes, of its middle and its end, and of its length. `None` for the
/// empty one.
#[inline(always)]
fn slot(bytes: &[u8], at: usize, len: usize, multiplier: u64) -> Option<usize> {
    let key = bytes.get(at..at + len)?;
    let (last, middle) = (*key.last()?, *key.get(len / 2)?);
    let first = match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(word) => u64::from_le_bytes(*word) & (u64::MAX >> (64 - 8 * len.min(8))),
        None => key.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    let ends = u64::from(last) << 7 | u64::from(middle) << 17 | (len as u64) << 29;
    Some((first.rotate_left(31) ^ first ^ ends).wrapping_mul(multiplier) as usize >> 56)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_its_keys_and_no_others() {
        let wanted = [
            "ts",
            "marketplace",
            "feature",
            "payment",
            "status",
            "amount",
            "currency",
            "customer",
            "host",
            "order_id",
            "cart.feature",
            "cart",
            "ebbd",
            "a",
            "é",
            "shipping_address",
            "shipping_country",
        ];
        let keys = Keys::new(wanted.into_iter()).unwrap();
        for behind in ["", "\":1", "\":\"a value that is longer than a window of bytes\""] {
            for (nth, key) in wanted.iter().enumerate() {
                let text = format!("\"{key}{behind}");
                assert_eq!(keys.find(text.as_bytes(), 1, key.len()), Some(nth), "{key}");
                assert_eq!(keys.find(text.as_bytes(), 1, key.len() - 1), None);
            }
            for other in ["", "t", "tss", "Customer", "customes", "b", "shipping_company"] {
                assert_eq!(keys.find(format!("{other}{behind}").as_bytes(), 0, other.len()), None, "{other}");
            }
        }
    }

    #[test]
    fn as_many_as_a_stream_can_have_find_room() {
        let many: Vec<String> = (0..60).map(|at| format!("field_{at}")).collect();
        assert!(Keys::new(many.iter().map(String::as_str)).is_some());
        assert!(Keys::new(["x".repeat(40).as_str()].into_iter()).is_none());
        assert!(Keys::new([""].into_iter()).is_none());
    }
}
