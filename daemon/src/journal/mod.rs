//! The journal: one file in which the daemon's live state outlives it.
//!
//! In: alarm records and marks as they happen, and at an orderly stop the whole state. Out: the same
//! at the next start. Must not know: what the state means; it carries JSON bodies.
//!
//! At a start the file is read, then rewritten into a fresh one: what a stop left behind is taken up
//! once. A torn tail is cut and told; a damaged frame sets the file aside and its readable head is used.

mod frame;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use frame::{Chain, scan};
pub use frame::{Frame, FrameKind, Tail};

use crate::sys::{Disk, DiskFile};

const FILE_NAME: &str = "state.journal";
const STAGED_NAME: &str = "state.journal.new";

/// The open journal: frames are appended to it.
pub struct Journal {
    file: Box<dyn DiskFile>,
    chain: Chain,
    epoch: u64,
    buffer: Vec<u8>,
    place: Place,
}

struct Place {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

/// What an earlier run left.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Every whole frame, in order.
    pub frames: Vec<Frame>,
    /// The epoch of the last run; 0 if there was none.
    pub epoch: u64,
    /// Bytes that were cut from a torn tail.
    pub torn_bytes: u64,
    /// Where a damaged file was set aside.
    pub quarantined: Option<PathBuf>,
}

impl Recovered {
    /// The body of the last frame of `kind`.
    pub fn last(&self, kind: FrameKind) -> Option<&[u8]> {
        self.frames.iter().rev().find(|frame| frame.kind == kind).map(|frame| frame.body.as_slice())
    }

    /// Whether the last run ended in order: nothing follows its checkpoint.
    pub fn ended_in_order(&self) -> bool {
        self.frames.last().is_none_or(|frame| frame.kind == FrameKind::Checkpoint)
    }
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes `frames` into a fresh file, durable before it takes the journal's name.
    fn rewrite(&self, epoch: u64, frames: &[(FrameKind, &[u8])]) -> io::Result<(Box<dyn DiskFile>, Chain)> {
        let (mut chain, mut bytes) = (Chain::default(), Vec::new());
        for (kind, body) in frames {
            chain.encode(*kind, epoch, body, &mut bytes);
        }
        let staged = self.path(STAGED_NAME);
        remove_if_there(self.disk.as_ref(), &staged)?;
        let mut file = self.disk.create(&staged)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        self.disk.rename(&staged, &self.path(FILE_NAME))?;
        self.disk.sync_dir(&self.dir)?;
        Ok((file, chain))
    }
}

/// Reads what an earlier run left in `dir` (made if absent).
///
/// # Errors
/// Whatever the disk says; damage is no error but told in [`Recovered`].
pub fn recover(disk: &dyn Disk, dir: &Path) -> io::Result<Recovered> {
    disk.make_dir(dir)?;
    let path = dir.join(FILE_NAME);
    let bytes = match disk.read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Recovered::default()),
        read => read?,
    };
    let scan = scan(&bytes);
    let lost = (bytes.len() - scan.good_bytes) as u64;
    let epoch = scan.frames.last().map_or(0, |frame| frame.epoch);
    let mut recovered = Recovered { frames: scan.frames, epoch, torn_bytes: 0, quarantined: None };
    match scan.tail {
        Tail::Clean => {}
        Tail::Torn => recovered.torn_bytes = lost,
        Tail::Damaged => {
            let aside = dir.join(format!("{FILE_NAME}.damaged-{epoch}"));
            disk.rename(&path, &aside)?;
            recovered.quarantined = Some(aside);
        }
    }
    Ok(recovered)
}

impl Journal {
    /// Begins the journal of a new run: a fresh file that holds `frames`, durable when this returns.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn begin(
        disk: Arc<dyn Disk>,
        dir: &Path,
        epoch: u64,
        frames: &[(FrameKind, &[u8])],
    ) -> io::Result<Journal> {
        let place = Place { disk, dir: dir.to_owned() };
        let (file, chain) = place.rewrite(epoch, frames)?;
        Ok(Journal { file, chain, epoch, buffer: Vec::new(), place })
    }

    /// Appends frames and makes them durable, all with one sync.
    ///
    /// # Errors
    /// Whatever the disk says. The journal is then unfit for more: [`Journal::restart`] it.
    pub fn append<'a>(&mut self, frames: impl IntoIterator<Item = (FrameKind, &'a [u8])>) -> io::Result<()> {
        self.buffer.clear();
        for (kind, body) in frames {
            self.chain.encode(kind, self.epoch, body, &mut self.buffer);
        }
        self.file.write_all(&self.buffer)?;
        self.file.sync_data()
    }

    /// Replaces the file by a fresh one that holds `frames`: at a stop the checkpoint, after a failed
    /// append whatever has to be there.
    ///
    /// # Errors
    /// Whatever the disk says; the old file is then still in place.
    pub fn restart(&mut self, frames: &[(FrameKind, &[u8])]) -> io::Result<()> {
        (self.file, self.chain) = self.place.rewrite(self.epoch, frames)?;
        Ok(())
    }
}

fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.unlink(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::RealDisk;

    fn bodies(recovered: &Recovered) -> Vec<&[u8]> {
        recovered.frames.iter().map(|frame| frame.body.as_slice()).collect()
    }

    #[test]
    fn what_was_appended_is_recovered_and_a_restart_replaces_it() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("journal");
        let first = recover(&RealDisk, &path).expect("nothing there is fine");
        assert!(first.frames.is_empty() && first.ended_in_order());
        let mut journal =
            Journal::begin(Arc::new(RealDisk), &path, 1, &[(FrameKind::Boot, b"{}")]).expect("begun");
        journal.append([(FrameKind::Alarm, b"1".as_slice()), (FrameKind::Alarm, b"2")]).expect("appended");
        let second = recover(&RealDisk, &path).expect("read");
        assert_eq!(bodies(&second), [b"{}".as_slice(), b"1", b"2"]);
        assert_eq!((second.epoch, second.ended_in_order()), (1, false));
        journal.restart(&[(FrameKind::Checkpoint, b"state")]).expect("rewritten");
        let third = recover(&RealDisk, &path).expect("read");
        assert_eq!(third.last(FrameKind::Checkpoint), Some(b"state".as_slice()));
        assert!(third.ended_in_order());
    }

    #[test]
    fn a_torn_tail_is_cut_and_damage_is_set_aside() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut journal = Journal::begin(Arc::new(RealDisk), dir.path(), 4, &[]).expect("begun");
        journal
            .append([(FrameKind::Alarm, b"kept".as_slice()), (FrameKind::Alarm, b"torn")])
            .expect("appended");
        let file = dir.path().join(FILE_NAME);
        let bytes = std::fs::read(&file).expect("there");
        std::fs::write(&file, &bytes[..bytes.len() - 1]).expect("cut");
        let torn = recover(&RealDisk, dir.path()).expect("read");
        assert_eq!((bodies(&torn), torn.torn_bytes), (vec![b"kept".as_slice()], 29));
        let mut flipped = bytes;
        flipped[40] ^= 1;
        std::fs::write(&file, flipped).expect("flipped");
        let damaged = recover(&RealDisk, dir.path()).expect("read");
        assert_eq!(bodies(&damaged), [b"kept".as_slice()]);
        assert!(damaged.quarantined.is_some_and(|aside| aside.exists()) && !file.exists());
    }
}
