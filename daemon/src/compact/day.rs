//! One day of one table: which of its files are merged, into how many, and the merging.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use ebbd_core::columns::{ColumnsError, Dataset, FileInfo, Footer, Merger, read_footer};
use ebbd_core::model::{Minute, StreamSpec};

use super::folders::{self, MERGED, Names};
use super::swap::{Fresh, Stage};
use super::{CompactError, MOST_FILES, What};
use crate::store::{DAEMON, WRITER};

/// Rows that a merged file has at least before another one is begun.
const FILE_ROWS: u64 = 1 << 20;
/// Rows that are held in memory at a time, about.
const PART_ROWS: u64 = 1 << 18;
const DAY_MINUTES: i32 = 24 * 60;
/// Footer key: how many files became this one.
const MERGED_FILES: &str = "ebbd.merged";

/// A day that is to be merged.
pub(super) struct Day<'a> {
    dataset: Dataset,
    path: &'a Path,
    /// By host.
    hosts: BTreeMap<String, Host>,
    /// Files in the folder.
    files: usize,
    bytes: u64,
}

/// One host's files of the day.
struct Host {
    merger: Merger,
    inputs: Vec<Input>,
}

struct Input {
    path: PathBuf,
    info: FileInfo,
}

/// A span of minutes, both included.
type Span = (Minute, Minute);

impl<'a> Day<'a> {
    /// What there is to do in this folder; `None` if nothing.
    pub(super) fn look(
        dataset: Dataset,
        spec: Option<&StreamSpec>,
        bad_fields: &[String],
        path: &'a Path,
        names: &Names,
    ) -> Result<Option<Day<'a>>, CompactError> {
        let Some(merger) = Merger::new(dataset, spec, bad_fields) else { return Ok(None) };
        let paths = folders::parquet(path)?;
        let mut day = Day { dataset, path, hosts: BTreeMap::new(), files: paths.len(), bytes: 0 };
        for path in paths {
            let (file, bytes) = folders::open(&path)?;
            day.bytes += bytes;
            let info = read_footer(&file).map_err(|source| columns(&path, source))?;
            let is_daemons = info.schema.is_some() && info.keys.get(WRITER).is_none_or(|w| w == DAEMON);
            if !is_daemons || names.may_be_open(&path) {
                continue;
            }
            let host = || Host { merger: merger.clone(), inputs: Vec::new() };
            let host = day.hosts.entry(info.host.clone()).or_insert_with(host);
            if host.merger.admit(&file).map_err(|source| columns(&path, source))? {
                host.inputs.push(Input { path, info });
            }
        }
        day.hosts.retain(|_, host| host.is_worth_it());
        Ok((!day.hosts.is_empty()).then_some(day))
    }

    /// What merging would do; how many bytes come out is not known.
    pub(super) fn plan(&self) -> What {
        let merged: usize = self.hosts.values().map(|host| host.inputs.len()).sum();
        let into: usize = self.hosts.values().map(|host| host.spans(self.dataset).len()).sum();
        let rows = self.hosts.values().map(Host::rows).sum();
        What::Merged {
            files: (self.files, self.files - merged + into),
            rows,
            bytes: (self.bytes, self.bytes),
        }
    }

    /// Merges and swaps.
    pub(super) fn merge(&self, stage: &Stage) -> Result<What, CompactError> {
        let fresh = stage.fresh(self.path)?;
        let mut rows = 0;
        for (name, host) in &self.hosts {
            let after = host.write(self.dataset, name, &fresh)?;
            let before = host.rows();
            rows += after;
            if before != after {
                return Err(CompactError::Differs { path: self.path.to_owned(), before, after });
            }
        }
        let merged: BTreeSet<&Path> =
            self.hosts.values().flat_map(|host| &host.inputs).map(|input| input.path.as_path()).collect();
        let (files, bytes) = fresh.swap(&merged)?;
        Ok(What::Merged { files: (self.files, files), rows, bytes: (self.bytes, bytes) })
    }
}

impl Host {
    fn rows(&self) -> u64 {
        self.inputs.iter().map(|input| input.info.rows).sum()
    }

    /// Many files, columns of another time, or twice as many files as it takes: a few late files are let be,
    /// so that a day is not written anew for each.
    fn is_worth_it(&self) -> bool {
        let is_outdated = self.inputs.iter().any(|input| self.merger.is_outdated(&input.info.columns));
        let files = self.inputs.len();
        is_outdated || files > MOST_FILES || files > 2 * wanted_files(self.rows())
    }

    /// The minutes of each file that comes out, ascending and with nothing between.
    fn spans(&self, dataset: Dataset) -> Vec<Span> {
        let files = wanted_files(self.rows());
        let first = self.inputs.iter().filter_map(|input| input.info.span).map(|(first, _)| first).min();
        let is_by_time = !matches!(dataset, Dataset::Alarms | Dataset::Marks);
        match first {
            Some(first) if files > 1 && is_by_time => split(midnight(first), DAY_MINUTES, files),
            _ => vec![(Minute(i32::MIN), Minute(i32::MAX))],
        }
    }

