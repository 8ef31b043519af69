//! What an earlier run left, brought to where it was: its state, and what was counted since, told again.
//!
//! In: the journal of the earlier run. Out: [`Recovered`], an aggregator and a judge as they were, and rows
//! that are not in files yet. Must not know: threads, sources, subscribers.
//!
//! A crash leaves commits behind the last state. They go through the same code as when they were made, under
//! the configuration under which they were made.

#[cfg(test)]
pub(super) mod again;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ebbd_core::aggregate::{Aggregator, Order, StepError, StepReader};
use ebbd_core::alarm::AlarmRecord;
use ebbd_core::judge::{Judge, JudgeState};
use ebbd_core::model::{Mark, TimeUs};

use super::stages::{judge_context, seed};
use super::{StartError, trying};
use crate::commit::{Checkpoint, CheckpointError, KeptConversation};
use crate::config::Config;
use crate::journal::{self, Frame, FrameKind};
use crate::judge::{JudgeInput, JudgeReplay, Published};
use crate::service::ServiceManager;
use crate::source::{FileBook, FileNote, MOST_IDS, Position, Read, ReadBook, Sender, Senders, Spoken};
use crate::store::{Batch, Pending, Roll, RollState, StoreMessage};
use crate::sys::{Mutant, is_made};

/// The service manager is told how far it is after this many frames …
const TELL_EVERY: u64 = 256;
/// … and asked for so much more time.
const MORE_TIME: Duration = Duration::from_secs(30);

/// An earlier run, as it was when it ended.
pub(super) struct Recovered {
    /// The counts.
    pub(super) aggregator: Aggregator,
    /// Until when the earlier run ran; none if there was none.
    pub(super) ran_until: Option<TimeUs>,
    /// Verdicts and alarms; none if nothing is known of them.
    pub(super) judge: Option<Judge>,
    /// How far files were read.
    pub(super) files: Vec<Position>,
    /// What was read of senders that do not send again, by source.
    pub(super) reads: BTreeMap<String, Read>,
    /// Whether the earlier run ended in order.
    pub(super) ended_in_order: bool,
    /// Acknowledged senders.
    pub(super) senders: Vec<Sender>,
    /// Open conversations, unless something was counted since.
    pub(super) kept: Vec<KeptConversation>,
    /// Recent alarm records that were on disk, oldest first.
    pub(super) records: Vec<AlarmRecord>,
    /// Records that were not: nobody may have heard of them.
    pub(super) unpublished: Vec<AlarmRecord>,
    /// Rows that are not in files, or may not be.
    pub(super) backlog: Vec<Batch>,
    /// Which are.
    pub(super) rolls: RollState,
    /// What could not be told again, in words.
    pub(super) trouble: Option<String>,
}

impl Recovered {
    /// The highest number among the records.
    pub(super) fn last_seq(&self) -> u64 {
        let all = self.records.iter().chain(&self.unpublished);
        all.map(|record| record.seq).max().unwrap_or(0)
    }

    /// The highest alarm number among the records.
    pub(super) fn last_no(&self) -> u64 {
        self.records.iter().chain(&self.unpublished).map(|record| record.no).max().unwrap_or(0)
    }
}

/// What has to be known before anything is told again.
#[derive(Default)]
pub(super) struct Looked {
    /// The configuration that commits were made under; none if there are none to be told again.
    pub(super) config: Option<String>,
    published: BTreeMap<u64, Published>,
    marks: Vec<Mark>,
}

/// Looks through what is left.
///
/// # Errors
/// Whatever the disk says.
pub(super) fn look(left: &journal::Recovered) -> Result<Looked, StartError> {
    tell(left);
    let mut looked = Looked::default();
    for segment in left.unbroken() {
        let bytes = trying("reading the journal", left.read(segment))?;
        for frame in bytes.frames() {
            match frame.kind {
                FrameKind::Alarm => {
                    // Later ones are copies, which may say less.
                    if let Some(published) = Published::read(frame.body, frame.epoch) {
                        looked.published.entry(published.record.seq).or_insert(published);
                    }
                }
                FrameKind::Mark => looked.marks.extend(parsed::<Mark>(frame.body)),
                FrameKind::Commit => looked.config = Some(segment.config.clone()),
                _ => {}
            }
        }
    }
    Ok(looked)
}

