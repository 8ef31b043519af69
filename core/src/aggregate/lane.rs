//! One lane's counting: blocks in, cells and tallies out at each cut. No allocation per event.

use std::sync::Arc;

use super::cells::LaneStream;
use super::coupon::coupon;
use super::delta::{Control, ControlKind, Delta, IdEvent, Position, RefusedLines, Sample};
use super::readings::Readings;
use super::tally::{Origins, Tallies, TallyKey};
use crate::decode::{Block, Decoded, Decoder, Event, Lines, Reading, SourceSpec, Wide};
use crate::intern::{Keyed, Seeded, Word};
use crate::model::{
    ConnId, Limits, MICROS_PER_MINUTE, Minute, OriginId, Reason, SourceId, StreamId, StreamSpec, TimeUs,
};
use crate::simd::count_lines;

/// A lane that met the series limit forgets its series after this long, so that live ones find room.
const FORGET_AFTER_US: i64 = 10 * MICROS_PER_MINUTE;
/// The origin of lines that name none.
const UNNAMED: OriginId = OriginId(0);

/// Counts the lines of the blocks it is given. Each lane has its own; they share nothing.
#[derive(Debug)]
pub struct LaneCounter {
    readings: Readings,
    book: Book,
}

/// All of a lane but the decoders, from which an event under count borrows.
#[derive(Debug)]
struct Book {
    lane: u16,
    specs: Arc<[StreamSpec]>,
    streams: Vec<LaneStream>,
    /// One per stream, for the block that is being read.
    windows: Vec<Window>,
    /// What the last event had.
    run: Run,
    identity: Seeded,
    origins: Origins,
    tallies: Tallies,
    positions: Vec<Position>,
    controls: Vec<Control>,
    samples: Vec<Sample>,
    sampled: [u8; Reason::ALL.len()],
    refused: Vec<RefusedLines>,
    /// Where those of the block that is being read begin; none if its source is not told of them.
    refused_from: Option<usize>,
    /// Lines of the block that is being read that were refused.
    rejected: u64,
    unbounded_past: bool,
    latest_arrival: TimeUs,
    forgot_at: TimeUs,
}

/// What is the same for all lines of a block.
#[derive(Clone, Copy)]
struct Whence {
    source: SourceId,
    arrival: TimeUs,
    minute: Minute,
}

/// When events of one stream that arrive now may have happened.
#[derive(Clone, Copy, Debug)]
struct Window {
    earliest: TimeUs,
    latest: TimeUs,
}

impl Window {
    fn new(spec: &StreamSpec, arrival: TimeUs, unbounded_past: bool) -> Window {
        let earliest = if unbounded_past { TimeUs(i64::MIN) } else { arrival.plus_us(-spec.lateness_us) };
        Window { earliest, latest: arrival.plus_us(spec.future_us) }
    }

    /// Why an event that happened at `time` is refused.
    fn misses(self, time: TimeUs) -> Option<Reason> {
        if time > self.latest {
            Some(Reason::InFuture)
        } else if time < self.earliest {
            Some(Reason::TooLate)
        } else {
            None
        }
    }
}

/// Events one after the other that have everything in common by which lines are tallied, as most have: one
/// comparison of the time says that it is in the same minute and in its stream's window.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// From here on, and so long.
    begin: TimeUs,
    length_us: u64,
    stream: StreamId,
    origin: Word,
    minute: Minute,
    tally: u32,
}

impl Run {
    /// That of no event.
    const NONE: Run = Run {
        begin: TimeUs(0),
        length_us: 0,
        stream: StreamId(0),
        origin: Word::EMPTY,
        minute: Minute(0),
        tally: 0,
    };

    /// Events of one minute that are in the window.
    fn new(stream: StreamId, origin: Word, minute: Minute, window: Window, tally: u32) -> Run {
        let begin = minute.start().max(window.earliest);
        let end = minute.start().0.saturating_add(MICROS_PER_MINUTE - 1).min(window.latest.0);
        let length_us = end.checked_sub(begin.0).map_or(0, |length| (length + 1).max(0) as u64);
        Run { begin, length_us, stream, origin, minute, tally }
    }

    #[inline(always)]
    fn goes_on(&self, stream: StreamId, origin: Option<Word>, time: TimeUs) -> bool {
        (time.0.wrapping_sub(self.begin.0) as u64) < self.length_us
            && stream == self.stream
            && origin == Some(self.origin)
    }
}

