//! Random steps, called by hand, applied from their bytes, and gone on with from saved state in the middle: all
//! come to the same.

use datasketches::hll::HllSketch;
use proptest::prelude::*;
use serde_json::Value;

use super::against_twin::{Story, sources};
use super::*;
use crate::aggregate::{Crash, Order, Pause, SourceTally, Step, StepError, StepReader, Stepped};
use crate::model::{AlarmOrder, Glance, LedgerCounts, OpenCounts, Rng, SealedRows, SplitMix64};

/// A daemon with some lanes that counts a story and gives steps.
struct Daemon {
    specs: Arc<[StreamSpec]>,
    sources: Arc<[SourceSpec]>,
    limits: Limits,
    lanes: Vec<LaneCounter>,
    rng: SplitMix64,
    /// Per source: its connection and the number of the next line.
    conns: [(u64, u64); 3],
    commit: u64,
    at: TimeUs,
}

impl Daemon {
    fn new(lanes: u16, limits: Limits, seed: u64) -> Daemon {
        let mut ided = StreamSpec::example();
        ided.name = "ided".to_owned();
        ided.id = vec!["order_id".to_owned(), "status".to_owned()];
        ided.dedupe_us = 600_000_000;
        let mut sources = sources();
        for source in &mut sources[1..] {
            source.route = StreamRoute::ByName([("orders".to_owned(), StreamId(1))].into());
        }
        sources[0].expect = vec!["web-0".to_owned()];
        let mut daemon = Daemon {
            specs: [StreamSpec::example(), ided].into(),
            sources: sources.into(),
            limits,
            lanes: Vec::new(),
            rng: SplitMix64::new(seed),
            conns: [(1, 1), (2, 1), (3, 1)],
            commit: 0,
            at: START,
        };
        daemon.start(lanes);
        daemon
    }

    fn aggregator(&self) -> Aggregator {
        Aggregator::new(self.specs.clone(), self.sources.clone(), self.limits, 7)
    }

    fn reader(&self) -> StepReader {
        StepReader::new(&self.specs, &self.sources)
    }

    fn start(&mut self, lanes: u16) {
        let new = |lane| LaneCounter::new(lane, self.specs.clone(), self.sources.clone(), self.limits, 7);
        self.lanes = (0..lanes).map(new).collect();
    }

    /// Counts lines of one source and arrival.
    fn consume(&mut self, source: u16, arrival: TimeUs, lines: &[&str]) {
        let (conn, first_line) = self.conns[usize::from(source)];
        self.conns[usize::from(source)].1 += lines.len() as u64;
        let lane = self.rng.below(self.lanes.len() as u64) as usize;
        self.at = self.at.max(arrival);
        self.lanes[lane].consume(&Block {
            bytes: Lease::owned(lines.join("\n").into_bytes()),
            source: SourceId(source),
            conn: ConnId(conn),
            first_line,
            end_offset: first_line * 100,
            check: first_line as u32,
            arrival,
            reading: Reading::Configured,
        });
    }

    fn cut(&mut self) -> Step {
        self.commit += 1;
        let (at, commit) = (self.at, self.commit);
        let mut step =
            Step { commit, at, now: at.plus_us(self.rng.below(3_000_000) as i64), ..Step::default() };
        step.ledger_before = (self.rng.below(9) > 0).then_some(at.minute());
        step.revise = self.rng.below(5) == 0;
        step.open_rows = self.rng.below(30) == 0;
        if self.rng.below(15) == 0 {
            let lanes = self.lanes.len() as u16;
            self.start(lanes);
            step.orders.push(Order::Resumed(at.plus_us(-5_000_000)));
        }
        if self.rng.below(15) == 0 {
            let from = at.plus_us(-(self.rng.below(400_000_000) as i64));
            step.orders.push(Order::Paused(Pause { from, to: at, slept: self.rng.below(2) == 0 }));
        }
        for _ in 0..self.rng.below(3) / 2 {
            let order = self.order();
            step.orders.push(order);
        }
        let conns = self.conns;
        let changed = |at: usize| (SourceId(at as u16), ConnId(conns[at].0), TimeUs(step.at.0 - 7));
        step.opened = (0..3).filter(|_| self.rng.below(9) == 0).map(changed).collect();
        step.closed = (0..3).filter(|_| self.rng.below(20) == 0).map(changed).collect();
        if self.rng.below(6) == 0 {
            let [a, b, c] = [(); 3].map(|()| self.rng.below(300));
            let tally = SourceTally { dropped_queue_lines: a, too_long_lines: b, ..SourceTally::default() };
            step.told = vec![(SourceId(1), SourceTally { duplicate_lines: c, kernel_datagrams: a, ..tally })];
        }
        step.deltas = self.lanes.iter_mut().map(|lane| lane.cut(commit)).collect();
        step
    }

