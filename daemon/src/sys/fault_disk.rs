//! A disk in memory that loses what was not synced, and fails when it is told to: for tests of everything
//! that has to survive.
//!
//! In: calls, faults, power cuts. Out: what a real disk may answer, and what it may hold afterwards. It is
//! harsher than most: of what was not synced, each sector and each change of a name stays or goes by itself.
//! Must not know: what files mean.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

const SECTOR: usize = 512;

/// What goes wrong at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The medium fails (EIO). A sync that fails so drops what it should have written, for good.
    Broken,
    /// There is no room (ENOSPC). Half of a write is written.
    Full,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct FaultDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names that no sync of their directory has made durable, in order.
    changes: Vec<Change>,
    dirs: BTreeSet<PathBuf>,
    calls: u64,
    faults: BTreeMap<u64, Fault>,
    /// From this call on the process that calls is dead: nothing has an effect.
    dead_from: Option<u64>,
    read_only: bool,
    capacity: Option<u64>,
}

#[derive(Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// What failed syncs have dropped.
    dropped: Vec<Range<usize>>,
    allocated: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Named(PathBuf, usize),
    Moved(PathBuf, PathBuf, usize),
    Removed(PathBuf),
}

impl Change {
    fn dir(&self) -> Option<&Path> {
        match self {
            Change::Named(path, _) | Change::Moved(_, path, _) | Change::Removed(path) => path.parent(),
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Change::Named(path, file) => drop(names.insert(path, file)),
            Change::Moved(from, to, file) => {
                names.remove(&from);
                names.insert(to, file);
            }
            Change::Removed(path) => drop(names.remove(&path)),
        }
    }
}

impl Content {
    fn sync(&mut self) {
        self.durable = self.now.clone();
        for range in &self.dropped {
            let end = range.end.min(self.durable.len());
            self.durable[range.start.min(end)..end].fill(0);
        }
    }

    fn drop_pending(&mut self) {
        if self.durable.len() < self.now.len() {
            self.dropped.push(self.durable.len()..self.now.len());
        }
    }

    /// What is left of it: each sector that was not synced as it should be, or as it was.
    fn crash(&mut self, chance: &mut impl FnMut(u64) -> u64) {
        let (old, new) = (self.durable.len(), self.now.len());
        let length = old.min(new) + chance(old.abs_diff(new) as u64 + 1) as usize;
        let mut left = vec![0; length];
        let kept = old.min(length);
        left[..kept].copy_from_slice(&self.durable[..kept]);
        let mut at = old / SECTOR * SECTOR;
        while at < length.min(new) {
            let end = (at + SECTOR).min(length).min(new);
            if chance(2) == 0 && !self.dropped.iter().any(|lost| lost.start < end && at < lost.end) {
                left[at..end].copy_from_slice(&self.now[at..end]);
            }
            at = end;
        }
        *self = Content { now: left.clone(), durable: left, ..Content::default() };
    }
}

impl State {
    /// Every call that could fail passes here.
    fn call(&mut self) -> Result<(), Fault> {
        self.calls += 1;
        if self.is_dead() {
            return Err(Fault::Broken);
        }
        self.faults.remove(&self.calls).map_or(Ok(()), Err)
    }

    fn is_dead(&self) -> bool {
        self.dead_from.is_some_and(|from| from <= self.calls)
    }

    fn change(&mut self) -> io::Result<()> {
        self.call().map_err(error)?;
        if self.read_only { Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem)) } else { Ok(()) }
    }

    fn used_bytes(&self) -> u64 {
        let named: BTreeSet<usize> = self.names.values().copied().collect();
        named.iter().map(|file| (self.files[*file].now.len() as u64).max(self.files[*file].allocated)).sum()
    }

    fn free_bytes(&self) -> u64 {
        self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used_bytes()))
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn record(&mut self, change: Change) {
        change.clone().apply(&mut self.names);
        self.changes.push(change);
    }

    fn add(&mut self, path: &Path) -> usize {
        self.files.push(Content::default());
        let file = self.files.len() - 1;
        self.record(Change::Named(path.to_owned(), file));
        file
    }
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Broken => io::Error::from_raw_os_error(5),
        Fault::Full => io::Error::from(io::ErrorKind::StorageFull),
    }
}

impl FaultDisk {
    /// An empty disk.
    pub fn new() -> FaultDisk {
        FaultDisk::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls so far, of all that can fail.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Lets the `call`th call from the beginning fail, once.
    pub fn fail_at(&self, call: u64, fault: Fault) {
        self.state().faults.insert(call, fault);
    }

    /// Forgets the faults that have not come yet.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// The process that calls dies in the middle of the `call`th call from the beginning: that one and all
    /// later ones fail and change nothing, but for a write that was cut short. [`FaultDisk::revive`] ends it.
    pub fn die_at(&self, call: u64) {
        self.state().dead_from = Some(call);
    }

    /// Whether the process that calls has died.
    pub fn is_dead(&self) -> bool {
        self.state().is_dead()
    }

    /// Another process calls from now on.
    pub fn revive(&self) {
        let mut state = self.state();
        state.dead_from = None;
        state.faults.clear();
    }

    /// From now on nothing can be changed, or it can again.
    pub fn set_read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    /// The disk holds so many bytes.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = Some(bytes);
    }

