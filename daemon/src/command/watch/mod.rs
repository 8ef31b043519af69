//! `ebbd watch`: the alarm socket for a person, or for a script that calls somebody.

mod feed;
mod screen;
mod script;
mod session;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::reach::Reach;
use super::{TROUBLE, USAGE};
use crate::config::parse_duration_us;
use crate::outlet::Cursor;

use screen::Screen;
use script::Script;
use session::Watch;

/// What `watch` takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ebbd watch\n  ebbd watch --json --since 0 | jq .title\n  \
    ebbd watch --exec ./page-me.sh --state /var/lib/pager/cursor\n\n\
    CMD is run by sh with the record on its standard input, one after the other. It is tried again\n\
    until it succeeds. With --state it goes on after a restart where it left off. After 30 s without\n\
    a sign of life from the daemon it gets {\"type\":\"dead\"}.")]
pub struct WatchArgs {
    #[command(flatten)]
    reach: Reach,
    /// The records as JSON, one a line
    #[arg(long)]
    json: bool,
    /// The records after this number, then those that come
    #[arg(long, value_name = "SEQ")]
    since: Option<u64>,
    /// Run this with the record on its standard input
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    /// Which records CMD is run for
    #[arg(long, value_enum, default_value = "notify", requires = "exec")]
    on: On,
    /// Keep the number of the last record that was dealt with in this file
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// CMD is killed after this long
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// Give a record up when CMD has failed this often again [default: never]
    #[arg(long, value_name = "TIMES", requires = "exec")]
    retries: Option<u32>,
    /// The daemon is dead after this long without a sign of life
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    dead_after: Duration,
    /// Don't connect again when the connection ends
    #[arg(long)]
    once: bool,
}

/// Which records CMD is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum On {
    /// Those that a person should hear of
    Notify,
    /// Every record
    All,
}

fn duration(text: &str) -> Result<Duration, String> {
    let us = parse_duration_us(text)?;
    u64::try_from(us)
        .ok()
        .filter(|us| *us > 0)
        .map(Duration::from_micros)
        .ok_or_else(|| "too short".to_owned())
}

/// Watches until it is interrupted; gives the exit code.
pub fn run(args: &WatchArgs) -> i32 {
    let path = match args.reach.alarms() {
        Ok(path) => path,
        Err(code) => return code,
    };
    let cursor = match Cursor::open(args.state.clone(), args.since) {
        Ok(cursor) => cursor,
        Err(why) => {
            eprintln!("ebbd watch: {why}");
            return if why.is_format() { USAGE } else { TROUBLE };
        }
    };
    let script = args.exec.as_ref().map(|command| Script {
        command: command.clone(),
        every_record: args.on == On::All,
        timeout: args.timeout,
        retries: args.retries,
    });
    Watch::new(path, args.once, args.dead_after, cursor, Screen::here(args.json), script).run()
}
