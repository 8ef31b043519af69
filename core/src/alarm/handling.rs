//! What people do about alarms: they take one, silence some, say what one was.
//!
//! Each of these is a record of the alarms that it changes. A silenced alarm goes on being recorded; when its
//! silence ends before it does, a person hears of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::block::NO_LONGER_SILENCED;
use super::book::{Alarm, AlarmBook, Matter};
use super::compose;
use super::fall::Member;
use super::life::{Acked, Life, News};
use super::record::{AlarmRecord, Because, Kind};
use super::words::{self, Clock};
use crate::model::{AlarmOrder, Label, Minute, Silence, Slice, TimeUs};

/// Most silences at a time; of more, those that end first are dropped.
pub const MOST_SILENCES: usize = 256;
/// Most alarms that are known after they can't be opened again …
pub(super) const MOST_PAST: usize = 256;
/// … and for how long: five weeks, so that a month can be looked back on.
const PAST_MINUTES: i32 = 35 * 1440;
/// Most slices that a past alarm is remembered to have touched.
const MOST_TOUCHED: usize = 64;

/// A silence, and the number that it is ended by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldSilence {
    /// Its number, for people.
    pub id: u64,
    /// What is silenced, and until when.
    #[serde(flatten)]
    pub silence: Silence,
}

/// All silences, and the number of the last one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Silences {
    last: u64,
    held: Vec<HeldSilence>,
}

/// An alarm that is over for good: what is kept of it so that people may still say what it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Past {
    pub(super) life: Life,
    pub(super) record: AlarmRecord,
    touched: Vec<Slice>,
}

impl Past {
    pub(super) fn of(alarm: Alarm) -> Past {
        let touched = touched(&alarm.life, &alarm.matter).into_iter().take(MOST_TOUCHED).collect();
        Past { life: alarm.life, record: alarm.record, touched }
    }
}

/// What an alarm was about, for whoever learns from what people say of it.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// The stream.
    pub stream: String,
    /// What kind of trouble it is.
    pub kind: Kind,
    /// The slice that it is about.
    pub slice: Slice,
    /// This and other slices that fell.
    pub touched: BTreeSet<Slice>,
    /// The likeliest first minute.
    pub onset: Minute,
    /// The first minute after it, once it is over.
    pub ended: Option<Minute>,
    /// What a person said it was.
    pub label: Option<Label>,
}

impl About {
    /// Whether a slice fell with it, or lies inside what fell.
    pub fn covers(&self, slice: &Slice) -> bool {
        self.slice.contains(slice) || self.touched.contains(slice)
    }
}

/// The slices of an alarm: the one it was opened for, the one it is about, those in `drop`.
fn touched(life: &Life, matter: &Matter) -> BTreeSet<Slice> {
    let mut slices = BTreeSet::from([life.root.clone()]);
    if let Matter::Fall(fall) = matter {
        slices.insert(fall.shown.clone());
        slices.extend(fall.members.iter().map(|member| member.slice.clone()));
    }
    slices
}

impl Silences {
    fn until(&self, life: &Life, matter: &Matter, now: TimeUs) -> Option<TimeUs> {
        match matter {
            Matter::Fall(fall) => self.until_of(life, &fall.shown, &fall.members, now),
            _ => self.until_of(life, &life.root, &[], now),
        }
    }

    /// Until when an alarm about `about` is silenced, of which these are the members.
    pub(super) fn until_of(
        &self,
        life: &Life,
        about: &Slice,
        members: &[Member],
        now: TimeUs,
    ) -> Option<TimeUs> {
        let covers = |held: &&HeldSilence| {
            let touched = members.iter().map(|member| &member.slice);
            held.silence.what.covers(&life.key, &life.stream, about, touched)
        };
        let open = self.held.iter().filter(|held| held.silence.until > now);
        open.filter(covers).map(|held| held.silence.until).max()
    }

