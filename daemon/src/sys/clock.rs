//! Event time: the wall clock without its steps, the demo's fast clock, a clock set by hand.

use std::sync::atomic::{AtomicI64, Ordering};

use ebbd_core::model::{MICROS_PER_SECOND, TimeUs};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Tells event time. Heartbeats and the watchdog don't use it: they stay on real monotonic time.
pub trait Clock: Send + Sync {
    /// Now. Never runs backwards.
    fn now(&self) -> TimeUs;

    /// How far the wall clock is ahead of this one, in microseconds. Beyond a second somebody stepped it,
    /// which is worth a warning. Clocks that have nothing to do with the wall say 0.
    fn step_us(&self) -> i64 {
        0
    }
}

/// The wall clock as it was at start plus the time that has passed since (suspends included). When
/// somebody steps the wall clock this one doesn't jump: it is drawn towards it, by at most 1 % of the
/// passing time.
#[derive(Debug)]
pub struct WallClock {
    slewed: Slewed,
}

impl WallClock {
    /// A clock that agrees with the wall clock now.
    pub fn new() -> WallClock {
        WallClock { slewed: Slewed::new(boot_us(), wall_us()) }
    }
}

impl Default for WallClock {
    fn default() -> Self {
        WallClock::new()
    }
}

impl Clock for WallClock {
    fn now(&self) -> TimeUs {
        self.slewed.now(boot_us(), wall_us)
    }

    fn step_us(&self) -> i64 {
        wall_us() - self.now().0
    }
}

/// Time since boot, drawn towards the wall clock.
#[derive(Debug)]
pub(crate) struct Slewed {
    /// What is added to the time since boot.
    offset_us: AtomicI64,
    /// Time since boot at the last correction.
    corrected_us: AtomicI64,
    /// The latest time told.
    latest_us: AtomicI64,
}

/// Corrections are this far apart.
const CORRECT_EVERY_US: i64 = MICROS_PER_SECOND;
/// A correction closes this part of the gap per second …
const GAP_PER_SECOND: i64 = 60;
/// … and at most this part of the time that has passed.
const SLEW: i64 = 100;

impl Slewed {
    pub(crate) fn new(boot_us: i64, wall_us: i64) -> Slewed {
        Slewed {
            offset_us: AtomicI64::new(wall_us - boot_us),
            corrected_us: AtomicI64::new(boot_us),
            latest_us: AtomicI64::new(wall_us),
        }
    }

    pub(crate) fn now(&self, boot_us: i64, wall_us: impl Fn() -> i64) -> TimeUs {
        self.correct(boot_us, wall_us);
        let now = boot_us + self.offset_us.load(Ordering::Relaxed);
        TimeUs(self.latest_us.fetch_max(now, Ordering::Relaxed).max(now))
    }

    fn correct(&self, boot_us: i64, wall_us: impl Fn() -> i64) {
        let last = self.corrected_us.load(Ordering::Relaxed);
        let passed = boot_us - last;
        if passed < CORRECT_EVERY_US {
            return;
        }
        if self.corrected_us.compare_exchange(last, boot_us, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let gap = wall_us() - (boot_us + self.offset_us.load(Ordering::Relaxed));
        let wanted = gap.saturating_mul(passed / MICROS_PER_SECOND) / GAP_PER_SECOND;
        let bound = passed / SLEW;
        // After a long pause `wanted` may exceed the gap itself: never overshoot.
        let step = wanted.clamp(-bound, bound).clamp(gap.min(0), gap.max(0));
        self.offset_us.fetch_add(step, Ordering::Relaxed);
    }
}

/// A clock that starts at a given instant and runs `factor` times as fast as real time (the demo).
#[derive(Debug)]
pub struct ScaledClock {
    start: TimeUs,
    boot_us: i64,
    factor: f64,
}

impl ScaledClock {
    /// Starts now at `start`.
    pub fn new(start: TimeUs, factor: f64) -> ScaledClock {
        ScaledClock { start, boot_us: boot_us(), factor }
    }
}

impl Clock for ScaledClock {
    fn now(&self) -> TimeUs {
        let passed_us = (boot_us() - self.boot_us) as f64 * self.factor;
        self.start.plus_us(passed_us as i64)
    }
}

/// A clock that stands still until it is set (tests, batch ingest).
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that says `now`.
    pub fn new(now: TimeUs) -> ManualClock {
        ManualClock(AtomicI64::new(now.0))
    }

    /// Moves it to `now`; earlier times are ignored.
    pub fn set(&self, now: TimeUs) {
        self.0.fetch_max(now.0, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> TimeUs {
        TimeUs(self.0.load(Ordering::Relaxed))
    }
}

fn boot_us() -> i64 {
    micros(clock_gettime(ClockId::Boottime))
}

fn wall_us() -> i64 {
    micros(clock_gettime(ClockId::Realtime))
}

pub(super) fn micros(time: Timespec) -> i64 {
    time.tv_sec * MICROS_PER_SECOND + time.tv_nsec / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600 * MICROS_PER_SECOND;

    /// Runs a second at a time and returns the time told, with the wall clock `stepped` off.
    fn run(clock: &Slewed, from_s: i64, seconds: i64, stepped: i64) -> i64 {
        let mut told = clock.latest_us.load(Ordering::Relaxed);
        for second in from_s + 1..=from_s + seconds {
            let boot = second * MICROS_PER_SECOND;
            let now = clock.now(boot, || 10 * HOUR + boot + stepped).0;
            assert!(now > told, "it ran backwards");
            told = now;
        }
        told - (10 * HOUR + (from_s + seconds) * MICROS_PER_SECOND)
    }

    #[test]
    fn steps_of_the_wall_clock_are_not_followed_at_once() {
        for step in [HOUR, -HOUR] {
            let clock = Slewed::new(0, 10 * HOUR);
            assert_eq!(run(&clock, 0, 5, 0), 0);
            let moved = run(&clock, 5, 60, step);
            assert!(moved.abs() <= 600_000 && moved.signum() == step.signum(), "moved {moved}");
            let back = run(&clock, 65, 120, 0);
            assert!(back.abs() < 200_000, "a step taken back is healed: {back}");
        }
    }

    #[test]
    fn small_gaps_close_and_are_not_overshot() {
        let clock = Slewed::new(0, 10 * HOUR);
        let left = run(&clock, 0, 600, 500_000) - 500_000;
        assert!((-5_000..=0).contains(&left), "left {left}");
        let told = clock.now(100 * HOUR, || 110 * HOUR + 400_000).0;
        assert!((110 * HOUR + 400_000..=110 * HOUR + 500_000).contains(&told));
    }

    #[test]
    fn the_real_one_agrees_with_the_wall_and_the_scaled_one_runs_faster() {
        let wall = WallClock::new();
        assert!(wall.step_us().abs() < MICROS_PER_SECOND);
        let scaled = ScaledClock::new(TimeUs(HOUR), 1000.0);
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert!(scaled.now().since_us(TimeUs(HOUR)) >= 5_000_000);
        let manual = ManualClock::new(TimeUs(5));
        manual.set(TimeUs(9));
        manual.set(TimeUs(7));
        assert_eq!(manual.now(), TimeUs(9));
    }
}
