//! The watched slices: found in the rows' keys, each with a dense id.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::{RowView, SeriesKey, Slice, SliceId, StreamSpec};

/// Keys remembered with their slices; beyond, the memory is cleared and filled anew.
const MEMO_KEYS: usize = 262_144;
/// A key in a grouping that is not judged because the table is full.
const REFUSED: u32 = u32::MAX;

/// Slices and their ids. Ids are dense; that of a retired slice is given to a later one.
#[derive(Debug)]
pub struct SliceTable {
    watch: Vec<Vec<usize>>,
    names: Vec<String>,
    slices: Vec<Option<Arc<Slice>>>,
    /// The grouping that each slice belongs to.
    grouping: Vec<usize>,
    ids: HashMap<Arc<Slice>, SliceId>,
    /// Those of the first grouping.
    first: BTreeSet<SliceId>,
    vacant: BTreeSet<SliceId>,
    limit: usize,
    refused_keys: u64,
    /// Slices found since they were last asked for.
    found: Vec<SliceId>,
    /// Address of a key → its place in `keys`, and times the number of groupings in `judged`.
    memo: HashMap<usize, usize, foldhash::fast::RandomState>,
    /// Held so that no address is used twice.
    keys: Vec<Arc<SeriesKey>>,
    judged: Vec<u32>,
}

impl SliceTable {
    /// The table of a stream; the whole stream is there from the start if it is watched.
    pub fn new(stream: &StreamSpec, limit: usize) -> SliceTable {
        let mut table = SliceTable {
            watch: stream.watch.clone(),
            names: stream.dimensions.iter().map(|d| d.name.clone()).collect(),
            slices: Vec::new(),
            grouping: Vec::new(),
            ids: HashMap::new(),
            first: BTreeSet::new(),
            vacant: BTreeSet::new(),
            limit,
            refused_keys: 0,
            found: Vec::new(),
            memo: HashMap::default(),
            keys: Vec::new(),
            judged: Vec::new(),
        };
        if stream.watch.iter().any(Vec::is_empty) {
            table.insert(Slice::default());
        }
        table
    }

    /// The slice of an id; `None` if it is unknown or retired.
    pub fn get(&self, id: SliceId) -> Option<&Arc<Slice>> {
        self.slices.get(id.index())?.as_ref()
    }

    /// The id of a slice.
    pub fn find(&self, slice: &Slice) -> Option<SliceId> {
        self.ids.get(slice).copied()
    }

    /// Known slices in id order.
    pub fn iter(&self) -> impl Iterator<Item = (SliceId, &Arc<Slice>)> {
        let numbered = self.slices.iter().enumerate();
        numbered.filter_map(|(at, slice)| Some((SliceId(at as u32), slice.as_ref()?)))
    }

    /// The groupings that are watched.
    pub(super) fn groupings(&self) -> &[Vec<usize>] {
        &self.watch
    }

    /// The place of a slice's grouping among them.
    pub(super) fn grouping_at(&self, id: SliceId) -> usize {
        self.grouping[id.index()]
    }

    /// Known slices.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether nothing is watched yet.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Ids given so far, those of retired slices too: the length of columns over slices.
    pub fn slots(&self) -> usize {
        self.slices.len()
    }

    /// Keys of a grouping that are not judged because the table was full when they came.
    pub fn refused_keys(&self) -> u64 {
        self.refused_keys
    }

    /// The id of a slice, made if there is room and its grouping is watched.
    pub fn insert(&mut self, slice: Slice) -> Option<SliceId> {
        if let Some(id) = self.find(&slice) {
            return Some(id);
        }
        if self.grouping_of(&slice).is_none() || self.ids.len() >= self.limit {
            return None;
        }
        let id = self.vacant.pop_first().unwrap_or(SliceId(self.slices.len() as u32));
        if id.index() == self.slices.len() {
            self.slices.push(None);
            self.grouping.push(0);
        }
        self.place(id, Arc::new(slice));
        self.found.push(id);
        Some(id)
    }

