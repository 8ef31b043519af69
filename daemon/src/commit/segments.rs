//! The journal's segments as the committer sees to them: when a new one is begun, when old ones may go.
//!
//! In: commits that were appended, rolls that are written. Out: the word to begin a segment, and segments
//! that nobody needs any more. Must not know: what stands in a segment.
//!
//! An old segment has the rows of its commits until they are in files: it is kept until a roll goes through
//! the checkpoint that the next segment begins with. Recovery begins with the oldest that is kept.

use std::time::{Duration, Instant};

use crate::sys::{Mutant, instant, is_made};

/// A segment is this many rolls long …
const ROLLS: u32 = 4;
/// … unless it is larger than this, which a recovery tells again in less than two seconds …
const LARGE_BYTES: u64 = 32 << 20;
/// … for which it has to be this old …
const LARGE_AFTER: Duration = Duration::from_secs(60);
/// … or grows beyond this many bytes …
const MOST_BYTES: u64 = 256 << 20;
/// … and never so short that checkpoints take more than this part of the time.
const PART_OF_TIME: u32 = 50;

/// The segments of a run.
#[derive(Debug)]
pub struct Segments {
    /// The number of each, and the commit that it begins behind.
    kept: Vec<(u64, u64)>,
    /// The segment before which all are gone.
    released: u64,
    every: Duration,
    begun: Instant,
    took: Duration,
    bytes: u64,
}

impl Segments {
    /// The first segment of a run, which begins behind `commit`; rolls are `roll` apart.
    pub fn new(first: u64, commit: u64, roll: Duration) -> Segments {
        let (begun, took) = (instant(), Duration::ZERO);
        Segments { kept: vec![(first, commit)], released: 0, every: roll * ROLLS, begun, took, bytes: 0 }
    }

    /// So many bytes were appended.
    pub fn appended(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Whether a new segment should be begun.
    pub fn is_due(&self) -> bool {
        let age = instant().duration_since(self.begun);
        let is_long = age >= self.every || self.bytes > MOST_BYTES || self.is_large() && age >= LARGE_AFTER;
        is_long && self.bytes > 0 && age >= self.took * PART_OF_TIME
    }

    /// Whether telling it again would take long: then rows should be in files soon, so that it can go.
    pub fn is_large(&self) -> bool {
        self.bytes > LARGE_BYTES
    }

    /// A new segment was tried: `number` if it was begun, behind `commit`. If `is_fresh` nothing before it
    /// can be read any more.
    pub fn tried(&mut self, number: Option<u64>, commit: u64, took: Duration, is_fresh: bool) {
        (self.begun, self.took) = (instant(), took);
        if let Some(number) = number {
            self.bytes = 0;
            if is_fresh {
                self.kept.clear();
            }
            self.kept.push((number, commit));
        }
    }

    /// Everything up to the commit `through` is in files: gives the segment before which none is needed, if
    /// that is news.
    pub fn rolled(&mut self, through: u64) -> Option<u64> {
        let is_done = |(_, commit): &(u64, u64)| *commit <= through || is_made(Mutant::ReleaseEarly);
        let needed = self.kept.iter().rposition(is_done)?;
        self.kept.drain(..needed);
        let (number, _) = self.kept[0];
        let is_news = number > self.released;
        self.released = number;
        is_news.then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::stop_time;

    #[test]
    fn a_large_segment_ends_after_a_minute() {
        let now = instant();
        stop_time(Some(now));
        let mut segments = Segments::new(3, 10, Duration::from_secs(300));
        segments.appended(LARGE_BYTES + 1);
        assert!(segments.is_large() && !segments.is_due());
        stop_time(Some(now + LARGE_AFTER));
        assert!(segments.is_due());
        segments.tried(Some(4), 20, Duration::ZERO, false);
        assert!(!segments.is_large() && !segments.is_due());
    }

    #[test]
    fn a_segment_goes_when_its_rows_are_in_files() {
        let mut segments = Segments::new(3, 10, Duration::ZERO);
        assert!(!segments.is_due(), "nothing is in it");
        segments.appended(1);
        assert!(segments.is_due());
        segments.tried(Some(4), 20, Duration::ZERO, false);
        segments.tried(Some(5), 30, Duration::ZERO, false);
        assert_eq!(segments.rolled(9), None, "an earlier run's rows are not in files yet");
        assert_eq!((segments.rolled(19), segments.rolled(19)), (Some(3), None));
        assert_eq!((segments.rolled(29), segments.rolled(29)), (Some(4), None));
        segments.tried(Some(6), 40, Duration::ZERO, true);
        assert_eq!((segments.rolled(39), segments.rolled(40)), (None, Some(6)));
    }
}
