//! What was written, counted while it is written: what whoever counts it has to come to.

use ebbd_core::model::Minute;

use super::{Order, ShopSpec};
use crate::load::WireFormat;

/// The exact result of counting the lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// Lines written.
    pub lines: u64,
    /// Events that they stand for.
    pub events: u64,
    /// Sum of the amounts in cents; StatsD carries none.
    pub cents: u64,
    /// Combinations of minute and dimension values that occurred.
    pub rows: u64,
    first: Minute,
    tuples: u32,
    seen: Vec<u64>,
}

impl Truth {
    /// Nothing written yet; at most `tuples` combinations of values.
    pub(super) fn new(spec: &ShopSpec, tuples: u32) -> Truth {
        let bits = (u64::from(spec.minutes) + 1) * u64::from(tuples);
        let seen = vec![0; bits.div_ceil(64) as usize];
        Truth { lines: 0, events: 0, cents: 0, rows: 0, first: spec.from, tuples, seen }
    }

    /// One more line.
    pub(super) fn note(&mut self, order: &Order, format: WireFormat) {
        self.lines += 1;
        self.events += if format == WireFormat::Ndjson { 1 } else { u64::from(order.weight) };
        let carries_amounts = matches!(format, WireFormat::Ndjson | WireFormat::Influx);
        self.cents += if carries_amounts { order.cents } else { 0 };
        let minute = (order.time.minute().0 - self.first.0) as u64;
        let bit = minute * u64::from(self.tuples) + u64::from(order.tuple);
        let (word, mask) = (&mut self.seen[(bit / 64) as usize], 1 << (bit % 64));
        self.rows += u64::from(*word & mask == 0);
        *word |= mask;
    }
}
