//! What the judge is told, and what comes of it: the same live and in a recovery.
//!
//! In: what came of a step. Out: alarm records, and rows for the store. Must not know: threads, the journal,
//! who hears of alarms.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ebbd_core::aggregate::Stepped;
use ebbd_core::alarm::{AlarmRecord, Because, Kind};
use ebbd_core::judge::{Judge, JudgedMinute, RevisedRow};
use ebbd_core::model::{AlarmOrder, Glance, Ledger, Mark, SealedMinute, SourceArrivals, StreamId, TimeUs};

use super::incidents;
use super::publish::Published;
use crate::store::{JudgedRow, StoreMessage};
use crate::sys::{Mutant, is_made};

/// Something that the judge is told, and behind it the store.
#[derive(Clone, Debug)]
pub enum JudgeInput {
    /// What a person ordered about alarms, and when that took effect.
    Ordered(AlarmOrder, TimeUs),
    /// A sealed minute, and when it was sealed: it is judged as of then.
    Minute(Arc<SealedMinute>, TimeUs),
    /// All revisions of a commit, and its time.
    Late(Vec<Arc<SealedMinute>>, TimeUs),
    /// What open minutes have so far.
    Glance(Glance),
    /// Rows of a minute that is still open: they are stored and not judged.
    Open(Arc<SealedMinute>),
    /// A change marker.
    Mark(Mark),
    /// What came of each source in past minutes of arrival, and when it was told.
    Arrivals(Vec<SourceArrivals>, TimeUs),
    /// Ledger entries on their way to the store.
    Ledger(Ledger),
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// New alarm records.
    pub records: Vec<AlarmRecord>,
    /// Rows for the store, but for those of the records.
    pub rows: Vec<StoreMessage>,
}

