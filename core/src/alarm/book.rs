//! The alarm book: from the verdicts of each sealed minute to alarm records with dense numbers.
//!
//! A drop alarm opens when a slice's verdict becomes `drop`. A slice above or below the members of an
//! open alarm joins it; the others that fall in the same minute are one alarm per chain of relation.
//! At most one record per alarm and minute.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::compose::{self, BookContext};
use super::early::Herald;
use super::fall::Fall;
use super::handling::{Past, Silences};
use super::incident::Incident;
use super::life::{self, Life, News};
use super::linger::Linger;
use super::marks::Marks;
use super::recent::Recent;
use super::record::{AlarmRecord, Because, Kind, Severity, State};
use super::scene::{Scene, SliceRow, Subject};
use super::silence::Silence;
use crate::detect::Verdict;
use crate::impact::Baskets;
use crate::model::{Mark, Minute, SealedMinute, Slice, SourceState, StreamSpec, TimeUs, View};

/// The same trouble within this time of its end is the same alarm.
const REOPEN_MINUTES: i32 = 30;
/// Most open alarms; beyond, what falls is counted in [`AlarmBook::refused`].
const MOST_OPEN: usize = 256;
/// Most ended alarms kept to be opened again, and most incident rows waiting to be taken.
const MOST_KEPT: usize = 1024;

/// All alarms of a daemon. Deterministic: the same minutes give the same records.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmBook {
    pub(super) context: BookContext,
    pub(super) pages: Pages,
    /// Incident rows that changed since they were last taken.
    pub(super) changed: Vec<Incident>,
}

/// The part of the book that is saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pages {
    pub(super) seq: u64,
    pub(super) no: u64,
    pub(super) open: Vec<Alarm>,
    pub(super) ended: VecDeque<Alarm>,
    pub(super) marks: Marks,
    pub(super) streams: BTreeMap<String, Memory>,
    /// The last minutes of each funnel, by name.
    #[serde(default)]
    pub(super) funnels: BTreeMap<String, Recent>,
    pub(super) refused: u64,
    /// Drops told from open minutes that no sealed minute has borne out yet.
    #[serde(default)]
    pub(super) heralds: Vec<Herald>,
    /// What ended too long ago to be opened again, the oldest first.
    #[serde(default)]
    pub(super) past: VecDeque<Past>,
    #[serde(default)]
    pub(super) silences: Silences,
    /// Slices that ended alarms have left over.
    #[serde(default)]
    pub(super) lingering: Vec<Linger>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Alarm {
    pub(super) life: Life,
    pub(super) matter: Matter,
    /// The latest record made from sealed minutes or late data.
    pub(super) record: AlarmRecord,
    /// What an open minute has said since then.
    #[serde(default)]
    pub(super) early: Option<Box<AlarmRecord>>,
}

/// What an alarm is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Matter {
    Fall(Box<Fall>),
    Silence(Silence),
    Trouble { what: String, text: String },
}

/// A trouble that is told in words of its own.
#[derive(Clone, Copy, Debug)]
pub struct Trouble<'a> {
    /// What kind it is.
    pub kind: Kind,
    /// The stream that it is about; empty for ebbd itself.
    pub stream: &'a str,
    /// Its short name; two of one name are one alarm.
    pub what: &'a str,
    /// What is said of it.
    pub text: &'a str,
    /// How loud it is.
    pub severity: Severity,
    /// Since when.
    pub since: Minute,
}

/// What the book remembers of a stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) recent: Recent,
    pub(super) baskets: Baskets,
    pub(super) had_data: bool,
    /// Start of the first of the present run of minutes without any data.
    pub(super) blank_since: Option<TimeUs>,
    /// The first minute in which a slice could have alarmed.
    #[serde(default)]
    pub(super) judged_since: Option<Minute>,
}

