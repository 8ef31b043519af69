//! How many file descriptors this process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Asks for as many descriptors as this process may ask for; says how many it may have open then. Services
/// are given a low limit that they may raise, because `select` can't do with more; nothing here uses that.
pub fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let granted = setrlimit(Resource::Nofile, raised).is_ok();
    let may = if granted { limit.maximum } else { limit.current };
    may.unwrap_or(u64::MAX)
}
