//! The alarm socket and the commands, on a real daemon: `nc -U` is enough for both directions.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{EBBD, PATIENCE, Place, eventually, stream};
use super::wire::append;

/// Every key of a record, as the interface has it.
const KEYS: &str = "type v seq no id key rev at host view state kind severity notify because stream slice \
    title text minute onset ended observed observed_max expected low high since_onset evidence threshold \
    completeness losing lost causes unexplained changes changes_note early late durable acked \
    silenced_until label reason config url";

/// A program whose lines are looked at as they come. It is killed when it is dropped.
pub struct Listening {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Listening {
    fn to(mut command: Command) -> Listening {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; run tests/setup.sh"));
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            // Nobody listens any more at the end of a test.
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Listening { input: child.stdin.take(), child, lines }
    }

    /// `nc -U` on a socket.
    pub fn nc(socket: &Path) -> Listening {
        let mut command = Command::new("nc");
        command.arg("-U").arg(socket);
        Listening::to(command)
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line.
    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line within a minute")
    }

    /// The next line as JSON.
    pub fn json(&self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Lines until one satisfies `is_last`, that one included.
    pub fn until(&self, is_last: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut lines = Vec::new();
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < 2 * PATIENCE, "it does not come; so far {lines:#?}");
            lines.push(self.json());
            if is_last(&lines[lines.len() - 1]) {
                return lines;
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn is_alarm(line: &Value) -> bool {
    line["type"] == "alarm"
}

fn is_resolved(line: &Value) -> bool {
    is_alarm(line) && line["state"] == "resolved"
}

/// Runs the binary; standard output of a success.
pub fn ebbd(arguments: &[&str], socket: &Path) -> String {
    let output = Command::new(EBBD).args(arguments).arg("--socket").arg(socket).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn nc_is_enough_to_send_events_and_to_watch_alarms() {
    let place =
        Place::new(&(stream("orders") + "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\n"));
    let running = place.start();
    let mut watching = Listening::nc(&place.data().join("alarms.sock"));
    watching.say(r#"{"since":0}"#);
    let hello = watching.json();
    assert_eq!((&hello["type"], &hello["v"]), (&json!("hello"), &json!(1)), "{hello}");
    for key in ["boot", "oldest", "newest"] {
        assert!(hello.get(key).is_some(), "{key}: {hello}");
    }

    let lines = place.path("lines");
    let now = super::support::this_minute().start().to_rfc3339();
    append(&lines, format!("{{\"ts\":\"{now}\",\"marketplace\":\"US\"}}\n").repeat(100).as_bytes());
    append(&lines, b"{\"ebbd\":\"mark\",\"kind\":\"deploy\",\"what\":\"by nc\"}\n");
    let input = std::fs::File::open(&lines).unwrap();
    let mut nc = Command::new("nc");
    nc.args(["-N", "-U"]).arg(place.path("events.sock")).stdin(input);
    let status = nc.status().expect("nc is there: run tests/setup.sh");
    assert!(status.success());
    running.await_lines(101);

    commands_answer(&place);
    // Before the first minute is sealed there is nothing to tell.
    let beat = watching.until(|line| line["watermark"].get("orders").is_some()).pop().unwrap();
    assert!(beat["type"] == "heartbeat" && beat["seq"].is_u64(), "{beat}");
    assert!(beat["completeness"].get("orders").is_some(), "{beat}");
    let list = String::from_utf8(place.command(&["sources", "list"]).output().unwrap().stdout).unwrap();
    assert!(
        list.contains("web-09"),
        "an expected host that never came is in the list of a sealed minute: {list}"
    );
    assert!(place.command(&["sources", "forget", "web-09"]).output().unwrap().status.success());
    running.stop_in_order();
    let marks = place.sql("select kind, what from @marks order by what");
    assert_eq!(
        marks,
        [json!({"kind": "deploy", "what": "by command"}), json!({"kind": "deploy", "what": "by nc"})]
    );
    assert_eq!(place.ledger()[0]["control"], 1);
}

fn commands_answer(place: &Place) {
    let told = |arguments: &[&str]| {
        let output = place.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    told(&["mark", "deploy", "by command", "--scope", "marketplace=US"]);
    let first = told(&["status"]).lines().next().unwrap_or_default().to_owned();
    assert!(first.starts_with("orders: 100 counted, 0 rejected"), "{first}");
    let report: Value = serde_json::from_str(&told(&["status", "--json"])).unwrap();
    assert_eq!((&report["ledger"]["received"], &report["ledger"]["balances"]), (&json!(101), &json!(true)));
    assert!(told(&["sources", "list"]).contains("shop"));
    told(&["sources", "expect", "web-09"]);
    let unknown = place.command(&["sources", "forget", "web-10"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(1), "{}", String::from_utf8_lossy(&unknown.stderr));
}

/// An outage from the first record to the last, seen by those who were there and those who came later.
#[test]
fn an_outage_is_told_to_everybody() {
    let mut demo = Demo::start();
    let (alarms, control) = (demo.path("alarms.sock"), demo.path("control.sock"));
    eventually("the demo serves its alarms", 2 * PATIENCE, || alarms.exists());
    let watching = Listening::nc(&alarms);
    let opened = watching.until(|line| is_alarm(line) && line["state"] == "firing");
    assert_eq!(opened[0]["type"], "hello");
    let snapshot = Listening::nc(&alarms).until(is_alarm).pop().unwrap();
    assert_eq!((&snapshot["snapshot"], &snapshot["no"]), (&json!(true), &opened[opened.len() - 1]["no"]));

    let rest = watching.until(is_resolved);
    let records: Vec<Value> = opened.into_iter().chain(rest).filter(is_alarm).collect();
    assert_records(&records);
    let last = records[records.len() - 1]["seq"].as_u64().unwrap();

    let mut late = Listening::nc(&alarms);
    late.say(r#"{"since":0}"#);
    let again: Vec<Value> = late.until(|line| line["seq"] == last && is_alarm(line));
    let again: Vec<Value> = again.into_iter().filter(is_alarm).collect();
    assert_eq!(again, records, "who comes later gets the same records word for word");
    let mut other = Listening::nc(&alarms);
    other.say(r#"{"since":0,"filter":{"stream":["shipments"]}}"#);
    assert!(!other.until(|line| line["type"] == "heartbeat").iter().any(is_alarm));

    commands_tell(&alarms, &control, records.len());
    assert!(demo.told().contains("RESOLVED"), "{}", demo.told());
    assert_eq!(demo.stop(), Some(0));
    replay_tells_the_same(&demo, &records);
    numbers_go_on(&demo, last, &records);
}

/// What a replay of a demo's directory prints.
pub fn replayed(dir: &Path) -> Vec<Value> {
    let mut command = Command::new(EBBD);
    command.arg("replay").arg(dir).arg("-c").arg(dir.join("ebbd.toml")).arg("--json");
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Word for word, from what the daemon has written.
fn replay_tells_the_same(demo: &Demo, records: &[Value]) {
    let mut replayed = replayed(&demo.path(""));
    let summary = replayed.pop().unwrap();
    assert_eq!(summary["type"], "summary", "{summary}");
    assert!(summary["learnt"].as_u64() > Some(13 * 1440), "{summary}");
    let from_minutes = |record: &&Value| record["early"] == false && record["late"] == false;
    let sent: Vec<&Value> = records.iter().filter(from_minutes).collect();
    assert!(replayed.len() >= sent.len(), "{replayed:#?}");
    let is_foretold = records.len() > sent.len();
    for (sent, replayed) in sent.into_iter().zip(&replayed) {
        let mut sent = sent.clone();
        if is_foretold {
            // Numbers count the records made from open minutes, too, and nobody is called twice.
            for key in ["seq", "rev"] {
                sent[key] = replayed[key].clone();
            }
            if sent["notify"] == "none" {
                sent["notify"] = replayed["notify"].clone();
            }
        }
        assert_eq!(&sent, replayed);
    }
}

fn assert_records(records: &[Value]) {
    for (record, next) in records.iter().zip(&records[1..]) {
        assert_eq!(record["seq"].as_u64().unwrap() + 1, next["seq"].as_u64().unwrap(), "{next}");
    }
    for record in records {
        let missing: Vec<&str> = KEYS.split_whitespace().filter(|key| record.get(key).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?} are missing: {record}");
        assert_eq!(record["durable"], true);
    }
    let opened = records.iter().find(|record| record["kind"] == "drop").unwrap();
    assert_eq!((&opened["because"], &opened["notify"]), (&json!("opened"), &json!("page")), "{opened}");
    let end = &records[records.len() - 1];
    assert_eq!(end["slice"], json!({"feature": "one-click", "marketplace": "US"}), "{end}");
    assert_eq!(end["because"], "resolved");
    assert!(end["changes"].to_string().contains("checkout v42"), "{end}");
}

fn commands_tell(alarms: &Path, control: &Path, records: usize) {
    let watch = |arguments: &[&str]| {
        let mut command = Command::new(EBBD);
        command.arg("watch").args(arguments).arg("--socket").arg(alarms);
        Listening::to(command)
    };
    let json = watch(&["--json", "--once", "--since", "0"]);
    assert_eq!(json.until(is_resolved).iter().filter(|line| is_alarm(line)).count(), records);
    let person = watch(&["--once", "--since", "0"]);
    let mut lines = Vec::new();
    while !lines.iter().any(|line: &String| line.starts_with("RESOLVED")) {
        lines.push(person.line());
    }
    assert!(lines.iter().any(|line| line.starts_with("PAGE ")), "{lines:#?}");

    let told = ebbd(&["status"], control);
    assert!(told.lines().next().is_some_and(|line| line.starts_with("orders: ")), "{told}");
    ebbd(&["mark", "note", "the story is over"], control);
    assert!(ebbd(&["sources", "list"], control).contains("shop"));
}

/// `ebbd run` goes on where the demo's daemon has stopped.
fn numbers_go_on(demo: &Demo, last: u64, records: &[Value]) {
    let place =
        Place::new(&(stream("orders") + "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\n"));
    std::fs::rename(demo.path(""), place.data()).unwrap();
    let running = place.start();
    let mut watching = Listening::nc(&place.data().join("alarms.sock"));
    watching.say(r#"{"since":0}"#);
    let hello = watching.json();
    assert!(hello["newest"].as_u64() >= Some(last), "{hello}");
    let again = watching.until(|line| is_alarm(line) && line["seq"] == last);
    let again: Vec<Value> = again.into_iter().filter(is_alarm).collect();
    assert_eq!(again[..records.len()], *records, "the records outlive the daemon");
    std::thread::sleep(Duration::from_secs(1));
    running.stop_in_order();
}

#[test]
fn a_daemon_that_is_not_there_is_3() {
    let place = Place::new("");
    for arguments in [&["status"][..], &["sources", "list"], &["mark", "deploy", "checkout v42"]] {
        let output = place.command(arguments).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {told}");
        assert!(told.contains("control.sock") && told.contains("ebbd run"), "{arguments:?}: {told}");
    }
}
/// A demo that goes on after its story. It is killed when it is dropped.
pub struct Demo {
    dir: TempDir,
    child: Child,
}

impl Demo {
    /// Starts it at four simulated minutes a second.
    pub fn start() -> Demo {
        let dir = tempfile::tempdir().unwrap();
        let stdout = std::fs::File::create(dir.path().join("stdout")).unwrap();
        let mut command = Command::new(EBBD);
        command.args(["demo", "--pace", "4", "--weeks", "2", "--dir"]).arg(dir.path().join("demo"));
        let child = command.stdin(Stdio::null()).stdout(stdout).spawn().unwrap();
        Demo { dir, child }
    }

    /// A file of its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("demo").join(name)
    }

    /// What it has printed.
    fn told(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("stdout")).unwrap()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; its exit code.
    fn stop(&mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let mut code = None;
        eventually("the demo ends", Duration::from_secs(20), || {
            let ended = self.child.try_wait().unwrap();
            code = ended.and_then(|status| status.code());
            ended.is_some()
        });
        code
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
