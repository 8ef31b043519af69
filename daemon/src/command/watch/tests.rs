//! The watcher against a real alarm socket, with a file in place of a person.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ebbd_core::alarm::{AlarmRecord, Because, Notify, State};

use super::*;
use crate::outlet::tests::record;
use crate::outlet::{AlarmHub, AlarmSocketOptions, Outlets, bind_unix};
use crate::telemetry::Telemetry;

/// A screen that can be read.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Seen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct Desk {
    folder: tempfile::TempDir,
    seen: Seen,
}

impl Desk {
    fn new() -> Desk {
        Desk { folder: tempfile::tempdir().unwrap(), seen: Seen::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn serve(&self) -> (Arc<AlarmHub>, Outlets) {
        let telemetry = Arc::new(Telemetry::new(&[], &[], 1));
        let hub = AlarmHub::new(Arc::clone(&telemetry));
        let outlets = Outlets::start(Arc::clone(&hub), telemetry).unwrap();
        (hub, outlets)
    }

    fn listen(&self, outlets: &Outlets) {
        let listener = bind_unix(&self.path("alarms.sock"), 0o600, None).unwrap();
        outlets.serve_alarms(listener, AlarmSocketOptions::default()).unwrap();
    }

    /// A watcher that puts what CMD gets into the file `called`.
    fn watch(&self, once: bool, since: Option<u64>, command: &str) -> JoinHandle<i32> {
        let script = Script {
            command: command.replace("CALLED", &self.path("called").display().to_string()),
            every_record: false,
            timeout: Duration::from_secs(20),
            retries: Some(2),
        };
        let cursor = Cursor::open(Some(self.path("cursor")), since).unwrap();
        let screen = Screen::plain(Box::new(self.seen.clone()), false);
        let dead_after = if once { Duration::from_secs(60) } else { Duration::from_millis(300) };
        let watch = Watch::new(self.path("alarms.sock"), once, dead_after, cursor, screen, Some(script));
        std::thread::spawn(move || watch.run())
    }

    /// What CMD got so far: sequence numbers, or types of what has none.
    fn called(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("called")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines
            .map(|line| if line["type"] == "alarm" { &line["seq"] } else { &line["type"] }.to_string())
            .collect()
    }

    fn wait_for(&self, calls: &[&str]) {
        let start = Instant::now();
        while self.called() != calls {
            let late = start.elapsed() > Duration::from_secs(10);
            assert!(!late, "CMD got {:?} instead of {calls:?}; seen:\n{}", self.called(), self.seen.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn update(seq: u64, no: u64) -> AlarmRecord {
    AlarmRecord { notify: Notify::None, because: Because::Update, ..record(seq, no, State::Firing) }
}

fn cursor_is(path: &Path, seq: u64) {
    let start = Instant::now();
    while Cursor::open(Some(path.to_owned()), None).unwrap().seq() != Some(seq) {
        assert!(start.elapsed() < Duration::from_secs(10), "the cursor is not {seq}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn calls_for_what_a_person_should_hear_and_resumes() {
    let desk = Desk::new();
    let (hub, outlets) = desk.serve();
    hub.publish(&record(1, 1, State::Resolved));
    desk.listen(&outlets);
    let watcher = desk.watch(true, None, "cat >> CALLED");
    cursor_is(&desk.path("cursor"), 1);
    hub.publish(&record(2, 2, State::Firing));
    hub.publish(&update(3, 2));
    desk.wait_for(&["2"]);
    cursor_is(&desk.path("cursor"), 3);
    outlets.stop(Duration::from_secs(5));
    assert_eq!(watcher.join().unwrap(), crate::command::OK);
    assert!(desk.seen.text().contains("orders -98 %"), "{}", desk.seen.text());

    let (hub, outlets) = desk.serve();
    hub.preload(&[record(2, 2, State::Firing), update(3, 2), record(4, 2, State::Resolved)]);
    desk.listen(&outlets);
    let watcher = desk.watch(true, None, "cat >> CALLED");
    desk.wait_for(&["2", "4"]);
    cursor_is(&desk.path("cursor"), 4);
    outlets.stop(Duration::from_secs(5));
    watcher.join().unwrap();
}

#[test]
fn an_alarm_missed_in_a_gap_is_not_missed() {
    let desk = Desk::new();
    let (hub, outlets) = desk.serve();
    hub.preload(&[record(9, 3, State::Firing)]);
    hub.set_open(&[update(5, 2), record(9, 3, State::Firing)]);
    desk.listen(&outlets);
    let watcher = desk.watch(true, Some(3), "cat >> CALLED");
    desk.wait_for(&["5", "9"]);
    cursor_is(&desk.path("cursor"), 9);
    outlets.stop(Duration::from_secs(5));
    watcher.join().unwrap();
    assert!(desk.seen.text().contains("MISSED records 4 to 8"), "{}", desk.seen.text());
}

#[test]
fn the_cursor_waits_for_success() {
    let desk = Desk::new();
    let (hub, outlets) = desk.serve();
    hub.preload(&[record(1, 1, State::Firing)]);
    desk.listen(&outlets);
    let second_time = "test -e CALLED.tried && cat >> CALLED || { touch CALLED.tried; exit 1; }";
    let watcher = desk.watch(true, Some(0), second_time);
    let start = Instant::now();
    while !desk.path("called.tried").exists() {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!desk.path("cursor").exists(), "the cursor moved before CMD succeeded");
    desk.wait_for(&["1"]);
    cursor_is(&desk.path("cursor"), 1);
    outlets.stop(Duration::from_secs(5));
    watcher.join().unwrap();
}

#[test]
fn a_dead_daemon_is_told_once_per_silence() {
    let desk = Desk::new();
    desk.watch(false, None, "cat >> CALLED");
    desk.wait_for(&["\"dead\""]);
    std::thread::sleep(Duration::from_millis(700));
    desk.wait_for(&["\"dead\""]);
    let (_hub, outlets) = desk.serve();
    desk.listen(&outlets);
    // Its heartbeats come every 10 s only: a second silence.
    desk.wait_for(&["\"dead\"", "\"dead\""]);
    assert_eq!(desk.seen.text().matches("DEAD: no sign of life").count(), 2);
    outlets.stop(Duration::from_secs(5));
}

#[test]
fn once_without_a_daemon_is_trouble() {
    let desk = Desk::new();
    assert_eq!(desk.watch(true, None, "true").join().unwrap(), TROUBLE);
}
