//! Time that passes, for patience and rests. Tests stop it in their thread and turn it by hand.
//!
//! In: nothing. Out: an instant. Must not know: event time.

use std::time::Instant;

/// Now.
#[cfg(not(test))]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

#[cfg(test)]
thread_local! {
    static STOPPED: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) };
}

/// Now, or the instant at which this thread's time stands still.
#[cfg(test)]
pub(crate) fn instant() -> Instant {
    STOPPED.get().unwrap_or_else(Instant::now)
}

/// Lets this thread's time stand still at `at`.
#[cfg(test)]
pub(crate) fn stop_time(at: Option<Instant>) {
    STOPPED.set(at);
}
