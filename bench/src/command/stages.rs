//! `ebbd-bench stages`: CPU time of each stage, in memory.

use clap::Args;

use crate::rig::Failure;

/// What `stages` takes.
#[derive(Args)]
pub struct StagesArgs {
    /// Only stages whose name contains this
    #[arg(default_value = "")]
    only: String,
    /// Events in memory
    #[arg(long, default_value_t = 300_000)]
    events: u64,
}

/// Prints the table.
///
/// # Errors
/// None.
pub fn stages(args: &StagesArgs) -> Result<(), Failure> {
    ebbd_bench::stages::table(&args.only, args.events);
    Ok(())
}
