//! The plain twin of the line protocol parser: byte by byte, without memory of earlier lines. It says
//! what a line means; tests and fuzzing hold the parser to it.

use crate::model::{DecimalError, Reason, Weight, parse_decimal};

use super::super::control::{self, Draft};
use super::super::layout::Layout;
use super::super::parser::{Outcome, Parse};
use super::super::record::{Kind, Record, Span, Value, When};
use super::super::time::{self, TimeUnit};

/// The field that says how many events a line stands for.
const WEIGHT_KEY: &str = "count";

/// Reads line protocol, byte by byte.
#[derive(Debug, Default)]
pub(in crate::decode) struct Influx {
    unit: TimeUnit,
    key: String,
}

impl Parse for Influx {
    fn parse(&mut self, line: &str, layout: &Layout, record: &mut Record) -> Result<Outcome, Reason> {
        if control::is_json(line) {
            return control::from_json(line).map(Outcome::Control);
        }
        let mut reader =
            Reader { line, at: line.len() - line.trim_start_matches(' ').len(), section: Section::Tags };
        if matches!(reader.peek(), None | Some(b'#')) {
            return Ok(Outcome::Ignored);
        }
        let name = reader.token(Place::Measurement)?;
        if let Some(draft) = Draft::named(name.text_in(line, &mut self.key)) {
            return self.control(reader, draft);
        }
        record.name = name.keep(line, record);
        let mut hint = 0;
        while let Some(pair) = reader.next_pair()? {
            let key = pair.key.text_in(line, &mut self.key);
            if pair.value.is_field() && key == WEIGHT_KEY {
                record.weight = weight(&pair.value, line)?;
            }
            if let Some(at) = layout.find(Layout::ROOT, hint, key) {
                hint = at + 1;
                if let Some(slot) = layout.edge(Layout::ROOT, at).slot {
                    record.values[slot] = pair.value.keep(line, record);
                }
            }
        }
        record.when = reader.timestamp(self.unit)?;
        Ok(Outcome::Record)
    }

    fn set_time_unit(&mut self, unit: TimeUnit) {
        self.unit = unit;
    }
}

impl Influx {
    /// Reads the rest of a control record.
    fn control(&mut self, mut reader: Reader<'_>, mut draft: Draft) -> Result<Outcome, Reason> {
        while let Some(pair) = reader.next_pair()? {
            draft.put(pair.key.text_in(reader.line, &mut self.key), &pair.value.text(reader.line));
        }
        if let When::At(time) = reader.timestamp(self.unit)? {
            draft.at = Some(time);
        }
        Ok(Outcome::Control(draft))
    }
}

/// The weight of `count=3i`: a whole number that is not negative.
fn weight(value: &Scalar, line: &str) -> Result<Weight, Reason> {
    let Scalar::Number(span) = value else { return Err(Reason::BadValue) };
    let text = &line[span.0..span.1];
    let millionths = parse_decimal(text.as_bytes(), 6).map_err(|_| Reason::BadValue)?;
    let whole = millionths % Weight::SCALE == 0;
    let within = (0..=Weight::MAX_LINE.0).contains(&millionths);
    if whole && within { Ok(Weight(millionths)) } else { Err(Reason::BadValue) }
}

/// Which part of a line a token is: they differ in what ends them and what can be escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Measurement,
    /// A tag key, tag value or field key.
    Name,
    /// The inside of a string field.
    Quoted,
}

impl Place {
    /// Whether a backslash before `byte` stands for `byte`.
    fn escapes(self, byte: u8) -> bool {
        match self {
            Place::Measurement => matches!(byte, b',' | b' ' | b'\\'),
            Place::Name => matches!(byte, b',' | b' ' | b'=' | b'\\'),
            Place::Quoted => matches!(byte, b'"' | b'\\'),
        }
    }

    /// Whether an unescaped `byte` ends the token.
    fn ends(self, byte: u8) -> bool {
        match self {
            Place::Measurement => matches!(byte, b',' | b' '),
            Place::Name => matches!(byte, b',' | b' ' | b'='),
            Place::Quoted => byte == b'"',
        }
    }
}

/// A piece of the line, perhaps with escapes.
#[derive(Clone, Copy, Debug)]
struct Token {
    start: usize,
    end: usize,
    place: Place,
    escaped: bool,
}

impl Token {
    fn raw(self, line: &str) -> &str {
        &line[self.start..self.end]
    }

    fn text(self, line: &str) -> String {
        let mut text = String::new();
        self.unescape(line, &mut text);
        text
    }

    /// Its text, in `room` if it has to be unescaped.
    fn text_in<'t>(self, line: &'t str, room: &'t mut String) -> &'t str {
        if !self.escaped {
            return self.raw(line);
        }
        room.clear();
        self.unescape(line, room);
        room
    }

    /// A span of its text, in the arena if it has to be unescaped.
    fn keep(self, line: &str, record: &mut Record) -> Span {
        if self.escaped {
            record.keep_all(|arena| self.unescape(line, arena))
        } else {
            Span::of_line(self.start, self.end)
        }
    }

    fn unescape(self, line: &str, out: &mut String) {
        let mut rest = self.raw(line);
        while let Some(at) = rest.find('\\') {
            out.push_str(&rest[..at]);
            let next = rest.as_bytes().get(at + 1).copied();
            match next.filter(|&byte| self.place.escapes(byte)) {
                Some(byte) => out.push(char::from(byte)),
                None => out.push('\\'),
            }
            rest = &rest[at + 1 + usize::from(next.is_some_and(|byte| self.place.escapes(byte)))..];
        }
        out.push_str(rest);
    }
}

