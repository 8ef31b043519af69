//! Random lines over random lanes, blocks and cuts give what the twin counts.

use datasketches::hll::HllSketch;
use proptest::prelude::*;

use super::twin::Twin;
use super::*;
use crate::model::{Ledger, Rng, SplitMix64};

/// Lines of every kind, in the order of their arrival.
pub(super) struct Story {
    pub(super) lines: Vec<(u16, TimeUs, String)>,
}

impl Story {
    pub(super) fn new(seed: u64, length: usize) -> Story {
        let mut rng = SplitMix64::new(seed);
        let mut now = START;
        let mut lines = Vec::new();
        for _ in 0..length {
            now = now.plus_us(rng.below(1_500_000) as i64);
            let source = rng.below(3) as u16;
            let line = match source {
                0 => Self::ndjson(&mut rng, now),
                1 => Self::influx(&mut rng, now),
                _ => Self::statsd(&mut rng),
            };
            lines.push((source, now, line));
        }
        Story { lines }
    }

    /// Mostly fresh, sometimes late, out of order, too old or ahead.
    fn time(rng: &mut SplitMix64, now: TimeUs) -> TimeUs {
        let back_us = match rng.below(20) {
            0 => 3_600_000_000,
            1 => rng.below(300_000_000) as i64,
            2 => 9 * 86_400_000_000,
            3 => -(rng.below(200_000_000) as i64),
            _ => rng.below(2_000_000) as i64,
        };
        now.plus_us(-back_us)
    }

    fn pick<'a>(rng: &mut SplitMix64, from: &[&'a str]) -> &'a str {
        from[rng.below(from.len() as u64) as usize]
    }

    fn ndjson(rng: &mut SplitMix64, now: TimeUs) -> String {
        match rng.below(30) {
            0 => return "{\"ts\":".to_owned(),
            1 => return r#"{"ebbd":"heartbeat","origin":"web-1"}"#.to_owned(),
            2 => return r#"{"ebbd":"mark","kind":"deploy","what":"v1"}"#.to_owned(),
            3 => return r#"{"marketplace":"US"}"#.to_owned(),
            _ => {}
        }
        let time = Self::time(rng, now);
        let market = Self::pick(rng, &["US", "DE", "", "Übersee"]);
        let status = Self::pick(rng, &["placed", "failed"]);
        let currency = Self::pick(rng, &["USD", "EUR", "jpy", "", "12"]);
        let amount = Self::pick(rng, &["19.99", "-3.005", "0", "nonsense", "123456.7"]);
        let (customer, host) = (rng.below(400), rng.below(3));
        format!(
            r#"{{"ts":"{time}","marketplace":"{market}","status":"{status}","amount":"{amount}","currency":"{currency}","customer":"c-{customer}","host":"web-{host}","order_id":"o-{}"}}"#,
            rng.next_u64()
        )
    }

    fn influx(rng: &mut SplitMix64, now: TimeUs) -> String {
        let time = Self::time(rng, now).0 * 1000;
        let market = Self::pick(rng, &["US", "DE"]);
        let (customer, id) = (rng.below(50), rng.next_u64());
        format!(
            r#"orders,marketplace={market},status=placed amount=5.25,customer="c-{customer}",order_id="o-{id}",count=3i {time}"#
        )
    }

    fn statsd(rng: &mut SplitMix64) -> String {
        let rate = Self::pick(rng, &["", "|@0.1", "|@0.3"]);
        format!("orders:{}|c{rate}|#marketplace:US,status:placed,order_id:o-{}", rng.below(5), rng.next_u64())
    }
}

pub(super) fn sources() -> Vec<SourceSpec> {
    let by_name = StreamRoute::ByName([("orders".to_owned(), StreamId(0))].into());
    let mut sources = vec![source(0, Format::Ndjson), source(1, Format::Influx), source(2, Format::Statsd)];
    sources[1].route = by_name.clone();
    sources[2].route = by_name;
    sources
}

/// Everything that was handed out, and the ledger.
struct Outcome {
    minutes: Vec<SealedMinute>,
    /// The minutes that were sealed, in order.
    sealed: Vec<Minute>,
    ledger: Ledger,
}

