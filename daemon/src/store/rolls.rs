//! Rolls: which commits' rows are in which set of files, and which sets are written.
//!
//! In: what the writer begins and ends, what the journal told of earlier runs. Out: numbers for names; how
//! far everything is in files. Must not know: files, threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::pending::Pending;

/// A set of files: what comes of the commits behind those of the roll before, up to `through`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roll {
    /// Its number: files bear it in their names.
    pub roll: u64,
    /// The last commit in it.
    pub through: u64,
}

impl Roll {
    /// As the journal keeps it.
    pub fn to_json(self) -> Vec<u8> {
        serde_json::to_vec(&self).expect("numbers can be said in JSON")
    }
}

/// The rows of a roll.
#[derive(Debug)]
pub struct Batch {
    /// Which it is.
    pub roll: Roll,
    /// Its rows.
    pub rows: Pending,
}

/// How far rolls have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollState {
    /// The highest number that was ever given.
    pub assigned: u64,
    /// The last roll that is written.
    pub done: Roll,
}

/// The same, for everybody to look at.
#[derive(Debug, Default)]
pub struct Rolls {
    state: Mutex<RollState>,
    is_hurried: AtomicBool,
}

impl Rolls {
    /// Goes on from `state`.
    pub fn new(state: RollState) -> Rolls {
        Rolls { state: Mutex::new(state), is_hurried: AtomicBool::new(false) }
    }

    /// How far they have come.
    pub fn state(&self) -> RollState {
        *self.lock()
    }

    /// A number for the next.
    pub fn assign(&self) -> u64 {
        let mut state = self.lock();
        state.assigned += 1;
        state.assigned
    }

    /// Rows are in memory alone: the next roll is not waited for.
    pub fn hurry(&self) {
        self.is_hurried.store(true, Ordering::Release);
    }

    /// Whether that was said since the last call.
    pub fn take_hurry(&self) -> bool {
        self.is_hurried.swap(false, Ordering::AcqRel)
    }

    /// A roll is written.
    pub fn done(&self, roll: Roll) {
        self.lock().done = roll;
    }

    fn lock(&self) -> MutexGuard<'_, RollState> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
