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

/// Where a value begins, its first 16 bytes and whatever follows it there, and its length: a short value
/// can be taken with one wide load.
pub type Wide<'a> = (&'a [u8; 16], usize);

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

    /// [`Event::dimension`] where it stands; `None` where only that can tell.
    #[inline(always)]
    pub fn wide_dimension(&self, i: usize) -> Option<Wide<'a>> {
        self.wide(&self.columns.spans[DIMENSIONS_AT..CURRENCIES_AT], i)
    }

    /// The amount of sum `i` in minor units; `None` if missing or bad.
    pub fn amount(&self, i: usize) -> Option<Money> {
        self.columns.amounts.get(i).copied().flatten()
    }

    /// [`Event::amount`] of every sum that there may be.
    #[inline(always)]
    pub fn amounts(&self) -> &'a [Option<Money>] {
        &self.columns.amounts
    }

    /// The currency of sum `i`: three upper-case letters, or `""` if there is none or it is bad.
    pub fn currency(&self, i: usize) -> &'a str {
        self.text_at(CURRENCIES_AT, i, DISTINCTS_AT)
    }

    /// [`Event::currency`] where it stands; `None` where only that can tell.
    #[inline(always)]
    pub fn wide_currency(&self, i: usize) -> Option<Wide<'a>> {
        self.wide(&self.columns.spans[CURRENCIES_AT..DISTINCTS_AT], i)
    }

    /// The value of distinct `i`; `None` if missing, empty or bad.
    pub fn distinct(&self, i: usize) -> Option<&'a str> {
        let text = self.text_at(DISTINCTS_AT, i, ORIGIN_AT);
        (!text.is_empty()).then_some(text)
    }

    /// [`Event::distinct`] where it stands, empty if there is none; `None` where only that can tell.
    #[inline(always)]
    pub fn wide_distinct(&self, i: usize) -> Option<Wide<'a>> {
        self.wide(&self.columns.spans[DISTINCTS_AT..ORIGIN_AT], i)
    }

    /// The sending host; `""` if unnamed.
    pub fn origin(&self) -> &'a str {
        self.text_at(ORIGIN_AT, 0, IDS_AT)
    }

    /// [`Event::origin`] where it stands; `None` where only that can tell.
    #[inline(always)]
    pub fn wide_origin(&self) -> Option<Wide<'a>> {
        self.wide(&self.columns.spans, ORIGIN_AT)
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
        let start = span.start();
        let (whole, start) =
            if start >= ARENA { (self.arena, (start - ARENA) as usize) } else { (self.text, start as usize) };
        whole.get(start..start + span.len()).unwrap_or_default()
    }

    /// The value of a span; `None` in the arena and at the very end of the text. One comparison tells both:
    /// spans of the arena begin behind all text.
    #[inline(always)]
    fn wide(&self, spans: &[Span], i: usize) -> Option<Wide<'a>> {
        let text = &self.text.as_bytes()[..self.text.len().min(ARENA as usize)];
        let (start, len) = spans.get(i).map(|span| (span.start() as usize, span.len()))?;
        Some((text.get(start..start + 16)?.first_chunk()?, len))
    }
}
