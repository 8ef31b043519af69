//! Dimension values to small codes, combinations of codes to dense series ids, both bounded.
//!
//! In: the texts of an event's dimensions and currencies. Out: a [`SeriesId`](crate::model::SeriesId)
//! that is dense in its table; beyond the limit the value `__other__`, so that totals stay exact.
//! Must not know: minutes, counts, lanes. A known key costs no allocation.

mod seed;
mod series;
mod values;

#[cfg(test)]
mod tests;

pub use seed::Seeded;
pub use series::{Found, Keyed, SeriesTable};
