//! Steps: what is applied at once is what is called by hand, and goes on after a crash as if written down.

use super::*;
use crate::aggregate::{Crash, Order, SourceTally, Step, Stepped};
use crate::model::Reason;

/// A step with what a lane counted until `seconds`.
fn step(bench: &mut Bench, seconds: f64) -> Step {
    bench.epoch += 1;
    Step {
        commit: bench.aggregator.commit() + 1,
        at: at(seconds),
        now: at(seconds),
        deltas: vec![bench.lane.cut(bench.epoch)],
        ledger_before: Some(at(seconds).minute()),
        ..Step::default()
    }
}

#[test]
fn a_crash_is_booked_and_the_next_run_goes_on() {
    let mut bench = Bench::new();
    bench.aggregator.opened(SourceId(0), ConnId(0), START);
    bench.orders("web-1", 0, 120);
    let first = step(&mut bench, 150.0);
    assert_eq!(bench.aggregator.apply(first).sealed.len(), 3);
    assert!(!bench.aggregator.has_due(at(184.9)) && bench.aggregator.has_due(at(185.0)));
    assert_eq!(bench.aggregator.positions().count(), 1);
    let told_until = bench.aggregator.told_until();
    let mut second = step(&mut bench, 400.0);
    let lost = Crash { source: SourceId(0), at: at(150.0), lines: 7, unread_lines_at_most: 5 };
    second.orders = vec![Order::Resumed(told_until), Order::Crash(lost)];
    let stepped = bench.aggregator.apply(second);
    assert_eq!(bench.aggregator.positions().count(), 0);
    assert!(stepped.sealed.is_empty(), "minutes are not sealed before a seal after the start");
    let counts = stepped.ledger.total();
    assert_eq!((counts.received, counts.dropped_crash), (7, 7));
    let third = step(&mut bench, 406.0);
    let sealed = bench.aggregator.apply(third).sealed;
    assert_eq!(sealed.len(), 4, "one for each minute in down time, too");
    assert!(sealed[0].completeness.dropped == 12 && sealed[0].completeness.fraction < 1.0);
}

#[test]
fn orders_take_effect_first_and_say_what_became_of_them() {
    let mut bench = Bench::new();
    bench.orders("web-1", 0, 10);
    let mark = Mark {
        id: "m".to_owned(),
        kind: "deploy".to_owned(),
        what: "v2".to_owned(),
        at: START,
        until: None,
        scope: Slice(Default::default()),
        retracted: false,
        received: START,
        by: "ctl".to_owned(),
    };
    let mut step = step(&mut bench, 11.0);
    let name = "web-1".to_owned();
    step.orders = vec![
        Order::Expect(SourceId(0), "web-2".to_owned()),
        Order::Forget(SourceId(0), name.clone()),
        Order::Forget(SourceId(0), name),
        Order::Mark(mark.clone()),
    ];
    let twice = SourceTally { duplicate_lines: 3, ..SourceTally::default() };
    step.told = vec![(SourceId(0), twice)];
    step.ledger_before = None;
    step.open_rows = true;
    let Stepped { marks, forgot, ledger, open_rows, .. } = bench.aggregator.apply(step);
    assert_eq!((marks, forgot), (vec![mark], vec![true, false]));
    assert!(ledger.balances() && ledger.total().duplicate == 3 && ledger.total().counted == 10);
    assert_eq!(open_rows.iter().map(count).sum::<i64>(), 10);
}

#[test]
fn samples_and_positions_say_which_lines_were_refused() {
    let mut bench = Bench::new();
    let lines = [order(START, ""), "{".to_owned(), order(START, ""), "}".to_owned()];
    bench.send(0, START, &lines);
    bench.send(0, START, &["[".to_owned()]);
    let step = step(&mut bench, 1.0);
    let samples = bench.aggregator.apply(step).samples;
    let numbers: Vec<(ConnId, u64)> = samples.iter().map(|sample| (sample.conn, sample.number)).collect();
    assert_eq!(numbers, [2, 4, 5].map(|number| (ConnId(0), number)));
    let (_, _, reached) = bench.aggregator.positions().next().unwrap();
    assert_eq!((reached.next_line, reached.rejected), (6, 3));
}

#[test]
fn who_says_how_to_read_is_told_of_every_refused_line() {
    let by_name = StreamRoute::ByName([("orders".to_owned(), StreamId(0))].into());
    let source = SourceSpec { route: by_name, ..source(0, Format::Ndjson) };
    let mut bench = Bench::with(StreamSpec::example(), vec![source], Limits::default());
    let second = START.0 / 1_000_000;
    let line = |name: &str| format!("{name},marketplace=US,status=placed amount=1 {second}");
    let (good, foreign) = (line("orders"), line("cpu"));
    let lines = [&good, &foreign, &good, &foreign, "orders x"].map(|line: &str| line.to_owned() + "\n");
    let block = Block {
        bytes: Lease::owned(lines.concat().into_bytes()),
        source: SourceId(0),
        conn: ConnId(9),
        first_line: 1,
        end_offset: 0,
        check: 0,
        arrival: START,
        reading: Reading::Influx(TimeUnit::Seconds),
    };
    assert_eq!(bench.lane.consume(&block), 5);
    let text = format!("{}\n{{\n", order(START, "")).into_bytes();
    let (bytes, reading) = (Lease::owned(text), Reading::Ndjson(StreamId(0)));
    bench.lane.consume(&Block { bytes, first_line: 6, reading, ..block });
    bench.send(0, START, &["{".to_owned()]);
    let step = step(&mut bench, 1.0);
    let stepped = bench.aggregator.apply(step);
    let refused: Vec<_> = stepped.refused.iter().map(|r| (r.conn.0, r.reason, r.first, r.lines)).collect();
    let want = [(9, Reason::UnknownStream, 2, 2), (9, Reason::BadSyntax, 5, 1), (9, Reason::BadSyntax, 7, 1)];
    assert_eq!(refused, want);
    let ledger = bench.aggregator.take_ledger(None).total();
    assert_eq!((stepped.ledger.total().counted + ledger.counted, stepped.samples.len()), (3, 5));
}
