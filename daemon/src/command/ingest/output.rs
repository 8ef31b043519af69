//! Rows into the datasets, and the account of what was written and what was left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use ebbd_core::aggregate::Sample;
use ebbd_core::columns::{
    ColumnsError, Dataset, Footer, LedgerNames, bad_field_names, write_ledger, write_marks, write_minutes,
};
use ebbd_core::model::{Ledger, Mark, Minute, SealedMinute, StreamId, StreamSpec, TimeUs};

use super::known::KnownMinutes;
use super::report::Report;
use super::staged::{Stage, Stamp};
use super::{Job, attempt};
use crate::commit::{RejectLog, Rejected};
use crate::store::{Place, StagedFile, WRITER};
use crate::sys::{Clock, RealDisk, WallClock};

/// The name of the source in the ledger.
pub(super) const SOURCE_NAME: &str = "ingest";
/// Footer key: the whole hash of the file that the rows come from.
const CONTENT: &str = "ebbd.content";
/// Samples of refused lines that are kept until the file is known to be a new one.
const MAX_SAMPLES: usize = 1000;

/// Where one file's rows go: to the stage, until its content is known.
pub(super) struct Output {
    place: Place,
    streams: Arc<[StreamSpec]>,
    footer: Footer,
    stage: Stage,
    stamp: Stamp,
    staged: Vec<Staged>,
    number: u64,
    now: TimeUs,
    /// None with `--again`.
    known: Option<KnownMinutes>,
    rejects: Option<RejectLog>,
    rejected: Vec<Rejected<'static>>,
    report: Report,
}

/// Where a staged file belongs.
struct Staged {
    number: u64,
    dataset: Dataset,
    stream: String,
    time: TimeUs,
}

impl Output {
    /// For the file `name`; its files are numbered from `number` on.
    ///
    /// # Errors
    /// The stage can't be made, in words.
    pub(super) fn new(job: &Job, name: &str, number: u64) -> Result<Output, String> {
        let (config, stamp) = (&job.config, Stamp::new());
        let keys = [(WRITER, SOURCE_NAME), (CONTENT, stamp.blank())];
        let more = keys.map(|(k, v)| (k.to_owned(), v.to_owned()));
        let footer = Footer {
            host: config.host.clone(),
            config: config.hash(),
            sequence: number,
            more: BTreeMap::from(more),
        };
        Ok(Output {
            place: Place::new(Arc::new(RealDisk), &config.data_dir, &config.host),
            streams: Arc::clone(&config.streams),
            footer,
            stage: Stage::open(&config.data_dir)?,
            stamp,
            staged: Vec::new(),
            number,
            now: WallClock::new().now(),
            known: (!job.again).then(|| KnownMinutes::new(&config.data_dir, &config.streams)),
            rejects: config
                .rejects
                .map(|r| RejectLog::new(&config.data_dir, r.max_bytes, r.keep_us, &config.streams)),
            rejected: Vec::new(),
            report: Report::new(name),
        })
    }

    /// When all lines of the file are said to have arrived: so the same file gives the same rows.
    pub(super) fn arrival(&self) -> TimeUs {
        self.now
    }

    /// Whether the rows of this minute are to be left out, for the daemon has counted it itself.
    ///
    /// # Errors
    /// A file of the daemon that can't be read, in words.
    pub(super) fn is_known(&mut self, stream: StreamId, minute: Minute) -> Result<bool, String> {
        self.known.as_mut().map_or(Ok(false), |known| known.has(stream, minute))
    }

    /// Tells of lines that were left out.
    pub(super) fn left_out(&mut self, stream: StreamId, minute: Minute, lines: u64) {
        self.report.left_out(&self.streams[stream.index()].name, minute, lines);
    }