    fn add(&mut self, silence: Silence) {
        self.last += 1;
        self.held.push(HeldSilence { id: self.last, silence });
        if self.held.len() > MOST_SILENCES
            && let Some(first) = (0..self.held.len()).min_by_key(|at| self.held[*at].silence.until)
        {
            self.held.remove(first);
        }
    }
}

impl AlarmBook {
    /// Does what a person ordered. `revise_us` says for how long late data count in a stream. Returns the
    /// records that come of it, in order of `seq`.
    pub fn ordered(
        &mut self,
        order: &AlarmOrder,
        now: TimeUs,
        revise_us: &dyn Fn(&str) -> i64,
    ) -> Vec<AlarmRecord> {
        match order {
            AlarmOrder::Ack { no, by, text } => {
                let acked = Acked { at: now, by: by.clone(), text: text.clone() };
                let news = News::plain(Because::Acked);
                self.say_again(*no, news, now, revise_us, |life| life.acked = Some(acked))
                    .into_iter()
                    .collect()
            }
            AlarmOrder::Label { no, label, by } => {
                let by = words::escape(by);
                let said = match label {
                    Some(label) => format!("labelled {} by {by}", label.name()),
                    None => format!("the label was taken back by {by}"),
                };
                let news = News::told(Because::Update, said);
                self.say_again(*no, news, now, revise_us, |life| life.label = *label).into_iter().collect()
            }
            AlarmOrder::Silence(silence) => {
                self.pages.silences.add(silence.clone());
                let until = Clock::utc(now).minute_zoned(silence.until);
                let said = format!("silenced until {until} by {}", words::escape(&silence.by));
                self.tell_silences(&said, now, revise_us)
            }
            AlarmOrder::Unsilence { id, by } => {
                self.pages.silences.held.retain(|held| held.id != *id);
                self.tell_silences(&format!("the silence was ended by {}", words::escape(by)), now, revise_us)
            }
        }
    }

    /// Silences that have not ended, by number.
    pub fn silences_held(&self, now: TimeUs) -> Vec<HeldSilence> {
        self.pages.silences.held.iter().filter(|held| held.silence.until > now).cloned().collect()
    }

    /// The latest record of each alarm that is over, the latest alarm first.
    pub fn over(&self) -> Vec<AlarmRecord> {
        let ended = self.pages.ended.iter().map(|alarm| &alarm.record);
        let mut over: Vec<AlarmRecord> =
            ended.chain(self.pages.past.iter().map(|past| &past.record)).cloned().collect();
        over.sort_by_key(|record| std::cmp::Reverse(record.no));
        over
    }

    /// What an alarm is about; `None` if it is not known, or known no more.
    pub fn about(&self, no: u64) -> Option<About> {
        let alarms = self.pages.open.iter().chain(&self.pages.ended);
        if let Some(alarm) = alarms.into_iter().find(|alarm| alarm.life.no == no) {
            return Some(about(&alarm.life, &alarm.record, touched(&alarm.life, &alarm.matter)));
        }
        let past = self.pages.past.iter().find(|past| past.life.no == no)?;
        Some(about(&past.life, &past.record, past.touched.iter().cloned().collect()))
    }

    /// Open alarms of a stream that a person has labelled `expected`, and what they are about.
    pub fn expected_now(&self, stream: &str) -> Vec<(u64, About)> {
        let alarms = self.pages.open.iter().filter(|alarm| alarm.life.label == Some(Label::Expected));
        let alarms = alarms.filter(|alarm| alarm.life.stream == stream);
        let about = |alarm: &Alarm| about(&alarm.life, &alarm.record, touched(&alarm.life, &alarm.matter));
        alarms.map(|alarm| (alarm.life.no, about(alarm))).collect()
    }

