//! A drop: the slices that fell together, the one that explains it, what it has cost.

use serde::{Deserialize, Serialize};

use super::life::{Life, News};
use super::recent::{Recent, WINDOW_MINUTES, Window};
use super::record::{Because, Cause, Kind, Severity, State};
use super::scene::Scene;
use super::told::Told;
use super::words;
use crate::detect::{SliceVerdict, Verdict};
use crate::impact::Loss;
use crate::localize::{Explanation, explain, share_of};
use crate::model::{MICROS_PER_MINUTE, Minute, Slice, StreamSpec};

/// A slice is shown in place of the widest member when it explains at least this share.
const EXPLAINS: f64 = 0.8;
/// Or this share, when it is the only cause and the rest is noise.
const EXPLAINS_ALONE: f64 = 0.5;
/// A better explanation is taken after it was the best this many minutes in a row.
const STEADY_MINUTES: u32 = 3;
/// A narrower slice is taken only in so many minutes after the opening.
const NARROWS_US: i64 = 10 * MICROS_PER_MINUTE;
/// A shortfall of this share of the whole stream is a page even if no slice fell deep.
const LARGE: f64 = 0.15;
/// Minutes over which the percentage in the title is taken, at least, and until so many events are expected.
const PERCENT_MINUTES: i32 = 3;
/// See [`PERCENT_MINUTES`].
const PERCENT_EVENTS: f64 = 50.0;
/// Minutes in which it is seen whether a slice is still down.
pub(super) const DOWN_MINUTES: i32 = 3;
/// The shown slice is down when it misses so many standard deviations in them.
const SHOWN_DOWN: f64 = 2.5;
/// Any other member: there are many of them, so chance needs more room.
const MEMBER_DOWN: f64 = 3.5;
/// Most slices of one alarm.
const MOST_MEMBERS: usize = 4096;
/// What a drop alarm is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fall {
    /// Slices in `drop`, in canonical order.
    pub(super) members: Vec<Member>,
    /// The slice whose figures are shown.
    pub(super) shown: Slice,
    pub(super) causes: Vec<Cause>,
    pub(super) unexplained: f64,
    pub(super) loss: Loss,
    /// Since its end: delayed orders come on top. Whether they were told.
    #[serde(default)]
    pub(super) after: Loss,
    #[serde(default)]
    pub(super) after_told: bool,
    /// While recovering: since when, and the loss before that.
    pub(super) recovery: Option<(Minute, Loss)>,
    /// It did not come back: its level was taken as the new normal.
    #[serde(default)]
    pub(super) stays: bool,
    /// A better slice to show, and for how many minutes it has been.
    better: Option<(Slice, u32)>,
    pub(super) told: Told,
    /// The stream that should have brought the events, where it is a funnel that fell.
    #[serde(default)]
    pub(super) per: Option<String>,
    /// The entry of the calendar in whose period it began.
    #[serde(default)]
    pub(super) declared: Option<u16>,
    /// It began alike in the whole shop and little by little, as a holiday does.
    #[serde(default)]
    pub(super) gradual: bool,
}

/// A slice that fell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) slice: Slice,
    recovering: bool,
    deep: bool,
}

impl Member {
    fn new(slice: &Slice, verdict: &SliceVerdict) -> Member {
        Member { slice: slice.clone(), recovering: verdict.recovering, deep: verdict.deep }
    }
}

/// A drop that begins: which slice it is about, since when.
pub(super) struct Opening {
    pub(super) fall: Fall,
    pub(super) root: Slice,
    pub(super) onset: [Minute; 3],
    pub(super) severity: Severity,
}

/// Begins a drop of the slices of `group`.
pub(super) fn open(scene: &Scene, group: &[&Slice]) -> Opening {
    let members: Vec<Member> = members_of(scene, group);
    let widest = widest(scene, &members);
    let onset = scene.verdict(&widest).and_then(|v| v.onset).unwrap_or([scene.minute(); 3]);
    let explanation = explain(&scene.cells(window_start(scene.minute(), onset)), &widest);
    let shown = best(&explanation);
    let onset = scene.verdict(&shown).and_then(|v| v.onset).unwrap_or(onset);
    let mut fall = Fall {
        members,
        shown: shown.clone(),
        causes: Vec::new(),
        unexplained: 1.0,
        loss: Loss::default(),
        after: Loss::default(),
        after_told: false,
        recovery: None,
        stays: false,
        better: None,
        told: Told::default(),
        per: scene.subject.per.map(str::to_owned),
        declared: scene.declared(&shown),
        gradual: false,
    };
    fall.take(explanation);
    fall.recount(scene, onset);
    fall.gradual = fall.begins_gradually(scene, onset);
    let severity = fall.severity(scene, onset);
    Opening { fall, root: shown, onset, severity }
}

