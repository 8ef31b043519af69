//! `ebbd verify`: reads every Parquet file, every segment of the journal and every alarm record below a data
//! directory, changes nothing, and says what is wrong.
//!
//! In: a data directory; the daemon may be running. Out: findings, exit 0 if there are none, 1 if there are.
//! Must not know: how anything is repaired.

mod files;
mod journal;
mod report;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::{NO, OK, TROUBLE, USAGE};
use crate::config::Config;
use report::Report;

/// What `verify` takes.
#[derive(Debug, Args)]
#[command(after_help = "Example: ebbd verify\n  ok  412 files, 1,203,400 rows; 2 segments, 8,123 frames; \
                        40 alarm records\n\nNothing is changed. The daemon may be running. Exit 1 if anything is wrong.")]
pub struct VerifyArgs {
    /// The data directory, if not the one that the configuration says
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// One JSON object per finding, and a last one with the sums
    #[arg(long)]
    json: bool,
    /// The configuration [default: $EBBD_CONFIG, ./ebbd.toml, /etc/ebbd/ebbd.toml, built-in]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Verifies and prints; gives the exit code.
pub fn run(args: &VerifyArgs) -> i32 {
    let data_dir = match &args.data_dir {
        Some(dir) => dir.clone(),
        None => match Config::load(args.config.as_deref()) {
            Ok(config) => config.data_dir,
            Err(error) => {
                eprintln!("{error}");
                return USAGE;
            }
        },
    };
    verify(&data_dir, args.json, &mut io::stdout().lock())
}

fn verify(data_dir: &Path, json: bool, out: &mut dyn Write) -> i32 {
    let mut report = Report::new(json, out);
    let looked = std::fs::read_dir(data_dir)
        .map_err(|error| format!("{}: {error}", data_dir.display()))
        .and_then(|_| files::look(data_dir, &mut report))
        .and_then(|()| journal::look(&data_dir.join("journal"), &mut report));
    match looked {
        Ok(()) if report.end() => OK,
        Ok(()) => NO,
        Err(message) => {
            eprintln!("ebbd verify: {message}");
            TROUBLE
        }
    }
}
