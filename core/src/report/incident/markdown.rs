//! An account as Markdown: the same story for a wiki or a ticket.

use super::account::Account;
use super::pieces::{capital, conditions, figure, mark_down, minute, second};
use super::sentences::{interval, money};
use crate::alarm::words::{duration, percent_down, share};
use crate::model::MICROS_PER_MINUTE;

/// The text.
pub fn markdown(account: &Account) -> String {
    let sections =
        [head(account), timeline(account), suspects(account), places(account), trust(account), foot(account)];
    sections.concat()
}

fn head(account: &Account) -> String {
    let mut kind = vec![mark_down(&account.stream)];
    kind.extend(account.no.map(|no| format!("alarm {no}")));
    kind.extend(account.severity.clone());
    kind.push(account.state.clone());
    kind.extend(account.label.as_deref().map(|label| format!("labelled {}", mark_down(label))));
    let summary: Vec<String> = account.summary.iter().map(|said| mark_down(said)).collect();
    let rows: String =
        facts(account).into_iter().map(|(name, value)| format!("| {name} | {value} |\n")).collect();
    format!(
        "# {}\n\n{}\n\n{}\n\n| | |\n|---|---|\n{rows}",
        mark_down(&account.title),
        kind.join(", "),
        summary.join("\n")
    )
}

fn facts(account: &Account) -> Vec<(String, String)> {
    let (span, day) = (&account.span, &account.span.from);
    let mut rows = Vec::new();
    let mut add = |name: &str, value: String| rows.push((mark_down(name), mark_down(&value)));
    let lasted = duration(i64::from(span.minutes) * MICROS_PER_MINUTE);
    let (from, to) = (minute(&span.from, day), minute(&span.to, day));
    match span.is_over {
        true => add("lasted", format!("{lasted}, {from} to {to} UTC")),
        false => add("so far", format!("{lasted}, since {from} UTC")),
    }
    if let Some(lost) = &account.lost {
        lost.orders.into_iter().for_each(|orders| add(&format!("{} lost", account.stream), interval(orders)));
        money(&lost.amount).into_iter().for_each(|amount| add("money lost", amount));
        lost.customers.into_iter().for_each(|customers| add("customers", interval(customers)));
    }
    if let (Some(after), Some(at)) = (span.detected_after_min, &span.detected) {
        let after = duration(after * MICROS_PER_MINUTE);
        add("alarm", format!("{after} after the onset, at {} UTC", second(at, day)));
    }
    rows
}

fn timeline(account: &Account) -> String {
    let line = |line: &super::Happening| {
        let at = second(&line.at, &account.span.from);
        format!("- {at} **{}** {}\n", mark_down(&line.word), mark_down(&line.text))
    };
    let lines: String = account.timeline.iter().map(line).collect();
    format!("\n## What happened\nTimes are UTC.\n\n{lines}")
}

fn suspects(account: &Account) -> String {
    let line = |suspect: &super::Suspect| {
        format!(
            "{}. {} \"{}\" at {}: fit {}, {}\n",
            suspect.rank,
            mark_down(&suspect.kind),
            mark_down(&suspect.what),
            second(&suspect.at, &account.span.from),
            share(suspect.score),
            mark_down(&suspect.why)
        )
    };
    let lines: String = account.suspects.iter().map(line).collect();
    let space = if lines.is_empty() { "" } else { "\n" };
    format!("\n## Suspects\n{lines}{space}{}.\n", mark_down(&capital(&account.suspects_note)))
}

/// Causes, then how the slices did.
fn places(account: &Account) -> String {
    let mut out = String::new();
    if !account.causes.is_empty() {
        let row = |cause: &crate::alarm::Cause| {
            let name = if cause.slice.is_whole() { "all".to_owned() } else { conditions(&cause.slice) };
            let (observed, expected) = (figure(Some(cause.observed)), figure(Some(cause.expected)));
            format!("| {} | {} | {observed} | {expected} |\n", mark_down(&name), share(cause.explains))
        };
        let rows: String = account.causes.iter().map(row).collect();
        out.push_str(&format!(
            "\n## Where\n| slice | explains | observed | expected |\n|---|---|---|---|\n{rows}"
        ));
    }
    if !account.series.is_empty() {
        let row = |series: &super::Series| {
            let against = series.remaining.map_or("-".to_owned(), |remaining| percent_down(remaining, 1.0));
            let lost = series.lost.map_or("-".to_owned(), interval);
            format!("| {} | {against} | {} |\n", mark_down(&series.name), mark_down(&lost))
        };
        let rows: String = account.series.iter().map(row).collect();
        out.push_str(&format!("\n## Slices\n| slice | against expectation | lost |\n|---|---|---|\n{rows}"));
    }
    out
}

fn trust(account: &Account) -> String {
    let day = &account.span.from;
    let absences = account.trust.absences.iter().map(|absence| {
        let (from, to) = (minute(&absence.from, day), minute(&absence.to, day));
        format!("- {} was missing from {from} to {to} UTC.\n", mark_down(&absence.name(&account.stream)))
    });
    let caveats = account.trust.caveats.iter().map(|said| format!("- {}\n", mark_down(said)));
    let lines: String = absences.chain(caveats).collect();
    let method = account.lost.as_ref().map(|lost| format!("\nLoss: {}.\n", mark_down(&lost.method)));
    format!("\n## How far to trust it\n{lines}{}", method.unwrap_or_default())
}

fn foot(account: &Account) -> String {
    let id = account.id.as_deref().map(|id| format!(" Alarm {}.", mark_down(id))).unwrap_or_default();
    format!(
        "\nMade by ebbd from what {} has stored: {} alarm records, {} markers, minutes {} to {}. Figures in brackets \
         are 90 % intervals.{id}\n",
        mark_down(&account.host),
        account.records.len(),
        account.markers.len(),
        account.span.shown_from,
        account.span.shown_to
    )
}
