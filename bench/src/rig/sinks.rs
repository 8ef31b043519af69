//! A sink as a child process, sent the same bytes in the same way as the daemon.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use ebbd_bench::{Pace, Sender, SinkKind, SinkReport};

use super::Failure;
use super::daemon::Transport;

/// Sends `text` to a fresh sink and says what it took.
///
/// # Errors
/// The sink or the sending fails.
pub fn sink_round(
    transport: Transport,
    kind: SinkKind,
    pace: Pace,
    text: &[u8],
) -> Result<SinkReport, Failure> {
    let dir = tempfile::tempdir()?;
    let target = transport.target(dir.path())?;
    let kind = match kind {
        SinkKind::Null => "null",
        SinkKind::Lines => "lines",
        SinkKind::Gulps => "gulps",
    };
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["sink", "--kind", kind, "--on", &target.to_string()]);
    command.args(["--connections", &pace.connections.to_string()]);
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut told = BufReader::new(child.stdout.take().ok_or("no pipe")?);
    told.read_line(&mut String::new())?;
    let mut sender = Sender::open(&target, pace)?;
    let sent = sender.send(text).and_then(|()| sender.finish());
    let mut report = String::new();
    told.read_to_string(&mut report)?;
    child.wait()?;
    sent?;
    Ok(serde_json::from_str(&report)?)
}