fn members_of(scene: &Scene, group: &[&Slice]) -> Vec<Member> {
    let found = group.iter().filter_map(|slice| scene.verdict(slice).map(|v| Member::new(slice, v)));
    let mut members: Vec<Member> = found.take(MOST_MEMBERS).collect();
    members.sort_by(|a, b| a.slice.cmp(&b.slice));
    members
}

/// The member with the fewest conditions; among those the one that misses most.
fn widest(scene: &Scene, members: &[Member]) -> Slice {
    let loss = |m: &Member| scene.shortfall(&m.slice);
    let order = |a: &&Member, b: &&Member| {
        a.slice.0.len().cmp(&b.slice.0.len()).then(loss(b).total_cmp(&loss(a))).then(a.slice.cmp(&b.slice))
    };
    members.iter().min_by(order).map(|m| m.slice.clone()).unwrap_or_default()
}

/// The slice to be shown: the one that explains enough, or all that is more than noise; else the widest.
fn best(explanation: &Explanation) -> Slice {
    let alone = explanation.causes.len() == 1 && explanation.rest_is_noise;
    let enough = |share: f64| share >= EXPLAINS || (alone && share >= EXPLAINS_ALONE);
    let first = explanation.causes.first().filter(|cause| enough(cause.share));
    first.map_or_else(|| explanation.widest.clone(), |cause| cause.slice.clone())
}

fn window_start(minute: Minute, onset: [Minute; 3]) -> Minute {
    onset[1].max(minute.plus(1 - WINDOW_MINUTES as i32))
}

impl Fall {
    /// Whether a fall of `slice` is this one: it stands above or below one of its slices, or in the same declared period.
    pub(super) fn takes_in(&self, slice: &Slice, scene: &Scene) -> bool {
        let same = |entry: u16| self.declared == Some(entry) && scene.declared(slice) == self.declared;
        self.touches(slice) || self.declared.is_some_and(same)
    }

    /// Whether `slice` stands above or below one of its slices.
    pub(super) fn touches(&self, slice: &Slice) -> bool {
        self.members.iter().any(|member| member.slice.related(slice)) || self.shown.related(slice)
    }

    /// The slices that fell.
    pub(super) fn slices(&self) -> impl Iterator<Item = &Slice> {
        self.members.iter().map(|member| &member.slice)
    }

    /// Whether `slice` is a member.
    pub(super) fn holds(&self, slice: &Slice) -> bool {
        self.members.binary_search_by(|member| member.slice.cmp(slice)).is_ok()
    }

    /// Joins what was open before: its losses are added to this one's.
    pub(super) fn continue_from(&mut self, before: &Fall) {
        let (now, then) = (self.loss, before.loss);
        self.loss = Loss {
            minutes: now.minutes + then.minutes,
            blind_minutes: now.blind_minutes + then.blind_minutes,
            observed: now.observed + then.observed,
            absent: now.absent + then.absent,
            expected: now.expected + then.expected,
            variance: now.variance + then.variance,
            drift: now.drift,
            blind_expected: now.blind_expected + then.blind_expected,
            blurred_minutes: now.blurred_minutes.max(then.blurred_minutes),
            settled: None,
        };
    }

