//! One sleeper, many ringers. It only says whether to sleep and whom to wake; sleeping is the caller's.
//!
//! The sleeper finds nothing to do, calls [`Doorbell::lie_down`], and parks while
//! [`Doorbell::is_asleep`]. A ringer first makes its work visible (pushes it), then calls
//! [`Doorbell::ring`] and unparks the sleeper if told to. No ring is lost: one that came while the
//! sleeper was busy makes its next `lie_down` fail, so it looks once more.

use super::atomic::{AtomicU32, Ordering};

/// Nobody rang since the sleeper last looked.
const AWAKE: u32 = 0;
/// Somebody rang; the sleeper has to look before it lies down.
const RUNG: u32 = 1;
/// The sleeper sleeps or is about to: the next ringer wakes it.
const ASLEEP: u32 = 2;

/// The state of one sleeper.
#[derive(Debug)]
pub struct Doorbell {
    state: AtomicU32,
}

impl Doorbell {
    /// A doorbell whose sleeper is awake.
    pub fn new() -> Doorbell {
        Doorbell { state: AtomicU32::new(AWAKE) }
    }

    /// Tells the sleeper that there is work, which the caller has already made visible. Returns
    /// whether the caller has to unpark it; of many ringers exactly one is told so.
    pub fn ring(&self) -> bool {
        self.state.swap(RUNG, Ordering::AcqRel) == ASLEEP
    }

    /// The sleeper found nothing and wants to sleep. `false`: somebody rang meanwhile, look again.
    /// `true`: park while [`Doorbell::is_asleep`].
    pub fn lie_down(&self) -> bool {
        let fell_asleep = self.state.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire);
        if fell_asleep.is_err() {
            self.get_up();
        }
        fell_asleep.is_ok()
    }

    /// Whether nobody has rung since [`Doorbell::lie_down`] said `true`. Wake-ups without a ring are
    /// harmless: the sleeper asks this and parks again.
    pub fn is_asleep(&self) -> bool {
        self.state.load(Ordering::Acquire) == ASLEEP
    }

    /// The sleeper is up (rung, or by its own alarm clock) and is going to look for work. Sees all
    /// work whose ring it takes.
    pub fn get_up(&self) {
        self.state.swap(AWAKE, Ordering::AcqRel);
    }
}

impl Default for Doorbell {
    fn default() -> Self {
        Doorbell::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_a_sleeper_has_to_be_woken() {
        let bell = Doorbell::new();
        assert!(!bell.ring(), "awake: no unpark");
        assert!(!bell.lie_down(), "it rang: look again first");
        assert!(bell.lie_down() && bell.is_asleep());
        assert!(bell.ring(), "asleep: unpark");
        assert!(!bell.ring(), "only once");
        assert!(!bell.is_asleep());
        bell.get_up();
        assert!(bell.lie_down());
        bell.get_up();
        assert!(!bell.ring(), "up by itself: no unpark");
    }

    #[test]
    fn hands_over_every_item_between_threads() {
        let bell = std::sync::Arc::new(Doorbell::new());
        let queue = std::sync::Arc::new(crossbeam::queue::ArrayQueue::new(4));
        let (their_bell, their_queue) = (std::sync::Arc::clone(&bell), std::sync::Arc::clone(&queue));
        let sleeper = std::thread::spawn(move || {
            let mut sum = 0_u64;
            loop {
                match their_queue.pop() {
                    Some(0) => return sum,
                    Some(item) => sum += item,
                    None if their_bell.lie_down() => {
                        while their_bell.is_asleep() {
                            std::thread::park();
                        }
                    }
                    None => {}
                }
            }
        });
        for item in (0..=20_000_u64).rev() {
            while queue.push(item).is_err() {
                std::thread::yield_now();
            }
            if bell.ring() {
                sleeper.thread().unpark();
            }
        }
        assert_eq!(sleeper.join().expect("the sleeper ends at item 0"), 20_000 * 20_001 / 2);
    }
}
