//! Events of one stream that wait to be counted together.
//!
//! A series, its place and its cell each lie somewhere in memory, and with many series nowhere near. So
//! events are collected, each with what is needed to count it, while their index entries are on the way;
//! then all series are looked up, then all cells, then everything is added, in the order of arrival.

use crate::decode::Event;
use crate::intern::{SeriesTable, Tag, Word};
use crate::model::{Minute, SeriesId, StreamSpec};

/// Events that wait at most.
pub(super) const BATCH: usize = 64;
/// The series of an event that was not looked up yet.
pub(super) const NOT_YET: SeriesId = SeriesId(u32::MAX);

/// An event that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// What finds its series.
    pub(super) tag: Tag,
    /// In millionths.
    pub(super) weight: i64,
    /// Of event time.
    pub(super) minute: Minute,
    /// Where its line stands as counted.
    pub(super) tally: u32,
    /// Its series, when it is known.
    pub(super) series: SeriesId,
    /// Its cell, when it is known.
    pub(super) cell: u32,
    /// One bit per sum that has an amount.
    pub(super) amounts: u8,
}

/// The events that wait, in columns.
#[derive(Debug)]
pub(super) struct Stage {
    dimensions: usize,
    sums: usize,
    pub(super) heads: Vec<Head>,
    words: Vec<Word>,
    amounts: Vec<i64>,
}

impl Stage {
    pub(super) fn new(stream: &StreamSpec) -> Stage {
        let (dimensions, sums) = (stream.dimensions.len(), stream.sums.len());
        Stage {
            dimensions,
            sums,
            heads: Vec::with_capacity(BATCH),
            words: vec![Word::default(); BATCH * (dimensions + sums)],
            amounts: vec![0; BATCH * sums],
        }
    }

    /// Whether no event waits.
    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Whether no further event may wait.
    pub(super) fn is_full(&self) -> bool {
        self.heads.len() >= BATCH
    }

    /// Lets an event wait. Says whether its words are its whole key: if not, its series must be known
    /// before the event is gone.
    #[inline(always)]
    pub(super) fn push(
        &mut self,
        series: &SeriesTable,
        event: &Event<'_>,
        minute: Minute,
        tally: u32,
    ) -> bool {
        let at = self.heads.len();
        let width = self.dimensions + self.sums;
        let (tag, whole) = series.read_words(event, &mut self.words[at * width..][..width]);
        series.prefetch(tag);
        let mut amounts = 0;
        let places = self.amounts[at * self.sums..][..self.sums].iter_mut();
        for (sum, (place, amount)) in places.zip(event.amounts()).enumerate() {
            amounts |= u8::from(amount.is_some()) << sum;
            *place = amount.unwrap_or_default().0;
        }
        let weight = event.weight().0;
        self.heads.push(Head { tag, weight, minute, tally, series: NOT_YET, cell: 0, amounts });
        whole
    }

    /// The words of the event at `at`.
    pub(super) fn words(&self, at: usize) -> &[Word] {
        let width = self.dimensions + self.sums;
        &self.words[at * width..][..width]
    }

    /// Of all waiting events the amounts, one per sum, 0 where there is none.
    #[inline(always)]
    pub(super) fn amounts(&self) -> &[i64] {
        &self.amounts
    }

    /// Takes an amount away from an event; says whether it had one.
    pub(super) fn refuse(&mut self, at: usize, sum: usize) -> bool {
        self.amounts[at * self.sums + sum] = 0;
        self.heads[at].amounts >> sum & 1 == 1
    }

    /// Lets nobody wait any more.
    pub(super) fn clear(&mut self) {
        self.heads.clear();
    }
}
