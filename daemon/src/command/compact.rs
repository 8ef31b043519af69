//! `ebbd compact`: merges the files of closed days and removes days that are older than they are to be kept.
//!
//! In: the configuration's `[parquet]`; the daemon may be running, others may read. Out: a line for each day that was
//! merged or removed, exit 3 if something could not be done. Must not know: how days are merged.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use ebbd_core::alarm::words::exact;
use ebbd_core::report::{visible, visible_json};
use serde_json::{Value, json};

use super::{OK, TROUBLE, USAGE};
use crate::compact::{CompactError, Compaction, Done, What};
use crate::config::{Config, size_text};
use crate::sys::{Clock, WallClock};

/// What `compact` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: ebbd compact --dry-run\n  would merge   minutes/stream=orders/date=2026-11-20  \
    288 files -> 1, 41,230 rows\n  would remove  slices/stream=orders/date=2026-10-21   24 files, 3MiB\n\n\
    A day is merged `[parquet] compact` after its end (UTC) and removed when `retain` is over. The daemon may\n\
    be running, readers may be reading: a query that finds a file gone is repeated, none is ever wrong.\n\
    systemd/ebbd-compact.timer runs this every hour."
)]
pub struct CompactArgs {
    /// Say what would be done, change nothing
    #[arg(long)]
    dry_run: bool,
    /// One JSON object per day, and a last one with the sums
    #[arg(long)]
    json: bool,
    /// The data directory, if not the one that the configuration says
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The configuration [default: $EBBD_CONFIG, ./ebbd.toml, /etc/ebbd/ebbd.toml, built-in]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What has been done so far.
#[derive(Debug, Default)]
struct Sums {
    merged: u64,
    removed: u64,
    failed: u64,
    freed: i64,
}

/// Compacts and prints; gives the exit code.
pub fn run(args: &CompactArgs) -> i32 {
    let mut config = match Config::load(args.config.as_deref()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return USAGE;
        }
    };
    if let Some(dir) = &args.data_dir {
        config.data_dir.clone_from(dir);
    }
    if !config.data_dir.is_dir() {
        eprintln!("ebbd compact: {}: no such data directory", config.data_dir.display());
        return TROUBLE;
    }
    let mut sums = Sums::default();
    let compaction = Compaction::of(&config, WallClock::new().now(), args.dry_run);
    let ran = compaction.run(&mut |done| sums.tell(done, args));
    if let Err(error) = ran {
        sums.tell(Err(error), args);
    }
    sums.end(args);
    if sums.failed == 0 { OK } else { TROUBLE }
}

impl Sums {
    fn tell(&mut self, done: Result<Done, CompactError>, args: &CompactArgs) {
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                self.failed += 1;
                eprintln!("ebbd compact: {}", visible(&error.to_string()));
                return;
            }
        };
        match &done.what {
            What::Merged { bytes, .. } => {
                self.merged += 1;
                self.freed += bytes.0.cast_signed() - bytes.1.cast_signed();
            }
            What::Removed { bytes, .. } => {
                self.removed += 1;
                self.freed += bytes.cast_signed();
            }
        }
        let line =
            if args.json { visible_json(&object(&done).to_string()) } else { words(&done, args.dry_run) };
        // Who reads this may have gone; the work goes on.
        let _ = writeln!(io::stdout().lock(), "{line}");
    }

    fn end(&self, args: &CompactArgs) {
        let line = if args.json {
            json!({"type": "summary", "dry_run": args.dry_run, "merged": self.merged, "removed": self.removed,
                "failed": self.failed, "freed_bytes": self.freed})
            .to_string()
        } else if self.merged + self.removed + self.failed == 0 {
            "nothing to do".to_owned()
        } else {
            let freed = size_text(u64::try_from(self.freed).unwrap_or(0));
            let would = if args.dry_run { "to be " } else { "" };
            format!("{} days {would}merged, {} {would}removed, {freed} freed", self.merged, self.removed)
        };
        let _ = writeln!(io::stdout().lock(), "{line}");
    }
}

fn words(done: &Done, dry_run: bool) -> String {
    let place = visible(&done.place);
    match &done.what {
        What::Merged { files, rows, bytes } => {
            let done = if dry_run { "would merge " } else { "merged " };
            let (before, after) = (exact(files.0 as u64), exact(files.1 as u64));
            let sizes = if dry_run { String::new() } else { sizes(*bytes) };
            format!("{done} {place}  {before} files -> {after}, {} rows{sizes}", exact(*rows))
        }
        What::Removed { files, bytes } => {
            let done = if dry_run { "would remove" } else { "removed" };
            format!("{done} {place}  {} files, {}", exact(*files as u64), size_text(*bytes))
        }
    }
}

fn sizes((before, after): (u64, u64)) -> String {
    format!(", {} -> {}", size_text(before), size_text(after))
}

fn object(done: &Done) -> Value {
    match &done.what {
        What::Merged { files, rows, bytes } => json!({"type": "merged", "place": done.place,
            "files_before": files.0, "files_after": files.1, "rows": rows,
            "bytes_before": bytes.0, "bytes_after": bytes.1}),
        What::Removed { files, bytes } => {
            json!({"type": "removed", "place": done.place, "files": files, "bytes": bytes})
        }
    }
}
