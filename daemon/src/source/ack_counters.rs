//! How often things happened between the desk and acknowledged senders, ever.
//!
//! In: what the desk and source threads see happen. Out: numbers for whoever watches. Must not know: who speaks.

use std::sync::atomic::{AtomicU64, Ordering};

use ebbd_core::decode::Refusal;

/// What ends a conversation, by the name under which it is counted.
pub const PROTOCOL_ERRORS: [&str; 6] =
    ["fenced", "gap", "too_many_ids", "not_acked", "diverged", "bad_greeting"];

/// Counted by source threads and the committer.
#[derive(Debug, Default)]
pub struct AckCounters {
    greeted: AtomicU64,
    acked_lines: AtomicU64,
    errors: [AtomicU64; PROTOCOL_ERRORS.len()],
}

/// The numbers at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AckFigures {
    /// Connections that greeted as they ought to.
    pub greeted: u64,
    /// Lines that were acknowledged.
    pub acked_lines: u64,
    /// Conversations that ended by an error, in the order of [`PROTOCOL_ERRORS`].
    pub errors: [u64; PROTOCOL_ERRORS.len()],
}

impl AckCounters {
    pub(super) fn greeted(&self) {
        self.greeted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn acked(&self, lines: u64) {
        self.acked_lines.fetch_add(lines, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        let at = match refusal {
            Refusal::Fenced => 0,
            Refusal::Gap(_) => 1,
            Refusal::TooManyIds => 2,
            Refusal::NotAcked => 3,
            Refusal::Diverged(_) => 4,
            Refusal::BadGreeting => 5,
        };
        self.errors[at].fetch_add(1, Ordering::Relaxed);
    }

    /// The numbers now.
    pub fn read(&self) -> AckFigures {
        AckFigures {
            greeted: self.greeted.load(Ordering::Relaxed),
            acked_lines: self.acked_lines.load(Ordering::Relaxed),
            errors: self.errors.each_ref().map(|count| count.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_the_names_that_senders_are_told() {
        let counters = AckCounters::default();
        let refusals = [
            Refusal::Fenced,
            Refusal::Gap(7),
            Refusal::TooManyIds,
            Refusal::NotAcked,
            Refusal::Diverged(7),
            Refusal::BadGreeting,
        ];
        for (refusal, name) in refusals.into_iter().zip(PROTOCOL_ERRORS) {
            let said = ebbd_core::decode::Answer::Error(refusal).to_string();
            assert!(said.starts_with(&format!("ERR {name}")), "{said}");
            counters.refused(refusal);
        }
        assert_eq!(counters.read().errors, [1; 6]);
    }
}
