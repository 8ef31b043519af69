//! Writing a step.

use super::number::{put, put_bytes, put_count, put_signed};
use super::{VERSION, control, order, tally, wish};
use crate::aggregate::delta::{Control, ControlKind, Delta, EventLog, Position, StreamDelta, Tally};
use crate::aggregate::sketch::bits_of;
use crate::aggregate::{Order, SourceTally, Step};
use crate::model::{ConnId, LedgerCounts, Mark, Minute, Reason, SeriesKey, SourceId, TimeUs, Weight};

/// Fields of [`LedgerCounts`] that are numbers.
pub(super) const COUNTS: usize = 9 + Reason::ALL.len();

impl Step {
    /// Appends the step's bytes: see [`StepReader`](super::StepReader) for the way back. Samples and the
    /// numbers of markers are not among them.
    pub fn write(&self, out: &mut Vec<u8>) {
        let base = self.at;
        out.push(VERSION);
        put(out, self.commit);
        put_signed(out, base.0);
        put_time(out, self.now, base);
        self.write_wishes(out);
        put_count(out, self.orders.len());
        self.orders.iter().for_each(|order| write_order(out, order, base));
        put_count(out, self.told.len());
        self.told.iter().for_each(|(source, tally)| write_told(out, *source, tally));
        for changes in [&self.opened, &self.closed] {
            put_count(out, changes.len());
            changes.iter().for_each(|change| write_change(out, change, base));
        }
        put_count(out, self.deltas.len());
        self.deltas.iter().for_each(|delta| write_delta(out, delta, base));
    }

    fn write_wishes(&self, out: &mut Vec<u8>) {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let before = self.ledger_before;
        out.push(
            flag(self.revise, wish::REVISE)
                | flag(self.open_rows, wish::OPEN_ROWS)
                | flag(before.is_some(), wish::LEDGER_BEFORE),
        );
        if let Some(before) = before {
            put_minute(out, before, self.at);
        }
    }
}

fn put_time(out: &mut Vec<u8>, time: TimeUs, base: TimeUs) {
    put_signed(out, time.0.wrapping_sub(base.0));
}

fn put_minute(out: &mut Vec<u8>, minute: Minute, base: TimeUs) {
    put_signed(out, i64::from(minute.0) - i64::from(base.minute().0));
}

/// A number that may be missing.
fn put_option(out: &mut Vec<u8>, number: Option<i64>) {
    out.push(u8::from(number.is_some()));
    number.into_iter().for_each(|number| put_signed(out, number));
}

fn put_mark(out: &mut Vec<u8>, mark: &Mark) {
    put_bytes(out, &serde_json::to_vec(mark).expect("a mark has only texts as keys"));
}

fn write_order(out: &mut Vec<u8>, order: &Order, base: TimeUs) {
    match order {
        Order::Resumed(down_since) => {
            out.push(order::RESUMED);
            put_time(out, *down_since, base);
        }
        Order::Expect(source, origin) | Order::Forget(source, origin) => {
            let expect = matches!(order, Order::Expect(..));
            out.push(if expect { order::EXPECT } else { order::FORGET });
            put(out, u64::from(source.0));
            put_bytes(out, origin.as_bytes());
        }
        Order::Mark(mark) => {
            out.push(order::MARK);
            put_mark(out, mark);
        }
        Order::Crash(crash) => {
            out.push(order::CRASH);
            put(out, u64::from(crash.source.0));
            put_time(out, crash.at, base);
            put(out, crash.lines);
            put(out, crash.unread_lines_at_most);
        }
        Order::Paused(pause) => {
            out.push(if pause.slept { order::SLEPT } else { order::PAUSED });
            put_time(out, pause.from, base);
            put_time(out, pause.to, base);
        }
        Order::Alarm(alarm) => {
            out.push(order::ALARM);
            put_bytes(out, &serde_json::to_vec(alarm).expect("an order has only texts as keys"));
        }
    }
}

