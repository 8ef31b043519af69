//! The life of an incident: which verdicts make one alarm, what it says, when it ends.
//!
//! In: verdicts, slices, marks. Out: [`AlarmRecord`]s with dense sequence numbers.
//! Must not know: sockets, files, clocks.

mod achieved;
mod after;
pub mod block;
mod book;
mod compose;
mod early;
mod fall;
mod fit;
mod follow;
mod funnel;
mod group;
mod handling;
mod holiday;
mod incident;
mod late;
mod life;
mod linger;
mod marks;
mod part;
mod recent;
mod record;
mod scene;
mod silence;
mod state;
#[cfg(test)]
mod tests;
mod told;
pub mod words;

pub use achieved::Achieved;
pub use book::{AlarmBook, Trouble};
pub use compose::BookContext;
pub use early::EarlyNews;
pub use funnel::FunnelSides;
pub use handling::{About, HeldSilence, MOST_SILENCES};
pub use incident::{Incident, IncidentMoney};
pub use late::{LateNews, LateVerdict};
pub use marks::{Marks, Suspects};
pub use record::{
    AlarmRecord, Because, Cause, Change, DataQuality, Kind, Losing, Lost, MissingPart, Notify, Severity,
    SinceOnsetPart, State,
};
pub use scene::SliceRow;
pub use state::BookState;
