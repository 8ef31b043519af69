//! How long a source lets small amounts gather before it looks again: at a thousand events a second every
//! wake-up of source, lane and committer would otherwise be for a single line.
//!
//! In: how much came. Out: how long to rest. Must not know: sockets, connections.

use std::time::Duration;

/// Shorter rests cost more than they gather.
const SHORTEST: Duration = Duration::from_micros(200);

/// The pace of one source. Amounts are whatever the source measures by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The longest rest. Long beside a wake-up, short beside the 50 ms of a commit.
    pub(super) longest: Duration,
    /// From this amount on the kernel's buffer is no longer nearly empty: rest less.
    pub(super) some: usize,
    /// From this amount on a sender may be waiting for us, or lose something: don't rest.
    pub(super) many: usize,
    rest: Duration,
}

impl Pace {
    /// Rests of up to `longest` while less than `some` comes, none when `many` come.
    pub(super) fn new(longest: Duration, some: usize, many: usize) -> Pace {
        Pace { longest, some, many, rest: Duration::ZERO }
    }

    /// How long to rest after `amount` came at once.
    pub(super) fn after(&mut self, amount: usize) -> Duration {
        let longest = self.longest;
        self.rest = match amount {
            // Nothing to gather: somebody connected, left, or a timer rang.
            0 => return Duration::ZERO,
            _ if longest < SHORTEST || amount >= self.many => Duration::ZERO,
            _ if amount >= self.some => {
                Some(self.rest / 2).filter(|rest| *rest >= SHORTEST).unwrap_or_default()
            }
            _ => (self.rest * 2).clamp(SHORTEST, longest),
        };
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_writes_gather_and_a_flood_is_never_kept_waiting() {
        let mut pace = Pace::new(Duration::from_millis(3), 8_000, 48_000);
        let rests: Vec<_> = (0..6).map(|_| pace.after(200).as_micros()).collect();
        assert_eq!(rests, [200, 400, 800, 1600, 3000, 3000]);
        assert_eq!(pace.after(0), Duration::ZERO);
        assert_eq!(pace.after(10_000).as_micros(), 1500, "less as more comes");
        assert_eq!(pace.after(200_000), Duration::ZERO);
        assert_eq!(pace.after(10_000), Duration::ZERO);
        assert_eq!(pace.after(200).as_micros(), 200);
    }

    #[test]
    fn who_may_not_rest_long_does_not_rest() {
        let mut pace = Pace::new(Duration::from_micros(150), 8, 48);
        assert_eq!((0..5).map(|_| pace.after(1)).max(), Some(Duration::ZERO));
    }
}