impl Keyed for Event<'_> {
    fn dimension(&self, at: usize) -> &str {
        Event::dimension(self, at)
    }

    fn currency(&self, at: usize) -> &str {
        Event::currency(self, at)
    }

    #[inline(always)]
    fn dimension_word(&self, at: usize) -> Option<Word> {
        word(self.wide_dimension(at))
    }

    #[inline(always)]
    fn currency_word(&self, at: usize) -> Option<Word> {
        word(self.wide_currency(at))
    }
}

/// The word of a value; `None` where only its text can tell.
#[inline(always)]
pub(super) fn word(wide: Option<Wide<'_>>) -> Option<Word> {
    let (bytes, length) = wide?;
    Word::wide(bytes, length)
}

impl LaneCounter {
    /// A lane for these streams and sources. `lane` is its own number; `seed` is the aggregator's
    /// ([`super::Aggregator::seed`]), the same for all lanes.
    pub fn new(
        lane: u16,
        streams: Arc<[StreamSpec]>,
        sources: Arc<[SourceSpec]>,
        limits: Limits,
        seed: u64,
    ) -> LaneCounter {
        let readings = Readings::new(Arc::clone(&sources), Arc::clone(&streams), limits);
        let lane_stream = |stream| LaneStream::new(stream, &limits, seed);
        let book = Book {
            lane,
            streams: streams.iter().map(lane_stream).collect(),
            windows: Vec::with_capacity(streams.len()),
            specs: streams,
            run: Run::NONE,
            identity: Seeded::new(seed),
            origins: Origins::new(sources.len(), limits.origins, seed),
            tallies: Tallies::new(),
            positions: Vec::new(),
            controls: Vec::new(),
            samples: Vec::new(),
            sampled: [0; Reason::ALL.len()],
            refused: Vec::new(),
            refused_from: None,
            rejected: 0,
            unbounded_past: false,
            latest_arrival: TimeUs(i64::MIN),
            forgot_at: TimeUs(i64::MIN),
        };
        LaneCounter { readings, book }
    }

    /// For batch ingest: events may be as old as they like.
    pub fn unbounded_past(mut self) -> LaneCounter {
        self.book.unbounded_past = true;
        self
    }

    /// Replaces the decoder of a source, for batch ingest with options of its own.
    pub fn set_decoder(&mut self, source: SourceId, decoder: Decoder) {
        self.readings.set(source, decoder);
    }

    /// Counts every line of a block; says how many they were.
    pub fn consume(&mut self, block: &Block) -> u64 {
        let LaneCounter { readings, book } = self;
        let whence = Whence { source: block.source, arrival: block.arrival, minute: block.arrival.minute() };
        book.latest_arrival = book.latest_arrival.max(block.arrival);
        book.windows.clear();
        let window = |spec| Window::new(spec, block.arrival, book.unbounded_past);
        book.windows.extend(book.specs.iter().map(window));
        book.run = Run::NONE;
        book.refused_from = (block.reading != Reading::Configured).then_some(book.refused.len());
        let decoder = readings.of(block);
        let sampled = book.samples.len();
        let mut consumed = 0;
        let mut lines = Lines::new(&block.bytes);
        loop {
            // Looked at where it is: moving an event costs a tenth of counting it.
            let next = decoder.next(&mut lines, block.arrival);
            if let Some((line, Decoded::Event(event))) = &next {
                book.event(line, event, &whence);
            } else if let Some((line, other)) = next {
                book.other(line, other, whence);
            } else {
                break;
            }
            consumed += 1;
        }
        book.settle(block.source);
        number_samples(&mut book.samples[sampled..], block);
        if let Some(from) = book.refused_from {
            number_refused(&mut book.refused[from..], block);
        }
        book.moved(block, consumed);
        consumed
    }

    /// Hands over everything since the last cut, as the answer to the marker of `epoch`.
    pub fn cut(&mut self, epoch: u64) -> Delta {
        let book = &mut self.book;
        book.sampled = [0; Reason::ALL.len()];
        let delta = Delta {
            lane: book.lane,
            epoch,
            streams: book.streams.iter_mut().map(LaneStream::cut).collect(),
            tallies: book.tallies.cut(&book.origins),
            positions: std::mem::take(&mut book.positions),
            controls: std::mem::take(&mut book.controls),
            samples: std::mem::take(&mut book.samples),
            refused: std::mem::take(&mut book.refused),
            series_cap_hits: book.streams.iter_mut().map(LaneStream::new_cap_hits).sum(),
            origin_cap_hits: book.origins.new_cap_hits(),
            distinct_log_spills: book.streams.iter_mut().map(LaneStream::new_spills).sum(),
        };
        book.make_room();
        delta
    }

