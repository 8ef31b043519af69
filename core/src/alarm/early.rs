//! What open minutes say in the book: a busy slice fell silent, a drop is ending. Sealed minutes have the last word.
//!
//! Records made here say `early`. They change nothing in what sealed minutes say later but the numbers `seq`, `rev`
//! (and `no`, where one came to nothing), and `notify` where a person has heard of it already.

use serde::{Deserialize, Serialize};

use super::book::{Alarm, AlarmBook, Matter, Memory};
use super::compose::{self, round};
use super::fall::{DOWN_MINUTES, Fall, safe_title, without};
use super::life::{self, Life, News};
use super::recent::Recent;
use super::record::{AlarmRecord, Because, Kind, Losing, Lost, Notify, Severity, SinceOnsetPart, State};
use super::scene::Scene;
use super::words::{self, Clock};
use crate::detect::{Partial, SilentSlice};
use crate::impact::{Loss, METHOD};
use crate::model::{MICROS_PER_MINUTE, Minute, Slice, StreamSpec, TimeUs, View};

/// Longer than this after the minute that should have borne it out, nothing is waited for.
const PATIENCE_MINUTES: i32 = 30;

/// A drop told from an open minute. It becomes the alarm that the sealed minute opens, or it is withdrawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Herald {
    life: Life,
    /// The minute at whose seal it should be a drop.
    by: Minute,
    /// When its last order was seen.
    since: TimeUs,
    /// What sealed minutes have of it since its onset.
    loss: Loss,
    /// One of them was below its band.
    has_fallen: bool,
    /// The latest record.
    pub(super) record: AlarmRecord,
}

/// What a glance at a stream's open minutes says.
pub struct EarlyNews<'a> {
    /// Silent slices, the widest first.
    pub silent: &'a [SilentSlice],
    /// What the next minute to be sealed has of a slice whose drop is open.
    pub partial: &'a dyn Fn(&Slice) -> Option<Partial>,
    /// That minute.
    pub next: Minute,
    /// When it is.
    pub now: TimeUs,
}

impl AlarmBook {
    /// Takes in a glance. Returns the records to be sent, in order of `seq`.
    pub fn early(&mut self, spec: &StreamSpec, news: &EarlyNews) -> Vec<AlarmRecord> {
        let mut records = Vec::new();
        let mut open = std::mem::take(&mut self.pages.open);
        let memory = self.pages.streams.remove(&spec.name).unwrap_or_default();
        for alarm in open.iter_mut().filter(|alarm| is_drop_of(alarm, spec)) {
            records.extend(self.early_end(alarm, (spec, &memory), news));
        }
        self.pages.streams.insert(spec.name.clone(), memory);
        self.pages.open = open;
        records.extend(self.foretell(spec, news));
        records
    }

    /// Of several slices that fall silent at once only the widest is told: what they have in common is seen
    /// when their minute is sealed.
    fn foretell(&mut self, spec: &StreamSpec, news: &EarlyNews) -> Option<AlarmRecord> {
        if self.context.view == View::Part {
            // A balancer that moves everything away looks the same.
            return None;
        }
        let is_told = |slice: &Slice| {
            let touches = |alarm: &Alarm| match &alarm.matter {
                Matter::Fall(fall) => is_drop_of(alarm, spec) && fall.touches(slice),
                _ => false,
            };
            let key = life::key(Kind::Drop, &spec.name, &slice.key());
            let ended = self.pages.ended.iter().any(|alarm| alarm.life.key == key);
            ended || self.pages.open.iter().any(touches)
        };
        let waits = self.pages.heralds.iter().any(|herald| herald.life.stream == spec.name);
        let silent = news.silent.iter().find(|silent| !is_told(&silent.slice)).filter(|_| !waits)?;
        let severity = if silent.deep { Severity::Page } else { Severity::Ticket };
        let what = silent.slice.key();
        let life = self.begin(Kind::Drop, &spec.name, &what, silent.onset, severity, news.now)?;
        let mut life = Life { root: silent.slice.clone(), rev: 1, foretold: Some(news.now), ..life };
        let record = self.herald(spec, &mut life, silent, news);
        let record = self.number(record, &life, spec.revise_us);
        self.pages.heralds.push(Herald {
            life,
            by: silent.by,
            since: silent.since,
            loss: Loss::default(),
            has_fallen: false,
            record: record.clone(),
        });
        Some(record)
    }