    fn order(&mut self) -> Order {
        let (source, origin) = (SourceId(self.rng.below(2) as u16), format!("web-{}", self.rng.below(4)));
        match self.rng.below(5) {
            0 => Order::Expect(source, origin),
            1 => Order::Forget(source, origin),
            2 => {
                let (lines, unread_lines_at_most) = (self.rng.below(99), self.rng.below(9));
                Order::Crash(Crash { source, at: self.at.plus_us(-1_000_000), lines, unread_lines_at_most })
            }
            3 => {
                Order::Alarm(AlarmOrder::Ack { no: self.rng.below(9), by: origin, text: "ü\"\n".to_owned() })
            }
            _ => Order::Mark(Mark {
                id: origin,
                kind: "deploy".to_owned(),
                what: "ü\"\n".to_owned(),
                at: self.at,
                until: Some(self.at),
                scope: Slice([("marketplace".to_owned(), "US".to_owned())].into()),
                retracted: true,
                received: self.at,
                by: "ctl".to_owned(),
            }),
        }
    }
}

/// A story with more control records, `stretch` times as long.
fn story(seed: u64, length: usize, stretch: i64) -> Story {
    let mut story = Story::new(seed, length);
    let mut rng = SplitMix64::new(seed);
    for (source, arrival, line) in &mut story.lines {
        *arrival = START.plus_us(arrival.since_us(START) * stretch);
        let origin = rng.below(3);
        match rng.below(40) {
            0 => *line = format!(r#"{{"ebbd":"goodbye","origin":"web-{origin}"}}"#),
            1 | 2 => {
                let through = arrival.plus_us(rng.below(90_000_000) as i64);
                let dropped = rng.below(50);
                *line = format!(
                    r#"{{"ebbd":"heartbeat","origin":"web-{origin}","through":"{through}","dropped":{dropped}}}"#
                );
            }
            _ => continue,
        }
        *source = 0;
    }
    story
}

/// All steps of a story.
fn steps(daemon: &mut Daemon, story: &Story) -> Vec<Step> {
    let mut steps = Vec::new();
    let same = |a: &(u16, TimeUs, String), b: &(u16, TimeUs, String)| (a.0, a.1) == (b.0, b.1);
    for block in story.lines.chunk_by(same) {
        let lines: Vec<&str> = block.iter().map(|line| line.2.as_str()).collect();
        daemon.consume(block[0].0, block[0].1, &lines);
        if daemon.rng.below(8) == 0 {
            steps.push(daemon.cut());
        }
    }
    steps.push(daemon.cut());
    steps
}

/// What the committer did by hand before there were steps.
fn by_hand(aggregator: &mut Aggregator, step: Step) -> Stepped {
    let mut stepped = Stepped::default();
    let mut marks = Vec::new();
    let before = aggregator.now;
    for order in step.orders {
        match order {
            Order::Resumed(down_since) => aggregator.resumed(down_since),
            Order::Expect(source, origin) => aggregator.expect(source, &origin),
            Order::Forget(source, origin) => stepped.forgot.push(aggregator.forget(source, &origin)),
            Order::Mark(mark) => marks.push(mark),
            Order::Crash(Crash { source, at, lines, unread_lines_at_most }) => {
                let lost = |dropped_crash| LedgerCounts { dropped_crash, ..LedgerCounts::default() };
                aggregator.book_counts(at, source, "", &LedgerCounts { received: lines, ..lost(lines) });
                aggregator.arrivals.book(at.minute(), source, None, &lost(unread_lines_at_most));
            }
            Order::Paused(pause) => aggregator.paused(&pause),
            Order::Alarm(order) => stepped.alarm_orders.push(order),
        }
    }
    for (source, tally) in step.told {
        aggregator.book(source, step.at, tally);
    }
    for (source, conn, at) in step.opened {
        aggregator.opened(source, conn, at);
    }
    for delta in step.deltas {
        aggregator.merge(delta);
    }
    for (source, conn, at) in step.closed {
        aggregator.closed(source, conn, at);
    }
    stepped.sealed = aggregator.advance(step.now);
    if step.revise {
        stepped.revisions = aggregator.take_revisions(step.now);
    }
    stepped.glances = aggregator.glances(before);
    if step.open_rows {
        stepped.open_rows = aggregator.take_open_rows();
    }
    stepped.marks = marks.into_iter().chain(aggregator.take_marks()).collect();
    stepped.ledger = aggregator.take_ledger(step.ledger_before);
    stepped.samples = aggregator.take_samples();
    aggregator.commit = step.commit;
    stepped
}

/// What came of a step, as text. Without `sketches` only their estimates' places are told.
fn look(stepped: &Stepped, sketches: bool) -> String {
    let Stepped { sealed, revisions, glances, open_rows, marks, ledger, forgot, alarm_orders, .. } = stepped;
    let minutes =
        [sealed, revisions, open_rows].map(|all| all.iter().map(|m| minute_of(m, sketches)).collect());
    let minutes: [Vec<String>; 3] = minutes;
    let glances: Vec<String> = glances.iter().map(glance_of).collect();
    format!("{minutes:#?} {glances:#?} {marks:?} {ledger:?} {forgot:?} {alarm_orders:?}")
}

/// A glance as text: its rows are in no particular order.
fn glance_of(glance: &Glance) -> String {
    let counts = |open: &OpenCounts| {
        let mut rows: Vec<String> = open.rows.iter().map(|r| format!("{:?} {}", r.key, r.count)).collect();
        rows.sort();
        format!("{} {rows:?}", open.minute)
    };
    let minutes: Vec<String> = glance.minutes.iter().map(counts).collect();
    format!("{minutes:?} {:?}", Glance { minutes: Vec::new(), ..glance.clone() })
}

fn minute_of(minute: &SealedMinute, sketches: bool) -> String {
    let rows = |rows: &SealedRows| -> Vec<String> {
        let sketch =
            |bytes: &[u8]| if sketches { format!("{bytes:?}") } else { bytes.is_empty().to_string() };
        let row = |row: crate::model::RowView<'_>| {
            let seen: Vec<String> = row.sketches.iter().map(sketch).collect();
            format!("{:?} {} {:?} {seen:?}", row.key, row.count, row.sums)
        };
        rows.iter().map(row).collect()
    };
    let known = (minute.stream, minute.minute, minute.revision, minute.sealed_at);
    let about = format!("{known:?} {:?} {:?}", minute.completeness, minute.sources);
    format!("{about} {:?} {:?}", rows(&minute.rows), rows(&minute.earlier))
}

