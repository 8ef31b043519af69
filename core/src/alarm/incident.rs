//! Incidents as the `incidents` and `incident_money` datasets have them: one row per alarm, the latest
//! state of each.

use super::block::instant;
use super::life::Life;
use super::record::{AlarmRecord, Kind, Severity, State};
use crate::model::{Slice, TimeUs};

/// A row of `incidents`, with its rows of `incident_money`. Interval figures are counts of events.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// ULID of the alarm.
    pub id: String,
    /// The daemon's host.
    pub host: String,
    /// The stream; empty for ebbd's own trouble.
    pub stream: String,
    /// What kind of trouble it was.
    pub kind: Kind,
    /// The slice shown.
    pub slice: Slice,
    /// The first cause, if one is known.
    pub cause: Option<Slice>,
    /// Start of the likeliest first minute.
    pub onset: TimeUs,
    /// When the alarm opened.
    pub detected: TimeUs,
    /// When somebody took it.
    pub acked: Option<TimeUs>,
    /// Start of the first minute after it.
    pub ended: Option<TimeUs>,
    /// Where it stands.
    pub state: State,
    /// How loud it was.
    pub severity: Severity,
    /// What a person said it was.
    pub label: Option<String>,
    /// Orders lost: `[low, estimate, high]`.
    pub orders: Option<[f64; 3]>,
    /// Customers lost: `[low, estimate, high]`.
    pub customers: Option<[f64; 3]>,
    /// Orders that came after the recovery.
    pub recovered_later: Option<f64>,
    /// The first suspect: `deploy checkout v42`.
    pub change: Option<String>,
    /// Until then late data may still change the figures; `None` while it is open.
    pub provisional_until: Option<TimeUs>,
    /// Money lost by currency.
    pub money: Vec<IncidentMoney>,
}

/// A row of `incident_money`: major units.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentMoney {
    /// ULID of the alarm.
    pub id: String,
    /// Currency.
    pub currency: String,
    /// `[low, estimate, high]`.
    pub amount: [f64; 3],
}

impl Incident {
    /// The row of an alarm by its latest record and its life. `revise_us`: how long late data still counts.
    pub(super) fn of(record: &AlarmRecord, life: &Life, revise_us: i64) -> Incident {
        let ended = record.ended.as_deref().and_then(instant);
        let lost = record.lost.as_ref();
        let money = lost
            .map(|l| l.amount.iter().map(|(currency, amount)| money(&record.id, currency, amount)).collect());
        Incident {
            id: record.id.clone(),
            host: record.host.clone(),
            stream: record.stream.clone(),
            kind: record.kind,
            slice: record.slice.clone(),
            cause: record.causes.first().map(|cause| cause.slice.clone()),
            onset: life.onset[1].start(),
            detected: life.told_first(),
            acked: life.acked.as_ref().map(|acked| acked.at),
            ended,
            state: record.state,
            severity: record.severity,
            label: record.label.clone(),
            orders: lost.and_then(|l| l.orders),
            customers: lost.and_then(|l| l.customers),
            recovered_later: lost.map(|l| l.recovered_later),
            change: record.changes.first().map(|change| format!("{} {}", change.kind, change.what)),
            provisional_until: ended.map(|ended| ended.plus_us(revise_us)),
            money: money.unwrap_or_default(),
        }
    }
}

fn money(id: &str, currency: &str, amount: &[f64; 3]) -> IncidentMoney {
    IncidentMoney { id: id.to_owned(), currency: currency.to_owned(), amount: *amount }
}
