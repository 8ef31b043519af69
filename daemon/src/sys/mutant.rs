//! Mistakes that the tests make on purpose, to see that they would be noticed. Outside tests there are none:
//! the switch is compiled into nothing that runs.
//!
//! In: a mistake. Out: whether it is being made. Must not know: anything else.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Data are told durable without a sync.
    NoSync,
    /// An old segment goes before the name of the new one is durable.
    UnlinkEarly,
    /// A sync that failed is tried again on the same descriptor.
    RetrySync,
    /// A new segment is begun without syncing the one that it follows.
    RotateUnsynced,
    /// Acknowledged senders hear before the commit is durable.
    AckEarly,
    /// A record is sent as durable before its frame is.
    AlarmEarly,
    /// A file gets its name before its bytes are durable.
    NameUnsynced,
    /// A roll that is done again writes beside what is there already.
    RollTwice,
    /// A segment goes although rows of it are in no file.
    ReleaseEarly,
    /// Which connections are files is not written down with the commit.
    FilesUnnoted,
    /// Which connections speak for senders is not written down.
    SpokenUnnoted,
    /// A recovery tells rows again that are in files.
    RolledAgain,
    /// A segment that heals a failure lacks what the failed one may lack.
    BridgeEmpty,
    /// A recovery puts what ebbd told of itself among the rows of another commit.
    TroubleMisfiled,
}

#[cfg(test)]
thread_local! {
    static MADE: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Makes `mutant` in this thread from now on.
#[cfg(test)]
pub(crate) fn make_mutant(mutant: Option<Mutant>) {
    MADE.set(mutant);
}

/// Whether `mutant` is being made.
#[cfg(test)]
pub(crate) fn is_made(mutant: Mutant) -> bool {
    MADE.get() == Some(mutant)
}

/// Whether `mutant` is being made.
#[cfg(not(test))]
pub(crate) fn is_made(_: Mutant) -> bool {
    false
}
