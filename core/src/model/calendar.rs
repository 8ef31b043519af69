//! Days that somebody has declared to be unlike others.

use super::{Slice, TimeUs};

/// An end of a calendar entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarTime {
    /// A local day, the whole of it.
    Day(jiff::civil::Date),
    /// An instant.
    At(TimeUs),
}

/// Days unlike others: a holiday, a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarEntry {
    /// What people call it.
    pub name: String,
    /// Its first day or instant.
    pub from: CalendarTime,
    /// Its last day or its end.
    pub to: CalendarTime,
    /// Which slice it concerns.
    pub slice: Slice,
    /// Whether it is learnt from.
    pub learn: bool,
    /// A day that it should look like.
    pub like: Option<jiff::civil::Date>,
}

impl CalendarEntry {
    /// What people call it; its first day where it has no name.
    pub fn title(&self) -> String {
        match (self.name.as_str(), self.from) {
            ("", CalendarTime::Day(day)) => day.to_string(),
            ("", CalendarTime::At(at)) => at.to_rfc3339(),
            (name, _) => name.to_owned(),
        }
    }
}

/// A period that is declared for a minute, as people are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredPeriod {
    /// What people call it.
    pub name: String,
    /// Which slice it concerns.
    pub slice: Slice,
    /// When it ends.
    pub until: TimeUs,
}
