//! Files of events: blocks of lines through one lane and an aggregator that never seals.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use ebbd_core::aggregate::{Aggregator, Delta, EventLog, LaneCounter, SourceTally};
use ebbd_core::decode::{Block, Reading, SourceSpec};
use ebbd_core::model::{ConnId, SourceId, TimeUs};
use ebbd_core::sync::Lease;

use super::Job;
use super::blocks::Blocks;
use super::input::{self, Input};
use super::output::Output;

/// The lane is cut after this many bytes (in tests at once, so that small files are cut, too).
const CUT_BYTES: usize = if cfg!(test) { 1 } else { 64 << 20 };
/// Rows are written when more cells than this wait.
const MAX_CELLS: u64 = if cfg!(test) { 200 } else { 1 << 20 };
const SOURCE: SourceId = SourceId(0);

/// Counts every line of a file and writes what it comes to.
///
/// # Errors
/// What can't be read or written, in words. What was staged before stays: the caller drops it.
pub(super) fn take(job: &Job, source: &SourceSpec, input: &Input, output: &mut Output) -> Result<(), String> {
    drop(job.counted.take());
    let (bytes, bar) = input.unpacked()?;
    let mut blocks = Blocks::new(bytes, job.config.limits.core.line);
    let mut count = Count::new(job, source, output);
    let mut spent = Vec::new();
    while let Some(bytes) = blocks.next(spent).map_err(|error| input::trouble(&error, &bar))? {
        spent = count.block(bytes);
        if count.uncut >= CUT_BYTES {
            count.cut()?;
        }
    }
    job.counted.set(Some(count.finish(blocks.take_too_long())?));
    bar.finish_and_clear();
    Ok(())
}

/// What a file was counted in.
pub(super) type Counted = (LaneCounter, Aggregator);

struct Count<'a> {
    lane: LaneCounter,
    aggregator: Aggregator,
    arrival: TimeUs,
    next_line: u64,
    end_offset: u64,
    epoch: u64,
    /// Bytes since the last cut.
    uncut: usize,
    output: &'a mut Output,
}

impl<'a> Count<'a> {
    fn new(job: &Job, source: &SourceSpec, output: &'a mut Output) -> Count<'a> {
        let (streams, sources) = (Arc::clone(&job.config.streams), Arc::from([source.clone()]));
        let (limits, seed) = (job.config.limits.core, RandomState::new().build_hasher().finish());
        Count {
            lane: LaneCounter::new(0, Arc::clone(&streams), Arc::clone(&sources), limits, seed)
                .unbounded_past(),
            aggregator: Aggregator::new(streams, sources, limits, seed).batch(),
            arrival: output.arrival(),
            next_line: 1,
            end_offset: 0,
            epoch: 0,
            uncut: 0,
            output,
        }
    }

    /// Counts the lines of a block; gives its memory back.
    fn block(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let length = bytes.len();
        self.end_offset += length as u64;
        let mut block = Block {
            bytes: Lease::owned(bytes),
            source: SOURCE,
            conn: ConnId(0),
            first_line: self.next_line,
            end_offset: self.end_offset,
            check: 0,
            reading: Reading::Configured,
            arrival: self.arrival,
        };
        self.next_line += self.lane.consume(&block);
        self.uncut += length;
        std::mem::take(&mut *block.bytes)
    }

    fn cut(&mut self) -> Result<(), String> {
        self.uncut = 0;
        self.epoch += 1;
        let mut delta = self.lane.cut(self.epoch);
        leave_out(&mut delta, self.output)?;
        self.aggregator.merge(delta);
        self.output.samples(&self.aggregator.take_samples());
        self.output.marks(self.aggregator.take_marks())?;
        if self.aggregator.counters().open_cells > MAX_CELLS { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), String> {
        self.output.minutes(self.aggregator.take_open_rows())
    }

    /// `too_long` lines were skipped before they came to the lane.
    fn finish(mut self, too_long: u64) -> Result<Counted, String> {
        self.cut()?;
        self.write()?;
        if too_long > 0 {
            let tally = SourceTally { too_long_lines: too_long, ..SourceTally::default() };
            self.aggregator.book(SOURCE, self.arrival, tally);
        }
        self.output.ledger(&self.aggregator.take_ledger(None))?;
        Ok((self.lane, self.aggregator))
    }
}

/// Lines of minutes that the daemon has counted itself are duplicates of what it counted. Their cells are
/// still in the delta: they are left out when rows are written.
fn leave_out(delta: &mut Delta, output: &mut Output) -> Result<(), String> {
    for tally in &mut delta.tallies {
        let (Some(stream), Some(minute)) = (tally.stream, tally.minute) else { continue };
        if output.is_known(stream, minute)? {
            let counts = &mut tally.counts;
            let lines = std::mem::take(&mut counts.counted);
            counts.duplicate += lines;
            counts.bad.clear();
            output.left_out(stream, minute, lines);
        }
    }
    for (stream, counted) in (0..).map(ebbd_core::model::StreamId).zip(&mut delta.streams) {
        let heads = counted.events.heads.iter();
        let keep: Result<Vec<bool>, String> =
            heads.map(|event| output.is_known(stream, event.minute).map(|known| !known)).collect();
        retain(&mut counted.events, &keep?);
    }
    Ok(())
}

/// Keeps some events of a log: the others must not count as the first of their id.
fn retain(log: &mut EventLog, keep: &[bool]) {
    if keep.iter().all(|keep| *keep) {
        return;
    }
    log.heads = kept(&log.heads, keep);
    log.sums = kept(&log.sums, keep);
    log.coupons = kept(&log.coupons, keep);
}

/// Of a column with the same number of values per event, those of the events that are kept.
fn kept<T: Clone>(column: &[T], keep: &[bool]) -> Vec<T> {
    let width = column.len() / keep.len().max(1);
    let rows = column.chunks(width.max(1)).zip(keep);
    rows.filter(|(_, keep)| **keep).flat_map(|(row, _)| row.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_any_width_keep_what_belongs_to_kept_events() {
        let keep = [true, false, true];
        assert_eq!(kept(&[1, 2, 3], &keep), [1, 3]);
        assert_eq!(kept(&[1, 1, 2, 2, 3, 3], &keep), [1, 1, 3, 3]);
        assert_eq!(kept(&[0u8; 0], &keep), Vec::<u8>::new());
    }
}
