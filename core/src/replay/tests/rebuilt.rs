//! Minutes written as datasets and rebuilt from them are the minutes that were judged.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::{BEGIN, context, minute, shop, spec, streams};
use crate::columns::*;
use crate::detect::{Drift, SinceOnset, SliceVerdict, Verdict};
use crate::judge::Judge;
use crate::model::*;
use crate::replay::{Day, Feed, Moment, Rebuild, Replay, in_order};

/// What befalls a minute.
#[derive(Clone, Debug)]
struct Fate {
    /// The second host is missing since so many seconds before the minute's end.
    missing_s: Option<i64>,
    dropped: u64,
    refused: u64,
    late: u64,
    no_data: bool,
    /// Rows that came after the seal.
    is_revised: bool,
    judged_after_s: i64,
}

fn fate() -> impl Strategy<Value = Fate> {
    let missing = proptest::option::weighted(0.2, 0..600i64);
    let flags = (proptest::bool::weighted(0.1), proptest::bool::weighted(0.1));
    (missing, 0..3u64, 0..5u64, 0..9u64, flags, 5..9i64).prop_map(
        |(missing_s, dropped, refused, late, (no_data, is_revised), judged_after_s)| Fate {
            missing_s,
            dropped,
            refused,
            late,
            no_data,
            is_revised,
            judged_after_s,
        },
    )
}

/// The minute as the daemon would have sealed it.
fn sealed(at: i32, fate: &Fate) -> SealedMinute {
    let mut sealed = minute(&shop(3), BEGIN.plus(at));
    let source = |origin: &str, state, share, missing_since: Option<TimeUs>| SourceMinute {
        source: SourceId(1),
        source_name: "shop".to_owned(),
        origin: origin.to_owned(),
        state,
        share,
        completeness: if missing_since.is_some() { 0.25 } else { 1.0 },
        lost_upper: if origin == "web-01" { fate.dropped as f64 } else { 0.0 },
        missing_since,
    };
    let since = fate.missing_s.map(|seconds| sealed.minute.end().plus_us(-seconds * 1_000_000));
    let second = if since.is_some() { SourceState::Silent } else { SourceState::Alive };
    sealed.sources =
        vec![source("web-01", SourceState::Alive, 0.7, None), source("web-02", second, 0.3, since)];
    if fate.no_data {
        sealed.rows.clear();
    }
    let counted = sealed.rows.events() as f64;
    let missing = since.map(|since| MissingOrigin { origin: "web-02".to_owned(), since, share: 0.3 });
    sealed.completeness = Completeness {
        fraction: if fate.no_data { 0.0 } else { 1.0 / (1.0 + fate.dropped as f64) },
        late: if counted > 0.0 { fate.late as f64 / counted } else { 0.0 },
        dropped: fate.dropped,
        rejected: fate.refused,
        missing: missing.into_iter().collect(),
        no_data: fate.no_data,
    };
    sealed.sealed_at = sealed.minute.end().plus_us(fate.judged_after_s * 1_000_000);
    sealed
}

fn file(write: impl FnOnce(&mut Vec<u8>) -> Result<Written, ColumnsError>) -> Bytes {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    Bytes::from(bytes)
}

fn footer() -> Footer {
    Footer { host: "web-01".to_owned(), ..Footer::default() }
}

/// All of it as one day of files, and what is rebuilt from them.
fn through_files(minutes: &[(SealedMinute, Fate)]) -> Vec<Moment> {
    let rows: Vec<SourceRowRef<'_>> = minutes
        .iter()
        .flat_map(|(sealed, _)| {
            sealed.sources.iter().map(|source| SourceRowRef {
                minute: sealed.minute,
                stream: "orders",
                source,
            })
        })
        .collect();
    let mut day = Day::new(minutes.first().map(|(sealed, _)| sealed.minute));
    let names = ["logs".to_owned(), "shop".to_owned()];
    day.add_judged(read_judged(verdicts(minutes)).unwrap());
    day.add_sources(
        0,
        "orders",
        read_sources(&names, file(|out| write_sources(&rows, &footer(), out))).unwrap(),
    );
    day.add_ledger("orders", |source| source == "shop", read_ledger(ledger(minutes, &names)).unwrap());
    let mut written: Vec<Arc<SealedMinute>> =
        minutes.iter().map(|(sealed, _)| Arc::new(sealed.clone())).collect();
    let revised = minutes.iter().filter(|(_, fate)| fate.is_revised);
    written.extend(revised.map(|(sealed, _)| Arc::new(SealedMinute { revision: 1, ..sealed.clone() })));
    let bytes = file(|out| write_minutes(&spec(), &written, &footer(), out));
    read_minutes(&spec(), bytes).unwrap().for_each(|minute| day.add_rows(minute.unwrap(), true));
    Rebuild::new(StreamId(0), &spec()).day(day)
}

fn verdicts(minutes: &[(SealedMinute, Fate)]) -> Bytes {
    let whole = Slice::default();
    let verdict = |sealed: &SealedMinute| SliceVerdict {
        slice: SliceId(0),
        verdict: if sealed.completeness.no_data { Verdict::NoData } else { Verdict::Ok },
        observed: None,
        observed_max: None,
        expected: None,
        low: None,
        high: None,
        completeness: sealed.completeness.fraction,
        evidence: 0.0,
        threshold: 0.0,
        onset: None,
        since_onset: SinceOnset::default(),
        deep: false,
        recovering: false,
        escalated: false,
        drift: Drift::default(),
        declared: None,
        before_drop: None,
        at_normal: None,
    };
    let verdicts: Vec<SliceVerdict> = minutes.iter().map(|(sealed, _)| verdict(sealed)).collect();
    let rows: Vec<SliceRowRef<'_>> = minutes
        .iter()
        .zip(&verdicts)
        .map(|((sealed, _), verdict)| {
            let (minute, judged_at) = (sealed.minute, sealed.sealed_at);
            SliceRowRef { minute, slice: &whole, verdict, revision: 0, judged_at }
        })
        .collect();
    file(|out| write_slices(&spec(), &rows, &footer(), out))
}

