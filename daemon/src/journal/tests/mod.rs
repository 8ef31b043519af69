//! The journal as its users see it: lives with crashes, damage, the release before, the thread.

mod damage;
mod lives;
mod thread;

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::sys::FaultDisk;

/// A simulated disk's directory of the journal.
const DIR: &str = "/data/journal";

fn on(disk: &FaultDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn telemetry() -> Arc<Telemetry> {
    Arc::new(Telemetry::new(&[], &[], 0))
}

fn recovered(disk: &Arc<dyn Disk>, dir: &Path) -> Recovered {
    recover(Arc::clone(disk), dir).expect("it can be read")
}

/// The bodies of the segments that go on from one another, as texts.
fn texts(recovered: &Recovered) -> Vec<String> {
    let mut texts = Vec::new();
    for segment in recovered.unbroken() {
        let bytes = recovered.read(segment).expect("it can be read");
        texts.extend(bytes.frames().map(|frame| String::from_utf8_lossy(frame.body).into_owned()));
    }
    texts
}

fn frame(kind: FrameKind, body: &str) -> NewFrame {
    (kind, body.as_bytes().to_vec())
}

fn begin(disk: &Arc<dyn Disk>, dir: &Path, frames: &[NewFrame]) -> Journal {
    let left = recovered(disk, dir);
    Journal::begin(Arc::clone(disk), &left, About::default(), frames, telemetry()).expect("begun")
}
