//! Mistakes that the tests make on purpose, to see that they would be noticed. Outside tests there are none.
//!
//! In: a mistake. Out: whether it is being made. Must not know: anything else.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// Data are told durable without a sync.
    NoSync,
    /// An old segment goes before the name of the new one is durable.
    UnlinkEarly,
    /// A sync that failed is tried again on the same descriptor.
    RetrySync,
    /// A new segment is begun without syncing the one that it follows.
    RotateUnsynced,
}

#[cfg(test)]
thread_local! {
    static MADE: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Makes `mutant` in this thread from now on.
#[cfg(test)]
pub(super) fn make(mutant: Option<Mutant>) {
    MADE.set(mutant);
}

/// Whether `mutant` is being made.
#[cfg(test)]
pub(super) fn is(mutant: Mutant) -> bool {
    MADE.get() == Some(mutant)
}

/// Whether `mutant` is being made.
#[cfg(not(test))]
pub(super) fn is(_: Mutant) -> bool {
    false
}
