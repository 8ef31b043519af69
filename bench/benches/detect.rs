//! The detector's kernel, per slice and minute, against its plain twin; and a whole judged minute.
//!
//! Prints the ratio: if it is below 3 at both sizes (in the cache, and bound by memory), the kernel does
//! not vectorise any more, and the bench fails.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use ebbd_core::detect::{DetectKnobs, Detector};
use ebbd_core::model::{
    Completeness, Minute, SealedMinute, SealedRow, SealedRows, SeriesKey, StreamId, StreamSpec, TimeUs,
};
use ebbd_core::simd::column::{AGE, COLUMNS, OBSERVED, PROFILE, WEEKS, WIDTH};
use ebbd_core::simd::{Block, Step, step, twin};

const SIZES: [usize; 2] = [1_000, 100_000];
/// The kernel has to be so many times faster than the twin.
const LEAST_RATIO: f64 = 3.0;

fn minute(now: usize) -> Step {
    Step { now: now as f32, judged: 1.0, learns: 1.0, missing: 0.0, bar: 12.0, min_loss: 5.0 }
}

/// Counts that wander around the profile, different in each slice.
fn observed(slice: usize, now: usize) -> f32 {
    let noise = (slice.wrapping_mul(31).wrapping_add(now.wrapping_mul(17))) % 41;
    80.0 + noise as f32
}

fn blocks(slices: usize) -> Vec<Block> {
    let mut blocks = vec![Block::default(); slices.div_ceil(WIDTH)];
    for (at, block) in blocks.iter_mut().enumerate() {
        for lane in 0..WIDTH {
            block.0[AGE][lane] = 40_000.0;
            block.0[WEEKS][lane] = 4.0;
            block.0[PROFILE][lane] = 100.0;
            block.0[OBSERVED][lane] = observed(at * WIDTH + lane, 0);
        }
    }
    blocks
}

fn lanes(blocks: &[Block]) -> Vec<[f32; COLUMNS]> {
    blocks.iter().flat_map(|block| (0..WIDTH).map(|lane| block.lane(lane))).collect()
}

fn kernel(c: &mut Criterion) {
    let mut group = c.benchmark_group("detect/kernel");
    for slices in SIZES {
        group.throughput(Throughput::Elements(slices as u64));
        let (mut blocks, mut now) = (blocks(slices), 0);
        let mut lanes = lanes(&blocks);
        group.bench_function(BenchmarkId::new("simd", slices), |b| {
            b.iter(|| {
                now += 1;
                step(black_box(&mut blocks), &minute(now));
            });
        });
        group.bench_function(BenchmarkId::new("twin", slices), |b| {
            b.iter(|| {
                now += 1;
                lanes.iter_mut().for_each(|lane| twin::step(lane, &minute(now)));
            });
        });
    }
    group.finish();
}

fn sealed(slices: usize, now: usize, keys: &[Arc<SeriesKey>]) -> SealedMinute {
    let row = |at: usize| SealedRow {
        key: Arc::clone(&keys[at]),
        count: observed(at, now) as i64,
        sums: Box::default(),
        sketches: Box::default(),
    };
    SealedMinute {
        stream: StreamId(0),
        minute: Minute(29_843_280 + now as i32),
        revision: 0,
        earlier: SealedRows::default(),
        rows: (0..slices).map(row).collect(),
        completeness: Completeness::whole(),
        sources: Vec::new(),
        sealed_at: TimeUs(0),
    }
}

/// A minute through the whole detector: rows to slices, kernel, verdicts.
fn whole_minute(c: &mut Criterion) {
    let mut group = c.benchmark_group("detect/minute");
    for slices in SIZES {
        let key = |at: usize| {
            let dimensions = [at.to_string().as_str(), "web", "card", "placed"].map(Arc::from).into();
            Arc::new(SeriesKey { dimensions, currencies: Box::default(), watched: true })
        };
        let keys: Vec<Arc<SeriesKey>> = (0..slices).map(key).collect();
        let stream = StreamSpec { watch: vec![vec![0]], ..StreamSpec::example() };
        let knobs = DetectKnobs { false_alarms_per_week: 1.0, max_slices: slices };
        let (mut detector, mut now) = (Detector::new(&stream, &knobs), 0);
        group.throughput(Throughput::Elements(slices as u64));
        group.bench_function(BenchmarkId::new("judge", slices), |b| {
            b.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    now += 1;
                    let minute = sealed(slices, now, &keys);
                    let start = Instant::now();
                    black_box(detector.judge(&minute));
                    spent += start.elapsed();
                }
                spent
            });
        });
    }
    group.finish();
}

/// Best of several rounds, nanoseconds per slice and minute.
fn best(slices: usize, mut round: impl FnMut(usize)) -> f64 {
    let mut least = f64::INFINITY;
    for now in 0..40 {
        let start = Instant::now();
        round(now);
        least = least.min(start.elapsed().as_nanos() as f64 / slices as f64);
    }
    least
}

fn compare() -> bool {
    let mut fast_enough = false;
    for slices in SIZES {
        let mut blocks = blocks(slices);
        let mut lanes = lanes(&blocks);
        let simd = best(slices, |now| step(black_box(&mut blocks), &minute(now)));
        let plain = best(slices, |now| lanes.iter_mut().for_each(|lane| twin::step(lane, &minute(now))));
        let ratio = plain / simd;
        println!(
            "{slices} slices: kernel {simd:.1} ns, twin {plain:.1} ns per slice and minute, ratio {ratio:.1}"
        );
        fast_enough |= ratio >= LEAST_RATIO;
    }
    fast_enough
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300)).sample_size(20);
    targets = kernel, whole_minute
}

fn main() {
    let vectorised = compare();
    benches();
    Criterion::default().configure_from_args().final_summary();
    assert!(
        vectorised,
        "the kernel is not {LEAST_RATIO} times faster than its twin: it no longer vectorises"
    );
}