    /// Cells and events since the last cut. Who reads without markers (batch ingest) cuts by this.
    pub fn pending(&self) -> usize {
        self.book.streams.iter().map(LaneStream::pending).sum()
    }
}

impl Book {
    /// A line that is no event that counts at once.
    fn other(&mut self, line: &[u8], decoded: Decoded<'_>, whence: Whence) {
        match decoded {
            Decoded::Event(_) => unreachable!("events are counted where they are read"),
            Decoded::Mark(mark) => self.control("", Some(ControlKind::Mark(*mark)), whence),
            Decoded::Heartbeat(heartbeat) => {
                let origin = heartbeat.origin.clone();
                self.control(&origin, Some(ControlKind::Heartbeat(*heartbeat)), whence);
            }
            Decoded::Goodbye(goodbye) => {
                let origin = goodbye.origin.clone();
                self.control(&origin, Some(ControlKind::Goodbye(*goodbye)), whence);
            }
            Decoded::Ignored => self.control("", None, whence),
            Decoded::Rejected(reason) => self.reject(line, reason, (UNNAMED, None), whence),
        }
    }

    /// An event. Not inlined: all of it and the decoder together have too few registers.
    #[inline(never)]
    fn event(&mut self, line: &[u8], event: &Event<'_>, whence: &Whence) {
        let whence = *whence;
        let (stream, origin) = (event.stream(), word(event.wide_origin()));
        if !self.run.goes_on(stream, origin, event.time()) {
            let origin = origin.or_else(|| Word::of(event.origin()));
            if let Err((reason, origin)) = self.run_of(event, origin, whence) {
                return self.reject(line, reason, (origin, Some(stream)), whence);
            }
        }
        let Run { minute, tally, .. } = self.run;
        self.tallies.event(tally, event.time());
        for field in event.bad_fields() {
            self.tallies.bad(tally, field);
        }
        let Book { streams, specs, tallies, .. } = self;
        let lane = &mut streams[stream.index()];
        if lane.has_ids() {
            return self.log(event, minute, tally, whence);
        }
        // Counted at the latest when the block is settled.
        let refuse = |tally, sum: usize| tallies.bad(tally, &specs[stream.index()].sums[sum].name);
        lane.count(event, (minute, tally, whence.source), refuse);
    }

    /// Begins the run of an event, or says why the event is refused, and its origin.
    fn run_of(
        &mut self,
        event: &Event<'_>,
        word: Option<Word>,
        whence: Whence,
    ) -> Result<(), (Reason, OriginId)> {
        let stream = event.stream();
        let origin = self.origins.intern(whence.source, word, || event.origin());
        let window = self.windows[stream.index()];
        if let Some(reason) = window.misses(event.time()) {
            return Err((reason, origin));
        }
        let minute = event.time().minute();
        let key = TallyKey::new(whence.minute, (whence.source, origin), Some(stream), Some(minute));
        let tally = self.tallies.at(key, whence.arrival);
        // A run of nobody's: of a name that is too long for a word, or whose every line meets the limit.
        self.run = match word {
            Some(word) if origin != Origins::OTHER => Run::new(stream, word, minute, window, tally),
            _ => Run { minute, tally, ..Run::NONE },
        };
        Ok(())
    }

    /// Counts the events of a block that still wait.
    fn settle(&mut self, source: SourceId) {
        let Book { streams, specs, tallies, .. } = self;
        for (stream, spec) in streams.iter_mut().zip(specs.iter()) {
            stream.settle(source, |tally, sum| tallies.bad(tally, &spec.sums[sum].name));
        }
    }

    /// Logs an event that has an identity; the aggregator counts it if it is no duplicate.
    fn log(&mut self, event: &Event<'_>, minute: Minute, tally: u32, whence: Whence) {
        let spec = &self.specs[event.stream().index()];
        let lane = &mut self.streams[event.stream().index()];
        let (series, refused) = lane.intern(event);
        let id = self.identity.identity((0..spec.id.len()).map(|at| event.id_part(at)));
        let head = IdEvent { id, arrival: whence.arrival, minute, series, weight: event.weight(), tally };
        let tallies = &mut self.tallies;
        let sums = spec.sums.iter().enumerate().map(|(at, sum)| match event.amount(at) {
            Some(_) if refused >> at & 1 == 1 => {
                tallies.bad(tally, &sum.name);
                0
            }
            amount => amount.unwrap_or_default().0,
        });
        let coupons = (0..spec.distincts.len()).map(|at| event.distinct(at).map(coupon));
        lane.log(head, sums, coupons);
    }

