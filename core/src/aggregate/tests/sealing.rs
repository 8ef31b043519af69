//! When minutes are sealed, what late events add, what a restart keeps.

use super::*;

#[test]
fn a_minute_is_sealed_once_its_time_is_over() {
    let mut bench = Bench::new();
    assert!(bench.advance(0.0).is_empty());
    bench.orders("web-1", 1, 60);
    let first = bench.advance(5.0);
    assert_eq!(first.len(), 1, "the minute before the start ended within `seal`");
    assert_eq!(first[0].minute, minute(-1));
    assert!(first[0].completeness.no_data || first[0].completeness.fraction == 0.0);
    assert!(bench.advance(64.9).is_empty());
    let sealed = bench.advance(65.0);
    assert_eq!(sealed.len(), 1);
    let sealed = &sealed[0];
    assert_eq!((sealed.minute, sealed.revision, count(sealed)), (minute(0), 0, 59));
    assert_eq!(sealed.watched_count(), 59);
    assert_eq!(sealed.rows.len(), 1);
    assert_eq!(sealed.rows.row(0).sums[0].0, 59 * 1999);
    assert_eq!(&*sealed.rows.row(0).key.currencies[0], "USD");
    assert!(!sealed.rows.row(0).sketches.get(0).is_empty());
    assert!(!sealed.completeness.no_data);
    assert_eq!(bench.aggregator.watermark(StreamId(0)), Some(minute(1).start()));
    assert!(bench.aggregator.take_ledger(None).balances());
}

#[test]
fn late_events_are_revisions_and_are_counted_as_late() {
    let mut bench = Bench::new();
    bench.orders("web-1", 0, 60);
    bench.advance(66.0);
    bench.send(0, at(67.0), &[order(at(58.0), "web-1"), order(at(66.0), "web-1")]);
    let revisions = bench.aggregator.take_revisions(at(68.0));
    assert_eq!(revisions.len(), 1);
    assert_eq!((revisions[0].minute, revisions[0].revision, count(&revisions[0])), (minute(0), 1, 1));
    assert!(revisions[0].sources.is_empty());
    assert!((revisions[0].completeness.late - 1.0 / 61.0).abs() < 1e-9);
    bench.send(0, at(69.0), &[order(at(58.0), "web-1")]);
    let revisions = bench.aggregator.take_revisions(at(70.0));
    assert_eq!((revisions[0].revision, count(&revisions[0])), (2, 1));
    assert!(bench.aggregator.take_revisions(at(71.0)).is_empty());
    let ledger = bench.aggregator.take_ledger(None);
    assert_eq!((ledger.total().late, ledger.total().counted), (2, 63));
    assert_eq!(bench.aggregator.counters().late_events, 2);
}

#[test]
fn what_is_older_than_the_start_is_late_data_and_too_old_is_refused() {
    let mut bench = Bench::new();
    let old = at(-3600.0);
    bench.send(0, at(0.0), &[order(old, ""), order(at(-8.0 * 86_400.0), ""), order(at(121.0), "")]);
    let revisions = bench.aggregator.take_revisions(at(1.0));
    assert_eq!((revisions[0].minute, revisions[0].revision), (old.minute(), 1));
    let total = bench.aggregator.take_ledger(None).total();
    assert_eq!((total.counted, total.late, total.rejected_total()), (1, 1, 2));
    let samples = bench.aggregator.take_samples();
    assert_eq!(samples.len(), 2);
}

