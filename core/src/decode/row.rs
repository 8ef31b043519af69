//! Lines of one shape read side by side: each step for all of them, then the next step.
//!
//! Where a value begins is known when the one before it has ended, so a line by itself is a chain of loads
//! and compares of which each waits for the last. Several lines are several chains at once, and what a step
//! is has to be found out once for all of them.
//! In: the text of a block, where lines begin in it, and a shape. Out: the columns and the end of each line
//! that fits and has only usual values. Must not know: how shapes are learned or chosen.

use std::hint::black_box;

use crate::model::{Limits, Money, TimeUs};
use crate::simd::Chunk;
use crate::simd::scan::WINDOW;
use crate::simd::stretch::{Differences, STRETCH, Stretches, part, quoted};

use super::columns::{Columns, NOWHERE, PLACES};
use super::matching::{Fit, line_end, quickly};
use super::pieces::Flat;
use super::record::{Span, When};
use super::shape::{Quick, Shape, Step};
use super::time::TimeUnit;
use super::usual;

/// Lines in a row.
pub(super) const ROW: usize = 4;
/// Where the lines of a row begin in the text of their block, and behind them where the next one does.
pub(super) type Starts = [usize; ROW + 1];

/// The lines that were read together, each handed on when its turn comes.
#[derive(Debug, Default)]
pub(super) struct Row {
    starts: Starts,
    /// By line: where its values are. Spans count from the beginning of the block.
    columns: [Columns; ROW],
    /// By line: where it ends, from its beginning on, and its time.
    fits: [Option<Fit>; ROW],
}

/// How a row was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fitted {
    /// Lines that fitted.
    pub(super) lines: usize,
    /// Steps that were taken for each line.
    pub(super) steps: usize,
}

impl Row {
    /// Which of its lines begins at `start`, if there is such a one, it fitted and is no longer than `longest`.
    #[inline]
    pub(super) fn line_at(&self, start: usize, longest: usize) -> Option<usize> {
        let nth = self.starts[..ROW].iter().position(|&here| here == start)?;
        self.fits[nth].is_some_and(|fit| fit.len <= longest).then_some(nth)
    }

    /// A line that fitted.
    #[inline]
    pub(super) fn line(&self, nth: usize) -> Option<(Fit, &Columns)> {
        Some(((*self.fits.get(nth)?)?, self.columns.get(nth)?))
    }
}

/// Lines that are being read.
struct Reading<'r> {
    text: &'r str,
    stretches: Stretches<'r>,
    columns: &'r mut [Columns; ROW],
    /// Where each has got to.
    at: [usize; ROW],
    times: [Option<TimeUs>; ROW],
    differences: [Differences; ROW],
    /// A bit for each line with a value that isn't read here.
    unusual: u32,
}

impl Shape {
    /// Reads the lines that begin at `starts` of `text` into `row`.
    pub(super) fn read_row(&self, text: &str, starts: &Starts, row: &mut Row) -> Fitted {
        // They were stored just now, one by one: read two at a time, they would be waited for (1 ns a line).
        let starts = starts.map(black_box);
        row.starts = starts;
        row.columns.iter_mut().for_each(|columns| columns.prepare(self.number, self.weight));
        let [at @ .., _] = starts;
        let mut reading = Reading {
            text,
            stretches: Stretches::of(text.as_bytes()),
            columns: &mut row.columns,
            at,
            times: [None; ROW],
            differences: [Differences::none(); ROW],
            unusual: 0,
        };
        let mut steps = 0;
        while steps < self.steps.len() && !reading.is_hopeless(steps) {
            reading.take(&self.steps[steps]);
            steps += 1;
        }
        let fits = std::array::from_fn(|nth| self.fit(&reading, nth, starts[nth]));
        row.fits = fits;
        Fitted { lines: row.fits.iter().flatten().count(), steps }
    }

    /// The end of the line that began at `start`, if it fits.
    fn fit(&self, reading: &Reading<'_>, nth: usize, start: usize) -> Option<Fit> {
        let (at, time) = (reading.at[nth], reading.times[nth]);
        let known = time.is_some() || self.when != When::Field || self.stream.is_none();
        if reading.is_misfit(nth) || !known {
            return None;
        }
        let next = line_end(reading.text.as_bytes(), at)?;
        Some(Fit { len: at - start, next: next - start, time })
    }
}