fn ledger(minutes: &[(SealedMinute, Fate)], names: &[String]) -> Bytes {
    let mut ledger = Ledger::default();
    for (sealed, fate) in minutes {
        let key = |stream: &str, source| LedgerKey {
            arrival: sealed.minute,
            source: SourceId(source),
            origin: "web-01".to_owned(),
            stream: stream.to_owned(),
        };
        let counts = ledger.entry(key("orders", 1));
        (counts.counted, counts.late) = (sealed.rows.events() as u64, fate.late);
        let refused = ledger.entry(key("", 1));
        refused.rejected[Reason::BadTime as usize] = fate.refused;
        refused.rejected[Reason::TooLate as usize] = 3;
        // Another source's are no events of this stream.
        ledger.entry(key("", 0)).rejected[Reason::BadTime as usize] = 7;
    }
    file(|out| write_ledger(&ledger, LedgerNames { sources: names, bad_fields: &[] }, &footer(), out))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_minutes_are_those_that_were_judged(fates in proptest::collection::vec(fate(), 1..60)) {
        let minutes: Vec<(SealedMinute, Fate)> =
            fates.iter().enumerate().map(|(at, fate)| (sealed(at as i32, fate), fate.clone())).collect();
        let rebuilt = through_files(&minutes);
        prop_assert_eq!(rebuilt.len(), minutes.len());
        for (moment, (sealed, _)) in rebuilt.iter().zip(&minutes) {
            prop_assert_eq!(&moment.sealed, sealed);
            prop_assert_eq!(moment.now, sealed.sealed_at);
        }
        // The judge itself, and one that lives through what was rebuilt, say the same.
        let mut judge = Judge::new(streams(), context());
        let mut replay = Replay::new(streams(), context(), Vec::new());
        for (moment, (sealed, _)) in rebuilt.iter().zip(&minutes) {
            prop_assert_eq!(replay.tell(moment), Some(judge.judge(sealed, sealed.sealed_at)));
        }
    }
}

#[test]
fn ingested_minutes_have_all_their_rows_and_gaps_between_them_are_missing_data() {
    let (first, second) = (minute(&shop(3), BEGIN), minute(&shop(3), BEGIN.plus(3)));
    let rows = |sealed: &SealedMinute, revision| FileMinute {
        minute: sealed.minute,
        revision,
        rows: sealed.rows.to_vec(),
    };
    let mut day = Day::new(None);
    day.add_rows(rows(&first, 0), false);
    day.add_rows(rows(&second, 0), false);
    day.add_rows(rows(&second, 1), false);
    let moments = Rebuild::new(StreamId(0), &spec()).day(day);
    let told: Vec<(i32, i64, bool)> = moments
        .iter()
        .map(|m| (m.sealed.minute.0 - BEGIN.0, m.sealed.rows.events(), m.sealed.completeness.no_data))
        .collect();
    let twice = 2 * second.rows.events();
    assert_eq!(told, [(0, first.rows.events(), false), (1, 0, true), (2, 0, true), (3, twice, false)]);
    assert_eq!(moments[0].now, BEGIN.end().plus_us(spec().seal_us));
}

#[test]
fn what_was_ingested_into_a_judged_minute_is_not_what_was_judged() {
    let sealed = sealed(
        0,
        &Fate {
            missing_s: None,
            dropped: 0,
            refused: 0,
            late: 0,
            no_data: false,
            is_revised: false,
            judged_after_s: 5,
        },
    );
    let judged = JudgedAt { minute: BEGIN, at: sealed.sealed_at, completeness: 1.0, no_data: false };
    let mut day = Day::new(Some(BEGIN));
    day.add_judged(vec![judged]);
    let rows = |revision| FileMinute { minute: BEGIN, revision, rows: sealed.rows.to_vec() };
    day.add_rows(rows(0), true);
    day.add_rows(rows(1), true);
    day.add_rows(rows(0), false);
    let mut rebuild = Rebuild::new(StreamId(0), &spec());
    let moments = rebuild.day(day);
    assert_eq!((moments[0].sealed.rows.events(), rebuild.revised), (sealed.rows.events(), 1));
}

#[test]
fn streams_are_told_in_the_order_in_which_they_were_judged() {
    let moment = |stream: u16, at: i32, now: i64| {
        let sealed = SealedMinute { stream: StreamId(stream), ..minute(&shop(1), BEGIN.plus(at)) };
        Ok::<Moment, ()>(Moment { sealed, now: TimeUs(now), is_history: false })
    };
    let feeds: Vec<Feed<'_, ()>> = vec![
        Box::new(vec![moment(0, 0, 10), moment(0, 1, 30), moment(0, 2, 30)].into_iter()),
        Box::new(vec![moment(1, 0, 10), moment(1, 1, 20), Err(()), moment(1, 3, 20)].into_iter()),
    ];
    let told: Vec<Result<(u16, i32), ()>> = in_order(feeds)
        .map(|moment| moment.map(|m| (m.sealed.stream.0, m.sealed.minute.0 - BEGIN.0)))
        .collect();
    assert_eq!(told, [Ok((0, 0)), Ok((1, 0)), Ok((1, 1)), Err(())]);
}
