//! Reads `incidents` and `incident_money` files back.

use arrow_array::RecordBatch;
use parquet::file::reader::ChunkReader;
use serde::de::DeserializeOwned;

use super::cells::Cells;
use super::reading::Batches;
use super::{ColumnsError, IncidentRow, MoneyRow};
use crate::model::Slice;

/// Reads a file of the dataset `incidents` in its order, each row with the host that it is of.
///
/// # Errors
/// A file that is no Parquet, or broken, or lacks a column; a word that this ebbd does not know.
pub fn read_incidents<R: ChunkReader + 'static>(
    input: R,
) -> Result<Vec<(String, IncidentRow)>, ColumnsError> {
    let mut batches = Batches::open(input, |_| true)?;
    let mut rows = Vec::new();
    loop {
        let first_row = batches.rows_before();
        let Some(batch) = batches.next().transpose()? else { return Ok(rows) };
        rows.extend(incidents(&Batch { batch: &batch, first_row, dataset: "incidents" })?);
    }
}

/// Reads a file of the dataset `incident_money` in its order.
///
/// # Errors
/// A file that is no Parquet, or broken, or lacks a column.
pub fn read_incident_money<R: ChunkReader + 'static>(input: R) -> Result<Vec<MoneyRow>, ColumnsError> {
    let mut batches = Batches::open(input, |_| true)?;
    let mut rows = Vec::new();
    loop {
        let first_row = batches.rows_before();
        let Some(batch) = batches.next().transpose()? else { return Ok(rows) };
        let batch = Batch { batch: &batch, first_row, dataset: "incident_money" };
        let (ids, currencies) = (batch.texts("id")?, batch.texts("currency")?);
        let amounts = batch.intervals(["low", "amount", "high"])?;
        let row = |((id, currency), amount): ((String, String), Option<[f64; 3]>)| MoneyRow {
            id,
            currency,
            amount: amount.unwrap_or_default(),
        };
        rows.extend(ids.into_iter().zip(currencies).zip(amounts).map(row));
    }
}

/// A batch of a dataset, and its place in the file.
struct Batch<'a> {
    batch: &'a RecordBatch,
    first_row: u64,
    dataset: &'static str,
}

impl<'a> Batch<'a> {
    fn cells(&self, name: &'static str) -> Result<Cells<'a, 'static>, ColumnsError> {
        let dataset = self.dataset;
        let lacking =
            || ColumnsError::Shape(format!("no column {name}: not a file of the dataset {dataset}"));
        Cells::of(self.batch, name, self.first_row).ok_or_else(lacking)
    }

    fn texts(&self, name: &'static str) -> Result<Vec<String>, ColumnsError> {
        Ok(self.cells(name)?.texts()?.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Columns that are NULL together.
    fn intervals(&self, names: [&'static str; 3]) -> Result<Vec<Option<[f64; 3]>>, ColumnsError> {
        let [low, estimate, high] = names.map(|name| self.cells(name)?.doubles());
        let (low, estimate, high) = (low?, estimate?, high?);
        Ok((0..low.len()).map(|row| Some([low[row]?, estimate[row]?, high[row]?])).collect())
    }
}

fn incidents(batch: &Batch<'_>) -> Result<Vec<(String, IncidentRow)>, ColumnsError> {
    let (ids, hosts, streams) = (batch.texts("id")?, batch.texts("host")?, batch.texts("stream")?);
    let (kinds, states) = (batch.texts("kind")?, batch.texts("state")?);
    let severities = batch.texts("severity")?;
    let (slices, causes) = (batch.texts("slice")?, batch.cells("cause")?.texts()?);
    let times = |name| batch.cells(name)?.times();
    let (onset, detected) = (times("onset")?, times("detected")?);
    let (acked, ended, provisional) = (times("acked")?, times("ended")?, times("provisional_until")?);
    let (labels, changes) = (batch.cells("label")?.texts()?, batch.cells("change")?.texts()?);
    let orders = batch.intervals(["orders_low", "orders", "orders_high"])?;
    let customers = batch.intervals(["customers_low", "customers", "customers_high"])?;
    let recovered = batch.cells("recovered_later")?.doubles()?;
    let row = |row: usize| {
        let incident = IncidentRow {
            id: ids[row].clone(),
            stream: streams[row].clone(),
            kind: word("kind", &kinds[row])?,
            slice: slice(&slices[row])?,
            cause: causes[row].as_deref().map(slice).transpose()?,
            onset: onset[row].unwrap_or_default(),
            detected: detected[row].unwrap_or_default(),
            acked: acked[row],
            ended: ended[row],
            state: word("state", &states[row])?,
            severity: word("severity", &severities[row])?,
            label: labels[row].clone(),
            orders: orders[row],
            customers: customers[row],
            recovered_later: recovered[row],
            change: changes[row].clone(),
            provisional_until: provisional[row],
        };
        Ok((hosts[row].clone(), incident))
    };
    (0..ids.len()).map(row).collect()
}

fn slice(canonical: &str) -> Result<Slice, ColumnsError> {
    serde_json::from_str(canonical)
        .map_err(|error| ColumnsError::Shape(format!("{canonical:?} is no slice: {error}")))
}

/// A word of the records: a state, a kind.
fn word<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, ColumnsError> {
    let newer = |_| ColumnsError::Shape(format!("column {column}: {text:?} is not known to this ebbd"));
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(newer)
}