fn write_told(out: &mut Vec<u8>, source: SourceId, tally: &SourceTally) {
    put(out, u64::from(source.0));
    for count in [
        tally.dropped_queue_lines,
        tally.too_long_lines,
        tally.partial_lines,
        tally.control_lines,
        tally.duplicate_lines,
        tally.kernel_datagrams,
    ] {
        put(out, count);
    }
}

fn write_change(out: &mut Vec<u8>, &(source, conn, at): &(SourceId, ConnId, TimeUs), base: TimeUs) {
    put(out, u64::from(source.0));
    put(out, conn.0);
    put_time(out, at, base);
}

fn write_delta(out: &mut Vec<u8>, delta: &Delta, base: TimeUs) {
    put(out, u64::from(delta.lane));
    put(out, delta.series_cap_hits);
    put(out, delta.origin_cap_hits);
    put(out, delta.distinct_log_spills);
    put_count(out, delta.tallies.len());
    let mut origin: &str = "";
    for tally in &delta.tallies {
        write_tally(out, tally, origin, base);
        origin = &tally.origin;
    }
    put_count(out, delta.streams.len());
    delta.streams.iter().for_each(|stream| write_stream(out, stream, base));
    put_count(out, delta.positions.len());
    delta.positions.iter().for_each(|position| write_position(out, position));
    put_count(out, delta.controls.len());
    delta.controls.iter().for_each(|control| write_control(out, control, base));
}

fn write_tally(out: &mut Vec<u8>, tally: &Tally, origin_before: &str, base: TimeUs) {
    let counts = &tally.counts;
    let plain = LedgerCounts { received: counts.counted, counted: counts.counted, ..LedgerCounts::default() };
    let plain = *counts == plain;
    let same_origin = *tally.origin == *origin_before;
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    out.push(
        flag(same_origin, tally::SAME_ORIGIN)
            | flag(tally.stream.is_some(), tally::STREAM)
            | flag(tally.minute.is_some(), tally::MINUTE)
            | flag(plain, tally::PLAIN),
    );
    put(out, u64::from(tally.source.0));
    put_minute(out, tally.arrival, base);
    if !same_origin {
        put_bytes(out, tally.origin.as_bytes());
    }
    tally.stream.into_iter().for_each(|stream| put(out, u64::from(stream.0)));
    tally.minute.into_iter().for_each(|minute| put_minute(out, minute, base));
    put_time(out, tally.latest_event, base);
    put_time(out, tally.first_arrival, base);
    put_time(out, tally.last_arrival, tally.first_arrival);
    if plain { put(out, counts.counted) } else { write_counts(out, counts) }
}

/// Which counts are not 0, then those.
fn write_counts(out: &mut Vec<u8>, counts: &LedgerCounts) {
    let all = all_counts(counts);
    put(out, (0..).zip(all).map(|(at, count)| u64::from(count > 0) << at).sum());
    all.into_iter().filter(|&count| count > 0).for_each(|count| put(out, count));
    put_count(out, counts.bad.len());
    for (field, count) in &counts.bad {
        put_bytes(out, field.as_bytes());
        put(out, *count);
    }
}

fn all_counts(counts: &LedgerCounts) -> [u64; COUNTS] {
    let mut all = [0; COUNTS];
    let (first, rejected) = all.split_at_mut(COUNTS - Reason::ALL.len());
    first.copy_from_slice(&[
        counts.received,
        counts.counted,
        counts.control,
        counts.duplicate,
        counts.dropped_queue,
        counts.dropped_crash,
        counts.late,
        counts.kernel_datagrams,
        counts.sender_dropped,
    ]);
    rejected.copy_from_slice(&counts.rejected);
    all
}

