//! What a measurement of whole processes needs: a daemon with a configuration of its own, a sink in a
//! process of its own, and a check of what was counted.

mod check;
mod daemon;
mod ingest;
mod sinks;

pub use check::counted_below;
pub use daemon::{Daemon, Setup, Transport};
pub use ingest::{Ingest, run_child};
pub use sinks::sink_round;

use std::io;
use std::path::PathBuf;

/// What a measurement fails with, in words.
pub type Failure = Box<dyn std::error::Error>;

/// A program beside this one.
///
/// # Errors
/// It is not there.
pub fn sibling(name: &str) -> Result<PathBuf, Failure> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() {
        return Ok(path);
    }
    Err(format!("{} is missing: build it first (cargo build --release -p ebbd)", path.display()).into())
}

/// A local address that is free now.
///
/// # Errors
/// There is none.
pub fn free_address() -> io::Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
