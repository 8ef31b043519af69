//! All incidents of a period, and their sum with an interval of its own: bounds don't add up.

use std::collections::BTreeMap;
use std::io::Write;

use ebbd_core::alarm::words::{band, count};
use ebbd_core::alarm::{Kind, State};
use ebbd_core::report::{escape, visible_json};
use serde_json::json;

use super::figure::cents;
use super::text::clock;
use super::{ImpactArgs, period};
use crate::command::OK;
use crate::command::failure::Failure;
use crate::command::past_period::directories;
use crate::stored::{Stored, StoredIncident};

/// How much of two incidents' errors is the same one, where they are of one stream: what is wrong with the level
/// and the weekly profile stays wrong for days.
const SHARED: f64 = 0.3;
const METHOD: &str = "estimates are added; an interval is that of the sum of errors, of which incidents of one \
                      stream share 30 %, so it is narrower than the sum of the bounds and wider than if nothing \
                      were shared; withdrawn alarms and those labelled expected or false are left out";
/// Columns of what an incident is called.
const NAME: usize = 28;

/// A sum of intervals whose errors are partly the same.
#[derive(Clone, Debug, Default)]
struct Sum {
    estimate: f64,
    /// Below and above: squares, and by stream what would add up if all were shared.
    squares: [f64; 2],
    by_stream: BTreeMap<String, [f64; 2]>,
}

impl Sum {
    fn add(&mut self, stream: &str, [low, estimate, high]: [f64; 3]) {
        self.estimate += estimate;
        let errors = [estimate - low, high - estimate];
        let shared = self.by_stream.entry(stream.to_owned()).or_default();
        for (side, error) in errors.into_iter().enumerate() {
            self.squares[side] += (1.0 - SHARED) * error * error;
            shared[side] += error;
        }
    }

    fn interval(&self) -> [f64; 3] {
        let error = |side: usize| {
            let shared: f64 = self.by_stream.values().map(|sums| SHARED * sums[side] * sums[side]).sum();
            (self.squares[side] + shared).sqrt()
        };
        [(self.estimate - error(0)).max(0.0), self.estimate, self.estimate + error(1)]
    }
}

/// Prints them; gives the exit code.
pub(super) fn run(args: &ImpactArgs, out: &mut dyn Write) -> Result<i32, Failure> {
    let dirs = directories(&args.data_dir, args.config.as_deref())?;
    let stored = Stored::open(&dirs).map_err(|error| Failure::trouble(error.to_string()))?;
    let mut incidents =
        stored.incidents(period(args)).map_err(|error| Failure::trouble(error.to_string()))?;
    incidents.retain(|incident| counts(incident, args.stream.as_deref()));
    let text = match (args.csv, args.json) {
        (true, _) => csv(&incidents)?,
        (_, true) => lines(&incidents),
        _ => table(&incidents, [&clock_of(args, true), &clock_of(args, false)]),
    };
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(OK)
}

fn clock_of(args: &ImpactArgs, from: bool) -> String {
    let time = if from { args.from } else { args.to };
    clock(&time.unwrap_or_default().to_rfc3339())
}

fn counts(incident: &StoredIncident, stream: Option<&str>) -> bool {
    let row = &incident.row;
    let excused = row.label.as_deref().is_some_and(|label| label == "expected" || label == "false");
    let lost = row.state != State::Withdrawn && row.kind != Kind::NoData && row.orders.is_some();
    lost && !excused && stream.is_none_or(|stream| row.stream == stream)
}

/// The incidents' customers added, where every one has them: whoever was hit twice counts twice.
fn customers(incidents: &[StoredIncident]) -> Option<[f64; 3]> {
    let mut sum = Sum::default();
    for incident in incidents {
        sum.add(&incident.row.stream, incident.row.customers?);
    }
    (!incidents.is_empty()).then(|| sum.interval())
}

fn sums(incidents: &[StoredIncident]) -> (Sum, BTreeMap<String, Sum>) {
    let (mut orders, mut money) = (Sum::default(), BTreeMap::<String, Sum>::new());
    for incident in incidents {
        orders.add(&incident.row.stream, incident.row.orders.unwrap_or_default());
        for row in &incident.money {
            money.entry(row.currency.clone()).or_default().add(&incident.row.stream, row.amount);
        }
    }
    (orders, money)
}

