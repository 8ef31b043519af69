//! Minutes that the daemon itself has counted: what its own files say, file by file as far as is needed.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ebbd_core::columns::{Dataset, FileInfo, read_footer, read_minutes};
use ebbd_core::model::{Minute, StreamId, StreamSpec, WatchedFilter};

use crate::store::{DAEMON, WRITER};
use crate::sys::{Disk, RealDisk};

const MINUTES_PER_DAY: i32 = 1440;

/// Knows which minutes are in files that the daemon wrote.
pub(super) struct KnownMinutes {
    data_dir: PathBuf,
    /// The streams without their columns: only minutes are read.
    streams: Vec<StreamSpec>,
    days: HashMap<(StreamId, i32), Vec<DaemonFile>>,
}

struct DaemonFile {
    path: PathBuf,
    first: Minute,
    last: Minute,
    /// Read when a minute of its span is asked for.
    minutes: Option<HashSet<Minute>>,
}

impl KnownMinutes {
    /// What lies under `data_dir`.
    pub(super) fn new(data_dir: &Path, streams: &Arc<[StreamSpec]>) -> KnownMinutes {
        let streams = streams.iter().map(bare).collect();
        KnownMinutes { data_dir: data_dir.to_owned(), streams, days: HashMap::new() }
    }

    /// Whether the daemon has written rows of this minute.
    ///
    /// # Errors
    /// A file of the daemon that can't be read, in words: not knowing is no ground for counting twice.
    pub(super) fn has(&mut self, stream: StreamId, minute: Minute) -> Result<bool, String> {
        let spec = &self.streams[stream.index()];
        let day = (stream, minute.0.div_euclid(MINUTES_PER_DAY));
        if !self.days.contains_key(&day) {
            let files =
                daemon_files(&self.data_dir.join(Dataset::Minutes.directory(&spec.name, minute.start())))?;
            self.days.insert(day, files);
        }
        for file in self.days.get_mut(&day).into_iter().flatten() {
            if (file.first..=file.last).contains(&minute) && file.minutes(spec)?.contains(&minute) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl DaemonFile {
    fn minutes(&mut self, spec: &StreamSpec) -> Result<&HashSet<Minute>, String> {
        let read = match self.minutes.take() {
            Some(read) => read,
            None => minutes_in(&self.path, spec).map_err(|error| unreadable(&self.path, &error))?,
        };
        Ok(self.minutes.insert(read))
    }
}

fn minutes_in(path: &Path, spec: &StreamSpec) -> Result<HashSet<Minute>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let minutes = read_minutes(spec, file).map_err(|error| error.to_string())?;
    minutes.map(|found| found.map(|f| f.minute).map_err(|error| error.to_string())).collect()
}

fn daemon_files(dir: &Path) -> Result<Vec<DaemonFile>, String> {
    let paths = match RealDisk.list(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(|error| unreadable(dir, &error.to_string()))?,
    };
    let mut files = Vec::new();
    for path in paths.into_iter().filter(|path| path.extension().is_some_and(|e| e == "parquet")) {
        let opened = File::open(&path).map_err(|error| error.to_string());
        let info = opened.and_then(|file| read_footer(&file).map_err(|error| error.to_string()));
        let info = info.map_err(|error| unreadable(&path, &error))?;
        if let Some((first, last)) = info.span.filter(|_| is_daemons(&info)) {
            files.push(DaemonFile { path, first, last, minutes: None });
        }
    }
    Ok(files)
}

/// Files of ebbd's that do not say who wrote them are the daemon's, too.
fn is_daemons(info: &FileInfo) -> bool {
    info.keys.get(WRITER).map_or(info.schema.is_some(), |writer| writer == DAEMON)
}

fn unreadable(path: &Path, error: &str) -> String {
    format!(
        "cannot tell which minutes the daemon counted, for {} cannot be read: {error}; try again, or if it is \
         broken, move it away",
        path.display()
    )
}

/// A stream of which nothing but minutes is wanted.
fn bare(stream: &StreamSpec) -> StreamSpec {
    StreamSpec {
        dimensions: Vec::new(),
        sums: Vec::new(),
        distincts: Vec::new(),
        watched: WatchedFilter::default(),
        ..stream.clone()
    }
}
