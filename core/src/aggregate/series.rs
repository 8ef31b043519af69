//! The series of a stream where all lanes meet: global ids, what each lane calls them, fractions of
//! events that are carried on.

use std::collections::HashMap;
use std::sync::Arc;

use crate::intern::{SeriesTable, Tag};
use crate::model::{Limits, SeriesId, SeriesKey, StreamSpec, TimeUs, Weight};
use crate::simd::prefetch;

use super::delta::StreamDelta;
use super::merge::When;
use super::open::{OpenMinute, Shape};
use super::order::Order;
use super::running::LaneSaved;
use super::state::{RestoreError, StreamSaved};

/// No global id yet, or none any more.
const UNMAPPED: SeriesId = SeriesId(u32::MAX);

/// How many new keys ahead memory is asked for.
const AHEAD: usize = 16;
/// A lane's code that was not met yet.
const UNKNOWN: u32 = u32::MAX;

/// What one lane calls the series.
#[derive(Debug, Default)]
struct LaneNames {
    generation: u32,
    /// Global id and refused sums, by the lane's id.
    ids: Vec<(SeriesId, u8)>,
    /// Keys of the lane's series whose global series was forgotten.
    lost: HashMap<u32, Arc<SeriesKey>>,
    /// Keys of the lane's series that are counted under a coarser one while there is no room for them.
    coarser: HashMap<u32, Arc<SeriesKey>>,
    /// Global codes by place of the key and the lane's code; [`UNKNOWN`] for those that were not met yet.
    codes: Vec<Vec<u32>>,
}

/// The global series of one stream.
#[derive(Debug)]
pub(super) struct StreamSeries {
    seed: u64,
    table: SeriesTable,
    keys: Vec<Arc<SeriesKey>>,
    carries: Vec<i64>,
    /// When each last got a cell.
    used: Vec<TimeUs>,
    order: Order,
    lanes: Vec<LaneNames>,
}

impl StreamSeries {
    pub(super) fn new(stream: &StreamSpec, limits: &Limits, seed: u64) -> StreamSeries {
        StreamSeries {
            seed,
            table: SeriesTable::new(stream, limits.series, seed),
            keys: Vec::new(),
            carries: Vec::new(),
            used: Vec::new(),
            order: Order::default(),
            lanes: Vec::new(),
        }
    }

    /// Learns the names that a delta brings, and takes its keys.
    pub(super) fn learn(&mut self, lane: u16, delta: &mut StreamDelta, now: TimeUs) {
        let lane = usize::from(lane);
        if lane >= self.lanes.len() {
            self.lanes.resize_with(lane + 1, LaneNames::default);
        }
        let names = &mut self.lanes[lane];
        if names.generation != delta.generation {
            *names = LaneNames { generation: delta.generation, ..LaneNames::default() };
        }
        names.ids.truncate(delta.first_new as usize);
        names.lost.retain(|series, _| *series < delta.first_new);
        names.coarser.retain(|series, _| *series < delta.first_new);
        let keys = std::mem::take(&mut delta.new_series);
        let rows = std::mem::take(&mut delta.new_rows);
        let shared = rows.seed == self.seed
            && rows.tags.len() == keys.len()
            && rows.codes.len() == keys.len() * self.table.words();
        let tags = if shared { rows.tags } else { keys.iter().map(|key| self.table.tag(&**key)).collect() };
        let codes = if shared { rows.codes } else { Vec::new() };
        let mut codes = codes.chunks_exact(self.table.words().max(1));
        for (at, key) in keys.into_iter().enumerate() {
            if let Some(&ahead) = tags.get(at + AHEAD) {
                self.table.prefetch(ahead);
            }
            let found = self.learn_key(lane, key, (tags[at], codes.next().unwrap_or(&[])), now);
            self.lanes[lane].ids.push(found);
        }
    }

    /// The global series of a key that a lane has met, by its tag and the lane's codes, if these are known.
    fn learn_key(
        &mut self,
        lane: usize,
        key: Arc<SeriesKey>,
        (tag, codes): (Tag, &[u32]),
        now: TimeUs,
    ) -> (SeriesId, u8) {
        let mut mine = [0; Limits::DIMENSIONS + Limits::SUMS];
        if let Some(id) = self.table.find(tag) {
            self.used[id.index()] = now;
            return (id, 0);
        }
        if self.lanes[lane].translate(codes, &mut mine)
            && let Some(id) = self.table.insert_codes(tag, &mine)
        {
            self.adopt(key);
            self.used[id.index()] = now;
            return (id, 0);
        }
        let (series, cap_hits) = (self.lanes[lane].ids.len() as u32, self.table.cap_hits());
        let (id, refused) = self.name(lane, series, &key, now);
        if refused == 0 && self.table.cap_hits() == cap_hits {
            self.lanes[lane].learn_codes(codes, self.table.codes(id));
        }
        (id, refused)
    }