    /// Stages minutes, but for those that the daemon has counted itself.
    ///
    /// # Errors
    /// What can't be written, in words.
    pub(super) fn minutes(&mut self, minutes: Vec<SealedMinute>) -> Result<(), String> {
        let mut days: BTreeMap<(StreamId, String), Vec<Arc<SealedMinute>>> = BTreeMap::new();
        for sealed in minutes {
            if self.is_known(sealed.stream, sealed.minute)? {
                continue;
            }
            self.report.counted(&self.streams[sealed.stream.index()].name, &sealed);
            let date = sealed.minute.start().utc_date();
            days.entry((sealed.stream, date)).or_default().push(Arc::new(sealed));
        }
        for ((stream, _), minutes) in days {
            let streams = Arc::clone(&self.streams);
            let (spec, time) = (&streams[stream.index()], minutes[0].minute.start());
            self.stage(Dataset::Minutes, &spec.name, time, |footer, file| {
                write_minutes(spec, &minutes, footer, file).map(drop)
            })?;
        }
        Ok(())
    }

    /// Stages what became of every line.
    ///
    /// # Errors
    /// What can't be written, in words.
    pub(super) fn ledger(&mut self, ledger: &Ledger) -> Result<(), String> {
        debug_assert!(ledger.balances());
        self.report.ledger(&ledger.total());
        if ledger.0.is_empty() {
            return Ok(());
        }
        let (sources, bad_fields) = ([SOURCE_NAME.to_owned()], bad_field_names(&self.streams));
        let names = LedgerNames { sources: &sources, bad_fields: &bad_fields };
        self.stage(Dataset::Ledger, "", self.now, |footer, file| {
            write_ledger(ledger, names, footer, file).map(drop)
        })
    }

    /// Stages change markers that stood among the lines.
    ///
    /// # Errors
    /// What can't be written, in words.
    pub(super) fn marks(&mut self, marks: Vec<Mark>) -> Result<(), String> {
        let mut days: BTreeMap<String, Vec<Mark>> = BTreeMap::new();
        for mark in marks {
            days.entry(mark.at.utc_date()).or_default().push(mark);
        }
        for marks in days.into_values() {
            self.stage(Dataset::Marks, "", marks[0].at, |footer, file| {
                write_marks(&marks, footer, file).map(drop)
            })?;
        }
        Ok(())
    }

    /// Keeps samples of refused lines, as the daemon does.
    pub(super) fn samples(&mut self, samples: &[Sample]) {
        samples.iter().for_each(|sample| self.report.example(sample));
        let rejected = |sample: &Sample| Rejected {
            at: sample.arrival.to_rfc3339(),
            source: SOURCE_NAME,
            reason: sample.reason.name(),
            line: String::from_utf8_lossy(&sample.line).into_owned(),
        };
        let room = if self.rejects.is_some() { MAX_SAMPLES - self.rejected.len() } else { 0 };
        self.rejected.extend(samples.iter().take(room).map(rejected));
    }

    /// Tells what was ignored or assumed.
    pub(super) fn notes(&mut self, notes: &[String]) {
        notes.iter().for_each(|note| self.report.note(note));
    }

    fn stage(
        &mut self,
        dataset: Dataset,
        stream: &str,
        time: TimeUs,
        write: impl FnOnce(&Footer, &mut StagedFile) -> Result<(), ColumnsError>,
    ) -> Result<(), String> {
        self.footer.sequence = self.number;
        let path = self.stage.path(self.number);
        let written = self.place.stage(&path, |file| write(&self.footer, file));
        written.map_err(|error| format!("cannot write {error}; is there room on the disk?"))?;
        self.staged.push(Staged { number: self.number, dataset, stream: stream.to_owned(), time });
        self.number += 1;
        Ok(())
    }

    /// Moves everything to where it belongs, under names with this content's hash.
    ///
    /// # Errors
    /// What can't be written or moved, in words; some of it may have been moved.
    pub(super) fn publish(&mut self, content: &str) -> Result<(), String> {
        self.report.content(content);
        for staged in std::mem::take(&mut self.staged) {
            let path = self.stage.path(staged.number);
            self.stamp.put(&path, content)?;
            let name = attempt::file_name(content, staged.number);
            let moved = self.place.adopt(&path, staged.dataset, &staged.stream, staged.time, &name);
            let moved = moved.map_err(|error| format!("cannot write {error}; is there room on the disk?"))?;
            self.report.file(moved);
        }
        if let Some(rejects) = &mut self.rejects {
            self.rejected.chunks(100).for_each(|some| rejects.add(self.now, some));
        }
        Ok(())
    }

    /// The account.
    pub(super) fn into_report(self) -> Report {
        self.report
    }
}
