//! Tests of the datasets: columns as the specification lists them, order, footers, reading back,
//! broken files, minute tables.

mod broken;
mod listed;
mod merge;
mod order;
mod round_trip;
mod samples;
mod sound;
mod tables;
