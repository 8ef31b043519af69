//! What a watched slice costs: time a minute against the plain twin (S10), and memory (D12).

use std::hint::black_box;
use std::time::Instant;

use ebbd_core::baseline::Profiles;
use ebbd_core::simd::column::{AGE, COLUMNS, OBSERVED, PROFILE, WEEKS, WIDTH};
use ebbd_core::simd::{Block, Step, step, twin};
use serde::Serialize;

/// Slices that time is measured at: in the cache, and bound by memory.
const SIZES: [usize; 2] = [1_000, 100_000];
/// Rounds of which the quickest counts.
const ROUNDS: usize = 40;

/// The costs of a slice.
#[derive(Debug, Serialize)]
pub struct Cost {
    /// Slices, nanoseconds of the kernel per slice and minute, and of its plain twin.
    times: Vec<(usize, f64, f64)>,
    /// State of a slice.
    bytes: usize,
}

impl Cost {
    pub fn print(&self) {
        println!("\nCost of a watched slice");
        for (slices, kernel, twin) in &self.times {
            let ratio = twin / kernel;
            println!(
                "  S10 {slices:>6} slices: {kernel:.1} ns a minute, plain twin {twin:.1} ns, {ratio:.1} times"
            );
        }
        println!("  D12 state: {} bytes", self.bytes);
    }
}

/// Measures them.
pub fn measure() -> Cost {
    let bytes = size_of::<Block>() / WIDTH + Profiles::BYTES_PER_SLICE;
    Cost { times: SIZES.map(time).to_vec(), bytes }
}

fn time(slices: usize) -> (usize, f64, f64) {
    let mut blocks = vec![Block::default(); slices.div_ceil(WIDTH)];
    for lanes in blocks.iter_mut().map(|block| &mut block.0) {
        (lanes[AGE], lanes[WEEKS]) = ([40_000.0; WIDTH], [4.0; WIDTH]);
        (lanes[PROFILE], lanes[OBSERVED]) = ([100.0; WIDTH], std::array::from_fn(|lane| 84.0 + lane as f32));
    }
    let mut lanes: Vec<[f32; COLUMNS]> =
        blocks.iter().flat_map(|block| (0..WIDTH).map(|lane| block.lane(lane))).collect();
    let minute = |now: usize| Step {
        now: now as f32,
        judged: 1.0,
        learns: 1.0,
        missing: 0.0,
        bar: 12.0,
        min_loss: 5.0,
    };
    let kernel = best(slices, |now| step(black_box(&mut blocks), &minute(now)));
    let plain = best(slices, |now| lanes.iter_mut().for_each(|lane| twin::step(lane, &minute(now))));
    (slices, kernel, plain)
}

fn best(slices: usize, mut round: impl FnMut(usize)) -> f64 {
    let mut least = f64::INFINITY;
    for now in 0..ROUNDS {
        let start = Instant::now();
        round(now);
        least = least.min(start.elapsed().as_nanos() as f64 / slices as f64);
    }
    least
}
