//! InfluxDB line protocol v2: `measurement,tag=value field=1.5,other="text" timestamp`.
//!
//! Tags and string fields are dimensions, ids and the like, numeric fields are sums, the field `count`
//! weighs. With two spellings of one key, the later wins.

mod outline;
#[cfg(any(test, fuzzing))]
pub(super) mod plain;
mod token;

use crate::model::{DecimalError, Reason, Weight, parse_decimal};

use super::control::{self, Draft};
use super::flat::{Cursor, Keys};
use super::layout::Layout;
use super::outline::Outline;
use super::parser::{Outcome, Parse};
use super::pieces::figure;
use super::record::{Kind, Record, Span, Value, When};
use super::time::{self, TimeUnit};

use token::{Place, Token};

/// The key, with its end, of the field that says how many events a line stands for.
const WEIGHT_KEY: &[u8] = b"count=";

/// Reads line protocol.
#[derive(Debug)]
pub(super) struct Influx {
    unit: TimeUnit,
    /// Room for a key that has to be unescaped.
    room: String,
    keys: Keys,
}

impl Default for Influx {
    fn default() -> Influx {
        Influx { unit: TimeUnit::default(), room: String::new(), keys: Keys::new(b'=') }
    }
}

impl Parse for Influx {
    fn parse(&mut self, line: &str, layout: &Layout, record: &mut Record) -> Result<Outcome, Reason> {
        if control::is_json(line) {
            return control::from_json(line).map(Outcome::Control);
        }
        let mut cursor = Cursor { line, at: line.len() - line.trim_start_matches(' ').len() };
        if matches!(cursor.peek(), None | Some(b'#')) {
            return Ok(Outcome::Ignored);
        }
        let name = Token::read(&mut cursor, Place::Measurement)?;
        if let Some(draft) = Draft::named(name.text_in(line, &mut self.room)) {
            return self.control(cursor, draft);
        }
        record.name = name.keep(line, record);
        self.keys.restart();
        let mut pairs = Pairs { cursor, keys: &mut self.keys, room: &mut self.room, layout };
        pairs.tags(record)?;
        pairs.fields(record)?;
        record.when = timestamp(&pairs.cursor, self.unit)?;
        Ok(Outcome::Record)
    }

    fn outline(&mut self, line: &str, layout: &Layout, outline: &mut Outline) -> bool {
        outline::outline(line, self.unit, layout, &mut self.room, outline).is_ok()
    }

    fn set_time_unit(&mut self, unit: TimeUnit) {
        self.unit = unit;
    }
}

impl Influx {
    /// Reads the rest of a control record.
    #[cold]
    fn control(&mut self, mut cursor: Cursor<'_>, mut draft: Draft) -> Result<Outcome, Reason> {
        let line = cursor.line;
        while cursor.peek() == Some(b',') {
            cursor.at += 1;
            let key = Token::key(&mut cursor)?;
            let value = Scalar::Tag(Token::read(&mut cursor, Place::Name)?);
            draft.put(key.text_in(line, &mut self.room), &value.text(line));
        }
        begin_fields(&mut cursor)?;
        loop {
            let key = Token::key(&mut cursor)?;
            let value = Scalar::field(&mut cursor)?;
            draft.put(key.text_in(line, &mut self.room), &value.text(line));
            if !another_field(&mut cursor)? {
                break;
            }
        }
        if let When::At(time) = timestamp(&cursor, self.unit)? {
            draft.at = Some(time);
        }
        Ok(Outcome::Control(draft))
    }
}

/// Reads the tags and fields of a line into a record.
struct Pairs<'p, 'l> {
    cursor: Cursor<'l>,
    keys: &'p mut Keys,
    room: &'p mut String,
    layout: &'p Layout,
}

impl Pairs<'_, '_> {
    fn tags(&mut self, record: &mut Record) -> Result<(), Reason> {
        while self.cursor.peek() == Some(b',') {
            self.cursor.at += 1;
            let slot = match self.keys.expected(&mut self.cursor) {
                Some(slot) => slot,
                None => self.unexpected()?,
            };
            let value = Token::read(&mut self.cursor, Place::Name)?;
            if let Some(slot) = slot {
                record.values[slot] = Scalar::Tag(value).keep(self.cursor.line, record);
            }
        }
        begin_fields(&mut self.cursor)
    }

