//! A lane's counts since the last cut: one cell per series and minute that was touched.
//!
//! Each series remembers its last and its first cell since the cut, so that only an event of a third
//! minute costs a search. A cut hands the columns over as they are and begins with fresh ones.

use std::sync::Arc;

use datasketches::hll::Coupon;
use hashbrown::HashTable;

use super::coupon::{coupon, coupon_of_word};
use super::delta::{CellKey, EventLog, IdEvent, NewRows, StreamDelta};
use super::lane::word;
use super::noted::Noted;
use super::stage::{Head, NOT_YET, Stage};
use crate::decode::Event;
use crate::intern::{Keyed, Rows, SeriesTable, Word};
use crate::model::{Limits, MAX_CELL, Minute, SeriesId, SeriesKey, SourceId, StreamSpec};
use crate::simd::prefetch;

/// With so many series at most, all that counting touches is near anyway and nobody waits. Tests have few
/// series and are to meet both ways.
const NEAR: usize = if cfg!(test) { 5 } else { 4096 };
/// Bits for the distinct in the number of a coupon whose event waits; the event's place is above them.
const DISTINCT_BITS: u32 = 2;
const _: () = assert!(Limits::DISTINCTS <= 1 << DISTINCT_BITS);

/// Where a series was counted; valid while `epoch` is the current one.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    epoch: u32,
    /// The minute of its last cell.
    minute: Minute,
    cell: u32,
    /// Its first cell since the cut.
    first: u32,
}

/// One stream in one lane.
#[derive(Debug)]
pub(super) struct LaneStream {
    pub(super) series: SeriesTable,
    has_ids: bool,
    generation: u32,
    defined: u32,
    new_series: Vec<Arc<SeriesKey>>,
    new_rows: NewRows,
    cap_hits_told: u64,
    epoch: u32,
    /// One per series.
    slots: Rows<Slot>,
    /// The cells that are not their series' first.
    index: HashTable<u32>,
    keys: Vec<CellKey>,
    values: Vec<i64>,
    width: usize,
    sums: usize,
    distincts: u32,
    noted: Noted,
    events: EventLog,
    stage: Stage,
    /// Coupons before this one have their cell; behind it, while events wait, they have the event.
    placed_coupons: usize,
}

impl LaneStream {
    pub(super) fn new(stream: &StreamSpec, limits: &Limits, seed: u64) -> LaneStream {
        LaneStream {
            series: SeriesTable::new(stream, limits.series, seed),
            has_ids: !stream.id.is_empty(),
            generation: 0,
            defined: 0,
            new_series: Vec::new(),
            new_rows: NewRows { seed, ..NewRows::default() },
            cap_hits_told: 0,
            epoch: 1,
            slots: Rows::new(1),
            index: HashTable::new(),
            keys: Vec::new(),
            values: Vec::new(),
            width: 2 + stream.sums.len(),
            sums: stream.sums.len(),
            distincts: stream.distincts.len() as u32,
            noted: Noted::new(!stream.distincts.is_empty() && stream.id.is_empty()),
            events: EventLog::default(),
            stage: Stage::new(stream),
            placed_coupons: 0,
        }
    }

    /// Whether events have identities: they are logged one by one.
    #[inline(always)]
    pub(super) fn has_ids(&self) -> bool {
        self.has_ids
    }

    /// The series of a key and the sums that can't be kept for it.
    #[inline(never)]
    pub(super) fn intern(&mut self, key: &impl Keyed) -> (SeriesId, u8) {
        let found = self.series.intern(key);
        self.adopt();
        (found.id, found.refused_sums)
    }

    /// Counts an event, now or before [`LaneStream::settle`] is done. `refuse` gets the tally and the sum
    /// of an amount that can't be added.
    #[inline(always)]
    pub(super) fn count(
        &mut self,
        event: &Event<'_>,
        at: (Minute, u32, SourceId),
        mut refuse: impl FnMut(u32, usize),
    ) {
        if self.series.len() <= NEAR {
            self.count_now(event, at, &mut refuse);
        } else {
            let (minute, tally, source) = at;
            self.count_later(event, minute, tally, source, &mut refuse);
        }
    }

