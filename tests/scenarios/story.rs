//! The story's form, and how it is told.

use std::sync::Arc;

use ebbd_core::alarm::{AlarmRecord, Because, Kind};
use ebbd_core::detect::DetectKnobs;
use ebbd_core::judge::{Judge, JudgeContext};
use ebbd_core::model::{
    Completeness, Mark, Minute, MissingOrigin, SealedMinute, Slice, StreamId, StreamSpec, View,
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
    remaining: f64,
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
        let kind = "drop".to_owned();
        self.expect.push(Expect { kind, slice: Slice::default(), from: 0, within: 10, resolved: None });
    }

    /// Teaches a judge the weeks before, then tells it the story minute by minute.
    pub fn tell(&self) -> Outcome {
        let spec = StreamSpec::example();
        let streams: Arc<[StreamSpec]> = Arc::new([spec.clone()]);
        let mut shop = Shop::new(ShopSpec { peak_per_min: self.peak, ..ShopSpec::demo(self.seed) }, &spec);
        let mut judge = Judge::new(streams, context());
        for minute in (BEGIN.0 - self.weeks * 7 * 1440..BEGIN.0).map(Minute) {
            judge.learn(&shop.sealed(minute, StreamId(0), &spec));
        }
        for part in &self.incident {
            let (from, to) = (BEGIN.plus(part.from), BEGIN.plus(part.to));
            shop.break_slice(Incident { slice: part.slice.clone(), from, to, remaining: part.remaining });
        }
        self.mark.iter().for_each(|part| judge.mark(part.mark()));
        let mut records = Vec::new();
        for offset in 0..self.minutes {
            let minute = BEGIN.plus(offset);
            let sealed = self.without_the_missing(shop.sealed(minute, StreamId(0), &spec), offset);
            records.extend(judge.judge(&sealed, minute.end().plus_us(5_000_000)).records);
        }
        Outcome { expect: self.expect.clone(), max_others: self.max_others, records }
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
        let opened = self.opened().filter(fits).map(|record| (record.no, offset(&record.minute))).next();
        let Some((no, at)) = opened else {
            return Some(format!("no {} alarm for {}", expect.kind, expect.slice));
        };
        if !(expect.from..=expect.from + expect.within).contains(&at) {
            return Some(format!("the alarm for {} opened at minute {at}", expect.slice));
        }
        let over = self.records.iter().find(|r| r.no == no && r.because == Because::Resolved);
        let resolved = over.map(|record| offset(&record.minute));
        let late = expect.resolved.filter(|by| resolved.is_none_or(|at| at > expect.from + by));
        late.map(|_| format!("the alarm for {} was resolved at {resolved:?}", expect.slice))
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
