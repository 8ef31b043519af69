//! All of a file or nothing: what is begun is written down first, and taken back if it does not come to
//! its end.
//!
//! Rows are staged while the input is being read: its content, and so its name, is known at its end. If
//! reading fails half-way, what was staged is dropped. Then file by file is published. If the process dies
//! meanwhile, its note stays in the stage and the next `ingest` removes what the note speaks of. So a file
//! that failed can be ingested again without being counted twice.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ebbd_core::columns::Dataset;

use super::staged::Stage;
use crate::store::{STAGE, hold_names};
use crate::sys::{Disk, RealDisk};

/// Stands in the names of ingested files, before the content's hash.
const MARK: &str = "-ingest-";
/// Letters of the content's hash that names carry.
const SHORT: usize = 12;
/// Notes of attempts end like this.
const NOTE: &str = ".begun";
/// Datasets that `ingest` writes.
const WRITTEN: [Dataset; 3] = [Dataset::Minutes, Dataset::Ledger, Dataset::Marks];

/// One `ingest` at a time per data directory; gone with the process.
pub(super) struct IngestLock {
    _file: File,
}

impl IngestLock {
    /// Waits for the lock, and takes back what a process that died has left.
    ///
    /// # Errors
    /// A data directory that can't be made or read.
    pub(super) fn take(data_dir: &Path) -> Result<IngestLock, String> {
        let lock = locked(data_dir).map_err(|error| {
            format!("data_dir {}: {error}; does it exist, and may it be written?", data_dir.display())
        })?;
        for note in notes(data_dir).map_err(|error| error.to_string())? {
            let removed = note.undo()?;
            eprintln!("ebbd ingest: an interrupted run had left {removed} files, they are removed");
        }
        let staged = Stage::open(data_dir)?.empty()?;
        if staged > 0 {
            eprintln!("ebbd ingest: an interrupted run had staged {staged} files, they are removed");
        }
        Ok(lock)
    }
}

fn locked(data_dir: &Path) -> io::Result<IngestLock> {
    let stage = data_dir.join(STAGE);
    RealDisk.make_dir(&stage)?;
    let path = stage.join("ingest.lock");
    let file = OpenOptions::new().create(true).append(true).mode(0o640).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(error),
        Err(TryLockError::WouldBlock) => {
            eprintln!("ebbd ingest: another one is at work in {}: waiting for it", data_dir.display());
            file.lock()?;
        }
    }
    Ok(IngestLock { _file: file })
}

/// The part of a content's hash that stands in file names.
pub(super) fn short(content: &str) -> &str {
    content.get(..SHORT).unwrap_or(content)
}

/// What stands behind the host in a file's name.
pub(super) fn file_name(content: &str, number: u64) -> String {
    format!("{}{}-{number}", MARK.trim_start_matches('-'), short(content))
}

/// Files of whatever was ingested into a data directory.
pub(super) struct Traces(Vec<Trace>);

struct Trace {
    short: String,
    number: u64,
    path: PathBuf,
    /// Minutes, not only what became of its lines.
    has_minutes: bool,
}

impl Traces {
    /// Looks for them.
    ///
    /// # Errors
    /// A folder that can't be read, in words.
    pub(super) fn read(data_dir: &Path) -> Result<Traces, String> {
        let minutes = data_dir.join(Dataset::Minutes.name());
        let found = files(data_dir).map_err(|error| error.to_string())?;
        let trace = |(short, number, path): (String, u64, PathBuf)| {
            let has_minutes = path.starts_with(&minutes);
            Trace { short, number, path, has_minutes }
        };
        Ok(Traces(found.into_iter().map(trace).collect()))
    }

    /// The next number that no name has.
    pub(super) fn next_number(&self) -> u64 {
        self.0.iter().map(|trace| trace.number + 1).max().unwrap_or(1)
    }

    /// A file with minutes of this content, of any host.
    pub(super) fn earlier(&self, content: &str) -> Option<PathBuf> {
        let of_content = |trace: &&Trace| trace.has_minutes && trace.short == short(content);
        self.0.iter().find(of_content).map(|trace| trace.path.clone())
    }
}

/// A file whose rows are being published.
pub(super) struct Attempt {
    data_dir: PathBuf,
    short: String,
    first_number: u64,
}

impl Attempt {
    /// Notes down that files of this content, from this number on, are not complete.
    ///
    /// # Errors
    /// The note can't be written, in words.
    pub(super) fn begin(data_dir: &Path, content: &str, first_number: u64) -> Result<Attempt, String> {
        let attempt =
            Attempt { data_dir: data_dir.to_owned(), short: short(content).to_owned(), first_number };
        let path = attempt.note();
        let written = attempt.write_note(&path);
        written.map_err(|error| format!("cannot write {}: {error}; is there room?", path.display()))?;
        Ok(attempt)
    }

    fn write_note(&self, path: &Path) -> io::Result<()> {
        let mut file = RealDisk.create(path)?;
        writeln!(file, "{}", self.first_number)?;
        file.sync_all()?;
        RealDisk.sync_dir(&self.data_dir.join(STAGE))
    }

    fn note(&self) -> PathBuf {
        self.data_dir.join(STAGE).join(format!("ingest-{}{NOTE}", self.short))
    }

    /// Everything is written: from now on the content counts as ingested.
    ///
    /// # Errors
    /// The note can't be removed, in words: the next `ingest` would take everything back.
    pub(super) fn finish(self) -> Result<(), String> {
        self.forget_note().map_err(|error| {
            format!(
                "cannot remove {}: {error}; the next ingest will take this one back",
                self.note().display()
            )
        })
    }

