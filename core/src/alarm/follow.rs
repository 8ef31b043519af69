//! One minute in the book: open alarms are followed, slices that fell join one or open one.

use super::book::{Alarm, AlarmBook, Matter, Memory};
use super::compose;
use super::fall::{self, Opening};
use super::group::groups;
use super::life::{self, Life, News};
use super::record::{AlarmRecord, Because, Kind, State};
use super::scene::Scene;
use super::silence::Silence;
use super::told::Told;
use crate::model::{Minute, Slice};

impl AlarmBook {
    /// Drops: first every newcomer that touches an open alarm joins it, then the open ones go on by a
    /// minute, then the others open alarms of their own.
    pub(super) fn falls(&mut self, scene: &Scene, records: &mut Vec<AlarmRecord>) {
        self.delayed(scene, records);
        self.linger(scene);
        let mut alarms = std::mem::take(&mut self.pages.open);
        let mut joined: Vec<Vec<&Slice>> = vec![Vec::new(); alarms.len()];
        let new = |slice: &Slice| !self.lingers(slice, scene);
        let alone = assign(scene, &alarms, &mut joined, new);
        for (alarm, joined) in alarms.iter_mut().zip(&joined) {
            let Some(fall) = fall_of(alarm, scene) else { continue };
            let may_leave = self.has_room_to_linger(fall.0.slices().count());
            match fall.0.step(fall.1, scene, joined, may_leave) {
                Some(news) => {
                    self.leave_over((&alarm.life, &alarm.matter), scene);
                    records.push(self.tell(alarm, news, scene));
                }
                None => records.extend(self.take_back(alarm, scene)),
            }
        }
        self.pages.open = alarms;
        for group in groups(&alone, |a, b| scene.together(a, b)) {
            records.extend(self.open_fall(scene, &group));
        }
    }

    /// Drops that are over are watched for a while: what comes on top then was only delayed.
    fn delayed(&mut self, scene: &Scene, records: &mut Vec<AlarmRecord>) {
        let mut ended = std::mem::take(&mut self.pages.ended);
        for alarm in ended.iter_mut().filter(|alarm| alarm.life.state == State::Resolved) {
            let Some((fall, life)) = fall_of(alarm, scene) else { continue };
            let Some(news) = fall.watch_after(life, scene) else { continue };
            life.rev += 1;
            let bare = compose::bare(&self.context, life, &news, scene.minute(), scene.now);
            let (fall, life) = (fall.clone(), life.clone());
            let record = compose::of_delayed(alarm.record.clone(), bare, (&life, &fall), scene);
            alarm.record = self.number(record, &life, scene.spec.revise_us);
            records.push(alarm.record.clone());
        }
        self.pages.ended = ended;
    }

    fn open_fall(&mut self, scene: &Scene, group: &[&Slice]) -> Option<AlarmRecord> {
        let (kind, about) = (scene.subject.kind, scene.subject.name);
        let Opening { mut fall, root, onset, severity } = fall::open(scene, group);
        let (life, news) = match self.take_ended(kind, about, &root.key()) {
            Some(Alarm { mut life, matter, .. }) => {
                let news = again(&life, scene.minute());
                life.reopen(severity);
                if let Matter::Fall(before) = &matter {
                    fall.continue_from(before);
                }
                (life, news)
            }
            None => {
                let what = root.key();
                let foretold = self.take_foretold(&life::key(kind, about, &what), onset[1]);
                let is_known = foretold.is_some();
                let life = match foretold {
                    Some(life) => Life { onset, severity, detected: scene.now, ..life },
                    None => self.begin(kind, about, &what, onset, severity, scene.now)?,
                };
                let stream = scene.spec.name.clone();
                (Life { root, stream, ..life }, News { is_known, ..fall.opens(&self.context) })
            }
        };
        Some(self.open(life, Matter::Fall(Box::new(fall)), news, scene))
    }

    /// Missing data: at most one alarm per stream.
    pub(super) fn silences(&mut self, scene: &Scene, memory: &Memory, records: &mut Vec<AlarmRecord>) {
        let expected = memory.expected(scene);
        let blank_since = memory.blank_since.filter(|_| memory.had_data);
        let now = Silence::of(scene, blank_since, expected).filter(|_| memory.had_data);
        let mut alarms = std::mem::take(&mut self.pages.open);
        let open = alarms.iter_mut().find_map(|alarm| match &mut alarm.matter {
            Matter::Silence(_) if alarm.life.stream == scene.spec.name => Some(alarm),
            _ => None,
        });
        let found = open.is_some();
        if let Some(alarm) = open
            && let Matter::Silence(silence) = &mut alarm.matter
            && let Some(news) = silence.step(&mut alarm.life, scene, now.clone(), expected)
        {
            records.push(self.tell(alarm, news, scene));
        }
        self.pages.open = alarms;
        if let Some(silence) = now.filter(|_| !found) {
            records.extend(self.open_silence(scene, silence, expected));
        }
    }

