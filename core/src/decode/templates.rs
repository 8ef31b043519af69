//! The shapes that a source's lines have: learned from what the general parser accepted, tried first on
//! what comes next.
//!
//! In: text at the beginning of a line. Out: its columns, if it has a known shape. What is spent on lines
//! without one is bounded by a budget, so that no mix of lines costs much more than reading all of them
//! the general way. Must not know: formats, counting.

use std::ops::RangeInclusive;

use super::columns::Columns;
use super::mapping::{Destination, Mapping};
use super::matching::{Fit, Misfit};
use super::outline::Outline;
use super::record::Record;
use super::row::{ROW, Row, Starts};
use super::shape::{Lesson, Shape};
use crate::model::StreamId;

/// Most shapes that are kept; the one that was not seen for longest gives way.
const SHAPES: usize = 8;
/// Lines that must have had the same shape, one after the other, before several are read together: at first,
/// and where rows don't fit.
const PATIENCE: RangeInclusive<u32> = 4..=128;

/// Longer lines are not learned from.
const LONGEST_LESSON: usize = 8 * 1024;

/// What may be spent, in steps of a shape, about 25 instructions each.
mod budget {
    /// At the start, and at most.
    pub(super) const FULL: i64 = 3000;
    /// What a line that was read the general way brings: a twentieth of its cost at most.
    pub(super) const LINE: i64 = 2;
    /// What a line that fitted brings: less than it saves.
    pub(super) const FIT: i64 = 20;
    /// What learning a shape costs, and for each byte of the line an eighth more.
    pub(super) const LESSON: i64 = 250;
    /// Bytes that cost as much as a step.
    pub(super) const BYTES: usize = 16;
}

/// The shapes of one source.
#[derive(Debug)]
pub(super) struct Templates {
    shapes: Vec<Shape>,
    /// The shapes by when they last fitted, the latest first.
    latest: Vec<u8>,
    /// By shape: the one that came after it last time.
    after: [u8; SHAPES],
    /// The shape of the last line that had one.
    last: u8,
    /// So many lines had it, one after the other.
    alike: u32,
    /// So many are needed before several lines are read together.
    patience: u32,
    learned: u64,
    budget: i64,
    /// All that was ever spent.
    #[cfg(test)]
    spent: i64,
    off: bool,
    /// Where the next shape is learned, so that a failed lesson costs no known one.
    draft: Shape,
    pub(super) outline: Outline,
}

/// A line that was read by a shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) fit: Fit,
    /// Its stream; `None` if it is ignored.
    pub(super) stream: Option<StreamId>,
}

impl Templates {
    /// No shapes yet.
    pub(super) fn new() -> Templates {
        Templates {
            shapes: Vec::new(),
            latest: Vec::new(),
            after: [0; SHAPES],
            last: 0,
            alike: 0,
            patience: *PATIENCE.start(),
            learned: 0,
            budget: budget::FULL,
            #[cfg(test)]
            spent: 0,
            off: false,
            draft: Shape::default(),
            outline: Outline::default(),
        }
    }

    /// Never reads or learns anything.
    pub(super) fn switch_off(&mut self) {
        self.off = true;
    }

    /// Reads the line with which `text` begins, if it has a known shape.
    #[inline]
    pub(super) fn read(&mut self, text: &str, columns: &mut Columns, record: &mut Record) -> Option<Hit> {
        if self.budget <= 0 || self.shapes.is_empty() {
            self.earn(budget::LINE);
            return None;
        }
        let predicted = self.after[usize::from(self.last) % SHAPES];
        match self.try_shape(predicted, text, columns, record) {
            Some(hit) => {
                self.alike = if self.last == predicted { self.alike.saturating_add(1) } else { 0 };
                self.last = predicted;
                Some(hit)
            }
            None => self.search(predicted, text, columns, record),
        }
    }

    /// Whether the next lines are so surely of one shape that reading them together is worth a try.
    #[inline]
    pub(super) fn expects_row(&self) -> bool {
        self.alike >= self.patience && self.budget > 0
    }