/// The estimates of all sketches.
fn estimates(stepped: &Stepped) -> Vec<f64> {
    let minutes = [&stepped.sealed, &stepped.revisions, &stepped.open_rows];
    let rows =
        minutes.into_iter().flatten().flat_map(|minute| minute.rows.iter().chain(minute.earlier.iter()));
    rows.flat_map(|row| row.sketches.iter().filter(|bytes| !bytes.is_empty()).collect::<Vec<_>>())
        .map(|bytes| HllSketch::deserialize(bytes).unwrap().estimate())
        .collect()
}

/// The whole state, as text. Without `sketches` they are left out.
fn state_of(aggregator: &Aggregator, sketches: bool) -> String {
    fn blank(value: &mut Value) {
        match value {
            Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| match name.as_str() {
                "sketches" => *value = Value::Null,
                _ => blank(value),
            }),
            Value::Array(values) => values.iter_mut().for_each(blank),
            _ => {}
        }
    }
    let mut state = serde_json::to_value(aggregator.save()).unwrap();
    if !sketches {
        blank(&mut state);
    }
    serde_json::to_string_pretty(&state).unwrap()
}

/// An aggregator that goes on from the saved state of another.
fn gone_on(daemon: &Daemon, from: &Aggregator) -> Aggregator {
    let state = serde_json::to_string(&from.save()).unwrap();
    let mut aggregator = daemon.aggregator();
    aggregator.go_on_from(serde_json::from_str(&state).unwrap()).unwrap();
    same("saved again", &state_of(&aggregator, false), &state_of(from, false)).unwrap();
    aggregator
}