/// What an onlooker sees.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// A minute was judged; how long it took.
    Judged(&'a JudgedMinute, Duration),
    /// Verdicts were judged anew.
    Revised(&'a [RevisedRow]),
    /// A change marker came.
    Marked(&'a Mark),
}

/// Who looks on.
pub type Onlooker<'a> = &'a mut dyn FnMut(Seen<'_>);

impl JudgeInput {
    /// What a step that was sealed at `now` has for the judge, in its order.
    pub fn of(stepped: &mut Stepped, now: TimeUs) -> Vec<JudgeInput> {
        let ordered = stepped.alarm_orders.drain(..).map(|order| JudgeInput::Ordered(order, now));
        let mut inputs: Vec<JudgeInput> = ordered.collect();
        if !stepped.arrivals.is_empty() {
            inputs.push(JudgeInput::Arrivals(std::mem::take(&mut stepped.arrivals), now));
        }
        let sealed = stepped.sealed.drain(..);
        inputs.extend(sealed.map(|sealed| JudgeInput::Minute(Arc::new(sealed), now)));
        if !stepped.revisions.is_empty() {
            inputs.push(JudgeInput::Late(stepped.revisions.drain(..).map(Arc::new).collect(), now));
        }
        inputs.extend(stepped.glances.drain(..).map(JudgeInput::Glance));
        inputs.extend(stepped.open_rows.drain(..).map(|open| JudgeInput::Open(Arc::new(open))));
        inputs.extend(stepped.marks.drain(..).map(JudgeInput::Mark));
        let ledger = std::mem::take(&mut stepped.ledger);
        if !ledger.0.is_empty() {
            inputs.push(JudgeInput::Ledger(ledger));
        }
        inputs
    }

    /// Tells the judge.
    pub fn tell(self, judge: &mut Judge, onlooker: Onlooker<'_>) -> Outcome {
        match self {
            JudgeInput::Ordered(order, now) => {
                let records = judge.ordered(&order, now);
                Outcome { records, rows: changed_incidents(judge).into_iter().collect() }
            }
            JudgeInput::Minute(sealed, now) => minute(judge, sealed, now, onlooker),
            JudgeInput::Late(revisions, now) => late(judge, revisions, now, onlooker),
            JudgeInput::Glance(glance) => Outcome::records(judge.glance(&glance), judge),
            JudgeInput::Arrivals(arrivals, now) => Outcome::records(judge.arrivals(&arrivals, now), judge),
            JudgeInput::Open(open) => Outcome::rows(vec![StoreMessage::Minute(open)]),
            JudgeInput::Mark(mark) => {
                onlooker(Seen::Marked(&mark));
                judge.mark(mark.clone());
                Outcome::rows(vec![StoreMessage::Marks(vec![mark])])
            }
            JudgeInput::Ledger(ledger) => Outcome::rows(vec![StoreMessage::Ledger(ledger)]),
        }
    }
}

impl Outcome {
    fn records(records: Vec<AlarmRecord>, judge: &mut Judge) -> Outcome {
        let rows = if records.is_empty() { None } else { changed_incidents(judge) };
        Outcome { records, rows: rows.into_iter().collect() }
    }

    fn rows(rows: Vec<StoreMessage>) -> Outcome {
        Outcome { records: Vec::new(), rows }
    }
}

fn minute(judge: &mut Judge, sealed: Arc<SealedMinute>, now: TimeUs, onlooker: Onlooker<'_>) -> Outcome {
    let begun = Instant::now();
    let mut judged = judge.judge(&sealed, now);
    onlooker(Seen::Judged(&judged, begun.elapsed()));
    let stream = sealed.stream;
    let mut rows = vec![StoreMessage::Minute(sealed)];
    let records = std::mem::take(&mut judged.records);
    if !records.is_empty() {
        rows.extend(changed_incidents(judge));
    }
    let slices = judged_rows(judged);
    if !slices.is_empty() {
        rows.push(StoreMessage::Slices(stream, slices));
    }
    Outcome { records, rows }
}

fn late(
    judge: &mut Judge,
    revisions: Vec<Arc<SealedMinute>>,
    now: TimeUs,
    onlooker: Onlooker<'_>,
) -> Outcome {
    let revised = judge.revise(&revisions, now);
    onlooker(Seen::Revised(&revised.rows));
    let mut rows: Vec<StoreMessage> = revisions.into_iter().map(StoreMessage::Minute).collect();
    rows.extend(changed_incidents(judge));
    let mut slices: BTreeMap<StreamId, Vec<JudgedRow>> = BTreeMap::new();
    for RevisedRow { stream, minute, revision, row } in revised.rows {
        let (slice, verdict) = (row.slice, row.verdict);
        slices.entry(stream).or_default().push(JudgedRow {
            minute,
            slice,
            verdict,
            revision,
            judged_at: now,
        });
    }
    rows.extend(slices.into_iter().map(|(stream, rows)| StoreMessage::Slices(stream, rows)));
    Outcome { records: revised.records, rows }
}

/// Incidents that records have changed.
pub(super) fn changed_incidents(judge: &mut Judge) -> Option<StoreMessage> {
    let changed = judge.incidents_changed();
    (!changed.is_empty()).then(|| StoreMessage::Incidents(changed.into_iter().map(incidents::rows).collect()))
}

fn judged_rows(judged: JudgedMinute) -> Vec<JudgedRow> {
    let (minute, judged_at, revision) = (judged.minute, judged.judged_at, judged.revision);
    let row = |row: ebbd_core::judge::SliceRow| JudgedRow {
        minute,
        slice: row.slice,
        verdict: row.verdict,
        revision,
        judged_at,
    };
    judged.rows.into_iter().map(row).collect()
}

/// A judge that is told again what it was told before a crash.
pub struct JudgeReplay {
    /// The judge.
    pub judge: Judge,
    /// Records that were on disk, by number.
    pub published: BTreeMap<u64, Published>,
    /// Records that were not: somebody may not have heard of them.
    pub unpublished: Vec<AlarmRecord>,
}

impl JudgeReplay {
    /// Tells the judge what came of `commit`; gives all rows, each with the commit whose rows it was among.
    pub fn commit(&mut self, commit: u64, inputs: Vec<JudgeInput>) -> Vec<(u64, StoreMessage)> {
        let is_due = |published: &Published| published.commit.is_none_or(|of| of <= commit);
        let mut rows = Vec::new();
        for input in inputs {
            rows.extend(self.own_troubles(commit, is_due));
            rows.extend(self.tell(input).into_iter().map(|row| (commit, row)));
        }
        rows.extend(self.own_troubles(commit, is_due));
        rows
    }

    /// The run before `epoch` got no further than `commit`: what it published beyond is told.
    pub fn run_ended(&mut self, commit: u64, epoch: u64) -> Vec<(u64, StoreMessage)> {
        let rows = self.own_troubles(commit, |published| published.epoch < epoch);
        let of_it = self.published.values().filter(|published| published.epoch < epoch);
        let records = of_it.map(|published| &published.record).chain(&self.unpublished);
        let (seq, no) = records.fold((0, 0), |(seq, no), one| (one.seq.max(seq), one.no.max(no)));
        self.judge.skip_to(seq, no);
        rows
    }

    fn tell(&mut self, input: JudgeInput) -> Vec<StoreMessage> {
        let outcome = input.tell(&mut self.judge, &mut |_| {});
        let mut rows = outcome.rows;
        if !outcome.records.is_empty() {
            let is_new = |record: &&AlarmRecord| !self.published.contains_key(&record.seq);
            self.unpublished.extend(outcome.records.iter().filter(is_new).cloned());
            rows.push(StoreMessage::Alarms(outcome.records));
        }
        rows
    }

    /// ebbd's own troubles are not told by steps: what was published of them and is due is told to the judge
    /// again where it stood among the records.
    fn own_troubles(&mut self, commit: u64, is_due: impl Fn(&Published) -> bool) -> Vec<(u64, StoreMessage)> {
        let (mut rows, mut last) = (Vec::new(), commit);
        while let Some(published) = self.published.get(&(self.judge.seq() + 1)).filter(|p| is_due(p)) {
            let record = &published.record;
            let what = record.key.rsplit('/').next().unwrap_or_default();
            let at = record.at.parse().map_or(TimeUs(0), |at: jiff::Timestamp| TimeUs(at.as_microsecond()));
            let text = record.title.split_once(": ").map_or("", |(_, text)| text);
            let again = match (record.kind == Kind::Ebbd, record.because == Because::Resolved) {
                (false, _) => None,
                (true, true) => self.judge.trouble_over(what, at),
                (true, false) => self.judge.trouble(what, text, record.severity, at),
            };
            let Some(again) = again else { break };
            last =
                published.commit.unwrap_or(commit).min(commit) + u64::from(is_made(Mutant::TroubleMisfiled));
            rows.push((last, StoreMessage::Alarms(vec![again])));
        }
        if !rows.is_empty() {
            rows.extend(changed_incidents(&mut self.judge).map(|incidents| (last, incidents)));
        }
        rows
    }
}
