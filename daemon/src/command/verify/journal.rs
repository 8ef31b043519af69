//! Every segment of the journal: its chain, how it hangs together with the others, its alarm records.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use ebbd_core::alarm::AlarmRecord;

use super::report::Report;
use crate::journal::{FrameKind, RecoverError, Recovered, recover};
use crate::sys::{Disk, RealDisk};

/// A running daemon may remove a segment while they are looked at: then again.
const TRIES: usize = 5;

/// Looks at the journal in `dir`, if there is one. Nothing is changed.
///
/// # Errors
/// What the disk says.
pub(super) fn look(dir: &Path, report: &mut Report<'_>) -> Result<(), String> {
    if !dir.is_dir() {
        return Ok(());
    }
    let told = |error: io::Error| format!("{}: {error}", dir.display());
    for _ in 1..TRIES {
        match recover(Arc::new(RealDisk), dir) {
            Err(RecoverError::Disk(error)) if error.kind() == ErrorKind::NotFound => {}
            Err(RecoverError::Disk(error)) => return Err(told(error)),
            Err(strange) => {
                report.find(dir, &strange.to_string());
                return Ok(());
            }
            Ok(recovered) => {
                tell(dir, &recovered, report);
                set_aside(dir, report).map_err(told)?;
                return read(&recovered, report).map_err(told);
            }
        }
    }
    Err(format!("{}: segments come and go too fast to be looked at", dir.display()))
}

fn tell(dir: &Path, recovered: &Recovered, report: &mut Report<'_>) {
    for path in &recovered.damaged {
        report.find(path, "damaged: it cannot be read to its end");
    }
    for number in &recovered.missing {
        report.find(dir, &format!("segment {number} is missing"));
    }
    for number in &recovered.broken {
        report.find(dir, &format!("segment {number} does not go on from the one before it"));
    }
    if recovered.torn_bytes > 0 {
        let bytes = recovered.torn_bytes;
        report
            .note(dir, &format!("it ends in the middle of a write: {bytes} bytes that nobody was promised"));
    }
}

fn set_aside(dir: &Path, report: &mut Report<'_>) -> io::Result<()> {
    for path in RealDisk.list(dir)? {
        if path.extension().is_some_and(|extension| extension == "damaged") {
            report.note(&path, "the copy of a segment that was found damaged earlier");
        }
    }
    Ok(())
}

fn read(recovered: &Recovered, report: &mut Report<'_>) -> io::Result<()> {
    for segment in &recovered.segments {
        let bytes = match recovered.read(segment) {
            // A running daemon needs it no more.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            bytes => bytes?,
        };
        report.segments += 1;
        for frame in bytes.frames() {
            report.frames += 1;
            if frame.kind == FrameKind::Alarm {
                report.records += 1;
                if let Err(error) = serde_json::from_slice::<AlarmRecord>(frame.body) {
                    let seq = frame.seq;
                    report.find(
                        &segment.path,
                        &format!("frame {seq}: the alarm record cannot be read: {error}"),
                    );
                }
            }
        }
    }
    Ok(())
}
