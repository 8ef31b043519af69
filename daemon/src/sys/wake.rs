//! A flag that also wakes a thread which waits in poll or epoll.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Set once, never taken back. Its descriptor becomes readable for good when it is set.
#[derive(Debug)]
pub struct Wake {
    set: AtomicBool,
    event: OwnedFd,
}

impl Wake {
    /// Not set.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new() -> io::Result<Wake> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Wake { set: AtomicBool::new(false), event })
    }

    /// Sets it and wakes whoever polls its descriptor.
    pub fn set(&self) {
        self.set.store(true, Ordering::Release);
        // A counter that is too full to add to is readable already.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
