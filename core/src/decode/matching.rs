//! Reading a line by a shape: literal, value, literal, value, and straight into the columns.
//!
//! In: the text of a block from the line's beginning on, and a shape. Out: the columns, and where the
//! line ends; or how far it fitted. Must not know: how shapes are learned or chosen.

use crate::model::{Limits, Money, TimeUs, parse_decimal};
use crate::simd::scan::string_end;

use super::columns::{Columns, currency_code, cut};
use super::ndjson::skip::{self, byte};
use super::ndjson::unescaped;
use super::pieces::Flat;
use super::record::{Kind, Record, Span, Value, When};
use super::shape::{Role, Shape, Step, Take};
use super::time;

/// A line that fitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    /// Length of the line without its end.
    pub(super) len: usize,
    /// Where the next line begins.
    pub(super) next: usize,
    /// Its time, if the line says it.
    pub(super) time: Option<TimeUs>,
}

/// A line that didn't fit: steps and bytes up to where that was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Misfit {
    pub(super) steps: usize,
    pub(super) bytes: usize,
}

/// The value of a step.
#[derive(Clone, Copy)]
struct Taken {
    span: Span,
    kind: Kind,
    /// It doesn't stand in the line as it is, or it is long.
    odd: bool,
}

impl Shape {
    /// Reads the line with which `text` begins. `record` lends its arena. The columns are in no state
    /// to be used if the line doesn't fit.
    pub(super) fn read(&self, text: &str, columns: &mut Columns, record: &mut Record) -> Result<Fit, Misfit> {
        columns.prepare(self.number, self.weight);
        record.clear_arena();
        let bytes = text.as_bytes();
        let mut reading = Reading { text, columns, record, at: 0, time: None };
        let mut taken = Taken { span: Span::default(), kind: Kind::Text, odd: false };
        for (nth, step) in self.steps.iter().enumerate() {
            let fits = step.literal.stands_at(bytes, reading.at);
            reading.at += step.literal.len();
            if !fits || !reading.step(step, &mut taken) {
                return Err(Misfit { steps: nth + 1, bytes: reading.at });
            }
        }
        let Reading { at, time, .. } = reading;
        let known = time.is_some() || self.when != When::Field || self.stream.is_none();
        match line_end(bytes, at).filter(|_| known) {
            Some(next) => Ok(Fit { len: at, next, time }),
            None => Err(Misfit { steps: self.steps.len(), bytes: at }),
        }
    }
}

/// Where the next line begins, if this one ends at `at`.
#[inline(always)]
fn line_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at..)? {
        [] | [b'\r'] => Some(bytes.len()),
        [b'\n', ..] => Some(at + 1),
        [b'\r', b'\n', ..] => Some(at + 2),
        _ => None,
    }
}

struct Reading<'r> {
    text: &'r str,
    columns: &'r mut Columns,
    record: &'r mut Record,
    at: usize,
    time: Option<TimeUs>,
}

impl<'r> Reading<'r> {
    /// Takes the value of a step to where it belongs; `false` if it doesn't fit.
    #[inline(always)]
    fn step(&mut self, step: &Step, taken: &mut Taken) -> bool {
        match step.take {
            Take::Nothing => return true,
            Take::Again => {}
            Take::Itself => *taken = self.in_line(self.at - step.literal.len(), self.at, Kind::Text),
            Take::Text => {
                let (start, end) = (self.at, string_end(self.text.as_bytes(), self.at));
                self.at = end;
                *taken = self.in_line(start, end, Kind::Text);
                if byte(self.text.as_bytes(), end) != b'"' || end - start > Limits::VALUE_BYTES {
                    match self.odd_text(start, end) {
                        Some(odd) => *taken = odd,
                        None => return false,
                    }
                }
            }
            Take::Number => {
                let start = self.at;
                let Some(end) = skip::number(self.text.as_bytes(), start) else { return false };
                self.at = end;
                *taken = self.in_line(start, end, Kind::Number);
            }
            Take::Any(depth) => return self.any(depth),
            Take::Flat(flat) => return self.flat(flat, step.role, taken),
        }
        if taken.odd { self.odd_role(step.role, taken.span) } else { self.role(step.role, *taken) }
    }

