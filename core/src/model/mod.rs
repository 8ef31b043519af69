//! The small values everybody speaks: times, ids, money, completeness, the ledger, specs, minutes.
//!
//! In: nothing. Out: plain types with the arithmetic that belongs to them.
//! Must not know: formats, files, threads, how anything is counted or judged.

mod alarm_order;
mod calendar;
mod completeness;
mod decimal;
mod digits;
mod funnel;
mod ids;
mod ledger;
mod mark;
mod open;
mod rng;
mod sealed;
mod slice;
mod spec;
mod time;

pub use alarm_order::{AlarmOrder, Label, Silence, Silenced};
pub use calendar::{CalendarEntry, CalendarTime, DeclaredPeriod};
pub use completeness::{Completeness, MissingOrigin, SourceMinute, SourceState};
pub use decimal::{DecimalError, MAX_CELL, Money, Weight, parse_decimal};
pub use digits::{plain_decimal, whole_number};
pub use funnel::{FunnelDimension, FunnelSpec};
pub use ids::{ConnId, OriginId, SeriesId, SliceId, SourceId, StreamId};
pub use ledger::{BadFields, Ledger, LedgerCounts, LedgerKey, Reason, SourceArrivals};
pub use mark::{Goodbye, Heartbeat, Mark};
pub use open::{Glance, OpenCounts};
pub use rng::{Rng, SplitMix64};
pub use sealed::{RowView, RowViews, SealedMinute, SealedRow, SealedRows, SeriesKey, Sketches};
pub use slice::Slice;
pub use spec::{
    DimensionSpec, DistinctSpec, Limits, StreamRoute, StreamSpec, SumSpec, Timezones, View, WatchedFilter,
};
pub use time::{MICROS_PER_MINUTE, MICROS_PER_SECOND, Minute, TimeUs};

/// The value that stands for every value beyond the series limit.
pub const OTHER: &str = "__other__";
