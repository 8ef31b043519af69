//! Late data in the book: open and recent drops are revised, or withdrawn when nothing of them is left.
//!
//! Records made here say `late`. Silences stay as they were told: that nothing came at its time was true.

use std::collections::BTreeSet;

use super::book::{Alarm, AlarmBook, Matter, Memory};
use super::compose;
use super::fall::Fall;
use super::life::{Life, News};
use super::record::{AlarmRecord, Because, Kind, State};
use super::words::{self, Clock};
use crate::detect::SliceVerdict;
use crate::model::{Minute, Slice, StreamSpec, TimeUs};

/// Late events are told when they are so much of what was believed to be lost, or change a verdict.
const WORTH_TELLING: f64 = 0.1;

/// What came late to one stream, as it was judged anew.
pub struct LateNews<'a> {
    /// Verdicts that changed in any figure, by minute.
    pub verdicts: &'a [LateVerdict],
    /// Slices whose open drop was none.
    pub was_none: &'a BTreeSet<Slice>,
    /// Whether too little is left of a drop of a slice: with its earliest and likeliest first minute and its
    /// last one.
    pub refutes: &'a dyn Fn(&Slice, [Minute; 2], Minute) -> bool,
    /// What is said of a slice in the last minute.
    pub latest: &'a dyn Fn(&Slice) -> Option<SliceVerdict>,
    /// Which part of the events came after their minute was sealed.
    pub fraction: f64,
    /// The last minute that was sealed.
    pub last: Minute,
    /// When it is.
    pub now: TimeUs,
}

/// A verdict judged anew.
#[derive(Clone, Debug, PartialEq)]
pub struct LateVerdict {
    /// The minute.
    pub minute: Minute,
    /// The slice.
    pub slice: Slice,
    /// What was said before.
    pub before: SliceVerdict,
    /// What is said now.
    pub now: SliceVerdict,
}

impl AlarmBook {
    /// Takes in what came late for sealed minutes of a stream. Returns the records to be sent, in order of
    /// `seq`: at most one per alarm.
    pub fn late(&mut self, spec: &StreamSpec, news: &LateNews) -> Vec<AlarmRecord> {
        let Some(mut memory) = self.pages.streams.remove(&spec.name) else { return Vec::new() };
        for late in news.verdicts {
            memory.recent.correct(late.minute, &late.slice, &late.now);
        }
        let (mut open, mut ended) =
            (std::mem::take(&mut self.pages.open), std::mem::take(&mut self.pages.ended));
        let mut records = Vec::new();
        let own = |alarm: &&mut Alarm| alarm.life.kind == Kind::Drop && alarm.life.stream == spec.name;
        for alarm in open.iter_mut().chain(&mut ended).filter(own) {
            records.extend(self.late_for(alarm, spec, &memory, news));
        }
        (self.pages.open, self.pages.ended) = (open, ended);
        self.pages.streams.insert(spec.name.clone(), memory);
        records.iter().for_each(|record| self.pages.marks.follow(record));
        self.put_away(news.last);
        records
    }

    fn late_for(
        &mut self,
        alarm: &mut Alarm,
        spec: &StreamSpec,
        memory: &Memory,
        news: &LateNews,
    ) -> Option<AlarmRecord> {
        let Matter::Fall(fall) = &mut alarm.matter else { return None };
        let was_open = alarm.life.is_open();
        let said = fall.late(&mut alarm.life, news)?;
        alarm.life.rev += 1;
        let bare = compose::bare(&self.context, &alarm.life, &said, news.last, news.now);
        let told = AlarmRecord {
            rev: bare.rev,
            at: bare.at,
            state: bare.state,
            notify: bare.notify,
            because: bare.because,
            minute: if was_open { bare.minute } else { alarm.record.minute.clone() },
            ended: bare.ended,
            acked: bare.acked,
            silenced_until: bare.silenced_until,
            label: bare.label,
            reason: bare.reason,
            late: true,
            durable: true,
            ..alarm.record.clone()
        };
        let record = compose::of_late(told, &alarm.life, fall, spec, memory, news);
        alarm.record = self.number(record, &alarm.life, spec.revise_us);
        Some(alarm.record.clone())
    }
}

impl Fall {
    /// What came late for its minutes. At most one piece of news.
    fn late(&mut self, life: &mut Life, news: &LateNews) -> Option<News> {
        if life.state == State::Withdrawn {
            return None;
        }
        let last = life.ended.map_or(news.last, |ended| ended.plus(-1));
        let minutes = life.onset[1]..=last;
        let own = |late: &&LateVerdict| minutes.contains(&late.minute);
        let lost = self.loss.orders()[1];
        let mut came = Came::default();
        for late in news.verdicts.iter().filter(own).filter(|late| late.slice == self.shown) {
            came.note(late);
            self.loss.correct(&late.before, &late.now);
            if let Some((since, loss)) = &mut self.recovery
                && late.minute < *since
            {
                loss.correct(&late.before, &late.now);
            }
        }
        let is_none = if life.is_open() {
            let members = self.members.len();
            self.members.retain(|member| !news.was_none.contains(&member.slice));
            members > 0 && self.members.is_empty()
        } else {
            (news.refutes)(&self.shown, [life.onset[0], life.onset[1]], last)
        };
        if is_none {
            life.state = State::Withdrawn;
            life.ended = Some(news.last.next());
            return Some(News::told(
                Because::Withdrawn,
                format!("{}, nothing of the drop is left", came.words(life, news)),
            ));
        }
        let worth = came.changed || came.events as f64 >= (WORTH_TELLING * lost).max(1.0);
        let now = words::rough(self.loss.orders()[1]);
        let text = || format!("{}: {now} lost so far, not {}", came.words(life, news), words::rough(lost));
        (came.events > 0 && worth).then(|| News::told(Because::Update, text()))
    }
}

/// What came late for the shown slice.
#[derive(Default)]
struct Came {
    events: i64,
    changed: bool,
    minutes: Option<(Minute, Minute)>,
}

impl Came {
    fn note(&mut self, late: &LateVerdict) {
        self.events += late.now.observed.unwrap_or(0) - late.before.observed.unwrap_or(0);
        self.changed |= late.now.verdict != late.before.verdict;
        let (first, _) = self.minutes.unwrap_or((late.minute, late.minute));
        self.minutes = Some((first, late.minute));
    }

    /// `late data: 312 orders of 14:02 to 14:05`.
    fn words(&self, life: &Life, news: &LateNews) -> String {
        let clock = Clock::utc(news.now);
        let minute = |minute: Minute| clock.minute(minute.start());
        let when = match self.minutes {
            None => String::new(),
            Some((first, last)) if first == last => format!(" of {}", minute(first)),
            Some((first, last)) => format!(" of {} to {}", minute(first), minute(last)),
        };
        let events = words::exact(u64::try_from(self.events).unwrap_or(0));
        format!("late data: {events} {}{when}", words::escape(&life.stream))
    }
}
