//! CPU time of this process, of its children, of this thread.

use std::ops::Sub;
use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::time::{ClockId, clock_gettime};

/// CPU time in user and kernel mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Spent {
    /// In user mode, in microseconds.
    pub user_us: u64,
    /// In kernel mode, in microseconds.
    pub system_us: u64,
}

impl Spent {
    /// What this process has spent so far.
    pub fn by_process() -> Spent {
        Spent::of(UsageWho::RUSAGE_SELF)
    }

    /// What children have spent that were waited for.
    pub fn by_children() -> Spent {
        Spent::of(UsageWho::RUSAGE_CHILDREN)
    }

    fn of(who: UsageWho) -> Spent {
        // The call fails only for an unknown `who`.
        let usage = getrusage(who).ok();
        let of =
            |time: fn(&Usage) -> TimeVal| usage.as_ref().map(|usage| micros(time(usage))).unwrap_or_default();
        Spent { user_us: of(Usage::user_time), system_us: of(Usage::system_time) }
    }

    /// User and kernel together.
    pub fn total(self) -> Duration {
        Duration::from_micros(self.user_us + self.system_us)
    }

    /// Nanoseconds for each of `events`.
    pub fn ns_each(self, events: u64) -> f64 {
        self.total().as_nanos() as f64 / events.max(1) as f64
    }
}

/// CPU nanoseconds of this thread so far, finer than the figures of [`Spent`].
pub fn thread_ns() -> u64 {
    // The clock exists on every Linux.
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok();
    time.map_or(0, |time| (time.tv_sec() * 1_000_000_000 + time.tv_nsec()) as u64)
}

fn micros(time: TimeVal) -> u64 {
    (time.tv_sec() * 1_000_000 + time.tv_usec()) as u64
}

impl Sub for Spent {
    type Output = Spent;

    fn sub(self, earlier: Spent) -> Spent {
        Spent { user_us: self.user_us - earlier.user_us, system_us: self.system_us - earlier.system_us }
    }
}