impl Memory {
    fn note(&mut self, sealed: &SealedMinute, rows: &[SliceRow]) {
        self.recent.push(sealed.minute, rows);
        self.had_data |= sealed.judged_rows().any(|row| row.count > 0);
        // While ebbd itself did not run nobody is missing: that is no silence of the senders.
        let unheard = sealed.sources.iter().any(|source| source.state == SourceState::Alive);
        self.blank_since = match (sealed.completeness.no_data && !unheard, self.blank_since) {
            (true, since) => since.or(Some(sealed.minute.start())),
            (false, _) => None,
        };
    }

    fn begin_judging(&mut self, minute: Minute, rows: &[SliceRow]) {
        let is_judged = |row: &SliceRow| !matches!(row.verdict.verdict, Verdict::Learning | Verdict::NoData);
        if self.judged_since.is_none() && rows.iter().any(is_judged) {
            self.judged_since = Some(minute);
        }
    }

    /// Events expected per minute in the whole stream: as judged, else as it was judged last.
    pub(super) fn expected(&self, scene: &Scene) -> Option<f64> {
        let whole = Slice::default();
        let judged = scene.verdict(&whole).and_then(|verdict| verdict.expected);
        judged.or_else(|| {
            let window = self.recent.window(&whole, Minute(i32::MIN));
            (window.minutes > 0).then(|| window.expected / f64::from(window.minutes))
        })
    }
}

impl AlarmBook {
    /// An empty book.
    pub fn new(context: BookContext) -> AlarmBook {
        AlarmBook { context, pages: Pages::default(), changed: Vec::new() }
    }

    /// Learns from a minute of history (baskets, who has ever sent) without any alarm.
    pub fn learn(&mut self, spec: &StreamSpec, sealed: &SealedMinute, rows: &[SliceRow]) {
        let memory = self.pages.streams.entry(spec.name.clone()).or_default();
        memory.note(sealed, rows);
        let falling =
            |alarm: &Alarm| matches!(alarm.matter, Matter::Fall(_)) && alarm.life.stream == spec.name;
        if !self.pages.open.iter().any(falling) {
            memory.baskets.learn(spec, sealed);
        }
    }

    /// Takes the verdicts of one sealed minute; minutes of a stream come in ascending order. Returns the
    /// records to be sent, in order of `seq`. Revisions of sealed minutes change nothing here.
    pub fn minute(
        &mut self,
        spec: &StreamSpec,
        sealed: &SealedMinute,
        rows: &[SliceRow],
        now: TimeUs,
    ) -> Vec<AlarmRecord> {
        if sealed.revision > 0 {
            return Vec::new();
        }
        self.learn(spec, sealed, rows);
        let mut memory = self.pages.streams.remove(&spec.name).unwrap_or_default();
        let mut marks = std::mem::take(&mut self.pages.marks);
        let subject = Subject {
            kind: Kind::Drop,
            name: &spec.name,
            view: self.context.view,
            opens: true,
            per: None,
            priced: spec,
            baskets: &memory.baskets,
        };
        let scene = Scene::new((spec, subject), sealed, rows, now, (&memory.recent, &marks));
        let mut records = Vec::new();
        self.falls(&scene, &mut records);
        if self.context.view == View::Part {
            let traffic = Subject { kind: Kind::Traffic, opens: Subject::alike(rows), ..subject };
            let traffic = Scene::new((spec, traffic), sealed, rows, now, (&memory.recent, &marks));
            self.falls(&traffic, &mut records);
        }
        self.settle(&scene, &mut records);
        self.silences(&scene, &memory, &mut records);
        records.iter().for_each(|record| marks.follow(record));
        self.pages.marks = marks;
        memory.begin_judging(sealed.minute, rows);
        self.pages.streams.insert(spec.name.clone(), memory);
        self.end_silences(now, &mut records);
        self.put_away(sealed.minute);
        records
    }

    /// Keeps a change marker: it is looked at for onsets 30 minutes after it and 3 before.
    pub fn mark(&mut self, mark: Mark) {
        self.pages.marks.add(mark);
    }

