//! The id of a start: a ULID, so that a subscriber can tell that sequence numbers may have begun anew.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// A fresh id: the wall time in milliseconds and 80 bits that no other start has.
pub fn boot_id() -> String {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
    let word = || u128::from(RandomState::new().hash_one((since_1970, std::process::id())));
    ulid::Ulid::from_parts(millis, word() << 64 | word()).to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_start_has_its_own() {
        let (one, other) = (super::boot_id(), super::boot_id());
        assert_eq!(one.len(), 26);
        assert_ne!(one, other);
    }
}
