//! Finding a wanted key among the few there are with one multiplication and one comparison.
//!
//! In: the wanted keys of an object, once; then the place of a key in a line. Out: which one it is. The
//! keys come from the configuration and each has a slot of its own, so no line can make a search long.
//! Must not know: what the keys stand for.

use crate::simd::scan::word;

/// Slots of the table: many more than keys, so that a multiplier without collisions is soon found.
const SLOTS: usize = 256;
/// Multipliers that are tried.
const TRIES: u64 = 4096;
/// No key.
const NONE: u8 = u8::MAX;

/// Longest key of a table, in bytes.
const LONGEST: usize = 16;

/// A key as two words, filled up with zeros behind it, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    words: [u64; 2],
    len: usize,
}

/// A table of keys without collisions.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    multiplier: u64,
    slots: Box<[u8; SLOTS]>,
    /// The keys, and behind them what no key is equal to.
    keys: Box<[Key]>,
}

impl Keys {
    /// A table of these different keys. `None` if there is none: a key is too long, or there are too many.
    pub(super) fn new<'k>(keys: impl Iterator<Item = &'k str>) -> Option<Keys> {
        let keys: Option<Vec<Key>> = keys.map(|key| Key::at_end(key.as_bytes(), 0, key.len())).collect();
        let keys = keys.filter(|keys| keys.len() < usize::from(NONE))?;
        let (multiplier, slots) = (1..TRIES).find_map(|nth| {
            let multiplier = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(2 * nth + 1);
            fill(&keys, multiplier).map(|slots| (multiplier, slots))
        })?;
        let none = keys.len() as u8;
        let slots = slots.map(|slot| slot.min(none));
        let keys = keys.into_iter().chain([Key::NONE]).collect();
        Some(Keys { multiplier, slots: Box::new(slots), keys })
    }

    /// Which of the keys stands in `bytes` at `at`, `len` bytes long.
    #[inline(always)]
    pub(super) fn find(&self, bytes: &[u8], at: usize, len: usize) -> Option<usize> {
        let found = self.found(Key::at(bytes, at, len)?);
        (found & 1 == 0).then_some(found >> 1)
    }

    /// Which of the keys the first `len` bytes of `bytes` are, at most 15 of them and the first one lowest:
    /// twice its number. An odd number, at most twice the number of keys and one, if it is none. Which keys
    /// come can't be foreseen, so nothing branches here.
    #[inline(always)]
    pub(super) fn find_short(&self, bytes: u128, len: usize) -> usize {
        let masks = MASKS[len % LONGEST];
        self.found(Key { words: [bytes as u64 & masks[0], (bytes >> 64) as u64 & masks[1]], len })
    }

    #[inline(always)]
    fn found(&self, key: Key) -> usize {
        let found = usize::from(self.slots[key.slot(self.multiplier)]);
        let Key { words: [low, high], len } = self.keys[found];
        let differs = (low ^ key.words[0]) | (high ^ key.words[1]) | (len ^ key.len) as u64;
        found << 1 | usize::from(differs != 0)
    }
}

/// Where each key has its slot with this multiplier; `None` if two share one.
fn fill(keys: &[Key], multiplier: u64) -> Option<[u8; SLOTS]> {
    let mut slots = [NONE; SLOTS];
    for (nth, key) in keys.iter().enumerate() {
        let slot = &mut slots[key.slot(multiplier)];
        if *slot != NONE {
            return None;
        }
        *slot = nth as u8;
    }
    Some(slots)
}

impl Key {
    /// What no key is equal to.
    const NONE: Key = Key { words: [0; 2], len: usize::MAX };

    /// The key of `len` bytes in `bytes` at `at`; `None` if it is too long for any table.
    #[inline(always)]
    fn at(bytes: &[u8], at: usize, len: usize) -> Option<Key> {
        let masks = MASKS.get(len)?;
        match (word(bytes, at), word(bytes, at + 8)) {
            (Some(low), Some(high)) => Some(Key { words: [low & masks[0], high & masks[1]], len }),
            _ => Key::at_end(bytes, at, len),
        }
    }

    /// [`Key::at`] where too little stands behind it for reading whole words.
    #[cold]
    fn at_end(bytes: &[u8], at: usize, len: usize) -> Option<Key> {
        let mut padded = [0; LONGEST];
        padded.get_mut(..len)?.copy_from_slice(bytes.get(at..at + len)?);
        Some(Key { words: [word(&padded, 0)?, word(&padded, 8)?], len })
    }

    #[inline(always)]
    fn slot(&self, multiplier: u64) -> usize {
        let [low, high] = self.words;
        let mixed = (low ^ (low >> 29)) ^ high.rotate_left(17) ^ ((self.len as u64) << 53);
        mixed.wrapping_mul(multiplier) as usize >> 56
    }
}

/// By length of a key: which of its bytes count.
const MASKS: [[u64; 2]; LONGEST + 1] = {
    let mut masks = [[0; 2]; LONGEST + 1];
    let mut len = 1;
    while len <= LONGEST {
        masks[len] = masks[len - 1];
        masks[len][(len - 1) / 8] |= 0xff << (8 * ((len - 1) % 8));
        len += 1;
    }
    masks
};

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
        assert!(Keys::new(["x".repeat(17).as_str()].into_iter()).is_none());
        let empty = Keys::new(["", "a"].into_iter());
        assert!(
            empty.is_some_and(|keys| keys.find(b"\"\"", 1, 0) == Some(0) && keys.find(b"aa", 0, 2).is_none())
        );
    }
}
