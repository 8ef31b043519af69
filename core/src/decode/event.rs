//! An event as its stream sees it: borrowed from the line and the decoder's scratch memory.

use crate::model::{Limits, Money, StreamId, TimeUs, Weight, parse_decimal};

use super::layout::{FieldId, Layout};
use super::mapping::{StreamPlan, SumPlan};
use super::record::{Kind, Record, Span, Value};

/// One event. It dies with the line and with the decoder's next call.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    pub(super) line: &'a str,
    pub(super) time: TimeUs,
    pub(super) layout: &'a Layout,
    pub(super) plan: &'a StreamPlan,
    pub(super) record: &'a Record,
    pub(super) columns: &'a Columns,
}

impl<'a> Event<'a> {
    /// The stream it belongs to.
    pub fn stream(&self) -> StreamId {
        self.plan.id
    }

    /// When it happened. Not yet judged: it may be too late or in the future.
    pub fn time(&self) -> TimeUs {
        self.time
    }

    /// How many events it stands for.
    pub fn weight(&self) -> Weight {
        self.record.weight
    }

    /// The value of dimension `i` in column order; `""` if missing or bad. At most
    /// [`Limits::VALUE_BYTES`] long.
    pub fn dimension(&self, i: usize) -> &'a str {
        self.text(self.columns.dimensions.get(i))
    }

    /// The amount of sum `i` in minor units; `None` if missing or bad.
    pub fn amount(&self, i: usize) -> Option<Money> {
        self.columns.amounts.get(i).copied().flatten()
    }

    /// The currency of sum `i`: three upper-case letters, or `""` if there is none or it is bad.
    pub fn currency(&self, i: usize) -> &'a str {
        self.text(self.columns.currencies.get(i))
    }

    /// The value of distinct `i`; `None` if missing, empty or bad.
    pub fn distinct(&self, i: usize) -> Option<&'a str> {
        let text = self.field(*self.plan.distincts.get(i)?);
        (!text.is_empty()).then_some(text)
    }

    /// The sending host; `""` if unnamed.
    pub fn origin(&self) -> &'a str {
        self.text(Some(&self.columns.origin))
    }

    /// Part `i` of the event's identity, whole; `""` if missing.
    pub fn id_part(&self, i: usize) -> &'a str {
        self.plan.ids.get(i).map_or("", |&field| self.field(field))
    }

    /// Names of dimensions, sums, currencies (`<sum>_currency`) and distincts that could not be used.
    pub fn bad_fields(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let (names, mut left) = (&self.plan.names, self.columns.bad);
        std::iter::from_fn(move || {
            let at = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            names.get(at).map(|name| &**name)
        })
    }

    fn text(&self, span: Option<&Span>) -> &'a str {
        self.record.text(self.line, span.copied().unwrap_or_default())
    }

    fn field(&self, field: FieldId) -> &'a str {
        self.text(Some(&self.layout.value(self.record, field).span))
    }
}

/// What had to be worked out of the values of one event. Reused from line to line.
#[derive(Debug, Default)]
pub(super) struct Columns {
    dimensions: Vec<Span>,
    amounts: Vec<Option<Money>>,
    currencies: Vec<Span>,
    origin: Span,
    /// Bits by place in [`StreamPlan::names`].
    bad: u64,
}

impl Columns {
    /// Works out the columns of `plan` from `record`.
    pub(super) fn fill(&mut self, line: &str, layout: &Layout, plan: &StreamPlan, record: &mut Record) {
        self.dimensions.clear();
        self.amounts.clear();
        self.currencies.clear();
        self.bad = 0;
        for (i, &field) in plan.dimensions.iter().enumerate() {
            let value = layout.value(record, field);
            self.note_composite(value, i);
            self.dimensions.push(cut(line, record, value.span, Limits::VALUE_BYTES));
        }
        for (i, sum) in plan.sums.iter().enumerate() {
            self.fill_sum(line, layout, plan, (i, sum), record);
        }
        for (i, &field) in plan.distincts.iter().enumerate() {
            self.note_composite(layout.value(record, field), plan.distinct_name(i));
        }
        let origin = plan.origin.map(|field| layout.value(record, field).span).unwrap_or_default();
        self.origin = cut(line, record, origin, Limits::VALUE_BYTES);
    }

    fn fill_sum(
        &mut self,
        line: &str,
        layout: &Layout,
        plan: &StreamPlan,
        (i, sum): (usize, &SumPlan),
        record: &mut Record,
    ) {
        let value = layout.value(record, sum.field);
        let mut amount = amount(record.text(line, value.span), value.kind, sum.scale);
        let currency = sum.currency.map(|field| layout.value(record, field)).unwrap_or_default();
        let currency = currency_code(line, record, currency);
        if currency.is_none() {
            self.note(plan.currency_name(i));
            amount = amount.and_then(|present| if present.is_some() { Err(Bad) } else { Ok(None) });
        }
        if amount.is_err() {
            self.note(plan.sum_name(i));
        }
        self.amounts.push(amount.unwrap_or_default());
        self.currencies.push(currency.unwrap_or_default());
    }

    fn note_composite(&mut self, value: Value, name: usize) {
        if value.kind == Kind::Composite {
            self.note(name);
        }
    }

    /// Streams have at most 44 names; what a wrong configuration has beyond 64 goes unnamed.
    fn note(&mut self, name: usize) {
        self.bad |= u32::try_from(name).ok().and_then(|bit| 1u64.checked_shl(bit)).unwrap_or(0);
    }
}

/// A field that is there and can't be used.
struct Bad;

/// The amount of a value: straight from its digits, no float involved.
fn amount(text: &str, kind: Kind, scale: u8) -> Result<Option<Money>, Bad> {
    match kind {
        Kind::Missing => Ok(None),
        Kind::Text | Kind::Number => {
            parse_decimal(text.as_bytes(), scale).map(|units| Some(Money(units))).map_err(|_| Bad)
        }
        Kind::Bool | Kind::Composite => Err(Bad),
    }
}

/// Three ASCII letters, upper-cased; empty if missing or empty; `None` if bad.
fn currency_code(line: &str, record: &mut Record, value: Value) -> Option<Span> {
    if value.kind == Kind::Missing || (value.kind == Kind::Text && value.span.len() == 0) {
        return Some(Span::default());
    }
    let text = record.text(line, value.span).as_bytes();
    if value.kind != Kind::Text || text.len() != 3 || !text.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    if text.iter().all(u8::is_ascii_uppercase) {
        return Some(value.span);
    }
    Some(
        record.rewrite(line, value.span, |text, arena| {
            arena.extend(text.chars().map(|c| c.to_ascii_uppercase()))
        }),
    )
}

/// `span`, or where it is longer than `most` bytes its beginning and `…`, `most` bytes at most.
fn cut(line: &str, record: &mut Record, span: Span, most: usize) -> Span {
    if span.len() <= most {
        return span;
    }
    record.rewrite(line, span, |text, arena| shorten(text, most, arena))
}

/// Appends `text` to `out`, cut at a character so that with its `…` it is at most `most` bytes long.
pub(super) fn shorten(text: &str, most: usize, out: &mut String) {
    if text.len() <= most {
        return out.push_str(text);
    }
    let end = (0..=most.saturating_sub('…'.len_utf8())).rev().find(|&at| text.is_char_boundary(at));
    out.push_str(&text[..end.unwrap_or(0)]);
    out.push('…');
}
