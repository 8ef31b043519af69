//! What went wrong in a command, and the exit code that belongs to it.

use crate::stored::StoredError;

use super::{NO, TROUBLE, USAGE};

/// A message and an exit code.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: i32,
    pub(super) message: String,
}

impl Failure {
    /// Something was asked for in a wrong way.
    pub(super) fn usage(message: impl Into<String>) -> Failure {
        Failure { code: USAGE, message: message.into() }
    }

    /// It ran, and the answer is no.
    pub(super) fn no(message: impl Into<String>) -> Failure {
        Failure { code: NO, message: message.into() }
    }

    /// The disk or the daemon refused.
    pub(super) fn trouble(message: impl Into<String>) -> Failure {
        Failure { code: TROUBLE, message: message.into() }
    }

    /// Says it; gives the exit code.
    pub(super) fn tell(&self, command: &str) -> i32 {
        eprintln!("ebbd {command}: {}", self.message.trim_end());
        self.code
    }
}

impl From<StoredError> for Failure {
    fn from(error: StoredError) -> Failure {
        let code = match error {
            StoredError::TooMany { .. } | StoredError::Ambiguous { .. } => USAGE,
            _ => TROUBLE,
        };
        Failure { code, message: error.to_string() }
    }
}
