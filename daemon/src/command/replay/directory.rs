//! Data directories: what daemons and `ingest` have written, day by day.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ebbd_core::columns::{
    ColumnsError, Dataset, JudgedAt, read_footer, read_judged, read_ledger, read_marks, read_minutes,
    read_sources,
};
use ebbd_core::decode::SourceSpec;
use ebbd_core::model::{Mark, Minute, StreamId, StreamRoute, StreamSpec, TimeUs};
use ebbd_core::replay::{Day, Feed, Moment, Rebuild};

use super::Failure;
use super::round::Span;
use crate::config::Config;
use crate::store::{DAEMON, WRITER};
use crate::stored::{StoredError, folders, parquet_files, read_file};

/// A day in microseconds.
pub(super) const DAY_US: i64 = 86_400_000_000;
/// A daemon that begins learns from so many days before: older ones teach nothing.
const LEARNT_DAYS: i64 = 35;

/// The streams of which there are minutes.
pub(super) fn streams(dirs: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let mut found = BTreeSet::new();
    for dir in dirs {
        found.extend(folders(&dir.join(Dataset::Minutes.name()), "stream=")?);
    }
    Ok(found.into_iter().collect())
}

/// Every change marker.
pub(super) fn marks(dirs: &[PathBuf]) -> Result<Vec<Mark>, Failure> {
    let mut marks = Vec::new();
    for dir in dirs {
        let root = dir.join(Dataset::Marks.name());
        for date in folders(&root, "date=")? {
            for path in parquet_files(&root.join(format!("date={date}")))? {
                marks.extend(read_file(&path, read_marks)?.unwrap_or_default());
            }
        }
    }
    Ok(marks)
}

/// The minutes of one stream; none if there are none in the span.
pub(super) fn feed<'f>(
    dirs: &'f [PathBuf],
    config: &'f Config,
    id: StreamId,
    spec: &'f StreamSpec,
    span: Span,
    notes: &mut Vec<String>,
) -> Result<Option<Feed<'f, Failure>>, Failure> {
    // Nobody who judges looks at sketches: they are not even read.
    let spec = StreamSpec { distincts: Vec::new(), ..spec.clone() };
    let stream = Stream { dirs, config, id, spec };
    let first = stream.first_judged()?;
    let judge_from = span.from.map(TimeUs::minute).or(first.map(|judged| judged.minute));
    let learn_from =
        span.from.or(first.map(|judged| judged.at)).map(|at| at.plus_us(-LEARNT_DAYS * DAY_US).utc_date());
    let last = span.to.map(|to| to.plus_us(-1).utc_date());
    let mut dates = stream.dates()?;
    let all = dates.len();
    dates.retain(|date| {
        learn_from.as_ref().is_none_or(|from| date >= from) && last.as_ref().is_none_or(|last| date <= last)
    });
    if span.from.is_none()
        && dates.first().is_some_and(|date| first.is_some_and(|f| *date < f.minute.start().utc_date()))
    {
        let since = first.map_or(String::new(), |judged| judged.minute.to_string());
        notes.push(format!(
            "{}: the daemon judged from {since} on; what lies before is learnt from (--from says otherwise)",
            stream.spec.name
        ));
    }
    if all == 0 {
        return Ok(None);
    }
    let mut rebuild = Rebuild::new(id, &stream.spec);
    let is_history = move |minute: Minute| judge_from.is_some_and(|from| minute < from);
    let days = dates.into_iter().map(move |date| {
        let day = stream.day(&date, first.map(|judged| judged.minute))?;
        let mut moments = rebuild.day(day);
        moments.retain(|moment| span.to.is_none_or(|to| moment.sealed.minute.start() < to));
        moments.iter_mut().for_each(|moment| moment.is_history = is_history(moment.sealed.minute));
        Ok(moments)
    });
    Ok(Some(Box::new(days.flat_map(|day: Result<Vec<Moment>, Failure>| match day {
        Ok(moments) => moments.into_iter().map(Ok).collect::<Vec<_>>(),
        Err(failure) => vec![Err(failure)],
    }))))
}

/// One stream in directories.
struct Stream<'f> {
    dirs: &'f [PathBuf],
    config: &'f Config,
    id: StreamId,
    spec: StreamSpec,
}