    /// The global series of the key of a lane's series.
    fn name(&mut self, lane: usize, series: u32, key: &Arc<SeriesKey>, now: TimeUs) -> (SeriesId, u8) {
        let cap_hits = self.table.cap_hits();
        let found = self.intern(key, now);
        if self.table.cap_hits() != cap_hits {
            self.lanes[lane].coarser.insert(series, Arc::clone(key));
        }
        found
    }

    /// The global series of a lane's series, and the sums that can't be kept for it.
    fn of_lane(&mut self, lane: u16, series: SeriesId, now: TimeUs) -> (SeriesId, u8) {
        let found = self.lanes[usize::from(lane)].ids[series.index()];
        if found.0 == UNMAPPED { self.find_again(lane, series, now) } else { found }
    }

    #[cold]
    fn find_again(&mut self, lane: u16, series: SeriesId, now: TimeUs) -> (SeriesId, u8) {
        let lane = usize::from(lane);
        let key = self.lanes[lane].lost.remove(&series.0).expect("the key of a forgotten series is kept");
        let found = self.name(lane, series.0, &key, now);
        self.lanes[lane].ids[series.index()] = found;
        found
    }

    /// The cell of a lane's series in a minute, and the sums that can't be kept in it.
    pub(super) fn cell(
        &mut self,
        series: SeriesId,
        minute: &mut OpenMinute,
        shape: Shape,
        when: When,
    ) -> (usize, u8) {
        let (mut id, refused) = self.of_lane(when.lane, series, when.now);
        if when.crowded {
            id = self.coarsest(id);
        }
        let cell = minute.find(id).unwrap_or_else(|| {
            self.used[id.index()] = when.now;
            minute.make(id, shape)
        });
        (cell, refused)
    }

    /// Forgets what lanes call the series: they begin anew.
    pub(super) fn forget_lanes(&mut self) {
        self.lanes.clear();
    }

    /// Whether a lane's delta names no series that is not known here: `false` for one that was damaged, or that
    /// comes to another state than that for which it was cut. After a new start no lane is known.
    pub(super) fn knows(&self, lane: u16, delta: &StreamDelta, started: bool) -> bool {
        let names = self.lanes.get(usize::from(lane)).filter(|_| !started);
        let known = match names {
            Some(names) if names.generation == delta.generation => names.ids.len(),
            _ => 0,
        };
        let first_new = delta.first_new as usize;
        let known_then = first_new + delta.new_series.len();
        let is_known = |series: SeriesId| series.index() < known_then;
        first_new <= known
            && delta.cells.iter().all(|cell| is_known(cell.series))
            && delta.events.heads.iter().all(|event| is_known(event.series))
    }

