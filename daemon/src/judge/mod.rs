//! The judge's thread: sealed minutes in, verdicts and alarms out; records are on disk before they are sent.
//!
//! In: sealed minutes, marks, epoch markers. Out: slice rows and records to the store, records to the
//! alarm hub, a fed watchdog. Must not know: sources, lanes, Parquet.

mod incidents;
mod publish;
mod thread;

pub use publish::{AlarmSink, Carried, Publisher};
pub use thread::{JudgeMessage, JudgeRequest, JudgeThread, JudgeView, spawn};
