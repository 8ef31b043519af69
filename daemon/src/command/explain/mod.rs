//! `ebbd explain`: which combinations of dimension values explain that counts fell short, or came on top.
//!
//! In: a table of dimensions, observed and expected, or data directories and an alarm, a period, a minute. Out: the
//! causes, best first; exit 1 when nothing is named. Must not know: how causes are found.

mod answer;
mod minute;
#[cfg(test)]
mod past_tests;
mod period;
mod suggest;
#[cfg(test)]
mod tests;
mod words;

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Seek, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use ebbd_core::columns::{ColumnsError, read_leaf_table_csv, read_leaf_table_parquet};
use ebbd_core::localize::{Direction, LeafTable, Reach, locate};

use ebbd_core::model::TimeUs;

use super::failure::Failure;
use super::lookup::{condition, from_time, to_time};
use super::{NO, OK, TROUBLE, USAGE};
use crate::stored::AlarmName;

/// What `explain` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ebbd explain --alarm 47\n  ebbd explain --from 2026-11-22T13:03:00Z --to \
                  2026-11-22T13:30:00Z\n  ebbd explain --slice marketplace=US --at 2026-11-22T13:05:00Z\n  ebbd explain \
                  --suggest-watch --from 2026-10-01 --to 2026-11-30\n  ebbd explain --table drop.csv --ignore \
                  region\n\nA table has a column `observed`, a column `expected`, and every other column is a \
                  dimension.\nOn a terminal the answer is laid out for reading, else it is one JSON object a line.\n\
                  Exit 1 when nothing is named."
)]
pub struct ExplainArgs {
    /// A table: CSV or Parquet
    #[arg(long, value_name = "FILE", conflicts_with_all = ["alarm", "from", "at", "suggest_watch"],
          required_unless_present_any = ["alarm", "from", "at"])]
    table: Option<PathBuf>,
    /// An alarm, by its number or id: what explains its whole time
    #[arg(long, value_name = "NO|ID", conflicts_with_all = ["from", "at"])]
    alarm: Option<AlarmName>,
    /// The period begins here (a time, or a UTC day)
    #[arg(long, value_name = "TIME", value_parser = from_time, requires = "to", conflicts_with = "at")]
    from: Option<TimeUs>,
    /// And ends here (a time, or the end of a UTC day)
    #[arg(long, value_name = "TIME", value_parser = to_time, requires = "from")]
    to: Option<TimeUs>,
    /// Only within this slice; with --at: the slice that is asked about; may be repeated
    #[arg(long, value_name = "DIM=VALUE", value_parser = condition)]
    slice: Vec<(String, String)>,
    /// Why this minute did or did not alarm
    #[arg(long, value_name = "TIME", value_parser = from_time, conflicts_with = "rise")]
    at: Option<TimeUs>,
    /// Which groupings would have seen the period's incidents sooner
    #[arg(long, requires = "from", conflicts_with_all = ["slice", "rise"])]
    suggest_watch: bool,
    /// Explain a surplus, not a shortfall
    #[arg(long)]
    rise: bool,
    /// Columns of the table, or dimensions, that are left out
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Most dimensions that a cause may name [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    order: Option<u8>,
    /// The stream, if there are several
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// A data directory; may be repeated, their rows are added [default: the configuration's]
    #[arg(long, value_name = "DIR")]
    data_dir: Vec<PathBuf>,
    /// One JSON object a line, on a terminal too
    #[arg(long)]
    json: bool,
    /// The configuration [default: as for all commands]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Explains and prints; gives the exit code.
pub fn run(args: &ExplainArgs) -> i32 {
    let json = args.json || !io::stdout().is_terminal();
    match run_to(args, json, &mut io::stdout().lock()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("ebbd explain: {}", failure.message.trim_end());
            failure.code
        }
    }
}

pub(super) fn run_to(args: &ExplainArgs, json: bool, out: &mut dyn Write) -> Result<i32, Failure> {
    if let Some(path) = &args.table {
        let told = |(code, message)| Failure { code, message: format!("{}: {message}", path.display()) };
        return Ok(explain(&read(path, &args.ignore).map_err(told)?, args, json, out));
    }
    if let Some(at) = args.at {
        return minute::run(args, at, json, out);
    }
    if args.suggest_watch {
        return suggest::run(args, json, out);
    }
    let asked = period::table(args)?;
    if let Some(heading) = asked.heading.filter(|_| !json) {
        let _ = out.write_all(heading.as_bytes());
    }
    Ok(explain(&asked.table, args, json, out))
}

fn explain(table: &LeafTable, args: &ExplainArgs, json: bool, out: &mut dyn Write) -> i32 {
    let direction = if args.rise { Direction::Rise } else { Direction::Fall };
    let reach = Reach { order: args.order.map_or(usize::MAX, usize::from), ..Reach::default() };
    let located = locate(table, direction, reach);
    let text = if json { answer::lines(&located) } else { words::answer(table, &located, direction) };
    // A reader that went away wants no more of it.
    let _ = out.write_all(text.as_bytes());
    if located.causes.is_empty() { NO } else { OK }
}

/// The table, by what its first bytes say it is. An error with the exit code.
fn read(path: &Path, ignored: &[String]) -> Result<LeafTable, (i32, String)> {
    let trouble = |error: io::Error| (TROUBLE, error.to_string());
    let mut file = File::open(path).map_err(trouble)?;
    let mut magic = Vec::new();
    (&mut file).take(4).read_to_end(&mut magic).map_err(trouble)?;
    file.rewind().map_err(trouble)?;
    let table = if magic == b"PAR1" {
        read_leaf_table_parquet(file, ignored)
    } else {
        read_leaf_table_csv(BufReader::with_capacity(1 << 18, file), ignored)
    };
    table.map_err(|error: ColumnsError| (USAGE, error.to_string()))
}
