//! The ledger: per source, origin, stream and minute of arrival, what became of every line.
//!
//! It always balances: received = counted + control + duplicate + Σ rejected + dropped_queue +
//! dropped_crash. Beside it, because they were never received: kernel_datagrams, sender_dropped.

use std::collections::BTreeMap;

use super::{Minute, SourceId};

/// Why a line was refused. The list is fixed: each reason is a column of the `ledger` dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Not a record of the format: broken JSON, broken line protocol, broken StatsD.
    BadSyntax,
    /// Not UTF-8, or a NUL byte.
    BadUtf8,
    /// Nested deeper than the limit.
    TooDeep,
    /// Longer than `limits.line`.
    TooLong,
    /// The time is missing or is no time.
    BadTime,
    /// Older than `lateness`.
    TooLate,
    /// Further ahead than `future`.
    InFuture,
    /// Names no declared stream.
    UnknownStream,
    /// A StatsD type that is no counter, or a negative counter, or a weight out of range.
    BadValue,
    /// A StatsD metric of another type than counter.
    BadType,
    /// A mark, heartbeat or goodbye that does not hold together.
    BadControl,
    /// A line without its end when the connection stayed idle too long.
    PartialLine,
}

impl Reason {
    /// Every reason, in column order.
    pub const ALL: [Reason; 12] = [
        Reason::BadSyntax,
        Reason::BadUtf8,
        Reason::TooDeep,
        Reason::TooLong,
        Reason::BadTime,
        Reason::TooLate,
        Reason::InFuture,
        Reason::UnknownStream,
        Reason::BadValue,
        Reason::BadType,
        Reason::BadControl,
        Reason::PartialLine,
    ];

    /// Its name: in `rejected_*` columns, in REJ lines, in samples.
    pub fn name(self) -> &'static str {
        match self {
            Reason::BadSyntax => "bad_syntax",
            Reason::BadUtf8 => "bad_utf8",
            Reason::TooDeep => "too_deep",
            Reason::TooLong => "too_long",
            Reason::BadTime => "bad_time",
            Reason::TooLate => "too_late",
            Reason::InFuture => "in_future",
            Reason::UnknownStream => "unknown_stream",
            Reason::BadValue => "bad_value",
            Reason::BadType => "bad_type",
            Reason::BadControl => "bad_control",
            Reason::PartialLine => "partial_line",
        }
    }

    /// Whether a line refused so might have been an event of the minute in which it came: not one of another
    /// time, of another kind of metric, or a control record.
    pub fn might_have_counted(self) -> bool {
        !matches!(self, Reason::TooLate | Reason::BadType | Reason::BadControl)
    }
}

/// Counts of fields that could not be used although their event was counted: by field name.
pub type BadFields = BTreeMap<String, u64>;

/// Whose lines, and when they arrived.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LedgerKey {
    /// Minute of arrival.
    pub arrival: Minute,
    /// The declared source.
    pub source: SourceId,
    /// The sending host; empty if unnamed or not known (rejected lines).
    pub origin: String,
    /// The stream; empty if not known (rejected lines, marks).
    pub stream: String,
}

/// What became of the lines of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerCounts {
    /// Lines that came in.
    pub received: u64,
    /// Lines counted as events.
    pub counted: u64,
    /// Marks, heartbeats, goodbyes, and lines routed to `ignore`.
    pub control: u64,
    /// Events whose id was already counted, and lines already acked.
    pub duplicate: u64,
    /// Lines refused, by [`Reason`] in the order of [`Reason::ALL`].
    pub rejected: [u64; Reason::ALL.len()],
    /// Lines shed because a queue was full (datagrams only; streams wait).
    pub dropped_queue: u64,
    /// Lines lost in a crash.
    pub dropped_crash: u64,
    /// Of counted: events that came after their minute was sealed.
    pub late: u64,
    /// Of counted: fields that could not be used, by field name.
    pub bad: BadFields,
    /// Datagrams the kernel dropped before they were received.
    pub kernel_datagrams: u64,
    /// Events the sender says it dropped.
    pub sender_dropped: u64,
}

impl LedgerCounts {
    /// Lines refused for any reason.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// Whether every received line is accounted for exactly once.
    pub fn balances(&self) -> bool {
        let spent = self.counted + self.control + self.duplicate + self.rejected_total();
        self.received == spent + self.dropped_queue + self.dropped_crash
    }

    /// Adds one refused line.
    pub fn reject(&mut self, reason: Reason) {
        self.received += 1;
        self.rejected[reason as usize] += 1;
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &LedgerCounts) {
        self.received += other.received;
        self.counted += other.counted;
        self.control += other.control;
        self.duplicate += other.duplicate;
        for (mine, theirs) in self.rejected.iter_mut().zip(other.rejected) {
            *mine += theirs;
        }
        self.dropped_queue += other.dropped_queue;
        self.dropped_crash += other.dropped_crash;
        self.late += other.late;
        for (field, count) in &other.bad {
            *self.bad.entry(field.clone()).or_default() += count;
        }
        self.kernel_datagrams += other.kernel_datagrams;
        self.sender_dropped += other.sender_dropped;
    }
}

/// Ledger entries by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger(pub BTreeMap<LedgerKey, LedgerCounts>);

impl Ledger {
    /// The entry of `key`, made if absent.
    pub fn entry(&mut self, key: LedgerKey) -> &mut LedgerCounts {
        self.0.entry(key).or_default()
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Ledger) {
        for (key, counts) in &other.0 {
            self.entry(key.clone()).add(counts);
        }
    }

    /// The sum over all keys.
    pub fn total(&self) -> LedgerCounts {
        self.0.values().fold(LedgerCounts::default(), |mut sum, counts| {
            sum.add(counts);
            sum
        })
    }

    /// Whether every key balances.
    pub fn balances(&self) -> bool {
        self.0.values().all(LedgerCounts::balances)
    }
}

/// What came of one source in one minute of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceArrivals {
    /// The source's name.
    pub source: String,
    /// The stream that all its events are of, if that is one.
    pub stream: Option<String>,
    /// The minute of arrival.
    pub minute: Minute,
    /// Its lines, of all origins and streams.
    pub counts: LedgerCounts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_follow_the_reasons() {
        for (at, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, at);
        }
    }

    #[test]
    fn balance_notices_a_lost_line() {
        let mut counts = LedgerCounts { received: 3, counted: 2, ..LedgerCounts::default() };
        assert!(!counts.balances());
        counts.dropped_queue = 1;
        assert!(counts.balances());
        counts.reject(Reason::BadTime);
        assert!(counts.balances());
        let mut sum = counts.clone();
        sum.add(&counts);
        assert!(sum.balances() && sum.received == 8);
    }
}
