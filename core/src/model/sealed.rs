//! A sealed minute: what everything behind the committer reads, and nothing else.

use std::sync::Arc;

use super::{Completeness, Minute, Money, SourceMinute, StreamId, TimeUs};

/// One key of a stream: dimension values and, per sum, the currency. Missing values are `""`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// One value per dimension, in the stream's order.
    pub dimensions: Box<[Arc<str>]>,
    /// One currency per sum, in the stream's order.
    pub currencies: Box<[Arc<str>]>,
    /// Whether the stream's `watched` filter admits these dimension values.
    pub watched: bool,
}

/// What one key had in one minute: a row of the `minutes` dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedRow {
    /// Which key.
    pub key: Arc<SeriesKey>,
    /// Whole events of this row. Rows are additive: a later revision adds to it.
    pub count: i64,
    /// One amount per sum, in minor units, additive like `count`.
    pub sums: Box<[Money]>,
    /// One serialised HLL4 sketch (lgK 12) per distinct; empty bytes are an empty sketch. They merge by union.
    pub sketches: Box<[Box<[u8]>]>,
}

/// One minute of one stream, closed. Revision 0 comes from sealing; later events make 1, 2, ….
#[derive(Clone, Debug, PartialEq)]
pub struct SealedMinute {
    /// The stream.
    pub stream: StreamId,
    /// The minute of event time.
    pub minute: Minute,
    /// 0 from sealing; more for what later events add.
    pub revision: u32,
    /// Rows sorted by key. In a revision above 0: only what is new.
    pub rows: Vec<SealedRow>,
    /// Rows of this minute that were handed out before it was sealed (an orderly stop while it was
    /// open). They are judged with `rows`, and never written again. Mostly empty.
    pub earlier: Vec<SealedRow>,
    /// What is believed to be missing.
    pub completeness: Completeness,
    /// Each source and origin of the stream, the silent ones too; empty in revisions above 0.
    pub sources: Vec<SourceMinute>,
    /// When it was sealed.
    pub sealed_at: TimeUs,
}

impl SealedMinute {
    /// All that is known of the minute at its seal: what the judge counts. A key may come twice.
    pub fn judged_rows(&self) -> impl Iterator<Item = &SealedRow> {
        self.rows.iter().chain(&self.earlier)
    }

    /// Events of the watched rows, those handed out earlier included.
    pub fn watched_count(&self) -> i64 {
        self.judged_rows().filter(|row| row.key.watched).map(|row| row.count).sum()
    }
}
