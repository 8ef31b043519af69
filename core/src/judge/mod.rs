//! The judge: one detector per stream and one alarm book, from a sealed minute to verdicts and records.
//!
//! In: sealed minutes, what came late, marks, ebbd's own trouble. Out: [`JudgedMinute`]s, verdicts judged anew,
//! alarm records, incident rows.
//! Must not know: files, sockets, clocks, Arrow.

mod early;
#[cfg(test)]
mod early_tests;
#[cfg(test)]
mod funnel_tests;
mod hindsight;
#[cfg(test)]
mod label_tests;
mod labels;
mod late;
#[cfg(test)]
mod late_tests;
#[cfg(test)]
mod loss_tests;
#[cfg(test)]
mod part_tests;
mod rejections;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hindsight::Hindsight;
pub use hindsight::LAST_MINUTES_BYTES;
pub use late::{Revised, RevisedRow};
use rejections::Rejections;

pub use state::{JudgeState, RestoreError};

pub use crate::alarm::SliceRow;
use crate::alarm::{AlarmBook, AlarmRecord, BookContext, FunnelSides, Incident, Severity};
use crate::detect::{DetectKnobs, Detector, Drift, FunnelDetector, SinceOnset, SliceVerdict, Verdict};
use crate::model::{
    CalendarEntry, FunnelSpec, MICROS_PER_MINUTE, Mark, Minute, SealedMinute, SliceId, StreamId, StreamSpec,
    TimeUs, View,
};

/// What a judge is made with, besides the streams.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgeContext {
    /// The daemon's host.
    pub host: String,
    /// What the daemon sees of the shop.
    pub view: View,
    /// Hash of the configuration.
    pub config_hash: String,
    /// What an operator may turn.
    pub knobs: DetectKnobs,
    /// Address of the dashboard, without a slash at its end.
    pub http_url: Option<String>,
    /// Watched ratios between streams.
    pub funnels: Vec<FunnelSpec>,
    /// Declared days.
    pub calendar: Vec<CalendarEntry>,
}

/// A minute as it was judged: rows for the `slices` dataset, records to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedMinute {
    /// The stream.
    pub stream: StreamId,
    /// The minute.
    pub minute: Minute,
    /// The revision that was judged: 0.
    pub revision: u32,
    /// One row per known watched slice; `{}` always if the whole stream is watched.
    pub rows: Vec<SliceRow>,
    /// Alarm records, in order of `seq`.
    pub records: Vec<AlarmRecord>,
    /// When it was judged.
    pub judged_at: TimeUs,
}