    fn fields(&mut self, record: &mut Record) -> Result<(), Reason> {
        let line = self.cursor.line;
        loop {
            let start = self.cursor.at;
            let slot = match self.keys.expected(&mut self.cursor) {
                Some(slot) => slot,
                None => self.unexpected()?,
            };
            let weighs = self.weighs(start);
            let value = Scalar::field(&mut self.cursor)?;
            if weighs {
                record.weight = weight(&value, line)?;
            }
            if let Some(slot) = slot {
                record.values[slot] = value.keep(line, record);
            }
            if !another_field(&mut self.cursor)? {
                return Ok(());
            }
        }
    }

    /// Whether the key that was read from `start` on says how many events the line stands for. No escape
    /// yields any of its letters, so it is looked for as it stands.
    #[inline(always)]
    fn weighs(&self, start: usize) -> bool {
        let rest = self.cursor.line.as_bytes().get(start..).unwrap_or_default();
        self.cursor.at - start == WEIGHT_KEY.len() && rest.starts_with(WEIGHT_KEY)
    }

    /// Reads a key that the keys so far didn't let expect.
    #[inline(never)]
    fn unexpected(&mut self) -> Result<Option<usize>, Reason> {
        let key = Token::key(&mut self.cursor)?;
        let text = key.text_in(self.cursor.line, self.room);
        Ok(self.keys.find(text, !key.escaped, self.layout))
    }
}

/// Goes from the tags to the fields.
fn begin_fields(cursor: &mut Cursor<'_>) -> Result<(), Reason> {
    if cursor.peek() != Some(b' ') {
        return Err(Reason::BadSyntax);
    }
    skip_spaces(cursor);
    Ok(())
}

/// Whether another field follows; goes to its key.
#[inline(always)]
fn another_field(cursor: &mut Cursor<'_>) -> Result<bool, Reason> {
    match cursor.peek() {
        Some(b',') => {
            cursor.at += 1;
            Ok(true)
        }
        Some(b' ') | None => Ok(false),
        Some(_) => Err(Reason::BadSyntax),
    }
}

fn skip_spaces(cursor: &mut Cursor<'_>) {
    while cursor.peek() == Some(b' ') {
        cursor.at += 1;
    }
}

/// The timestamp, which ends the line.
#[inline]
fn timestamp(cursor: &Cursor<'_>, unit: TimeUnit) -> Result<When, Reason> {
    let rest = cursor.line.get(cursor.at..).unwrap_or_default();
    match rest.strip_prefix(' ').and_then(|digits| time::from_units(digits, unit)) {
        Some(time) => Ok(When::At(time)),
        None => spaced_timestamp(rest, unit),
    }
}

/// A timestamp with any number of spaces around it, or none at all.
fn spaced_timestamp(rest: &str, unit: TimeUnit) -> Result<When, Reason> {
    match rest.trim_matches(' ') {
        "" => Ok(When::Arrival),
        text if text.contains(' ') => Err(Reason::BadSyntax),
        text => time::from_units(text, unit).map(When::At).ok_or(Reason::BadTime),
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
    /// Reads a field's value, from behind its `=` on.
    #[inline(always)]
    fn field(cursor: &mut Cursor<'_>) -> Result<Scalar, Reason> {
        if cursor.peek() == Some(b'"') {
            return Token::quoted(cursor).map(Scalar::Text);
        }
        match short_number(cursor) {
            Some(number) => Ok(number),
            None => Scalar::unquoted(cursor),
        }
    }

    #[inline(never)]
    fn unquoted(cursor: &mut Cursor<'_>) -> Result<Scalar, Reason> {
        let start = cursor.at;
        cursor.seek([b',', b' ']);
        unquoted(cursor.since(start), start).ok_or(Reason::BadSyntax)
    }

    #[inline(always)]
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

/// Reads a short number; if it is anything else, the cursor stays.
#[inline(always)]
fn short_number(cursor: &mut Cursor<'_>) -> Option<Scalar> {
    let left = cursor.line.len() - cursor.at;
    // The end of the line ends it, too.
    let end = 1u32.checked_shl(left as u32).unwrap_or(0);
    let (digits_len, len) = figure(cursor.chunk(), end)?;
    let start = cursor.at;
    cursor.at += len;
    Some(Scalar::Number((start, start + digits_len)))
}

/// A field's value without quotes: a boolean, an integer (`i`), an unsigned one (`u`), a float. It
/// stands at `start`.
fn unquoted(text: &str, start: usize) -> Option<Scalar> {
    let end = start + text.len();
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
