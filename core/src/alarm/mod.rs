//! The life of an incident: which verdicts make one alarm, what it says, when it ends.
//!
//! In: verdicts, slices, marks. Out: [`AlarmRecord`]s with dense sequence numbers.
//! Must not know: sockets, files, clocks.

mod record;

pub use record::{
    AlarmRecord, Because, Cause, Change, DataQuality, Kind, Losing, Lost, MissingPart, Notify, Severity,
    SinceOnsetPart, State,
};
