//! The store: what is sealed, judged and told becomes Parquet under `data_dir`.
//!
//! In: sealed minutes, judged slices, ledgers, records, marks, incidents. Out: files that appear whole
//! under their final names. Must not know: sockets, lanes, how anything was counted or judged.

mod pending;
mod place;
mod rolls;
mod writer;

pub use pending::{JudgedRow, Pending};
pub use place::{DAEMON, Place, STAGE, StagedFile, StoreError, WRITER, clean_stage, hold_names};
pub use rolls::{Batch, Roll, RollState, Rolls};
#[cfg(test)]
pub(crate) use writer::Writer;
pub use writer::{Store, StoreCounters, StoreMessage, spawn, write_at_once};
