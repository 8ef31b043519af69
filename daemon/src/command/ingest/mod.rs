//! `ebbd ingest`: past events or tables of counts into the same Parquet, by the daemon's own parsing and counting.
//!
//! In: files, plain or compressed, or standard input. Out: files of the datasets `minutes`, `ledger` and
//! `marks` whose names carry the content's hash. Must not know: sockets, the judge.

mod attempt;
mod blocks;
mod content;
mod count;
mod input;
mod known;
mod output;
mod report;
mod route;
mod staged;
mod table;
#[cfg(test)]
mod tests;

pub(in crate::command) use table::read_table;

use std::cell::Cell;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ebbd_core::decode::{Format, SourceSpec};
use ebbd_core::model::StreamId;

use super::{NO, OK, TROUBLE, USAGE};
use crate::config::Config;
use attempt::{Attempt, IngestLock, Traces};
use count::Counted;
use input::Input;
use output::Output;
use report::Report;

/// What `ingest` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ebbd ingest orders-2026-11-*.ndjson.gz\n  ebbd ingest --format minutes --stream \
                        orders counts.csv\n\nA file that was ingested before, and minutes that the daemon itself \
                        counted, are refused unless --again is given. Events may be of any age. The daemon may \
                        be running."
)]
pub struct IngestArgs {
    /// Files (plain, .gz, .zst), or - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What the files hold: lines of a format, or `minutes`, tables of counts as CSV or Parquet
    #[arg(long, value_parser = formats(), default_value = "ndjson")]
    format: IngestFormat,
    /// The stream that the lines belong to, where the lines do not say it
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// Where the Parquet goes, if not where the configuration says
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Count what was counted before all the same
    #[arg(long)]
    again: bool,
    /// One JSON object per file
    #[arg(long)]
    json: bool,
    /// The configuration
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What can be ingested: lines of a format, or a table of counts per minute, CSV or Parquet.
type IngestFormat = Option<Format>;

/// Every format of the registry by its name, and `minutes` for a table.
fn formats() -> impl TypedValueParser<Value = IngestFormat> {
    let names = Format::ALL.map(Format::name).into_iter().chain(["minutes"]);
    PossibleValuesParser::new(names).map(|name| Format::ALL.into_iter().find(|format| format.name() == name))
}

/// How the files are to be read.
enum Work {
    /// As lines of events, as this source would.
    Lines(SourceSpec),
    /// As tables of counts of this stream.
    Table(StreamId),
}

/// Everything that is the same for all files.
struct Job {
    config: Config,
    work: Work,
    again: bool,
    /// What the last file was counted in.
    counted: Cell<Option<Counted>>,
    _lock: IngestLock,
}

/// Ingests every file; gives the exit code.
pub fn run(args: &IngestArgs) -> i32 {
    run_to(args, &mut std::io::stdout().lock())
}

fn run_to(args: &IngestArgs, out: &mut dyn Write) -> i32 {
    let (config, work) = match prepare(args) {
        Ok(prepared) => prepared,
        Err(message) => {
            eprintln!("{message}");
            return USAGE;
        }
    };
    let lock = match IngestLock::take(&config.data_dir) {
        Ok(lock) => lock,
        Err(message) => {
            eprintln!("ebbd ingest: {message}");
            return TROUBLE;
        }
    };
    let job = Job { config, work, again: args.again, counted: Cell::new(None), _lock: lock };
    // Trouble with one file does not keep the others from being counted; the worst code is told.
    let code = args.files.iter().map(|path| job.file(path, args.json, out)).fold(OK, i32::max);
    // The end of the process gives its memory back at once: with a million series, taking it apart key by key
    // was 2 % of everything.
    std::mem::forget(job.counted.take());
    code
}

fn prepare(args: &IngestArgs) -> Result<(Config, Work), String> {
    let mut config = Config::load(args.config.as_deref()).map_err(|error| error.to_string())?;
    if let Some(dir) = &args.data_dir {
        config.data_dir.clone_from(dir);
    }
    let work = route::work(args.format, args.stream.as_deref(), &config);
    work.map(|work| (config, work)).map_err(|message| format!("ebbd ingest: {message}"))
}

impl Job {
    /// Ingests one file and tells what came of it; gives its exit code.
    fn file(&self, path: &Path, json: bool, out: &mut dyn Write) -> i32 {
        let name =
            if path == Path::new("-") { "(standard input)".into() } else { path.display().to_string() };
        let (text, code) = match self.take(&name, path) {
            Ok(report) => {
                report.examples().iter().for_each(|example| eprintln!("{name}: {example}"));
                let text = if json { report.json() } else { report.text() };
                (text, if report.is_refused() { NO } else { OK })
            }
            Err(message) => {
                eprintln!("ebbd ingest: {name}: {message}");
                (if json { report::failure_json(&name, &message) } else { String::new() }, TROUBLE)
            }
        };
        // A reader that went away (`| head`) is no error.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        code
    }

    /// All of a file or nothing: see [`Attempt`].
    fn take(&self, name: &str, path: &Path) -> Result<Report, String> {
        let input = Input::open(name, path)?;
        let traces = Traces::read(&self.config.data_dir)?;
        let mut output = Output::new(self, name, traces.next_number())?;
        let taken = match &self.work {
            Work::Lines(source) => count::take(self, source, &input, &mut output),
            Work::Table(stream) => table::take(self, *stream, &input, &mut output),
        };
        let content = taken
            .and_then(|()| input.content())
            .map_err(|message| format!("{message}\nNothing of it was counted."))?;
        match traces.earlier(&content).filter(|_| !self.again) {
            Some(earlier) => Ok(Report::of_known_file(name, &content, earlier)),
            None => self.publish(output, &content, traces.next_number()),
        }
    }

    fn publish(&self, mut output: Output, content: &str, first_number: u64) -> Result<Report, String> {
        let attempt = Attempt::begin(&self.config.data_dir, content, first_number)?;
        match output.publish(content) {
            Ok(()) => attempt.finish().map(|()| output.into_report()),
            Err(message) => Err(match attempt.undo() {
                Ok(_) => format!("{message}\nNothing of it was counted."),
                Err(undo) => format!("{message}\nWhat was written of it could not be removed yet: {undo}"),
            }),
        }
    }
}
