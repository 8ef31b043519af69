//! Bytes to events: blocks of whole lines in, borrowed events, marks, heartbeats and rejections out.
//!
//! A format's parser puts the wanted values of a line into a record; which stream it is, which column
//! a value belongs to and whether it can be used is the same for every format.
//! Must not know: series, minutes, files, sockets. Nothing here outlives the block it reads.

mod block;
mod control;
mod event;
mod format;
mod influx;
mod layout;
mod lines;
mod mapping;
mod ndjson;
mod parser;
mod record;
mod source;
mod statsd;
mod time;

use crate::model::{Goodbye, Heartbeat, Limits, Mark, Reason, StreamId, StreamSpec, TimeUs};

use event::Columns;
use mapping::{Destination, Mapping, StreamPlan};
use parser::{Outcome, Parse};
use record::{Kind, LONGEST_LINE, Record, When};

pub use block::Block;
pub use event::Event;
pub use format::Format;
pub use lines::lines;
pub use source::SourceSpec;
pub use time::{TimeUnit, from_text as time_from_text};

/// What a line is.
#[derive(Debug)]
pub enum Decoded<'a> {
    /// An event of a declared stream.
    Event(Event<'a>),
    /// A change marker.
    Mark(Mark),
    /// A sender's heartbeat.
    Heartbeat(Heartbeat),
    /// A sender's goodbye.
    Goodbye(Goodbye),
    /// Nothing to count, as intended: a comment, or a record routed to `ignore`.
    Ignored,
    /// Refused, alone and by name.
    Rejected(Reason),
}

/// Reads the lines of one source. Each lane has its own.
#[derive(Debug)]
pub struct Decoder {
    by: String,
    longest_line: usize,
    mapping: Mapping,
    parser: Box<dyn Parse>,
    record: Record,
    columns: Columns,
}

/// What a line is, before an event borrows from the decoder.
enum Read {
    Event(StreamId, TimeUs),
    Other(Decoded<'static>),
}

impl Decoder {
    /// A decoder for the lines of `source`. `streams` are all that are declared, in their order.
    pub fn new(source: &SourceSpec, streams: &[StreamSpec], limits: &Limits) -> Decoder {
        let mapping = Mapping::new(source, streams);
        Decoder {
            by: source.name.clone(),
            longest_line: limits.line.min(LONGEST_LINE),
            record: Record::new(mapping.layout.slots()),
            parser: source.format.parser(),
            columns: Columns::default(),
            mapping,
        }
    }

    /// The same decoder, reading line protocol's timestamps in `unit`.
    pub fn with_time_unit(mut self, unit: TimeUnit) -> Decoder {
        self.parser.set_time_unit(unit);
        self
    }

    /// Reads one line (without its end) that arrived at `arrival`. Never panics, whatever the bytes.
    pub fn decode<'a>(&'a mut self, line: &'a [u8], arrival: TimeUs) -> Decoded<'a> {
        let read = self.text(line).and_then(|text| self.read(text, arrival).map(|read| (text, read)));
        match read {
            Ok((text, Read::Event(stream, time))) => self.event(text, stream, time),
            Ok((_, Read::Other(decoded))) => decoded,
            Err(reason) => Decoded::Rejected(reason),
        }
    }

    /// The line as text, without a byte order mark.
    fn text<'a>(&self, line: &'a [u8]) -> Result<&'a str, Reason> {
        if line.len() > self.longest_line {
            return Err(Reason::TooLong);
        }
        let text = std::str::from_utf8(line).map_err(|_| Reason::BadUtf8)?;
        if memchr::memchr(0, line).is_some() {
            return Err(Reason::BadUtf8);
        }
        Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
    }

    fn read(&mut self, line: &str, arrival: TimeUs) -> Result<Read, Reason> {
        self.record.clear();
        match self.parser.parse(line, &self.mapping.layout, &mut self.record)? {
            Outcome::Record => {}
            Outcome::Control(draft) => return Ok(Read::Other(draft.finish(arrival, &self.by))),
            Outcome::Ignored => return Ok(Read::Other(Decoded::Ignored)),
        }
        match self.mapping.destination(&self.record, line) {
            Destination::Stream(stream) => {
                let plan = self.mapping.plan(stream).ok_or(Reason::UnknownStream)?;
                Ok(Read::Event(stream, self.time(line, plan, arrival).ok_or(Reason::BadTime)?))
            }
            Destination::Ignore => Ok(Read::Other(Decoded::Ignored)),
            Destination::Unknown => Err(Reason::UnknownStream),
        }
    }

    /// When the event happened; `None` if its time is missing or is no time.
    fn time(&self, line: &str, plan: &StreamPlan, arrival: TimeUs) -> Option<TimeUs> {
        match self.record.when {
            When::At(time) => return Some(time),
            When::Arrival => return Some(arrival),
            When::Field => {}
        }
        let value = self.mapping.layout.value(&self.record, plan.time);
        let text = self.record.text(line, value.span);
        match value.kind {
            Kind::Text => time::from_text(text),
            Kind::Number => time::from_number(text),
            Kind::Missing | Kind::Bool | Kind::Composite => None,
        }
    }

    fn event<'a>(&'a mut self, line: &'a str, stream: StreamId, time: TimeUs) -> Decoded<'a> {
        let layout = &self.mapping.layout;
        let Some(plan) = self.mapping.plan(stream) else { return Decoded::Rejected(Reason::UnknownStream) };
        self.columns.fill(line, layout, plan, &mut self.record);
        let (record, columns) = (&self.record, &self.columns);
        Decoded::Event(Event { line, time, layout, plan, record, columns })
    }
}

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin_tests;
