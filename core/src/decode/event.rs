//! An event as its stream sees it: borrowed from the block and the decoder's scratch memory.

use crate::model::{Money, StreamId, TimeUs, Weight};

use super::columns::{CURRENCIES_AT, Columns, DIMENSIONS_AT, DISTINCTS_AT, IDS_AT, NOWHERE, ORIGIN_AT};
use super::mapping::StreamPlan;
use super::record::{ARENA, Span};

/// One event. It dies with its block and with the decoder's next call.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// From the beginning of the event's line to wherever its block ends.
    pub(super) text: &'a str,
    /// Texts that don't stand in the line as they are.
    pub(super) arena: &'a str,
    pub(super) time: TimeUs,
    pub(super) plan: &'a StreamPlan,
    pub(super) columns: &'a Columns,
}

/// A value where it stands: `whole[start..start + len]`, always inside `whole`. What lies around it may
/// be read, too, so that a short value can be taken with one wide load.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The bytes among which it stands.
    pub whole: &'a [u8],
    /// Where it begins.
    pub start: usize,
    /// Its length in bytes.
    pub len: usize,
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
        self.columns.weight
    }

    /// The value of dimension `i` in column order; `""` if missing or bad. At most
    /// [`VALUE_BYTES`](crate::model::Limits::VALUE_BYTES) long.
    pub fn dimension(&self, i: usize) -> &'a str {
        self.text_at(DIMENSIONS_AT, i, CURRENCIES_AT)
    }

    /// [`Event::dimension`] where it stands, as bytes.
    pub fn dimension_place(&self, i: usize) -> Place<'a> {
        self.place(self.span_at(DIMENSIONS_AT, i, CURRENCIES_AT))
    }

    /// The amount of sum `i` in minor units; `None` if missing or bad.
    pub fn amount(&self, i: usize) -> Option<Money> {
        self.columns.amounts.get(i).copied().flatten()
    }

    /// The currency of sum `i`: three upper-case letters, or `""` if there is none or it is bad.
    pub fn currency(&self, i: usize) -> &'a str {
        self.text_at(CURRENCIES_AT, i, DISTINCTS_AT)
    }

    /// [`Event::currency`] where it stands, as bytes.
    pub fn currency_place(&self, i: usize) -> Place<'a> {
        self.place(self.span_at(CURRENCIES_AT, i, DISTINCTS_AT))
    }

    /// The value of distinct `i`; `None` if missing, empty or bad.
    pub fn distinct(&self, i: usize) -> Option<&'a str> {
        let text = self.text_at(DISTINCTS_AT, i, ORIGIN_AT);
        (!text.is_empty()).then_some(text)
    }

    /// [`Event::distinct`] where it stands, as bytes; empty if there is none.
    pub fn distinct_place(&self, i: usize) -> Place<'a> {
        self.place(self.span_at(DISTINCTS_AT, i, ORIGIN_AT))
    }

    /// The sending host; `""` if unnamed.
    pub fn origin(&self) -> &'a str {
        self.text_at(ORIGIN_AT, 0, IDS_AT)
    }

    /// [`Event::origin`] where it stands, as bytes.
    pub fn origin_place(&self) -> Place<'a> {
        self.place(self.columns.spans[ORIGIN_AT])
    }

    /// Part `i` of the event's identity, whole; `""` if missing.
    pub fn id_part(&self, i: usize) -> &'a str {
        const HERE: usize = NOWHERE - IDS_AT;
        match i.checked_sub(HERE) {
            None => self.text_at(IDS_AT, i, NOWHERE),
            Some(more) => self.text(self.columns.more_ids.get(more).copied().unwrap_or_default()),
        }
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

    /// The span of column `i` of those that begin at `first` and end before `end`.
    #[inline(always)]
    fn span_at(&self, first: usize, i: usize, end: usize) -> Span {
        if i < end - first { self.columns.spans[first + i] } else { Span::default() }
    }

    #[inline(always)]
    fn text_at(&self, first: usize, i: usize, end: usize) -> &'a str {
        self.text(self.span_at(first, i, end))
    }

    #[inline(always)]
    fn text(&self, span: Span) -> &'a str {
        let (whole, start) = self.whole(span);
        whole.get(start..start + span.len()).unwrap_or_default()
    }

    #[inline(always)]
    fn place(&self, span: Span) -> Place<'a> {
        let (whole, start) = self.whole(span);
        debug_assert!(start + span.len() <= whole.len(), "spans lie in their text");
        Place { whole: whole.as_bytes(), start, len: span.len() }
    }

    /// The text in which a span lies, and where it begins there.
    #[inline(always)]
    fn whole(&self, span: Span) -> (&'a str, usize) {
        let start = span.start();
        if start >= ARENA { (self.arena, (start - ARENA) as usize) } else { (self.text, start as usize) }
    }
}
