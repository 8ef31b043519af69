//! `ebbd-bench measure`: the subjects of docs/performance.md, one file each.

mod crooked;
mod datagrams;
mod files;
mod fresh;
mod idle;
mod lanes;
mod memory;
mod peers;
mod profile;
mod series;
mod streams;
mod year;

use clap::{Args, ValueEnum};

use super::instructions;
use crate::kept::Outcome;
use crate::rig::Failure;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// Streams against a line-counting sink (S1, S4b)
    Streams,
    /// UDP against a null sink and the counters of others (S5, S6)
    Datagrams,
    /// Files to Parquet against DuckDB, Polars and chDB (S2, S3, S4)
    Files,
    /// Lines with shuffled keys, unknown fields and escapes against sonic-rs (S7)
    Crooked,
    /// From a thousand to a million series (S8)
    Series,
    /// Memory per series, and under unique values (S9)
    Memory,
    /// CPU when nothing comes, and when little comes
    Idle,
    /// What a second lane is worth (S13)
    Lanes,
    /// How soon a sealed minute can be read (S14)
    Fresh,
    /// A year of minutes through the judge, and a minute of many slices (S11, S12)
    Year,
    /// Instructions of each stage
    Instructions,
    /// Which functions take the time (needs perf)
    Profile,
}

/// What `measure` takes.
#[derive(Args)]
#[command(after_help = "Everything, with the report: bench/run.sh [--quick]")]
pub struct MeasureArgs {
    /// What
    #[arg(value_enum, required = true)]
    subjects: Vec<Subject>,
    /// Less data and fewer rounds; the result is printed, not kept
    #[arg(long)]
    quick: bool,
}

/// Measures and keeps.
///
/// # Errors
/// A process fails, or somebody miscounts.
pub fn measure(args: &MeasureArgs) -> Result<(), Failure> {
    for subject in &args.subjects {
        let quick = args.quick;
        let outcome = match subject {
            Subject::Streams => streams::measure(quick),
            Subject::Datagrams => datagrams::measure(quick),
            Subject::Files => files::measure(quick),
            Subject::Crooked => crooked::measure(quick),
            Subject::Series => series::measure(quick),
            Subject::Memory => memory::measure(quick),
            Subject::Idle => idle::measure(quick),
            Subject::Lanes => lanes::measure(quick),
            Subject::Fresh => fresh::measure(),
            Subject::Year => year::measure(quick),
            Subject::Instructions => stages(quick),
            Subject::Profile => profile::measure(quick),
        }?;
        outcome.print();
        if !quick {
            outcome.keep()?;
        }
    }
    Ok(())
}

/// Instructions and times of all stages but the largest, for which the counter takes too long.
fn stages(quick: bool) -> Result<Outcome, Failure> {
    let figures =
        instructions::figures(either(quick, 50_000, 10_000), either(quick, 300_000, 50_000), "1e6")?;
    let remark =
        "The counter's processor has no AVX-512: where the time's has, instructions are fewer there.";
    Ok(Outcome::new("instructions", figures, vec![remark.to_owned()]))
}

/// `full`, or `short` when it has to be quick.
fn either<T>(quick: bool, full: T, short: T) -> T {
    if quick { short } else { full }
}
