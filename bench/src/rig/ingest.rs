//! Batch jobs as child processes: `ebbd ingest` on a file, and whoever does the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ebbd_bench::{Spent, WireFormat};

use super::{Failure, sibling};

/// A child that has ended.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// Its CPU.
    pub spent: Spent,
    /// What it printed.
    pub told: String,
}

/// The stream of the reference, as TOML.
pub fn stream_config(format: WireFormat) -> &'static str {
    match format {
        WireFormat::Ndjson | WireFormat::Influx => {
            "[stream.orders]\ndimensions = [\"marketplace\", \"feature\", \"payment\", \"status\"]\n\
             sums = { amount = { field = \"amount\", scale = 2 } }\ndistinct = [\"customer\"]\n\
             watched = { status = [\"placed\"] }\n"
        }
        WireFormat::Statsd | WireFormat::StatsdPlain => {
            "[stream.orders]\ndimensions = [\"marketplace\", \"feature\", \"payment\", \"status\"]\n\
             watched = { status = [\"placed\"] }\n"
        }
    }
}

/// Runs a child to its end, with its CPU.
///
/// # Errors
/// It can't be started, or ends with an error.
pub fn run_child(command: &mut Command) -> Result<Ingest, Failure> {
    let before = Spent::by_children();
    let output = command.stdin(Stdio::null()).output()?;
    let spent = Spent::by_children() - before;
    if output.status.success() {
        return Ok(Ingest { spent, told: String::from_utf8(output.stdout)? });
    }
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{command:?} ended with {}: {told}", output.status).into())
}

impl Ingest {
    /// Ingests `file` into a fresh directory, which is returned, too.
    ///
    /// # Errors
    /// It fails.
    pub fn run(file: &Path, format: WireFormat, series: u64) -> Result<(Ingest, tempfile::TempDir), Failure> {
        let dir = tempfile::Builder::new().prefix("ebbd-bench.").tempdir()?;
        let config: PathBuf = dir.path().join("ebbd.toml");
        let limits = format!("[limits]\nmemory = \"8GiB\"\nseries = {series}\n");
        let source = "[source.unused]\ntype = \"stdin\"\n";
        let data_dir = dir.path().join("data");
        let text =
            format!("data_dir = \"{}\"\n{}{source}{limits}", data_dir.display(), stream_config(format));
        fs::write(&config, text)?;
        let mut command = Command::new(sibling("ebbd")?);
        command.args(["ingest", "--format", format.name(), "-c"]).arg(&config).arg(file);
        Ok((run_child(command.current_dir(dir.path()))?, dir))
    }
}
