//! What a crash loses of plain senders is known: read twice, by source threads and by commits.

use std::io::Write;
use std::os::unix::net::UnixStream;

use ebbd_core::aggregate::{Crash, Delta, Order, Position, Step};

use super::*;

/// What an earlier run left, under these sources.
fn begun(path: &Path, saved: &BTreeMap<String, Read>, earlier: EarlierRun) -> (ReadTallies, Lost) {
    let sources = [config(SourceKind::Stdin)];
    ReadTallies::begin(path, &sources, saved, Some(earlier), NOW).expect("written")
}

fn crashed_at(second: i64) -> EarlierRun {
    EarlierRun { until: TimeUs(second * 1_000_000), ended_in_order: false }
}

fn saved(lines: u64, kernel_datagrams: u64) -> BTreeMap<String, Read> {
    [("test".to_owned(), Read { lines, kernel_datagrams })].into()
}

#[test]
fn what_no_commit_has_is_lost_and_told_until_one_has_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("tally");
    let (tallies, lost) = begun(&path, &saved(100, 5), crashed_at(7));
    assert_eq!((lost.crashes, lost.unknown), (vec![], Some("no tally of it is left")));
    let tally = tallies.of(SourceId(0)).expect("it is tallied");
    assert!(tallies.of(SourceId(0)).is_none(), "one thread has one tally");
    tally.opened(10_000);
    tally.read(40, 4_000, TimeUs(9_000_000));
    tally.dropped(77, 3, 3);
    for committed in [100, 130] {
        let (tallies, lost) = begun(&path, &saved(committed, 6), crashed_at(8));
        assert_eq!(lost.unknown, None);
        let (lines, at) = (140 - committed, TimeUs(if committed == 100 { 9 } else { 8 } * 1_000_000));
        // Of the connection not more than a second's worth; the run that begins has none.
        let unread_lines_at_most = if committed == 100 { 40 } else { 0 };
        assert_eq!(lost.crashes, [Crash { source: SourceId(0), at, lines, unread_lines_at_most }]);
        assert_eq!(tallies.kernel_datagrams(SourceId(0)), 2);
        let socket = if committed == 100 { Some(3) } else { None };
        assert_eq!(tallies.drops(77), socket);
    }
    let (_, lost) = begun(&path, &saved(140, 8), crashed_at(8));
    assert_eq!((lost.crashes, lost.unknown), (vec![], None));
    let (_, lost) = begun(&path, &saved(141, 8), crashed_at(8));
    assert_eq!((lost.crashes, lost.unknown), (vec![], Some("the tally of it is not whole")));
    let (_, lost) = begun(&path, &saved(141, 8), EarlierRun { ended_in_order: true, ..crashed_at(8) });
    assert_eq!(lost.unknown, None);
}

#[test]
fn a_source_that_was_held_up_may_have_left_full_buffers() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("tally");
    let (tallies, _) = begun(&path, &BTreeMap::new(), crashed_at(1));
    let tally = tallies.of(SourceId(0)).expect("it is tallied");
    tally.opened(10_000);
    tally.opened(10_000);
    tally.read(40, 4_000, TimeUs(9_000_000));
    tally.held(TimeUs(8_500_000));
    let (tallies, lost) = begun(&path, &saved(40, 0), crashed_at(1));
    assert_eq!(lost.crashes[0].unread_lines_at_most, 2 * 101);
    let tally = tallies.of(SourceId(0)).expect("it is tallied");
    tally.opened(10_000);
    tally.read(1, 100, TimeUs(10_000_000));
    tally.closed();
    let (_, lost) = begun(&path, &saved(41, 0), crashed_at(1));
    assert_eq!(lost.crashes, [], "nobody was connected");
}

#[test]
fn commits_have_what_is_counted_or_told_but_for_what_comes_again() {
    let mut book = ReadBook::new(&[config(SourceKind::Stdin), config(file_kind())]);
    let position = |source, conn, first_line, next_line| Position {
        source: SourceId(source),
        conn: ConnId(conn),
        first_line,
        next_line,
        end_offset: 0,
        check: 0,
        rejected: 0,
    };
    let positions = vec![position(0, 1, 1, 11), position(0, 2, 5, 8), position(1, 3, 1, 100)];
    let told = ebbd_core::aggregate::SourceTally {
        dropped_queue_lines: 1,
        too_long_lines: 20,
        partial_lines: 300,
        control_lines: 4000,
        duplicate_lines: 4000,
        kernel_datagrams: 9,
    };
    let crash = Crash { source: SourceId(0), at: NOW, lines: 1000, unread_lines_at_most: 7 };
    let step = Step {
        orders: vec![Order::Crash(crash)],
        told: vec![(SourceId(0), told)],
        deltas: vec![Delta { positions, ..Delta::default() }],
        ..Step::default()
    };
    book.step(&step, |conn| conn == ConnId(2));
    assert_eq!(book.save(), saved(1331, 9));
    let mut again = ReadBook::new(&[config(SourceKind::Stdin)]);
    again.restore(&book.save());
    assert_eq!(again.save(), book.save());
}

fn file_kind() -> SourceKind {
    SourceKind::File { glob: "nothing".to_owned(), from: crate::config::From::Start }
}

#[test]
fn lines_are_noted_before_a_lane_has_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, socket) = (dir.path().join("tally"), dir.path().join("events.sock"));
    let kind = SourceKind::Unix(socket_path(dir.path(), "events.sock"));
    let sources = [config(kind.clone())];
    let (tallies, _) = ReadTallies::begin(&path, &sources, &BTreeMap::new(), None, NOW).expect("written");
    let mut rig = Rig::new(USUAL);
    rig.intake.reads = Arc::new(tallies);
    let handle = rig.start(kind);
    let mut stream = UnixStream::connect(&socket).expect("connected");
    stream.write_all(b"one\ntwo\n\nthree\nnot whole").expect("sent");
    rig.await_lines(3);
    let left = || ReadTallies::begin(&path.with_extension("copy"), &sources, &BTreeMap::new(), None, NOW);
    std::fs::copy(&path, path.with_extension("copy")).expect("copied");
    let (_, lost) = left().expect("read");
    let source = SourceId(0);
    assert_eq!(lost.crashes, [Crash { source, at: NOW, lines: 3, unread_lines_at_most: 3 }]);
    drop(stream);
    rig.await_lines(4);
    handle.stop(Ending::Close);
    assert!(handle.join().is_some());
    std::fs::copy(&path, path.with_extension("copy")).expect("copied");
    let (_, lost) = left().expect("read");
    assert_eq!((lost.crashes[0].lines, lost.crashes[0].unread_lines_at_most), (4, 0));
}
