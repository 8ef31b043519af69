//! What lies where: folders of days, their files, and which of these a roll may still be writing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ebbd_core::columns::Dataset;

use super::CompactError;
use crate::sys::{Disk, RealDisk};

/// Folders below a dataset: `stream=S/date=D`.
const DEEPEST: u32 = 2;
/// Between the parts of a merged file's name: no host's name has it.
pub(super) const MERGED: &str = "merged+";
/// Rolls of a host that may not be over: one that is being written, or that a crash cut short and the next start
/// does again under the same names, and the one before it, to be sure.
const OPEN_ROLLS: usize = 2;

/// The latest sequence numbers of each host's files.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, BTreeSet<u64>>);

impl Names {
    /// Of all files below a data directory.
    pub(super) fn below(data_dir: &Path) -> Result<Names, CompactError> {
        let mut names = Names::default();
        for dataset in Dataset::ALL {
            names.walk(&data_dir.join(dataset.name()), DEEPEST)?;
        }
        Ok(names)
    }

    fn walk(&mut self, dir: &Path, depth: u32) -> Result<(), CompactError> {
        for path in list(dir)? {
            if let Some((host, sequence)) = sequence_of(&path) {
                let latest = self.0.entry(host.to_owned()).or_default();
                latest.insert(sequence);
                if latest.len() > OPEN_ROLLS {
                    latest.pop_first();
                }
            } else if depth > 0 && path.is_dir() {
                self.walk(&path, depth - 1)?;
            }
        }
        Ok(())
    }

    /// Whether the roll that wrote this file may not be over, or has begun since: its name has to stay.
    pub(super) fn may_be_open(&self, path: &Path) -> bool {
        let Some((host, sequence)) = sequence_of(path) else { return false };
        self.0.get(host).and_then(BTreeSet::first).is_none_or(|first| sequence >= *first)
    }
}

/// The host and number in a file's name as the daemon gives them.
fn sequence_of(path: &Path) -> Option<(&str, u64)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".parquet")?;
    let (host, sequence) = name.rsplit_once('-')?;
    if name.starts_with(MERGED) { None } else { Some((host, sequence.parse().ok()?)) }
}

/// What stands behind `key` in the names of folders, sorted.
pub(super) fn keyed(root: &Path, key: &str) -> Result<BTreeSet<String>, CompactError> {
    let name = |path: PathBuf| path.file_name()?.to_str()?.strip_prefix(key).map(str::to_owned);
    Ok(list(root)?.into_iter().filter_map(name).collect())
}

/// The Parquet files of a folder, sorted.
pub(super) fn parquet(dir: &Path) -> Result<Vec<PathBuf>, CompactError> {
    let mut paths = list(dir)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
    Ok(paths)
}

/// A file and its length.
pub(super) fn open(path: &Path) -> Result<(File, u64), CompactError> {
    let opened = File::open(path).and_then(|file| file.metadata().map(|data| (file, data.len())));
    opened.map_err(|source| CompactError::Disk { path: path.to_owned(), source })
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, CompactError> {
    match RealDisk.list(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(|source| CompactError::Disk { path: dir.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_rolls_of_each_host_and_what_comes_meanwhile_may_be_open() {
        let dir = tempfile::tempdir().unwrap();
        let day = dir.path().join("minutes/stream=orders/date=2026-11-22");
        std::fs::create_dir_all(&day).unwrap();
        let written = ["web-01-00000007", "web-01-00000009", "web-01-00000010", "b-00000001", "in-x-1-a"];
        for name in written.iter().chain(&["merged+web-01+00-00000099"]) {
            std::fs::write(day.join(format!("{name}.parquet")), "").unwrap();
        }
        let names = Names::below(dir.path()).unwrap();
        let open = |name: &str| names.may_be_open(&day.join(format!("{name}.parquet")));
        assert_eq!(written.map(open), [false, true, true, true, false]);
        assert!(open("web-01-00000011") && open("new-host-00000001"));
        assert!(!open("merged+web-01+00-00000099"));
        assert_eq!(keyed(&dir.path().join("minutes"), "stream=").unwrap().len(), 1);
    }
}