    /// Puts a saved table back: slot by slot, those that are no longer watched stay vacant. Tells which came back.
    pub fn restore(&mut self, slots: &[Option<Arc<Slice>>]) -> Vec<bool> {
        (self.slices, self.grouping) = (vec![None; slots.len()], vec![0; slots.len()]);
        self.ids.clear();
        self.first.clear();
        self.found.clear();
        self.forget_keys();
        self.vacant = (0..slots.len() as u32).map(SliceId).collect();
        let mut kept = vec![false; slots.len()];
        for (at, slice) in slots.iter().enumerate() {
            let Some(slice) = slice.as_ref().filter(|slice| self.grouping_of(slice).is_some()) else {
                continue;
            };
            self.vacant.remove(&SliceId(at as u32));
            self.place(SliceId(at as u32), Arc::clone(slice));
            kept[at] = true;
        }
        kept
    }

    /// What [`SliceTable::restore`] takes: the slice of each id, `None` where it is vacant.
    pub fn save(&self) -> Vec<Option<Arc<Slice>>> {
        self.slices.clone()
    }

    fn place(&mut self, id: SliceId, slice: Arc<Slice>) {
        self.grouping[id.index()] = self.grouping_of(&slice).unwrap_or(0);
        if self.grouping[id.index()] == 0 {
            self.first.insert(id);
        }
        self.slices[id.index()] = Some(Arc::clone(&slice));
        self.ids.insert(slice, id);
    }

    /// Forgets a slice; its id may be given again.
    pub fn retire(&mut self, id: SliceId) {
        if let Some(slice) = self.slices.get_mut(id.index()).and_then(Option::take) {
            self.ids.remove(&slice);
            self.first.remove(&id);
            self.vacant.insert(id);
            self.forget_keys();
        }
    }

    /// Slices of the first watched grouping: together they are the stream.
    pub fn first_grouping(&self) -> impl Iterator<Item = SliceId> {
        self.first.iter().copied()
    }

    /// Slices found since the last call.
    pub(super) fn take_found(&mut self) -> Vec<SliceId> {
        std::mem::take(&mut self.found)
    }