    /// Notes whether an alarm is silenced before a record of it is written. One that is so no more is to be heard
    /// of, if it is still open.
    pub(super) fn look_at_silences(&self, life: &mut Life, matter: &Matter, news: News, now: TimeUs) -> News {
        let before = life.silenced_until;
        life.silenced_until = self.pages.silences.until(life, matter, now);
        if before.is_none() || life.silenced_until.is_some() || !life.is_open() {
            return news;
        }
        let over = NO_LONGER_SILENCED;
        let reason = news.reason.map_or(over.to_owned(), |reason| format!("{reason}; {over}"));
        News { reason: Some(reason), is_loud: true, ..news }
    }

    /// Alarms whose silence has ended and of which nothing was told since.
    pub(super) fn end_silences(&mut self, now: TimeUs, records: &mut Vec<AlarmRecord>) {
        if self.pages.silences.held.iter().all(|held| held.silence.until > now) {
            return;
        }
        self.pages.silences.held.retain(|held| held.silence.until > now);
        records.extend(self.tell_silences("", now, &|_| 0));
    }

    /// Tells the open alarms for which it has changed until when they are silenced.
    fn tell_silences(
        &mut self,
        said: &str,
        now: TimeUs,
        revise_us: &dyn Fn(&str) -> i64,
    ) -> Vec<AlarmRecord> {
        let changed = |alarm: &&Alarm| {
            alarm.life.silenced_until != self.pages.silences.until(&alarm.life, &alarm.matter, now)
        };
        let nos: Vec<u64> = self.pages.open.iter().filter(changed).map(|alarm| alarm.life.no).collect();
        let news = || News {
            reason: Some(said.to_owned()).filter(|said| !said.is_empty()),
            ..News::plain(Because::Update)
        };
        nos.into_iter().filter_map(|no| self.say_again(no, news(), now, revise_us, |_| {})).collect()
    }

    /// Changes an alarm's life and writes its latest record again.
    fn say_again(
        &mut self,
        no: u64,
        news: News,
        now: TimeUs,
        revise_us: &dyn Fn(&str) -> i64,
        change: impl FnOnce(&mut Life),
    ) -> Option<AlarmRecord> {
        let (mut life, latest) = self.handled(no).map(|(life, record)| {
            change(life);
            life.rev += 1;
            (life.clone(), record.clone())
        })?;
        let news = match self.pages.open.iter().find(|alarm| alarm.life.no == no) {
            Some(alarm) => self.look_at_silences(&mut life, &alarm.matter, news, now),
            None => news,
        };
        let bare = compose::bare(&self.context, &life, &news, now.minute(), now);
        let record = self.number(compose::again(&latest, bare), &life, revise_us(&life.stream));
        self.note_incident(&record, &life, revise_us(&life.stream));
        let (kept, latest) = self.handled(no)?;
        (*kept, *latest) = (life, record.clone());
        Some(record)
    }

    /// An alarm that is open or over, and its latest record.
    fn handled(&mut self, no: u64) -> Option<(&mut Life, &mut AlarmRecord)> {
        let pages = &mut self.pages;
        let alarms = pages.open.iter_mut().chain(&mut pages.ended);
        let alarms = alarms.map(|alarm| (&mut alarm.life, &mut alarm.record));
        let past = pages.past.iter_mut().map(|past| (&mut past.life, &mut past.record));
        alarms.chain(past).find(|(life, _)| life.no == no)
    }

    /// Lets go of what ended long ago.
    pub(super) fn forget_past(&mut self, minute: Minute) {
        let is_kept = |past: &Past| past.life.ended.is_some_and(|ended| minute.0 - ended.0 <= PAST_MINUTES);
        self.pages.past.retain(is_kept);
        let beyond = self.pages.past.len().saturating_sub(MOST_PAST);
        self.pages.past.drain(..beyond);
    }
}

fn about(life: &Life, record: &AlarmRecord, touched: BTreeSet<Slice>) -> About {
    About {
        stream: life.stream.clone(),
        kind: life.kind,
        slice: record.slice.clone(),
        touched,
        onset: life.onset[1],
        ended: life.ended,
        label: life.label,
    }
}