    /// A value of a flat format. What is long is left to the general way.
    #[inline(always)]
    fn flat(&mut self, flat: Flat, role: Role, taken: &mut Taken) -> bool {
        let start = self.at;
        let Some((end, behind)) = flat.end(self.text.as_bytes(), start) else { return false };
        self.at = behind;
        if flat.is_time() {
            self.time = flat.time(self.text.get(start..end).unwrap_or_default());
            return self.time.is_some();
        }
        *taken = self.in_line(start, end, Kind::Text);
        end - start <= Limits::VALUE_BYTES && self.role(role, *taken)
    }

    #[inline(always)]
    fn in_line(&self, start: usize, end: usize, kind: Kind) -> Taken {
        Taken { span: Span::of_line(start, end), kind, odd: false }
    }

    /// Uses a short value that stands in the line as it is.
    #[inline(always)]
    fn role(&mut self, role: Role, taken: Taken) -> bool {
        let start = taken.span.start() as usize;
        let value = || self.text.get(start..start + taken.span.len()).unwrap_or_default();
        match role {
            Role::Skip => {}
            Role::Place(place) => {
                self.columns.spans[usize::from(place) % self.columns.spans.len()] = taken.span
            }
            Role::Amount { sum, scale, name } => {
                let amount = parse_decimal(value().as_bytes(), scale);
                self.amount(sum, amount.ok().map(Money), name);
            }
            Role::Currency(place) => {
                let [a, b, c] = *value().as_bytes() else { return self.odd_role(role, taken.span) };
                if ![a, b, c].iter().all(u8::is_ascii_uppercase) {
                    return self.odd_role(role, taken.span);
                }
                self.columns.spans[usize::from(place) % self.columns.spans.len()] = taken.span;
            }
            Role::Time => {
                let text = value();
                self.time =
                    if taken.kind == Kind::Number { time::from_number(text) } else { time::from_text(text) };
                return self.time.is_some();
            }
        }
        true
    }

    #[inline(always)]
    fn amount(&mut self, sum: u8, amount: Option<Money>, name: u8) {
        if amount.is_none() {
            self.columns.note(usize::from(name));
        }
        self.columns.amounts[usize::from(sum) % Limits::SUMS] = amount;
    }

    /// A string with escapes, or a long one.
    #[cold]
    fn odd_text(&mut self, start: usize, end: usize) -> Option<Taken> {
        let (span, behind) = match byte(self.text.as_bytes(), end) {
            b'"' => (Span::of_line(start, end), end + 1),
            b'\\' => unescaped(self.text, start, end, self.record)?,
            _ => return None,
        };
        self.at = behind - 1;
        Some(Taken { span, kind: Kind::Text, odd: true })
    }

    /// Uses a text as the general way would.
    #[cold]
    fn odd_role(&mut self, role: Role, span: Span) -> bool {
        let text = self.text;
        match role {
            Role::Skip => {}
            Role::Place(place) => {
                let place = usize::from(place);
                let span = if Columns::is_cut(place) { cut(text, self.record, span) } else { span };
                self.columns.spans[place] = span;
            }
            Role::Amount { sum, scale, name } => {
                let amount = parse_decimal(self.record.text(text, span).as_bytes(), scale);
                self.amount(sum, amount.ok().map(Money), name);
            }
            Role::Currency(place) => match currency_code(text, self.record, Value::new(Kind::Text, span)) {
                Some(code) => self.columns.spans[usize::from(place)] = code,
                None => return false,
            },
            Role::Time => {
                self.time = time::from_text(self.record.text(text, span));
                return self.time.is_some();
            }
        }
        true
    }

    /// Checks a value that nobody wants.
    #[inline(always)]
    fn any(&mut self, depth: u8) -> bool {
        let bytes = self.text.as_bytes();
        let end = match byte(bytes, self.at) {
            // A composite ends inside its line; white space there could be a line's end.
            b'{' | b'[' => {
                let rest = bytes.get(self.at..).unwrap_or_default();
                let line = self.at + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                skip::value(bytes.get(..line).unwrap_or_default(), self.at, depth)
            }
            _ => skip::value(bytes, self.at, depth),
        };
        self.at = end.unwrap_or(self.at);
        end.is_some()
    }
}
