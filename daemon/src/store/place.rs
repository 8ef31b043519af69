//! Where files lie and how one appears: staged, synced, renamed without replacing, directory synced.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ebbd_core::columns::{ColumnsError, Dataset};
use ebbd_core::model::TimeUs;

use crate::sys::{Disk, DiskFile, Mutant, is_made};

/// The folder of unfinished files and state: hidden, but a glob may still read it, so it lies outside
/// every dataset.
pub const STAGE: &str = ".work";
/// Footer key: who wrote a file: [`DAEMON`], `ingest`, `demo`.
pub const WRITER: &str = "ebbd.writer";
/// The daemon as a writer.
pub const DAEMON: &str = "daemon";

/// A data directory.
#[derive(Clone)]
pub struct Place {
    disk: Arc<dyn Disk>,
    data_dir: PathBuf,
    host: String,
}

/// Why a file could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk refused.
    #[error("{path}: {source}")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The rows could not be written as Parquet.
    #[error("{path}: {source}")]
    Columns {
        /// The staged file.
        path: PathBuf,
        /// What was wrong.
        source: ColumnsError,
    },
}

impl StoreError {
    /// Whether a file with the final name was there.
    pub fn is_there_already(&self) -> bool {
        matches!(self, StoreError::Disk { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
    }
}

/// A staged file that is being written.
pub type StagedFile = BufWriter<Box<dyn DiskFile>>;

impl Place {
    /// The data directory `data_dir` of `host`.
    pub fn new(disk: Arc<dyn Disk>, data_dir: &Path, host: &str) -> Place {
        Place { disk, data_dir: data_dir.to_owned(), host: file_safe(host) }
    }

    /// The next free sequence number of this host's files, by what lies there.
    pub fn next_sequence(&self) -> u64 {
        let mut highest = 0;
        for dataset in Dataset::ALL {
            self.walk(&self.data_dir.join(dataset.name()), 3, &mut |name| {
                highest = highest.max(self.sequence_of(name).unwrap_or(0));
            });
        }
        highest + 1
    }

    fn sequence_of(&self, name: &str) -> Option<u64> {
        name.strip_suffix(".parquet")?.strip_prefix(&self.host)?.strip_prefix('-')?.parse().ok()
    }

    fn walk(&self, dir: &Path, depth: u32, visit: &mut dyn FnMut(&str)) {
        // A folder that is not there holds no files.
        for path in self.disk.list(dir).unwrap_or_default() {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if name.ends_with(".parquet") {
                visit(&name);
            } else if depth > 0 {
                self.walk(&path, depth - 1, visit);
            }
        }
    }

    /// Writes one file of `dataset` for `stream` and the date of `time`; `name` stands behind the host.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing stands under the final name.
    pub fn publish(
        &self,
        dataset: Dataset,
        stream: &str,
        time: TimeUs,
        name: &str,
        replace: bool,
        write: impl FnOnce(&mut StagedFile) -> Result<(), ColumnsError>,
    ) -> Result<PathBuf, StoreError> {
        let file_name = format!("{}-{name}.parquet", self.host);
        let folder = self.data_dir.join(STAGE);
        let staged = folder.join(format!("{}-{file_name}", dataset.name()));
        at(&folder, self.disk.make_dir(&folder))?;
        let mut file = self.written(&staged, write)?;
        if !is_made(Mutant::NameUnsynced) {
            at(&staged, file.get_mut().sync_all())?;
        }
        drop(file);
        self.moved(&staged, &self.data_dir.join(dataset.directory(stream, time)), &file_name, replace)
    }

    /// Sees to it that a file which is there already stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep(&self, dataset: Dataset, stream: &str, time: TimeUs) -> Result<(), StoreError> {
        let dir = self.data_dir.join(dataset.directory(stream, time));
        at(&dir, self.disk.sync_dir(&dir))
    }

    /// Writes a file that is to be adopted later; its folder is there. It is not durable yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn stage(
        &self,
        staged: &Path,
        write: impl FnOnce(&mut StagedFile) -> Result<(), ColumnsError>,
    ) -> Result<(), StoreError> {
        self.written(staged, write).map(drop)
    }

