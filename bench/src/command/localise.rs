//! `ebbd-bench localise`: how often causes are named exactly, family by family, and what that costs.

use clap::Args;
use ebbd_core::localize::{Direction, Reach, locate};
use ebbd_core::simulate::{Cube, CubeFamily, CubeScore};

use crate::rig::Failure;

/// What `localise` takes.
#[derive(Args)]
pub struct LocaliseArgs {
    /// Only families whose name contains this
    #[arg(default_value = "")]
    only: String,
    /// Tables per family (a tenth of it for the widest)
    #[arg(long, default_value_t = 100)]
    tables: u64,
    /// The first seed. Settings were chosen by looking at 1 to 40 and 100 to 139
    #[arg(long, default_value_t = 7000)]
    seed: u64,
}

/// Prints the table.
///
/// # Errors
/// None.
pub fn localise(args: &LocaliseArgs) -> Result<(), Failure> {
    println!(
        "{:<11} {:>6} {:>6} {:>6} {:>6} {:>6} {:>9} {:>9}",
        "family", "tables", "F1", "hits", "missed", "wrong", "mean ms", "worst ms"
    );
    for family in CubeFamily::ALL.into_iter().filter(|family| family.name().contains(&args.only)) {
        let tables = if family == CubeFamily::Wide { args.tables.div_ceil(10) } else { args.tables };
        let (mut score, mut spent_ms, mut worst_ms) = (CubeScore::default(), 0.0, 0.0f64);
        for seed in args.seed..args.seed + tables {
            let cube = family.cube(seed);
            let took_ms = add(&cube, &mut score);
            spent_ms += took_ms;
            worst_ms = worst_ms.max(took_ms);
        }
        println!(
            "{:<11} {tables:>6} {:>6.3} {:>6} {:>6} {:>6} {:>9.1} {worst_ms:>9.1}",
            family.name(),
            score.f1(),
            score.hits,
            score.missed,
            score.wrong,
            spent_ms / tables as f64
        );
    }
    Ok(())
}

/// Scores one table; gives the time that it took in milliseconds.
fn add(cube: &Cube, score: &mut CubeScore) -> f64 {
    let start = std::time::Instant::now();
    let answer = locate(&cube.table, Direction::Fall, Reach::default());
    let took = start.elapsed();
    score.add(cube, &answer);
    took.as_secs_f64() * 1e3
}