/// A tag's or field's value.
#[derive(Clone, Copy, Debug)]
enum Scalar {
    Tag(Token),
    Text(Token),
    /// Start and end of the digits, without `i` or `u`.
    Number((usize, usize)),
    Bool(bool),
}

impl Scalar {
    fn is_field(&self) -> bool {
        !matches!(self, Scalar::Tag(_))
    }

    fn keep(self, line: &str, record: &mut Record) -> Value {
        match self {
            Scalar::Tag(token) | Scalar::Text(token) => Value::new(Kind::Text, token.keep(line, record)),
            Scalar::Number((start, end)) => Value::new(Kind::Number, Span::of_line(start, end)),
            Scalar::Bool(flag) => Value::new(Kind::Bool, record.keep(if flag { "true" } else { "false" })),
        }
    }

    fn text(self, line: &str) -> String {
        match self {
            Scalar::Tag(token) | Scalar::Text(token) => token.text(line),
            Scalar::Number((start, end)) => line[start..end].to_owned(),
            Scalar::Bool(flag) => flag.to_string(),
        }
    }
}

struct Pair {
    key: Token,
    value: Scalar,
}

/// Where in the line the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    /// Behind the measurement or a tag.
    Tags,
    /// Behind a field.
    Fields,
}

/// Reads a line from left to right.
struct Reader<'l> {
    line: &'l str,
    at: usize,
    section: Section,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// The token up to the next byte that ends it, or to the end of the line. Names are never empty.
    fn token(&mut self, place: Place) -> Result<Token, Reason> {
        let start = self.at;
        let mut escaped = false;
        while let Some(byte) = self.peek() {
            if place.ends(byte) {
                break;
            }
            let next = || self.line.as_bytes().get(self.at + 1);
            let escape = byte == b'\\' && next().is_some_and(|&next| place.escapes(next));
            escaped |= escape;
            self.at += if escape { 2 } else { 1 };
        }
        if self.at == start && place != Place::Quoted {
            return Err(Reason::BadSyntax);
        }
        Ok(Token { start, end: self.at, place, escaped })
    }

    /// The next tag or field; `None` behind the last field. A line has at least one field.
    fn next_pair(&mut self) -> Result<Option<Pair>, Reason> {
        match (self.section, self.peek()) {
            (Section::Tags, Some(b',')) => self.tag().map(Some),
            (Section::Tags, Some(b' ')) => {
                self.skip_spaces();
                self.section = Section::Fields;
                self.field().map(Some)
            }
            (Section::Fields, Some(b',')) => {
                self.at += 1;
                self.field().map(Some)
            }
            (Section::Fields, Some(b' ') | None) => Ok(None),
            _ => Err(Reason::BadSyntax),
        }
    }

    fn tag(&mut self) -> Result<Pair, Reason> {
        self.at += 1;
        let key = self.key()?;
        let value = self.token(Place::Name)?;
        Ok(Pair { key, value: Scalar::Tag(value) })
    }

    fn field(&mut self) -> Result<Pair, Reason> {
        let key = self.key()?;
        if self.peek() == Some(b'"') {
            return self.quoted().map(|token| Pair { key, value: Scalar::Text(token) });
        }
        let start = self.at;
        while !matches!(self.peek(), None | Some(b',' | b' ')) {
            self.at += 1;
        }
        let value = plain(self.line, start, self.at).ok_or(Reason::BadSyntax)?;
        Ok(Pair { key, value })
    }

    /// A key and its `=`.
    fn key(&mut self) -> Result<Token, Reason> {
        let key = self.token(Place::Name)?;
        if self.peek() != Some(b'=') {
            return Err(Reason::BadSyntax);
        }
        self.at += 1;
        Ok(key)
    }

    /// The inside of a string field, from its opening to its closing quote.
    fn quoted(&mut self) -> Result<Token, Reason> {
        self.at += 1;
        let token = self.token(Place::Quoted)?;
        if self.peek() != Some(b'"') {
            return Err(Reason::BadSyntax);
        }
        self.at += 1;
        Ok(token)
    }

    /// The timestamp, which ends the line.
    fn timestamp(mut self, unit: TimeUnit) -> Result<When, Reason> {
        self.skip_spaces();
        let rest = self.line[self.at..].trim_end_matches(' ');
        match rest {
            "" => Ok(When::Arrival),
            _ if rest.contains(' ') => Err(Reason::BadSyntax),
            _ => time::from_units(rest, unit).map(When::At).ok_or(Reason::BadTime),
        }
    }
}

/// A field's value without quotes: a boolean, an integer (`i`), an unsigned one (`u`), a float.
fn plain(line: &str, start: usize, end: usize) -> Option<Scalar> {
    let text = &line[start..end];
    match text {
        "t" | "T" | "true" | "True" | "TRUE" => return Some(Scalar::Bool(true)),
        "f" | "F" | "false" | "False" | "FALSE" => return Some(Scalar::Bool(false)),
        _ if text.starts_with('+') && text.ends_with(['i', 'u']) => return None,
        _ => {}
    }
    let (valid, digits_end) = match text.as_bytes().last()? {
        b'i' => (text[..text.len() - 1].parse::<i64>().is_ok(), end - 1),
        b'u' => (text[..text.len() - 1].parse::<u64>().is_ok(), end - 1),
        // Only broken digits are refused here; what is too large is for the sum to say.
        _ => (parse_decimal(text.as_bytes(), 0) != Err(DecimalError::Malformed), end),
    };
    valid.then_some(Scalar::Number((start, digits_end)))
}
