//! `ebbd report`: what is stored of one incident, as a page, as Markdown, as JSON.
//!
//! In: a [`Dossier`]: alarm records, verdicts, markers, sources. Out: an [`Account`] (figures and sentences), and
//! the three texts made of it. The same dossier gives the same bytes. Must not know: where it was stored, the time
//! of day, the reader's zone: all times are UTC and say so.

mod account;
mod axis;
mod build;
mod chart;
mod html;
mod markdown;
mod pieces;
mod sentences;
mod series;
#[cfg(test)]
mod tests;
mod timeline;
mod trust;

use std::ops::Range;

use crate::alarm::AlarmRecord;
use crate::columns::{SourceRow, StoredVerdict};
use crate::model::{Mark, Minute, Slice, TimeUs};

pub use account::{
    Absence, Account, Happening, Loudness, Marker, Mended, Point, Series, Span, Suspect, Trust,
};
pub use html::html;
pub use markdown::markdown;

/// Minutes shown before the onset.
const MINUTES_BEFORE: i32 = 60;
/// Minutes shown behind the end.
const MINUTES_BEHIND: i32 = 30;

/// Everything that is stored of an incident.
#[derive(Clone, Debug, Default)]
pub struct Dossier {
    /// Its alarm's records, oldest first; none of an incident that was missed.
    pub records: Vec<AlarmRecord>,
    /// The stream.
    pub stream: String,
    /// The slice that it is about.
    pub slice: Slice,
    /// From the first minute of it up to the first behind it.
    pub from: Minute,
    /// See `from`; of an open alarm the first minute that nothing is known of.
    pub to: Minute,
    /// The stream's dimensions, in the order in which people know them.
    pub dimensions: Vec<String>,
    /// Verdicts of the slice, and of those that are shown beside it, within [`Dossier::shown`].
    pub verdicts: Vec<StoredVerdict>,
    /// Markers within it.
    pub marks: Vec<Mark>,
    /// What the sources were doing within it.
    pub sources: Vec<SourceRow>,
    /// What could not be fetched, in sentences.
    pub notes: Vec<String>,
}

impl Dossier {
    /// What is known of an alarm by its records alone: the rest is to be fetched.
    pub fn of(records: Vec<AlarmRecord>) -> Option<Dossier> {
        let newest = records.last()?;
        let at = |text: &str| crate::alarm::block::instant(text);
        let last = at(&newest.minute)?.minute().next();
        let onset = newest.onset.as_ref().and_then(|onset| at(&onset[1]));
        let first = records.first().and_then(|record| at(&record.minute));
        let from = onset.or(first).map_or(last, TimeUs::minute);
        let to = newest.ended.as_deref().and_then(at).map_or(last, TimeUs::minute);
        let (stream, slice) = (newest.stream.clone(), newest.slice.clone());
        Some(Dossier { stream, slice, from, to: to.max(from.next()), records, ..Dossier::default() })
    }

    /// The minutes of which something is to be fetched: the incident with something before and behind it.
    pub fn shown(&self) -> Range<Minute> {
        self.from.plus(-MINUTES_BEFORE)..self.to.plus(MINUTES_BEHIND)
    }

    /// Of [`Dossier::shown`] what is drawn: where the verdicts begin later or end sooner, no empty space is left
    /// for it, but for the incident itself.
    fn drawn(&self) -> Range<Minute> {
        let (shown, minutes) = (self.shown(), || self.verdicts.iter().map(|verdict| verdict.minute));
        let (Some(first), Some(last)) = (minutes().min(), minutes().max()) else { return shown };
        shown.start.max(first.min(self.from))..shown.end.min(last.next().max(self.to))
    }

    /// Whether verdicts of a slice are of use: those above and below the incident's, and its siblings, which
    /// differ in one value.
    pub fn wants(&self, slice: &Slice) -> bool {
        let is_sibling = || {
            let differ =
                self.slice.0.iter().filter(|(name, value)| slice.0.get(*name) != Some(value)).count();
            slice.0.len() == self.slice.0.len()
                && differ == 1
                && slice.0.keys().all(|name| self.slice.0.contains_key(name))
        };
        self.needs(slice) || self.slice.contains(slice) || is_sibling()
    }

    /// Whether verdicts of a slice are needed: the incident's own, those above it, its causes.
    pub fn needs(&self, slice: &Slice) -> bool {
        let causes = self.records.iter().flat_map(|record| &record.causes);
        slice.contains(&self.slice) || causes.into_iter().any(|cause| cause.slice == *slice)
    }
}