/// Reads what is left, under `config`: that of the run that left it if there are commits to be told again.
///
/// # Errors
/// State of a later version: nothing is touched then. Whatever the disk says.
pub(super) fn recover(
    left: &journal::Recovered,
    looked: Looked,
    config: &Config,
    service: &ServiceManager,
) -> Result<Recovered, StartError> {
    let mut replay = Replay::new(config, looked);
    let segments = left.unbroken();
    let all: u64 = segments.iter().map(|segment| segment.frames).sum();
    let mut frames = 0;
    for segment in segments {
        let bytes = trying("reading the journal", left.read(segment))?;
        // The file of the release before segments is the state of an orderly stop or of none.
        let is_stale = segment.number == 0 && !left.ended_in_order();
        for frame in bytes.frames() {
            replay.frame(frame, is_stale)?;
            frames += 1;
            if frames % TELL_EVERY == 0 {
                service.extend_start(MORE_TIME);
                service.status(&format!("recovering {} %", frames * 100 / all.max(1)));
            }
        }
    }
    Ok(replay.finish(left.ended_in_order()))
}

/// An earlier run, being told again.
struct Replay<'a> {
    config: &'a Config,
    aggregator: Aggregator,
    reader: StepReader,
    /// The state to begin with; none before the first checkpoint.
    begun: Option<JudgeReplay>,
    looked: Looked,
    files: FileBook,
    /// Which connections are files, as of the next commit.
    notes: Vec<FileNote>,
    reads: ReadBook,
    senders: Senders,
    /// Which connections speak for senders, as of the next commit.
    spoken: Vec<Spoken>,
    kept: Vec<KeptConversation>,
    /// By commit, those that are not known to be in files.
    rows: Vec<(u64, StoreMessage)>,
    rolls: RollState,
    /// A roll that was begun and is not known to be finished.
    rolling: Option<Roll>,
    trouble: Option<String>,
    /// A commit could not be told again.
    is_stuck: bool,
}

