//! Finding files: by pattern, or by inode where one was renamed out of the pattern.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirEntryExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::followed::Seen;
use super::identity::FileId;

/// Most complaints that are remembered, so that each is made once.
const MOST_TOLD: usize = 1024;

/// A regular file that matches the pattern.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    pub(super) seen: Seen,
}

/// Looks for files and complains about each trouble once.
#[derive(Debug)]
pub(super) struct Search {
    source: String,
    pattern: String,
    told: HashSet<String>,
}

impl Search {
    pub(super) fn new(source: &str, pattern: &str) -> Search {
        Search { source: source.to_owned(), pattern: pattern.to_owned(), told: HashSet::new() }
    }

    /// The regular files that match the pattern, each once. Symbolic links are not followed.
    pub(super) fn scan(&mut self) -> Vec<Found> {
        let paths = match glob::glob(&self.pattern) {
            Ok(paths) => paths,
            Err(error) => {
                self.tell(format!("\"{}\" is no pattern: {error}", self.pattern));
                return Vec::new();
            }
        };
        let (mut found, mut ids) = (Vec::new(), HashSet::new());
        for path in paths {
            match path.map_err(|error| (error.path().to_owned(), io::Error::from(error))) {
                Ok(path) => found.extend(self.look_at(path).filter(|file| ids.insert(file.id))),
                Err((path, error)) => self.tell(format!("{}: {error}", path.display())),
            }
        }
        found
    }

    fn look_at(&mut self, path: PathBuf) -> Option<Found> {
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => {
                Some(Found { path, id: FileId::of(&metadata), seen: Seen::of(&metadata) })
            }
            Ok(metadata) if metadata.is_symlink() => {
                self.tell(format!("{} is a symbolic link, which is not followed", path.display()));
                None
            }
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.tell(format!("{}: {error}", path.display()));
                None
            }
        }
    }

    /// Opens the file at `path` if it (still) is the regular file `id`.
    pub(super) fn open(&mut self, path: &Path, id: FileId) -> Option<File> {
        match open_regular(path) {
            Ok(file) => file.metadata().is_ok_and(|now| FileId::of(&now) == id).then_some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.tell(format!("{} can't be opened: {error}", path.display()));
                None
            }
        }
    }

    /// Opens the file `id`, which was at `path`, wherever in that directory it is now.
    pub(super) fn open_renamed(&mut self, path: &Path, id: FileId) -> Option<File> {
        let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let mut entries = fs::read_dir(directory).ok()?.flatten();
        let renamed = entries.find(|entry| entry.ino() == id.inode)?;
        self.open(&renamed.path(), id)
    }

    /// Complains, once.
    pub(super) fn tell(&mut self, complaint: String) {
        if self.told.len() < MOST_TOLD && !self.told.contains(&complaint) {
            tracing::warn!(source = self.source, "{complaint}");
            self.told.insert(complaint);
        }
    }
}

/// Opens without following a link at the end of the path and without waiting for a writer (FIFOs).
fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}