impl Stream<'_> {
    /// The folder of a dataset's days.
    fn root(&self, dir: &Path, dataset: Dataset) -> PathBuf {
        let root = dir.join(dataset.name());
        match dataset {
            Dataset::Minutes | Dataset::Slices => root.join(format!("stream={}", self.spec.name)),
            _ => root,
        }
    }

    fn dates_of(&self, dataset: Dataset) -> Result<BTreeSet<String>, Failure> {
        let mut dates = BTreeSet::new();
        for dir in self.dirs {
            dates.extend(folders(&self.root(dir, dataset), "date=")?);
        }
        Ok(dates)
    }

    /// Every day of which there are rows or verdicts.
    fn dates(&self) -> Result<Vec<String>, Failure> {
        let mut dates = self.dates_of(Dataset::Minutes)?;
        dates.extend(self.dates_of(Dataset::Slices)?);
        Ok(dates.into_iter().collect())
    }

    fn files_of(&self, dataset: Dataset, date: &str) -> Result<Vec<(usize, PathBuf)>, Failure> {
        let mut found = Vec::new();
        for (at, dir) in self.dirs.iter().enumerate() {
            let day = self.root(dir, dataset).join(format!("date={date}"));
            found.extend(parquet_files(&day)?.into_iter().map(|path| (at, path)));
        }
        Ok(found)
    }

    /// The first minute that the daemon judged, as far as its verdicts are kept.
    fn first_judged(&self) -> Result<Option<JudgedAt>, Failure> {
        for date in self.dates_of(Dataset::Slices)? {
            let mut judged = Vec::new();
            for (_, path) in self.files_of(Dataset::Slices, &date)? {
                judged.extend(read_file(&path, read_judged)?.unwrap_or_default());
            }
            if let Some(first) = judged.into_iter().min_by_key(|judged| judged.minute) {
                return Ok(Some(first));
            }
        }
        Ok(None)
    }

    fn day(&self, date: &str, first_judged: Option<Minute>) -> Result<Day, Failure> {
        let mut day = Day::new(first_judged);
        for (_, path) in self.files_of(Dataset::Slices, date)? {
            day.add_judged(read_file(&path, read_judged)?.unwrap_or_default());
        }
        let names: Vec<String> = self.config.sources.iter().map(|source| source.spec.name.clone()).collect();
        for (dir, path) in self.files_of(Dataset::Sources, date)? {
            let rows = read_file(&path, |file| read_sources(&names, file))?.unwrap_or_default();
            day.add_sources(dir, &self.spec.name, rows);
        }
        for (_, path) in self.files_of(Dataset::Ledger, date)? {
            let rows = read_file(&path, read_ledger)?.unwrap_or_default();
            day.add_ledger(&self.spec.name, |source| self.is_fed_by(source), rows);
        }
        for (_, path) in self.files_of(Dataset::Minutes, date)? {
            self.add_minutes(&path, &mut day)?;
        }
        Ok(day)
    }

    fn add_minutes(&self, path: &Path, day: &mut Day) -> Result<(), Failure> {
        let opened = read_file(path, |file| {
            let writer = read_footer(&file)?.keys.get(WRITER).cloned();
            Ok((writer.is_none_or(|writer| writer == DAEMON), read_minutes(&self.spec, file)?))
        })?;
        let Some((by_daemon, minutes)) = opened else { return Ok(()) };
        for minute in minutes {
            day.add_rows(minute.map_err(|error| broken(path, error))?, by_daemon);
        }
        Ok(())
    }

    fn is_fed_by(&self, source: &str) -> bool {
        let spec = self.config.sources.iter().map(|source| &source.spec).find(|spec| spec.name == source);
        spec.is_some_and(|spec| feeds(spec, self.id))
    }
}

/// Whether lines of a source can become events of a stream.
fn feeds(spec: &SourceSpec, stream: StreamId) -> bool {
    match &spec.route {
        StreamRoute::Fixed(fixed) => *fixed == stream,
        StreamRoute::ByField { routes, other, .. } => {
            routes.values().any(|to| *to == Some(stream)) || *other == Some(Some(stream))
        }
        StreamRoute::ByName(names) => names.values().any(|to| *to == stream),
    }
}

fn broken(path: &Path, source: ColumnsError) -> Failure {
    StoredError::Columns { path: path.to_owned(), source }.into()
}
