//! Bytes to events: blocks of whole lines in, borrowed events, marks, heartbeats and rejections out.
//!
//! A format's parser puts the wanted values of a line into a record; which stream it is, which column
//! a value belongs to and whether it can be used is the same for every format.
//! Must not know: series, minutes, files, sockets. Nothing here outlives the block it reads.

mod acked;
mod block;
mod columns;
mod control;
mod event;
mod flat;
mod format;
mod influx;
mod keys;
mod layout;
mod lines;
mod mapping;
mod matching;
mod ndjson;
mod outline;
mod parser;
mod pieces;
mod record;
mod row;
mod shape;
mod source;
mod statsd;
mod templates;
mod time;
mod usual;

use crate::model::{Goodbye, Heartbeat, Limits, Mark, Reason, StreamId, StreamSpec, TimeUs};

use columns::Columns;
use mapping::{Destination, Mapping, StreamPlan};
use matching::line_end;
use parser::{Outcome, Parse};
use record::{Kind, LONGEST_LINE, Record, Value, When};
use row::Row;
use templates::{Hit, Templates};
use usual::LastMinute;

pub use acked::{Answer, Bye, FirstLine, Greeting, Refusal, SenderId};
pub use block::Block;
pub use event::{Event, Wide};
pub use format::Format;
pub use lines::{Lines, lines};
pub use source::{Reading, SourceSpec};
pub use time::{TimeUnit, from_text as time_from_text};

/// May stand in front of a line's text and is no part of it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What a line is. What is rare is boxed, as this is handed on for every event.
#[derive(Debug)]
pub enum Decoded<'a> {
    /// An event of a declared stream.
    Event(Event<'a>),
    /// A change marker.
    Mark(Box<Mark>),
    /// A sender's heartbeat.
    Heartbeat(Box<Heartbeat>),
    /// A sender's goodbye.
    Goodbye(Box<Goodbye>),
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
    templates: Templates,
    row: Row,
    /// The stream of the lines of the row.
    row_stream: Option<StreamId>,
}