    fn herald(
        &self,
        spec: &StreamSpec,
        life: &mut Life,
        silent: &SilentSlice,
        news: &EarlyNews,
    ) -> AlarmRecord {
        let onset = silent.onset[1];
        let minutes = news.now.since_us(onset.start()) as f64 / MICROS_PER_MINUTE as f64;
        let loss = Loss {
            minutes: (news.now.minute().0 - onset.0 + 1).max(1) as u32,
            observed: silent.observed as f64,
            expected: minutes * silent.expected,
            variance: minutes * silent.variance,
            ..Loss::default()
        };
        let memory = self.pages.streams.get(&spec.name);
        let per_order =
            memory.map(|memory| memory.baskets.per_order(spec, &silent.slice)).unwrap_or_default();
        let priced = |count: f64, each: f64| round(count * each, 2);
        let amounts = per_order.iter().map(|(currency, each)| (currency.clone(), *each));
        let orders = loss.orders();
        let customers = memory.and_then(|memory| memory.baskets.customers(orders, loss.minutes));
        let since = Clock::utc(news.now).minute_zoned(onset.start());
        let stream = words::escape(&spec.name);
        let silence_us = news.now.since_us(silent.since);
        let missed = silent.expected * silence_us as f64 / MICROS_PER_MINUTE as f64;
        let (count, seconds) = (words::count(missed), words::duration(silence_us));
        let reason = format!("no {stream} for {seconds}, {count} expected; the minute is not over yet");
        let suspects = self.pages.marks.near(life.onset, &silent.slice);
        let said = News::told(Because::Opened, reason);
        life.silenced_until = self.pages.silences.until_of(life, &silent.slice, &[], news.now);
        compose::finish(AlarmRecord {
            title: format!("{}: {stream} -100 % since {since}", safe_title(&silent.slice, spec)),
            observed: Some(silent.observed_now),
            expected: Some(round(silent.expected, 1)),
            since_onset: Some(SinceOnsetPart {
                minutes: loss.minutes,
                observed: silent.observed,
                expected: round(loss.expected, 1),
            }),
            evidence: Some(round(silent.evidence, 1)),
            threshold: Some(round(silent.threshold, 1)),
            losing: Some(Losing {
                orders_per_min: round(silent.expected, 1),
                amount_per_min: amounts
                    .clone()
                    .map(|(of, each)| (of, priced(silent.expected, each.mean)))
                    .collect(),
            }),
            lost: Some(Lost {
                through: news.now.minute().to_string(),
                orders: Some(orders.map(|count| round(count, 0))),
                amount: amounts
                    .map(|(of, each)| (of, loss.money(&each).map(|money| round(money, 2))))
                    .collect(),
                customers: customers.map(|customers| customers.map(|count| round(count, 0))),
                recovered_later: 0.0,
                method: METHOD.to_owned(),
            }),
            changes: suspects.changes,
            changes_note: Some(suspects.note),
            early: true,
            ..compose::bare(&self.context, life, &said, news.now.minute(), news.now)
        })
    }

    /// The alarm that was foretold with this key and onset, if there is one.
    pub(super) fn take_foretold(&mut self, key: &str, onset: Minute) -> Option<Life> {
        let id = life::id(key, onset);
        let at = self.pages.heralds.iter().position(|herald| herald.life.id == id)?;
        Some(self.pages.heralds.remove(at).life)
    }