    #[inline(always)]
    fn count_now(
        &mut self,
        event: &Event<'_>,
        (minute, tally, source): (Minute, u32, SourceId),
        refuse: &mut impl FnMut(u32, usize),
    ) {
        let (series, refused_sums) = match self.series.find(self.series.tag(event)) {
            Some(series) => (series, 0),
            None => self.intern(event),
        };
        let key = CellKey { minute, series, source };
        let slot = self.slots.first_piece().get(series.index());
        let here =
            slot.filter(|slot| slot.epoch == self.epoch && slot.minute == minute).map(|slot| slot.cell);
        let cell = here.unwrap_or_else(|| self.other_cell(key));
        let Some(([events, weight], totals)) =
            self.values[cell as usize * self.width..].split_first_chunk_mut()
        else {
            return;
        };
        *events += 1;
        *weight = weight.saturating_add(event.weight().0);
        for (sum, (total, amount)) in totals[..self.sums].iter_mut().zip(event.amounts()).enumerate() {
            if let Some(amount) = amount
                && (refused_sums >> sum & 1 == 1 || !add_within_range(total, amount.0))
            {
                refuse(tally, sum);
            }
        }
        self.note_distincts(event, cell * self.distincts);
    }

    /// One by one, not as a tuple: that would be two stores and then one load of both, which has to wait for
    /// them. It was 4 ns an event.
    #[inline(never)]
    fn count_later(
        &mut self,
        event: &Event<'_>,
        minute: Minute,
        tally: u32,
        source: SourceId,
        refuse: &mut impl FnMut(u32, usize),
    ) {
        if self.stage.is_full() {
            self.settle(source, &mut *refuse);
        }
        if self.stage.is_empty() {
            self.placed_coupons = self.noted.len();
        }
        let waiting = self.stage.heads.len() as u32;
        let whole = self.stage.push(&self.series, event, minute, tally);
        self.note_distincts(event, waiting << DISTINCT_BITS);
        if !whole {
            self.look_up_whole(event, source, refuse);
        }
    }

    /// Notes the distinct values of an event down, with numbers from `first` on.
    #[inline(always)]
    fn note_distincts(&mut self, event: &Event<'_>, first: u32) {
        for distinct in 0..self.distincts {
            let coupon = match word(event.wide_distinct(distinct as usize)) {
                Some(Word::EMPTY) => continue,
                Some(word) => coupon_of_word(word),
                None => match event.distinct(distinct as usize) {
                    Some(value) => coupon(value),
                    None => continue,
                },
            };
            self.noted.note(first + distinct, coupon);
        }
    }

    /// Counts all events that wait.
    pub(super) fn settle(&mut self, source: SourceId, mut refuse: impl FnMut(u32, usize)) {
        if !self.stage.is_empty() {
            self.find_series(&mut refuse);
            self.find_cells(source);
            self.add_up(&mut refuse);
            self.stage.clear();
        }
        self.noted.bound();
    }

    /// Logs an event that is counted only after deduplication.
    pub(super) fn log(
        &mut self,
        head: IdEvent,
        sums: impl Iterator<Item = i64>,
        coupons: impl Iterator<Item = Option<Coupon>>,
    ) {
        self.events.heads.push(head);
        self.events.sums.extend(sums);
        self.events.coupons.extend(coupons);
    }

    /// Cells and events since the last cut.
    pub(super) fn pending(&self) -> usize {
        self.keys.len() + self.events.heads.len()
    }

