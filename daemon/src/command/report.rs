//! `ebbd report`: an incident's story from what is stored, as a page, Markdown or JSON.
//!
//! In: an alarm's number or id, or a period and a slice; data directories. Out: a file, or text. Must not know:
//! how a page is laid out.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ebbd_core::model::{Minute, StreamSpec};
use ebbd_core::report::incident::{Account, Dossier, html, markdown};
use ebbd_core::report::visible_json;

use super::OK;
use super::failure::Failure;
use super::lookup::{DataArgs, PeriodArgs, SliceArgs, no_alarm};
use crate::config::Config;
use crate::stored::{AlarmName, Period, Stored, StoredError};

/// What `report` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ebbd report 47                       an alarm: writes ebbd-report-47.html\n  ebbd report 47 \
                        --format md          the same for a ticket, on standard output\n  ebbd report --from \
                        2026-11-22T13:00:00Z --to 2026-11-22T13:40:00Z --slice marketplace=US\n                    \
                                   an incident that no alarm was raised for\n\nIt is made of what is stored, which \
                        may be some minutes behind a running daemon ([parquet] roll).\nThe same data give the same \
                        bytes. Exit 1 if there is no such alarm, or no verdict of the slice."
)]
pub struct ReportArgs {
    /// The alarm's number or id
    #[arg(value_name = "NO|ID", required_unless_present = "from", conflicts_with_all = ["from", "slice", "stream"])]
    alarm: Option<AlarmName>,
    #[command(flatten)]
    period: PeriodArgs,
    #[command(flatten)]
    slice: SliceArgs,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Html)]
    format: Format,
    /// Where it is written; - is standard output [default: a file for html, else standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One page that needs nothing beside it
    Html,
    /// For a wiki or a ticket
    Md,
    /// One object on one line
    Json,
}

/// Reports; gives the exit code.
pub fn run(args: &ReportArgs) -> i32 {
    match run_to(args, &mut std::io::stdout().lock()) {
        Ok(()) => OK,
        Err(failure) => failure.tell("report"),
    }
}

pub(super) fn run_to(args: &ReportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (config, stored) = args.data.open()?;
    let dossier = match &args.alarm {
        Some(name) => of_alarm(&stored, &config, name)?,
        None => of_period(args, &stored, &config)?,
    };
    let account = Account::of(&dossier);
    let text = match args.format {
        Format::Html => html(&account),
        Format::Md => markdown(&account),
        Format::Json => json(&account)?,
    };
    match (&args.output, args.format) {
        (Some(path), _) if path.as_os_str() != "-" => written(path, &text, out),
        (None, Format::Html) => written(Path::new(&file_name(&account, dossier.from)), &text, out),
        _ => {
            // A reader that went away (`| head`) is no error.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            Ok(())
        }
    }
}

fn json(account: &Account) -> Result<String, Failure> {
    let text = serde_json::to_string(account).map_err(|error| Failure::trouble(error.to_string()))?;
    Ok(visible_json(&text) + "\n")
}

/// `ebbd-report-47.html`; of a missed incident `ebbd-report-20261122T1303Z.html`.
fn file_name(account: &Account, from: Minute) -> String {
    let name = account.no.map_or_else(
        || from.start().to_rfc3339().replace(['-', ':'], "").replace("00Z", "Z"),
        |no| no.to_string(),
    );
    format!("ebbd-report-{name}.html")
}

/// Writes the file whole or not at all, and says where it is.
fn written(path: &Path, text: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let told = |error: std::io::Error| Failure::trouble(format!("cannot write {}: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".ebbd-report").tempfile_in(folder).map_err(told)?;
    file.write_all(text.as_bytes()).map_err(told)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).map_err(told)?;
    file.persist(path).map_err(|error| told(error.error))?;
    let _ = writeln!(out, "{}", path.display());
    Ok(())
}

/// Writes the page of an alarm; gives its text for whoever stores it elsewhere.
pub(super) fn page_of(data_dir: &Path, config: &Config, no: u64) -> Result<String, String> {
    let page = || {
        let stored = Stored::open(&[data_dir.to_owned()])?;
        Ok(html(&Account::of(&of_alarm(&stored, config, &AlarmName::No(no))?)))
    };
    page().map_err(|failure: Failure| failure.message)
}

fn of_alarm(stored: &Stored, config: &Config, name: &AlarmName) -> Result<Dossier, Failure> {
    let Some(history) = stored.alarm(name)? else {
        return Err(no_alarm(stored, name));
    };
    let own = Stored::open(std::slice::from_ref(&history.dir))?;
    let shapeless =
        || Failure::trouble("the alarm's newest record names no minute; `ebbd verify` looks at all files");
    let dossier = Dossier::of(history.records).ok_or_else(shapeless)?;
    filled(dossier, &own, config)
}

fn of_period(args: &ReportArgs, stored: &Stored, config: &Config) -> Result<Dossier, Failure> {
    let period = args.period.period()?.ok_or_else(|| Failure::usage("give an alarm, or --from and --to"))?;
    if stored.dirs().len() > 1 {
        return Err(Failure::usage(
            "a period is reported of one data directory: each daemon has its own verdicts",
        ));
    }
    let (minutes, slice) = (period.minutes(), args.slice.slice()?);
    let stream = args.slice.stream(stored)?;
    let empty = Dossier { stream, slice, from: minutes.start, to: minutes.end, ..Dossier::default() };
    let dossier = filled(empty, stored, config)?;
    if !dossier.verdicts.iter().any(|verdict| *verdict.slice == dossier.slice) {
        return Err(Failure::no(format!(
            "no verdict of {} of {} from {} to {} is kept: it was not watched, or it is longer ago than [parquet] \
             retain.slices; `ebbd replay` judges kept minutes again",
            ebbd_core::report::visible(&dossier.slice.canonical()),
            ebbd_core::report::escape(&dossier.stream),
            period.from,
            period.to
        )));
    }
    Ok(dossier)
}

/// A dossier with what is stored of its time.
fn filled(mut dossier: Dossier, stored: &Stored, config: &Config) -> Result<Dossier, Failure> {
    let of_stream = config.streams.iter().find(|spec| spec.name == dossier.stream);
    dossier.dimensions = of_stream
        .map(StreamSpec::dimension_names)
        .unwrap_or_default()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let shown = dossier.shown();
    let period = Period { from: shown.start.start(), to: shown.end.start() };
    dossier.verdicts = match stored.verdicts(&dossier.stream, period, |slice| dossier.wants(slice)) {
        Err(StoredError::TooMany { .. }) => {
            dossier.notes.push("There are too many slices beside it to look at each.".to_owned());
            stored.verdicts(&dossier.stream, period, |slice| dossier.needs(slice))?
        }
        verdicts => verdicts?,
    };
    let stored_until = dossier.verdicts.last().map(|verdict| verdict.minute.next());
    if let Some(until) = stored_until.filter(|until| *until < dossier.to) {
        dossier
            .notes
            .push(format!("Verdicts are stored up to {}; later minutes are not shown.", until.start()));
    }
    dossier.marks = stored.marks(period)?;
    dossier.sources = stored.sources(&dossier.stream, period)?;
    Ok(dossier)
}
