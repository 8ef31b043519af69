//! The datasets `incidents` (a row per incident) and `incident_money` (a row per incident × currency).

use std::io::Write;

use super::schema::{Kind, Layout};
use super::writer::Rows;
use super::{ColumnsError, Dataset, Footer, Written};
use crate::alarm::{Kind as AlarmKind, Severity, State};
use crate::model::{Slice, TimeUs};

/// An incident: one alarm over its whole life.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentRow {
    /// The alarm's id.
    pub id: String,
    /// The stream.
    pub stream: String,
    /// What kind of trouble it was.
    pub kind: AlarmKind,
    /// The slice that it is about.
    pub slice: Slice,
    /// The slice that explains it best, if one does.
    pub cause: Option<Slice>,
    /// Likeliest first minute.
    pub onset: TimeUs,
    /// When the alarm opened.
    pub detected: TimeUs,
    /// When somebody took it.
    pub acked: Option<TimeUs>,
    /// When it was over.
    pub ended: Option<TimeUs>,
    /// Where it stands in its life.
    pub state: State,
    /// How loud it is.
    pub severity: Severity,
    /// What a person said it was.
    pub label: Option<String>,
    /// Orders lost: low, estimate, high.
    pub orders: Option<[f64; 3]>,
    /// Customers lost: low, estimate, high.
    pub customers: Option<[f64; 3]>,
    /// Orders that came after the recovery.
    pub recovered_later: Option<f64>,
    /// The likeliest change marker, in words.
    pub change: Option<String>,
    /// Later data may change the figures until then.
    pub provisional_until: Option<TimeUs>,
}

/// Money that an incident lost in one currency, in major units: low, estimate, high.
#[derive(Clone, Debug, PartialEq)]
pub struct MoneyRow {
    /// The alarm's id.
    pub id: String,
    /// The currency; `""` if amounts have none.
    pub currency: String,
    /// Low, estimate, high.
    pub amount: [f64; 3],
}

/// Writes incidents, given in any order, sorted by onset and id.
///
/// # Errors
/// Trouble of `out`.
pub fn write_incidents<W: Write + Send>(
    rows: &[IncidentRow],
    footer: &Footer,
    out: W,
) -> Result<Written, ColumnsError> {
    let mut file = Rows::new(Dataset::Incidents, None, &incidents_layout(), footer, out)?;
    let mut order: Vec<&IncidentRow> = rows.iter().collect();
    order.sort_by(|a, b| (a.onset, &a.id).cmp(&(b.onset, &b.id)));
    for row in order {
        push_incident(&mut file, row, &footer.host)?;
    }
    file.finish()
}

fn push_incident<W: Write + Send>(
    file: &mut Rows<W>,
    row: &IncidentRow,
    host: &str,
) -> Result<(), ColumnsError> {
    let cause = row.cause.as_ref().map(Slice::canonical);
    file.text(row.id.as_str()).text(host).text(row.stream.as_str()).text(row.kind.name());
    file.text(row.slice.canonical().as_str()).text(cause.as_deref());
    file.placed_at(row.onset).stamp(row.detected).stamp(row.acked).stamp(row.ended);
    file.text(row.state.name()).text(row.severity.name()).text(row.label.as_deref());
    file.interval(row.orders).interval(row.customers).double(row.recovered_later);
    file.text(row.change.as_deref()).stamp(row.provisional_until).end()
}

/// Writes the money of incidents, given in any order, sorted by id and currency.
///
/// # Errors
/// Trouble of `out`.
pub fn write_incident_money<W: Write + Send>(
    rows: &[MoneyRow],
    footer: &Footer,
    out: W,
) -> Result<Written, ColumnsError> {
    let layout = Layout::default()
        .sorted("id", Kind::Text, false)
        .sorted("currency", Kind::Word, false)
        .with("low", Kind::Double)
        .with("amount", Kind::Double)
        .with("high", Kind::Double);
    let mut file = Rows::new(Dataset::IncidentMoney, None, &layout, footer, out)?;
    let mut order: Vec<&MoneyRow> = rows.iter().collect();
    order.sort_by(|a, b| (&a.id, &a.currency).cmp(&(&b.id, &b.currency)));
    for row in order {
        file.text(row.id.as_str()).text(row.currency.as_str()).interval(Some(row.amount)).end()?;
    }
    file.finish()
}

fn incidents_layout() -> Layout {
    Layout::default()
        .with("id", Kind::Text)
        .with("host", Kind::Word)
        .with("stream", Kind::Word)
        .with("kind", Kind::Word)
        .with("slice", Kind::Word)
        .or_null("cause", Kind::Word)
        .sorted("onset", Kind::Stamp, false)
        .with("detected", Kind::Stamp)
        .or_null("acked", Kind::Stamp)
        .or_null("ended", Kind::Stamp)
        .with("state", Kind::Word)
        .with("severity", Kind::Word)
        .or_null("label", Kind::Word)
        .each(["orders_low", "orders", "orders_high"], |layout, name| layout.or_null(name, Kind::Double))
        .each(["customers_low", "customers", "customers_high"], |layout, name| {
            layout.or_null(name, Kind::Double)
        })
        .or_null("recovered_later", Kind::Double)
        .or_null("change", Kind::Text)
        .or_null("provisional_until", Kind::Stamp)
}