    /// The change markers that are kept.
    pub fn marks(&self) -> &Marks {
        &self.pages.marks
    }

    /// The latest record of each open alarm, by number.
    pub fn open_alarms(&self) -> Vec<AlarmRecord> {
        let latest = |alarm: &Alarm| {
            let early = alarm.early.as_deref().filter(|early| early.seq > alarm.record.seq);
            early.unwrap_or(&alarm.record).clone()
        };
        let told = self.pages.open.iter().map(latest);
        let mut open: Vec<AlarmRecord> =
            told.chain(self.pages.heralds.iter().map(|herald| herald.record.clone())).collect();
        open.retain(|record| record.state != State::Resolved);
        open.sort_by_key(|record| record.no);
        open
    }

    /// The rows of incidents that opened or changed their state since the last call, the latest of each.
    pub fn incidents_changed(&mut self) -> Vec<Incident> {
        std::mem::take(&mut self.changed)
    }

    /// Goes on behind these numbers: records and alarms that a crash has cut off from the saved state
    /// were numbered up to here, and no number is given twice.
    pub fn skip_to(&mut self, seq: u64, no: u64) {
        self.pages.seq = self.pages.seq.max(seq);
        self.pages.no = self.pages.no.max(no);
    }

    /// The sequence number of the latest record; 0 before the first.
    pub fn seq(&self) -> u64 {
        self.pages.seq
    }

    /// Alarms that found no room among the open ones.
    pub fn refused(&self) -> u64 {
        self.pages.refused
    }

    /// ebbd's own trouble, named by a short key (`disk`, `quarantine`). Told when it begins and when its
    /// text changes.
    pub fn trouble(
        &mut self,
        what: &str,
        text: &str,
        severity: Severity,
        now: TimeUs,
    ) -> Option<AlarmRecord> {
        let (kind, since) = (Kind::Ebbd, now.minute());
        self.trouble_of(&Trouble { kind, stream: "", what, text, severity, since }, now)
    }

    /// A trouble that is told in words of its own. Told when it begins and when its text changes.
    pub fn trouble_of(&mut self, trouble: &Trouble, now: TimeUs) -> Option<AlarmRecord> {
        let &Trouble { kind, stream, what, text, severity, since } = trouble;
        let open = self.pages.open.iter().position(|a| is_trouble(a, what));
        let matter = Matter::Trouble { what: what.to_owned(), text: text.to_owned() };
        let Some(at) = open else {
            let life = self.begin(kind, stream, what, [since; 3], severity, now)?;
            return Some(self.tell_trouble(life, matter, News::plain(Because::Opened), now));
        };
        if self.pages.open[at].matter == matter && self.pages.open[at].life.severity == severity {
            return None;
        }
        let mut life = self.pages.open.remove(at).life;
        let louder = severity == Severity::Page && life.severity == Severity::Ticket;
        life.severity = severity;
        let because = if louder { Because::Escalated } else { Because::Update };
        Some(self.tell_trouble(life, matter, News::plain(because), now))
    }

    /// Trouble named `what` is over; nothing happens if it was not open.
    pub fn trouble_over(&mut self, what: &str, now: TimeUs) -> Option<AlarmRecord> {
        self.trouble_over_at(what, (now.minute(), "over"), now)
    }

    /// Trouble named `what` was over with this minute, and why.
    pub fn trouble_over_at(
        &mut self,
        what: &str,
        (ended, why): (Minute, &str),
        now: TimeUs,
    ) -> Option<AlarmRecord> {
        let at = self.pages.open.iter().position(|a| is_trouble(a, what))?;
        let Alarm { mut life, matter, .. } = self.pages.open.remove(at);
        life.state = State::Resolved;
        life.ended = Some(ended);
        let record = self.tell_trouble(life, matter, News::told(Because::Resolved, why), now);
        self.put_away(now.minute());
        Some(record)
    }

