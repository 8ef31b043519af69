//! Who is missing, who is silent, who left: zero and absent are told apart.

use super::*;
use crate::model::SourceState;

pub(super) fn state_of<'a>(sealed: &'a SealedMinute, origin: &str) -> &'a crate::model::SourceMinute {
    sealed.sources.iter().find(|row| row.origin == origin).expect("the origin is listed")
}

/// Runs two hosts for a quarter of an hour, so that their habits are known.
pub(super) fn two_known_hosts() -> Bench {
    let mut bench = Bench::new();
    bench.advance(0.0);
    for minute in 0..15 {
        for second in minute * 60..minute * 60 + 60 {
            let time = at(second as f64);
            let mut lines = vec![order(time, "web-1")];
            if second % 4 == 0 {
                lines.push(order(time, "web-2"));
            }
            bench.send(0, time, &lines);
        }
        bench.advance(minute as f64 * 60.0 + 65.0);
    }
    bench
}

#[test]
fn a_silent_host_is_missing_with_its_usual_share_and_the_rest_is_not() {
    let mut bench = two_known_hosts();
    bench.orders("web-1", 900, 965);
    let sealed = bench.advance(965.0).pop().unwrap();
    assert_eq!(count(&sealed), 60);
    let silent = state_of(&sealed, "web-2");
    assert_eq!(silent.state, SourceState::Silent);
    assert!((silent.share - 0.2).abs() < 0.02, "{silent:?}");
    assert_eq!(silent.completeness, 0.0);
    assert_eq!(silent.missing_since, Some(at(896.0)));
    assert_eq!(state_of(&sealed, "web-1").state, SourceState::Alive);
    assert_eq!(sealed.completeness.missing.len(), 1);
    assert_eq!(sealed.completeness.missing[0].origin, "web-2");
    assert!((sealed.completeness.fraction - 0.8).abs() < 0.02);
    assert!(!sealed.completeness.no_data);
}

