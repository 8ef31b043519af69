//! The stages that see text: finding lines, decoding them, counting them in a lane.

use std::hint::black_box;
use std::sync::Arc;

use ebbd_core::aggregate::LaneCounter;
use ebbd_core::decode::{Block, Decoded, Decoder, Format, Reading, SourceSpec, lines};
use ebbd_core::model::{
    ConnId, DistinctSpec, Limits, SourceId, StreamId, StreamRoute, StreamSpec, SumSpec, TimeUs,
};
use ebbd_core::simd::count_lines;
use ebbd_core::sync::Lease;

use super::Prepared;
use crate::load::WireFormat;
use crate::shop::{ShopLoad, ShopSpec};

/// Bytes of a block.
const BLOCK_BYTES: usize = 256 * 1024;
/// The seed of all hashes.
const SEED: u64 = 0xEBBD;

/// Everything a lane needs, and the text in blocks.
pub(super) struct Bench {
    pub(super) streams: Arc<[StreamSpec]>,
    pub(super) sources: Arc<[SourceSpec]>,
    pub(super) limits: Limits,
    pub(super) arrival: TimeUs,
    pub(super) blocks: Vec<Block>,
}

impl Bench {
    pub(super) fn new(format: WireFormat, spec: &ShopSpec) -> Bench {
        let text = ShopLoad::new(spec.clone()).text(format);
        let arrival = spec.from.plus(spec.minutes as i32).start();
        let limits = Limits { series: 2_000_000, ..Limits::default() };
        let sources = [source(format)].into();
        Bench { streams: [stream()].into(), sources, limits, arrival, blocks: blocks(&text, arrival) }
    }

    pub(super) fn lane(&self) -> LaneCounter {
        LaneCounter::new(0, Arc::clone(&self.streams), Arc::clone(&self.sources), self.limits, SEED)
    }

    pub(super) fn seed() -> u64 {
        SEED
    }
}

/// The stream of the reference: four dimensions, amount, customer.
pub(super) fn stream() -> StreamSpec {
    let amount = SumSpec { name: "amount".to_owned(), field: "amount".to_owned(), scale: 2, currency: None };
    let customer = DistinctSpec { name: "customer".to_owned(), field: "customer".to_owned() };
    StreamSpec { sums: vec![amount], distincts: vec![customer], origin: None, ..StreamSpec::example() }
}

fn source(format: WireFormat) -> SourceSpec {
    let format = match format {
        WireFormat::Ndjson => Format::Ndjson,
        WireFormat::Influx => Format::Influx,
        WireFormat::Statsd | WireFormat::StatsdPlain => Format::Statsd,
    };
    let route = match format {
        Format::Ndjson => StreamRoute::Fixed(StreamId(0)),
        Format::Influx | Format::Statsd => StreamRoute::ByName([("orders".to_owned(), StreamId(0))].into()),
    };
    let name = "load".to_owned();
    SourceSpec { id: SourceId(0), name, format, route, expect: Vec::new(), forget_after_us: i64::MAX }
}

/// The text in blocks of whole lines, as a source hands them over.
fn blocks(text: &[u8], arrival: TimeUs) -> Vec<Block> {
    let (mut blocks, mut at, mut first_line) = (Vec::new(), 0, 1);
    while at < text.len() {
        let window = &text[at..text.len().min(at + BLOCK_BYTES)];
        let whole = window.iter().rposition(|b| *b == b'\n').map_or(window.len(), |end| end + 1);
        let bytes = Lease::owned(window[..whole].to_vec());
        at += whole;
        let lines = count_lines(&bytes);
        let (source, conn, end_offset) = (SourceId(0), ConnId(1), at as u64);
        blocks.push(Block {
            bytes,
            source,
            conn,
            first_line,
            end_offset,
            check: 0,
            arrival,
            reading: Reading::Configured,
        });
        first_line += lines;
    }
    blocks
}

/// Finding lines and nothing else.
pub(super) fn count(spec: &ShopSpec) -> Prepared {
    let bench = Bench::new(WireFormat::Ndjson, spec);
    Box::new(move || bench.blocks.iter().map(|block| count_lines(black_box(&block.bytes))).sum())
}

/// Lines to events.
pub(super) fn decode(format: WireFormat, spec: &ShopSpec) -> Prepared {
    let bench = Bench::new(format, spec);
    let mut decoder = Decoder::new(&bench.sources[0], &bench.streams, &bench.limits);
    Box::new(move || {
        let mut events = 0;
        for block in &bench.blocks {
            for line in lines(&block.bytes) {
                let decoded = decoder.decode(line, bench.arrival);
                events += u64::from(matches!(black_box(&decoded), Decoded::Event(_)));
            }
        }
        events
    })
}

/// Lines to what a lane hands over at a cut, the cut included.
pub(super) fn lane(format: WireFormat, spec: &ShopSpec) -> Prepared {
    let bench = Bench::new(format, spec);
    let (mut lane, mut epoch) = (bench.lane(), 0);
    Box::new(move || {
        bench.blocks.iter().for_each(|block| {
            lane.consume(block);
        });
        epoch += 1;
        let delta = lane.cut(epoch);
        delta.tallies.iter().map(|tally| tally.counts.counted).sum()
    })
}

/// The same by two lanes that take the blocks in turn: what both spend together.
pub(super) fn two_lanes(format: WireFormat, spec: &ShopSpec) -> Prepared {
    let bench = Bench::new(format, spec);
    let (mut lanes, mut epoch) = ([bench.lane(), bench.lane()], 0);
    Box::new(move || {
        epoch += 1;
        let mut events = 0;
        for (at, lane) in lanes.iter_mut().enumerate() {
            for block in bench.blocks.iter().skip(at).step_by(2) {
                lane.consume(block);
            }
            events += lane.cut(epoch).tallies.iter().map(|tally| tally.counts.counted).sum::<u64>();
        }
        events
    })
}
