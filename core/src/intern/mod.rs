//! Dimension values to small codes, combinations of values to dense series ids, both bounded.
//!
//! In: the texts of an event's dimensions and currencies. Out: a [`SeriesId`](crate::model::SeriesId)
//! that is dense in its table; beyond the limit the value `__other__`, so that totals stay exact.
//! Must not know: minutes, counts, lanes. A known key costs no allocation, growth no pause: a key's texts
//! become [`Word`]s, the words a [`Tag`], the tag finds the series in one place in memory.

mod index;
mod rows;
mod seed;
mod series;
mod tag;
mod values;
mod word;

#[cfg(test)]
mod tests;

pub(crate) use index::TagIndex;
pub(crate) use rows::Rows;
pub use seed::Seeded;
pub use series::{Found, Keyed, SeriesTable};
pub use tag::{Tag, Tagger};
pub use word::Word;
