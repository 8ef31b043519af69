//! `ebbd-bench sink`: what it costs to receive the bytes and do nothing, or only count lines.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use ebbd_bench::{Sink, SinkKind, Target};

use crate::rig::Failure;

/// What `sink` takes.
#[derive(Args)]
#[command(after_help = "Prints `ready`, and at the end one JSON object: bytes, lines, datagrams, CPU.\n\
                        Example: ebbd-bench sink --on unix:/tmp/sink --kind lines")]
pub struct SinkArgs {
    /// unix:PATH, unixgram:PATH, tcp:ADDR or udp:ADDR
    #[arg(long)]
    on: Target,
    /// What to do with the bytes
    #[arg(long, value_enum, default_value = "lines")]
    kind: SinkKind,
    /// Streams: end after so many connections, one after the other
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Datagrams: end when none has come for so long
    #[arg(long, default_value_t = 700)]
    idle_ms: u64,
}

/// Receives.
///
/// # Errors
/// The socket says no.
pub fn sink(args: &SinkArgs) -> Result<(), Failure> {
    let sink = Sink::bind(&args.on).map_err(|error| format!("cannot listen on {}: {error}", args.on))?;
    println!("ready");
    std::io::stdout().flush()?;
    let report = sink.take(args.kind, args.connections, Duration::from_millis(args.idle_ms))?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
