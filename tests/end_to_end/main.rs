//! The real binary from the outside: events in over every transport, Parquet and alarms out.
//!
//! Needs what tests/setup.sh installs: the Python packages in .venv, `nc` of netcat-openbsd, `curl`, Chromium.

#![allow(clippy::unwrap_used, reason = "a test target: a panic is a failed test")]

mod acked;
mod alarms;
mod bounds;
mod bounds_disk;
mod clients;
mod compact;
mod counting;
mod crash;
mod crooked;
mod dashboard;
mod demo;
mod funnel;
mod handling;
mod http;
mod injected;
mod lost;
mod medium;
mod minutes;
mod mistakes;
mod readers;
mod reload;
mod report;
mod restart;
mod restart_load;
mod rolls;
mod send;
mod soak;
mod strain;
mod subscribers;
mod supervisor;
mod support;
mod top;
mod watchers;
mod who;
mod wire;
