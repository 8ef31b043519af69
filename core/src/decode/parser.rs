//! What a format's file has to offer: one way to read a line.

use crate::model::Reason;

use super::control::Draft;
use super::layout::Layout;
use super::record::Record;
use super::time::TimeUnit;

/// What a line turned out to be.
#[derive(Debug)]
pub(super) enum Outcome {
    /// An event: its values are in the record.
    Record,
    /// A control record, not yet checked.
    Control(Draft),
    /// Nothing: a comment.
    Ignored,
}

/// A format's parser. It may keep scratch memory from line to line, and nothing else.
pub(super) trait Parse: std::fmt::Debug + Send {
    /// Reads one line (UTF-8, without its end, no NUL) into `record`, which comes in cleared.
    /// The line is checked to its end, also where nothing of it is wanted.
    fn parse(&mut self, line: &str, layout: &Layout, record: &mut Record) -> Result<Outcome, Reason>;

    /// What a timestamp without further word counts, for formats that leave it open.
    fn set_time_unit(&mut self, _unit: TimeUnit) {}
}
