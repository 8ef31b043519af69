//! Funnels in the book: what a stream should have brought in another and did not is a drop of the other one,
//! with alarms of its own.

use super::book::AlarmBook;
use super::record::{AlarmRecord, Kind};
use super::scene::{Scene, SliceRow, Subject};
use crate::model::{SealedMinute, StreamSpec, TimeUs};

/// A funnel as the book knows it.
#[derive(Clone, Copy, Debug)]
pub struct FunnelSides<'a> {
    /// Its name.
    pub name: &'a str,
    /// The stream that comes first: its baskets say what is stuck.
    pub from: &'a StreamSpec,
    /// The stream that should follow, by the funnel's dimensions.
    pub to: &'a StreamSpec,
}

impl AlarmBook {
    /// Takes the verdicts of one minute of a funnel; minutes of a funnel come in ascending order. Returns the
    /// records to be sent, in order of `seq`.
    pub fn funnel(
        &mut self,
        sides: FunnelSides<'_>,
        sealed: &SealedMinute,
        rows: &[SliceRow],
        now: TimeUs,
    ) -> Vec<AlarmRecord> {
        let mut recent = self.pages.funnels.remove(sides.name).unwrap_or_default();
        recent.push(sealed.minute, rows);
        let memory = self.pages.streams.remove(&sides.from.name).unwrap_or_default();
        let marks = std::mem::take(&mut self.pages.marks);
        let subject = Subject {
            kind: Kind::Funnel,
            name: sides.name,
            view: self.context.view,
            opens: true,
            per: Some(&sides.from.name),
            priced: sides.from,
            baskets: &memory.baskets,
        };
        let scene = Scene::new((sides.to, subject), sealed, rows, now, (&recent, &marks));
        let mut records = Vec::new();
        self.falls(&scene, &mut records);
        self.pages.marks = marks;
        self.pages.streams.insert(sides.from.name.clone(), memory);
        self.pages.funnels.insert(sides.name.to_owned(), recent);
        self.put_away(sealed.minute);
        records
    }

    /// Notes a minute of history of a funnel.
    pub fn learn_funnel(&mut self, name: &str, sealed: &SealedMinute, rows: &[SliceRow]) {
        self.pages.funnels.entry(name.to_owned()).or_default().push(sealed.minute, rows);
    }
}
