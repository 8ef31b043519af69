//! Why a minute of a slice did or did not alarm.

use std::fmt::Write as _;
use std::io::Write;

use ebbd_core::alarm::words::{band, count, exact};
use ebbd_core::detect::{SliceVerdict, Verdict};
use ebbd_core::model::{DeclaredPeriod, Slice, TimeUs};
use ebbd_core::replay::Look;
use ebbd_core::report::{visible, visible_json};
use serde_json::json;

use super::{ExplainArgs, period};
use crate::command::failure::Failure;
use crate::command::lookup::slice_of;
use crate::command::past_period::PastPeriod;
use crate::command::{NO, OK};

/// Evidence within this factor of its bar passes it, or misses it, barely.
const BARELY: f64 = 1.25;

/// Looks at the minute and prints; gives the exit code: 1 when it did not alarm.
pub(super) fn run(args: &ExplainArgs, at: TimeUs, json: bool, out: &mut dyn Write) -> Result<i32, Failure> {
    let slice = slice_of(&args.slice)?;
    let span = period::minute_span(at);
    let mut period = PastPeriod::open(&args.data_dir, args.config.as_deref(), args.stream.as_deref(), span)?;
    let look = period.look(&slice)?;
    let title = slice.title(&period.spec.dimension_names());
    let Some(verdict) = look.verdict() else {
        return Err(Failure::trouble(format!(
            "{}: nothing of it was counted before this minute",
            visible(&title)
        )));
    };
    let text = match json {
        true => line(&slice, &period, &look, verdict),
        false => words(&title, &period, &look, verdict),
    };
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(if verdict.verdict == Verdict::Drop { OK } else { NO })
}

/// `clearly over its bar`, `barely under its bar`.
fn by_how_much(verdict: &SliceVerdict) -> String {
    let ratio = verdict.evidence / verdict.threshold.max(f64::MIN_POSITIVE);
    let side = if ratio >= 1.0 { "over" } else { "under" };
    let far = if (1.0 / BARELY..BARELY).contains(&ratio) { "barely" } else { "clearly" };
    format!("{far} {side} its bar")
}

fn words(title: &str, period: &PastPeriod, look: &Look, verdict: &SliceVerdict) -> String {
    let period_names = period.spec.dimension_names();
    let minute = period.minutes.start.to_string();
    let shown = minute.replace('T', " ").replace(":00Z", " UTC");
    let mut out = format!("{} at {shown}: {}\n", visible(title), verdict.verdict.name());
    let came = verdict.observed.map_or("no data".to_owned(), |seen| exact(seen.max(0) as u64));
    let expected = match (verdict.expected, verdict.low, verdict.high) {
        (Some(expected), Some(low), Some(high)) => {
            format!("expected {} ({})", count(expected), band(low, high))
        }
        _ => "nothing can be expected yet: eight days of data are needed".to_owned(),
    };
    let _ = writeln!(out, "  came      {came}, {expected}");
    if let Some(most) =
        verdict.observed_max.zip(verdict.observed).filter(|(most, seen)| *most >= *seen as f64 + 0.5)
    {
        let _ = writeln!(out, "  missing   with what may be missing it is {}", count(most.0));
    }
    let _ = writeln!(
        out,
        "  evidence  {:.1} of {:.1} nats, {}",
        verdict.evidence,
        verdict.threshold,
        by_how_much(verdict)
    );
    let since = verdict.since_onset;
    if let Some([_, onset, _]) = verdict.onset.filter(|_| since.minutes > 0) {
        let opened = if look.drop_since().is_some() { "drop open" } else { "low" };
        let _ = writeln!(
            out,
            "  since     {opened} since {}: {} of {} in {} min",
            onset.to_string().replace('T', " ").replace(":00Z", " UTC"),
            count(since.observed),
            count(since.expected),
            since.minutes
        );
    }
    for period in look.declared() {
        let _ = writeln!(out, "  calendar  {}", period_in_words(period, &period_names));
    }
    let weeks = look.weeks().map(|week| week.map_or("no data".to_owned(), |seen| exact(seen.max(0) as u64)));
    let _ = writeln!(out, "  weeks     the same minute 1 to 4 weeks before: {}", weeks.join(", "));
    out
}

/// `Black Friday is declared for DE until 2026-11-28 00:00 UTC: levels follow, only a sudden fall is told`.
fn period_in_words(period: &DeclaredPeriod, dimensions: &[&str]) -> String {
    let whom = match period.slice.is_whole() {
        true => String::new(),
        false => format!(" for {}", visible(&period.slice.title(dimensions))),
    };
    let until = period.until.minute().to_string().replace('T', " ").replace(":00Z", " UTC");
    let name = visible(&period.name);
    format!("{name} is declared{whom} until {until}: levels follow, only a sudden fall is told")
}

fn line(slice: &Slice, period: &PastPeriod, look: &Look, verdict: &SliceVerdict) -> String {
    let line = json!({
        "type": "minute", "stream": period.spec.name, "slice": slice, "minute": period.minutes.start.to_string(),
        "verdict": verdict.verdict.name(), "observed": verdict.observed, "observed_max": verdict.observed_max,
        "expected": verdict.expected, "low": verdict.low, "high": verdict.high,
        "completeness": verdict.completeness, "evidence": verdict.evidence, "threshold": verdict.threshold,
        "judgement": by_how_much(verdict), "onset": verdict.onset.map(|onset| onset.map(|at| at.to_string())),
        "drop_since": look.drop_since().map(|at| at.to_string()), "weeks_before": look.weeks(),
        "declared": look.declared().iter().map(|period| &period.name).collect::<Vec<_>>(),
    });
    visible_json(&line.to_string()) + "\n"
}
