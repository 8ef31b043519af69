//! `ebbd replay`: past minutes through the detector, with a virtual clock and the daemon's own code.
//!
//! In: data directories or minute tables. Out: alarm records or a table for people, verdicts as Parquet, what
//! became of expectations, how another configuration would have done. Must not know: how minutes are judged.

mod directory;
mod json;
mod past;
mod round;
mod save;
mod saved_marks;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod verdicts;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use ebbd_core::model::TimeUs;
use ebbd_core::replay::{Expectations, differences};

use super::failure::Failure;
use super::lookup::{ConditionArgs, from_time, to_time};
use super::{NO, OK};
use crate::config::{Config, read_expectations};
use crate::stored::Period;
pub(super) use past::Past;
use round::Round;
pub(super) use round::Span;
use save::Kept;
use verdicts::Verdicts;

/// What `replay` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ebbd replay /var/lib/ebbd --from 2026-11-01\n  ebbd replay counts.csv --slices \
                  verdicts.parquet\n  ebbd replay counts.parquet -c ebbd.toml --expect incidents.toml\n  ebbd replay /var/lib/ebbd \
                  --save-incident 47 tests/checkout-v42\n\nMinutes \
                  that the daemon judged are judged as they were then; those that were ingested before its first \
                  are learnt from. Exit 1 if an expected incident is missed or a quiet time is broken."
)]
pub struct ReplayArgs {
    /// Data directories, or minute tables (CSV, Parquet)
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The stream: of tables, or the only one to be judged of a directory
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// Judge from here on; what lies before is learnt from (a time, or a UTC day)
    #[arg(long, value_name = "TIME", value_parser = from_time)]
    from: Option<TimeUs>,
    /// Stop here (a time, or the end of a UTC day)
    #[arg(long, value_name = "TIME", value_parser = to_time)]
    to: Option<TimeUs>,
    /// Write every verdict, in the columns of the dataset slices
    #[arg(long, value_name = "FILE.parquet")]
    slices: Option<PathBuf>,
    /// Compare with labelled incidents
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// Say which alarms another configuration would add, drop or move
    #[arg(long, value_name = "OTHER.toml")]
    against: Option<PathBuf>,
    /// Keep an alarm's past as a regression test: its id or number, and the directory; `missed` or `quiet`
    /// with --period for an incident that no alarm was raised for, or a time without one
    #[arg(long, num_args = 2, value_names = ["ID|missed|quiet", "DIR"])]
    save_incident: Option<Vec<String>>,
    /// The period that was missed or ought to be quiet
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"], requires = "save_incident")]
    period: Option<Vec<String>>,
    #[command(flatten)]
    slice: ConditionArgs,
    /// The alarm records, one JSON object a line, and a summary as the last
    #[arg(long)]
    json: bool,
    /// The configuration [default for directories: as for all commands; for tables: made of their columns]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Replays; gives the exit code.
pub fn run(args: &ReplayArgs) -> i32 {
    match run_to(args, &mut std::io::stdout().lock()) {
        Ok(code) => code,
        Err(failure) => failure.tell("replay"),
    }
}

fn run_to(args: &ReplayArgs, out: &mut dyn Write) -> Result<i32, Failure> {
    let past = Past::open(&args.paths, args.config.as_deref(), args.stream.as_deref())?;
    let span = Span { from: args.from, to: args.to };
    let expectations = args.expect.as_deref().map(|file| expectations(file, past.config())).transpose()?;
    let mut verdicts = args.slices.as_deref().map(|file| Verdicts::create(file, &past)).transpose()?;
    let mut round = Round::new(span, expectations.clone().unwrap_or_default());
    round.run(
        &past,
        past.config(),
        &mut |record| {
            if args.json {
                json::record(record, out);
            }
        },
        verdicts.as_mut(),
    )?;
    verdicts.map(Verdicts::finish).transpose()?;
    past.notes().chain(&round.notes).for_each(|note| eprintln!("ebbd replay: {note}"));
    let told = round.finish();
    let mut is_green = true;
    if let Some(findings) = told.findings.as_ref().filter(|_| expectations.is_some()) {
        is_green = findings.is_green();
    }
    if let Some([id, dir]) = args.save_incident.as_deref() {
        let (kept, dir) = (kept(args, &past, &told, id)?, Path::new(dir));
        kept.save(&past, dir)?;
        let is_as_expected = save::is_as_expected(dir)?;
        // What was missed or false is saved because it is not yet as expected: that is no failure.
        is_green &= is_as_expected || args.period.is_some();
    }
    let other = args.against.as_deref().map(|file| other_round(&past, file, span)).transpose()?;
    let difference = other.as_ref().map(|other| differences(&told.stories, &other.stories));
    let expected = expectations.as_ref().zip(told.findings.as_ref());
    let text = match args.json {
        true => json::end(&told, expected, difference.as_ref(), is_green),
        false => text::all(&told, expected, difference.as_ref(), super::figures::terminal_columns()),
    };
    // A reader that went away (`| head`) is no error.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(if is_green { OK } else { NO })
}

/// What is to be saved.
fn kept<'p>(args: &ReplayArgs, past: &'p Past, told: &round::Told, id: &str) -> Result<Kept<'p>, Failure> {
    let period = args.period.as_deref().map(period).transpose()?;
    match (id, period) {
        ("missed", Some(period)) => Kept::missed(past, period, &args.slice.slice()?),
        ("quiet", Some(period)) => Kept::quiet(past, period),
        ("missed" | "quiet", None) => {
            Err(Failure::usage(format!("say when: --save-incident {id} DIR --period FROM TO")))
        }
        (_, Some(_)) => {
            Err(Failure::usage("--period goes with --save-incident missed or quiet; an alarm knows its own"))
        }
        (id, None) => Kept::alarm(past, told, id),
    }
}

fn period(ends: &[String]) -> Result<Period, Failure> {
    let [from, to] = ends else { return Err(Failure::usage("--period takes two times")) };
    let told = |text: &str, time: Result<TimeUs, String>| {
        time.map_err(|why| Failure::usage(format!("--period {text}: {why}")))
    };
    let (from, to) = (told(from, from_time(from))?, told(to, to_time(to))?);
    if to <= from {
        return Err(Failure::usage("--period has to end behind its beginning"));
    }
    Ok(Period { from, to })
}

fn other_round(past: &Past, file: &Path, span: Span) -> Result<round::Told, Failure> {
    let config = Config::load_file(file).map_err(|error| Failure::usage(error.to_string()))?;
    let mut round = Round::new(span, Expectations::default());
    round.run(past, &past.config_of(config)?, &mut |_| {}, None)?;
    Ok(round.finish())
}

fn expectations(file: &Path, config: &Config) -> Result<Expectations, Failure> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("{shown}: can't read the expectations: {error}")))?;
    let mut names: Vec<&str> = config.streams.iter().flat_map(|stream| stream.dimension_names()).collect();
    names.dedup();
    read_expectations(&text, &names).map_err(|problems| {
        let told: String = problems.iter().map(|problem| problem.render(&shown, "error")).collect();
        Failure::usage(format!("the expectations are wrong\n{told}"))
    })
}
