//! `ebbd watch`: one block of text per record, in local time, as wide as the terminal.

use jiff::tz::TimeZone;

use super::layout;
use crate::alarm::AlarmRecord;
use crate::alarm::block::{self, instant};
pub use crate::alarm::block::{Block, Line, Tone};
use crate::alarm::words::Clock;
use crate::model::TimeUs;

/// How blocks are written.
#[derive(Clone, Debug)]
pub struct Style {
    /// The reader's time zone.
    pub zone: TimeZone,
    /// Columns of the terminal; taken as 80 to 200.
    pub width: usize,
    /// Whether to use colours (ANSI).
    pub colour: bool,
}

impl Style {
    /// Plain text in UTC, 120 columns wide.
    pub fn plain() -> Style {
        Style { zone: TimeZone::UTC, width: 120, colour: false }
    }
}

/// The block of one record, without a newline at its end. A reader who sees the alarm for the first time
/// (a snapshot) is given the whole of it by [`first_sight`].
pub fn block(record: &AlarmRecord, style: &Style) -> String {
    layout::lay_out(&block::of(record, &clock(record, style)), style)
}

/// What a record says, in parts that a page lays out by itself; times in `zone`.
pub fn parts(record: &AlarmRecord, zone: &TimeZone) -> Block {
    block::of(record, &clock_in(record, zone))
}

/// The same of the whole alarm, whatever its record was written for.
pub fn first_sight_parts(record: &AlarmRecord, zone: &TimeZone) -> Block {
    block::full(record, &clock_in(record, zone))
}

/// The whole block of an alarm, whatever its record was written for.
pub fn first_sight(record: &AlarmRecord, style: &Style) -> String {
    layout::lay_out(&block::full(record, &clock(record, style)), style)
}

fn clock(record: &AlarmRecord, style: &Style) -> Clock {
    clock_in(record, &style.zone)
}

fn clock_in(record: &AlarmRecord, zone: &TimeZone) -> Clock {
    let at: TimeUs = instant(&record.at).unwrap_or_default();
    Clock::new(zone.clone(), at)
}
