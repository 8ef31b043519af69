//! Notices that the process, or the whole machine, stood still.
//!
//! In: looks at short intervals. Out: what kind of pause there was since the last one. Must not know: what is
//! to be done about it.

use rustix::time::{ClockId, clock_gettime};

use super::clock::micros;

/// More than this between two looks is no delay of a busy machine.
const LONG_US: i64 = 5_000_000;
/// The machine slept if the two clocks went so much apart.
const SLEPT_US: i64 = 1_000_000;
/// Between two pauses that are told of a process that only runs slowly.
const SELDOM_US: i64 = 60_000_000;

/// Why nothing ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The machine was suspended: nobody received anything either.
    Slept,
    /// Only the process stood still; the kernel went on receiving.
    Frozen,
}

/// Compares the time since boot with the time that the machine was awake.
#[derive(Debug)]
pub struct PauseWatch {
    boot_us: i64,
    awake_us: i64,
    frozen_us: i64,
}

impl PauseWatch {
    /// A watch that begins now.
    pub fn new() -> PauseWatch {
        let (boot_us, awake_us) = clocks();
        PauseWatch { boot_us, awake_us, frozen_us: i64::MIN }
    }

    /// Whether nothing ran for long since the last look.
    pub fn look(&mut self) -> Option<Pause> {
        let (boot_us, awake_us) = clocks();
        self.passed(boot_us, awake_us)
    }

    fn passed(&mut self, boot_us: i64, awake_us: i64) -> Option<Pause> {
        let (passed, awake) = (boot_us - self.boot_us, awake_us - self.awake_us);
        (self.boot_us, self.awake_us) = (boot_us, awake_us);
        if passed - awake >= SLEPT_US {
            return Some(Pause::Slept);
        }
        let is_frozen = passed >= LONG_US && boot_us.saturating_sub(self.frozen_us) >= SELDOM_US;
        if is_frozen {
            self.frozen_us = boot_us;
        }
        is_frozen.then_some(Pause::Frozen)
    }
}

impl Default for PauseWatch {
    fn default() -> Self {
        PauseWatch::new()
    }
}

fn clocks() -> (i64, i64) {
    (micros(clock_gettime(ClockId::Boottime)), micros(clock_gettime(ClockId::Monotonic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn sleeping_freezing_and_being_slow_are_told_apart() {
        let mut watch = PauseWatch { boot_us: 0, awake_us: 0, frozen_us: i64::MIN };
        let mut after = |passed: i64, awake: i64| {
            let (boot_us, awake_us) = (watch.boot_us + passed * SECOND, watch.awake_us + awake * SECOND);
            watch.passed(boot_us, awake_us)
        };
        assert_eq!(after(1, 1), None);
        assert_eq!(after(3600, 0), Some(Pause::Slept));
        assert_eq!(after(3, 1), Some(Pause::Slept), "even a short nap");
        assert_eq!(after(3600, 3600), Some(Pause::Frozen));
        assert_eq!(after(6, 6), None, "slowness that lasts is told seldom");
        assert_eq!(after(100, 100), Some(Pause::Frozen));
        assert_eq!(PauseWatch::new().look(), None);
    }
}