    /// After the drops of a sealed minute: what was foretold and is none is over, or taken back.
    pub(super) fn settle(&mut self, scene: &Scene, records: &mut Vec<AlarmRecord>) {
        let heralds = std::mem::take(&mut self.pages.heralds);
        for mut herald in heralds {
            let touches = |alarm: &&Alarm| match &alarm.matter {
                Matter::Fall(fall) => fall.touches(&herald.life.root),
                _ => false,
            };
            let open = self.pages.open.iter().filter(|alarm| is_drop_of(alarm, scene.spec));
            let goes_on = open.filter(touches).find(|alarm| alarm.life.is_open()).map(|alarm| alarm.life.no);
            if herald.life.stream != scene.spec.name || (goes_on.is_none() && !herald.is_over(scene)) {
                self.pages.heralds.push(herald);
                continue;
            }
            let record = herald.end(goes_on, scene);
            records.push(self.number(record, &herald.life, scene.spec.revise_us));
        }
    }

    /// What an open minute says of a drop that is open: it recovers, or it is over.
    fn early_end(
        &mut self,
        alarm: &mut Alarm,
        (spec, memory): (&StreamSpec, &Memory),
        news: &EarlyNews,
    ) -> Option<AlarmRecord> {
        let Matter::Fall(fall) = &alarm.matter else { return None };
        let said = alarm.early.as_ref().map(|record| record.state);
        let (state, partial) = fall.early_end(&alarm.life, news)?;
        if said == Some(state) || said == Some(State::Resolved) {
            return None;
        }
        alarm.life.rev += 1;
        let record = match state {
            State::Resolved => {
                let (life, fall) = fall.ended_by(&alarm.life, &memory.recent, news.next);
                compose::of_early_end(alarm.record.clone(), (&life, &fall), spec, memory, news.now)
            }
            _ => alarm.record.clone(),
        };
        let because = if state == State::Resolved { Because::Resolved } else { Because::Recovering };
        let minute = Clock::utc(news.now).minute(news.next.start());
        let (seen, expected) =
            (words::exact(partial.observed.unsigned_abs()), words::count(partial.expected));
        let record = compose::finish(AlarmRecord {
            rev: alarm.life.rev,
            at: news.now.to_rfc3339(),
            state,
            notify: alarm.life.notify(&News::plain(because)),
            because,
            minute: news.next.to_string(),
            observed: Some(partial.observed),
            observed_max: None,
            expected: Some(round(partial.expected, 1)),
            low: None,
            high: None,
            losing: None,
            reason: (state != State::Resolved)
                .then(|| format!("{seen} of {expected} expected so far in {minute}")),
            early: true,
            late: false,
            durable: true,
            ..record
        });
        let record = self.number_only(record);
        alarm.early = Some(Box::new(record.clone()));
        Some(record)
    }

    /// A sealed minute does not bear out what an open one had said of an alarm that goes on.
    pub(super) fn take_back(&mut self, alarm: &mut Alarm, scene: &Scene) -> Option<AlarmRecord> {
        let Matter::Fall(fall) = &alarm.matter else { return None };
        if alarm.early.as_ref()?.state == State::Recovering && fall.holds_up(scene) {
            return None;
        }
        let early = alarm.early.take()?;
        if early.state == alarm.life.state {
            return None;
        }
        alarm.life.rev += 1;
        let was_over = early.state == State::Resolved;
        let record = compose::finish(AlarmRecord {
            rev: alarm.life.rev,
            at: scene.now.to_rfc3339(),
            state: alarm.life.state,
            notify: if was_over { Notify::Ticket } else { Notify::None },
            because: Because::Update,
            minute: scene.minute().to_string(),
            reason: Some("the recovery did not hold".to_owned()),
            early: true,
            late: false,
            durable: true,
            ..alarm.record.clone()
        });
        Some(self.number_only(record))
    }
}

/// Whether an alarm is a drop of this very stream, and none of a funnel that ends in it.
fn is_drop_of(alarm: &Alarm, spec: &StreamSpec) -> bool {
    alarm.life.kind == Kind::Drop && alarm.life.stream == spec.name
}

impl Fall {
    /// Whether the shown slice lies in its band in the sealed minute.
    pub(super) fn holds_up(&self, scene: &Scene) -> bool {
        let verdict = scene.verdict(&self.shown);
        verdict.and_then(|v| v.observed.zip(v.low)).is_some_and(|(observed, low)| observed as f64 >= low)
    }