    /// One more minute of an open alarm, with the slices that joined it. At most one piece of news.
    ///
    /// `may_leave` says whether it may end with slices left over in which too few orders come to tell.
    pub(super) fn step(
        &mut self,
        life: &mut Life,
        scene: &Scene,
        joined: &[&Slice],
        may_leave: bool,
    ) -> Option<News> {
        if self.is_blind(scene) {
            return self.go_blind(life);
        }
        let was = (life.state, life.severity);
        let before = self.loss;
        let escalated = self.members.iter().any(|m| scene.verdict(&m.slice).is_some_and(|v| v.escalated));
        self.refresh_members(scene, joined);
        self.count_minute(scene);
        if self.members.is_empty() {
            return Some(self.end(life, scene));
        }
        let grew = escalated || !joined.is_empty();
        if grew || self.is_down(scene, &self.shown, SHOWN_DOWN) {
            self.explain_again(life, scene, grew);
        }
        self.note_recovery(scene, before);
        if may_leave && self.is_back(scene) {
            return Some(self.end(life, scene));
        }
        life.state = if self.recovery.is_some() { State::Recovering } else { State::Firing };
        if life.severity == Severity::Ticket {
            life.severity = self.severity(scene, life.onset);
        }
        let rate = self.lately(scene, life.onset).loss_rate();
        let worse = self.told.is_worse(rate);
        if life.severity != was.1 || (escalated && worse) {
            return Some(News::told(Because::Escalated, self.how_it_is_worse(scene, rate, worse)));
        }
        let widened = self.widened(joined, life, scene);
        if !widened.is_empty() {
            return Some(News::told(Because::Spread, format!("now {} as well", names(&widened, scene.spec))));
        }
        self.small_news(life, was.0, scene)
    }

    fn is_blind(&self, scene: &Scene) -> bool {
        let blind = |m: &Member| scene.verdict(&m.slice).is_some_and(|v| v.verdict == Verdict::NoData);
        scene.no_data() || (!self.members.is_empty() && self.members.iter().all(blind))
    }

    fn go_blind(&mut self, life: &mut Life) -> Option<News> {
        self.loss.blind_minutes += 1;
        let news = life.state != State::FiringBlind;
        life.state = State::FiringBlind;
        self.recovery = None;
        news.then(|| News::plain(Because::Blind))
    }

    /// Lets go of slices that are positively back, keeps those of which nothing is known.
    fn refresh_members(&mut self, scene: &Scene, joined: &[&Slice]) {
        self.members.retain_mut(|member| match scene.verdict(&member.slice) {
            None => false,
            Some(v) => match v.verdict {
                Verdict::Ok | Verdict::Learning => false,
                Verdict::NoData | Verdict::Incomplete => true,
                Verdict::Drop => {
                    member.recovering = v.recovering;
                    member.deep |= v.deep;
                    true
                }
            },
        });
        let room = MOST_MEMBERS.saturating_sub(self.members.len());
        self.members.extend(members_of(scene, joined).into_iter().take(room));
        self.members.sort_by(|a, b| a.slice.cmp(&b.slice));
    }

    fn count_minute(&mut self, scene: &Scene) {
        match scene.verdict(&self.shown) {
            Some(verdict) => self.loss.add(verdict),
            None => self.loss.blind_minutes += 1,
        }
    }

    fn end(&mut self, life: &mut Life, scene: &Scene) -> News {
        life.state = State::Resolved;
        let recovery = self.recovery.take();
        // What was taken as the new normal is still known by its level from before. A recovery that was clear at
        // once ends it before anybody could say that it recovers.
        self.stays = scene.verdict(&self.shown).is_some_and(|v| v.before_drop.is_some());
        if let Some((since, loss)) = recovery.filter(|_| !self.stays) {
            life.ended = Some(since);
            self.loss = loss;
            return News::plain(Because::Resolved);
        }
        let ended = self.first_whole_minute(scene);
        life.ended = Some(ended);
        if self.stays {
            return News::told(Because::Resolved, "no recovery was seen: taken as the new normal");
        }
        self.loss = without(self.loss, scene.recent.between(&self.shown, ended, scene.minute()));
        News::plain(Because::Resolved)
    }

    fn how_it_is_worse(&self, scene: &Scene, rate: f64, worse: bool) -> String {
        if worse {
            return format!("missing {}/min, was {}/min", words::rough(rate), words::rough(self.told.rate));
        }
        let lost = words::rough(self.loss.orders()[1]);
        format!("{lost} {} lost so far, a page now", words::escape(&scene.spec.name))
    }

    /// Whether `slice` visibly misses events in the last minutes.
    fn is_down(&self, scene: &Scene, slice: &Slice, sigmas: f64) -> bool {
        scene.recent.window(slice, scene.minute().plus(1 - DOWN_MINUTES)).is_down(sigmas)
    }

