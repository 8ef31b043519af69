//! A judge without a saved state learns from the counts that lie in the Parquet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ebbd_core::columns::{Dataset, FileMinute, read_minutes};
use ebbd_core::judge::Judge;
use ebbd_core::model::{
    Completeness, Minute, SealedMinute, SealedRow, SealedRows, SeriesKey, StreamId, StreamSpec, TimeUs,
};

use super::stages::judge_context;
use crate::config::Config;
use crate::service::ServiceManager;

/// History older than this teaches nothing: the profile keeps four weeks.
const DAYS: i64 = 36;
const DAY_US: i64 = 86_400_000_000;
/// The service manager is asked for more time this often.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// What was learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Learnt {
    /// Minutes, over all streams.
    pub minutes: u64,
    /// Rows read.
    pub rows: u64,
    /// How long it took.
    pub seconds: f64,
}

/// A judge that has learnt only these groupings, per stream of `config`; streams without any are not read.
pub(super) fn learn_groupings(
    groupings: &[Vec<Vec<usize>>],
    config: &Config,
    now: TimeUs,
    service: &ServiceManager,
) -> Judge {
    let only =
        |(spec, watch): (&StreamSpec, &Vec<Vec<usize>>)| StreamSpec { watch: watch.clone(), ..spec.clone() };
    let streams: Arc<[StreamSpec]> = config.streams.iter().zip(groupings).map(only).collect();
    let mut config = config.clone();
    (config.streams, config.funnels) = (streams, Vec::new());
    let mut judge = Judge::new(Arc::clone(&config.streams), judge_context(&config));
    learn(&mut judge, &config, now, service);
    judge
}

/// Teaches `judge` the last weeks before `now`, day by day. Streams of which nothing is watched are left out.
pub(super) fn learn(judge: &mut Judge, config: &Config, now: TimeUs, service: &ServiceManager) -> Learnt {
    let (begun, mut asked) = (Instant::now(), Instant::now());
    let mut learnt = Learnt::default();
    let mut next = vec![None; config.streams.len()];
    for back in (0..DAYS).rev() {
        let day = now.plus_us(-back * DAY_US);
        // All streams of a day: what one brings in another is learnt from both.
        for ((id, spec), next) in (0u16..).zip(config.streams.iter()).zip(&mut next) {
            if spec.watch.is_empty() {
                continue;
            }
            let dir = config.data_dir.join(Dataset::Minutes.directory(&spec.name, day));
            let minutes = read_day(&dir, spec, now.minute(), &mut learnt);
            teach(judge, StreamId(id), minutes, next, &mut learnt);
            if asked.elapsed() > ASK_EVERY {
                asked = Instant::now();
                service.extend_start(ASK_EVERY * 6);
                service.status(&format!("learning {} from {}", spec.name, day.utc_date()));
            }
        }
    }
    learnt.seconds = begun.elapsed().as_secs_f64();
    if learnt.minutes > 0 {
        tracing::info!("learnt {} minutes of history in {:.1} s", learnt.minutes, learnt.seconds);
    }
    learnt
}

type Rows = BTreeMap<Arc<SeriesKey>, SealedRow>;

/// The watched rows of a day's files, summed per minute and key, as far as they lie before `end`.
fn read_day(dir: &Path, spec: &StreamSpec, end: Minute, learnt: &mut Learnt) -> BTreeMap<Minute, Rows> {
    let mut minutes: BTreeMap<Minute, Rows> = BTreeMap::new();
    for path in parquet_files(dir) {
        if let Err(error) = read_file(&path, spec, end, &mut minutes, learnt) {
            tracing::warn!("history in {} is left out: {error}", path.display());
        }
    }
    minutes
}

fn read_file(
    path: &Path,
    spec: &StreamSpec,
    end: Minute,
    minutes: &mut BTreeMap<Minute, Rows>,
    learnt: &mut Learnt,
) -> Result<(), String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    for batch in read_minutes(spec, file).map_err(|error| error.to_string())? {
        let FileMinute { minute, rows, .. } = batch.map_err(|error| error.to_string())?;
        learnt.rows += rows.len() as u64;
        if minute >= end {
            continue;
        }
        let known = minutes.entry(minute).or_default();
        for row in rows.into_iter().filter(|row| row.key.watched) {
            match known.get_mut(&row.key) {
                Some(sum) => sum.absorb(&row),
                None => drop(known.insert(Arc::clone(&row.key), row)),
            }
        }
    }
    Ok(())
}

fn parquet_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "parquet"));
    files.sort();
    files
}

/// A minute without any row inside the history is missing data, not zero.
fn teach(
    judge: &mut Judge,
    stream: StreamId,
    minutes: BTreeMap<Minute, Rows>,
    next: &mut Option<Minute>,
    learnt: &mut Learnt,
) {
    for (minute, rows) in minutes {
        while let Some(gap) = next.filter(|gap| *gap < minute) {
            judge.learn(&SealedMinute::first(
                stream,
                gap,
                SealedRows::default(),
                Completeness::absent(),
                gap.end(),
            ));
            *next = Some(gap.next());
        }
        let rows = rows.into_values().collect();
        judge.learn(&SealedMinute::first(stream, minute, rows, Completeness::whole(), minute.end()));
        *next = Some(minute.next());
        learnt.minutes += 1;
    }
}