    /// Adds up the watched rows per slice; `observed` grows to one figure per id.
    pub fn roll_up<'a>(&mut self, rows: impl IntoIterator<Item = RowView<'a>>, observed: &mut Vec<i64>) {
        observed.clear();
        observed.resize(self.slots(), 0);
        let groupings = self.watch.len();
        let mut next = 0;
        for row in rows.into_iter().filter(|row| row.key.watched) {
            let place = self.remembered(row.key, next);
            next = place + 1;
            if observed.len() < self.slots() {
                observed.resize(self.slots(), 0);
            }
            let at = place * groupings;
            for id in self.judged[at..at + groupings].iter().filter(|id| **id != REFUSED) {
                observed[*id as usize] += row.count;
            }
        }
    }

    /// As [`SliceTable::roll_up`], of rows that are only looked at: what is in them for the first time is left out,
    /// and nothing becomes known by it.
    pub(super) fn peek<'a>(&mut self, rows: impl IntoIterator<Item = RowView<'a>>, observed: &mut Vec<i64>) {
        observed.clear();
        observed.resize(self.slots(), 0);
        let groupings = self.watch.len();
        for row in rows.into_iter().filter(|row| row.key.watched) {
            let memo = self.memo.get(&(Arc::as_ptr(row.key) as usize)).copied();
            if let Some(at) = memo.or_else(|| self.recall(row.key)) {
                let ids = &self.judged[at * groupings..][..groupings];
                ids.iter().filter(|id| **id != REFUSED).for_each(|id| observed[*id as usize] += row.count);
                continue;
            }
            for grouping in 0..groupings {
                if let Some(id) = self.find(&self.slice_of(row.key, grouping)) {
                    observed[id.index()] += row.count;
                }
            }
        }
    }

    /// Puts a key whose slices are all known into the memo.
    fn recall(&mut self, key: &Arc<SeriesKey>) -> Option<usize> {
        let is_known = |grouping: usize| self.ids.contains_key(&self.slice_of(key, grouping));
        let all = self.keys.len() < MEMO_KEYS && (0..self.watch.len()).all(is_known);
        all.then(|| self.remembered(key, usize::MAX))
    }

    /// The place of a key in the memo: mostly `next`, since minutes have their keys in the same order, else
    /// one lookup for a known key.
    fn remembered(&mut self, key: &Arc<SeriesKey>, next: usize) -> usize {
        if self.keys.get(next).is_some_and(|known| Arc::ptr_eq(known, key)) {
            return next;
        }
        let address = Arc::as_ptr(key) as usize;
        if let Some(at) = self.memo.get(&address) {
            return *at;
        }
        if self.keys.len() >= MEMO_KEYS {
            self.forget_keys();
        }
        let at = self.keys.len();
        for grouping in 0..self.watch.len() {
            let id = self.insert(self.slice_of(key, grouping));
            self.refused_keys += u64::from(id.is_none());
            self.judged.push(id.map_or(REFUSED, |id| id.0));
        }
        self.keys.push(Arc::clone(key));
        self.memo.insert(address, at);
        at
    }

    fn forget_keys(&mut self) {
        self.memo.clear();
        self.keys.clear();
        self.judged.clear();
    }

    fn slice_of(&self, key: &SeriesKey, grouping: usize) -> Slice {
        let condition = |at: &usize| (self.names[*at].clone(), key.dimensions[*at].to_string());
        Slice(self.watch[grouping].iter().map(condition).collect())
    }

    fn grouping_of(&self, slice: &Slice) -> Option<usize> {
        let same = |dimensions: &Vec<usize>| {
            dimensions.len() == slice.0.len()
                && dimensions.iter().all(|at| slice.0.contains_key(&self.names[*at]))
        };
        self.watch.iter().position(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SealedRow, SealedRows};

    fn row(values: [&str; 4], watched: bool, count: i64) -> SealedRow {
        let dimensions = values.map(Arc::from).into();
        let key = Arc::new(SeriesKey { dimensions, currencies: Box::default(), watched });
        SealedRow { key, count, sums: Box::default(), sketches: Box::default() }
    }

    #[test]
    fn rows_add_up_to_every_watched_grouping() {
        let mut table = SliceTable::new(&StreamSpec::example(), 100);
        let rows = SealedRows::from(vec![
            row(["US", "web", "card", "placed"], true, 3),
            row(["US", "app", "card", "placed"], true, 4),
            row(["DE", "web", "card", "failed"], false, 50),
        ]);
        let mut observed = Vec::new();
        for _ in 0..2 {
            table.roll_up(&rows, &mut observed);
            let of = |slice: Slice| observed[table.find(&slice).expect("known").index()];
            assert_eq!(of(Slice::default()), 7);
            assert_eq!(of(Slice::of([("marketplace", "US")])), 7);
            assert_eq!(of(Slice::of([("marketplace", "US"), ("feature", "app")])), 4);
            assert_eq!(table.find(&Slice::of([("marketplace", "DE")])), None);
            assert_eq!(table.len(), 6);
        }
        let mut seen = Vec::new();
        let new = row(["DE", "web", "card", "placed"], true, 9);
        table.peek(&SealedRows::from(vec![rows.row(0).to_row(), new]), &mut seen);
        let of = |slice: Slice| seen[table.find(&slice).expect("known").index()];
        assert_eq!((of(Slice::default()), of(Slice::of([("feature", "web")]))), (12, 12));
        assert_eq!(
            (of(Slice::of([("marketplace", "US")])), table.len()),
            (3, 6),
            "nothing is made by a look"
        );
        assert_eq!(table.get(SliceId(0)).map(|slice| &**slice), Some(&Slice::default()));
        assert_eq!(table.first_grouping().collect::<Vec<_>>(), [SliceId(0)]);
    }

    #[test]
    fn a_full_table_refuses_and_a_retired_id_is_used_again() {
        let mut table = SliceTable::new(&StreamSpec::example(), 2);
        let mut observed = Vec::new();
        table.roll_up(&SealedRows::from(vec![row(["US", "web", "card", "placed"], true, 3)]), &mut observed);
        assert_eq!((table.len(), table.refused_keys()), (2, 2));
        assert_eq!(observed, [3, 3]);
        table.retire(SliceId(1));
        table.roll_up(&SealedRows::from(vec![row(["DE", "web", "card", "placed"], true, 5)]), &mut observed);
        assert_eq!(table.get(SliceId(1)).map(|slice| &**slice), Some(&Slice::of([("marketplace", "DE")])));
        assert_eq!(observed, [5, 5]);
    }
}