    /// Looks for a slice that tells it better: a wider one at any time, a narrower one only at first. What
    /// recovers last is not what it was about.
    fn explain_again(&mut self, life: &Life, scene: &Scene, at_once: bool) {
        let widest = widest(scene, &self.members);
        let explanation = explain(&scene.cells(window_start(scene.minute(), life.onset)), &widest);
        let pick = best(&explanation);
        if pick == self.shown {
            self.better = None;
            return self.take(explanation);
        }
        let young = scene.now.since_us(life.detected) <= NARROWS_US;
        let wider = pick.contains(&self.shown);
        let narrower = self.shown.contains(&pick);
        if !(wider || young && narrower) {
            return;
        }
        let minutes = match self.better.take() {
            Some((slice, minutes)) if slice == pick => minutes + 1,
            _ => 1,
        };
        if at_once || minutes >= STEADY_MINUTES {
            self.shown = pick;
            self.take(explanation);
            self.recount(scene, life.onset);
        } else {
            self.better = Some((pick, minutes));
        }
    }

    fn take(&mut self, explanation: Explanation) {
        self.unexplained = explanation.unexplained;
        let cause = |c: crate::localize::Explained| Cause {
            slice: c.slice,
            explains: c.share,
            observed: c.observed,
            expected: c.expected,
            effect: c.effect,
            refined: None,
        };
        self.causes = explanation.causes.into_iter().map(cause).collect();
    }

    /// The loss since the onset, for a slice that is newly shown: as the detector counted it; else from
    /// the last minutes; else the sums of the slice shown before go on.
    fn recount(&mut self, scene: &Scene, onset: [Minute; 3]) {
        let verdict = scene.verdict(&self.shown);
        if let Some(own) = verdict.filter(|v| v.onset.is_some_and(|own| own[1] <= onset[2])) {
            self.loss = Loss::since_onset(own);
        } else if scene.minute().0 - onset[1].0 < WINDOW_MINUTES as i32 {
            let Window { minutes, observed, expected, variance } = scene.recent.window(&self.shown, onset[1]);
            let drift = verdict.map_or(self.loss.drift, |v| v.drift);
            self.loss = Loss { minutes, observed, expected, variance, drift, ..self.loss };
        }
    }

    /// It recovers once the detector sees the shown slice come back and nothing is visibly down, until
    /// something clearly is.
    fn note_recovery(&mut self, scene: &Scene, before: Loss) {
        let down = |m: &Member| !m.recovering && self.is_down(scene, &m.slice, MEMBER_DOWN);
        let member_down = self.members.iter().any(down);
        if self.recovery.is_some() {
            if member_down || self.is_down(scene, &self.shown, MEMBER_DOWN) {
                self.recovery = None;
            } else if scene.verdict(&self.shown).is_some_and(|v| v.verdict == Verdict::Drop && !v.recovering)
            {
                // Where few orders come the evidence for a recovery comes and goes: what is lost meanwhile counts.
                self.recovery = Some((scene.minute().next(), self.loss));
            }
            return;
        }
        let verdict = scene.verdict(&self.shown);
        // What was taken as the new normal is not back.
        let normal = |v: &SliceVerdict| v.verdict == Verdict::Ok && v.before_drop.is_none();
        let back = verdict.is_none_or(|v| normal(v) || v.recovering);
        if back && !member_down && !self.is_down(scene, &self.shown, SHOWN_DOWN) {
            let since = self.first_whole_minute(scene);
            let whole = scene.recent.between(&self.shown, since, scene.minute().plus(-1));
            self.recovery = Some((since, without(before, whole)));
        }
    }

    /// The first of the last minutes since which the shown slice lies in its band.
    fn first_whole_minute(&self, scene: &Scene) -> Minute {
        let now = scene.minute();
        let low = |minute: Minute| scene.recent.between(&self.shown, minute, minute).is_down(1.645);
        let whole = (0..DOWN_MINUTES).map(|ago| now.plus(-ago)).take_while(|&minute| !low(minute));
        whole.last().unwrap_or(now)
    }

