//! The latest alarm records, each serialised once and shared by every subscriber that reads it.
//!
//! Bounded by count and bytes: the oldest go. Sequence numbers ascend but may have holes (records that
//! were never handed over), which readers are told as gaps like the ones that have gone.

use std::collections::VecDeque;
use std::sync::Arc;

use ebbd_core::alarm::{AlarmRecord, Kind, State};

/// Most records that are kept.
pub const RING_RECORDS: usize = 4_096;
/// Most bytes of records that are kept.
pub const RING_BYTES: usize = 8 << 20;

/// A record as it goes out.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) seq: u64,
    pub(super) no: u64,
    pub(super) kind: Kind,
    pub(super) open: bool,
    pub(super) stream: Arc<str>,
    /// JSON without the line's end.
    pub(super) json: Arc<str>,
}

impl Line {
    /// Serialises `record`.
    pub(super) fn of(record: &AlarmRecord) -> Line {
        let json = serde_json::to_string(record).expect("an alarm record has only string keys");
        Line {
            seq: record.seq,
            no: record.no,
            kind: record.kind,
            open: !matches!(record.state, State::Resolved | State::Withdrawn),
            stream: record.stream.as_str().into(),
            json: json.into(),
        }
    }
}

/// What a reader at some position gets next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The line at this index of the ring.
    Line(usize),
    /// These numbers are no longer kept (or never were): the first and the last of them.
    Gap(u64, u64),
    /// Nothing yet.
    Nothing,
}

/// The bounded ring.
#[derive(Debug)]
pub(super) struct Ring {
    lines: VecDeque<Line>,
    bytes: usize,
    newest: u64,
    records_max: usize,
    bytes_max: usize,
}

impl Ring {
    pub(super) fn new(records_max: usize, bytes_max: usize) -> Ring {
        Ring { lines: VecDeque::new(), bytes: 0, newest: 0, records_max, bytes_max }
    }

    /// The highest number ever given; 0 before the first.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// The lowest number that is still kept; the next one to come if none is.
    pub(super) fn oldest(&self) -> u64 {
        self.lines.front().map_or(self.newest + 1, |line| line.seq)
    }

    /// The lines that are kept, oldest first.
    pub(super) fn lines(&self) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.iter()
    }

    /// The line at `at`, as [`Next::Line`] names it.
    pub(super) fn line(&self, at: usize) -> Option<&Line> {
        self.lines.get(at)
    }

    /// Says that numbers up to `seq` have been given.
    pub(super) fn raise_newest(&mut self, seq: u64) {
        self.newest = self.newest.max(seq);
    }

    /// Adds a line. One whose number is not above the newest is ignored: it was there already.
    pub(super) fn push(&mut self, line: Line) {
        if line.seq <= self.newest {
            return;
        }
        self.newest = line.seq;
        self.bytes += line.json.len();
        self.lines.push_back(line);
        while self.lines.len() > self.records_max || self.bytes > self.bytes_max {
            let Some(gone) = self.lines.pop_front() else { break };
            self.bytes -= gone.json.len();
        }
    }

    /// What comes at number `seq`, the first that the reader has not had.
    pub(super) fn next(&self, seq: u64) -> Next {
        let at = self.lines.partition_point(|line| line.seq < seq);
        match self.lines.get(at) {
            Some(line) if line.seq == seq => Next::Line(at),
            Some(line) => Next::Gap(seq, line.seq - 1),
            None if seq <= self.newest => Next::Gap(seq, self.newest),
            None => Next::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(seq: u64, bytes: usize) -> Line {
        let json = "x".repeat(bytes).into();
        Line { seq, no: 1, kind: Kind::Drop, open: true, stream: "orders".into(), json }
    }

    #[test]
    fn keeps_the_latest_within_both_bounds() {
        let mut ring = Ring::new(3, 100);
        assert_eq!((ring.oldest(), ring.newest(), ring.next(1)), (1, 0, Next::Nothing));
        for seq in 1..=5 {
            ring.push(line(seq, 10));
        }
        assert_eq!((ring.oldest(), ring.newest()), (3, 5));
        assert_eq!(ring.next(1), Next::Gap(1, 2));
        assert_eq!(ring.next(4), Next::Line(1));
        assert_eq!(ring.next(6), Next::Nothing);
        ring.push(line(6, 95));
        assert_eq!((ring.oldest(), ring.bytes), (6, 95));
        ring.push(line(7, 1_000));
        assert_eq!((ring.oldest(), ring.newest(), ring.bytes), (8, 7, 0));
        assert_eq!(ring.next(6), Next::Gap(6, 7));
    }

    #[test]
    fn remembers_numbers_without_records() {
        let mut ring = Ring::new(3, 100);
        ring.raise_newest(4_711);
        assert_eq!((ring.oldest(), ring.newest()), (4_712, 4_711));
        assert_eq!(ring.next(4_700), Next::Gap(4_700, 4_711));
        ring.push(line(4_711, 1));
        assert_eq!(ring.oldest(), 4_712);
    }

    proptest! {
        /// Wherever a reader stands, it gets each number once, as a line or inside a gap.
        #[test]
        fn a_reader_accounts_for_every_number(
            steps in proptest::collection::vec((1u64..4, 0usize..30), 1..60),
            start in 1u64..40,
        ) {
            let mut ring = Ring::new(8, 120);
            let mut seq = 0;
            for (step, bytes) in steps {
                seq += step;
                ring.push(line(seq, bytes));
            }
            let mut at = start;
            while at <= ring.newest() {
                at = match ring.next(at) {
                    Next::Line(index) => {
                        prop_assert_eq!(ring.line(index).map(|l| l.seq), Some(at));
                        at + 1
                    }
                    Next::Gap(from, to) => {
                        prop_assert!(from == at && to >= from);
                        prop_assert!(ring.lines().all(|l| l.seq < from || l.seq > to));
                        to + 1
                    }
                    Next::Nothing => panic!("nothing at {at} although {} is the newest", ring.newest()),
                };
            }
            prop_assert_eq!(ring.next(at), Next::Nothing);
        }
    }
}
