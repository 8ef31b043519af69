//! What a format's file has to offer: one way to read a line.

use crate::model::Reason;

use super::control::Draft;
use super::layout::Layout;
use super::outline::Outline;
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

    /// A quick way for the line with which `text` begins and of which the end is not yet known: where
    /// its last value ends. The record, which may come in as it is left over, is then what [`Parse::parse`] makes of a line that ends there, and
    /// no control record. `None` on any doubt; the record means nothing then.
    fn parse_ahead(&mut self, _text: &str, _layout: &Layout, _record: &mut Record) -> Option<usize> {
        None
    }

    /// Says where the values stand in a line that this parser has just accepted, for learning its
    /// shape. `false` if the line has no shape that others could share.
    fn outline(&mut self, _line: &str, _layout: &Layout, _outline: &mut Outline) -> bool {
        false
    }

    /// Gives up all quick ways: what is left is the general one, which is the truth.
    fn set_general_only(&mut self) {}

    /// What a timestamp without further word counts, for formats that leave it open.
    fn set_time_unit(&mut self, _unit: TimeUnit) {}
}
