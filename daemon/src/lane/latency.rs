//! How long blocks wait in a lane's queue and how long counting them takes.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest time told apart, in nanoseconds: a minute.
const LONGEST_NS: u64 = 60_000_000_000;
/// Resolution: two significant digits.
const DIGITS: u8 = 2;

/// Two histograms in nanoseconds. They can be added to others of their kind.
#[derive(Clone, Debug)]
pub struct StageLatency {
    /// In the queue: from the source's hand-over to the lane's taking a block.
    pub waited_ns: Histogram<u64>,
    /// From the source's hand-over until a block is counted.
    pub counted_ns: Histogram<u64>,
}

impl StageLatency {
    /// Nothing recorded.
    pub fn new() -> StageLatency {
        let histogram = || {
            Histogram::new_with_bounds(1, LONGEST_NS, DIGITS)
                .expect("the bounds are constants that the crate accepts")
        };
        StageLatency { waited_ns: histogram(), counted_ns: histogram() }
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &StageLatency) {
        for (mine, theirs) in
            [(&mut self.waited_ns, &other.waited_ns), (&mut self.counted_ns, &other.counted_ns)]
        {
            mine.add(theirs).expect("both have the same constant bounds");
        }
    }
}

impl Default for StageLatency {
    fn default() -> Self {
        StageLatency::new()
    }
}

/// A lane's own recorder: it hands its histograms over with a delta and goes on with fresh ones, so
/// that nobody waits for anybody.
#[derive(Debug, Default)]
pub struct Latency {
    current: Option<Box<StageLatency>>,
}

impl Latency {
    /// Records one block.
    pub fn record(&mut self, waited: Duration, counting: Duration) {
        let current = self.current.get_or_insert_with(Box::default);
        current.waited_ns.saturating_record(nanos(waited));
        current.counted_ns.saturating_record(nanos(waited + counting));
    }

    /// What was recorded since the last call, if anything was.
    pub fn take(&mut self) -> Option<Box<StageLatency>> {
        self.current.take()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