/// Lines in random blocks over random lanes, cut, sealed, revised and restarted at random.
fn count_fast(spec: &StreamSpec, story: &Story, lanes: u16, seed: u64, restarts: bool) -> Outcome {
    let (specs, sources): (Arc<[StreamSpec]>, Arc<[SourceSpec]>) = ([spec.clone()].into(), sources().into());
    let limits = Limits::default();
    let new_lane = |lane| LaneCounter::new(lane, specs.clone(), sources.clone(), limits, 7);
    let mut counters: Vec<LaneCounter> = (0..lanes).map(new_lane).collect();
    let mut aggregator = Aggregator::new(specs.clone(), sources.clone(), limits, 7);
    let mut rng = SplitMix64::new(seed);
    let (mut minutes, mut sealed, mut epoch) = (Vec::new(), Vec::new(), 0);
    let mut at = 0;
    while at < story.lines.len() {
        let (source, arrival, _) = story.lines[at];
        let longest = 1 + rng.below(12) as usize;
        let block =
            story.lines[at..].iter().take(longest).take_while(|line| (line.0, line.1) == (source, arrival));
        let lines: Vec<&str> = block.map(|line| line.2.as_str()).collect();
        let bytes = lines.join("\n").into_bytes();
        let lane = rng.below(u64::from(lanes)) as usize;
        let (conn, source) = (ConnId(u64::from(source)), SourceId(source));
        let bytes = Lease::owned(bytes);
        counters[lane].consume(&Block {
            bytes,
            source,
            conn,
            first_line: at as u64 + 1,
            end_offset: 0,
            check: 0,
            reading: Reading::Configured,
            arrival,
        });
        at += lines.len();
        if rng.below(4) == 0 || at == story.lines.len() {
            epoch += 1;
            counters.iter_mut().for_each(|lane| aggregator.merge(lane.cut(epoch)));
            let closed = aggregator.advance(arrival);
            sealed.extend(closed.iter().map(|closed| closed.minute));
            minutes.extend(closed);
        }
        if rng.below(20) == 0 {
            minutes.extend(aggregator.take_revisions(arrival));
        }
        if restarts && rng.below(40) == 0 {
            counters.iter_mut().for_each(|lane| aggregator.merge(lane.cut(epoch)));
            minutes.extend(aggregator.take_open_rows());
            let state = serde_json::to_string(&aggregator.save()).unwrap();
            aggregator = Aggregator::new(specs.clone(), sources.clone(), limits, 1);
            aggregator.restore(serde_json::from_str(&state).unwrap()).unwrap();
            counters = (0..lanes).map(new_lane).collect();
        }
    }
    let end = story.lines.last().map_or(START, |line| line.1);
    minutes.extend(aggregator.take_revisions(end));
    minutes.extend(aggregator.take_open_rows());
    Outcome { minutes, sealed, ledger: aggregator.take_ledger(None) }
}

fn twin_of(spec: &StreamSpec, story: &Story) -> Twin {
    let mut twin = Twin::new([spec.clone()].into(), &sources(), &Limits::default());
    for (source, arrival, line) in &story.lines {
        twin.consume(SourceId(*source), *arrival, line.as_bytes());
    }
    twin
}

fn without_late(mut ledger: Ledger) -> Ledger {
    ledger.0.values_mut().for_each(|counts| counts.late = 0);
    ledger
}

