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

    /// [`Parse::parse`] of the line of `end` bytes with which `text` begins. What follows the line in its
    /// block may be looked at, for reading more than a byte at a time.
    fn parse_in(
        &mut self,
        text: &str,
        end: usize,
        layout: &Layout,
        record: &mut Record,
    ) -> Result<Outcome, Reason> {
        self.parse(&text[..end], layout, record)
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
