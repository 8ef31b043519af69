//! Lanes with a counter that sums bytes.

use crossbeam::channel::bounded;
use ebbd_core::decode::Reading;
use ebbd_core::model::{ConnId, SourceId, TimeUs};
use ebbd_core::sync::Lease;

use super::*;

/// Sums the bytes of blocks.
#[derive(Default)]
struct Bytes(u64);

impl Counts for Bytes {
    type Delta = u64;

    fn consume(&mut self, block: &Block) {
        assert!(!block.bytes.starts_with(b"panic"), "asked to");
        self.0 += block.bytes.len() as u64;
    }

    fn cut(&mut self, _epoch: u64) -> u64 {
        std::mem::take(&mut self.0)
    }
}

fn block(bytes: &[u8]) -> Block {
    Block {
        bytes: Lease::owned(bytes.to_vec()),
        source: SourceId(0),
        conn: ConnId(1),
        first_line: 1,
        end_offset: bytes.len() as u64,
        check: 0,
        reading: Reading::Configured,
        arrival: TimeUs(0),
    }
}

#[test]
fn a_marker_cuts_between_what_came_before_and_after() {
    let (deltas, answers) = bounded(4);
    let queue = Arc::new(LaneQueue::new(8));
    for text in ["one", "two"] {
        queue.try_block(block(text.as_bytes()), usize::MAX).expect("room");
    }
    assert!(queue.send(LaneMessage::Marker(7)));
    queue.try_block(block(b"three"), usize::MAX).expect("room");
    assert!(queue.send(LaneMessage::Stop(8)));
    let lane = spawn_lane(3, Bytes::default(), Arc::clone(&queue), deltas).expect("spawned");
    lane.join().expect("it stops");
    let got: Vec<_> = answers.iter().collect();
    assert_eq!(got.iter().map(|a| (a.lane, a.epoch, a.delta)).collect::<Vec<_>>(), [(3, 7, 6), (3, 8, 5)]);
    let mut sum = StageLatency::new();
    got.iter().flat_map(|answer| &answer.latency).for_each(|latency| sum.add(latency));
    assert_eq!((sum.waited_ns.len(), sum.counted_ns.len()), (3, 3));
    assert!(queue.is_closed() && !queue.send(LaneMessage::Marker(9)), "nobody takes it");
}

#[test]
fn a_full_queue_gives_the_block_back_and_still_takes_markers() {
    let queue = LaneQueue::new(2);
    assert!(
        queue.try_block(block(b"1"), usize::MAX).is_ok() && queue.try_block(block(b"2"), usize::MAX).is_ok()
    );
    let refused = queue.try_block(block(b"3"), usize::MAX).expect_err("full");
    assert_eq!(refused.bytes.as_slice(), b"3");
    assert!(queue.send(LaneMessage::Marker(1)));
    assert_eq!((queue.len(), queue.capacity()), (3, 2));
}

#[test]
fn sleeps_and_is_woken_many_times() {
    let (deltas, answers) = bounded(1);
    let queue = Arc::new(LaneQueue::new(4));
    let lane = spawn_lane(0, Bytes::default(), Arc::clone(&queue), deltas).expect("spawned");
    for epoch in 0..2_000 {
        queue.try_block(block(b"xy"), usize::MAX).expect("room");
        assert!(queue.send(LaneMessage::Marker(epoch)));
        let answer = answers.recv().expect("an answer");
        assert_eq!((answer.epoch, answer.delta), (epoch, 2));
    }
    assert!(queue.send(LaneMessage::Stop(2_000)));
    lane.join().expect("it stops");
}

#[test]
fn a_lane_that_dies_or_is_deserted_closes_its_queue() {
    let (deltas, answers) = bounded(1);
    let queue = Arc::new(LaneQueue::new(4));
    let lane = spawn_lane(0, Bytes::default(), Arc::clone(&queue), deltas).expect("spawned");
    queue.try_block(block(b"panic"), usize::MAX).expect("room");
    assert!(lane.join().is_err(), "the counter panicked");
    assert!(queue.is_closed());
    drop(answers);

    let (deltas, answers) = bounded(1);
    drop(answers);
    let queue = Arc::new(LaneQueue::new(4));
    let lane = spawn_lane(0, Bytes::default(), Arc::clone(&queue), deltas).expect("spawned");
    assert!(queue.send(LaneMessage::Marker(1)));
    lane.join().expect("it ends");
    assert!(queue.is_closed());
}
