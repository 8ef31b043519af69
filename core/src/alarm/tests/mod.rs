//! Scripts of verdicts and the exact records that come of them.

mod drops;
mod handling;
mod records;
mod silences;
mod stage;
