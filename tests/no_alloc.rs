//! No allocation per event: a second pass over lines whose keys are known allocates nothing. A cut hands
//! its columns over and makes new ones: a number that doesn't depend on events.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use ebbd_core::aggregate::LaneCounter;
use ebbd_core::decode::{Block, Format, Reading, SourceSpec};
use ebbd_core::model::{ConnId, Limits, SourceId, StreamId, StreamRoute, StreamSpec, TimeUs};
use ebbd_core::sync::Lease;

/// 2026-11-22T13:04:05Z.
const NOW: TimeUs = TimeUs(1_795_352_645_000_000);
const LINES: usize = 1500;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting what this thread asks for.
struct Counting;

// SAFETY: every call goes unchanged to the system's allocator, which keeps the contract; the counter is
// a plain thread-local cell that needs no allocation itself.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller keeps the contract of `alloc`, which is passed on as it is.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System` with this layout, as the caller guarantees.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: the pointer came from `System` with this layout, as the caller guarantees.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn note() {
    // A thread that is ending has no counter any more, and nothing to count.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

fn lane(format: Format, stream: StreamSpec) -> LaneCounter {
    let route = match format {
        Format::Ndjson => StreamRoute::Fixed(StreamId(0)),
        Format::Influx | Format::Statsd => StreamRoute::ByName([("orders".to_owned(), StreamId(0))].into()),
    };
    let source = SourceSpec {
        id: SourceId(0),
        name: "shop".to_owned(),
        format,
        route,
        expect: Vec::new(),
        forget_after_us: 1,
    };
    let sources: Arc<[SourceSpec]> = [source].into();
    LaneCounter::new(0, [stream].into(), sources, Limits::default(), 7)
}

/// Allocations of later passes over the same lines, two before and two behind a cut.
fn later_passes(mut lane: LaneCounter, line: impl Fn(usize) -> String) -> u64 {
    let lines: Vec<String> = (0..LINES).map(line).collect();
    let bytes = lines.join("\n").into_bytes();
    let pass = |lane: &mut LaneCounter, number: u64| {
        let block = Block {
            end_offset: number * bytes.len() as u64,
            check: number as u32,
            bytes: Lease::owned(bytes.clone()),
            source: SourceId(0),
            conn: ConnId(1),
            first_line: 1 + (number - 1) * LINES as u64,
            reading: Reading::Configured,
            arrival: NOW,
        };
        let before = allocations();
        lane.consume(&block);
        allocations() - before
    };
    assert!(pass(&mut lane, 1) > 0, "the counter counts");
    // A lane that met the series limit forgets at its first cut.
    let mut deltas = vec![lane.cut(1)];
    pass(&mut lane, 2);
    let mut later = pass(&mut lane, 3) + pass(&mut lane, 4);
    let before = allocations();
    deltas.push(lane.cut(2));
    let of_cut = allocations() - before;
    assert!(of_cut < 40, "a cut made {of_cut} allocations");
    // The first lines behind a cut make its position and its tallies.
    later += pass(&mut lane, 5).saturating_sub(10) + pass(&mut lane, 6);
    deltas.push(lane.cut(3));
    let tallies = deltas.iter().flat_map(|delta| &delta.tallies);
    let (received, counted) = tallies.fold((0, 0), |(received, counted), tally| {
        (received + tally.counts.received, counted + tally.counts.counted)
    });
    assert_eq!((received, counted), (6 * LINES as u64, 6 * LINES as u64), "every line was an event");
    later
}

fn ndjson(at: usize) -> String {
    let (market, feature) = (["US", "DE", "JP"][at % 3], at % 17);
    let amount = if at.is_multiple_of(50) { "much" } else { "19.99" };
    format!(
        r#"{{"ts":"2026-11-22T13:04:0{}.123Z","marketplace":"{market}","feature":"f\u00fc{feature}","payment":"card","status":"placed","amount":"{amount}","currency":"USD","customer":"c-{}","host":"web-{}","order_id":"o-{at}","more":{{"a":[1,2]}}}}"#,
        at % 5,
        at % 700,
        at % 4,
    )
}

#[test]
fn known_ndjson_lines_allocate_nothing() {
    assert_eq!(later_passes(lane(Format::Ndjson, StreamSpec::example()), ndjson), 0);
}

#[test]
fn known_influx_lines_allocate_nothing() {
    let line = |at: usize| {
        format!(
            r#"orders,marketplace=US,feature=f{},host=web-{},status=placed amount=19.99,currency="EUR",customer="c-{}",count=2i {}"#,
            at % 17,
            at % 4,
            at % 700,
            (NOW.0 - at as i64) * 1000,
        )
    };
    assert_eq!(later_passes(lane(Format::Influx, StreamSpec::example()), line), 0);
}

#[test]
fn known_statsd_lines_allocate_nothing() {
    let line =
        |at: usize| format!("orders:{}|c|@0.1|#marketplace:US,feature:f{},status:placed", at % 9, at % 17);
    assert_eq!(later_passes(lane(Format::Statsd, StreamSpec::example()), line), 0);
}

#[test]
fn beyond_the_series_limit_known_keys_allocate_nothing_either() {
    let stream = StreamSpec { watch: Vec::new(), ..StreamSpec::example() };
    let source = SourceSpec {
        id: SourceId(0),
        name: "shop".to_owned(),
        format: Format::Ndjson,
        route: StreamRoute::Fixed(StreamId(0)),
        expect: Vec::new(),
        forget_after_us: 1,
    };
    let limits = Limits { series: 10, ..Limits::default() };
    let lane = LaneCounter::new(0, [stream].into(), [source].into(), limits, 7);
    assert_eq!(later_passes(lane, ndjson), 0);
}
