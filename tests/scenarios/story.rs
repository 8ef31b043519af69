//! The story's form, and how it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use ebbd_core::alarm::{AlarmRecord, Because, Kind};
use ebbd_core::detect::DetectKnobs;
use ebbd_core::judge::{Judge, JudgeContext, JudgeState};
use ebbd_core::model::{
    CalendarEntry, CalendarTime, Completeness, Mark, Minute, MissingOrigin, SealedMinute, Slice, StreamId,
    StreamSpec, View,
};
use ebbd_core::simulate::{Incident, Shop, ShopSpec};
use serde::Deserialize;

/// The minute at which every story begins: Sunday 2026-11-22, 13:00 UTC.
const BEGIN: Minute = Minute(29_922_540);

/// A story. Times are minutes after its beginning.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// What it is about, for the reader.
    #[allow(dead_code)]
    about: String,
    #[serde(default = "one")]
    seed: u64,
    #[serde(default = "four")]
    weeks: i32,
    /// Orders per minute at the peak.
    #[serde(default = "peak")]
    peak: f64,
    /// How long it lasts.
    pub minutes: i32,
    #[serde(default)]
    incident: Vec<IncidentPart>,
    /// Declared days.
    #[serde(default)]
    calendar: Vec<CalendarPart>,
    /// Incidents in the weeks that are learnt from.
    #[serde(default)]
    before: Vec<BeforePart>,
    /// Lines that can't be read any more.
    #[serde(default)]
    rejected: Vec<RejectedPart>,
    #[serde(default)]
    missing: Vec<MissingPart>,
    #[serde(default)]
    mark: Vec<MarkPart>,
    #[serde(default)]
    expect: Vec<Expect>,
    /// Drop alarms beyond those expected.
    #[serde(default)]
    max_others: usize,
}

fn one() -> u64 {
    1
}

fn four() -> i32 {
    4
}

fn peak() -> f64 {
    900.0
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IncidentPart {
    slice: Slice,
    from: i32,
    to: i32,
    /// The fraction that still comes; above 1 it is a rise.
    remaining: f64,
    /// Minutes from `from` on in which it comes to that, step by step.
    #[serde(default)]
    ramp: i32,
}

/// An incident in the weeks before: so many minutes long, that many hours before the story begins.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BeforePart {
    slice: Slice,
    hours_ago: i32,
    minutes: i32,
    remaining: f64,
}

/// A period that was declared beforehand, in minutes after the beginning.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalendarPart {
    name: String,
    slice: Slice,
    from: i32,
    to: i32,
}

/// A share of the orders arrives as lines that can't be read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RejectedPart {
    share: f64,
    from: i32,
    to: i32,
}

/// A host whose share of the events does not come.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MissingPart {
    origin: String,
    share: f64,
    from: i32,
    to: i32,
}

/// A change marker; `at_s` are seconds after the beginning.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MarkPart {
    kind: String,
    what: String,
    at_s: i64,
    #[serde(default)]
    scope: Slice,
}

/// An alarm that has to open.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    kind: String,
    slice: Slice,
    from: i32,
    /// Minutes after `from` in which it opens.
    within: i32,
    /// Minutes after `from` by which it is resolved.
    resolved: Option<i32>,
    /// `page` or `ticket`, as it opens.
    severity: Option<String>,
    /// What it tells later on, such as `escalated`, each within `within` minutes of its time.
    #[serde(default)]
    then: Vec<Then>,
    /// The first of the changes that it names.
    change: Option<String>,
}

/// A later record of an alarm.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Then {
    because: String,
    from: i32,
    within: i32,
}

/// What came of it.
pub struct Outcome {
    expect: Vec<Expect>,
    max_others: usize,
    records: Vec<AlarmRecord>,
}

impl Story {
    /// For the runner's own test.
    pub fn expect_an_alarm_that_will_not_come(&mut self) {
        let (kind, slice) = ("drop".to_owned(), Slice::default());
        let (resolved, severity, then, change) = (None, None, Vec::new(), None);
        self.expect.push(Expect { kind, slice, from: 0, within: 10, resolved, severity, then, change });
    }

