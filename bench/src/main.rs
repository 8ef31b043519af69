//! `ebbd-bench`: seeded order events to wherever they are wanted, sinks to compare with, and measurements.

mod command;
mod kept;
mod rig;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Load generator, sinks and benches of ebbd.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write seeded order events
    Load(command::LoadArgs),
    /// Read what is sent and forget it; say what that cost
    Sink(command::SinkArgs),
    /// Time each stage of the hot path in memory
    Stages(command::StagesArgs),
    /// One pass over a stage, for whoever counts its instructions
    Pass(command::PassArgs),
    /// Count the instructions of each stage (needs valgrind)
    Instructions(command::InstructionsArgs),
    /// Name causes in tables of known truth, family by family
    Localise(command::LocaliseArgs),
    /// Compare what alarms say that incidents cost with what they cost, on simulated shops
    Impact(command::ImpactArgs),
    /// Send to a fresh daemon, check what it counted, and compare its CPU with a sink's
    Path(command::PathArgs),
    /// Try the detector on simulated shops or real series, beside its peers
    Detect(command::DetectArgs),
    /// Measure a subject of docs/performance.md and keep the result
    Measure(command::MeasureArgs),
    /// Write docs/performance.md from the kept results
    Report(command::ReportArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Load(args) => command::load(&args),
        Command::Sink(args) => command::sink(&args),
        Command::Stages(args) => command::stages(&args),
        Command::Pass(args) => command::pass(&args),
        Command::Instructions(args) => command::instructions(&args),
        Command::Localise(args) => command::localise(&args),
        Command::Impact(args) => command::impact(&args),
        Command::Path(args) => command::path(&args),
        Command::Detect(args) => command::detect(&args),
        Command::Measure(args) => command::measure(&args),
        Command::Report(args) => command::report(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ebbd-bench: {error}");
            ExitCode::from(3)
        }
    }
}
