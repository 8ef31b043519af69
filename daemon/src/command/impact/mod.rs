//! `ebbd impact`: what an alarm, a period or all incidents of a quarter have cost.
//!
//! In: data directories, also those of a running daemon. Out: orders and money with their 90 % intervals, for
//! people, as JSON or CSV. Must not know: how expectations and losses are reckoned.

mod figure;
#[cfg(test)]
pub(super) mod tests;
mod text;
mod total;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use ebbd_core::alarm::block::instant;
use ebbd_core::model::TimeUs;

use super::failure::Failure;
use super::lookup::{condition, from_time, no_alarm, slice_of, to_time};
use super::past_period::{PastPeriod, directories};
use super::{NO, OK};
use crate::stored::{AlarmName, Period, Stored};
use figure::Figure;

/// What `impact` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ebbd impact --alarm 47\n  ebbd impact --from 2026-11-22T13:03:00Z --to \
                        2026-11-22T13:41:00Z --slice marketplace=US\n  ebbd impact --incidents --from 2026-10-01 \
                        --to 2026-12-31 --csv\n\nA period is put through the detector again: it learns from the \
                        five weeks before, then its level stands still.\nExit 1 if there is no expectation."
)]
pub struct ImpactArgs {
    /// An alarm, by its number or id
    #[arg(long, value_name = "NO|ID", conflicts_with_all = ["incidents", "from", "to", "slice"])]
    alarm: Option<AlarmName>,
    /// All incidents that began in the period, and their sum
    #[arg(long, requires = "from", requires = "to", conflicts_with = "slice")]
    incidents: bool,
    /// The period begins here (a time, or a UTC day)
    #[arg(long, value_name = "TIME", value_parser = from_time, requires = "to", required_unless_present = "alarm")]
    from: Option<TimeUs>,
    /// And ends here (a time, or the end of a UTC day)
    #[arg(long, value_name = "TIME", value_parser = to_time, requires = "from")]
    to: Option<TimeUs>,
    /// A condition of the slice; may be repeated [default: the whole stream]
    #[arg(long, value_name = "DIM=VALUE", value_parser = condition)]
    slice: Vec<(String, String)>,
    /// The stream, if there are several
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// A data directory; may be repeated, their rows are added [default: the configuration's]
    #[arg(long, value_name = "DIR")]
    data_dir: Vec<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// A line per incident and currency
    #[arg(long, requires = "incidents", conflicts_with = "json")]
    csv: bool,
    /// The configuration [default: as for all commands]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Reckons and prints; gives the exit code.
pub fn run(args: &ImpactArgs) -> i32 {
    match run_to(args, &mut std::io::stdout().lock()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("ebbd impact: {}", failure.message.trim_end());
            failure.code
        }
    }
}

fn run_to(args: &ImpactArgs, out: &mut dyn Write) -> Result<i32, Failure> {
    if args.incidents {
        return total::run(args, out);
    }
    let figure = match &args.alarm {
        Some(name) => of_alarm(args, name)?,
        None => of_period(args)?,
    };
    let text = if args.json { figure.json() } else { text::figure(&figure) };
    // A reader that went away is no error.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(if figure.orders.is_some() { OK } else { NO })
}

/// The period that was asked about; the arguments have both ends.
fn asked(args: &ImpactArgs) -> [TimeUs; 2] {
    [args.from.unwrap_or_default(), args.to.unwrap_or_default()]
}

fn of_period(args: &ImpactArgs) -> Result<Figure, Failure> {
    let slice = slice_of(&args.slice)?;
    let mut period =
        PastPeriod::open(&args.data_dir, args.config.as_deref(), args.stream.as_deref(), asked(args))?;
    let held = period.hold(&slice, false, &mut |_| {})?;
    period.notes.iter().for_each(|note| eprintln!("ebbd impact: {note}"));
    Ok(Figure::of_period(&period, &slice, &held))
}

/// What the alarm's last record says; what came later is looked up in the minutes, if they are kept.
fn of_alarm(args: &ImpactArgs, name: &AlarmName) -> Result<Figure, Failure> {
    let dirs = directories(&args.data_dir, args.config.as_deref())?;
    let stored = Stored::open(&dirs).map_err(|error| Failure::trouble(error.to_string()))?;
    let found = stored.alarm(name).map_err(|error| Failure::trouble(error.to_string()))?;
    let history = found.ok_or_else(|| no_alarm(&stored, name))?;
    let record = history.newest();
    let mut figure = Figure::of_record(record);
    let times = [record.onset.as_ref().map(|onset| onset[1].as_str()), record.ended.as_deref()];
    if let [Some(onset), Some(ended)] = times.map(|text| text.and_then(instant))
        && ended > onset
        && figure.orders.is_some()
    {
        let period = PastPeriod::open(&dirs, args.config.as_deref(), Some(&record.stream), [onset, ended]);
        match period.and_then(|mut period| period.hold(&record.slice, false, &mut |_| {})) {
            Ok(held) => figure.recovered_later = Some(held.recovered_later()),
            Err(why) => eprintln!("ebbd impact: what came later isn't known: {}", why.message),
        }
    }
    Ok(figure)
}

/// The incidents of a period.
fn period(args: &ImpactArgs) -> Period {
    let [from, to] = asked(args);
    Period { from, to }
}
