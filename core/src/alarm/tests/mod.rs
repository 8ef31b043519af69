//! Scripts of verdicts and the exact records that come of them.

mod drops;
mod records;
mod silences;
mod stage;
