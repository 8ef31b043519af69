//! Incidents with the money that they lost.

use std::collections::BTreeMap;

use ebbd_core::columns::{Dataset, IncidentRow, MoneyRow, read_incident_money, read_incidents};

use super::{Period, Stored, StoredError, read_day};

/// An incident as the datasets have it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredIncident {
    /// The host whose daemon alarmed.
    pub host: String,
    /// Its latest state.
    pub row: IncidentRow,
    /// What it lost, by currency.
    pub money: Vec<MoneyRow>,
}

impl Stored {
    /// The incidents that began within the period, by onset and id, each once.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn incidents(&self, period: Period) -> Result<Vec<StoredIncident>, StoredError> {
        let mut by_id: BTreeMap<String, StoredIncident> = BTreeMap::new();
        for dir in self.each() {
            let day = dir.join(Dataset::Incidents.name());
            if !day.exists() {
                continue;
            }
            for (host, row) in read_day(&day, "incidents", read_incidents)? {
                if period.contains(row.onset) {
                    by_id.insert(row.id.clone(), StoredIncident { host, row, money: Vec::new() });
                }
            }
            let money = dir.join(Dataset::IncidentMoney.name());
            for row in read_day(&money, "incident_money", read_incident_money)? {
                if let Some(incident) = by_id.get_mut(&row.id) {
                    incident.money.retain(|known| known.currency != row.currency);
                    incident.money.push(row);
                }
            }
        }
        let mut incidents: Vec<StoredIncident> = by_id.into_values().collect();
        incidents.sort_by(|a, b| (a.row.onset, &a.row.id).cmp(&(b.row.onset, &b.row.id)));
        Ok(incidents)
    }
}
