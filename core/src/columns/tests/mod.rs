//! Tests of the datasets: columns as the specification lists them, order, footers.

mod listed;
mod samples;
