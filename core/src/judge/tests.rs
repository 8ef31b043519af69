//! The whole judge on a small shop: nine days of history, an outage, the recovery, a restart between.

use std::sync::Arc;

use super::{Judge, JudgeContext, JudgeState, JudgedMinute};
use crate::alarm::{AlarmRecord, Because, Severity, State};
use crate::detect::{DetectKnobs, Verdict};
use crate::model::{
    Completeness, Minute, Money, Rng, SealedMinute, SealedRow, SealedRows, SeriesKey, Slice, SplitMix64,
    StreamId, StreamSpec, View,
};

pub(super) const HISTORY: i32 = 9 * 1440;
const OUTAGE: std::ops::Range<i32> = HISTORY + 60..HISTORY + 100;

pub(super) fn context() -> JudgeContext {
    JudgeContext {
        host: "web-01".to_owned(),
        view: View::Whole,
        config_hash: "9f3c".to_owned(),
        knobs: DetectKnobs { false_alarms_per_week: 1.0, max_slices: 1000 },
        http_url: None,
        funnels: Vec::new(),
        calendar: Vec::new(),
    }
}

pub(super) fn streams() -> Arc<[StreamSpec]> {
    Arc::from([StreamSpec::example()])
}

/// A minute of two marketplaces and two features; one-click in the US fails during the outage.
fn minute(at: i32, rng: &mut SplitMix64) -> SealedMinute {
    let failed =
        |market: &str, feature: &str| OUTAGE.contains(&at) && (market, feature) == ("US", "one-click");
    minute_with(at, rng, |market, feature| failed(market, feature).then_some(0))
}

/// The same with the counts that `fixed` gives.
pub(super) fn minute_with(
    at: i32,
    rng: &mut SplitMix64,
    fixed: impl Fn(&str, &str) -> Option<i64>,
) -> SealedMinute {
    let leaves =
        [("DE", "cart", 40.0), ("DE", "one-click", 20.0), ("US", "cart", 120.0), ("US", "one-click", 60.0)];
    let rows = leaves.map(|(market, feature, mean)| {
        let noise: f64 = (0..12).map(|_| rng.unit()).sum::<f64>() - 6.0;
        let usual = (mean + noise * f64::sqrt(mean)).round().max(0.0) as i64;
        let count = fixed(market, feature).unwrap_or(usual);
        SealedRow {
            key: Arc::new(SeriesKey {
                dimensions: [market, feature, "card", "placed"].map(Arc::from).into(),
                currencies: Box::new([Arc::from("USD")]),
                watched: true,
            }),
            count,
            sums: Box::new([Money(2_000 * count)]),
            sketches: Box::new([]),
        }
    });
    SealedMinute {
        stream: StreamId(0),
        minute: Minute(29_000_000 + at),
        revision: 0,
        rows: rows.to_vec().into(),
        earlier: SealedRows::default(),
        completeness: Completeness::whole(),
        sources: Vec::new(),
        sealed_at: Minute(29_000_000 + at).end().plus_us(5_000_000),
    }
}

pub(super) fn learnt(rng: &mut SplitMix64) -> Judge {
    let mut judge = Judge::new(streams(), context());
    (0..HISTORY).for_each(|at| judge.learn(&minute(at, rng)));
    judge
}

fn judged(judge: &mut Judge, at: i32, rng: &mut SplitMix64) -> JudgedMinute {
    let sealed = minute(at, rng);
    judge.judge(&sealed, sealed.sealed_at)
}

#[test]
fn an_outage_is_one_alarm_with_its_cause_its_cost_and_its_end() {
    let mut rng = SplitMix64::new(7);
    let mut judge = learnt(&mut rng);
    let end = HISTORY + 160;
    let records: Vec<AlarmRecord> =
        (HISTORY..end).flat_map(|at| judged(&mut judge, at, &mut rng).records).collect();
    let first = records.first().expect("the outage is found");
    assert_eq!((first.because, first.severity), (Because::Opened, Severity::Page));
    assert_eq!(first.slice, Slice::of([("marketplace", "US"), ("feature", "one-click")]), "{}", first.text);
    let onset = Minute(29_000_000 + OUTAGE.start);
    assert_eq!(first.onset.as_ref().unwrap()[1], onset.to_string());
    assert!(first.minute <= onset.plus(5).to_string(), "{}", first.minute);
    assert!(records.iter().all(|record| record.no == first.no), "{records:#?}");
    let last = records.last().unwrap();
    assert_eq!(last.state, State::Resolved, "{}", last.text);
    assert_eq!(last.ended.as_deref(), Some(onset.plus(40).to_string().as_str()));
    let [low, estimate, high] = last.lost.as_ref().unwrap().orders.unwrap();
    assert!(low < 2400.0 && 2400.0 < high && (estimate - 2400.0).abs() < 150.0, "{low} {estimate} {high}");
    assert!((last.lost.as_ref().unwrap().amount["USD"][1] / estimate - 20.0).abs() < 0.1);
    assert!(judge.open_alarms().is_empty());
}

#[test]
fn a_judge_restored_from_text_goes_on_word_for_word() {
    let mut rng = SplitMix64::new(7);
    let mut judge = learnt(&mut rng);
    for at in HISTORY..OUTAGE.start + 10 {
        judged(&mut judge, at, &mut rng);
    }
    assert_eq!(judge.open_alarms().len(), 1);
    let text = serde_json::to_string(&judge.save()).unwrap();
    let state: JudgeState = serde_json::from_str(&text).unwrap();
    let mut restored = Judge::restore(streams(), context(), state).unwrap();
    assert_eq!(restored.open_alarms(), judge.open_alarms());
    for at in OUTAGE.start + 10..OUTAGE.end + 20 {
        let sealed = minute(at, &mut rng);
        assert_eq!(restored.judge(&sealed, sealed.sealed_at), judge.judge(&sealed, sealed.sealed_at));
    }
    assert_eq!(restored.seq(), judge.seq());
}

#[test]
fn the_whole_stream_has_a_row_in_every_minute() {
    let mut judge = Judge::new(streams(), context());
    let mut sealed = minute(0, &mut SplitMix64::new(1));
    let rows = judge.judge(&sealed, sealed.sealed_at).rows;
    assert!(rows.iter().any(|row| row.slice.is_whole() && row.verdict.verdict == Verdict::Learning));
    sealed.minute = sealed.minute.next();
    sealed.rows.clear();
    sealed.completeness = Completeness::absent();
    let rows = judge.judge(&sealed, sealed.sealed_at).rows;
    let whole = rows.iter().find(|row| row.slice.is_whole()).unwrap();
    assert_eq!((whole.verdict.verdict, whole.verdict.observed), (Verdict::NoData, None));
    assert!(
        rows.iter().all(|row| row.verdict.observed.is_none() == (row.verdict.verdict == Verdict::NoData))
    );
}

#[test]
fn revisions_and_repeated_minutes_are_ignored() {
    let mut rng = SplitMix64::new(7);
    let mut judge = Judge::new(streams(), context());
    let mut sealed = minute(0, &mut rng);
    judge.judge(&sealed, sealed.sealed_at);
    let again = judge.judge(&sealed, sealed.sealed_at);
    assert!(again.rows.is_empty() && again.records.is_empty());
    sealed.minute = sealed.minute.next();
    sealed.revision = 1;
    let revised = judge.judge(&sealed, sealed.sealed_at);
    assert!(revised.rows.is_empty() && revised.records.is_empty() && revised.revision == 1);
}
