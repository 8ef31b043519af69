//! `ebbd status`: how the daemon is, streams first.

mod text;

#[cfg(test)]
mod tests;

use clap::Args;
use ebbd_core::report::{visible, visible_json};
use jiff::tz::TimeZone;

use super::reach::{Reach, tell};
use super::{OK, TROUBLE};
use crate::control::{Request, call};
use crate::telemetry::StatusReport;

pub(super) use text::sources as sources_text;

/// What `status` takes.
#[derive(Debug, Args)]
#[command(after_help = "Example: ebbd status\n  orders: 18,204 counted, 0 rejected, complete to 14:03 CET")]
pub struct StatusArgs {
    #[command(flatten)]
    reach: Reach,
    /// The whole report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Asks for the report and prints it; gives the exit code.
pub fn run(args: &StatusArgs) -> i32 {
    let path = match args.reach.control() {
        Ok(path) => path,
        Err(code) => return code,
    };
    let report = match call(&path, &Request::Status) {
        Ok(report) => report,
        Err(error) => return tell("status", &error),
    };
    if args.json {
        println!("{}", visible_json(&report.to_string()));
        return OK;
    }
    match serde_json::from_value::<StatusReport>(report) {
        Ok(report) => {
            print!("{}", text::status(&report, &TimeZone::system()));
            OK
        }
        Err(error) => {
            eprintln!(
                "ebbd status: the daemon's report is not understood ({}); try --json",
                visible(&error.to_string())
            );
            TROUBLE
        }
    }
}
