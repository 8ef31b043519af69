//! What commands that ask about the past have in common: where the data lie, a period, a slice.

use std::path::PathBuf;

use clap::Args;
use ebbd_core::model::{Slice, TimeUs};
use ebbd_core::report::visible;

use super::failure::Failure;
use crate::config::Config;
use crate::stored::{AlarmName, Period, Stored};

/// A day in microseconds.
const DAY_US: i64 = 86_400_000_000;

/// Where the data lie.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// A data directory, if not the configuration's; several times for several daemons
    #[arg(long, value_name = "DIR")]
    data_dir: Vec<PathBuf>,
    /// The configuration [default: $EBBD_CONFIG, ./ebbd.toml, /etc/ebbd/ebbd.toml, built-in]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl DataArgs {
    /// The configuration and what is stored.
    ///
    /// # Errors
    /// A wrong configuration, a directory that is none of ebbd's.
    pub(super) fn open(&self) -> Result<(Config, Stored), Failure> {
        let config =
            Config::load(self.config.as_deref()).map_err(|error| Failure::usage(error.to_string()))?;
        let stored = match self.data_dir.as_slice() {
            [] => Stored::open(std::slice::from_ref(&config.data_dir))?,
            dirs => Stored::open(dirs)?,
        };
        Ok((config, stored))
    }
}

/// A period.
#[derive(Debug, Args)]
pub(super) struct PeriodArgs {
    /// Its beginning (a time, or a UTC day)
    #[arg(long, value_name = "TIME", value_parser = from_time, requires = "to")]
    from: Option<TimeUs>,
    /// Its end (a time, or the end of a UTC day)
    #[arg(long, value_name = "TIME", value_parser = to_time, requires = "from")]
    to: Option<TimeUs>,
}

impl PeriodArgs {
    /// The period, if one was given.
    ///
    /// # Errors
    /// One that ends before it begins.
    pub(super) fn period(&self) -> Result<Option<Period>, Failure> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from < to => Ok(Some(Period { from, to })),
            (Some(_), Some(_)) => Err(Failure::usage("--to has to be behind --from")),
            _ => Ok(None),
        }
    }
}

/// A slice.
#[derive(Debug, Args)]
pub(super) struct ConditionArgs {
    /// A condition of the slice, several times for several; none for the whole stream
    #[arg(long, value_name = "DIM=VALUE", value_parser = condition)]
    slice: Vec<(String, String)>,
}

impl ConditionArgs {
    /// The slice.
    ///
    /// # Errors
    /// A dimension that is named twice.
    pub(super) fn slice(&self) -> Result<Slice, Failure> {
        slice_of(&self.slice)
    }
}

/// A slice and its stream.
#[derive(Debug, Args)]
pub(super) struct SliceArgs {
    #[command(flatten)]
    conditions: ConditionArgs,
    /// The stream, if there are several
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
}

impl SliceArgs {
    /// The slice.
    ///
    /// # Errors
    /// A dimension that is named twice.
    pub(super) fn slice(&self) -> Result<Slice, Failure> {
        self.conditions.slice()
    }

    /// The stream: the one named, else the only one of which there are verdicts.
    ///
    /// # Errors
    /// None or several.
    pub(super) fn stream(&self, stored: &Stored) -> Result<String, Failure> {
        if let Some(stream) = &self.stream {
            return Ok(stream.clone());
        }
        match stored.judged_streams()?.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(Failure::no("nothing has been judged there yet")),
            several => {
                Err(Failure::usage(format!("name one of the streams with --stream: {}", several.join(", "))))
            }
        }
    }
}

/// An alarm that was asked for is not there.
pub(super) fn no_alarm(stored: &Stored, name: &AlarmName) -> Failure {
    let shown = match name {
        AlarmName::No(no) => no.to_string(),
        AlarmName::Id(id) => visible(id),
    };
    let dirs: Vec<String> = stored.dirs().iter().map(|dir| dir.display().to_string()).collect();
    Failure::no(format!(
        "no alarm {shown} in {}; its records are stored some minutes after they are made ([parquet] roll)",
        dirs.join(", ")
    ))
}

/// The slice of these conditions.
///
/// # Errors
/// A dimension that is named twice.
pub(super) fn slice_of(conditions: &[(String, String)]) -> Result<Slice, Failure> {
    let slice = Slice::of(conditions.iter().cloned());
    match slice.0.len() == conditions.len() {
        true => Ok(slice),
        false => Err(Failure::usage("--slice names a dimension twice; a slice has one value of each")),
    }
}

/// `dimension=value`.
pub(super) fn condition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((dimension, value)) if !dimension.is_empty() => Ok((dimension.to_owned(), value.to_owned())),
        _ => Err("write dimension=value, as in marketplace=US".to_owned()),
    }
}

/// The beginning of a period: a time with a zone, or a UTC day.
pub(super) fn from_time(text: &str) -> Result<TimeUs, String> {
    time(text, 0)
}

/// The end of a period: a time with a zone, or the end of a UTC day.
pub(super) fn to_time(text: &str) -> Result<TimeUs, String> {
    time(text, 1)
}

/// A time with a zone, or a UTC day moved by `days`.
fn time(text: &str, days: i64) -> Result<TimeUs, String> {
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Ok(TimeUs(stamp.as_microsecond()));
    }
    let day = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10);
    let day = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
    let start = day.map(|day| TimeUs(day.timestamp().as_microsecond()).plus_us(days * DAY_US));
    start.ok_or_else(|| "write 2026-11-22T13:00:00Z, or a day: 2026-11-22".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_have_both_sides() {
        assert_eq!(condition("marketplace=US"), Ok(("marketplace".to_owned(), "US".to_owned())));
        assert_eq!(condition("payment="), Ok(("payment".to_owned(), String::new())));
        assert!(condition("US").is_err() && condition("=US").is_err());
    }

    #[test]
    fn a_day_is_whole() {
        let (from, to) = (from_time("2026-11-22").expect("a day"), to_time("2026-11-22").expect("a day"));
        assert_eq!(to.since_us(from), DAY_US);
        assert_eq!(from_time("2026-11-22T01:00:00+01:00"), Ok(from));
        assert!(from_time("22.11.2026").is_err());
    }
}