    /// Reads the lines that begin at `starts` of `text`, all by the shape of the last line: says what the
    /// stream of those that fit is.
    pub(super) fn read_row(&mut self, text: &str, starts: &Starts, row: &mut Row) -> Option<StreamId> {
        let shape = self.shapes.get(usize::from(self.last))?;
        let stream = shape.stream;
        let fitted = shape.read_row(text, starts, row);
        let misfits = ROW - fitted.lines;
        if misfits == 0 {
            self.patience = *PATIENCE.start();
        } else if misfits > ROW / 4 {
            self.patience = (2 * self.patience).min(*PATIENCE.end());
            self.alike = 0;
        }
        self.earn(fitted.lines as i64 * budget::FIT);
        self.spend((misfits * fitted.steps) as i64);
        stream
    }

    /// Tries the shapes that were not predicted.
    fn search(
        &mut self,
        predicted: u8,
        text: &str,
        columns: &mut Columns,
        record: &mut Record,
    ) -> Option<Hit> {
        for place in 0..self.latest.len() {
            let shape = self.latest[place];
            if shape == predicted {
                continue;
            }
            if let Some(hit) = self.try_other(shape, text, columns, record) {
                self.latest[..=place].rotate_right(1);
                self.after[usize::from(self.last) % SHAPES] = shape;
                self.alike = 0;
                self.last = shape;
                return Some(hit);
            }
        }
        self.earn(budget::LINE);
        None
    }

    /// As [`Templates::try_shape`], which is there only once, where a shape was predicted.
    #[inline(never)]
    fn try_other(&mut self, nth: u8, text: &str, columns: &mut Columns, record: &mut Record) -> Option<Hit> {
        self.try_shape(nth, text, columns, record)
    }

    // What it returns is used at once: handed over in memory it would stall who reads it.
    #[inline(always)]
    fn try_shape(&mut self, nth: u8, text: &str, columns: &mut Columns, record: &mut Record) -> Option<Hit> {
        let shape = self.shapes.get(usize::from(nth))?;
        match shape.read(text, columns, record) {
            Ok(fit) => {
                let hit = Hit { fit, stream: shape.stream };
                self.earn(budget::FIT);
                Some(hit)
            }
            Err(Misfit { steps, bytes }) => {
                self.spend((steps + bytes / budget::BYTES) as i64);
                None
            }
        }
    }

    /// Whether there is something left for learning from `line`. If so, it is spent.
    pub(super) fn can_afford(&mut self, line: &str) -> bool {
        let price = budget::LESSON + line.len() as i64 / 8;
        if self.off || self.budget < price || line.len() > LONGEST_LESSON {
            return false;
        }
        self.spend(price);
        true
    }

    #[inline]
    fn earn(&mut self, steps: i64) {
        self.budget = (self.budget + steps).min(budget::FULL);
    }

    fn spend(&mut self, steps: i64) {
        self.budget -= steps;
        #[cfg(test)]
        {
            self.spent += steps;
        }
    }

    /// Steps spent on lines that had no known shape, so far.
    #[cfg(test)]
    pub(super) fn spent(&self) -> i64 {
        self.spent
    }

    /// Learns the shape of a line whose outline was taken.
    pub(super) fn learn(&mut self, line: &str, record: &Record, mapping: &Mapping, destination: Destination) {
        let lesson = Lesson { line, outline: &self.outline, record, mapping, destination };
        let learned = self.draft.learn(&lesson);
        if !learned || self.shapes.iter().any(|known| known.same_as(&self.draft)) {
            return;
        }
        self.learned += 1;
        self.draft.number = self.learned;
        let nth = self.room();
        std::mem::swap(&mut self.shapes[usize::from(nth)], &mut self.draft);
        self.after[usize::from(nth)] = nth;
        self.after[usize::from(self.last) % SHAPES] = nth;
        self.alike = 0;
        self.last = nth;
    }

    /// The place of a new shape, the latest one from now on.
    fn room(&mut self) -> u8 {
        if self.shapes.len() < SHAPES {
            // All memory at once, so that none is asked for later.
            self.shapes.reserve_exact(SHAPES);
            self.latest.reserve_exact(SHAPES);
            self.latest.insert(0, self.shapes.len() as u8);
            self.shapes.push(Shape::default());
        } else {
            self.latest.rotate_right(1);
        }
        self.latest[0]
    }
}