    fn open_silence(
        &mut self,
        scene: &Scene,
        silence: Silence,
        expected: Option<f64>,
    ) -> Option<AlarmRecord> {
        let (stream, what) = (&scene.spec.name, silence.key());
        let severity = silence.severity(expected);
        let (life, news) = match self.take_ended(Kind::NoData, stream, &what) {
            Some(Alarm { mut life, .. }) => {
                let news = again(&life, scene.minute());
                life.reopen(severity);
                (life, news)
            }
            None => {
                let onset = [silence.since.minute(); 3];
                let life = self.begin(Kind::NoData, stream, &what, onset, severity, scene.now)?;
                (life, News::plain(Because::Opened))
            }
        };
        Some(self.open(life, Matter::Silence(silence), news, scene))
    }

    fn open(&mut self, life: Life, matter: Matter, news: News, scene: &Scene) -> AlarmRecord {
        let record = compose::bare(&self.context, &life, &news, scene.minute(), scene.now);
        let mut alarm = Alarm { life, matter, record, early: None };
        let record = self.tell(&mut alarm, news, scene);
        self.pages.open.push(alarm);
        self.pages.open.sort_by_key(|alarm| alarm.life.no);
        record
    }

    /// Writes the next revision of an alarm.
    fn tell(&mut self, alarm: &mut Alarm, mut news: News, scene: &Scene) -> AlarmRecord {
        alarm.life.rev += 1;
        news.is_known |= alarm.early.as_ref().is_some_and(|early| early.because == news.because);
        let still_recovers = |early: &AlarmRecord| match &alarm.matter {
            Matter::Fall(fall) => early.state == State::Recovering && fall.holds_up(scene),
            _ => false,
        };
        let stands = news.because == Because::Update && alarm.early.as_deref().is_some_and(still_recovers);
        alarm.early = alarm.early.take().filter(|_| stands);
        let news = self.look_at_silences(&mut alarm.life, &alarm.matter, news, scene.now);
        let bare = compose::bare(&self.context, &alarm.life, &news, scene.minute(), scene.now);
        let record = match &mut alarm.matter {
            Matter::Fall(fall) => {
                if news.because != Because::Blind {
                    fall.told = Told::of(fall, &alarm.life, scene);
                }
                compose::of_fall(bare, &alarm.life, fall, scene)
            }
            Matter::Silence(silence) => compose::of_silence(bare, silence, scene),
            Matter::Trouble { what, text } => compose::of_trouble(bare, what, text),
        };
        alarm.record = self.number(record, &alarm.life, scene.spec.revise_us);
        alarm.record.clone()
    }
}

fn again(life: &Life, minute: Minute) -> News {
    let pause = life.ended.map_or(0, |ended| minute.0 - ended.0);
    News::told(Because::Opened, format!("again, {pause} min after it had ended"))
}

/// The drop of an open alarm that the scene is about, and its life.
fn fall_of<'a>(alarm: &'a mut Alarm, scene: &Scene) -> Option<(&'a mut fall::Fall, &'a mut Life)> {
    match &mut alarm.matter {
        Matter::Fall(fall) if scene.subject.owns(&alarm.life) => Some((fall, &mut alarm.life)),
        _ => None,
    }
}

/// Hands each slice in `drop` that no alarm holds yet to the first open alarm it touches, until nothing
/// moves any more; those that are not new are left out. Returns those that touch none.
fn assign<'a>(
    scene: &Scene<'a>,
    alarms: &[Alarm],
    joined: &mut [Vec<&'a Slice>],
    is_new: impl Fn(&Slice) -> bool,
) -> Vec<&'a Slice> {
    let falls = || {
        alarms.iter().enumerate().filter_map(|(at, alarm)| match &alarm.matter {
            Matter::Fall(fall) if scene.subject.owns(&alarm.life) => Some((at, fall)),
            _ => None,
        })
    };
    let held = |slice: &Slice| falls().any(|(_, fall)| fall.holds(slice));
    let mut alone: Vec<&Slice> =
        scene.drops().map(|(slice, _)| slice).filter(|slice| !held(slice) && is_new(slice)).collect();
    loop {
        let before = alone.len();
        alone.retain(|slice| {
            let touches = |at: usize, fall: &fall::Fall| {
                fall.takes_in(slice, scene) || joined[at].iter().any(|other| scene.together(other, slice))
            };
            let Some((at, _)) = falls().find(|&(at, fall)| touches(at, fall)) else { return true };
            joined[at].push(slice);
            false
        });
        if alone.len() == before {
            return alone;
        }
    }
}