    /// What was counted since the last cut; begins anew. No event may wait.
    pub(super) fn cut(&mut self) -> StreamDelta {
        debug_assert!(self.stage.is_empty(), "every block is settled");
        let first_new = std::mem::replace(&mut self.defined, self.series.len() as u32);
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            // Slots of 2^32 cuts ago would seem valid.
            self.slots.values_mut().for_each(|slot| *slot = Slot::default());
            self.epoch = 1;
        }
        self.index.clear();
        let (coupons, sketches) = self.noted.cut();
        StreamDelta {
            generation: self.generation,
            first_new,
            new_series: handed_over(&mut self.new_series),
            new_rows: NewRows {
                seed: self.new_rows.seed,
                tags: handed_over(&mut self.new_rows.tags),
                codes: handed_over(&mut self.new_rows.codes),
            },
            cells: handed_over(&mut self.keys),
            values: handed_over(&mut self.values),
            coupons,
            sketches,
            events: EventLog {
                heads: handed_over(&mut self.events.heads),
                sums: handed_over(&mut self.events.sums),
                coupons: handed_over(&mut self.events.coupons),
            },
        }
    }

    /// How often the noted distinct values became sketches since this was last asked.
    pub(super) fn new_spills(&mut self) -> u64 {
        self.noted.new_spills()
    }

    /// Events that met the series limit since this was last asked.
    pub(super) fn new_cap_hits(&mut self) -> u64 {
        let told = std::mem::replace(&mut self.cap_hits_told, self.series.cap_hits());
        self.cap_hits_told - told
    }

    /// Forgets every series, so that the live ones find room again. Only right after a cut.
    pub(super) fn forget_series(&mut self) {
        debug_assert!(self.keys.is_empty() && self.events.heads.is_empty());
        self.series.clear();
        self.slots.clear();
        self.generation += 1;
        self.defined = 0;
        self.cap_hits_told = 0;
    }

    /// Gives a place and a name to a series that was just made.
    fn adopt(&mut self) {
        if self.slots.len() < self.series.len() {
            let id = SeriesId(self.slots.len() as u32);
            self.slots.push(&[Slot::default()]);
            self.new_series.push(Arc::new(self.series.key(id)));
            self.new_rows.tags.push(self.series.last_tag());
            self.new_rows.codes.extend_from_slice(self.series.codes(id));
        }
    }

    /// Looks up the series of the event that was staged last while its texts are there, as one that is too
    /// long for a word is lost otherwise. Events that wait before it come first.
    #[cold]
    fn look_up_whole(&mut self, event: &Event<'_>, source: SourceId, refuse: &mut impl FnMut(u32, usize)) {
        let last = self.stage.heads.len() - 1;
        if let Some(series) = self.series.find(self.stage.heads[last].tag) {
            self.stage.heads[last].series = series;
            return;
        }
        self.find_all_series(last, refuse);
        let (series, refused_sums) = self.intern(event);
        self.place(last, series, refused_sums, refuse);
        self.settle(source, refuse);
    }

    fn find_series(&mut self, refuse: &mut impl FnMut(u32, usize)) {
        let mut unknown = false;
        for head in &mut self.stage.heads {
            if head.series == NOT_YET {
                head.series = self.series.find(head.tag).unwrap_or(NOT_YET);
                unknown |= head.series == NOT_YET;
            }
            self.slots.prefetch(head.series.index());
        }
        if unknown {
            self.find_all_series(self.stage.heads.len(), refuse);
        }
    }

    /// Makes series for the first `count` waiting events where there is none yet.
    #[cold]
    fn find_all_series(&mut self, count: usize, refuse: &mut impl FnMut(u32, usize)) {
        for at in 0..count {
            if self.stage.heads[at].series == NOT_YET {
                let found = self.series.intern_words(self.stage.words(at), self.stage.heads[at].tag);
                self.adopt();
                self.place(at, found.id, found.refused_sums, refuse);
            }
        }
    }

    /// Gives a waiting event its series, and takes away the amounts that can't be kept for it.
    fn place(&mut self, at: usize, series: SeriesId, refused_sums: u8, refuse: &mut impl FnMut(u32, usize)) {
        self.stage.heads[at].series = series;
        for sum in (0..u8::BITS as usize).filter(|sum| refused_sums >> sum & 1 == 1) {
            if self.stage.refuse(at, sum) {
                refuse(self.stage.heads[at].tally, sum);
            }
        }
    }

    fn find_cells(&mut self, source: SourceId) {
        for at in 0..self.stage.heads.len() {
            let Head { series, minute, .. } = self.stage.heads[at];
            let cell = self.cell_of(CellKey { minute, series, source });
            self.stage.heads[at].cell = cell;
            prefetch(&self.values, cell as usize * self.width);
        }
    }

    fn add_up(&mut self, refuse: &mut impl FnMut(u32, usize)) {
        let sums = self.sums;
        let mut amounts = self.stage.amounts();
        for head in &self.stage.heads {
            let values = &mut self.values[head.cell as usize * self.width..][..self.width];
            let (mine, others) = amounts.split_at(sums);
            values[0] += 1;
            values[1] = values[1].saturating_add(head.weight);
            for (sum, (total, &amount)) in values[2..].iter_mut().zip(mine).enumerate() {
                if !add_within_range(total, amount) {
                    refuse(head.tally, sum);
                }
            }
            amounts = others;
        }
        self.noted.place_from(self.placed_coupons, |at| {
            let (waiting, distinct) = (at >> DISTINCT_BITS, at & ((1 << DISTINCT_BITS) - 1));
            self.stage.heads[waiting as usize].cell * self.distincts + distinct
        });
    }

    /// The cell of a series, made if there is none.
    #[inline(always)]
    fn cell_of(&mut self, key: CellKey) -> u32 {
        let slot = self.slots.first(key.series.index());
        if slot.epoch == self.epoch && slot.minute == key.minute { slot.cell } else { self.other_cell(key) }
    }

    /// The cell of a series that was last counted in another minute, or not since the cut.
    #[inline(never)]
    fn other_cell(&mut self, key: CellKey) -> u32 {
        let slot = self.slots.row(key.series.index())[0];
        let (cell, first) = if slot.epoch != self.epoch {
            let cell = self.make_cell(key);
            (cell, cell)
        } else if self.keys[slot.first as usize].minute == key.minute {
            (slot.first, slot.first)
        } else {
            (self.find_or_make(key), slot.first)
        };
        self.slots.row_mut(key.series.index())[0] =
            Slot { epoch: self.epoch, minute: key.minute, cell, first };
        cell
    }

    fn make_cell(&mut self, key: CellKey) -> u32 {
        let cell = u32::try_from(self.keys.len()).expect("a lane is cut long before 2^32 cells");
        self.keys.push(key);
        self.values.resize(self.values.len() + self.width, 0);
        cell
    }

    fn find_or_make(&mut self, key: CellKey) -> u32 {
        let hash = |key: &CellKey| cell_hash(key.series, key.minute);
        let same = |&cell: &u32| {
            let other = &self.keys[cell as usize];
            other.series == key.series && other.minute == key.minute
        };
        if let Some(&cell) = self.index.find(hash(&key), same) {
            return cell;
        }
        let cell = self.make_cell(key);
        let keys = &self.keys;
        self.index.insert_unique(hash(&key), cell, |&cell| hash(&keys[cell as usize]));
        cell
    }
}

/// What stands in a column, which begins anew with room for about as much.
fn handed_over<T>(column: &mut Vec<T>) -> Vec<T> {
    if column.is_empty() {
        return Vec::new();
    }
    let room = column.len() + column.len() / 8;
    std::mem::replace(column, Vec::with_capacity(room))
}

/// Spreads two dense numbers over 64 bits. They are ids of our own making, so no seed is needed.
pub(super) fn cell_hash(series: SeriesId, minute: Minute) -> u64 {
    mixed(u64::from(series.0) << 32 | u64::from(minute.0 as u32))
}

/// Each number becomes another one that looks random; no two become the same.
pub(super) fn mixed(number: u64) -> u64 {
    let mixed = (number ^ number >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ mixed >> 32).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// Adds `amount` to `total` unless the total would leave ±(10^18 − 1); says whether it was added.
pub(super) fn add_within_range(total: &mut i64, amount: i64) -> bool {
    match total.checked_add(amount).filter(|sum| (-MAX_CELL..=MAX_CELL).contains(sum)) {
        Some(sum) => *total = sum,
        None => return false,
    }
    true
}