    /// A page when a slice fell deep (to 65 % or less) or the whole stream misses 15 %; else a ticket. Traffic
    /// that may only have moved is never more.
    fn severity(&self, scene: &Scene, onset: [Minute; 3]) -> Severity {
        let whole = scene.verdict(&Slice::default()).and_then(|v| v.expected).unwrap_or(f64::INFINITY);
        let missing = self.members.iter().map(|m| scene.shortfall(&m.slice)).fold(0.0, f64::max);
        let deep = self.members.iter().any(|member| member.deep);
        let page = match self.declared {
            // How much a declared day brings nobody knows: what is deep then was sudden.
            Some(_) => deep,
            None => (deep || missing >= LARGE * whole) && !self.is_like_a_holiday(scene, onset),
        };
        if page && scene.subject.kind != Kind::Traffic { Severity::Page } else { Severity::Ticket }
    }

    /// Of the slices that joined those whose fall is not that of the slices already told.
    fn widened(&self, joined: &[&Slice], life: &Life, scene: &Scene) -> Vec<Slice> {
        if joined.is_empty() {
            return Vec::new();
        }
        let cells = scene.cells(window_start(scene.minute(), life.onset));
        let known = |slice: &Slice| -> f64 {
            self.told.about.iter().map(|told| share_of(slice, told, &cells).unwrap_or(1.0)).sum()
        };
        let above = |slice: &Slice| self.told.about.iter().any(|told| slice.contains(told));
        let own: Vec<&Slice> = joined.iter().copied().filter(|s| !above(s) && known(s) < 0.5).collect();
        let topmost = |slice: &&&Slice| !own.iter().any(|other| other != *slice && other.contains(slice));
        own.iter().filter(topmost).map(|slice| (*slice).clone()).collect()
    }

    /// News that wakes nobody.
    fn small_news(&self, life: &Life, was: State, scene: &Scene) -> Option<News> {
        match (was, life.state) {
            (State::FiringBlind, _) => Some(News::plain(Because::NoLongerBlind)),
            (State::Firing, State::Recovering) => Some(News::plain(Because::Recovering)),
            (State::Recovering, State::Firing) => {
                Some(News::told(Because::Update, "the recovery did not hold"))
            }
            (State::Recovering, State::Recovering) => None,
            _ => self.told.differs(&Told::of(self, life, scene)).then(|| News::plain(Because::Update)),
        }
    }

    /// The sums behind the percentage in the title: the shown slice over the last minutes since the onset,
    /// as many as make the figure steady.
    pub(super) fn lately(&self, scene: &Scene, onset: [Minute; 3]) -> Window {
        self.until(scene.recent, scene.minute(), onset)
    }

    /// As [`Fall::lately`], of a minute that may have passed.
    pub(super) fn until(&self, recent: &Recent, minute: Minute, onset: [Minute; 3]) -> Window {
        let since = |minutes: i32| onset[1].max(minute.plus(1 - minutes));
        let windows =
            (PERCENT_MINUTES..=WINDOW_MINUTES as i32).map(|n| recent.between(&self.shown, since(n), minute));
        let mut last = Window::default();
        for window in windows {
            last = window;
            if window.expected >= PERCENT_EVENTS {
                break;
            }
        }
        last
    }
}

/// A loss without minutes that were counted and were no longer of it.
pub(super) fn without(loss: Loss, whole: Window) -> Loss {
    if whole.minutes >= loss.minutes {
        return loss;
    }
    Loss {
        minutes: loss.minutes - whole.minutes,
        observed: (loss.observed - whole.observed).max(0.0),
        expected: (loss.expected - whole.expected).max(0.0),
        variance: (loss.variance - whole.variance).max(0.0),
        ..loss
    }
}

/// `DE`, `DE and US / one-click`: slices as people name them, made safe.
fn names(slices: &[Slice], spec: &StreamSpec) -> String {
    words::list(&slices.iter().map(|slice| safe_title(slice, spec)).collect::<Vec<_>>())
}

/// The values of a slice in the stream's order, made safe for terminals.
pub(super) fn safe_title(slice: &Slice, spec: &StreamSpec) -> String {
    let safe = Slice(slice.0.iter().map(|(d, v)| (d.clone(), words::escape(v))).collect());
    safe.title(&spec.dimension_names())
}