    /// Teaches a judge the weeks before, then tells it the story minute by minute.
    pub fn tell(&self) -> Outcome {
        let spec = StreamSpec::example();
        let streams: Arc<[StreamSpec]> = Arc::new([spec.clone()]);
        let mut shop = Shop::new(ShopSpec { peak_per_min: self.peak, ..ShopSpec::demo(self.seed) }, &spec);
        self.before.iter().for_each(|part| shop.break_slice(part.incident()));
        let taught = self.taught(&shop, &spec, &streams);
        let calendar = self.calendar.iter().map(CalendarPart::entry).collect();
        let context = JudgeContext { calendar, ..context() };
        let mut judge = Judge::restore(streams, context, taught).expect("a state that was just saved");
        self.incident.iter().flat_map(IncidentPart::steps).for_each(|step| shop.break_slice(step));
        self.mark.iter().for_each(|part| judge.mark(part.mark()));
        let mut records = Vec::new();
        for offset in 0..self.minutes {
            let minute = BEGIN.plus(offset);
            let sealed = self.without_the_missing(shop.sealed(minute, StreamId(0), &spec), offset);
            let sealed = self.without_the_rejected(sealed, offset);
            records.extend(judge.judge(&sealed, minute.end().plus_us(5_000_000)).records);
        }
        Outcome { expect: self.expect.clone(), max_others: self.max_others, records }
    }

    /// A judge after the weeks before the story; stories with the same weeks share it.
    fn taught(&self, shop: &Shop, spec: &StreamSpec, streams: &Arc<[StreamSpec]>) -> JudgeState {
        static TAUGHT: Mutex<BTreeMap<String, Arc<OnceLock<JudgeState>>>> = Mutex::new(BTreeMap::new());
        let key = format!("{} {} {} {:?}", self.seed, self.weeks, self.peak, self.before);
        let place = Arc::clone(TAUGHT.lock().expect("nobody panics with it").entry(key).or_default());
        let learn = || {
            let mut judge = Judge::new(Arc::clone(streams), context());
            for minute in (BEGIN.0 - self.weeks * 7 * 1440..BEGIN.0).map(Minute) {
                judge.learn(&shop.sealed(minute, StreamId(0), spec));
            }
            judge.save()
        };
        place.get_or_init(learn).clone()
    }

    fn without_the_rejected(&self, mut sealed: SealedMinute, offset: i32) -> SealedMinute {
        for part in self.rejected.iter().filter(|part| (part.from..part.to).contains(&offset)) {
            let mut rows = sealed.rows.to_vec();
            for row in &mut rows {
                let unread = (row.count as f64 * part.share) as i64;
                row.count -= unread;
                sealed.completeness.rejected += unread as u64;
            }
            sealed.rows = rows.into();
        }
        sealed
    }

    fn without_the_missing(&self, mut sealed: SealedMinute, offset: i32) -> SealedMinute {
        for part in self.missing.iter().filter(|part| (part.from..part.to).contains(&offset)) {
            let mut rows = sealed.rows.to_vec();
            for row in &mut rows {
                row.count -= (row.count as f64 * part.share) as i64;
            }
            sealed.rows = rows.into();
            let since = BEGIN.plus(part.from).start();
            let missing = MissingOrigin { origin: part.origin.clone(), since, share: part.share };
            sealed.completeness.missing.push(missing);
            sealed.completeness.fraction *= 1.0 - part.share;
        }
        let all_gone = sealed.completeness.missing_share() >= 1.0;
        if all_gone {
            sealed.rows.clear();
            sealed.completeness = Completeness { no_data: true, ..sealed.completeness };
        }
        sealed
    }
}

impl IncidentPart {
    /// The incident, in steps of a minute while it ramps.
    fn steps(&self) -> impl Iterator<Item = Incident> {
        let incident = |from: i32, to: i32, remaining: f64| Incident {
            slice: self.slice.clone(),
            from: BEGIN.plus(from),
            to: BEGIN.plus(to),
            remaining,
        };
        let part = |at: i32| f64::from(at + 1) / f64::from(self.ramp + 1);
        let ramp = (0..self.ramp).map(move |at| (self.from + at, 1.0 + (self.remaining - 1.0) * part(at)));
        let steps = ramp.map(move |(at, remaining)| incident(at, at + 1, remaining));
        steps.chain([incident(self.from + self.ramp, self.to, self.remaining)])
    }
}

impl CalendarPart {
    fn entry(&self) -> CalendarEntry {
        let at = |offset: i32| CalendarTime::At(BEGIN.plus(offset).start());
        let (name, slice) = (self.name.clone(), self.slice.clone());
        CalendarEntry { name, from: at(self.from), to: at(self.to), slice, learn: false, like: None }
    }
}