fn table(incidents: &[StoredIncident], [from, to]: [&str; 2]) -> String {
    let mut out = String::new();
    for incident in incidents {
        let row = &incident.row;
        let name = if row.slice.is_whole() { "all".to_owned() } else { row.slice.key() };
        let orders = row.orders.unwrap_or_default();
        let money: Vec<String> = incident
            .money
            .iter()
            .map(|row| format!("{} {}", count(row.amount[1]), escape(&row.currency)))
            .collect();
        let open = if row.ended.is_none() { ", still open" } else { "" };
        out += &format!(
            "{}  {}  {} [{}]{open}  {}\n",
            clock(&row.onset.to_rfc3339()),
            name_of(&name),
            count(orders[1]),
            band(orders[0], orders[2]),
            money.join(", ")
        );
    }
    let (orders, money) = sums(incidents);
    let [low, estimate, high] = orders.interval();
    let many = if incidents.len() == 1 { "incident" } else { "incidents" };
    out += &format!("{} {many} from {from} to {to}\n", incidents.len());
    if !incidents.is_empty() {
        out += &format!("  orders  {} [{}]\n", count(estimate), band(low, high));
        if let Some([low, estimate, high]) = customers(incidents) {
            out += &format!("  of customers  {} [{}]\n", count(estimate), band(low, high));
        }
        for (currency, sum) in &money {
            let [low, estimate, high] = sum.interval();
            out += &format!("  {:<6}  {} [{}]\n", escape(currency), count(estimate), band(low, high));
        }
    }
    out
}

/// In so many columns.
fn name_of(name: &str) -> String {
    let shown = escape(name);
    let cut: String = shown.chars().take(NAME).collect();
    format!("{cut:<NAME$}")
}

fn lines(incidents: &[StoredIncident]) -> String {
    let mut out = String::new();
    for incident in incidents {
        let row = &incident.row;
        let money: BTreeMap<&str, [f64; 3]> =
            incident.money.iter().map(|row| (row.currency.as_str(), row.amount)).collect();
        let line = json!({
            "type": "incident", "id": row.id, "stream": row.stream, "slice": row.slice,
            "onset": row.onset.to_rfc3339(), "ended": row.ended.map(|at| at.to_rfc3339()),
            "state": row.state.name(), "severity": row.severity.name(), "label": row.label,
            "orders": row.orders, "customers": row.customers, "amount": money, "recovered_later": row.recovered_later,
        });
        out += &(visible_json(&line.to_string()) + "\n");
    }
    let (orders, money) = sums(incidents);
    let amount: BTreeMap<&String, [f64; 3]> =
        money.iter().map(|(currency, sum)| (currency, sum.interval().map(cents))).collect();
    let total = json!({"type": "total", "incidents": incidents.len(), "orders": orders.interval().map(f64::round),
        "customers": customers(incidents).map(|sum| sum.map(f64::round)), "amount": amount, "method": METHOD});
    out + &visible_json(&total.to_string()) + "\n"
}

fn csv(incidents: &[StoredIncident]) -> Result<String, Failure> {
    let trouble = |error: csv::Error| Failure::trouble(error.to_string());
    let mut file = csv::Writer::from_writer(Vec::new());
    let head = "id stream slice onset ended state severity label orders_low orders orders_high currency amount_low \
                amount amount_high customers_low customers customers_high";
    file.write_record(head.split(' ')).map_err(trouble)?;
    for incident in incidents {
        let row = &incident.row;
        let orders = row.orders.unwrap_or_default().map(|orders| orders.to_string());
        let customers =
            row.customers.map_or_else(Default::default, |known| known.map(|count| count.to_string()));
        let amounts =
            incident.money.iter().map(|row| (row.currency.clone(), row.amount.map(|m| m.to_string())));
        let mut amounts: Vec<(String, [String; 3])> = amounts.collect();
        if amounts.is_empty() {
            amounts.push(Default::default());
        }
        for (currency, amount) in amounts {
            let ended = row.ended.map(|at| at.to_rfc3339()).unwrap_or_default();
            let own = [
                row.id.clone(),
                row.stream.clone(),
                row.slice.canonical(),
                row.onset.to_rfc3339(),
                ended,
                row.state.name().to_owned(),
                row.severity.name().to_owned(),
                row.label.clone().unwrap_or_default(),
            ];
            let figures = orders
                .iter()
                .cloned()
                .chain(std::iter::once(currency))
                .chain(amount)
                .chain(customers.clone());
            file.write_record(own.into_iter().chain(figures)).map_err(trouble)?;
        }
    }
    let bytes = file.into_inner().map_err(|error| Failure::trouble(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| Failure::trouble(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_do_not_add_up() {
        let mut sum = Sum::default();
        (0..4).for_each(|_| sum.add("orders", [90.0, 100.0, 110.0]));
        let [low, estimate, high] = sum.interval();
        // Alone: 20; all shared: 40; in between √(0.7·400 + 0.3·1600).
        assert_eq!(estimate, 400.0);
        assert!(
            (high - estimate - 760f64.sqrt()).abs() < 1e-9 && (estimate - low - 760f64.sqrt()).abs() < 1e-9
        );
        let mut apart = Sum::default();
        ["a", "b"].into_iter().for_each(|stream| apart.add(stream, [90.0, 100.0, 110.0]));
        assert!((apart.interval()[2] - 200.0 - 200f64.sqrt()).abs() < 1e-9);
    }
}
