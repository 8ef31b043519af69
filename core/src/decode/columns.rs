//! The columns of one event, worked out of a record or straight off a line by a learned shape.
//!
//! In: a record's values and what a stream wants of them. Out: for every column the place of its text,
//! amounts in minor units, and which fields can't be used. Must not know: how the line was read.

use crate::model::{Limits, Money, Weight, parse_decimal};

use super::layout::{FieldId, Layout};
use super::mapping::{StreamPlan, SumPlan};
use super::record::{Kind, Record, Span, Value};
use super::usual::{self, LastMinute};

/// Place of the first dimension in [`Columns::spans`].
pub(super) const DIMENSIONS_AT: usize = 0;
/// Place of the first sum's currency.
pub(super) const CURRENCIES_AT: usize = DIMENSIONS_AT + Limits::DIMENSIONS;
/// Place of the first distinct value.
pub(super) const DISTINCTS_AT: usize = CURRENCIES_AT + Limits::SUMS;
/// Place of the sending host.
pub(super) const ORIGIN_AT: usize = DISTINCTS_AT + Limits::DISTINCTS;
/// Place of the first part of the identity; the places behind it are all for such parts.
pub(super) const IDS_AT: usize = ORIGIN_AT + 1;
/// The place behind the last one: of what nobody reads.
pub(super) const NOWHERE: usize = 63;
/// Places there are, that one included.
pub(super) const PLACES: usize = NOWHERE + 1;

/// What had to be worked out of the values of one event. Reused from line to line.
#[derive(Debug)]
pub(super) struct Columns {
    /// The texts: dimensions, currencies, distincts, origin, parts of the identity, each at its place.
    pub(super) spans: [Span; PLACES],
    /// Amounts by sum; `None` if missing or bad.
    pub(super) amounts: [Option<Money>; Limits::SUMS],
    /// Parts of the identity for which `spans` has no place: of a strange configuration.
    pub(super) more_ids: Vec<Span>,
    /// How many events the line stands for.
    pub(super) weight: Weight,
    /// Fields that can't be used, as bits by place in [`StreamPlan::names`].
    pub(super) bad: u64,
    /// The minute of the last date.
    pub(super) last_minute: LastMinute,
    /// The shape that filled it last; 0 for none. Others have other columns.
    shape: u64,
}

impl Default for Columns {
    fn default() -> Columns {
        Columns {
            spans: [Span::default(); PLACES],
            amounts: [None; Limits::SUMS],
            more_ids: Vec::new(),
            weight: Weight::ONE,
            bad: 0,
            last_minute: LastMinute::default(),
            shape: 0,
        }
    }
}

impl Columns {
    /// Empties every column.
    pub(super) fn clear(&mut self) {
        self.spans = [Span::default(); PLACES];
        self.amounts = [None; Limits::SUMS];
        self.more_ids.clear();
        self.weight = Weight::ONE;
        self.bad = 0;
        self.shape = 0;
    }

    /// Makes ready for the shape of this number, all of whose lines fill the same columns.
    #[inline(always)]
    pub(super) fn prepare(&mut self, shape: u64, weight: Weight) {
        if self.shape != shape {
            self.clear();
            self.weight = weight;
            self.shape = shape;
        }
        self.bad = 0;
    }

    /// Whether long texts are cut at this place.
    pub(super) fn is_cut(place: usize) -> bool {
        place < CURRENCIES_AT || place == ORIGIN_AT
    }

    /// Works out the columns of `plan` from `record`.
    pub(super) fn fill(&mut self, line: &str, layout: &Layout, plan: &StreamPlan, record: &mut Record) {
        // All that a plan wants is set below, so that nothing of the last line is left.
        self.prepare(u64::MAX - plan.id.index() as u64, record.weight);
        self.weight = record.weight;
        self.more_ids.clear();
        for (i, &field) in plan.dimensions.iter().enumerate().take(Limits::DIMENSIONS) {
            let value = layout.value(record, field);
            self.note_composite(value, i);
            self.spans[DIMENSIONS_AT + i] = cut(line, record, value.span);
        }
        for (i, sum) in plan.sums.iter().enumerate().take(Limits::SUMS) {
            self.fill_sum(line, layout, plan, (i, sum), record);
        }
        for (i, &field) in plan.distincts.iter().enumerate().take(Limits::DISTINCTS) {
            let value = layout.value(record, field);
            self.note_composite(value, plan.distinct_name(i));
            self.spans[DISTINCTS_AT + i] = value.span;
        }
        let origin = plan.origin.map(|field| layout.value(record, field).span).unwrap_or_default();
        self.spans[ORIGIN_AT] = cut(line, record, origin);
        self.fill_ids(layout, &plan.ids, record);
    }

    fn fill_ids(&mut self, layout: &Layout, fields: &[FieldId], record: &Record) {
        let mut places = self.spans[IDS_AT..NOWHERE].iter_mut();
        for &field in fields {
            let span = layout.value(record, field).span;
            match places.next() {
                Some(place) => *place = span,
                None => self.more_ids.push(span),
            }
        }
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
        let mut amount = match usual_amount(line, value, sum.scale) {
            Some(money) => Ok(Some(money)),
            None => amount(record.text(line, value.span), value.kind, sum.scale),
        };
        let currency = sum.currency.map(|field| layout.value(record, field)).unwrap_or_default();
        let currency = currency_code(line, record, currency);
        if currency.is_none() {
            self.note(plan.currency_name(i));
            amount = amount.and_then(|present| if present.is_some() { Err(Bad) } else { Ok(None) });
        }
        if amount.is_err() {
            self.note(plan.sum_name(i));
        }
        self.amounts[i] = amount.unwrap_or_default();
        self.spans[CURRENCIES_AT + i] = currency.unwrap_or_default();
    }

    #[inline(always)]
    fn note_composite(&mut self, value: Value, name: usize) {
        if value.kind == Kind::Composite {
            self.note(name);
        }
    }

    /// Streams have at most 44 names; what a wrong configuration has beyond 64 goes unnamed.
    pub(super) fn note(&mut self, name: usize) {
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

/// The amount of a value that stands in the line and is written as nearly all are.
#[inline(always)]
fn usual_amount(line: &str, value: Value, scale: u8) -> Option<Money> {
    let units = value.span.read(line, |bytes, at| usual::amount(bytes, at, scale))?;
    matches!(value.kind, Kind::Text | Kind::Number).then_some(Money(units))
}

/// Three ASCII letters, upper-cased; empty if missing or empty; `None` if bad.
pub(super) fn currency_code(line: &str, record: &mut Record, value: Value) -> Option<Span> {
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

/// `span`, or where it is longer than a dimension's value may be, its beginning and `…`.
#[inline]
pub(super) fn cut(line: &str, record: &mut Record, span: Span) -> Span {
    if span.len() <= Limits::VALUE_BYTES {
        return span;
    }
    record.rewrite(line, span, |text, arena| shorten(text, Limits::VALUE_BYTES, arena))
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
