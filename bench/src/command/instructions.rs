//! `ebbd-bench instructions`: instructions per event, cell or row of each stage, by callgrind.
//!
//! A stage runs twice under the counter, with one pass and with three: the difference is two passes, free of
//! the preparation and of the first pass, which learns the keys.

use std::process::{Command, Stdio};

use clap::Args;
use ebbd_bench::stages::{STAGES, Stage};

use crate::kept::Figure;
use crate::rig::Failure;

/// What `pass` takes.
#[derive(Args)]
pub struct PassArgs {
    /// The stage
    stage: String,
    /// Events in memory
    #[arg(long, default_value_t = 50_000)]
    events: u64,
    /// So many passes
    #[arg(long, default_value_t = 1)]
    passes: usize,
}

/// What `instructions` takes.
#[derive(Args)]
pub struct InstructionsArgs {
    /// Only stages whose name contains this
    #[arg(default_value = "")]
    only: String,
    /// Events in memory
    #[arg(long, default_value_t = 50_000)]
    events: u64,
}

/// Passes through one stage and prints the units.
///
/// # Errors
/// There is no such stage.
pub fn pass(args: &PassArgs) -> Result<(), Failure> {
    let stage = Stage::named(&args.stage).ok_or_else(|| format!("there is no stage {}", args.stage))?;
    let mut pass = stage.prepare(args.events);
    let units: u64 = (0..args.passes).map(|_| pass()).sum();
    println!("{units}");
    Ok(())
}

/// Counts and prints.
///
/// # Errors
/// Valgrind is missing or fails.
pub fn instructions(args: &InstructionsArgs) -> Result<(), Failure> {
    println!("{:<24} {:>12}  instructions per", "stage", "");
    for stage in STAGES.iter().filter(|stage| stage.name.contains(&args.only)) {
        let count = per_unit(stage, args.events)?;
        println!("{:<24} {count:>12.1}  {}", stage.name, stage.unit);
    }
    Ok(())
}

/// Figures of every stage: instructions per unit, and CPU time per unit.
///
/// # Errors
/// Valgrind is missing or fails.
pub fn figures(events: u64, timed_events: u64, skip: &str) -> Result<Vec<Figure>, Failure> {
    let mut figures = Vec::new();
    for stage in STAGES.iter().filter(|stage| !stage.name.contains(skip)) {
        let each = |what: &str| format!("{what}/{}", stage.unit);
        figures.push(Figure::new(stage.name, &each("instructions"), vec![per_unit(stage, events)?]));
        figures.push(Figure::new(stage.name, &each("CPU ns"), stage.time(timed_events)));
    }
    Ok(figures)
}

/// Instructions per unit of a stage.
///
/// # Errors
/// Valgrind is missing or fails.
pub fn per_unit(stage: &Stage, events: u64) -> Result<f64, Failure> {
    let ((once, one), (thrice, three)) = (counted(stage, events, 1)?, counted(stage, events, 3)?);
    Ok((thrice - once) as f64 / (three - one).max(1) as f64)
}

/// Instructions and units of so many passes.
fn counted(stage: &Stage, events: u64, passes: usize) -> Result<(u64, u64), Failure> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe()?);
    command.args(["pass", stage.name, "--events", &events.to_string(), "--passes", &passes.to_string()]);
    let output = command.stdin(Stdio::null()).output().map_err(|error| {
        format!("valgrind does not start ({error}): install it (Debian: apt-get install valgrind)")
    })?;
    let told = String::from_utf8_lossy(&output.stderr);
    let count = told.lines().find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok());
    let units = String::from_utf8_lossy(&output.stdout).trim().parse();
    match (count, units) {
        (Some(count), Ok(units)) => Ok((count, units)),
        _ => Err(format!("{command:?} told no count: {told}").into()),
    }
}
