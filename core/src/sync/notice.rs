//! A flag that says that something came since somebody last asked.

use super::atomic::{AtomicU32, Ordering};

/// Raised by many behind what they bring, taken by one in front of looking for it.
#[derive(Debug)]
pub struct Notice {
    raised: AtomicU32,
}

impl Notice {
    /// Not raised.
    pub fn new() -> Notice {
        Notice { raised: AtomicU32::new(0) }
    }

    /// Says that something came. The caller has already made it visible, by an operation that
    /// synchronises with the taker's looking: either the taker finds it, or the notice stays raised.
    pub fn raise(&self) {
        // Written to once per taking, so that the line stays shared.
        if self.raised.load(Ordering::Relaxed) == 0 {
            self.raised.swap(1, Ordering::AcqRel);
        }
    }

    /// Whether something came since the last call. What is just coming may be told by the next call only.
    pub fn take(&self) -> bool {
        self.raised.swap(0, Ordering::AcqRel) != 0
    }
}

impl Default for Notice {
    fn default() -> Self {
        Notice::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn is_told_once() {
        let notice = Notice::new();
        assert!(!notice.take());
        notice.raise();
        notice.raise();
        assert!(notice.take() && !notice.take());
    }
}
