//! Reading a line by a shape: literal, value, literal, value, and straight into the columns.
//!
//! In: the text of a block from the line's beginning on, and a shape. Out: the columns, and where the
//! line ends; or how far it fitted. Must not know: how shapes are learned or chosen.

use crate::model::{Limits, Money, TimeUs, parse_decimal};
use crate::simd::scan::string_end;

use super::columns::{Columns, NOWHERE, PLACES, currency_code, cut};
use super::ndjson::skip::{self, byte};
use super::ndjson::unescaped;
use super::pieces::Flat;
use super::record::{Kind, Record, Span, Value, When};
use super::shape::{Quick, Role, Shape, Step, Take};
use super::{time, usual};

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

/// Steps that beginning to read costs.
const SETUP: usize = 5;

/// The value of a step that was read the slow way.
#[derive(Clone, Copy)]
struct Taken {
    span: Span,
    kind: Kind,
}

impl Shape {
    /// Reads the line with which `text` begins. `record` lends its arena. The columns are in no state
    /// to be used if the line doesn't fit.
    #[inline(always)]
    pub(super) fn read(&self, text: &str, columns: &mut Columns, record: &mut Record) -> Result<Fit, Misfit> {
        let bytes = text.as_bytes();
        // Most lines that don't fit show it here.
        if !self.steps.first().is_some_and(|step| step.literal.stands_at(bytes, 0)) {
            return Err(Misfit { steps: 1, bytes: 0 });
        }
        columns.prepare(self.number, self.weight);
        record.clear_arena();
        let (mut at, mut time) = (0, None);
        let mut taken = Taken { span: Span::default(), kind: Kind::Text };
        for (nth, step) in self.steps.iter().enumerate() {
            let misfit = Misfit { steps: nth + SETUP, bytes: at };
            if !step.literal.stands_at(bytes, at) {
                return Err(misfit);
            }
            let start = at + step.literal.len();
            at = match quickly(&step.quick, text, start, columns) {
                Some(Done { end, stamp: None }) => end,
                Some(Done { end, stamp }) => {
                    time = stamp;
                    end
                }
                None => {
                    let mut slow = Slow { text, columns, record, at: start, time };
                    if !slow.step(step, &mut taken) {
                        return Err(misfit);
                    }
                    time = slow.time;
                    slow.at
                }
            };
        }
        let known = time.is_some() || self.when != When::Field || self.stream.is_none();
        match line_end(bytes, at).filter(|_| known) {
            Some(next) => Ok(Fit { len: at, next, time }),
            None => Err(Misfit { steps: self.steps.len(), bytes: at }),
        }
    }
}

/// What the quick way has done: where the value ends, and the time that it is, if it is one.
pub(super) struct Done {
    pub(super) end: usize,
    pub(super) stamp: Option<TimeUs>,
}

/// Takes the usual value that begins at `at` to where it belongs; `None` if it isn't a usual one.
#[inline(always)]
pub(super) fn quickly(quick: &Quick, text: &str, at: usize, columns: &mut Columns) -> Option<Done> {
    let bytes = text.as_bytes();
    let end = match *quick {
        Quick::Nothing => at,
        Quick::Text(place, other) => {
            let end = string_end(bytes, at);
            if byte(bytes, end) != b'"' || end - at > Limits::VALUE_BYTES {
                return None;
            }
            columns.spans[usize::from(place) % PLACES] = Span::of_line(at, end);
            columns.spans[usize::from(other) % PLACES] = Span::of_line(at, end);
            end
        }
        Quick::Amount { sum, scale, quoted } => {
            let (units, end) = usual::amount(bytes, at, scale)?;
            if quoted && byte(bytes, end) != b'"' {
                return None;
            }
            columns.amounts[usize::from(sum) % Limits::SUMS] = Some(Money(units));
            end
        }
        Quick::Currency(place) => {
            let [letters @ .., b'"'] = bytes.get(at..)?.first_chunk::<4>()? else { return None };
            if !letters.iter().all(u8::is_ascii_uppercase) {
                return None;
            }
            columns.spans[usize::from(place) % PLACES] = Span::of_line(at, at + 3);
            at + 3
        }
        Quick::Any(_) => {
            let end = string_end(bytes, at + 1);
            if byte(bytes, at) != b'"' || byte(bytes, end) != b'"' {
                return None;
            }
            end + 1
        }
        Quick::Stamp => return stamped(usual::stamp(bytes, at)?),
        Quick::Date => {
            let (time, end) = usual::date(bytes, at, &mut columns.last_minute)?;
            return if byte(bytes, end) == b'"' { stamped((time, end)) } else { None };
        }
        Quick::FlatTime(flat) => {
            let (end, behind) = flat.end(bytes, at)?;
            return stamped((flat.time(text.get(at..end)?)?, behind));
        }
        _ => flatly(quick, bytes, at, columns)?,
    };
    Some(Done { end, stamp: None })
}

#[inline(always)]
fn stamped((time, end): (TimeUs, usize)) -> Option<Done> {
    Some(Done { end, stamp: Some(time) })
}