    /// Where it stands by the minute that is still open, if that is further on.
    fn early_end(&self, life: &Life, news: &EarlyNews) -> Option<(State, Partial)> {
        let partial = (news.partial)(&self.shown)?;
        match life.state {
            State::Firing | State::Recovering => {
                let ends = |slice: &Slice| (news.partial)(slice).is_some_and(|partial| partial.ends);
                let state = if self.slices().all(ends) { State::Resolved } else { State::Recovering };
                (state != life.state && partial.is_back).then_some((state, partial))
            }
            _ => None,
        }
    }

    /// As it is if it is over by `next`, which is not sealed yet.
    fn ended_by(&self, life: &Life, recent: &Recent, next: Minute) -> (Life, Fall) {
        let low = |minute: Minute| recent.between(&self.shown, minute, minute).is_down(1.645);
        let back = (0..=DOWN_MINUTES).map(|ago| next.plus(-ago)).take_while(|&at| at == next || !low(at));
        let (ended, loss) = self.recovery.unwrap_or_else(|| {
            let ended = back.last().unwrap_or(next);
            (ended, without(self.loss, recent.between(&self.shown, ended, next)))
        });
        let life = Life { state: State::Resolved, ended: Some(ended), ..life.clone() };
        let mut fall = self.clone();
        fall.loss = loss;
        (life, fall)
    }
}

impl Herald {
    /// Takes in a sealed minute; whether the slice is back in it, or it should have been a drop by now.
    fn is_over(&mut self, scene: &Scene) -> bool {
        if scene.minute() < self.life.onset[1] {
            return false;
        }
        let verdict = scene.verdict(&self.life.root);
        verdict.into_iter().for_each(|verdict| self.loss.add(verdict));
        let is_late = scene.minute() > self.by.plus(PATIENCE_MINUTES);
        let figures = verdict.and_then(|verdict| verdict.observed.zip(verdict.low));
        let Some((observed, low)) = figures else { return is_late };
        let is_low = (observed as f64) < low;
        self.has_fallen |= is_low;
        let is_back = !is_low && scene.minute().start() >= self.since;
        is_back || scene.minute() >= self.by
    }

    /// Its last record: told under another number, over, or none.
    fn end(&mut self, goes_on: Option<u64>, scene: &Scene) -> AlarmRecord {
        let was_real = self.has_fallen && goes_on.is_none();
        let (state, because) = match was_real {
            true => (State::Resolved, Because::Resolved),
            false => (State::Withdrawn, Because::Withdrawn),
        };
        self.life.rev += 1;
        (self.life.state, self.life.ended) = (state, Some(scene.minute()));
        let (seen, expected) = (words::count(self.loss.observed), words::count(self.loss.expected));
        let reason = match goes_on {
            Some(no) => format!("goes on as alarm {no}"),
            None if was_real => format!("too short for a drop: {seen} of {expected} expected since it began"),
            None => format!("the minutes are no drop: {seen} of {expected} expected"),
        };
        let (told, losing) = (self.record.lost.clone().filter(|_| was_real), self.record.losing.as_ref());
        let orders = self.loss.orders();
        let priced = losing.map(|losing| {
            let each = |amount: &f64| amount / losing.orders_per_min.max(1e-9);
            let cost = |amount: &f64| orders.map(|count| round(count * each(amount), 2));
            losing.amount_per_min.iter().map(|(of, amount)| (of.clone(), cost(amount))).collect()
        });
        let lost = told.map(|told| Lost {
            through: scene.minute().plus(-1).to_string(),
            orders: Some(orders.map(|count| round(count, 0))),
            amount: priced.unwrap_or_default(),
            ..told
        });
        compose::finish(AlarmRecord {
            rev: self.life.rev,
            at: scene.now.to_rfc3339(),
            state,
            notify: if goes_on.is_some() { Notify::None } else { self.life.notify(&News::plain(because)) },
            because,
            minute: scene.minute().to_string(),
            ended: self.life.ended.map(|minute| minute.to_string()),
            completeness: compose::quality(&scene.sealed.completeness),
            losing: None,
            lost,
            reason: Some(reason),
            ..self.record.clone()
        })
    }
}