impl<'a> Replay<'a> {
    fn new(config: &'a Config, looked: Looked) -> Replay<'a> {
        let specs = config.source_specs();
        let streams = Arc::clone(&config.streams);
        Replay {
            reader: StepReader::new(&streams, &specs),
            aggregator: Aggregator::new(streams, specs, config.limits.core, seed()),
            config,
            begun: None,
            looked,
            files: FileBook::default(),
            notes: Vec::new(),
            reads: ReadBook::new(&config.sources),
            senders: Senders::new(MOST_IDS, i64::MAX),
            spoken: Vec::new(),
            kept: Vec::new(),
            rows: Vec::new(),
            rolls: RollState::default(),
            rolling: None,
            trouble: None,
            is_stuck: false,
        }
    }

    fn frame(&mut self, frame: Frame<'_>, is_stale: bool) -> Result<(), StartError> {
        match frame.kind {
            // Later ones are where telling again has come to by itself, unless it was stuck before.
            FrameKind::Checkpoint if self.begun.is_none() || self.is_stuck => {
                self.begin(frame.body, is_stale)?;
            }
            FrameKind::Senders => self.spoken = parsed(frame.body).unwrap_or_default(),
            FrameKind::Files => self.notes = parsed(frame.body).unwrap_or_default(),
            FrameKind::Commit => self.commit(frame.body),
            FrameKind::Boot => self.run_ended(frame.epoch),
            FrameKind::Rolling => self.rolling(frame.body),
            FrameKind::Rolled => self.rolled(frame.body),
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, body: &[u8], is_stale: bool) -> Result<(), StartError> {
        let foreign =
            |what: String| StartError::Foreign(format!("the journal's state cannot be read: {what}"));
        let checkpoint =
            Checkpoint::read(body).map_err(|error: CheckpointError| foreign(error.to_string()))?;
        let judge = restored_judge(self.config, checkpoint.judge)?;
        let before = self.begun.take().map(|before| (before.published, before.unpublished));
        let (published, unpublished) =
            before.unwrap_or_else(|| (std::mem::take(&mut self.looked.published), Vec::new()));
        self.begun = Some(JudgeReplay { judge, published, unpublished });
        self.files = FileBook::new(checkpoint.files);
        self.reads.restore(&checkpoint.reads);
        let in_the_middle = self.looked.config.is_some();
        if in_the_middle {
            checkpoint.followed.into_iter().for_each(|note| self.files.note(note));
        }
        self.senders.restore(checkpoint.senders);
        self.kept = checkpoint.kept;
        checkpoint.spoken.into_iter().for_each(|spoken| self.senders.speak(spoken));
        self.rolls = checkpoint.rolls.unwrap_or_default();
        self.is_stuck = false;
        if !is_stale {
            let specs = self.config.source_specs();
            let streams = Arc::clone(&self.config.streams);
            self.aggregator = Aggregator::new(streams, specs, self.config.limits.core, seed());
            let aggregate = checkpoint.aggregate;
            let gone_on = match in_the_middle {
                true => self.aggregator.go_on_from(aggregate),
                false => self.aggregator.restore(aggregate),
            };
            gone_on.map_err(|error| foreign(error.to_string()))?;
        }
        Ok(())
    }

    /// Does one commit again. What cannot be read ends it: what follows would count on it.
    fn commit(&mut self, body: &[u8]) {
        self.kept.clear();
        if !self.is_stuck
            && let Err(error) = self.try_commit(body)
        {
            self.is_stuck = true;
            self.trouble = Some(format!("what follows in the journal is lost: {error}"));
        }
    }

    fn try_commit(&mut self, body: &[u8]) -> Result<(), StepError> {
        let Some(judge) = &mut self.begun else { return Ok(()) };
        let step = self.reader.read(body)?;
        let (commit, now) = (step.commit, step.now);
        if commit <= self.aggregator.commit() {
            // A segment that heals a failure has commits again that may be missing before it.
            (self.notes, self.spoken) = (Vec::new(), Vec::new());
            return Ok(());
        }
        let closed: Vec<_> = step.closed.iter().map(|(_, conn, _)| *conn).collect();
        if step.orders.iter().any(|order| matches!(order, Order::Resumed(_))) {
            self.files.resumed(&self.aggregator);
            self.senders.restore(self.senders.save());
        }
        self.notes.drain(..).for_each(|note| self.files.note(note));
        self.spoken.drain(..).for_each(|spoken| self.senders.speak(spoken));
        let mut reads = self.reads.clone();
        reads.step(&step, |conn| self.senders.is_named(conn));
        let Some(mut stepped) = self.aggregator.replay(step)? else { return Ok(()) };
        self.reads = reads;
        self.senders.moved(now, |source, conn| self.aggregator.position(source, conn));
        for conn in closed {
            self.files.closed(conn);
            self.senders.closed(conn);
        }
        self.rows.extend(judge.commit(commit, JudgeInput::of(&mut stepped, now)));
        Ok(())
    }

    /// Whatever follows is of the run `epoch`.
    fn run_ended(&mut self, epoch: u64) {
        if let Some(judge) = &mut self.begun {
            self.rows.extend(judge.run_ended(self.aggregator.commit(), epoch));
        }
    }

    fn rolling(&mut self, body: &[u8]) {
        if let Some(roll) = parsed::<Roll>(body) {
            self.rolls.assigned = self.rolls.assigned.max(roll.roll);
            self.rolling = Some(roll);
        }
    }

    fn rolled(&mut self, body: &[u8]) {
        if let Some(roll) = parsed::<Roll>(body) {
            self.rolls.assigned = self.rolls.assigned.max(roll.roll);
            self.rolls.done = roll;
            self.rolling = self.rolling.filter(|begun| begun.roll > roll.roll);
            self.rows.retain(|(commit, _)| *commit > roll.through || is_made(Mutant::RolledAgain));
        }
    }

    fn finish(mut self, ended_in_order: bool) -> Recovered {
        let commit = self.aggregator.commit();
        self.run_ended(u64::MAX);
        if let Some(judge) = &mut self.begun {
            self.looked.marks.iter().for_each(|mark| judge.judge.mark(mark.clone()));
        }
        let backlog = self.backlog(commit);
        let ran_until = Some(self.aggregator.told_until()).filter(|until| until.0 > 0);
        let files = self.files.positions(&self.aggregator);
        let (judge, published, unpublished) = match self.begun {
            Some(JudgeReplay { judge, published, unpublished }) => (Some(judge), published, unpublished),
            None => (None, self.looked.published, Vec::new()),
        };
        Recovered {
            aggregator: self.aggregator,
            ran_until,
            judge,
            files,
            reads: self.reads.save(),
            ended_in_order,
            senders: self.senders.save(),
            kept: self.kept,
            records: published.into_values().map(|published| published.record).collect(),
            unpublished,
            backlog,
            rolls: self.rolls,
            trouble: self.trouble,
        }
    }

    /// The rows that may not be in files: those of the roll that was cut short, and the rest. Both are the
    /// same however often they are begun.
    fn backlog(&mut self, commit: u64) -> Vec<Batch> {
        let mut backlog = Vec::new();
        let rest = Roll { roll: self.rolls.assigned + 1, through: commit };
        for roll in self.rolling.into_iter().chain([rest]) {
            let mut rows = Pending::default();
            for (_, message) in self.rows.extract_if(.., |(commit, _)| *commit <= roll.through) {
                rows.add(message);
            }
            if !rows.is_empty() {
                self.rolls.assigned = roll.roll;
                backlog.push(Batch { roll, rows });
            }
        }
        if backlog.is_empty() {
            self.rolls.done.through = commit;
        }
        backlog
    }
}

/// A judge as it was saved, under `config`.
pub(super) fn restored_judge(config: &Config, saved: JudgeState) -> Result<Judge, StartError> {
    let judge = Judge::restore(Arc::clone(&config.streams), judge_context(config), saved);
    judge.map_err(|error| StartError::Foreign(error.to_string()))
}

fn parsed<T: for<'a> serde::Deserialize<'a>>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

fn tell(left: &journal::Recovered) {
    if left.torn_bytes > 0 {
        tracing::warn!("the journal ended in the middle of a write: {} bytes were cut", left.torn_bytes);
    }
    if let Some(trouble) = trouble(left) {
        tracing::error!("{trouble}");
    }
    if !left.ended_in_order() {
        tracing::warn!("the last run did not end in order: what the journal has of it is told again");
    }
}

/// What is wrong with the journal beyond a crash, in words; none if nothing is.
pub(super) fn trouble(left: &journal::Recovered) -> Option<String> {
    let mut told: Vec<String> = Vec::new();
    told.extend(left.damaged.iter().map(|path| format!("{} is damaged and set aside", path.display())));
    told.extend(left.missing.iter().map(|number| format!("segment {number} of the journal is missing")));
    let other = left.broken.iter().filter(|_| left.damaged.is_empty() && left.missing.is_empty());
    told.extend(
        other.map(|number| format!("segment {number} of the journal does not follow the one before")),
    );
    (!told.is_empty()).then(|| told.join("; ") + "; what was counted in between may be lost")
}
