//! One sealed minute as the book looks at it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::life::Life;
use super::marks::Marks;
use super::recent::Recent;
use super::record::Kind;
use crate::detect::{SliceVerdict, Verdict};
use crate::impact::Baskets;
use crate::localize::Cell;
use crate::model::{Minute, SealedMinute, Slice, SliceId, StreamSpec, TimeUs, View};

/// A watched slice and what the detector says of it: a row of the `slices` dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceRow {
    /// The slice.
    pub slice: Arc<Slice>,
    /// The verdict; its `slice` is the same slice as an id of the detector's table.
    pub verdict: SliceVerdict,
}

/// Whose verdicts they are.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    /// Kind of the alarms: a drop, or a funnel.
    pub(super) kind: Kind,
    /// What their keys name: the stream, or the funnel.
    pub(super) name: &'a str,
    /// What this host sees of the shop.
    pub(super) view: View,
    /// Whether what falls now may open an alarm.
    pub(super) opens: bool,
    /// The stream that should have brought the events, of a funnel.
    pub(super) per: Option<&'a str>,
    /// The stream whose baskets say what an event is worth.
    pub(super) priced: &'a StreamSpec,
    pub(super) baskets: &'a Baskets,
}

impl Subject<'_> {
    /// Whether alarms of this are about `slice`: where a host sees only a part of the shop, all that it sees is
    /// its traffic, and only shares of that can drop.
    pub(super) fn is_about(&self, slice: &Slice) -> bool {
        match (self.kind, self.view) {
            (Kind::Traffic, _) => slice.is_whole(),
            (Kind::Drop, View::Part) => !slice.is_whole(),
            _ => true,
        }
    }

    /// Whether an alarm is about this.
    pub(super) fn owns(&self, life: &Life) -> bool {
        let rest = life.key.strip_prefix(self.kind.name()).and_then(|rest| rest.strip_prefix('/'));
        let rest = rest.and_then(|rest| rest.strip_prefix(self.name));
        life.kind == self.kind && rest.is_some_and(|rest| rest.starts_with('/'))
    }
}

/// What the book knows of the minute it is looking at.
pub(super) struct Scene<'a> {
    pub(super) spec: &'a StreamSpec,
    pub(super) subject: Subject<'a>,
    pub(super) sealed: &'a SealedMinute,
    pub(super) now: TimeUs,
    pub(super) recent: &'a Recent,
    pub(super) marks: &'a Marks,
    rows: &'a [SliceRow],
    /// What the slices had since a minute, once somebody asks: many falls ask for the same.
    cells: RefCell<BTreeMap<Minute, Rc<Vec<Cell<'a>>>>>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        (spec, subject): (&'a StreamSpec, Subject<'a>),
        sealed: &'a SealedMinute,
        rows: &'a [SliceRow],
        now: TimeUs,
        (recent, marks): (&'a Recent, &'a Marks),
    ) -> Scene<'a> {
        Scene { spec, subject, sealed, now, recent, marks, rows, cells: RefCell::default() }
    }

    pub(super) fn minute(&self) -> Minute {
        self.sealed.minute
    }

    pub(super) fn no_data(&self) -> bool {
        self.sealed.completeness.no_data
    }

    pub(super) fn verdict(&self, slice: &Slice) -> Option<&'a SliceVerdict> {
        if slice.is_whole() {
            return self.rows.iter().find(|row| row.slice.is_whole()).map(|row| &row.verdict);
        }
        let id = SliceId(self.recent.id_of(slice)? as u32);
        let at = self.rows.binary_search_by_key(&id, |row| row.verdict.slice).ok();
        let row = at.map(|at| &self.rows[at]).filter(|row| *row.slice == *slice);
        row.or_else(|| self.rows.iter().find(|row| *row.slice == *slice)).map(|row| &row.verdict)
    }

    /// What may explain a shortfall: the slices that alarms of this are about, from `from` on.
    pub(super) fn cells(&self, from: Minute) -> Rc<Vec<Cell<'a>>> {
        let recent: &'a Recent = self.recent;
        let about = |cell: &Cell<'_>| self.subject.is_about(cell.slice);
        let mut cells = self.cells.borrow_mut();
        let of_them = || Rc::new(recent.cells(from).into_iter().filter(about).collect());
        Rc::clone(cells.entry(from).or_insert_with(of_them))
    }

    /// The slices whose verdict is `drop`, in canonical order.
    pub(super) fn drops(&self) -> impl Iterator<Item = (&'a Slice, &'a SliceVerdict)> {
        let falls = |row: &&SliceRow| row.verdict.verdict == Verdict::Drop;
        let drops = self
            .rows
            .iter()
            .filter(falls)
            .filter(|row| self.subject.opens && self.subject.is_about(&row.slice));
        let mut drops: Vec<_> = drops.map(|row| (&*row.slice, &row.verdict)).collect();
        drops.sort_by_key(|(slice, _)| *slice);
        drops.into_iter()
    }

    /// The entry of the calendar that declares this minute for `slice`.
    pub(super) fn declared(&self, slice: &Slice) -> Option<u16> {
        self.verdict(slice).and_then(|verdict| verdict.declared)
    }

    /// Whether falls of both are one incident: one contains the other, or both lie in the same declared period.
    pub(super) fn together(&self, a: &Slice, b: &Slice) -> bool {
        a.related(b) || self.declared(a).is_some() && self.declared(a) == self.declared(b)
    }

    /// Events missing in this minute of `slice`.
    pub(super) fn shortfall(&self, slice: &Slice) -> f64 {
        self.verdict(slice).map_or(0.0, shortfall)
    }
}

/// Expected minus observed of one minute, never negative; 0 where either is not known.
pub(super) fn shortfall(verdict: &SliceVerdict) -> f64 {
    match (verdict.observed, verdict.expected) {
        (Some(observed), Some(expected)) => (expected - observed as f64).max(0.0),
        _ => 0.0,
    }
}