    /// Names a staged file that is durable as [`Place::publish`] would have named it, replacing none.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing new stands under the final name.
    pub fn adopt(
        &self,
        staged: &Path,
        dataset: Dataset,
        stream: &str,
        time: TimeUs,
        name: &str,
    ) -> Result<PathBuf, StoreError> {
        let dir = self.data_dir.join(dataset.directory(stream, time));
        self.moved(staged, &dir, &format!("{}-{name}.parquet", self.host), false)
    }

    fn moved(&self, staged: &Path, dir: &Path, name: &str, replace: bool) -> Result<PathBuf, StoreError> {
        let stage = self.data_dir.join(STAGE);
        let _held = at(&stage, hold_names(self.disk.as_ref(), &stage))?;
        let last = dir.join(name);
        let renamed = self.disk.make_dir(dir).and_then(|()| {
            if replace { self.disk.rename(staged, &last) } else { self.disk.rename_new(staged, &last) }
        });
        at(&last, renamed)?;
        at(dir, self.disk.sync_dir(dir))?;
        Ok(last)
    }

    fn written(
        &self,
        staged: &Path,
        write: impl FnOnce(&mut StagedFile) -> Result<(), ColumnsError>,
    ) -> Result<StagedFile, StoreError> {
        // What an earlier attempt left under this name is of no use.
        let _ = self.disk.unlink(staged);
        let mut file = BufWriter::new(at(staged, self.disk.create(staged))?);
        write(&mut file).map_err(|source| StoreError::Columns { path: staged.to_owned(), source })?;
        at(staged, file.flush())?;
        Ok(file)
    }
}

/// Until what this gives is dropped, nobody else gives names to files and folders of datasets: a folder that is
/// being exchanged for another one gets no file that would go with it.
///
/// # Errors
/// Another process holds them for long, or the disk refuses.
pub fn hold_names(disk: &dyn Disk, stage: &Path) -> io::Result<Option<File>> {
    disk.lock(&stage.join("names.lock"))
}

/// Removes what an earlier run left unfinished in the stage; gives how many files went.
///
/// # Errors
/// Whatever the disk says; a stage that is not there is clean.
pub fn clean_stage(disk: &dyn Disk, data_dir: &Path) -> io::Result<usize> {
    let staged = match disk.list(&data_dir.join(STAGE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        listed => listed?,
    };
    let unfinished: Vec<&PathBuf> =
        staged.iter().filter(|p| p.extension().is_some_and(|e| e == "parquet")).collect();
    unfinished.iter().try_for_each(|path| disk.unlink(path))?;
    Ok(unfinished.len())
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, StoreError> {
    result.map_err(|source| StoreError::Disk { path: path.to_owned(), source })
}

/// A host's name with everything that a file name or a glob could stumble over replaced.
fn file_safe(host: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    let name: String = host.chars().map(safe).collect();
    name.trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::RealDisk;

    fn place(dir: &Path) -> Place {
        Place::new(Arc::new(RealDisk), dir, "web/01")
    }

    fn put(place: &Place, name: &str, replace: bool) -> Result<PathBuf, StoreError> {
        place.publish(Dataset::Minutes, "orders", TimeUs(0), name, replace, |file| {
            file.write_all(b"rows").map_err(|e| ColumnsError::Shape(e.to_string()))
        })
    }

    #[test]
    fn a_file_appears_whole_and_is_never_replaced() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let place = place(dir.path());
        let path = put(&place, "00000007", false).expect("published");
        assert!(path.ends_with("minutes/stream=orders/date=1970-01-01/web_01-00000007.parquet"));
        assert_eq!(std::fs::read(&path).expect("there"), b"rows");
        assert!(put(&place, "00000007", false).is_err());
        put(&place, "00000007", true).expect("replaced on demand");
        assert_eq!(place.next_sequence(), 8);
    }

    #[test]
    fn what_is_unfinished_is_cleaned() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(clean_stage(&RealDisk, dir.path()).expect("nothing there"), 0);
        let stage = dir.path().join(STAGE);
        std::fs::create_dir(&stage).expect("made");
        std::fs::write(stage.join("minutes-x.parquet"), b"half").expect("written");
        std::fs::write(stage.join("lock"), b"").expect("written");
        assert_eq!(clean_stage(&RealDisk, dir.path()).expect("cleaned"), 1);
        assert!(stage.join("lock").exists());
    }
}
