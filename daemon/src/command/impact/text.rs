//! What something has cost, as a person reads it in 80 columns.

use std::fmt::Write as _;

use ebbd_core::alarm::words::{band, count, exact, share};
use ebbd_core::report::{escape, visible};

use super::figure::Figure;
use crate::command::figures::span;

/// Where text begins behind its label.
const LABEL: usize = 9;
/// Text goes on in the next line from here.
const WIDTH: usize = 80;
/// Minutes of waiting that are told.
const WAITING: f64 = 15.0;

/// All of it.
pub(super) fn figure(figure: &Figure) -> String {
    let mut out = String::new();
    let name = match &figure.alarm {
        Some((no, title)) => format!("{no}  {}", visible(title)),
        None => format!("{}: {}", visible(&figure.title), escape(&figure.stream)),
    };
    let long = span(u64::from(figure.minutes + figure.blind_minutes) * 60);
    let _ = writeln!(out, "{name}\n  {} to {} ({long})", clock(&figure.from), clock(&figure.to));
    let Some(orders) = figure.orders else {
        out += &line("lost", "not known: eight days of data before it are needed to expect anything");
        return out;
    };
    let seen = exact(figure.observed.round().max(0.0) as u64);
    out += &line("came", &format!("{seen} of {} expected", exact(figure.expected.round().max(0.0) as u64)));
    out += &line("lost", &format!("{} [{}]", count(orders[1]), band(orders[0], orders[2])));
    for (currency, money) in &figure.amount {
        let told = format!("{} {} [{}]", count(money[1]), escape(currency), band(money[0], money[2]));
        out += &line("money", &told);
    }
    if let Some([low, customers, high]) = figure.customers {
        out += &line("of", &format!("{} customers [{}]", count(customers), band(low, high)));
    }
    if let Some(later) = figure.recovered_later.filter(|later| *later >= 0.5) {
        out += &line("later", &format!("{} came after it: delayed, not lost", count(later)));
    }
    if let Some((rate, money)) = &figure.losing {
        let mut parts = vec![format!("{}/min", count(*rate))];
        parts.extend(
            money.iter().map(|(currency, each)| format!("{} {}/min", count(*each), escape(currency))),
        );
        let wait: Vec<String> =
            money.iter().map(|(c, each)| format!("{} {}", count(each * WAITING), escape(c))).collect();
        let wait = if wait.is_empty() { count(rate * WAITING) } else { wait.join(", ") };
        out += &line("losing", &format!("{}; waiting 15 min more: ~{wait}", parts.join(", ")));
    }
    if figure.completeness < 1.0 {
        let told =
            format!("{} at the least had arrived; the interval allows for it", share(figure.completeness));
        out += &line("data", &told);
    }
    if figure.blind_minutes > 0 {
        out += &line("blind", &format!("{} min without data are left out", figure.blind_minutes));
    }
    out + &line("method", &figure.method)
}

/// A label and its text, broken between words.
fn line(label: &str, text: &str) -> String {
    let mut out = format!("  {label:<LABEL$}");
    let mut at = out.chars().count();
    for (nth, word) in text.split(' ').enumerate() {
        let long = word.chars().count();
        if nth > 0 && at + 1 + long > WIDTH {
            let _ = write!(out, "\n{:1$}", "", LABEL + 2);
            at = LABEL + 2;
        } else if nth > 0 {
            out.push(' ');
            at += 1;
        }
        out += word;
        at += long;
    }
    out + "\n"
}

/// `2026-11-22 13:03 UTC` of `2026-11-22T13:03:00Z`.
pub(super) fn clock(instant: &str) -> String {
    match instant.split_once('T') {
        Some((day, time)) => format!("{day} {} UTC", time.get(..5).unwrap_or(time)),
        None => escape(instant),
    }
}
