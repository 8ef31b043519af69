//! Commits that the journal may not have: the segment that heals a failure begins with them, so that a recovery
//! finds all commits from the last roll on, although writing had failed in between.
//!
//! In: the frames of each commit, and how much is durable. Out: the frames that may not be. Must not know: why
//! writing failed, what frames mean.

use std::collections::VecDeque;

use crate::journal::{FrameKind, NewFrame};

/// The most that is kept. With more, the rows of what is given up are safe only once they are in files.
const MOST_BYTES: usize = 64 << 20;

/// What a segment that is begun now has to have again.
#[derive(Debug, Default)]
pub struct Bridge {
    /// Each commit with the number at which it is durable; none for one that the journal has not taken.
    commits: VecDeque<(Option<u64>, Vec<NewFrame>)>,
    bytes: usize,
    /// The last one that was given up is durable with this number.
    given_up: Option<u64>,
}

impl Bridge {
    /// A commit was handed to the journal, or was not taken. Gives how many were given up for it.
    pub fn add(&mut self, lsn: Option<u64>, frames: Vec<NewFrame>) -> u64 {
        let mut given_up = 0;
        self.bytes += bytes_of(&frames);
        self.commits.push_back((lsn, frames));
        while self.bytes > MOST_BYTES
            && let Some(lsn) = self.drop_first()
        {
            self.given_up = self.given_up.max(Some(lsn.unwrap_or(u64::MAX)));
            given_up += 1;
        }
        given_up
    }

    /// Everything up to this number is durable.
    pub fn durable(&mut self, lsn: u64) {
        while self.commits.front().is_some_and(|(of, _)| of.is_some_and(|of| of <= lsn)) {
            self.drop_first();
        }
        self.given_up = self.given_up.filter(|last| *last > lsn);
    }

    /// Whether it has everything that the journal may not have.
    pub fn is_whole(&self) -> bool {
        self.given_up.is_none()
    }

    /// Its frames, oldest first.
    pub fn frames(&self) -> impl Iterator<Item = &NewFrame> {
        self.commits.iter().flat_map(|(_, frames)| frames)
    }

    /// A segment that has everything is durable.
    pub fn clear(&mut self) {
        *self = Bridge::default();
    }

    fn drop_first(&mut self) -> Option<Option<u64>> {
        let (lsn, frames) = self.commits.pop_front()?;
        self.bytes -= bytes_of(&frames);
        Some(lsn)
    }
}

fn bytes_of(frames: &[(FrameKind, Vec<u8>)]) -> usize {
    frames.iter().map(|(_, body)| body.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(bytes: usize) -> Vec<NewFrame> {
        vec![(FrameKind::Commit, vec![0; bytes])]
    }

    #[test]
    fn what_is_durable_goes_and_what_was_not_taken_stays() {
        let mut bridge = Bridge::default();
        for lsn in [Some(1), Some(4), None, Some(6)] {
            assert_eq!(bridge.add(lsn, commit(9)), 0);
        }
        bridge.durable(5);
        assert_eq!((bridge.frames().count(), bridge.bytes), (2, 18));
        bridge.durable(9);
        assert_eq!(bridge.frames().count(), 2, "the one that was not taken is in no segment");
        bridge.clear();
        assert!(bridge.frames().next().is_none() && bridge.is_whole());
    }

    #[test]
    fn it_is_bounded_and_whole_again_once_what_it_gave_up_is_durable() {
        let mut bridge = Bridge::default();
        assert_eq!(bridge.add(Some(1), commit(MOST_BYTES)), 0);
        assert_eq!(bridge.add(Some(2), commit(1)), 1);
        assert!(!bridge.is_whole());
        bridge.durable(1);
        assert!(bridge.is_whole());
        assert_eq!((bridge.add(None, commit(MOST_BYTES)), bridge.add(Some(3), commit(1))), (1, 1));
        bridge.durable(3);
        assert!(!bridge.is_whole(), "no segment has it");
    }
}