#[test]
fn heartbeats_seal_early_and_their_time_is_clamped() {
    let mut bench = Bench::new();
    bench.advance(0.0);
    bench.orders("web-1", 1, 60);
    let beat = |through: TimeUs| format!(r#"{{"ebbd":"heartbeat","origin":"web-1","through":"{through}"}}"#);
    bench.send(0, at(59.5), &[beat(at(600.0))]);
    assert_eq!(bench.advance(60.5).len(), 1, "only the one before the start");
    bench.send(0, at(60.6), &[beat(at(60.5))]);
    let sealed = bench.advance(60.6);
    assert_eq!(sealed.len(), 1);
    assert_eq!(sealed[0].minute, minute(0));
    assert_eq!(sealed[0].completeness.fraction, 1.0);
    assert_eq!(sealed[0].sources.len(), 1);
}

#[test]
fn open_rows_are_never_handed_out_twice() {
    let mut bench = Bench::new();
    bench.orders("web-1", 0, 30);
    let stopped = bench.aggregator.take_open_rows();
    assert_eq!(stopped.iter().map(count).sum::<i64>(), 30);
    assert!(bench.aggregator.take_open_rows().is_empty());
    bench.restart();
    bench.orders("web-1", 31, 60);
    let sealed: Vec<SealedMinute> =
        bench.advance(66.0).into_iter().filter(|sealed| sealed.minute == minute(0)).collect();
    assert_eq!(count(&sealed[0]), 29, "only what came after the stop is written");
    assert_eq!(sealed[0].watched_count(), 59, "all of it is judged");
    assert_eq!(sealed[0].earlier.len(), 1);
    let fraction = sealed[0].completeness.fraction;
    assert!((fraction - 58.0 / 60.0).abs() < 1e-9, "two seconds down: {fraction}");
}

#[test]
fn what_was_handed_out_early_is_judged_without_sketches() {
    let mut bench = Bench::new();
    for from in [0, 20, 40] {
        bench.orders("web-1", from, from + 20);
        let stopped = bench.aggregator.take_open_rows();
        assert!(stopped[0].rows.iter().all(|row| !row.sketches.get(0).is_empty()));
        if from == 20 {
            bench.restart();
        }
    }
    let sealed = bench.advance(66.0).into_iter().find(|sealed| sealed.minute == minute(0));
    let sealed = sealed.expect("it is over");
    assert_eq!((sealed.rows.len(), sealed.watched_count()), (0, 60));
    assert!(sealed.earlier.iter().all(|row| row.sketches.is_empty()));
}

#[test]
fn time_down_is_no_data_minute_by_minute() {
    let mut bench = Bench::new();
    bench.orders("web-1", 0, 60);
    assert_eq!(bench.advance(65.0).len(), 2);
    bench.restart();
    assert!(bench.advance(600.0).is_empty(), "files and senders get a moment to catch up");
    let sealed = bench.advance(605.0);
    let minutes: Vec<Minute> = sealed.iter().map(|sealed| sealed.minute).collect();
    assert_eq!(minutes, (1..10).map(minute).collect::<Vec<_>>());
    assert!(sealed.iter().all(|sealed| sealed.completeness.no_data && sealed.rows.is_empty()));
    bench.restart();
    let year = 365.0 * 86_400.0;
    bench.advance(year);
    let mut minutes = 0;
    loop {
        let sealed = bench.advance(year + 6.0).len();
        minutes += sealed;
        if sealed == 0 {
            break;
        }
    }
    assert_eq!(minutes, 10_080);
}

#[test]
fn a_clock_that_was_ahead_does_not_make_everything_late() {
    let mut bench = Bench::new();
    bench.advance(0.0);
    for _ in 0..10 {
        bench.advance(86_400.0);
    }
    bench.restart();
    bench.orders("web-1", 600, 660);
    let sealed = bench.advance(665.0);
    assert!(sealed.iter().any(|sealed| count(sealed) == 60), "{sealed:?}");
}

#[test]
fn a_restart_changes_nothing_but_the_state_of_the_senders() {
    let lines = |from: i64| -> Vec<String> {
        (from..from + 20).map(|second| order(at(second as f64), "web-1")).collect()
    };
    let mut plain = Bench::new();
    let mut restarted = Bench::new();
    for bench in [&mut plain, &mut restarted] {
        bench.send(0, at(20.0), &lines(0));
        bench.send(0, at(21.0), &[order(at(-600.0), "web-1")]);
    }
    restarted.restart();
    for bench in [&mut plain, &mut restarted] {
        bench.send(0, at(40.0), &lines(20));
        bench.send(0, at(41.0), &[order(at(-600.0), "web-1")]);
    }
    let (one, two) = (plain.advance(66.0), restarted.advance(66.0));
    assert_eq!(one.last().unwrap().rows, two.last().unwrap().rows);
    let (one, two) =
        (plain.aggregator.take_revisions(at(66.0)), restarted.aggregator.take_revisions(at(66.0)));
    assert_eq!(one[0].rows, two[0].rows);
    assert_eq!(one[0].revision, two[0].revision);
    assert_eq!(plain.aggregator.take_ledger(None), restarted.aggregator.take_ledger(None));
}

#[test]
fn state_of_a_newer_release_or_damaged_state_is_refused() {
    let mut bench = Bench::new();
    bench.orders("web-1", 0, 3);
    let mut state = serde_json::to_value(bench.aggregator.save()).unwrap();
    let fresh = || Aggregator::new(bench.specs.clone(), bench.sources.clone(), Limits::default(), 1);
    state["streams"][0]["open"][0]["cells"][0]["sketches"][0] = "0g".into();
    let damaged: AggregateState = serde_json::from_value(state.clone()).unwrap();
    assert!(matches!(fresh().restore(damaged), Err(RestoreError::Damaged(_))));
    state["version"] = 2.into();
    let newer: AggregateState = serde_json::from_value(state).unwrap();
    assert_eq!(fresh().restore(newer), Err(RestoreError::Version(2)));
}

#[test]
fn ids_are_remembered_over_a_restart() {
    let mut spec = StreamSpec::example();
    spec.id = vec!["order_id".to_owned()];
    let mut bench = Bench::with(spec, vec![source(0, Format::Ndjson)], Limits::default());
    let line = |id: u8| format!(r#"{{"ts":"{}","order_id":"o-{id}","status":"placed","amount":1}}"#, at(1.0));
    bench.send(0, at(2.0), &[line(1), line(2), line(1)]);
    bench.restart();
    bench.send(0, at(3.0), &[line(2), line(3)]);
    let ledger = bench.aggregator.take_ledger(None);
    assert!(ledger.balances());
    assert_eq!((ledger.total().counted, ledger.total().duplicate), (3, 2));
    let sealed = bench.advance(66.0);
    assert_eq!(count(sealed.last().unwrap()), 3);
}