/// What a line is, before an event borrows from the decoder.
enum Read {
    Event(StreamId, TimeUs),
    Ignored,
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
            templates: Templates::new(),
            row: Row::default(),
            row_stream: None,
            mapping,
        }
    }

    /// A decoder for blocks of `source` that are to be read like this.
    pub fn reading(
        reading: Reading,
        source: &SourceSpec,
        streams: &[StreamSpec],
        limits: &Limits,
    ) -> Decoder {
        let decoder = Decoder::new(&source.read_as(reading), streams, limits);
        match reading {
            Reading::Influx(unit) => decoder.with_time_unit(unit),
            Reading::Configured | Reading::Ndjson(_) => decoder,
        }
    }

    /// The same decoder, reading line protocol's timestamps in `unit`.
    pub fn with_time_unit(mut self, unit: TimeUnit) -> Decoder {
        self.parser.set_time_unit(unit);
        self
    }

    /// The same decoder with the plain twin of its format's parser, where it has one.
    #[cfg(any(test, fuzzing))]
    pub fn plain(mut self, format: Format) -> Decoder {
        match format {
            Format::Influx => self.parser = Box::<influx::plain::Influx>::default(),
            Format::Statsd => self.parser = Box::<statsd::plain::Statsd>::default(),
            // The others have none.
            _ => {}
        }
        self.templates.switch_off();
        self
    }

    /// The same decoder without any quick way: slow, plain, and what every quick way is held to.
    pub fn general_only(mut self) -> Decoder {
        self.parser.set_general_only();
        self.templates.switch_off();
        self
    }

    /// Reads one line (without its end) that arrived at `arrival`. Never panics, whatever the bytes.
    pub fn decode<'a>(&'a mut self, line: &'a [u8], arrival: TimeUs) -> Decoded<'a> {
        if line.len() > self.longest_line {
            return Decoded::Rejected(Reason::TooLong);
        }
        let text = match std::str::from_utf8(line) {
            Ok(text) if memchr::memchr(0, line).is_none() => text,
            _ => return Decoded::Rejected(Reason::BadUtf8),
        };
        match self.templates.read(text, &mut self.columns, &mut self.record) {
            Some(hit) if hit.fit.len == text.len() => return self.hit(text, hit, arrival),
            _ => {}
        }
        match self.ahead(text) {
            Some((len, _)) if len == text.len() => self.sorted(text, len, arrival),
            _ => self.checked(text, text.len(), arrival),
        }
    }

    /// Reads the next line of a block that arrived at `arrival`; `None` behind the last one. Gives the
    /// line's bytes without its end, too.
    #[inline]
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        lines: &mut Lines<'b>,
        arrival: TimeUs,
    ) -> Option<(&'b [u8], Decoded<'a>)> {
        if let Some(text) = lines.rest() {
            if !lines.is_in_row() && self.templates.expects_row() {
                self.read_row(lines);
            }
            if lines.is_in_row()
                && let Some(nth) = self.row.line_at(lines.at(), self.longest_line)
            {
                return self.in_row(nth, lines, arrival);
            }
            let hit = self.templates.read(text, &mut self.columns, &mut self.record);
            if let Some(hit) = hit.filter(|hit| hit.fit.len <= self.longest_line) {
                let line = lines.pass(hit.fit.len, hit.fit.next);
                return Some((line, self.hit(text, hit, arrival)));
            }
            if let Some((len, next)) = self.ahead(text) {
                return Some((lines.pass(len, next), self.sorted(text, len, arrival)));
            }
        }
        let (line, rest) = lines.next()?;
        let decoded = match rest {
            Some(rest) => self.checked(rest, line.len(), arrival),
            None => self.decode(line, arrival),
        };
        Some((line, decoded))
    }

    /// Reads the next lines together, if there are enough.
    fn read_row(&mut self, lines: &mut Lines<'_>) {
        if let (Some(text), Some(starts)) = (lines.whole(), lines.row()) {
            self.row_stream = self.templates.read_row(text, &starts, &mut self.row);
            if !self.templates.expects_row() {
                lines.forget_lengths();
            }
        }
    }

    /// The next line, which is the `nth` of the row that was read.
    #[inline]
    fn in_row<'a, 'b: 'a>(
        &'a self,
        nth: usize,
        lines: &mut Lines<'b>,
        arrival: TimeUs,
    ) -> Option<(&'b [u8], Decoded<'a>)> {
        let (fit, columns) = self.row.line(nth)?;
        let text = lines.whole()?;
        let line = lines.pass(fit.len, fit.next);
        let decoded = match self.row_stream.map(|stream| self.mapping.plan(stream)) {
            None => Decoded::Ignored,
            Some(None) => Decoded::Rejected(Reason::UnknownStream),
            Some(Some(plan)) => {
                let time = fit.time.unwrap_or(arrival);
                Decoded::Event(Event { text, arena: "", time, plan, columns })
            }
        };
        Some((line, decoded))
    }

    /// What a line is that a shape has read.
    #[inline]
    fn hit<'a>(&'a self, text: &'a str, hit: Hit, arrival: TimeUs) -> Decoded<'a> {
        match hit.stream.map(|stream| self.mapping.plan(stream)) {
            None => Decoded::Ignored,
            Some(None) => Decoded::Rejected(Reason::UnknownStream),
            Some(Some(plan)) => self.event(text, plan, hit.fit.time.unwrap_or(arrival)),
        }
    }

    /// Reads the line of `len` bytes with which `rest` begins. It is text without NUL.
    fn checked<'a>(&'a mut self, rest: &'a str, len: usize, arrival: TimeUs) -> Decoded<'a> {
        if len > self.longest_line {
            return Decoded::Rejected(Reason::TooLong);
        }
        let line = &rest[..len];
        let mark = if line.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
        let (line, rest) = (&line[mark..], &rest[mark..]);
        self.record.clear();
        match self.parser.parse(line, &self.mapping.layout, &mut self.record) {
            Ok(Outcome::Record) => self.sorted(rest, line.len(), arrival),
            Ok(Outcome::Control(draft)) => draft.finish(arrival, &self.by),
            Ok(Outcome::Ignored) => Decoded::Ignored,
            Err(reason) => Decoded::Rejected(reason),
        }
    }

    /// Reads the line with which `text` begins into the record, if that can be done the quick way: its
    /// length, and where the next line begins.
    fn ahead(&mut self, text: &str) -> Option<(usize, usize)> {
        let len = self.parser.parse_ahead(text, &self.mapping.layout, &mut self.record)?;
        let next = line_end(text.as_bytes(), len)?;
        (len <= self.longest_line).then_some((len, next))
    }

    /// What the line of `len` bytes with which `text` begins is; its values are in the record.
    fn sorted<'a>(&'a mut self, text: &'a str, len: usize, arrival: TimeUs) -> Decoded<'a> {
        match self.sort(text, len, arrival) {
            Ok(Read::Event(stream, time)) => self.fill(text, stream, time),
            Ok(Read::Ignored) => Decoded::Ignored,
            Err(reason) => Decoded::Rejected(reason),
        }
    }

    fn sort(&mut self, text: &str, len: usize, arrival: TimeUs) -> Result<Read, Reason> {
        let line = &text[..len];
        let destination = self.mapping.destination(&self.record, line);
        let read = match destination {
            Destination::Stream(stream) => {
                let plan = self.mapping.plan(stream).ok_or(Reason::UnknownStream)?;
                let time = match self.record.when {
                    When::At(time) => Some(time),
                    When::Arrival => Some(arrival),
                    When::Field => {
                        let value = self.mapping.layout.value(&self.record, plan.time);
                        field_time(text, value, &self.record, &mut self.columns.last_minute)
                    }
                };
                Read::Event(stream, time.ok_or(Reason::BadTime)?)
            }
            Destination::Ignore => Read::Ignored,
            Destination::Unknown => return Err(Reason::UnknownStream),
        };
        if self.templates.can_afford(line) {
            self.learn(line, destination);
        }
        Ok(read)
    }

    /// Learns the shape of a line that has just been accepted.
    #[cold]
    fn learn(&mut self, line: &str, destination: Destination) {
        let outline = &mut self.templates.outline;
        outline.clear();
        if self.parser.outline(line, &self.mapping.layout, outline) {
            self.templates.learn(line, &self.record, &self.mapping, destination);
        }
    }

    /// The event of a line whose values are in the record.
    fn fill<'a>(&'a mut self, text: &'a str, stream: StreamId, time: TimeUs) -> Decoded<'a> {
        let Some(plan) = self.mapping.plan(stream) else { return Decoded::Rejected(Reason::UnknownStream) };
        self.columns.fill(text, &self.mapping.layout, plan, &mut self.record);
        self.event(text, plan, time)
    }

    /// The event whose columns are filled.
    #[inline]
    fn event<'a>(&'a self, text: &'a str, plan: &'a StreamPlan, time: TimeUs) -> Decoded<'a> {
        Decoded::Event(Event { text, arena: self.record.arena(), time, plan, columns: &self.columns })
    }
}

/// The time that a field's value is; `None` if it is missing or is no time.
#[inline(always)]
fn field_time(text: &str, value: Value, record: &Record, last: &mut LastMinute) -> Option<TimeUs> {
    let whole = || record.text(text, value.span);
    match value.kind {
        Kind::Text => {
            let usual = value.span.read(text, |bytes, at| usual::date(bytes, at, last));
            usual.or_else(|| time::from_text(whole()))
        }
        Kind::Number => value.span.read(text, usual::stamp).or_else(|| time::from_number(whole())),
        Kind::Missing | Kind::Bool | Kind::Composite => None,
    }
}

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod flat_tests;
#[cfg(test)]
mod quick_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin_tests;
