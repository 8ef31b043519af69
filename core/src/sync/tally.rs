//! Counters that one thread adds to and another drains: nothing lost, nothing twice.

use crossbeam::utils::CachePadded;

use super::atomic::{AtomicU64, Ordering};

/// `N` counters, each on its own cache line.
///
/// A drain is atomic per counter, not over all of them: two counters that belong together may be
/// taken by two successive drains. Their sums over time are exact.
#[derive(Debug)]
pub struct Tally<const N: usize> {
    counters: [CachePadded<AtomicU64>; N],
}

impl<const N: usize> Tally<N> {
    /// All zero.
    pub fn new() -> Tally<N> {
        Tally { counters: std::array::from_fn(|_| CachePadded::new(AtomicU64::new(0))) }
    }

    /// Adds `count` to counter `at`. What the caller wrote before is visible to the drain that takes it.
    pub fn add(&self, at: usize, count: u64) {
        self.counters[at].fetch_add(count, Ordering::Release);
    }

    /// Whether nothing has been added since the last drain, as far as can be seen.
    pub fn is_zero(&self) -> bool {
        self.counters.iter().all(|counter| counter.load(Ordering::Relaxed) == 0)
    }

    /// Takes what has been added since the last drain.
    pub fn drain(&self) -> [u64; N] {
        std::array::from_fn(|at| self.counters[at].swap(0, Ordering::Acquire))
    }
}

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Tally::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn drains_add_up_to_what_was_added() {
        let tally = std::sync::Arc::new(Tally::<2>::new());
        let adders: Vec<_> = (0..3)
            .map(|_| {
                let tally = std::sync::Arc::clone(&tally);
                std::thread::spawn(move || {
                    for _ in 0..10_000 {
                        tally.add(0, 1);
                        tally.add(1, 3);
                    }
                })
            })
            .collect();
        let mut sums = [0, 0];
        let mut take = || {
            let taken = tally.drain();
            sums = [sums[0] + taken[0], sums[1] + taken[1]];
            sums
        };
        while !adders.iter().all(std::thread::JoinHandle::is_finished) {
            take();
        }
        assert!(tally.is_zero() || take() > [0, 0]);
        assert_eq!(take(), [30_000, 90_000]);
        assert!(tally.is_zero());
    }
}
