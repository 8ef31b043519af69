//! Lanes and aggregator together: against the twin, and what a minute is at its seal.

use std::sync::Arc;

use super::*;
use crate::decode::{Block, Format, Reading, SourceSpec, TimeUnit};
use crate::model::{
    ConnId, Limits, MICROS_PER_MINUTE, MICROS_PER_SECOND, Mark, Minute, SealedMinute, Slice, SourceId,
    StreamId, StreamRoute, StreamSpec, TimeUs,
};
use crate::sync::Lease;

mod against_twin;
mod pauses;
mod replay;
mod sealing;
mod senders;
mod steps;

/// 2026-11-22T13:00:00Z.
const START: TimeUs = TimeUs(1_795_352_400_000_000);

fn at(seconds: f64) -> TimeUs {
    START.plus_us((seconds * MICROS_PER_SECOND as f64) as i64)
}

fn minute(number: i32) -> Minute {
    START.minute().plus(number)
}

fn source(id: u16, format: Format) -> SourceSpec {
    SourceSpec {
        id: SourceId(id),
        name: format!("source-{id}"),
        format,
        route: StreamRoute::Fixed(StreamId(0)),
        expect: Vec::new(),
        forget_after_us: 120 * MICROS_PER_MINUTE,
    }
}

/// An order at `time`, sent by `host`.
fn order(time: TimeUs, host: &str) -> String {
    format!(
        r#"{{"ts":"{time}","marketplace":"US","feature":"one-click","payment":"card","status":"placed","amount":"19.99","currency":"USD","customer":"c-1","host":"{host}"}}"#
    )
}

/// One lane and one aggregator, driven by hand.
struct Bench {
    lane: LaneCounter,
    aggregator: Aggregator,
    specs: Arc<[StreamSpec]>,
    sources: Arc<[SourceSpec]>,
    lines: u64,
    epoch: u64,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(StreamSpec::example(), vec![source(0, Format::Ndjson)], Limits::default())
    }

    fn with(stream: StreamSpec, sources: Vec<SourceSpec>, limits: Limits) -> Bench {
        Bench::of([stream].into(), sources, limits)
    }

    fn of(specs: Arc<[StreamSpec]>, sources: Vec<SourceSpec>, limits: Limits) -> Bench {
        let sources: Arc<[SourceSpec]> = sources.into();
        Bench {
            lane: LaneCounter::new(0, specs.clone(), sources.clone(), limits, 7),
            aggregator: Aggregator::new(specs.clone(), sources.clone(), limits, 7),
            specs,
            sources,
            lines: 0,
            epoch: 0,
        }
    }

    fn send(&mut self, source: u16, arrival: TimeUs, lines: &[String]) {
        let bytes = lines.join("\n").into_bytes();
        let block = Block {
            // Somewhere behind all lines so far.
            end_offset: (self.lines + lines.len() as u64) * 1000,
            check: 0,
            reading: Reading::Configured,
            bytes: Lease::owned(bytes),
            source: SourceId(source),
            conn: ConnId(u64::from(source)),
            first_line: self.lines + 1,
            arrival,
        };
        self.lines += lines.len() as u64;
        self.lane.consume(&block);
        self.epoch += 1;
        self.aggregator.merge(self.lane.cut(self.epoch));
    }

    /// Orders of `host` every second from `from` to `to` (seconds), each arriving at its own time.
    fn orders(&mut self, host: &str, from: i64, to: i64) {
        for second in from..to {
            let time = at(second as f64);
            self.send(0, time, &[order(time, host)]);
        }
    }

    fn advance(&mut self, seconds: f64) -> Vec<SealedMinute> {
        self.aggregator.advance(at(seconds))
    }

    /// Stops the aggregator and goes on with a new one from its saved state, through JSON.
    fn restart(&mut self) {
        let state = serde_json::to_string(&self.aggregator.save()).unwrap();
        self.aggregator = Aggregator::new(self.specs.clone(), self.sources.clone(), Limits::default(), 99);
        self.aggregator.restore(serde_json::from_str(&state).unwrap()).unwrap();
        let seed = self.aggregator.seed();
        assert_eq!(seed, 7);
        self.lane = LaneCounter::new(0, self.specs.clone(), self.sources.clone(), Limits::default(), seed);
    }
}

fn count(minute: &SealedMinute) -> i64 {
    minute.rows.events()
}
