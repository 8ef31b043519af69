//! CPU time of each stage: `cargo bench -p ebbd-bench --bench stages [NAME]`. Instructions per unit:
//! `ebbd-bench instructions`.

/// Events in memory.
const EVENTS: u64 = 300_000;

fn main() {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    ebbd_bench::stages::table(only.as_deref().unwrap_or(""), EVENTS);
}
