//! Cuts while one connection is spread over lanes.

use std::sync::Arc;
use std::thread;

use crossbeam::channel::bounded;
use ebbd_core::aggregate::{Aggregator, LaneCounter};
use ebbd_core::decode::{Block, Format, Reading, SourceSpec};
use ebbd_core::model::{ConnId, Limits, SourceId, StreamId, StreamRoute, StreamSpec, TimeUs};
use ebbd_core::sync::Lease;
use proptest::prelude::*;

use super::Lanes;
use crate::lane::{LaneQueue, spawn_lane};

/// 2026-11-22T13:04:05Z.
const NOW: TimeUs = TimeUs(1_795_352_645_000_000);

struct Counted {
    aggregator: Aggregator,
    lanes: Lanes,
}

fn counted(lanes: usize) -> (Counted, Vec<Arc<LaneQueue>>) {
    let streams: Arc<[StreamSpec]> = Arc::new([StreamSpec::example()]);
    let source = SourceSpec {
        id: SourceId(0),
        name: "s".to_owned(),
        format: Format::Ndjson,
        route: StreamRoute::Fixed(StreamId(0)),
        expect: Vec::new(),
        forget_after_us: 0,
    };
    let sources: Arc<[SourceSpec]> = Arc::new([source]);
    let limits = Limits::default();
    let aggregator = Aggregator::new(Arc::clone(&streams), Arc::clone(&sources), limits, 7);
    let (deltas, answers) = bounded(lanes * 2);
    let queues: Vec<Arc<LaneQueue>> = (0..lanes).map(|_| Arc::new(LaneQueue::new(64))).collect();
    for (index, queue) in queues.iter().enumerate() {
        let counter = LaneCounter::new(index as u16, Arc::clone(&streams), Arc::clone(&sources), limits, 7);
        spawn_lane(index, counter, Arc::clone(queue), deltas.clone()).expect("spawned");
    }
    (Counted { aggregator, lanes: Lanes::new(queues.clone(), answers) }, queues)
}

impl Counted {
    /// Merges what the lanes answered and returns the connection's next line and offset.
    fn cut(&mut self, is_last: bool) -> (u64, u64) {
        let answers = if is_last { self.lanes.stop() } else { self.lanes.cut() };
        answers.into_iter().for_each(|answer| self.aggregator.merge(answer.delta));
        self.aggregator.positions().next().map_or((1, 0), |(_, _, at)| (at.next_line, at.end_offset))
    }
}

/// Blocks of one connection, cut from numbered lines: how many lines each, and to which lane it goes.
fn blocks(shape: &[(u64, usize)]) -> Vec<(usize, Block)> {
    let (mut line, mut offset) = (1, 0);
    let block = |&(lines, lane): &(u64, usize)| {
        let text: String = (line..line + lines).map(|n| format!("{{\"n\":{n}}}\n")).collect();
        offset += text.len() as u64;
        let block = Block {
            bytes: Lease::owned(text.into_bytes()),
            source: SourceId(0),
            conn: ConnId(1),
            first_line: line,
            end_offset: offset,
            check: 0,
            reading: Reading::Configured,
            arrival: NOW,
        };
        line += lines;
        (lane, block)
    };
    shape.iter().map(block).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn positions_are_a_prefix_whatever_lane_has_what(
        shape in prop::collection::vec((1_u64..40, 0_usize..3), 1..120),
    ) {
        let (mut counted, queues) = counted(3);
        let blocks = blocks(&shape);
        // Where a prefix may end: at the end of a block, with that block's offset.
        let ends: Vec<(u64, u64)> = std::iter::once((1, 0))
            .chain(shape.iter().zip(&blocks).map(|((lines, _), (_, b))| (b.first_line + lines, b.end_offset)))
            .collect();
        let last = ends[ends.len() - 1];
        let pusher = thread::spawn(move || {
            for (lane, mut block) in blocks {
                while let Err(refused) = queues[lane].try_block(block, usize::MAX) {
                    block = refused;
                    thread::yield_now();
                }
            }
        });
        let mut before = (1, 0);
        while !pusher.is_finished() {
            let at = counted.cut(false);
            prop_assert!(at >= before && ends.contains(&at), "{:?} after {:?}", at, before);
            before = at;
        }
        pusher.join().expect("the pusher ends");
        prop_assert!(counted.lanes.take_came());
        prop_assert_eq!(counted.cut(true), last);
        prop_assert!(!counted.lanes.take_came());
        let received: u64 = counted.aggregator.ledger().0.values().map(|counts| counts.received).sum();
        prop_assert_eq!(received, last.0 - 1);
    }
}
