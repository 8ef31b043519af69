//! `ebbd mark`: says that something was changed.

use std::collections::BTreeMap;

use clap::Args;
use ebbd_core::report::{visible, visible_json};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use super::figures::clock;
use super::lookup::condition;
use super::reach::{Reach, tell};
use super::{OK, USAGE};
use crate::config::parse_duration_us;
use crate::control::{MarkRequest, MarkTaken, Request, call};

/// What `mark` takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ebbd mark deploy \"checkout v42\" --scope feature=one-click\n  \
    ebbd mark promo \"Black Friday\" --at 2026-11-27T00:00:00-05:00 --until 2026-11-28T00:00:00-05:00\n  \
    ebbd mark deploy \"checkout v42\" --at 14:02 --id release-42    (the same id again replaces it)\n  \
    ebbd mark --retract --id release-42\n\n\
    Times: RFC 3339, 14:02 (the last one, here), 10m (ago); --until also 2h (long).")]
pub struct MarkArgs {
    /// deploy, flag, config, rollback, promo, maintenance, note or any word
    #[arg(required_unless_present = "retract")]
    kind: Option<String>,
    /// What was changed
    #[arg(required_unless_present = "retract")]
    text: Option<String>,
    /// When it took effect [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// When it ended or will end
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// What it touches; may be given several times
    #[arg(long, value_name = "DIM=VALUE", value_parser = condition)]
    scope: Vec<(String, String)>,
    /// Its own name: the same id again replaces it
    #[arg(long)]
    id: Option<String>,
    /// Take the one with this id back
    #[arg(long, requires = "id")]
    retract: bool,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Sends the mark; gives the exit code.
pub fn run(args: &MarkArgs) -> i32 {
    let request = match request(args, &Zoned::now()) {
        Ok(request) => request,
        Err(why) => {
            eprintln!("ebbd mark: {why}");
            return USAGE;
        }
    };
    let path = match args.reach.control() {
        Ok(path) => path,
        Err(code) => return code,
    };
    let answer = match call(&path, &Request::Mark(request)) {
        Ok(answer) => answer,
        Err(error) => return tell("mark", &error),
    };
    match serde_json::from_value::<MarkTaken>(answer.clone()) {
        Ok(taken) if !args.json => println!("{}", done(args, &taken)),
        _ => println!("{}", visible_json(&answer.to_string())),
    }
    OK
}

fn done(args: &MarkArgs, taken: &MarkTaken) -> String {
    let id = visible(&taken.id);
    if args.retract {
        return format!("taken back: {id}");
    }
    let shown = |text: &Option<String>| visible(text.as_deref().unwrap_or_default());
    let (kind, text) = (shown(&args.kind), shown(&args.text));
    let at = clock(&taken.at, &Timestamp::now().to_string(), &TimeZone::system());
    format!("marked {kind} \"{text}\" at {at}; take it back with: ebbd mark --retract --id {id}")
}

fn request(args: &MarkArgs, now: &Zoned) -> Result<MarkRequest, String> {
    let at = args.at.as_deref().map(|text| instant(text, now)).transpose()?;
    let start = at.unwrap_or_else(|| now.timestamp());
    let until = args.until.as_deref().map(|text| end(text, start, now)).transpose()?;
    if until.is_some_and(|until| until < start) {
        return Err("--until lies before --at".to_owned());
    }
    let scope: BTreeMap<String, String> = args.scope.iter().cloned().collect();
    if scope.len() < args.scope.len() {
        return Err("--scope names a dimension twice; a mark touches one value of each".to_owned());
    }
    Ok(MarkRequest {
        kind: args.kind.clone().unwrap_or_else(|| "note".to_owned()),
        what: args.text.clone().unwrap_or_default(),
        at: at.map(|at| at.to_string()),
        until: until.map(|until| until.to_string()),
        scope,
        id: args.id.clone(),
        retract: args.retract,
    })
}

/// RFC 3339, `14:02` (the last one), `10m` (ago).
fn instant(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Some(today) = time_of_day(text).and_then(|time| now.with().time(time).build().ok()) {
        let last = if today > *now { today.checked_sub(Span::new().days(1)) } else { Ok(today) };
        return last.map(|at| at.timestamp()).map_err(|why| why.to_string());
    }
    match parse_duration_us(text) {
        Ok(ago) => moved(now.timestamp(), -ago),
        Err(_) => Err(format!("{text:?} is no time: write 2026-11-22T14:02:00+01:00, 14:02 or 10m")),
    }
}

/// RFC 3339, `14:02` (the next one after the start), `2h` (after the start).
fn end(text: &str, start: Timestamp, now: &Zoned) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let start_day = start.to_zoned(now.time_zone().clone());
    if let Some(that_day) = time_of_day(text).and_then(|time| start_day.with().time(time).build().ok()) {
        let next =
            if that_day < start_day { that_day.checked_add(Span::new().days(1)) } else { Ok(that_day) };
        return next.map(|at| at.timestamp()).map_err(|why| why.to_string());
    }
    match parse_duration_us(text) {
        Ok(long) => moved(start, long),
        Err(_) => Err(format!("{text:?} is no time: write 2026-11-22T14:02:00+01:00, 14:02 or 2h")),
    }
}

/// `14:02` or `14:02:10`.
fn time_of_day(text: &str) -> Option<Time> {
    let plain = text.len() >= 4 && text.contains(':') && !text.contains('-');
    let padded = if text.find(':') == Some(1) { format!("0{text}") } else { text.to_owned() };
    padded.parse::<Time>().ok().filter(|_| plain)
}

fn moved(at: Timestamp, micros: i64) -> Result<Timestamp, String> {
    let there = at.as_microsecond().checked_add(micros);
    there.and_then(|us| Timestamp::from_microsecond(us).ok()).ok_or_else(|| "that is too far away".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-11-22T14:05:00+01:00[Europe/Berlin]".parse().unwrap()
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let at = |text: &str| instant(text, &now()).map(|at| at.to_string());
        assert_eq!(at("14:02").unwrap(), "2026-11-22T13:02:00Z");
        assert_eq!(at("9:30:10").unwrap(), "2026-11-22T08:30:10Z");
        assert_eq!(at("23:00").unwrap(), "2026-11-21T22:00:00Z");
        assert_eq!(at("10m").unwrap(), "2026-11-22T12:55:00Z");
        assert_eq!(at("2026-11-22T14:02:00+01:00").unwrap(), "2026-11-22T13:02:00Z");
        assert!(at("yesterday").unwrap_err().contains("\"yesterday\" is no time"));
        let start = "2026-11-22T13:02:00Z".parse().unwrap();
        let until = |text: &str| end(text, start, &now()).map(|at| at.to_string());
        assert_eq!(until("2h").unwrap(), "2026-11-22T15:02:00Z");
        assert_eq!(until("13:00").unwrap(), "2026-11-23T12:00:00Z");
    }
}
