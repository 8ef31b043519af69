//! A flag that also wakes a thread which waits in poll or epoll.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Its descriptor is readable from when it is set until it is taken back, if ever.
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

    /// Takes it back; whether it was set. What was set after this call is set.
    pub fn take(&self) -> bool {
        let mut count = [0; 8];
        // Nothing to read: nobody has set it.
        let _ = rustix::io::read(&self.event, &mut count);
        self.set.swap(false, Ordering::AcqRel)
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
