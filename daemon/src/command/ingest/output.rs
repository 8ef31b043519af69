//! Rows into the datasets, and the account of what was written and what was left out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ebbd_core::aggregate::Sample;
use ebbd_core::columns::{
    ColumnsError, Dataset, Footer, LedgerNames, bad_field_names, write_ledger, write_marks, write_minutes,
};
use ebbd_core::model::{Ledger, Mark, Minute, SealedMinute, StreamId, StreamSpec, TimeUs};

use super::known::KnownMinutes;
use super::report::Report;
use super::{Job, attempt};
use crate::commit::{RejectLog, Rejected};
use crate::store::{Place, StagedFile, WRITER};
use crate::sys::{Clock, RealDisk, WallClock};

/// The name of the source in the ledger.
pub(super) const SOURCE_NAME: &str = "ingest";
/// Footer key: the whole hash of the file that the rows come from.
const CONTENT: &str = "ebbd.content";

/// Where one file's rows go.
pub(super) struct Output {
    place: Place,
    streams: Arc<[StreamSpec]>,
    footer: Footer,
    content: String,
    number: u64,
    now: TimeUs,
    /// None with `--again`.
    known: Option<KnownMinutes>,
    rejects: Option<RejectLog>,
    report: Report,
}

impl Output {
    /// For the file `name` of this content; its files are numbered from `number` on.
    pub(super) fn new(job: &Job, name: &str, content: &str, number: u64) -> Output {
        let config = &job.config;
        let more = [(WRITER, SOURCE_NAME), (CONTENT, content)].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let footer = Footer {
            host: config.host.clone(),
            config: config.hash(),
            sequence: number,
            more: BTreeMap::from(more),
        };
        Output {
            place: Place::new(Arc::new(RealDisk), &config.data_dir, &config.host),
            streams: Arc::clone(&config.streams),
            footer,
            content: content.to_owned(),
            number,
            now: WallClock::new().now(),
            known: (!job.again).then(|| KnownMinutes::new(&config.data_dir, &config.streams)),
            rejects: config.rejects.map(|r| RejectLog::new(&config.data_dir, r.max_bytes, r.keep_us)),
            report: Report::new(name, content),
        }
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

    /// Publishes minutes, but for those that the daemon has counted itself.
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
            self.publish(Dataset::Minutes, &spec.name, time, |footer, file| {
                write_minutes(spec, &minutes, footer, file).map(drop)
            })?;
        }
        Ok(())
    }

    /// Publishes what became of every line.
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
        self.publish(Dataset::Ledger, "", self.now, |footer, file| {
            write_ledger(ledger, names, footer, file).map(drop)
        })
    }

    /// Publishes change markers that stood among the lines.
    ///
    /// # Errors
    /// What can't be written, in words.
    pub(super) fn marks(&mut self, marks: Vec<Mark>) -> Result<(), String> {
        let mut days: BTreeMap<String, Vec<Mark>> = BTreeMap::new();
        for mark in marks {
            days.entry(mark.at.utc_date()).or_default().push(mark);
        }
        for marks in days.into_values() {
            self.publish(Dataset::Marks, "", marks[0].at, |footer, file| {
                write_marks(&marks, footer, file).map(drop)
            })?;
        }
        Ok(())
    }

    /// Keeps samples of refused lines, as the daemon does.
    pub(super) fn samples(&mut self, samples: &[Sample]) {
        samples.iter().for_each(|sample| self.report.example(sample));
        if let Some(rejects) = &mut self.rejects {
            let rejected = |sample: &Sample| Rejected {
                at: sample.arrival.to_rfc3339(),
                source: SOURCE_NAME,
                reason: sample.reason.name(),
                line: String::from_utf8_lossy(&sample.line).into_owned(),
            };
            rejects.add(self.now, &samples.iter().map(rejected).collect::<Vec<_>>());
        }
    }

    /// Tells what was ignored or assumed.
    pub(super) fn notes(&mut self, notes: &[String]) {
        notes.iter().for_each(|note| self.report.note(note));
    }

    fn publish(
        &mut self,
        dataset: Dataset,
        stream: &str,
        time: TimeUs,
        write: impl FnOnce(&Footer, &mut StagedFile) -> Result<(), ColumnsError>,
    ) -> Result<(), String> {
        self.footer.sequence = self.number;
        let name = attempt::file_name(&self.content, self.number);
        let published: Result<PathBuf, _> =
            self.place.publish(dataset, stream, time, &name, false, |file| write(&self.footer, file));
        let path = published.map_err(|error| format!("cannot write {error}; is there room on the disk?"))?;
        self.number += 1;
        self.report.file(path);
        Ok(())
    }

    /// The account.
    pub(super) fn into_report(self) -> Report {
        self.report
    }
}
