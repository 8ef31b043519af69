//! The judge's thread: sealed minutes in, verdicts and alarms out; records are on disk before they are sent.
//!
//! In: sealed minutes, marks, ledgers, markers of commits. Out: rows to the store, in the order of commits;
//! records to the alarm hub; a fed watchdog. Must not know: sources, lanes, Parquet.

mod incidents;
mod input;
mod publish;
#[cfg(test)]
mod tests;
mod thread;
mod troubles;

pub use input::{JudgeInput, JudgeReplay, Outcome};
pub use publish::{AlarmSink, Published, Publisher};
pub use thread::{JudgeMessage, JudgeRequest, JudgeThread, JudgeView, Queued, spawn};
pub use troubles::{Ailment, Troubles};