/// [`quickly`] for the values of flat formats that are no times: where what follows the value begins.
#[inline(always)]
fn flatly(quick: &Quick, bytes: &[u8], at: usize, columns: &mut Columns) -> Option<usize> {
    match *quick {
        Quick::Flat(flat, place) => {
            let (end, behind) = flat.end(bytes, at)?;
            if end - at > Limits::VALUE_BYTES {
                return None;
            }
            columns.spans[usize::from(place) % PLACES] = Span::of_line(at, end);
            Some(behind)
        }
        Quick::FlatCurrency(flat, place) => {
            let (end, behind) = flat.end(bytes, at)?;
            let letters: &[u8; 3] = bytes.get(at..end)?.try_into().ok()?;
            if !letters.iter().all(u8::is_ascii_uppercase) {
                return None;
            }
            columns.spans[usize::from(place) % PLACES] = Span::of_line(at, end);
            Some(behind)
        }
        Quick::FlatAmount { flat, sum, scale } => {
            let (end, behind) = flat.end(bytes, at)?;
            let units = parse_decimal(bytes.get(at..end)?, scale).ok()?;
            columns.amounts[usize::from(sum) % Limits::SUMS] = Some(Money(units));
            Some(behind)
        }
        _ => None,
    }
}

/// Where the next line begins, if this one ends at `at`.
#[inline(always)]
pub(super) fn line_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at..)? {
        [] | [b'\r'] => Some(bytes.len()),
        [b'\n', ..] => Some(at + 1),
        [b'\r', b'\n', ..] => Some(at + 2),
        _ => None,
    }
}

/// The way of all values that are not as usual.
struct Slow<'r> {
    text: &'r str,
    columns: &'r mut Columns,
    record: &'r mut Record,
    at: usize,
    time: Option<TimeUs>,
}

impl Slow<'_> {
    /// Takes the value of a step to where it belongs; `false` if it doesn't fit.
    #[inline(never)]
    fn step(&mut self, step: &Step, taken: &mut Taken) -> bool {
        let bytes = self.text.as_bytes();
        let start = self.at;
        match step.take {
            Take::Nothing => return true,
            Take::Again => {}
            Take::Itself => {
                let span = Span::of_line(start - step.literal.len(), start);
                *taken = Taken { span, kind: Kind::Text };
            }
            Take::Text => match self.string(start) {
                Some(span) => *taken = Taken { span, kind: Kind::Text },
                None => return false,
            },
            Take::Number => {
                let Some(end) = skip::number(bytes, start) else { return false };
                self.at = end;
                *taken = Taken { span: Span::of_line(start, end), kind: Kind::Number };
            }
            Take::Any(depth) => return self.any(depth),
            Take::Flat(flat) => return self.flat(flat, step.role, taken),
        }
        let second = match step.quick {
            Quick::Text(_, other) if usize::from(other) != NOWHERE => self.role(Role::Place(other), *taken),
            _ => true,
        };
        second && self.role(step.role, *taken)
    }

    /// A value of a flat format. What is long is left to the general way.
    fn flat(&mut self, flat: Flat, role: Role, taken: &mut Taken) -> bool {
        let start = self.at;
        let Some((end, behind)) = flat.end(self.text.as_bytes(), start) else { return false };
        self.at = behind;
        if flat.is_time() {
            self.time = flat.time(self.text.get(start..end).unwrap_or_default());
            return self.time.is_some();
        }
        *taken = Taken { span: Span::of_line(start, end), kind: Kind::Text };
        end - start <= Limits::VALUE_BYTES && self.role(role, *taken)
    }

    /// A string, where it stands if it has no escapes, else unescaped into the arena.
    fn string(&mut self, start: usize) -> Option<Span> {
        let end = string_end(self.text.as_bytes(), start);
        let (span, behind) = match byte(self.text.as_bytes(), end) {
            b'"' => (Span::of_line(start, end), end + 1),
            b'\\' => unescaped(self.text, start, end, self.record)?,
            _ => return None,
        };
        self.at = behind - 1;
        Some(span)
    }

    /// Uses a value as the general way would.
    fn role(&mut self, role: Role, Taken { span, kind }: Taken) -> bool {
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
                if amount.is_err() {
                    self.columns.note(usize::from(name));
                }
                self.columns.amounts[usize::from(sum)] = amount.ok().map(Money);
            }
            Role::Currency(place) => match currency_code(text, self.record, Value::new(kind, span)) {
                Some(code) => self.columns.spans[usize::from(place)] = code,
                None => return false,
            },
            Role::Time => {
                let value = self.record.text(text, span);
                self.time =
                    if kind == Kind::Number { time::from_number(value) } else { time::from_text(value) };
                return self.time.is_some();
            }
        }
        true
    }

    /// Checks a value that nobody wants.
    fn any(&mut self, depth: u8) -> bool {
        let end = skip::value(self.text.as_bytes(), self.at, depth);
        self.at = end.unwrap_or(self.at);
        end.is_some()
    }
}