/// What is done with a judged minute of a funnel.
type TellFunnel<'a> = &'a mut dyn FnMut(&mut AlarmBook, FunnelSides<'_>, &SealedMinute, &[SliceRow]);

/// Judges the minutes of all streams. The same minutes give the same verdicts and records.
#[derive(Debug)]
pub struct Judge {
    streams: Arc<[StreamSpec]>,
    detectors: Vec<Detector>,
    hindsight: Vec<Hindsight>,
    funnels: Vec<FunnelDetector>,
    book: AlarmBook,
    rejections: Rejections,
    /// Rows that nobody needs any more.
    spare: Vec<SliceRow>,
}

impl Judge {
    /// A judge that knows nothing yet.
    pub fn new(streams: Arc<[StreamSpec]>, context: JudgeContext) -> Judge {
        let mut detectors: Vec<Detector> =
            streams.iter().map(|stream| Detector::new(stream, &context.knobs)).collect();
        if context.view == View::Part {
            detectors.iter_mut().for_each(Detector::judge_shares);
        }
        detectors.iter_mut().for_each(|detector| detector.declare(&context.calendar));
        let hindsight = streams.iter().map(|_| Hindsight::new(streams.len())).collect();
        let funnel =
            |spec: &FunnelSpec| FunnelDetector::new(spec.clone(), &streams[spec.to.index()], &context.knobs);
        let funnels = context.funnels.iter().map(funnel).collect();
        let (book, rejections) = (AlarmBook::new(book_context(&context)), Rejections::default());
        Judge { detectors, hindsight, funnels, book, rejections, streams, spare: Vec::new() }
    }

    /// Judges a sealed minute; those of one stream come in ascending order. A revision above 0 (that is for
    /// [`Judge::revise`]) and a minute that was judged before give no rows and no records.
    pub fn judge(&mut self, sealed: &SealedMinute, now: TimeUs) -> JudgedMinute {
        let judged = self.rows(sealed);
        let spec = &self.streams[sealed.stream.index()];
        let records = judged.as_ref().map(|rows| self.book.minute(spec, sealed, rows, now));
        if judged.is_some() {
            self.leave_out_expected(sealed.stream, sealed.minute);
        }
        let (rows, mut records) = (judged.unwrap_or_default(), records.unwrap_or_default());
        self.funnels(sealed, &mut |book, sides, sealed, rows| {
            records.extend(book.funnel(sides, sealed, rows, now));
        });
        JudgedMinute {
            stream: sealed.stream,
            minute: sealed.minute,
            revision: sealed.revision,
            rows,
            records,
            judged_at: now,
        }
    }

    /// Learns from a minute of history: as [`Judge::judge`], but no alarm comes of it.
    pub fn learn(&mut self, sealed: &SealedMinute) {
        if let Some(rows) = self.rows(sealed) {
            self.book.learn(&self.streams[sealed.stream.index()], sealed, &rows);
        }
        self.funnels(sealed, &mut |book, sides, sealed, rows| book.learn_funnel(sides.name, sealed, rows));
    }

    /// Hands the minute to every funnel, and what that makes judged of it to `tell`.
    fn funnels(&mut self, sealed: &SealedMinute, tell: TellFunnel<'_>) {
        for funnel in &mut self.funnels {
            for judged in funnel.take(sealed) {
                let row = |(slice, verdict)| SliceRow { slice, verdict };
                let rows: Vec<SliceRow> = judged.rows.into_iter().map(row).collect();
                let spec = funnel.spec();
                let sides = FunnelSides {
                    name: &spec.name,
                    from: &self.streams[spec.from.index()],
                    to: &self.streams[spec.to.index()],
                };
                tell(&mut self.book, sides, &judged.sealed, &rows);
            }
        }
    }

    /// The detector's verdicts with their slices; a row of its own for the whole stream when the
    /// detector has none yet. `None` for a revision, and for a minute judged before.
    fn rows(&mut self, sealed: &SealedMinute) -> Option<Vec<SliceRow>> {
        let detector = &mut self.detectors[sealed.stream.index()];
        if sealed.revision > 0 || detector.last_minute().is_some_and(|last| sealed.minute <= last) {
            return None;
        }
        let (mut rows, mut known) = (std::mem::take(&mut self.spare), 0);
        detector.judge_each(sealed, &mut |slice, verdict| {
            match rows.get_mut(known) {
                Some(row) if Arc::ptr_eq(&row.slice, slice) => row.verdict = verdict,
                Some(row) => *row = SliceRow { slice: Arc::clone(slice), verdict },
                None => rows.push(SliceRow { slice: Arc::clone(slice), verdict }),
            }
            known += 1;
        });
        rows.truncate(known);
        let keep = i32::try_from(self.streams[sealed.stream.index()].revise_us / MICROS_PER_MINUTE);
        let hindsight = &mut self.hindsight[sealed.stream.index()];
        let verdicts = rows.iter().map(|row| &row.verdict);
        hindsight.note(sealed.minute, sealed.watched_count(), verdicts, keep.unwrap_or(i32::MAX));
        let whole_watched = self.streams[sealed.stream.index()].watch.iter().any(Vec::is_empty);
        let is_first = rows.first().is_some_and(|row| row.slice.is_whole());
        if whole_watched && !is_first && !rows.iter().any(|row| row.slice.is_whole()) {
            rows.insert(0, SliceRow { slice: Arc::default(), verdict: unjudged(sealed) });
        }
        Some(rows)
    }

    /// Per stream, the groupings that are watched and of which nothing was judged yet; see
    /// [`Detector::groupings_anew`].
    pub fn groupings_anew(&self) -> Vec<Vec<Vec<usize>>> {
        self.detectors.iter().map(Detector::groupings_anew).collect()
    }

    /// Takes over what another judge of these streams has learnt of slices that this one does not know. Gives how many
    /// slices.
    pub fn adopt(&mut self, taught: &Judge) -> usize {
        let pairs = self.detectors.iter_mut().zip(&taught.detectors);
        pairs.map(|(detector, taught)| detector.adopt(taught)).sum()
    }

    /// Gives back a minute that nobody needs any more: the next one's rows are written in its place.
    pub fn take_back(&mut self, judged: JudgedMinute) {
        self.spare = judged.rows;
    }

    /// Keeps a change marker.
    pub fn mark(&mut self, mark: Mark) {
        self.book.mark(mark);
    }

    /// The change markers since `from` that were not taken back, oldest first.
    pub fn marks_since(&self, from: TimeUs) -> Vec<Mark> {
        self.book.marks().since(from).cloned().collect()
    }

    /// ebbd's own trouble, named by a short key (`disk`, `quarantine`, `fenced`); see [`AlarmBook::trouble`].
    pub fn trouble(
        &mut self,
        what: &str,
        text: &str,
        severity: Severity,
        now: TimeUs,
    ) -> Option<AlarmRecord> {
        self.book.trouble(what, text, severity, now)
    }

    /// That trouble is over.
    pub fn trouble_over(&mut self, what: &str, now: TimeUs) -> Option<AlarmRecord> {
        self.book.trouble_over(what, now)
    }

    /// The alarms: what is open, over, silenced.
    pub fn book(&self) -> &AlarmBook {
        &self.book
    }

    /// The latest record of each open alarm, by number.
    pub fn open_alarms(&self) -> Vec<AlarmRecord> {
        self.book.open_alarms()
    }

    /// Goes on behind these numbers; see [`AlarmBook::skip_to`].
    pub fn skip_to(&mut self, seq: u64, no: u64) {
        self.book.skip_to(seq, no);
    }

    /// The sequence number of the latest record; 0 before the first.
    pub fn seq(&self) -> u64 {
        self.book.seq()
    }

    /// The last minute judged of a stream.
    pub fn last_minute(&self, stream: StreamId) -> Option<Minute> {
        self.detectors[stream.index()].last_minute()
    }

    /// The detector of a stream, for status and metrics.
    pub fn detector(&self, stream: StreamId) -> &Detector {
        &self.detectors[stream.index()]
    }

    /// The rows of incidents that opened or changed their state since the last call, the latest of each.
    pub fn incidents_changed(&mut self) -> Vec<Incident> {
        self.book.incidents_changed()
    }
}

fn book_context(context: &JudgeContext) -> BookContext {
    BookContext {
        host: context.host.clone(),
        view: context.view,
        config_hash: context.config_hash.clone(),
        http_url: context.http_url.clone(),
        calendar: context.calendar.iter().map(CalendarEntry::title).collect(),
    }
}

/// What is said of the whole stream where the detector says nothing.
fn unjudged(sealed: &SealedMinute) -> SliceVerdict {
    let no_data = sealed.completeness.no_data;
    let observed = (!no_data).then(|| sealed.watched_count());
    SliceVerdict {
        slice: SliceId(0),
        verdict: if no_data { Verdict::NoData } else { Verdict::Learning },
        observed,
        observed_max: observed.map(|count| (count + sealed.completeness.dropped as i64) as f64),
        expected: None,
        low: None,
        high: None,
        completeness: sealed.completeness.fraction,
        evidence: 0.0,
        threshold: 0.0,
        onset: None,
        since_onset: SinceOnset::default(),
        deep: false,
        recovering: false,
        escalated: false,
        drift: Drift::default(),
        declared: None,
        before_drop: None,
        at_normal: None,
    }
}
