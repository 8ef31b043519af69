//! `state.journal`: the one file that the release before segments kept its state in. It is read when it is
//! the newest state there is, and written at an orderly stop, so that the release before can start on it.
//!
//! In: frames. Out: a file, or its bytes. Must not know: segments.

use std::io;
use std::path::{Path, PathBuf};

use super::frame::{Chain, FrameKind, Frames, Tail};
use crate::sys::Disk;

const FILE_NAME: &str = "state.journal";
const STAGED_NAME: &str = "state.journal.new";

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

/// What `state.journal` is.
pub(super) struct Legacy {
    pub(super) epoch: u64,
    pub(super) end: Chain,
    pub(super) good_bytes: u64,
    pub(super) lost_bytes: u64,
    pub(super) tail: Tail,
    pub(super) last: Option<FrameKind>,
}

/// Reads `state.journal`, if there is one.
pub(super) fn survey(disk: &dyn Disk, dir: &Path) -> io::Result<Option<Legacy>> {
    let bytes = match disk.read(&path(dir)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let mut frames = Frames::of(&bytes);
    let (mut epoch, mut last) = (0, None);
    for frame in frames.by_ref() {
        (epoch, last) = (frame.epoch, Some(frame.kind));
    }
    Ok(Some(Legacy {
        epoch,
        end: frames.end(),
        good_bytes: frames.good_bytes() as u64,
        lost_bytes: (bytes.len() - frames.good_bytes()) as u64,
        tail: frames.tail(),
        last,
    }))
}

/// Writes `frames` as `state.journal`, durable before it takes the name.
pub(super) fn write(
    disk: &dyn Disk,
    dir: &Path,
    epoch: u64,
    frames: &[(FrameKind, Vec<u8>)],
) -> io::Result<()> {
    let (mut chain, mut bytes) = (Chain::default(), Vec::new());
    for (kind, body) in frames {
        chain.encode(*kind, epoch, body, &mut bytes);
    }
    let staged = dir.join(STAGED_NAME);
    remove_if_there(disk, &staged)?;
    let mut file = disk.create(&staged)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    disk.rename(&staged, &path(dir))?;
    disk.sync_dir(dir)
}

/// Removes a file unless it is gone already.
pub(super) fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.unlink(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
