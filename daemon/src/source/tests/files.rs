//! Followed files: rotation of every kind, positions, bounds; and standard input.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::*;
use crate::config::From;
use crate::source::file::{Pace, bind_at_pace};
use crate::source::stdin;

const FAST: Pace = Pace {
    look: Duration::from_millis(2),
    scan: Duration::from_millis(5),
    park: Duration::from_secs(60),
    linger: Duration::from_secs(60),
    most_open: 64,
    most_files: 1000,
};

/// A directory with logs and a source that follows them.
struct Logs {
    dir: tempfile::TempDir,
    rig: Rig,
}

impl Logs {
    fn new() -> Logs {
        Logs { dir: tempfile::tempdir().expect("a temporary directory"), rig: Rig::new(USUAL) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let file = OpenOptions::new().append(true).create(true).open(self.path(name));
        file.and_then(|mut file| file.write_all(text.as_bytes())).expect("written");
    }

    fn follow(&self) -> SourceHandle {
        self.follow_with("*.log", From::Start, &[], FAST)
    }

    fn follow_with(&self, pattern: &str, from: From, resume: &[Position], pace: Pace) -> SourceHandle {
        let glob = self.path(pattern).display().to_string();
        let bound = bind_at_pace(&glob, from, resume, pace);
        start(&config(SourceKind::File { glob, from }), &self.rig.intake, bound).expect("started")
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("renamed");
    }

    /// Waits until the source has noticed how many files there are.
    fn await_files(&self, files: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.rig.intake.conns.open_of(SourceId(0)) != files {
            assert!(Instant::now() < deadline, "the files aren't noticed");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Stops everything. Returns the lines, what was told, and the positions of a consistent cut.
    fn finish(self, source: SourceHandle) -> (Vec<String>, SourceTold, Vec<Position>, tempfile::TempDir) {
        let conns = Arc::clone(&self.rig.intake.conns);
        source.stop(Ending::Close);
        while !source.is_finished() {
            thread::sleep(Duration::from_millis(1));
        }
        let ends = Arc::clone(&self.rig.got);
        self.rig.pass_marker();
        let positions = conns.positions(|conn| {
            let got = ends.lock().expect("no test panics in here");
            got.blocks.get(&conn).map(|blocks| blocks.iter().map(|(_, end, _)| *end).max().unwrap_or(0))
        });
        conns.forget_source(SourceId(0));
        let (got, told) = self.rig.finish(source);
        (got.all_lines(), told, positions, self.dir)
    }
}

fn sorted<const N: usize>(lines: [&str; N]) -> Vec<String> {
    let mut lines = lines.map(str::to_owned).to_vec();
    lines.sort();
    lines
}

#[test]
fn grows_with_the_file_and_holds_its_last_line() {
    let logs = Logs::new();
    logs.append("a.log", "one\ntwo\nthr");
    fs::create_dir(logs.path("directory.log")).expect("made");
    std::os::unix::fs::symlink("a.log", logs.path("link.log")).expect("linked");
    let source = logs.follow();
    logs.rig.await_lines(2);
    logs.append("a.log", "ee\r\n\nfour\nfi");
    logs.append("b.log", "other\n");
    logs.rig.await_lines(5);
    let (lines, told, positions, _dir) = logs.finish(source);
    assert_eq!(lines, sorted(["one", "two", "three", "four", "other"]));
    assert_eq!(told.partial_lines, 0, "it may still be finished");
    assert_eq!(positions.iter().map(|p| p.offset).collect::<Vec<_>>(), [21, 6]);
}

#[test]
fn every_line_of_a_large_file_arrives_in_numbered_blocks() {
    let logs = Logs::new();
    let text = some_lines("large", 40_000).join("\n") + "\n";
    logs.append("a.log", &text);
    let source = logs.follow();
    logs.rig.await_lines(40_000);
    {
        let got = logs.rig.got.lock().expect("no test panics in here");
        got.assert_numbered();
        assert_eq!(got.lines()[0].join("\n") + "\n", text);
    }
    logs.finish(source);
}

#[test]
fn a_renamed_file_is_read_to_its_end_and_the_new_one_begun() {
    let logs = Logs::new();
    logs.append("a.log", "one\ntw");
    let source = logs.follow();
    logs.rig.await_lines(1);
    let mut old = OpenOptions::new().append(true).open(logs.path("a.log")).expect("kept open");
    logs.rename("a.log", "a.log.1");
    logs.append("a.log", "four\n");
    logs.rig.await_lines(2);
    old.write_all(b"o\nthree\n").expect("the writer hasn't noticed yet");
    logs.rig.await_lines(4);
    let (lines, told, positions, _dir) = logs.finish(source);
    assert_eq!((lines, told.partial_lines), (sorted(["one", "two", "three", "four"]), 0));
    assert_eq!(positions.len(), 2, "the old one is still followed");
}

#[test]
fn a_rename_inside_the_pattern_counts_nothing_twice() {
    let logs = Logs::new();
    logs.append("a.log", "one\n");
    let source = logs.follow_with("a.log*", From::Start, &[], FAST);
    logs.rig.await_lines(1);
    for round in 0..5 {
        for older in (0..round).rev() {
            logs.rename(&format!("a.log.{older}"), &format!("a.log.{}", older + 1));
        }
        logs.rename("a.log", "a.log.0");
        logs.append("a.log", &format!("round {round}\n"));
        logs.rig.await_lines(round + 2);
    }
    let (lines, _, positions, _dir) = logs.finish(source);
    assert_eq!((lines.len(), positions.len()), (6, 6));
    assert_eq!(positions[0].path.rsplit('/').next(), Some("a.log"));
}

#[test]
fn a_file_that_was_cut_is_read_again_from_its_beginning() {
    let mut logs = Logs::new();
    logs.append("a.log", "a rather long first line\nhalf of");
    let source = logs.follow();
    logs.rig.await_lines(1);
    fs::copy(logs.path("a.log"), logs.path("a.log.copy")).expect("copied");
    thread::sleep(Duration::from_millis(20));
    fs::write(logs.path("a.log"), "cut\n").expect("cut and written to");
    logs.rig.await_lines(2);
    logs.rig.await_told(&source, |told| told.partial_lines == 1);
    logs.append("a.log", "more\n");
    logs.rig.await_lines(3);
    // Cut and filled beyond the old size at once: only the bytes tell.
    fs::write(logs.path("a.log"), "rewritten, and longer than it was before\n").expect("rewritten");
    logs.rig.await_lines(4);
    let (lines, told, positions, _dir) = logs.finish(source);
    let expected = ["a rather long first line", "cut", "more", "rewritten, and longer than it was before"];
    assert_eq!((lines, told.partial_lines, positions.len()), (sorted(expected), 1, 1));
    // Of the first one, 7 bytes of an unfinished line were seen; the second one was read to its end. Of what
    // nobody saw, as much may be lost as came between two looks: 5 bytes, two lines of the usual length.
    assert_eq!((told.cut_files, told.cut_bytes, told.cut_lines_at_most), (2, 7, 2));
}

#[test]
fn what_a_cut_leaves_unread_is_counted_where_it_was_seen() {
    let mut logs = Logs::new();
    logs.rig = Rig::new(Shape { lanes: 1, queue: 1, per_block: Duration::from_millis(100), ..USUAL });
    let text = "a line of twenty byt\n".repeat(400_000);
    logs.append("a.new", &text);
    // It is not seen to grow.
    logs.rename("a.new", "a.log");
    let source = logs.follow();
    logs.rig.await_lines(1);
    // The lane is so slow that most of it is still to be read.
    fs::write(logs.path("a.log"), "cut\n").expect("cut");
    logs.rig.await_told(&source, |told| told.cut_files == 1);
    logs.rig.await_told(&source, |told| told.delivered_lines > 0);
    let (lines, told, _, _dir) = logs.finish(source);
    assert!(lines.contains(&"cut".to_owned()));
    let lost = 400_000 - (lines.len() as u64 - 1);
    // The bytes beyond the last whole line that was read are one that is counted as partial.
    assert_eq!(told.cut_bytes, lost * 21);
    assert_eq!(told.cut_lines_at_most + told.partial_lines, lost);
    assert!(lost > 10_000, "it was read before it was cut: the test shows nothing");
}

#[test]
fn a_file_that_is_made_again_is_a_new_one() {
    let logs = Logs::new();
    // Parked at once, so that nothing keeps the inode from being used again.
    let pace = Pace { park: Duration::ZERO, linger: Duration::ZERO, ..FAST };
    let source = logs.follow_with("*.log", From::Start, &[], pace);
    for round in 0..10 {
        logs.append("a.log", &format!("round {round}\n"));
        logs.rig.await_lines(round + 1);
        fs::remove_file(logs.path("a.log")).expect("removed");
        if round % 2 == 0 {
            logs.await_files(0);
        }
    }
    let (lines, told, _, _dir) = logs.finish(source);
    assert_eq!((lines.len(), told.partial_lines), (10, 0));
}

#[test]
fn the_last_line_of_a_removed_file_needs_no_end() {
    let logs = Logs::new();
    logs.append("a.log", "one\nlast words");
    let source = logs.follow_with("*.log", From::Start, &[], Pace { linger: Duration::ZERO, ..FAST });
    logs.rig.await_lines(1);
    fs::remove_file(logs.path("a.log")).expect("removed");
    logs.await_files(0);
    let (lines, told, positions, _dir) = logs.finish(source);
    assert_eq!((lines, told.partial_lines, positions), (sorted(["one", "last words"]), 0, vec![]));
}

#[test]
fn the_end_is_where_a_new_source_may_begin() {
    let logs = Logs::new();
    logs.append("a.log", "old\nolder\nhal");
    let source = logs.follow_with("*.log", From::End, &[], FAST);
    logs.await_files(1);
    logs.append("a.log", "f\nnew\n");
    logs.append("later.log", "from its beginning\n");
    logs.rig.await_lines(3);
    let (lines, ..) = logs.finish(source);
    assert_eq!(lines, sorted(["half", "new", "from its beginning"]));
}

#[test]
fn goes_on_where_it_was_after_a_restart() {
    let mut logs = Logs::new();
    for name in ["grown.log", "renamed.log", "removed.log", "rewritten.log", "same.log"] {
        logs.append(name, "first\nsecond\nunfin");
    }
    let source = logs.follow();
    logs.rig.await_lines(10);
    let (_, _, positions, dir) = logs.finish(source);
    let saved = serde_json::to_string(&positions).expect("written");
    let positions: Vec<Position> = serde_json::from_str(&saved).expect("read");
    assert!(positions.len() == 5 && positions.iter().all(|p| p.tail_crc.is_some() && p.offset == 13));

    logs = Logs { dir, rig: Rig::new(USUAL) };
    logs.append("grown.log", "ished\n");
    logs.append("renamed.log", "ished elsewhere\n");
    logs.rename("renamed.log", "renamed.old");
    logs.append("renamed.log", "its successor\n");
    fs::remove_file(logs.path("removed.log")).expect("removed");
    fs::write(logs.path("rewritten.log"), "FIRST\nsecond\nand more\n").expect("rewritten");
    logs.append("new.log", "new\n");
    let source = logs.follow_with("*.log", From::End, &positions, FAST);
    logs.rig.await_lines(7);
    let (lines, ..) = logs.finish(source);
    let expected =
        ["unfinished", "unfinished elsewhere", "its successor", "FIRST", "second", "and more", "new"];
    assert_eq!(lines, sorted(expected));
}

#[test]
fn another_source_s_positions_are_not_taken() {
    let logs = Logs::new();
    logs.append("a.log", "one\n");
    let metadata = fs::metadata(logs.path("a.log")).expect("there");
    let foreign = Position {
        source: "another".to_owned(),
        path: logs.path("a.log").display().to_string(),
        device: metadata.dev(),
        inode: metadata.ino(),
        head_bytes: 0,
        head_crc: 0,
        offset: 4,
        tail_crc: None,
    };
    let glob = logs.path("*.log").display().to_string();
    let config = config(SourceKind::File { glob, from: From::Start });
    let before = Before { files: &[foreign], ..Before::default() };
    let source = spawn(&config, &logs.rig.intake, &mut Inherited::none(), before).expect("started");
    logs.rig.await_lines(1);
    logs.finish(source);
}

#[test]
fn a_line_that_is_too_long_reaches_the_lane_cut_short() {
    let logs = Logs::new();
    logs.append("a.log", "before\n");
    let source = logs.follow();
    logs.rig.await_lines(1);
    for _ in 0..5 {
        logs.append("a.log", &"x".repeat(100_000));
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(logs.rig.got.lock().expect("no test panics in here").lines, 1, "its end hasn't come");
    logs.append("a.log", "\nafter\n");
    logs.rig.await_lines(3);
    let (lines, told, positions, _dir) = logs.finish(source);
    assert_eq!(lines, sorted(["before", "after", &"x".repeat(LINE + 2)]), "the decoder rejects it");
    assert_eq!((told.too_long_lines, positions[0].offset), (0, 500_014));
}

#[test]
fn more_files_than_may_be_open_are_all_read() {
    let logs = Logs::new();
    for file in 0..300 {
        logs.append(&format!("{file}.log"), &format!("{file}\n"));
    }
    let pace = Pace { most_open: 7, most_files: 250, ..FAST };
    let source = logs.follow_with("*.log", From::Start, &[], pace);
    logs.rig.await_lines(250);
    let open = || {
        let ours = |fd: &PathBuf| fd.starts_with(logs.dir.path());
        let fds = fs::read_dir("/proc/self/fd").expect("listed").flatten();
        fds.filter_map(|fd| fs::read_link(fd.path()).ok()).filter(ours).count()
    };
    assert!(open() <= 8, "{} are open", open());
    let followed: Vec<String> = logs.rig.intake.conns.open().into_iter().map(|(_, conn)| conn.who).collect();
    for path in &followed {
        OpenOptions::new()
            .append(true)
            .open(path)
            .and_then(|mut f| f.write_all(b"again\n"))
            .expect("written");
    }
    logs.rig.await_lines(500);
    let (lines, ..) = logs.finish(source);
    assert_eq!(lines.iter().filter(|line| *line == "again").count(), 250);
}

#[test]
fn standard_input_ends_its_source() {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let mut rig = Rig::new(USUAL);
    let bound = stdin::bind_to(reader.into(), Duration::from_millis(30));
    let source = start(&config(SourceKind::Stdin), &rig.intake, bound).expect("started");
    write!(writer, "EBBD/1 is data here\nhalf").expect("sent");
    rig.await_told(&source, |told| told.partial_lines == 1);
    write!(writer, " of it\nlast").expect("sent");
    drop(writer);
    rig.await_lines(2);
    let deadline = Instant::now() + PATIENCE;
    while !source.is_finished() {
        assert!(Instant::now() < deadline, "it doesn't end");
        thread::sleep(Duration::from_millis(1));
    }
    let (got, _) = rig.finish(source);
    assert_eq!(got.all_lines(), sorted(["EBBD/1 is data here", "last"]));
}

#[test]
fn standard_input_may_be_a_file_and_is_drained_at_a_stop() {
    let rig = Rig::new(USUAL);
    let mut file = tempfile::tempfile().expect("a temporary file");
    let text = some_lines("redirected", 3000).join("\n");
    file.write_all(text.as_bytes()).expect("written");
    std::io::Seek::rewind(&mut file).expect("rewound");
    let bound = stdin::bind_to(file.into(), PATIENCE);
    let source = start(&config(SourceKind::Stdin), &rig.intake, bound).expect("started");
    rig.await_lines(3000);
    assert_eq!(rig.finish(source).0.lines()[0].join("\n"), text);

    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let rig = Rig::new(USUAL);
    let bound = stdin::bind_to(reader.into(), PATIENCE);
    let source = start(&config(SourceKind::Stdin), &rig.intake, bound).expect("started");
    write!(writer, "sent before the stop\nunfin").expect("sent");
    let (got, told) = rig.finish(source);
    assert_eq!((got.all_lines().len(), told.partial_lines), (1, 1));
}

#[test]
fn a_followed_pipe_or_an_unreadable_place_hangs_nothing() {
    let logs = Logs::new();
    nix::unistd::mkfifo(&logs.path("pipe.log"), nix::sys::stat::Mode::S_IRWXU).expect("made");
    logs.append("a.log", "one\n");
    File::create(logs.path("empty.log")).expect("made");
    let source = logs.follow();
    logs.rig.await_lines(1);
    logs.await_files(2);
    logs.finish(source);
}