/// Two texts are the same; says only where they begin to differ.
fn same(what: &str, one: &str, other: &str) -> Result<(), TestCaseError> {
    let differ = (1..).zip(one.lines().zip(other.lines())).find(|(_, (one, other))| one != other);
    prop_assert!(one == other, "{what}: line {differ:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn by_hand_from_bytes_and_gone_on_with_come_to_the_same(
        story_seed: u64,
        seed: u64,
        length in 1..500usize,
        lanes in 1..4u16,
        stretch in prop_oneof![Just(1i64), Just(30)],
        series in prop_oneof![Just(200_000usize), Just(10)],
        origins in prop_oneof![Just(10_000usize), Just(1)],
    ) {
        let limits = Limits { series, origins, ..Limits::default() };
        let mut daemon = Daemon::new(lanes, limits, seed);
        let steps = steps(&mut daemon, &story(story_seed, length, stretch));
        let mut reader = daemon.reader();
        let (mut hand, mut read, mut on) = (daemon.aggregator(), daemon.aggregator(), daemon.aggregator());
        for step in steps {
            let (mut bytes, mut again) = (Vec::new(), Vec::new());
            step.write(&mut bytes);
            let copy = reader.read(&bytes).unwrap();
            copy.write(&mut again);
            prop_assert_eq!(&bytes, &again);
            if daemon.rng.below(10) == 0 {
                on = gone_on(&daemon, &on);
                reader = daemon.reader();
            }
            let by_hand = by_hand(&mut hand, step);
            let from_bytes = read.replay(copy).unwrap().unwrap();
            prop_assert!(read.replay(reader.read(&bytes).unwrap()).unwrap().is_none(), "once");
            let gone_on = on.replay(reader.read(&bytes).unwrap()).unwrap().unwrap();
            same("from bytes", &look(&from_bytes, true), &look(&by_hand, true))?;
            same("gone on", &look(&gone_on, false), &look(&by_hand, false))?;
            for (one, other) in estimates(&gone_on).into_iter().zip(estimates(&by_hand)) {
                prop_assert!((one - other).abs() <= 0.05 * other, "{one} for {other}");
            }
        }
        same("state from bytes", &state_of(&read, true), &state_of(&hand, true))?;
        same("state gone on", &state_of(&on, false), &state_of(&hand, false))?;
        prop_assert!(read.positions().eq(hand.positions()) && on.positions().eq(hand.positions()));
    }

    #[test]
    fn damaged_bytes_are_an_error_or_a_step_that_is_looked_at(
        seed: u64,
        damage in prop::collection::vec((0..4096usize, any::<u8>()), 0..3),
        cut in 0..4096usize,
    ) {
        let mut daemon = Daemon::new(2, Limits::default(), seed);
        for step in steps(&mut daemon, &story(seed, 60, 1)) {
            let mut bytes = Vec::new();
            step.write(&mut bytes);
            prop_assert!(daemon.reader().read(&bytes[..cut % bytes.len()]).is_err());
            let length = bytes.len();
            damage.iter().for_each(|&(at, by)| bytes[at % length] ^= by);
            let _ = daemon.reader().read(&bytes);
        }
    }
}

#[test]
fn a_step_that_does_not_follow_is_refused() {
    let mut daemon = Daemon::new(1, Limits::default(), 3);
    let mut later = steps(&mut daemon, &story(5, 200, 1));
    let (mut aggregator, mut reader) = (daemon.aggregator(), daemon.reader());
    let mut copy = |step: &Step| {
        let mut bytes = Vec::new();
        step.write(&mut bytes);
        reader.read(&bytes).unwrap()
    };
    let gap = StepError::Gap { state: 0, found: 2 };
    assert_eq!(aggregator.replay(copy(&later[1])).unwrap_err(), gap);
    let mut unknown = copy(&later[1]);
    unknown.commit = 1;
    unknown.orders.clear();
    unknown.deltas[0].streams[0].first_new += 1;
    assert!(matches!(aggregator.replay(unknown), Err(StepError::Damaged(_))));
    assert!(aggregator.replay(later.remove(0)).unwrap().is_some());
    assert_eq!(aggregator.commit(), 1);
}

#[test]
fn sketches_of_a_lane_that_noted_too_much_come_back() {
    let mut daemon = Daemon::new(1, Limits::default(), 3);
    let order = |n: u32| format!(r#"{{"ts":"{START}","status":"placed","customer":"c-{n}"}}"#);
    let lines: Vec<String> = (0..20_000).map(order).collect();
    daemon.consume(0, START, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mut step = daemon.cut();
    step.open_rows = true;
    assert!(!step.deltas[0].streams[0].sketches.is_empty());
    let mut bytes = Vec::new();
    step.write(&mut bytes);
    let (mut live, mut read) = (daemon.aggregator(), daemon.aggregator());
    let copy = daemon.reader().read(&bytes).unwrap();
    let (live, read) = (live.apply(step), read.apply(copy));
    assert_eq!(look(&live, false), look(&read, false));
    let (live, read) = (estimates(&live)[0], estimates(&read)[0]);
    assert!((live - read).abs() < 1e-3 * live && (live / 20_000.0 - 1.0).abs() < 0.1, "{read} for {live}");
}