fn check_order(outcome: &Outcome) {
    for sealed in &outcome.minutes {
        assert!(sealed.rows.iter().is_sorted_by(|a, b| a.key < b.key), "rows are sorted, keys are unique");
    }
    let follows = |pair: &[Minute]| pair[1] == pair[0].next();
    assert!(outcome.sealed.windows(2).all(follows), "minutes are sealed in order, once, without a hole");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rows_of_all_revisions_are_what_the_twin_counts(
        story_seed: u64,
        seed: u64,
        length in 1..600usize,
        lanes in 1..5u16,
        restarts: bool,
    ) {
        let spec = StreamSpec::example();
        let story = Story::new(story_seed, length);
        let fast = count_fast(&spec, &story, lanes, seed, restarts);
        let twin = twin_of(&spec, &story);
        check_order(&fast);
        twin.compare(&fast.minutes).map_err(TestCaseError::fail)?;
        prop_assert!(fast.ledger.balances());
        prop_assert_eq!(&without_late(fast.ledger), twin.ledger());
    }

    #[test]
    fn ids_count_once_over_all_lanes(story_seed: u64, seed: u64, length in 1..300usize, lanes in 1..5u16) {
        let mut spec = StreamSpec::example();
        spec.id = vec!["order_id".to_owned(), "status".to_owned()];
        spec.dedupe_us = 3_600_000_000;
        let mut story = Story::new(story_seed, length);
        let mut rng = SplitMix64::new(story_seed);
        for at in 1..story.lines.len() {
            if rng.below(3) == 0 {
                let again = story.lines[rng.below(at as u64) as usize].clone();
                story.lines[at] = (again.0, story.lines[at].1, again.2);
            }
        }
        // A repeated counter without a time would move with its arrival.
        story.lines.retain(|line| line.0 != 2);
        let fast = count_fast(&spec, &story, lanes, seed, false);
        let twin = twin_of(&spec, &story);
        prop_assert!(fast.ledger.balances());
        let (fast_total, twin_total) = (fast.ledger.total(), twin.ledger().total());
        prop_assert_eq!(fast_total.received, twin_total.received);
        prop_assert_eq!(fast_total.duplicate, twin_total.duplicate);
        twin.compare(&fast.minutes).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn many_values_stay_within_the_sketch_error() {
    let spec = StreamSpec::example();
    let lines = (0..40_000u32).map(|at| {
        let line = format!(r#"{{"ts":"{START}","status":"placed","customer":"c-{}"}}"#, at % 20_000);
        (0u16, START, line)
    });
    let story = Story { lines: lines.collect() };
    let fast = count_fast(&spec, &story, 3, 5, false);
    twin_of(&spec, &story).compare(&fast.minutes).unwrap();
}

#[test]
fn the_log_of_distinct_values_is_bounded_and_outlives_a_restart() {
    let mut bench = Bench::new();
    bench.advance(0.0);
    for part in 0..20 {
        let order = |n: u32| {
            let customer = part * 100 + n;
            format!(r#"{{"ts":"{START}","status":"placed","customer":"c-{customer}"}}"#)
        };
        bench.send(0, START, &(0..100).map(order).collect::<Vec<_>>());
        if part == 13 {
            assert!(bench.aggregator.counters().distinct_log_spills > 0);
            bench.restart();
        }
    }
    let sealed = bench.advance(66.0).pop().unwrap();
    let sketch = HllSketch::deserialize(sealed.rows.row(0).sketches.get(0)).unwrap();
    assert_eq!((sealed.rows.len(), count(&sealed)), (1, 2_000));
    assert!((sketch.estimate() / 2_000.0 - 1.0).abs() < 0.06, "{}", sketch.estimate());
}

#[test]
fn beyond_the_limit_totals_and_the_watched_stay_exact() {
    let limits = Limits { series: 50, ..Limits::default() };
    let mut bench = Bench::with(StreamSpec::example(), vec![source(0, Format::Ndjson)], limits);
    bench.advance(0.0);
    let mut watched = 0;
    for at_second in 0..40 {
        let lines: Vec<String> = (0..100)
            .map(|n| {
                let status = if n % 3 == 0 { "placed" } else { "failed" };
                watched += i64::from(n % 3 == 0);
                let time = at(f64::from(at_second));
                format!(r#"{{"ts":"{time}","feature":"f-{at_second}-{n}","status":"{status}","amount":"0.01","currency":"USD"}}"#)
            })
            .collect();
        bench.send(0, at(f64::from(at_second)), &lines);
    }
    let sealed = bench.advance(66.0).pop().unwrap();
    assert_eq!(count(&sealed), 4000);
    assert_eq!(sealed.watched_count(), watched);
    assert_eq!(sealed.rows.iter().map(|row| row.sums[0].0).sum::<i64>(), 4000);
    assert!(sealed.rows.len() <= 60);
    assert!(bench.aggregator.counters().series_cap_hits > 3000);
}

/// Sends an order each of 60 series that are named after `name`.
fn send_sixty(bench: &mut Bench, second: f64, name: &str) {
    let line = |n| format!(r#"{{"ts":"{}","feature":"{name}-{n}","status":"placed"}}"#, at(second));
    let lines: Vec<String> = (0..60).map(line).collect();
    bench.send(0, at(second), &lines);
}

#[test]
fn series_that_are_not_used_any_more_make_room() {
    let limits = Limits { series: 50, ..Limits::default() };
    let mut bench = Bench::with(StreamSpec::example(), vec![source(0, Format::Ndjson)], limits);
    bench.advance(0.0);
    send_sixty(&mut bench, 1.0, "old");
    bench.advance(120.0);
    for minute in 2..90 {
        bench.send(0, at(f64::from(minute) * 60.0), &[order(at(f64::from(minute) * 60.0), "")]);
        bench.advance(f64::from(minute) * 60.0 + 10.0);
    }
    send_sixty(&mut bench, 5500.0, "new");
    let sealed = bench.advance(5530.0).pop().unwrap();
    let own = sealed.rows.iter().filter(|row| row.key.dimensions[1].starts_with("new-")).count();
    assert!(own > 40, "{own} new series have rows of their own");
    assert_eq!(count(&sealed), 60);
}

#[test]
fn a_series_counted_under_a_coarser_key_gets_its_own_when_there_is_room() {
    let limits = Limits { series: 50, ..Limits::default() };
    let mut bench = Bench::with(StreamSpec::example(), vec![source(0, Format::Ndjson)], limits);
    // The lane has room for all, as one of several lanes may.
    bench.lane = LaneCounter::new(0, bench.specs.clone(), bench.sources.clone(), Limits::default(), 7);
    bench.advance(0.0);
    send_sixty(&mut bench, 1.0, "early");
    send_sixty(&mut bench, 2.0, "late");
    let late = |sealed: Vec<SealedMinute>| {
        let minute = sealed.into_iter().last().unwrap();
        assert!(count(&minute) >= 60);
        minute.rows.iter().filter(|row| row.key.dimensions[1].starts_with("late-")).count()
    };
    assert_eq!(late(bench.advance(66.0)), 0);
    for minute in 2..90 {
        send_sixty(&mut bench, f64::from(minute) * 60.0, "late");
        bench.advance(f64::from(minute) * 60.0 + 10.0);
    }
    assert!(late(bench.advance(90.0 * 60.0 + 10.0)) > 40);
}

#[test]
fn a_cell_never_leaves_its_range_and_the_amount_that_would_is_bad() {
    let mut bench = Bench::new();
    let big = |amount: &str| {
        format!(r#"{{"ts":"{START}","status":"placed","amount":"{amount}","currency":"USD"}}"#)
    };
    bench.send(0, START, &[big("9999999999999999.99"), big("0.01"), big("-5")]);
    bench.send(0, START, &[big("9999999999999999.99")]);
    let sealed = bench.advance(66.0).pop().unwrap();
    assert_eq!(count(&sealed), 4);
    assert_eq!(sealed.rows.row(0).sums[0].0, 999_999_999_999_999_499);
    let total = bench.aggregator.take_ledger(None).total();
    assert_eq!(total.bad.get("amount"), Some(&2));
}

#[test]
fn a_batch_hands_out_everything_whatever_its_age() {
    let spec = StreamSpec::example();
    let (specs, sources): (Arc<[StreamSpec]>, Arc<[SourceSpec]>) =
        ([spec].into(), vec![source(0, Format::Ndjson)].into());
    let mut lane = LaneCounter::new(0, specs.clone(), sources.clone(), Limits::default(), 7).unbounded_past();
    let mut aggregator = Aggregator::new(specs, sources, Limits::default(), 7).batch();
    for days in [0.0, 30.0, 1000.0] {
        let lines = [order(at(-days * 86_400.0), "")];
        let bytes = Lease::owned(lines.join("\n").into_bytes());
        let (source, conn) = (SourceId(0), ConnId(1));
        lane.consume(&Block {
            bytes,
            source,
            conn,
            first_line: 1,
            end_offset: 0,
            check: 0,
            arrival: START,
            reading: Reading::Configured,
        });
        aggregator.merge(lane.cut(1));
    }
    assert!(aggregator.advance(at(1e9)).is_empty());
    let minutes = aggregator.take_open_rows();
    assert_eq!(minutes.len(), 3);
    assert!(minutes.iter().all(|minute| count(minute) == 1 && minute.revision == 0));
    assert!(aggregator.take_open_rows().is_empty());
    assert_eq!(aggregator.counters().open_minutes, 0);
    assert_eq!(aggregator.take_ledger(None).total().late, 0);
}
