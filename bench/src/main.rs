//! `ebbd-bench load`: seeded order events to wherever they are wanted.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use ebbd_bench::{Load, LoadSpec, Target, WireFormat, send};
use ebbd_core::model::Minute;

/// Load generator and benches of ebbd.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write seeded order events
    Load(LoadArgs),
}

#[derive(Args)]
#[command(
    after_help = "Example: ebbd-bench load --events 200000 --format ndjson --to unix:ebbd-data/events.sock"
)]
struct LoadArgs {
    /// How many events
    #[arg(long, default_value_t = 200_000)]
    events: usize,
    /// The lines' format
    #[arg(long, value_enum, default_value = "ndjson")]
    format: WireFormat,
    /// unix:PATH, unixgram:PATH, tcp:ADDR, udp:ADDR, file:PATH or -
    #[arg(long, default_value = "-")]
    to: Target,
    /// The same seed gives the same lines
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Minutes of event time, ending now
    #[arg(long, default_value_t = 30)]
    minutes: u32,
    /// First minute of event time, in minutes since 1970; default: so that the last one ends now
    #[arg(long)]
    from: Option<i32>,
    /// Share of events that come minutes late
    #[arg(long, default_value_t = 0.01)]
    late: f64,
    /// Lines a second for datagrams; 0: as fast as they go
    #[arg(long, default_value_t = 100_000)]
    rate: u64,
}

fn main() -> ExitCode {
    let Command::Load(args) = Cli::parse().command;
    let from = args.from.map_or_else(|| now().plus(-(args.minutes as i32)), Minute);
    let spec =
        LoadSpec { seed: args.seed, events: args.events, from, minutes: args.minutes, late: args.late };
    match send(&Load::new(&spec), args.format, &args.to, args.rate) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ebbd-bench load: cannot send to {:?}: {error}", args.to);
            ExitCode::from(3)
        }
    }
}

fn now() -> Minute {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Minute((since_1970.as_secs() / 60) as i32)
}
