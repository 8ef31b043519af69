//! The longest block and cut of a lane while 10^3 to 10^6 series arrive: `cargo bench -p ebbd-bench --bench
//! pauses`. Fails if one took so long that somebody could see it.

use ebbd_bench::stages::Pauses;

/// Longest block or cut in milliseconds. A table that is copied at once takes 80.
const LIMIT_MS: u64 = 20;

fn main() {
    println!("{:>10} {:>12} {:>12} {:>12}  CPU us", "series", "median block", "longest", "longest cut");
    let mut worst_us = 0;
    for (series, events) in [(1_000, 100_000), (10_000, 200_000), (100_000, 500_000), (1_000_000, 3_000_000)]
    {
        let pauses = Pauses::measure(series, events);
        let Pauses { median_block_us, longest_block_us, longest_cut_us } = pauses;
        println!("{series:>10} {median_block_us:>12} {longest_block_us:>12} {longest_cut_us:>12}");
        worst_us = worst_us.max(longest_block_us).max(longest_cut_us);
    }
    assert!(worst_us < LIMIT_MS * 1000, "something took {worst_us} us");
}
