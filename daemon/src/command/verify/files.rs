//! Every Parquet file: whole, what its footer says, where its partition says, no rows twice.

use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ebbd_core::columns::{Checksum, Dataset, FileInfo, Partition, read_through};

use super::report::Report;
use crate::store::{DAEMON, WRITER};
use crate::sys::{Disk, RealDisk};

/// Folders below a dataset: `stream=S/date=D`.
const DEEPEST: u32 = 2;

/// Looks at every file of every dataset.
///
/// # Errors
/// A folder that can't be listed, a file that can't be opened.
pub(super) fn look(data_dir: &Path, report: &mut Report<'_>) -> Result<(), String> {
    let mut found = Vec::new();
    for dataset in Dataset::ALL {
        let mut paths = Vec::new();
        list(&data_dir.join(dataset.name()), DEEPEST, &mut paths)?;
        found.extend(paths.into_iter().map(|path| (dataset, path)));
    }
    let mut seen = HashMap::new();
    for (at, (dataset, path)) in found.iter().enumerate() {
        look_at(*dataset, path, &mut seen, report)?;
        report.progress(at + 1, found.len());
    }
    Ok(())
}

fn list(dir: &Path, depth: u32, into: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = match RealDisk.list(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        listed => listed.map_err(|error| format!("{}: {error}", dir.display()))?,
    };
    for path in entries {
        if path.extension().is_some_and(|extension| extension == "parquet") {
            into.push(path);
        } else if depth > 0 && path.is_dir() {
            list(&path, depth - 1, into)?;
        }
    }
    Ok(())
}

/// Which file holds these bytes, by the file's dataset.
type Contents = HashMap<(Dataset, Checksum), PathBuf>;

fn look_at(
    dataset: Dataset,
    path: &Path,
    seen: &mut Contents,
    report: &mut Report<'_>,
) -> Result<(), String> {
    let file = match File::open(path) {
        // A running daemon has removed it: it was too old, or merged with others.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(|error| format!("{}: {error}", path.display()))?,
    };
    report.files += 1;
    match read_through(file) {
        Err(error) => report.find(path, &error.to_string()),
        Ok(sound) => {
            report.rows += sound.info.rows;
            report.records += if dataset == Dataset::Alarms { sound.info.rows } else { 0 };
            sound.findings.iter().for_each(|finding| report.find(path, finding));
            misplaced(dataset, path, &sound.info).iter().for_each(|finding| report.find(path, finding));
            twice(dataset, path, &sound.info, seen, report);
        }
    }
    Ok(())
}

/// What the file says of itself against where it lies.
fn misplaced(dataset: Dataset, path: &Path, info: &FileInfo) -> Vec<String> {
    let mut findings = Vec::new();
    if info.dataset.is_some_and(|own| own != dataset) {
        findings.push(format!("no file of the dataset {}", dataset.name()));
    }
    let folder = |key: &str| {
        let mut names = path.iter().rev().skip(1).filter_map(|name| name.to_str());
        names.find_map(|name| name.strip_prefix(key)).map(str::to_owned)
    };
    if dataset.partition() == Partition::StreamDate
        && info.stream.is_some()
        && info.stream != folder("stream=")
    {
        findings.push("it holds another stream than its folder says".to_owned());
    }
    if let (Some((first, last)), Some(date)) = (info.span, folder("date="))
        && [first, last].iter().any(|minute| minute.start().utc_date() != date)
    {
        findings.push("it holds minutes of another date than its folder says".to_owned());
    }
    findings
}

/// Whoever ingests something `--again` wants it twice; the daemon never does.
fn twice(dataset: Dataset, path: &Path, info: &FileInfo, seen: &mut Contents, report: &mut Report<'_>) {
    let daemons = info.keys.get(WRITER).is_none_or(|writer| writer == DAEMON);
    let Some(checksum) = info.checksum.filter(|_| daemons && info.rows > 0) else { return };
    if let Some(other) = seen.insert((dataset, checksum), path.to_owned()) {
        report.find(path, &format!("it holds the very rows of {}: they count twice", other.display()));
    }
}
