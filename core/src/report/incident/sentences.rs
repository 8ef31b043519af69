//! The incident in a title and a few sentences.

use std::collections::BTreeMap;

use super::Dossier;
use super::account::{Account, Mended, Series, Suspect};
use super::timeline::is_over;
use crate::alarm::block::instant;
use crate::alarm::words::{Clock, count, duration, escape, exact, percent_down, visible};
use crate::alarm::{AlarmRecord, Kind, Losing, Lost, State};
use crate::model::MICROS_PER_MINUTE;

/// One line: what, how bad, when.
pub(super) fn title(dossier: &Dossier, name: &str, series: Option<&Series>) -> String {
    let date = dossier.from.start().utc_date();
    let clock = Clock::utc(dossier.from.start());
    let from = clock.minute(dossier.from.start());
    let when = match is_over(dossier) {
        true => format!("{date} {from} to {} UTC", clock.minute(dossier.to.start())),
        false => format!("since {date} {from} UTC"),
    };
    format!("{}, {when}", what(dossier, name, series))
}

/// `US / one-click: orders -98 %`.
fn what(dossier: &Dossier, name: &str, series: Option<&Series>) -> String {
    if let Some(record) = dossier.records.last().filter(|record| record.kind != Kind::Drop) {
        let title = visible(&record.title);
        return title.split(" since ").next().unwrap_or_default().to_owned();
    }
    let stream = escape(&dossier.stream);
    match series.and_then(|series| series.remaining) {
        Some(remaining) => format!("{name}: {stream} {}", percent_down(remaining, 1.0)),
        None => match dossier.records.last() {
            Some(record) => visible(record.title.split(" since ").next().unwrap_or_default()),
            None => format!("{name}: {stream}"),
        },
    }
}

/// The incident in a few sentences, best read one after the other.
pub(super) fn summary(account: &Account, dossier: &Dossier) -> Vec<String> {
    let mut told = vec![course(account, dossier)];
    if let Some(lost) = &account.lost {
        told.extend(cost(lost, &account.stream));
    }
    told.extend(detection(account, dossier));
    told.push(cause(account.suspects.first(), &account.suspects_note));
    if let Some(mended) = &account.mended {
        told.push(way_back(mended));
    }
    if let Some(losing) = account.losing.as_ref().filter(|_| !account.span.is_over) {
        told.push(running(losing, &account.stream));
    }
    told
}

fn course(account: &Account, dossier: &Dossier) -> String {
    let clock = Clock::utc(dossier.from.start());
    let (from, to) = (clock.minute(dossier.from.start()), clock.minute(dossier.to.start()));
    let (date, lasted) = (dossier.from.start().utc_date(), duration(length_us(account)));
    let when = match account.span.is_over {
        true => format!("From {from} to {to} UTC on {date} ({lasted})"),
        false => format!("Since {from} UTC on {date}, as far as is known until {to} ({lasted}),"),
    };
    match dossier.records.last() {
        Some(record) if record.state == State::Withdrawn => {
            let why = record.reason.as_deref().map(visible).unwrap_or_else(|| "it was none".to_owned());
            format!("{when}: an alarm that was withdrawn: {why}.")
        }
        Some(record) if record.kind != Kind::Drop => format!("{when}: {}.", visible(&record.title)),
        _ => {
            let stream = escape(&account.stream);
            let whose = match account.slice.is_whole() {
                true => format!("all {stream}"),
                false => format!("{stream} of {}", account.slice_name),
            };
            let remaining = account.series.first().and_then(|series| series.remaining);
            let gone = remaining.map(|remaining| percent_down(remaining, 1.0));
            let how = gone.as_deref().and_then(|gone| gone.strip_prefix('-')).map(|gone| format!("{gone} "));
            format!("{when} {whose} were {}below what was expected.", how.unwrap_or_default())
        }
    }
}

fn length_us(account: &Account) -> i64 {
    i64::from(account.span.minutes) * MICROS_PER_MINUTE
}

fn cost(lost: &Lost, stream: &str) -> Option<String> {
    let mut parts = vec![format!("about {} {}", interval(lost.orders?), escape(stream))];
    parts.extend(money(&lost.amount));
    parts.extend(lost.customers.map(|customers| format!("{} customers", interval(customers))));
    let later = match lost.recovered_later {
        later if later >= 0.5 => format!(" About {} came after the recovery and are not lost.", count(later)),
        _ => String::new(),
    };
    Some(format!("Lost: {} (90 % intervals).{later}", parts.join("; ")))
}

/// `20,100 [19,400-20,800]`: in an account three digits are said, not two.
pub(super) fn interval([low, estimate, high]: [f64; 3]) -> String {
    format!("{} [{}-{}]", three(estimate), three(low), three(high))
}

/// Three digits of a figure; below a hundred as elsewhere.
fn three(value: f64) -> String {
    if value < 99.5 {
        return count(value);
    }
    let unit = 10f64.powi(value.log10().floor() as i32 - 2);
    exact(((value / unit).round() * unit) as u64)
}

/// `391,000 USD [380,000-402,000]`, the largest first.
pub(super) fn money(amounts: &BTreeMap<String, [f64; 3]>) -> Vec<String> {
    let mut amounts: Vec<(&String, &[f64; 3])> =
        amounts.iter().filter(|(_, amount)| amount[1] >= 0.005).collect();
    amounts.sort_by(|a, b| b.1[1].total_cmp(&a.1[1]).then(a.0.cmp(b.0)));
    let words = |(currency, [low, estimate, high]): (&String, &[f64; 3])| {
        format!("{} {} [{}-{}]", three(*estimate), escape(currency), three(*low), three(*high))
    };
    amounts.into_iter().map(words).collect()
}

fn detection(account: &Account, dossier: &Dossier) -> Option<String> {
    let Some(first) = dossier.records.first() else {
        return Some("No alarm was raised.".to_owned());
    };
    let mut told = match account.span.detected_after_min {
        Some(minutes) => {
            let after = duration(minutes * MICROS_PER_MINUTE);
            format!("The alarm ({}) came {after} after the likeliest onset", severity(dossier, first))
        }
        None => return None,
    };
    if let Some(acked) = &account.span.acked {
        told.push_str(&format!("; taken: {}", visible(acked)));
    }
    Some(told + ".")
}

fn severity<'a>(dossier: &'a Dossier, first: &'a AlarmRecord) -> &'a str {
    dossier.records.last().unwrap_or(first).severity.name()
}

fn cause(suspect: Option<&Suspect>, note: &str) -> String {
    let Some(suspect) = suspect else { return format!("Suspect: none; {note}.") };
    let at = instant(&suspect.at).map(|at| Clock::utc(at).second(at)).unwrap_or_default();
    let (kind, what, why) = (escape(&suspect.kind), visible(&suspect.what), visible(&suspect.why));
    format!("Suspect: {kind} \"{what}\" at {at} ({why}); {note}.")
}

fn way_back(mended: &Mended) -> String {
    let at = instant(&mended.at).map(|at| Clock::utc(at).minute(at)).unwrap_or_default();
    let (kind, what) = (escape(&mended.kind), visible(&mended.what));
    format!("Way back: {kind} \"{what}\" at {at}; {}.", mended.in_words())
}

fn running(losing: &Losing, stream: &str) -> String {
    let mut parts = vec![format!("{} {}", count(losing.orders_per_min), escape(stream))];
    let amounts = losing.amount_per_min.iter().filter(|(_, amount)| **amount >= 0.005);
    parts.extend(amounts.map(|(currency, amount)| format!("{} {}", count(*amount), escape(currency))));
    format!("It goes on: {} a minute.", parts.join(", "))
}