    /// Removes what was published or staged; gives how many files that were.
    ///
    /// # Errors
    /// Something can't be removed, in words; the next `ingest` tries again.
    pub(super) fn undo(self) -> Result<usize, String> {
        let mut removed = 0;
        // So that no file of a day that is being merged comes back with it.
        let held = hold_names(&RealDisk, &self.data_dir.join(STAGE));
        let _held = held.map_err(|error| error.to_string())?;
        for (short, number, path) in files(&self.data_dir).map_err(|error| error.to_string())? {
            if short == self.short && number >= self.first_number {
                let gone = RealDisk
                    .unlink(&path)
                    .and_then(|()| path.parent().map_or(Ok(()), |d| RealDisk.sync_dir(d)));
                gone.map_err(|error| format!("{}: {error}", path.display()))?;
                removed += 1;
            }
        }
        self.forget_note().map_err(|error| format!("{}: {error}", self.note().display()))?;
        Ok(removed)
    }

    fn forget_note(&self) -> io::Result<()> {
        RealDisk.unlink(&self.note())?;
        RealDisk.sync_dir(&self.data_dir.join(STAGE))
    }
}

/// Attempts that never came to their end.
fn notes(data_dir: &Path) -> io::Result<Vec<Attempt>> {
    let of = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        let short = name.strip_suffix(NOTE)?.strip_prefix("ingest-")?.to_owned();
        // A note that was not even written whole stands for an attempt that had published nothing.
        let first_number = std::fs::read_to_string(&path).ok()?.trim().parse().unwrap_or(u64::MAX);
        Some(Attempt { data_dir: data_dir.to_owned(), short, first_number })
    };
    Ok(RealDisk.list(&data_dir.join(STAGE))?.into_iter().filter_map(of).collect())
}

/// Published and staged files, each with the short hash of its content and its number.
fn files(data_dir: &Path) -> io::Result<Vec<(String, u64, PathBuf)>> {
    let mut found = Vec::new();
    let roots = WRITTEN.map(Dataset::name).into_iter().chain([STAGE]);
    for root in roots {
        walk(&data_dir.join(root), 3, &mut |path| {
            let parts = path.file_name().and_then(|name| parts(name.to_str()?));
            found.extend(parts.map(|(short, number)| (short, number, path)));
        })?;
    }
    Ok(found)
}

/// `web-01-ingest-0123456789ab-7.parquet` has this short hash and number 7.
fn parts(name: &str) -> Option<(String, u64)> {
    let (head, number) = name.strip_suffix(".parquet")?.rsplit_once('-')?;
    let (_, short) = head.rsplit_once(MARK)?;
    (short.len() == SHORT).then_some((short.to_owned(), number.parse().ok()?))
}

fn walk(dir: &Path, depth: u32, visit: &mut dyn FnMut(PathBuf)) -> io::Result<()> {
    let paths = match RealDisk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listed => listed?,
    };
    for path in paths {
        if path.extension().is_some_and(|e| e == "parquet") {
            visit(path);
        } else if depth > 0 && path.is_dir() {
            walk(&path, depth - 1, visit)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: &str = "0123456789abcdef";

    fn put(dir: &Path, name: &str) -> PathBuf {
        let path = dir.join(name);
        RealDisk.make_dir(path.parent().expect("it has one")).expect("made");
        std::fs::write(&path, b"rows").expect("written");
        path
    }

    #[test]
    fn traces_of_a_content_are_found_by_name() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let none = Traces::read(dir.path()).expect("nothing there");
        assert!(none.earlier(CONTENT).is_none() && none.next_number() == 1);
        let day = "minutes/stream=orders/date=2026-11-22";
        put(dir.path(), &format!("{day}/web-01-00000017.parquet"));
        put(dir.path(), &format!("{day}/web-01-ingest-ffffffffffff-9.parquet"));
        put(dir.path(), "ledger/date=2026-11-22/web-01-ingest-0123456789ab-4.parquet");
        let refused_before = Traces::read(dir.path()).expect("listed");
        assert!(refused_before.earlier(CONTENT).is_none() && refused_before.next_number() == 10);
        let name = file_name(CONTENT, 12);
        let path = put(dir.path(), &format!("{day}/other-host-{name}.parquet"));
        let found = Traces::read(dir.path()).expect("listed");
        assert_eq!((found.earlier(CONTENT), found.next_number()), (Some(path), 13));
    }

    #[test]
    fn an_interrupted_attempt_is_taken_back_by_the_next() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let lock = IngestLock::take(dir.path()).expect("free");
        let day = "minutes/stream=orders/date=2026-11-22";
        let older = put(dir.path(), &format!("{day}/web-{}.parquet", file_name(CONTENT, 1)));
        let attempt = Attempt::begin(dir.path(), CONTENT, 2).expect("noted");
        let newer = put(dir.path(), &format!("{day}/web-{}.parquet", file_name(CONTENT, 2)));
        let staged = put(dir.path(), ".work/ingest/3.parquet");
        drop((attempt, lock));
        IngestLock::take(dir.path()).expect("free again");
        assert!(older.exists() && !newer.exists() && !staged.exists());
        assert!(notes(dir.path()).expect("listed").is_empty());
        let done = Attempt::begin(dir.path(), CONTENT, 2).expect("noted");
        put(dir.path(), &format!("{day}/web-{}.parquet", file_name(CONTENT, 2)));
        done.finish().expect("done");
        IngestLock::take(dir.path()).expect("free again");
        assert!(newer.exists());
    }
}