fn write_stream(out: &mut Vec<u8>, delta: &StreamDelta, base: TimeUs) {
    put(out, u64::from(delta.generation));
    put(out, u64::from(delta.first_new));
    put_count(out, delta.new_series.len());
    delta.new_series.iter().for_each(|key| write_key(out, key));
    write_cells(out, delta, base);
    put_count(out, delta.coupons.len());
    out.reserve(6 * delta.coupons.len());
    let mut last = 0;
    for &(place, _) in &delta.coupons {
        put_signed(out, i64::from(place) - last);
        last = i64::from(place);
    }
    delta.coupons.iter().for_each(|&(_, coupon)| out.extend_from_slice(&bits_of(coupon).to_le_bytes()));
    put_count(out, delta.sketches.len());
    for (place, sketch) in &delta.sketches {
        put(out, u64::from(*place));
        put_bytes(out, &sketch.serialize());
    }
    write_events(out, &delta.events, base);
}

fn write_key(out: &mut Vec<u8>, key: &SeriesKey) {
    out.push(u8::from(key.watched));
    for text in key.dimensions.iter().chain(&key.currencies) {
        put_bytes(out, text.as_bytes());
    }
}

/// Cells in runs of one minute and source.
fn write_cells(out: &mut Vec<u8>, delta: &StreamDelta, base: TimeUs) {
    put_count(out, delta.cells.len());
    let Some(width) = delta.values.len().checked_div(delta.cells.len()) else { return };
    out.reserve(8 * delta.cells.len());
    let mut values = delta.values.chunks_exact(width);
    let mut last = 0;
    for run in delta.cells.chunk_by(|a, b| (a.minute, a.source) == (b.minute, b.source)) {
        put_count(out, run.len());
        put_minute(out, run[0].minute, base);
        put(out, u64::from(run[0].source.0));
        for (key, values) in run.iter().zip(&mut values) {
            put_signed(out, i64::from(key.series.0) - last);
            last = i64::from(key.series.0);
            let (lines, weight) = (values[0], values[1]);
            // Mostly each line is one event.
            let other = weight.wrapping_sub(lines.wrapping_mul(Weight::SCALE));
            put(out, (lines as u64) << 1 | u64::from(other != 0));
            if other != 0 {
                put_signed(out, other);
            }
            values[2..].iter().for_each(|&amount| put_signed(out, amount));
        }
    }
}

fn write_events(out: &mut Vec<u8>, events: &EventLog, base: TimeUs) {
    put_count(out, events.heads.len());
    let mut last = 0;
    for event in &events.heads {
        event.id.iter().for_each(|half| out.extend_from_slice(&half.to_le_bytes()));
        put_time(out, event.arrival, base);
        put_minute(out, event.minute, base);
        put_signed(out, i64::from(event.series.0) - last);
        last = i64::from(event.series.0);
        put_signed(out, event.weight.0.wrapping_sub(Weight::SCALE));
        put(out, u64::from(event.tally));
    }
    events.sums.iter().for_each(|&amount| put_signed(out, amount));
    for coupon in &events.coupons {
        out.extend_from_slice(&coupon.map_or(0, bits_of).to_le_bytes());
    }
}

fn write_position(out: &mut Vec<u8>, position: &Position) {
    put(out, u64::from(position.source.0));
    put(out, position.conn.0);
    put(out, position.first_line);
    put(out, position.next_line.wrapping_sub(position.first_line));
    put(out, position.end_offset);
    put(out, u64::from(position.check));
    put(out, position.rejected);
}

fn write_control(out: &mut Vec<u8>, control: &Control, base: TimeUs) {
    put(out, u64::from(control.source.0));
    put_time(out, control.arrival, base);
    match &control.what {
        ControlKind::Mark(mark) => {
            out.push(control::MARK);
            put_mark(out, mark);
        }
        ControlKind::Heartbeat(heartbeat) => {
            out.push(control::HEARTBEAT);
            put_bytes(out, heartbeat.origin.as_bytes());
            put_option(out, heartbeat.through.map(|through| through.0));
            put_option(out, heartbeat.dropped.map(|dropped| dropped as i64));
        }
        ControlKind::Goodbye(goodbye) => {
            out.push(control::GOODBYE);
            put_bytes(out, goodbye.origin.as_bytes());
        }
    }
}