    fn control(&mut self, origin: &str, control: Option<ControlKind>, whence: Whence) {
        let origin = self.origins.intern(whence.source, Word::of(origin), || origin);
        let tally = self.tally_of((origin, None), whence);
        self.tallies.control(tally);
        if let Some(what) = control {
            self.controls.push(Control { source: whence.source, arrival: whence.arrival, what });
        }
    }

    fn reject(&mut self, line: &[u8], reason: Reason, whose: (OriginId, Option<StreamId>), whence: Whence) {
        let tally = self.tally_of(whose, whence);
        self.tallies.reject(tally, reason);
        self.rejected += 1;
        if let Some(from) = self.refused_from {
            self.tell_refused(line, reason, from);
        }
        let taken = &mut self.sampled[reason as usize];
        if *taken < Sample::PER_REASON {
            *taken += 1;
            self.samples.push(Sample {
                reason,
                source: whence.source,
                conn: ConnId(0),
                // Where it is for now: see `number_samples`.
                number: line.as_ptr() as u64,
                arrival: whence.arrival,
                line: line[..line.len().min(Sample::BYTES)].into(),
            });
        }
    }

    /// Counts a refused line among those of its block, which begin at `from`.
    #[cold]
    fn tell_refused(&mut self, line: &[u8], reason: Reason, from: usize) {
        match self.refused[from..].iter_mut().find(|lines| lines.reason == reason) {
            Some(lines) => lines.lines += 1,
            // Where it is for now: see `number_refused`.
            None => {
                let first = line.as_ptr() as u64;
                self.refused.push(RefusedLines { conn: ConnId(0), reason, first, lines: 1 });
            }
        }
    }

    fn tally_of(&mut self, (origin, stream): (OriginId, Option<StreamId>), whence: Whence) -> u32 {
        let Whence { source, arrival, minute } = whence;
        self.tallies.at(TallyKey::new(minute, (source, origin), stream, None), arrival)
    }

    /// Notes how far a connection was read; consecutive blocks make one position.
    fn moved(&mut self, block: &Block, lines: u64) {
        let next_line = block.first_line + lines;
        let rejected = std::mem::take(&mut self.rejected);
        let follows = |position: &&mut Position| {
            position.source == block.source
                && position.conn == block.conn
                && position.next_line == block.first_line
        };
        // The blocks of one connection mostly come in a row, so the search is short.
        if let Some(position) = self.positions.iter_mut().rev().take(64).find(follows) {
            position.next_line = next_line;
            position.end_offset = block.end_offset;
            position.check = block.check;
            position.rejected += rejected;
            return;
        }
        self.positions.push(Position {
            source: block.source,
            conn: block.conn,
            first_line: block.first_line,
            next_line,
            end_offset: block.end_offset,
            check: block.check,
            rejected,
        });
    }

    /// Forgets the series of streams that met the limit, if that was not done lately.
    fn make_room(&mut self) {
        let capped = |stream: &&mut LaneStream| stream.series.cap_hits() > 0;
        if self.latest_arrival.since_us(self.forgot_at) < FORGET_AFTER_US {
            return;
        }
        for stream in self.streams.iter_mut().filter(capped) {
            stream.forget_series();
            self.forgot_at = self.latest_arrival;
        }
        if self.origins.is_full() {
            self.origins.forget();
            self.forgot_at = self.latest_arrival;
        }
    }
}

/// Gives the samples of a block their connection and, instead of the place in memory, the line's number. The
/// lines before it are counted for the few samples only, not while all lines are read.
fn number_samples(samples: &mut [Sample], block: &Block) {
    for sample in samples {
        (sample.conn, sample.number) = (block.conn, number_at(sample.number, block));
    }
}

/// The same for refused lines of which the source is told.
fn number_refused(refused: &mut [RefusedLines], block: &Block) {
    for lines in refused {
        (lines.conn, lines.first) = (block.conn, number_at(lines.first, block));
    }
}

/// The number of the line of a block that lies at this place in memory.
fn number_at(place: u64, block: &Block) -> u64 {
    let before = (place as usize).wrapping_sub(block.bytes.as_ptr() as usize);
    block.first_line + block.bytes.get(..before).map_or(0, count_lines)
}