    fn tell_trouble(&mut self, mut life: Life, matter: Matter, news: News, now: TimeUs) -> AlarmRecord {
        life.rev += 1;
        let news = self.look_at_silences(&mut life, &matter, news, now);
        let bare = compose::bare(&self.context, &life, &news, now.minute(), now);
        let Matter::Trouble { what, text } = &matter else { return bare };
        let record = self.number(compose::of_trouble(bare, what, text), &life, 0);
        self.pages.open.push(Alarm { life, matter, record: record.clone(), early: None });
        self.pages.open.sort_by_key(|alarm| alarm.life.no);
        record
    }

    /// Gives a record its sequence number and notes what it changes in the incidents.
    pub(super) fn number(&mut self, record: AlarmRecord, life: &Life, revise_us: i64) -> AlarmRecord {
        let record = self.number_only(record);
        if record.because != Because::Update || record.late {
            self.note_incident(&record, life, revise_us);
        }
        record
    }

    /// Gives a record its sequence number; it may be taken back, and changes no incident.
    pub(super) fn number_only(&mut self, record: AlarmRecord) -> AlarmRecord {
        self.pages.seq += 1;
        AlarmRecord { seq: self.pages.seq, ..record }
    }

    /// What the `incidents` dataset has of an alarm has changed.
    pub(super) fn note_incident(&mut self, record: &AlarmRecord, life: &Life, revise_us: i64) {
        self.changed.retain(|row| row.id != record.id);
        if self.changed.len() < MOST_KEPT {
            self.changed.push(Incident::of(record, life, revise_us));
        }
    }

    /// A new alarm's life. `None` when there are too many open ones.
    pub(super) fn begin(
        &mut self,
        kind: Kind,
        stream: &str,
        what: &str,
        onset: [Minute; 3],
        severity: Severity,
        now: TimeUs,
    ) -> Option<Life> {
        if self.pages.open.len() + self.pages.heralds.len() >= MOST_OPEN {
            self.pages.refused += 1;
            return None;
        }
        let key = life::key(kind, stream, what);
        self.pages.no += 1;
        Some(Life {
            no: self.pages.no,
            id: life::id(&key, onset[1]),
            key,
            rev: 0,
            stream: stream.to_owned(),
            kind,
            state: State::Firing,
            severity,
            root: Slice::default(),
            onset,
            detected: now,
            foretold: None,
            ended: None,
            acked: None,
            label: None,
            silenced_until: None,
        })
    }

    /// The alarm of the same key that ended a short while ago.
    pub(super) fn take_ended(&mut self, kind: Kind, stream: &str, what: &str) -> Option<Alarm> {
        let key = life::key(kind, stream, what);
        let at = self.pages.ended.iter().position(|alarm| alarm.life.key == key)?;
        self.pages.ended.remove(at)
    }

    /// Moves what has ended aside, and forgets what ended long ago.
    pub(super) fn put_away(&mut self, minute: Minute) {
        let (open, ended): (Vec<Alarm>, Vec<Alarm>) =
            std::mem::take(&mut self.pages.open).into_iter().partition(|alarm| alarm.life.is_open());
        self.pages.open = open;
        self.pages.ended.extend(ended);
        let is_old = |alarm: &Alarm| alarm.life.ended.is_none_or(|ended| minute.0 - ended.0 > REOPEN_MINUTES);
        let (old, mut fresh): (VecDeque<Alarm>, VecDeque<Alarm>) =
            std::mem::take(&mut self.pages.ended).into_iter().partition(is_old);
        let beyond = fresh.len().saturating_sub(MOST_KEPT);
        let old = old.into_iter().chain(fresh.drain(..beyond)).map(Past::of);
        self.pages.past.extend(old);
        self.pages.ended = fresh;
        self.forget_past(minute);
    }
}

fn is_trouble(alarm: &Alarm, name: &str) -> bool {
    matches!(&alarm.matter, Matter::Trouble { what, .. } if what == name)
}
