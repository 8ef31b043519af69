//! Incidents as the alarm book knows them become rows of two datasets.

use ebbd_core::alarm::Incident;
use ebbd_core::columns::{IncidentRow, MoneyRow};

/// The row of `incidents`, and one row of `incident_money` per currency.
pub(super) fn rows(incident: Incident) -> (IncidentRow, Vec<MoneyRow>) {
    let money = incident.money.iter().map(|money| MoneyRow {
        id: money.id.clone(),
        currency: money.currency.clone(),
        amount: money.amount,
    });
    let money = money.collect();
    let row = IncidentRow {
        id: incident.id,
        stream: incident.stream,
        kind: incident.kind,
        slice: incident.slice,
        cause: incident.cause,
        onset: incident.onset,
        detected: incident.detected,
        acked: incident.acked,
        ended: incident.ended,
        state: incident.state,
        severity: incident.severity,
        label: incident.label,
        orders: incident.orders,
        customers: incident.customers,
        recovered_later: incident.recovered_later,
        change: incident.change,
        provisional_until: incident.provisional_until,
    };
    (row, money)
}