    /// Cuts the power: what was not synced stays or goes as `chance(n)`, a number below `n`, decides. Files
    /// that are open must not be used any more.
    pub fn crash(&self, chance: &mut impl FnMut(u64) -> u64) {
        let mut state = self.state();
        // Most file systems keep changes of names in order; none has to.
        let in_order = chance(2) == 0;
        let changes = std::mem::take(&mut state.changes);
        let stay = chance(changes.len() as u64 + 1) as usize;
        let mut names = std::mem::take(&mut state.durable_names);
        for (at, change) in changes.into_iter().enumerate() {
            if if in_order { at < stay } else { chance(2) == 0 } {
                change.apply(&mut names);
            }
        }
        state.files.iter_mut().for_each(|file| file.crash(chance));
        (state.names, state.durable_names) = (names.clone(), names);
        state.faults.clear();
        state.dead_from = None;
    }
}

struct OpenFile {
    disk: FaultDisk,
    file: usize,
}

impl Disk for FaultDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.change()?;
        if state.names.contains_key(path) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        let file = state.add(path);
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.change()?;
        let file = match state.names.get(path) {
            Some(file) => *file,
            None => state.add(path),
        };
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.call().map_err(error)?;
        let file = state.file(path)?;
        Ok(state.files[file].now.clone())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        let file = state.file(from)?;
        state.record(Change::Moved(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.state().names.contains_key(to) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        self.rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        let mut names = std::mem::take(&mut state.durable_names);
        let changes = std::mem::take(&mut state.changes);
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| change.dir() == Some(dir));
        here.into_iter().for_each(|change| change.apply(&mut names));
        (state.durable_names, state.changes) = (names, elsewhere);
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        state.file(path)?;
        state.record(Change::Removed(path.to_owned()));
        Ok(())
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.dirs.extend(dir.ancestors().map(Path::to_path_buf));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.state();
        state.call().map_err(error)?;
        if !state.dirs.contains(dir) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        let folders = state.dirs.iter().filter(|path| path.parent() == Some(dir));
        let files = state.names.keys().filter(|path| path.parent() == Some(dir));
        let mut paths: Vec<PathBuf> = folders.chain(files).cloned().collect();
        paths.sort();
        Ok(paths)
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.state().free_bytes())
    }

    /// Nobody else is here.
    fn lock(&self, _: &Path) -> io::Result<Option<std::fs::File>> {
        Ok(None)
    }
}

impl OpenFile {
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        let done = state.change();
        if state.is_dead() {
            return done;
        }
        let content = &mut state.files[self.file];
        match &done {
            Ok(()) => content.sync(),
            Err(_) => content.drop_pending(),
        }
        done
    }
}

impl Write for OpenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.state();
        let room = match state.call() {
            Err(Fault::Full) => (bytes.len() / 2) as u64,
            Err(_) if state.dead_from == Some(state.calls) => (bytes.len() / 2) as u64,
            Err(fault) => return Err(error(fault)),
            Ok(()) if state.read_only => return Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem)),
            Ok(()) => state.free_bytes(),
        };
        let written = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        state.files[self.file].now.extend_from_slice(&bytes[..written]);
        if written < bytes.len() { Err(error(Fault::Full)) } else { Ok(written) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for OpenFile {
    fn sync_data(&mut self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.sync()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.change()?;
        state.files[self.file].now.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        Ok(())
    }

    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.change()?;
        if state.free_bytes() < bytes {
            return Err(error(Fault::Full));
        }
        state.files[self.file].allocated = bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_synced_stays_and_the_rest_is_a_matter_of_chance() {
        let (mut whole, mut gone, mut seed) = (0, 0, 1u64);
        let mut chance = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % n
        };
        for _ in 0..200 {
            let disk = FaultDisk::new();
            let (dir, kept, loose) = (Path::new("/d"), Path::new("/d/kept"), Path::new("/d/loose"));
            disk.make_dir(dir).expect("made");
            let mut file = disk.create(kept).expect("new");
            file.write_all(&[7; 700]).and_then(|()| file.sync_data()).expect("synced");
            disk.sync_dir(dir).expect("synced");
            file.write_all(&[8; 700]).expect("written");
            drop(disk.create(loose).expect("new"));
            disk.crash(&mut chance);
            let left = disk.read(kept).expect("its name was synced");
            assert!(left.starts_with(&[7; 700]) && left[700..].iter().all(|b| matches!(b, 0 | 8)));
            whole += u32::from(left.len() == 1_400);
            gone += u32::from(disk.read(loose).is_err());
        }
        assert!((20..180).contains(&gone), "an unsynced name went {gone} times of 200");
        assert!(whole < 50, "an unsynced write stayed whole {whole} times of 200");
    }

    #[test]
    fn faults_come_when_they_are_due_and_a_failed_sync_drops_for_good() {
        let disk = FaultDisk::new();
        disk.make_dir(Path::new("/")).expect("made");
        let mut file = disk.create(Path::new("/f")).expect("new");
        file.write_all(b"dropped").expect("written");
        disk.fail_at(disk.calls() + 1, Fault::Broken);
        assert_eq!(file.sync_data().map_err(|e| e.raw_os_error()), Err(Some(5)));
        file.sync_data().expect("it says that all is well");
        disk.sync_dir(Path::new("/")).expect("synced");
        assert_eq!(disk.read(Path::new("/f")).expect("still in memory"), b"dropped");
        disk.crash(&mut |_| 0);
        assert_eq!(disk.read(Path::new("/f")).expect("there"), [0; 7]);
        disk.set_capacity(10);
        let mut file = disk.append(Path::new("/f")).expect("there");
        assert!(file.write_all(b"12345").is_err() && disk.free_bytes(Path::new("/")).expect("told") == 0);
        disk.set_read_only(true);
        assert!(disk.unlink(Path::new("/f")).is_err());
    }
}
