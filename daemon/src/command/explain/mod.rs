//! `ebbd explain`: which combinations of dimension values explain that counts fell short, or came on top.
//!
//! In: a table of dimensions, observed and expected. Out: the causes, best first; exit 1 when nothing is named.
//! Must not know: how causes are found, how expectations were made.

mod answer;
#[cfg(test)]
mod tests;
mod words;

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Seek, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use ebbd_core::columns::{ColumnsError, read_leaf_table_csv, read_leaf_table_parquet};
use ebbd_core::localize::{Direction, LeafTable, Reach, locate};

use super::{NO, OK, TROUBLE, USAGE};

/// What `explain` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: ebbd explain --table drop.csv --ignore region\n\nA table has a column `observed`, a \
                        column `expected`, and every other column is a dimension.\nOn a terminal the answer is \
                        laid out for reading, else it is one JSON object a line.\nExit 1 when nothing is named."
)]
pub struct ExplainArgs {
    /// The table: CSV or Parquet
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// Explain a surplus, not a shortfall
    #[arg(long)]
    rise: bool,
    /// Columns that are no dimension
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Most dimensions that a cause may name [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    order: Option<u8>,
    /// One JSON object a line, on a terminal too
    #[arg(long)]
    json: bool,
}

/// Explains and prints; gives the exit code.
pub fn run(args: &ExplainArgs) -> i32 {
    let table = match read(&args.table, &args.ignore) {
        Ok(table) => table,
        Err((code, message)) => {
            eprintln!("ebbd explain: {}: {message}", args.table.display());
            return code;
        }
    };
    let json = args.json || !io::stdout().is_terminal();
    explain(&table, args, json, &mut io::stdout().lock())
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
