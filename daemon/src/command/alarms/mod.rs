//! `ebbd alarms`: what is open and what was, and what people do about it.

mod act;
mod list;
mod show;
#[cfg(test)]
mod tests;
mod weeks;

pub(super) use list::what;

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use ebbd_core::report::watch::Style;
use ebbd_core::report::{visible, visible_json};
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;

use super::figures;
use super::lookup::condition;
use super::reach::{Reach, tell};
use super::{TROUBLE, USAGE};
use crate::config::parse_duration_us;
use crate::control::{Request, call};
use crate::stored::AlarmName;

/// What `alarms` takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ebbd alarms list\n  ebbd alarms show 47\n  \
    ebbd alarms ack 47 \"rolling back v42\"\n  ebbd alarms silence 47 --for 2h\n  \
    ebbd alarms silence --slice marketplace=US --for 90m --text \"planned stop\"\n  \
    ebbd alarms silence --stream orders --for 15m      (the whole stream)\n  \
    ebbd alarms label 47 false       (its bar is raised for a week)")]
pub struct AlarmsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Open alarms, then those that are over
    List(ListArgs),
    /// Everything about one alarm, with the same minute of the last four weeks
    Show(ShowArgs),
    /// Say that somebody has taken it
    Ack(AckArgs),
    /// Don't tell anybody of an alarm, or of a slice, for a while; it goes on being recorded
    Silence(SilenceArgs),
    /// Silences that have not ended
    Silences(ListArgs),
    /// End a silence
    Unsilence(UnsilenceArgs),
    /// Say what an alarm was: ebbd learns from it
    Label(LabelArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    reach: Reach,
    /// All that are known, not only the latest ten that are over
    #[arg(long)]
    all: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The alarm's number or id
    #[arg(value_name = "NO|ID")]
    name: AlarmName,
    #[command(flatten)]
    reach: Reach,
    /// Its records as JSON, one a line, oldest first
    #[arg(long)]
    json: bool,
}

/// Who does it.
#[derive(Debug, Args)]
struct By {
    /// Who you are [default: $SUDO_USER, $USER]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

#[derive(Debug, Args)]
struct AckArgs {
    /// The alarm's number
    no: u64,
    /// What you are doing about it
    text: Option<String>,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    reach: Reach,
    /// Print its record as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct SilenceArgs {
    /// The alarm's number: this trouble, now and again
    #[arg(required_unless_present_any = ["slice", "stream"], conflicts_with_all = ["slice", "stream"])]
    no: Option<u64>,
    /// Alarms about this slice or slices inside it; may be given several times
    #[arg(long, value_name = "DIM=VALUE", value_parser = condition)]
    slice: Vec<(String, String)>,
    /// Of this stream only; without --slice the whole of it
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// How long: 30m, 2h, at most 30d
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    lasting: Duration,
    /// Why
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    reach: Reach,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct UnsilenceArgs {
    /// The silence's number
    id: u64,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Args)]
struct LabelArgs {
    /// The alarm's number
    no: u64,
    /// What it was
    #[arg(value_enum)]
    label: Said,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    reach: Reach,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Said {
    /// Orders were missing: it does not count against the budget of false alarms
    Real,
    /// Fewer came, as was to be expected: it is kept out of the baseline
    Expected,
    /// Nothing was wrong: the bar of its slices is raised for a week
    False,
    /// Nobody knows: takes back what an earlier label changed
    None,
}

fn duration(text: &str) -> Result<Duration, String> {
    let us = u64::try_from(parse_duration_us(text)?).unwrap_or(0);
    Ok(Duration::from_micros(us))
}

impl By {
    /// The name given, else that of the user.
    fn name(&self) -> String {
        let told = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let user = || told("SUDO_USER").or_else(|| told("USER")).or_else(|| told("LOGNAME"));
        let uid = || format!("uid {}", rustix::process::getuid().as_raw());
        self.by.clone().or_else(user).unwrap_or_else(uid)
    }
}

/// Does what is asked; gives the exit code.
pub fn run(args: &AlarmsArgs) -> i32 {
    let done = match &args.what {
        What::List(args) => list::alarms(args),
        What::Show(args) => show::run(args),
        What::Ack(args) => act::ack(args),
        What::Silence(args) => act::silence(args),
        What::Silences(args) => list::silences(args),
        What::Unsilence(args) => act::unsilence(args),
        What::Label(args) => act::label(args),
    };
    done.unwrap_or_else(|code| code)
}

/// Asks the daemon.
///
/// # Errors
/// The exit code; why has been told.
fn ask<T: DeserializeOwned>(reach: &Reach, request: &Request) -> Result<T, i32> {
    let answer = call(&reach.control()?, request).map_err(|error| tell("alarms", &error))?;
    serde_json::from_value(answer).map_err(|error| {
        eprintln!("ebbd alarms: the daemon's answer is not understood: {}", visible(&error.to_string()));
        TROUBLE
    })
}

/// Prints something as JSON on a line.
fn print_json(value: &impl serde::Serialize) {
    let text = serde_json::to_string(value).expect("what is printed has only texts as keys");
    println!("{}", visible_json(&text));
}

/// How standard output is written to.
fn style() -> Style {
    let width = figures::terminal_columns().clamp(80, 200);
    Style { zone: TimeZone::system(), width, colour: figures::colours() }
}

fn usage(why: &str) -> i32 {
    eprintln!("ebbd alarms: {why}");
    USAGE
}