#[test]
fn a_goodbye_is_no_absence() {
    let mut bench = two_known_hosts();
    bench.send(0, at(900.0), &[r#"{"ebbd":"goodbye","origin":"web-2"}"#.to_owned()]);
    bench.orders("web-1", 901, 965);
    let sealed = bench.advance(965.0).pop().unwrap();
    assert_eq!(state_of(&sealed, "web-2").state, SourceState::Left);
    assert_eq!(sealed.completeness.fraction, 1.0);
    assert!(sealed.completeness.missing.is_empty());
    bench.orders("web-2", 966, 970);
    bench.orders("web-1", 970, 1025);
    let sealed = bench.advance(1025.0).pop().unwrap();
    assert_ne!(state_of(&sealed, "web-2").state, SourceState::Left, "it is back");
}

#[test]
fn a_heartbeat_makes_silence_zero() {
    let mut bench = two_known_hosts();
    for second in [910, 920, 930, 940, 950, 960] {
        let time = at(f64::from(second));
        let beat = format!(r#"{{"ebbd":"heartbeat","origin":"web-2","through":"{time}"}}"#);
        bench.send(0, time, &[beat, order(time, "web-1")]);
    }
    let sealed = bench.advance(965.0).pop().unwrap();
    assert_eq!(state_of(&sealed, "web-2").state, SourceState::Alive);
    assert_eq!(sealed.completeness.fraction, 1.0);
}

#[test]
fn an_open_silent_only_source_is_zero_first_and_no_data_after_a_minute() {
    let mut bench = Bench::new();
    bench.advance(0.0);
    bench.aggregator.opened(SourceId(0), ConnId(0), at(0.0));
    for minute in 0..15 {
        bench.orders("", minute * 60, minute * 60 + 60);
        bench.advance(minute as f64 * 60.0 + 65.0);
    }
    bench.orders("", 900, 930);
    let half = bench.advance(965.0).pop().unwrap();
    assert_eq!(count(&half), 30);
    assert!(!half.completeness.no_data);
    assert_eq!(half.completeness.fraction, 1.0, "35 s of silence may be a silent shop");
    let silent = bench.advance(1025.0).pop().unwrap();
    assert!(silent.completeness.no_data);
    assert_eq!(silent.completeness.missing[0].origin, "source-0");
    assert_eq!(silent.completeness.missing[0].since, at(929.0));
}

#[test]
fn a_source_whose_connections_all_closed_is_missing_after_its_lag() {
    let mut bench = two_known_hosts();
    bench.aggregator.opened(SourceId(0), ConnId(0), at(0.0));
    bench.orders("web-1", 900, 930);
    bench.aggregator.closed(SourceId(0), ConnId(0), at(930.0));
    let sealed = bench.advance(965.0).pop().unwrap();
    let closed = state_of(&sealed, "web-1");
    assert_eq!((closed.state, closed.completeness), (SourceState::Closed, 0.5));
    assert_eq!(closed.missing_since, Some(at(930.0)));
    let sealed = bench.advance(1025.0).pop().unwrap();
    assert!(sealed.completeness.no_data);
    bench.aggregator.opened(SourceId(0), ConnId(1), at(1030.0));
    bench.orders("web-1", 1030, 1085);
    let sealed = bench.advance(1085.0).pop().unwrap();
    assert_eq!(state_of(&sealed, "web-1").state, SourceState::Alive);
}

#[test]
fn expected_origins_are_missing_from_the_start_and_before_any_event_there_is_no_data() {
    let mut spec = source(0, Format::Ndjson);
    spec.expect = vec!["web-1".to_owned(), "web-9".to_owned()];
    let mut bench = Bench::with(StreamSpec::example(), vec![spec], Limits::default());
    bench.advance(0.0);
    let sealed = bench.advance(65.0);
    assert!(sealed.iter().all(|sealed| sealed.completeness.no_data));
    assert_eq!(state_of(sealed.last().unwrap(), "web-9").state, SourceState::NeverSeen);
    bench.orders("web-1", 66, 125);
    let sealed = bench.advance(125.0).pop().unwrap();
    let missing: Vec<&str> = sealed.completeness.missing.iter().map(|m| m.origin.as_str()).collect();
    assert_eq!(missing, ["web-9"]);
    assert!(bench.aggregator.forget(SourceId(0), "web-9"));
    bench.orders("web-1", 126, 185);
    assert!(bench.advance(185.0).pop().unwrap().completeness.missing.is_empty());
}

#[test]
fn losses_and_refusals_are_told_in_their_minute_of_arrival() {
    let mut bench = two_known_hosts();
    let tally = SourceTally {
        dropped_queue_lines: 30,
        kernel_datagrams: 10,
        partial_lines: 1,
        too_long_lines: 2,
        ..SourceTally::default()
    };
    bench.aggregator.book(SourceId(0), at(910.0), tally);
    let beat = |dropped: u64| vec![format!(r#"{{"ebbd":"heartbeat","origin":"web-1","dropped":{dropped}}}"#)];
    bench.send(0, at(911.0), &beat(5));
    bench.send(0, at(912.0), &beat(7));
    bench.send(0, at(913.0), &beat(3));
    bench.send(0, at(914.0), &["nonsense".to_owned()]);
    bench.orders("web-1", 915, 965);
    let sealed = bench.advance(965.0).pop().unwrap();
    assert_eq!(sealed.completeness.dropped, 30 + 10 + 7 + 3);
    assert_eq!(sealed.completeness.rejected, 4);
    let lost: f64 = sealed.sources.iter().map(|row| row.lost_upper).sum();
    assert_eq!(lost, 50.0);
    assert!((sealed.completeness.fraction - 0.8 * 45.0 / 95.0).abs() < 0.02, "{:?}", sealed.completeness);
    let ledger = bench.aggregator.take_ledger(None);
    assert!(ledger.balances());
    let total = ledger.total();
    assert_eq!((total.dropped_queue, total.kernel_datagrams, total.sender_dropped), (30, 10, 10));
}

#[test]
fn origins_are_bounded() {
    let limits = Limits { origins: 4, ..Limits::default() };
    let mut bench = Bench::with(StreamSpec::example(), vec![source(0, Format::Ndjson)], limits);
    let lines: Vec<String> = (0..50).map(|host| order(at(1.0), &format!("web-{host}"))).collect();
    bench.send(0, at(1.0), &lines);
    let sealed = bench.advance(66.0).pop().unwrap();
    assert_eq!(count(&sealed), 50);
    assert_eq!(sealed.sources.len(), 5, "{:?}", sealed.sources);
    assert!(bench.aggregator.counters().origin_cap_hits >= 46);
    assert!(bench.aggregator.take_ledger(None).balances());
}

#[test]
fn silent_origins_are_forgotten_in_the_end() {
    let mut bench = two_known_hosts();
    let mut listed = 2;
    for minute in 15..15 + 130 {
        bench.orders("web-1", minute * 60, minute * 60 + 60);
        listed = bench.advance(minute as f64 * 60.0 + 65.0).pop().unwrap().sources.len();
    }
    assert_eq!(listed, 1);
}

#[test]
fn a_sender_that_is_behind_has_not_delivered_the_minute() {
    let mut bench = two_known_hosts();
    for second in 900..965 {
        let time = at(f64::from(second));
        bench.send(0, time, &[order(time, "web-1"), order(time.plus_us(-300 * MICROS_PER_SECOND), "web-2")]);
    }
    let sealed = bench.advance(965.0).pop().unwrap();
    assert!(sealed.completeness.fraction > 0.75, "its latest event is still from before");
    for second in 965..1025 {
        let time = at(f64::from(second));
        bench.send(0, time, &[order(time, "web-1"), order(time.plus_us(-300 * MICROS_PER_SECOND), "web-2")]);
    }
    let sealed = bench.advance(1025.0).pop().unwrap();
    assert_eq!(state_of(&sealed, "web-2").state, SourceState::Silent);
    assert!((sealed.completeness.fraction - 0.8).abs() < 0.03, "{:?}", sealed.completeness);
}

#[test]
fn a_stream_is_silent_on_its_own() {
    let route = |field: &str| StreamRoute::ByField {
        field: field.to_owned(),
        routes: [("order".to_owned(), Some(StreamId(0))), ("parcel".to_owned(), Some(StreamId(1)))].into(),
        other: None,
    };
    let spec = SourceSpec { route: route("kind"), ..source(0, Format::Ndjson) };
    let streams = [StreamSpec::example(), StreamSpec { name: "parcels".to_owned(), ..StreamSpec::example() }];
    let mut bench = Bench::of(streams.into(), vec![spec], Limits::default());
    bench.advance(0.0);
    let line = |second: i64, kind: &str, host: &str| {
        format!(r#"{{"ts":"{}","kind":"{kind}","status":"placed","host":"{host}"}}"#, at(second as f64))
    };
    for second in 0..660 {
        let mut lines = vec![line(second, "order", "web-1")];
        if second < 600 {
            lines.push(line(second, "parcel", "depot"));
        }
        bench.send(0, at(second as f64), &lines);
        bench.advance(second as f64);
    }
    let sealed = bench.advance(665.0);
    let of = |stream: u16| sealed.iter().find(|sealed| sealed.stream == StreamId(stream)).unwrap();
    assert_eq!((of(0).minute, count(of(0))), (minute(10), 60));
    assert_eq!(of(0).sources.len(), 1, "the depot is no concern of the orders");
    assert!(!of(0).completeness.no_data);
    assert_eq!((of(1).minute, count(of(1))), (minute(10), 0));
    assert!(of(1).completeness.no_data, "no proof of life from where parcels come");
    assert_eq!(of(1).completeness.missing[0].origin, "depot");
}

#[test]
fn an_outage_is_no_habit_and_time_down_teaches_nothing() {
    let mut bench = two_known_hosts();
    bench.restart();
    bench.orders("web-1", 1500, 1540);
    bench.send(0, at(1530.0), &[order(at(1530.0), "web-2")]);
    let sealed = bench.advance(1565.0).pop().unwrap();
    assert_eq!(sealed.minute, minute(25));
    assert_eq!(state_of(&sealed, "web-2").state, SourceState::Silent, "35 s are more than its usual 4");
    assert_eq!(state_of(&sealed, "web-1").state, SourceState::Silent);
}

/// Pods that are replaced every hour without a goodbye, and one that the configuration expects.
#[test]
fn replaced_senders_leave_no_ghosts() {
    let mut declared = source(0, Format::Ndjson);
    declared.expect = vec!["cron".to_owned()];
    let mut bench = Bench::with(StreamSpec::example(), vec![declared], Limits::default());
    bench.advance(0.0);
    let mut last = None;
    for minute in 0..8 * 60 {
        let pod = format!("pod-{}", minute / 60);
        for second in (minute * 60..minute * 60 + 60).step_by(5) {
            bench.send(0, at(second as f64), &[order(at(second as f64), &pod)]);
        }
        if minute == 300 {
            bench.restart();
        }
        last = bench.advance(minute as f64 * 60.0 + 65.0).pop().or(last);
    }
    let listed: Vec<String> = last.unwrap().sources.into_iter().map(|row| row.origin).collect();
    assert_eq!(listed, ["cron", "pod-5", "pod-6", "pod-7"], "for two hours, and who is expected for ever");
    bench.orders("pod-7", 8 * 3600, 8 * 3600 + 2 * 3600 + 60);
    bench.advance(10.0 * 3600.0 + 5.0);
    let sealed = bench.advance(10.0 * 3600.0 + 65.0).pop().unwrap();
    assert!(bench.aggregator.forget(SourceId(0), "cron"));
    assert_eq!(sealed.sources.iter().map(|row| row.origin.as_str()).collect::<Vec<_>>(), ["cron", "pod-7"]);
    bench.restart();
    bench.orders("pod-7", 36_100, 36_200);
    let sealed = bench.advance(36_300.0).pop().unwrap();
    let listed: Vec<&str> = sealed.sources.iter().map(|row| row.origin.as_str()).collect();
    assert_eq!(listed, ["cron", "pod-7"], "the configuration expects it again at each start");
}