impl Reading<'_> {
    /// Whether a line differs from the shape, as far as it was read.
    #[inline(always)]
    fn is_misfit(&self, nth: usize) -> bool {
        self.unusual >> nth & 1 == 1 || self.differences[nth].any()
    }

    /// Whether no line fits. Mostly that shows at the beginning, so it is asked for only there.
    #[inline(always)]
    fn is_hopeless(&self, steps: usize) -> bool {
        matches!(steps, 1 | 3) && (0..ROW).all(|nth| self.is_misfit(nth))
    }

    /// Takes a step with each line. What it is, is found out once for all of them.
    #[inline(always)]
    fn take(&mut self, step: &Step) {
        const NOBODY: u8 = NOWHERE as u8;
        match step.quick {
            Quick::Nothing => self.each(step, |_, start, _| Some(start)),
            Quick::Text(place, NOBODY) => self.each(step, |here, start, to| {
                let len = quoted(part(here, start))?;
                to.columns.spans[usize::from(place) % PLACES] = to.span(start, len);
                Some(start + len)
            }),
            Quick::Amount { sum, scale, quoted } => self.each(step, |here, start, to| {
                let window: &[u8; WINDOW] = part(here, start);
                let (units, len) = usual::amount_in(window, scale)?;
                to.columns.amounts[usize::from(sum) % Limits::SUMS] = Some(Money(units));
                (!quoted || window[len % WINDOW] == b'"').then_some(start + len)
            }),
            Quick::Currency(place) => self.each(step, |here, start, to| {
                let [letters @ .., quote]: &[u8; 4] = part(here, start);
                to.columns.spans[usize::from(place) % PLACES] = to.span(start, letters.len());
                let is_code = letters.iter().all(u8::is_ascii_uppercase) && *quote == b'"';
                is_code.then_some(start + letters.len())
            }),
            Quick::Any(_) => self.each(step, |here, start, _| {
                let [quote]: &[u8; 1] = part(here, start);
                let len = quoted(part(here, start + 1)).filter(|_| *quote == b'"')?;
                Some(start + len + 2)
            }),
            Quick::Date => self.each(step, |here, start, to| {
                let window = part::<WINDOW>(here, start);
                let (time, len) = usual::date_in(window, &mut to.columns.last_minute)?;
                *to.time = Some(time);
                (window[len % WINDOW] == b'"').then_some(start + len)
            }),
            Quick::Stamp => self.each(step, |here, start, to| {
                let (time, len) = usual::stamp_in(part(here, start))?;
                *to.time = Some(time);
                Some(start + len)
            }),
            Quick::Flat(Flat::Tag, place) => self.flat(step, Flat::Tag, place),
            Quick::Flat(Flat::Label, place) => self.flat(step, Flat::Label, place),
            Quick::Flat(Flat::Quoted, place) => self.flat(step, Flat::Quoted, place),
            Quick::FlatAmount { sum, scale, .. } => self.each(step, |here, start, to| {
                let window: &[u8; WINDOW] = part(here, start);
                let (units, len) = usual::amount_in(window, scale)?;
                to.columns.amounts[usize::from(sum) % Limits::SUMS] = Some(Money(units));
                let ends = matches!(window[len % WINDOW], b',' | b' ' | b'|' | b'"' | b'\n');
                ends.then_some(start + len)
            }),
            Quick::FlatTime(Flat::Units(TimeUnit::Nanos)) => self.each(step, |here, start, to| {
                let (time, len) = usual::nanos_in(part(here, start))?;
                *to.time = Some(time);
                Some(start + len)
            }),
            quick => self.each_other(step, quick),
        }
    }

    /// A value of a flat format for a place of the columns; of `flat`, the compiler knows the kind.
    #[inline(always)]
    fn flat(&mut self, step: &Step, flat: Flat, place: u8) {
        self.each(step, |here, start, to| {
            let stops = flat.stops(Chunk::of(part(here, start)));
            let len = stops.trailing_zeros() as usize;
            to.columns.spans[usize::from(place) % PLACES] = to.span(start, len);
            // A tag isn't empty; what is longer is read alone.
            (stops != 0 && (len > 0 || flat != Flat::Tag)).then_some(start + len)
        });
    }

    /// Takes a step with each line: `value` gets what stands there, how long the step's literal is, and what to
    /// fill, and says how far the value goes if it can tell.
    #[inline(always)]
    fn each(&mut self, step: &Step, value: impl Fn(&[u8; STRETCH], usize, To<'_>) -> Option<usize>) {
        let start = step.literal.len().min(WINDOW);
        let stretches = self.stretches;
        for nth in 0..ROW {
            let at = self.at[nth];
            let taken = stretches.at(at).and_then(|here| {
                self.differences[nth].add(&step.literal, here);
                value(here, start, To { columns: &mut self.columns[nth], time: &mut self.times[nth], at })
            });
            match taken {
                Some(len) => self.at[nth] = at + len,
                None => self.one(step, &step.quick, nth),
            }
        }
    }

    /// [`Reading::each`] for values that are read as in a single line; of `quick`, the compiler knows the kind.
    #[inline(always)]
    fn each_other(&mut self, step: &Step, quick: Quick) {
        for nth in 0..ROW {
            self.one_of(step, &quick, nth);
        }
    }

    #[cold]
    #[inline(never)]
    fn one(&mut self, step: &Step, quick: &Quick, nth: usize) {
        self.one_of(step, quick, nth);
    }

    /// Takes a step with one line, as if it were alone.
    #[inline(always)]
    fn one_of(&mut self, step: &Step, quick: &Quick, nth: usize) {
        let at = self.at[nth];
        let start = at + step.literal.len();
        let there = step.literal.stands_at(self.text.as_bytes(), at);
        match quickly(quick, self.text, start, &mut self.columns[nth]).filter(|_| there) {
            Some(done) => {
                self.at[nth] = done.end;
                self.times[nth] = done.stamp.or(self.times[nth]);
            }
            None => self.unusual |= 1 << nth,
        }
    }
}

/// Where the value of a line goes to.
struct To<'c> {
    columns: &'c mut Columns,
    time: &'c mut Option<TimeUs>,
    /// Where the step begins in the block.
    at: usize,
}

impl To<'_> {
    /// The `len` bytes that begin `start` bytes behind the beginning of the step.
    #[inline(always)]
    fn span(&self, start: usize, len: usize) -> Span {
        Span::of_line(self.at + start, self.at + start + len)
    }
}
