//! What a source's thread tells the committer beside its blocks: lines that never became part of one,
//! and what hit a bound.

use std::sync::atomic::{AtomicU64, Ordering};

use ebbd_core::sync::Tally;

const FIELDS: usize = 13;

/// The statuses that HTTP answers with; what is none of them is counted with the last one.
const STATUSES: [(u16, &str); 11] = [
    (200, "200"),
    (204, "204"),
    (400, "400"),
    (401, "401"),
    (404, "404"),
    (405, "405"),
    (408, "408"),
    (413, "413"),
    (415, "415"),
    (503, "503"),
    (500, "500"),
];

/// Counted by a source's thread, drained by the committer.
#[derive(Debug, Default)]
pub struct SourceCounters {
    told: Tally<FIELDS>,
    answered: [AtomicU64; STATUSES.len()],
}

/// What was counted since the last drain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceTold {
    /// Lines handed over to lanes.
    pub delivered_lines: u64,
    /// Bytes handed over to lanes.
    pub delivered_bytes: u64,
    /// Lines shed because the lanes' queues or the buffers were full (datagrams only).
    pub dropped_queue_lines: u64,
    /// Lines longer than the limit, skipped without being buffered.
    pub too_long_lines: u64,
    /// Lines whose end never came.
    pub partial_lines: u64,
    /// Lines spoken to ebbd itself: greetings.
    pub control_lines: u64,
    /// Lines that an acknowledged sender sent again although they are counted.
    pub duplicate_lines: u64,
    /// Datagrams the kernel dropped before they were received.
    pub kernel_datagrams: u64,
    /// Files that were cut or rewritten in place.
    pub cut_files: u64,
    /// Bytes of them that had been seen and not read.
    pub cut_bytes: u64,
    /// Lines that may have been lost with them, beside those counted as partial.
    pub cut_lines_at_most: u64,
    /// Connections closed at once because there were too many, or no descriptor was left.
    pub refused_connections: u64,
    /// How often the source had to wait for a lane or a buffer.
    pub waits: u64,
}

/// The counters, in the order of [`SourceTold`]'s fields.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    DeliveredLines,
    DeliveredBytes,
    DroppedQueueLines,
    TooLongLines,
    PartialLines,
    ControlLines,
    DuplicateLines,
    KernelDatagrams,
    CutFiles,
    CutBytes,
    CutLines,
    RefusedConnections,
    Waits,
}

impl Told {
    /// Whether it counts lines that were read and don't become part of a block.
    pub(super) fn is_of_lines_read(self) -> bool {
        matches!(self, Told::DroppedQueueLines | Told::TooLongLines | Told::PartialLines)
    }
}

impl SourceCounters {
    /// Adds `count`.
    pub(super) fn add(&self, what: Told, count: u64) {
        if count > 0 {
            self.told.add(what as usize, count);
        }
    }

    /// A request over HTTP was answered with this status.
    pub(super) fn answered(&self, status: u16) {
        let at = STATUSES.iter().position(|(known, _)| *known == status).unwrap_or(STATUSES.len() - 1);
        self.answered[at].fetch_add(1, Ordering::Relaxed);
    }

    /// Requests over HTTP by the statuses that were answered, ever.
    pub fn by_status(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.answered.iter().map(|count| count.load(Ordering::Relaxed));
        STATUSES.into_iter().map(|(_, name)| name).zip(counts).filter(|(_, count)| *count > 0)
    }

    /// Whether nothing was counted since the last drain.
    pub fn is_zero(&self) -> bool {
        self.told.is_zero()
    }

    /// Takes what was counted since the last call.
    pub fn drain(&self) -> SourceTold {
        let [
            delivered_lines,
            delivered_bytes,
            dropped_queue_lines,
            too_long_lines,
            partial_lines,
            control_lines,
            duplicate_lines,
            kernel_datagrams,
            cut_files,
            cut_bytes,
            cut_lines_at_most,
            refused_connections,
            waits,
        ] = self.told.drain();
        SourceTold {
            delivered_lines,
            delivered_bytes,
            dropped_queue_lines,
            too_long_lines,
            partial_lines,
            control_lines,
            duplicate_lines,
            kernel_datagrams,
            cut_files,
            cut_bytes,
            cut_lines_at_most,
            refused_connections,
            waits,
        }
    }
}

impl SourceTold {
    /// Lines that were received, but for those spoken to ebbd itself.
    pub fn lines(&self) -> u64 {
        let refused = self.too_long_lines + self.partial_lines;
        self.delivered_lines + self.dropped_queue_lines + self.duplicate_lines + refused
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &SourceTold) {
        self.delivered_lines += other.delivered_lines;
        self.delivered_bytes += other.delivered_bytes;
        self.dropped_queue_lines += other.dropped_queue_lines;
        self.too_long_lines += other.too_long_lines;
        self.partial_lines += other.partial_lines;
        self.control_lines += other.control_lines;
        self.duplicate_lines += other.duplicate_lines;
        self.kernel_datagrams += other.kernel_datagrams;
        self.cut_files += other.cut_files;
        self.cut_bytes += other.cut_bytes;
        self.cut_lines_at_most += other.cut_lines_at_most;
        self.refused_connections += other.refused_connections;
        self.waits += other.waits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_reaches_its_field() {
        let counters = SourceCounters::default();
        counters.add(Told::DeliveredLines, 1);
        counters.add(Told::DeliveredBytes, 2);
        counters.add(Told::DroppedQueueLines, 3);
        counters.add(Told::TooLongLines, 4);
        counters.add(Told::PartialLines, 5);
        counters.add(Told::ControlLines, 6);
        counters.add(Told::DuplicateLines, 10);
        counters.add(Told::KernelDatagrams, 7);
        counters.add(Told::CutFiles, 11);
        counters.add(Told::CutBytes, 12);
        counters.add(Told::CutLines, 13);
        counters.add(Told::RefusedConnections, 8);
        counters.add(Told::Waits, 9);
        let told = SourceTold {
            delivered_lines: 1,
            delivered_bytes: 2,
            dropped_queue_lines: 3,
            too_long_lines: 4,
            partial_lines: 5,
            control_lines: 6,
            duplicate_lines: 10,
            kernel_datagrams: 7,
            cut_files: 11,
            cut_bytes: 12,
            cut_lines_at_most: 13,
            refused_connections: 8,
            waits: 9,
        };
        let mut sum = counters.drain();
        assert_eq!(sum, told);
        sum.add(&counters.drain());
        assert_eq!(sum, told, "drained once");
    }
}