    /// Writes them; how many rows they have.
    fn write(&self, dataset: Dataset, host: &str, fresh: &Fresh<'_>) -> Result<u64, CompactError> {
        let newest = self.inputs.iter().max_by_key(|input| input.info.sequence);
        let Some(newest) = newest.map(|input| &input.info) else { return Ok(0) };
        let more = [(WRITER, DAEMON.to_owned()), (MERGED_FILES, self.inputs.len().to_string())];
        let footer = Footer {
            host: host.to_owned(),
            config: newest.config.clone(),
            sequence: newest.sequence,
            more: more.map(|(key, value)| (key.to_owned(), value)).into(),
        };
        let mut rows = 0;
        for (at, span) in self.spans(dataset).into_iter().enumerate() {
            let name = format!("{MERGED}{}+{at:02}-{:08}.parquet", file_safe(host), newest.sequence);
            let path = fresh.path(&name);
            let (file, synced) = fresh.create(&name)?;
            let parts = self.parts(span);
            let written = self
                .merger
                .write(&parts, |part| self.open(part), &footer, BufWriter::new(file))
                .map_err(|source| columns(&path, source))?;
            synced.sync_all().map_err(|source| CompactError::Disk { path, source })?;
            rows += written.rows;
        }
        Ok(rows)
    }

    /// A span in parts of about so many rows that they fit memory.
    fn parts(&self, span: Span) -> Vec<Span> {
        let known = self.inputs.iter().filter_map(|input| input.info.span);
        let Some(whole) = known.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else { return vec![span] };
        let (first, last) = (span.0.max(whole.0), span.1.min(whole.1));
        let minutes = last.0.saturating_sub(first.0).saturating_add(1).max(1);
        let all = i64::from(whole.1.0) - i64::from(whole.0.0) + 1;
        let rows = self.rows() * u64::try_from(minutes).unwrap_or(1) / u64::try_from(all).unwrap_or(1).max(1);
        let count = usize::try_from(rows.div_ceil(PART_ROWS)).unwrap_or(1).clamp(1, minutes as usize);
        let mut parts = split(first, minutes, count);
        if let Some(first) = parts.first_mut() {
            first.0 = span.0;
        }
        if let Some(last) = parts.last_mut() {
            last.1 = span.1;
        }
        parts
    }

    /// The inputs that have rows of these minutes.
    fn open(&self, part: Span) -> Result<Vec<File>, ColumnsError> {
        let has = |input: &&Input| input.info.span.is_some_and(|span| span.0 <= part.1 && span.1 >= part.0);
        let opened = |input: &Input| {
            let gone = |error| ColumnsError::Shape(format!("{}: {error}", input.path.display()));
            File::open(&input.path).map_err(gone)
        };
        self.inputs.iter().filter(has).map(opened).collect()
    }
}

/// How many files so many rows are put into.
fn wanted_files(rows: u64) -> usize {
    usize::try_from(rows.div_ceil(FILE_ROWS)).unwrap_or(MOST_FILES).clamp(1, MOST_FILES)
}

/// `minutes` from `first` on in `count` spans; the first begins and the last ends with everything.
fn split(first: Minute, minutes: i32, count: usize) -> Vec<Span> {
    let count = i64::try_from(count).unwrap_or(1);
    let edge = |at: i64| first.plus(i32::try_from(i64::from(minutes) * at / count).unwrap_or(minutes));
    let mut spans: Vec<Span> = (0..count).map(|at| (edge(at), edge(at + 1).plus(-1))).collect();
    if let (Some(begin), Some(end)) = (spans.first().copied(), spans.last().copied()) {
        spans[0] = (Minute(i32::MIN), begin.1);
        let last = spans.len() - 1;
        spans[last] = (spans[last].0, Minute(i32::MAX).max(end.1));
    }
    spans
}

fn midnight(minute: Minute) -> Minute {
    Minute(minute.0.div_euclid(DAY_MINUTES) * DAY_MINUTES)
}

fn file_safe(host: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    host.chars().map(safe).collect()
}

fn columns(path: &Path, source: ColumnsError) -> CompactError {
    CompactError::Columns { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_follow_each_other_and_leave_nothing_out() {
        for count in [1, 2, 7, 24] {
            let spans = split(Minute(1440 * 20_000), DAY_MINUTES, count);
            assert_eq!(spans.len(), count);
            assert_eq!((spans[0].0, spans[count - 1].1), (Minute(i32::MIN), Minute(i32::MAX)));
            assert!(spans.windows(2).all(|pair| pair[0].1.plus(1) == pair[1].0));
        }
        assert_eq!([0, 1, FILE_ROWS, FILE_ROWS + 1, u64::MAX].map(wanted_files), [1, 1, 1, 2, MOST_FILES]);
    }
}
