//! `ebbd top`: how everything is, live.

mod frame;
mod sections;
mod terminal;

#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use ebbd_core::report::visible_json;
use ebbd_core::report::watch::Style;
use jiff::tz::TimeZone;

use super::figures::{colours, terminal_columns};
use super::reach::{Reach, tell};
use super::{OK, TROUBLE};
use crate::config::parse_duration_us;
use crate::control::{CallError, NowReport, Request, call};
use frame::{Rates, Shown, frame};
use terminal::{Heard, Terminal};

/// What `top` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ebbd top\n  ebbd top --once\n  ebbd top --json --once | jq '.open[].title'\n\n\
    q, Esc or Ctrl-C ends it. Where nobody watches (no terminal) it prints once."
)]
pub struct TopArgs {
    #[command(flatten)]
    reach: Reach,
    /// Print once and end
    #[arg(long)]
    once: bool,
    /// The report as JSON, one object a line, again and again unless --once
    #[arg(long)]
    json: bool,
    /// How often it is drawn anew
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = pause)]
    every: Duration,
}

fn pause(text: &str) -> Result<Duration, String> {
    let us = u64::try_from(parse_duration_us(text)?).unwrap_or(0);
    let every = Duration::from_micros(us);
    let bounds = Duration::from_millis(100)..=Duration::from_secs(3600);
    if bounds.contains(&every) { Ok(every) } else { Err("between 100ms and 1h".to_owned()) }
}

/// Shows it until it is told to end; gives the exit code.
pub fn run(args: &TopArgs) -> i32 {
    let path = match args.reach.control() {
        Ok(path) => path,
        Err(code) => return code,
    };
    // The first answer says whether there is a daemon at all.
    let first = match ask(&path) {
        Ok(report) => report,
        Err(error) => return tell("top", &error),
    };
    let watched = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if args.json {
        return json(&path, args, &first);
    }
    if args.once || !watched {
        let style = Style { zone: TimeZone::system(), width: terminal_columns(), colour: colours() };
        let shown = Shown { report: &first, rates: &Rates::default(), silent: None, live: false };
        frame(&shown, &style, usize::MAX).iter().for_each(|line| println!("{line}"));
        return OK;
    }
    live(&path, args.every, first)
}

fn ask(path: &Path) -> Result<NowReport, CallError> {
    let answer = call(path, &Request::Now)?;
    serde_json::from_value(answer)
        .map_err(|why| CallError::Strange { path: path.to_owned(), why: why.to_string() })
}

fn json(path: &Path, args: &TopArgs, first: &NowReport) -> i32 {
    use std::io::Write;
    let mut next = Ok(first.clone());
    loop {
        match &next {
            Ok(report) => {
                let text = serde_json::to_string(report).expect("a report has only text keys");
                // Whoever read it is gone.
                if writeln!(std::io::stdout(), "{}", visible_json(&text)).is_err() {
                    return OK;
                }
            }
            Err(error) => return tell("top", error),
        }
        if args.once {
            return OK;
        }
        std::thread::sleep(args.every);
        next = ask(path);
    }
}

/// Draws until somebody has seen enough.
fn live(path: &Path, every: Duration, first: NowReport) -> i32 {
    let mut terminal = match Terminal::open() {
        Ok(terminal) => terminal,
        Err(error) => {
            eprintln!("ebbd top: the terminal can't be used: {error}; try --once");
            return TROUBLE;
        }
    };
    let (zone, colour) = (TimeZone::system(), colours());
    let (mut report, mut rates, mut silent) = (first, Rates::default(), None::<String>);
    rates.note(&report, Instant::now());
    let mut due = Instant::now() + every;
    loop {
        let (width, rows) = terminal.size();
        let style = Style { zone: zone.clone(), width, colour };
        let shown = Shown { report: &report, rates: &rates, silent: silent.as_deref(), live: true };
        if terminal.draw(&frame(&shown, &style, rows)).is_err() {
            return OK;
        }
        match terminal.wait(due.saturating_duration_since(Instant::now())) {
            Heard::Quit => return OK,
            Heard::Resized => continue,
            Heard::Nothing => {}
        }
        due = Instant::now() + every;
        match ask(path) {
            Ok(fresh) => {
                rates.note(&fresh, Instant::now());
                (report, silent) = (fresh, None);
            }
            Err(error) => silent = Some(error.to_string()),
        }
    }
}