impl BeforePart {
    fn incident(&self) -> Incident {
        let from = BEGIN.plus(-60 * self.hours_ago);
        Incident { slice: self.slice.clone(), from, to: from.plus(self.minutes), remaining: self.remaining }
    }
}

impl MarkPart {
    fn mark(&self) -> Mark {
        let at = BEGIN.start().plus_us(self.at_s * 1_000_000);
        Mark {
            id: self.what.clone(),
            kind: self.kind.clone(),
            what: self.what.clone(),
            at,
            until: None,
            scope: self.scope.clone(),
            retracted: false,
            received: at,
            by: "story".to_owned(),
        }
    }
}

fn context() -> JudgeContext {
    JudgeContext {
        host: "web-01".to_owned(),
        view: View::Whole,
        config_hash: "test".to_owned(),
        knobs: DetectKnobs { false_alarms_per_week: 1.0, max_slices: 1_000 },
        http_url: None,
        funnels: Vec::new(),
        calendar: Vec::new(),
    }
}

impl Outcome {
    /// Each expectation that was not met, in words.
    pub fn missed(&self) -> Vec<String> {
        let mut missed: Vec<String> = self.expect.iter().filter_map(|expect| self.unmet(expect)).collect();
        let drops = self.opened().filter(|record| record.kind == Kind::Drop).count();
        let wanted = self.expect.iter().filter(|expect| expect.kind == "drop").count();
        if drops > wanted + self.max_others {
            missed.push(format!(
                "{drops} drop alarms opened, {wanted} are expected and {} allowed",
                self.max_others
            ));
        }
        missed
    }

    fn unmet(&self, expect: &Expect) -> Option<String> {
        let fits = |record: &&AlarmRecord| record.kind.name() == expect.kind && record.slice == expect.slice;
        let Some(record) = self.opened().find(fits) else {
            return Some(format!("no {} alarm for {}", expect.kind, expect.slice));
        };
        let (no, at) = (record.no, offset(&record.minute));
        if let Some(severity) = expect.severity.as_ref().filter(|want| **want != record.severity.name()) {
            return Some(format!("the alarm for {} is no {severity}", expect.slice));
        }
        let first = record.changes.first().map(|change| change.what.as_str());
        if expect.change.as_deref().is_some_and(|want| first != Some(want)) {
            return Some(format!("the alarm for {} names {first:?} first", expect.slice));
        }
        if let Some(then) = expect.then.iter().find(|then| !self.tells(no, then)) {
            return Some(format!("the alarm for {} tells no `{}` in time", expect.slice, then.because));
        }
        if !(expect.from..=expect.from + expect.within).contains(&at) {
            return Some(format!("the alarm for {} opened at minute {at}", expect.slice));
        }
        let over = self.records.iter().find(|r| r.no == no && r.because == Because::Resolved);
        let resolved = over.map(|record| offset(&record.minute));
        let late = expect.resolved.filter(|by| resolved.is_none_or(|at| at > expect.from + by));
        late.map(|_| format!("the alarm for {} was resolved at {resolved:?}", expect.slice))
    }

    fn tells(&self, no: u64, then: &Then) -> bool {
        let in_time =
            |record: &AlarmRecord| (then.from..=then.from + then.within).contains(&offset(&record.minute));
        let mut records = self.records.iter().filter(|record| record.no == no);
        records.any(|record| record.because.name() == then.because && in_time(record))
    }

    /// The first record of the first alarm.
    pub fn first(&self) -> &AlarmRecord {
        self.records.first().expect("an alarm")
    }

    fn opened(&self) -> impl Iterator<Item = &AlarmRecord> {
        self.records.iter().filter(|record| record.because == Because::Opened)
    }

    /// Every record in a line.
    pub fn alarms(&self) -> String {
        let line = |record: &AlarmRecord| {
            format!(
                "  {:>4} {} {} {}",
                offset(&record.minute),
                record.no,
                record.because.name(),
                record.title
            )
        };
        self.records.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Minutes after the story's beginning.
fn offset(minute: &str) -> i32 {
    let text = |m: i32| BEGIN.plus(m).to_string();
    (-60..100_000).find(|m| text(*m) == minute).unwrap_or(i32::MAX)
}
