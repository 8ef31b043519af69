//! Growth without a pause: the longest block and the longest cut of a lane while its series arrive.

use super::{MINUTE, text::Bench};
use crate::load::WireFormat;
use crate::shop::ShopSpec;
use crate::spent::thread_ns;

/// Blocks between two cuts: about 50 ms at full load.
const BLOCKS_PER_CUT: usize = 32;

/// How long a lane was busy with one thing, in microseconds of CPU time.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    /// A block of 256 KiB, half of them.
    pub median_block_us: u64,
    /// The longest block.
    pub longest_block_us: u64,
    /// The longest cut, which holds up the blocks behind it.
    pub longest_cut_us: u64,
}

impl Pauses {
    /// Of a lane that has never seen the `series` equally frequent series of `events` events.
    pub fn measure(series: u32, events: u64) -> Pauses {
        let spec = ShopSpec {
            minutes: 1,
            from: MINUTE,
            series: Some(series),
            ..ShopSpec::reference(events, MINUTE)
        };
        let bench = Bench::new(WireFormat::Ndjson, &spec);
        let mut lane = bench.lane();
        let (mut blocks_us, mut longest_cut_us, mut epoch) = (Vec::new(), 0, 0);
        for blocks in bench.blocks.chunks(BLOCKS_PER_CUT) {
            blocks_us.extend(blocks.iter().map(|block| {
                spent_us(|| {
                    lane.consume(block);
                })
            }));
            epoch += 1;
            // What is handed over is freed by who takes it.
            let mut delta = None;
            longest_cut_us = longest_cut_us.max(spent_us(|| delta = Some(lane.cut(epoch))));
        }
        blocks_us.sort_unstable();
        let median_block_us = blocks_us.get(blocks_us.len() / 2).copied().unwrap_or(0);
        let longest_block_us = blocks_us.last().copied().unwrap_or(0);
        Pauses { median_block_us, longest_block_us, longest_cut_us }
    }
}

fn spent_us(work: impl FnOnce()) -> u64 {
    let before = thread_ns();
    work();
    (thread_ns() - before) / 1000
}