    /// Every key, by id.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Arc<SeriesKey>> {
        self.keys.iter()
    }

    /// When each series was last used.
    pub(super) fn used(&self) -> &[TimeUs] {
        &self.used
    }

    /// The dimension that gave way at the limit, and how often that was met.
    pub(super) fn met_limit(&self) -> (Option<usize>, u64) {
        self.table.met_limit()
    }

    /// What lanes call the series. `place` tells where a key is kept.
    pub(super) fn save_lanes(&self, mut place: impl FnMut(&Arc<SeriesKey>) -> u32) -> Vec<LaneSaved> {
        let mut save = |names: &LaneNames| {
            let refused = (0..).zip(&names.ids).filter(|(_, (_, refused))| *refused != 0);
            let mut keyed = |keyed: &HashMap<u32, Arc<SeriesKey>>| -> Vec<(u32, u32)> {
                let mut keyed: Vec<(&u32, &Arc<SeriesKey>)> = keyed.iter().collect();
                keyed.sort_unstable();
                keyed.into_iter().map(|(&id, key)| (id, place(key))).collect()
            };
            LaneSaved {
                generation: names.generation,
                ids: names.ids.iter().map(|(id, _)| id.0).collect(),
                refused: refused.map(|(id, (_, refused))| (id, *refused)).collect(),
                lost: keyed(&names.lost),
                coarser: keyed(&names.coarser),
            }
        };
        self.lanes.iter().map(&mut save).collect()
    }

    /// Puts back every series under its id, limit or not, and what lanes call them. Only for a table that is
    /// empty and of the same specification.
    ///
    /// # Errors
    /// State in which a lane calls something a series that is none.
    pub(super) fn put_back(
        &mut self,
        keys: &[Arc<SeriesKey>],
        saved: &StreamSaved,
    ) -> Result<(), RestoreError> {
        for key in keys.iter().take(saved.used.len()) {
            let id = self.table.put_back(key);
            if id.index() == self.keys.len() {
                self.adopt(Arc::clone(key));
            }
        }
        self.table.put_met_limit(saved.met_limit);
        for saved in &saved.lanes {
            self.lanes.push(self.lane_names(saved, keys).ok_or(RestoreError::Damaged("a lane's series"))?);
        }
        Ok(())
    }

    /// Puts back when series were last used.
    pub(super) fn put_used(&mut self, used: &[TimeUs]) {
        self.used.iter_mut().zip(used).for_each(|(mine, saved)| *mine = *saved);
    }

    fn lane_names(&self, saved: &LaneSaved, keys: &[Arc<SeriesKey>]) -> Option<LaneNames> {
        let mut ids: Vec<(SeriesId, u8)> = saved.ids.iter().map(|&id| (SeriesId(id), 0)).collect();
        for &(id, refused) in &saved.refused {
            ids.get_mut(id as usize)?.1 = refused;
        }
        let keyed = |saved: &[(u32, u32)]| -> Option<HashMap<u32, Arc<SeriesKey>>> {
            saved.iter().map(|&(id, key)| Some((id, Arc::clone(keys.get(key as usize)?)))).collect()
        };
        let (lost, coarser) = (keyed(&saved.lost)?, keyed(&saved.coarser)?);
        let known = |(at, &(id, _)): (u32, &(SeriesId, u8))| match id {
            UNMAPPED => lost.contains_key(&at),
            id => id.index() < self.keys.len(),
        };
        let generation = saved.generation;
        let known = (0..).zip(&ids).all(known);
        known.then_some(LaneNames { generation, ids, lost, coarser, codes: Vec::new() })
    }

    /// The order of all series by key.
    pub(super) fn order(&mut self) -> &Order {
        self.order.refresh(&self.keys, &self.table);
        &self.order
    }

    /// The global series of a key, and the sums that can't be kept for it.
    pub(super) fn intern(&mut self, key: &Arc<SeriesKey>, now: TimeUs) -> (SeriesId, u8) {
        let cap_hits = self.table.cap_hits();
        let found = self.table.intern(&**key);
        // A key that met no limit is the very key of its series.
        let whole = found.refused_sums == 0 && self.table.cap_hits() == cap_hits;
        if whole && found.id.index() == self.keys.len() {
            self.adopt(Arc::clone(key));
        }
        self.adopt_new();
        self.used[found.id.index()] = now;
        (found.id, found.refused_sums)
    }

    /// The coarsest series above `id`: where it is counted while too many cells wait.
    pub(super) fn coarsest(&mut self, id: SeriesId) -> SeriesId {
        let coarse = self.table.coarsest(id);
        self.adopt_new();
        coarse
    }

    /// Asks for the memory of what a row needs of its series.
    pub(super) fn ask_for(&self, id: SeriesId) {
        prefetch(&self.keys, id.index());
        prefetch(&self.carries, id.index());
    }

    /// Asks for the memory of three of a lane's series, as far as it is known where they are: what the
    /// farthest is called, where the cell of the next is, the cell of the nearest.
    #[inline]
    pub(super) fn ask_for_cells(
        &self,
        lane: u16,
        [far, next, near]: [Option<SeriesId>; 3],
        minute: &OpenMinute,
        shape: Shape,
    ) {
        let ids = &self.lanes[usize::from(lane)].ids;
        if let Some(far) = far {
            prefetch(ids, far.index());
        }
        if let Some((id, _)) = next.and_then(|next| ids.get(next.index())) {
            minute.ask_for(*id);
        }
        if let Some((id, _)) = near.and_then(|near| ids.get(near.index())) {
            minute.ask_for_cell(*id, shape);
        }
    }

    pub(super) fn key(&self, id: SeriesId) -> &Arc<SeriesKey> {
        &self.keys[id.index()]
    }

    /// Whole events of a weight and of what was carried; the remainder is carried on.
    pub(super) fn whole_events(&mut self, id: SeriesId, weight: Weight) -> i64 {
        let carry = &mut self.carries[id.index()];
        let total = weight.plus(Weight(*carry));
        let events = total.rounded();
        *carry = total.0 - events * Weight::SCALE;
        events
    }

    /// Fractions that are carried, by series.
    pub(super) fn carries(&self) -> impl Iterator<Item = (&Arc<SeriesKey>, i64)> {
        self.keys.iter().zip(self.carries.iter().copied()).filter(|(_, carry)| *carry != 0)
    }

    /// Puts back a fraction that was saved.
    pub(super) fn put_carry(&mut self, key: &Arc<SeriesKey>, carry: i64, now: TimeUs) {
        let (id, _) = self.intern(key, now);
        self.carries[id.index()] += carry;
    }

    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// How many keys met the limit since series were last forgotten.
    pub(super) fn cap_hits(&self) -> u64 {
        self.table.cap_hits()
    }

    /// How many series [`StreamSeries::forget`] would forget.
    pub(super) fn unused(&self, before: TimeUs, in_use: &[bool]) -> usize {
        self.used.iter().zip(in_use).filter(|&(&used, &in_use)| !in_use && used < before).count()
    }

    /// Forgets series that were last used before `before` and are not in `in_use`. Their fractions go
    /// to the coarsest key above them. Returns the new ids.
    pub(super) fn forget(&mut self, before: TimeUs, in_use: &[bool]) -> Vec<Option<SeriesId>> {
        let mut keep: Vec<bool> = (0..self.len())
            .map(|at| in_use.get(at).copied().unwrap_or(false) || self.used[at] >= before)
            .collect();
        for at in 0..keep.len() {
            if !keep[at] && self.carries[at] != 0 {
                let heir = self.coarsest(SeriesId(at as u32));
                keep.resize(self.len(), true);
                keep[heir.index()] = true;
                let carry = std::mem::take(&mut self.carries[at]);
                self.carries[heir.index()] += carry;
            }
        }
        let new_ids = self.table.retain(|id| keep[id.index()]);
        let old_keys = std::mem::take(&mut self.keys);
        self.keys = kept(&old_keys, &keep);
        self.carries = kept(&self.carries, &keep);
        self.used = kept(&self.used, &keep);
        self.order.clear();
        for lane in &mut self.lanes {
            lane.codes.clear();
            for (series, (id, _)) in (0..).zip(&mut lane.ids).filter(|(_, (id, _))| *id != UNMAPPED) {
                let old = std::mem::replace(id, new_ids[id.index()].unwrap_or(UNMAPPED));
                if *id == UNMAPPED {
                    lane.lost.insert(series, Arc::clone(&old_keys[old.index()]));
                }
            }
            // Now there is room: who was counted under a coarser key asks for its own again.
            for (series, key) in lane.coarser.drain() {
                lane.ids[series as usize].0 = UNMAPPED;
                lane.lost.insert(series, key);
            }
        }
        new_ids
    }

    /// Gives columns to what the table has just made beside the key that was asked for.
    fn adopt_new(&mut self) {
        for at in self.keys.len()..self.table.len() {
            self.adopt(Arc::new(self.table.key(SeriesId(at as u32))));
        }
    }

    fn adopt(&mut self, key: Arc<SeriesKey>) {
        self.keys.push(key);
        self.carries.push(0);
        self.used.push(TimeUs(i64::MIN));
    }
}

impl LaneNames {
    /// Puts the global codes of a key in the place of the lane's; `false` if one is not known yet.
    fn translate(&self, codes: &[u32], mine: &mut [u32]) -> bool {
        let code = |(known, code): (&Vec<u32>, &u32)| known.get(*code as usize).copied().unwrap_or(UNKNOWN);
        mine.iter_mut().zip(self.codes.iter().zip(codes)).for_each(|(mine, both)| *mine = code(both));
        !codes.is_empty() && self.codes.len() == codes.len() && !mine[..codes.len()].contains(&UNKNOWN)
    }

    /// Notes which global codes a lane's are.
    fn learn_codes(&mut self, codes: &[u32], mine: &[u32]) {
        self.codes.resize_with(codes.len(), Vec::new);
        for (known, (&code, &mine)) in self.codes.iter_mut().zip(codes.iter().zip(mine)) {
            if known.len() <= code as usize {
                known.resize(code as usize + 1, UNKNOWN);
            }
            known[code as usize] = mine;
        }
    }
}

fn kept<T: Clone>(column: &[T], keep: &[bool]) -> Vec<T> {
    column.iter().zip(keep).filter(|(_, keep)| **keep).map(|(value, _)| value.clone()).collect()
}
