//! One life through the past: every minute once, in the daemon's own order.

use ebbd_core::alarm::{AlarmRecord, Severity};
use ebbd_core::model::{Minute, StreamId, TimeUs};
use ebbd_core::replay::{Expectations, Findings, Looking, Replay, Stories, in_order};
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Arc;

use super::Failure;
use super::past::Past;
use super::verdicts::Verdicts;
use crate::config::Config;
use crate::run::judge_context;

/// What of the past is judged.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::command) struct Span {
    /// What lies before is learnt from.
    pub(in crate::command) from: Option<TimeUs>,
    /// The first instant that is left out.
    pub(in crate::command) to: Option<TimeUs>,
}

/// What is gathered on the way.
pub(super) struct Round {
    span: Span,
    looking: Looking,
    told: Told,
    /// What was left out or assumed.
    pub(super) notes: Vec<String>,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Told {
    /// The alarms.
    pub(super) stories: Stories,
    /// Minutes judged, over all streams.
    pub(super) judged: u64,
    /// Of them those without any data.
    pub(super) no_data: u64,
    /// Minutes that were only learnt from.
    pub(super) learnt: u64,
    /// Records.
    pub(super) records: u64,
    /// The first and the last minute judged.
    pub(super) span: Option<(Minute, Minute)>,
    /// Slices judged at the end, over all streams.
    pub(super) slices: u64,
    /// Streams of which there were minutes, with their dimensions.
    pub(super) streams: Vec<(String, Vec<String>)>,
    /// What became of the expectations.
    pub(super) findings: Option<Findings>,
}

impl Round {
    /// Nothing lived through yet.
    pub(super) fn new(span: Span, expectations: Expectations) -> Round {
        Round { span, looking: Looking::new(expectations), told: Told::default(), notes: Vec::new() }
    }

    /// Lives through all of it.
    pub(super) fn run(
        &mut self,
        past: &Past,
        config: &Config,
        on_record: &mut dyn FnMut(&AlarmRecord),
        mut verdicts: Option<&mut Verdicts>,
    ) -> Result<(), Failure> {
        let feeds = past.feeds(config, self.span, &mut self.notes)?;
        let mut replay = Replay::new(Arc::clone(&config.streams), judge_context(config), past.marks());
        let bar = bar();
        for moment in in_order(feeds) {
            let moment = moment?;
            let (stream, minute) = (moment.sealed.stream, moment.sealed.minute);
            self.note_stream(config, stream);
            let Some(judged) = replay.tell(&moment) else {
                self.told.learnt += 1;
                continue;
            };
            self.told.judged += 1;
            self.told.no_data += u64::from(moment.sealed.completeness.no_data);
            let first = self.told.span.map_or(minute, |(first, _)| first.min(minute));
            let last = self.told.span.map_or(minute, |(_, last)| last.max(minute));
            self.told.span = Some((first, last));
            if minute.0 % 1440 == 0 {
                bar.set_message(minute.start().utc_date());
            }
            bar.inc(1);
            self.looking.minute(&judged);
            if let Some(verdicts) = &mut verdicts {
                verdicts.add(&judged)?;
            }
            for record in &judged.records {
                self.told.records += 1;
                self.told.stories.add(record);
                on_record(record);
            }
        }
        bar.finish_and_clear();
        let ids = (0u16..).take(config.streams.len()).map(StreamId);
        self.told.slices = ids.map(|id| replay.judge().detector(id).slices().len() as u64).sum();
        if self.told.judged == 0 {
            return Err(Failure::trouble("there is no minute to be judged in this span"));
        }
        Ok(())
    }

    fn note_stream(&mut self, config: &Config, stream: StreamId) {
        let spec = &config.streams[stream.index()];
        if self.told.streams.iter().all(|(name, _)| *name != spec.name) {
            let dimensions = spec.dimension_names().into_iter().map(str::to_owned).collect();
            self.told.streams.push((spec.name.clone(), dimensions));
        }
    }

    /// What came of it.
    pub(super) fn finish(mut self) -> Told {
        self.told.findings = Some(self.looking.finish(&self.told.stories));
        self.told
    }
}

impl Told {
    /// Alarms that page, and alarms that are tickets.
    pub(super) fn loudness(&self) -> (usize, usize) {
        let pages = self.stories.0.values().filter(|story| story.severity == Severity::Page).count();
        (pages, self.stories.0.len() - pages)
    }
}

/// Progress on standard error while that is a terminal.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}  {human_pos} minutes  {per_sec}")
        .expect("the template is the one above");
    ProgressBar::new_spinner().with_style(style)
}
