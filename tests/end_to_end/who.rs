//! Who may ask, what of a customer is written down, what a name from the network does to a terminal, who may
//! read the files.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ebbd_core::report::is_hidden;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::support::{EBBD, PATIENCE, Place, Running, eventually, stream, this_minute};
use super::wire::through_unix;

const NOBODY: &str = "65534";
/// A group that exists and has no members.
const GROUP: &str = "nogroup";
const GROUP_ID: &str = "65534";
const OTHER_GROUP: &str = "65533";
const CUSTOMER: &str = "c4711marker";

fn source() -> String {
    stream("orders") + "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\n"
}

fn am_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root can be somebody else");
    }
    root
}

/// Asks the control socket as user nobody in these groups.
fn ask_as_nobody(socket: &Path, group: &str, groups: &[&str], request: &Value) -> Value {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", group]);
    match groups {
        [] => command.arg("--clear-groups"),
        groups => command.args(["--groups", &groups.join(",")]),
    };
    command.args(["nc", "-N", "-U"]).arg(socket).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // Who is turned down may have been told before anything was asked.
    let _ = writeln!(input, "{request}");
    drop(input);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

#[test]
fn strangers_are_turned_down_and_members_are_not() {
    if !am_root() {
        return;
    }
    let control =
        format!("[control]\nlisten = \"@/open/control.sock\"\nmode = \"0666\"\ngroup = \"{GROUP}\"\n");
    let place = Place::new(&(source() + &control));
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let running = place.start();
    let socket = place.path("open/control.sock");
    let status = json!({"request": "status"});
    let stranger = ask_as_nobody(&socket, OTHER_GROUP, &[], &status);
    assert_eq!((&stranger["ok"], &stranger["code"]), (&json!(false), &json!("not_allowed")));
    let error = stranger["error"].as_str().unwrap();
    assert!(error.starts_with("user 65534 may not ask at ") && error.contains("members"), "{error}");
    assert_eq!(ask_as_nobody(&socket, OTHER_GROUP, &["1", "2"], &status)["ok"], false);
    assert_eq!(ask_as_nobody(&socket, GROUP_ID, &[], &status)["ok"], true);
    let mark = json!({"request": "mark", "kind": "deploy", "what": "v42\u{1b}[2J"});
    assert_eq!(ask_as_nobody(&socket, OTHER_GROUP, &["1", GROUP_ID], &mark)["ok"], true);
    assert_eq!(ask_as_nobody(&socket, GROUP_ID, &[], &json!({"request": "shutdown"}))["code"], "bad_request");
    let told = running.told();
    let line = |parts: &[&str]| told.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(line(&["uid=65534", "gid=65533", "pid=", "not allowed"]), "{told}");
    assert!(line(&["mark", "v42", "uid=65534", "gid=65533", "pid=", "done"]), "{told}");
    assert!(line(&["not understood", "uid=65534", "gid=65534", "pid=", "refused"]), "{told}");
    assert_nothing_hidden("the log", &told);
    running.stop_in_order();
}

/// Every file below `dir`.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn send(place: &Place, running: &Running, lines: &[Value]) {
    let before = running.lines();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    through_unix(&place.path("events.sock"), text.as_bytes());
    running.await_lines(before + lines.len() as u64);
}

fn event(at: &str, customer: &str) -> Value {
    json!({"ts": at, "marketplace": "US", "feature": "one-click", "payment": "card", "status": "placed",
           "amount": 12.5, "currency": "USD", "customer": customer, "host": "web-03"})
}

/// The raw bytes of no file, and no cell of any table, hold the customer.
fn assert_unknown_customer(place: &Place) {
    for path in files(&place.data()) {
        if fs::symlink_metadata(&path).unwrap().file_type().is_file() {
            let bytes = fs::read(&path).unwrap();
            let found =
                bytes.windows(CUSTOMER.len()).any(|part| part.eq_ignore_ascii_case(CUSTOMER.as_bytes()));
            assert!(!found, "{} holds {CUSTOMER}", path.display());
        }
    }
    for dataset in ["minutes", "slices", "alarms", "marks", "sources", "ledger"] {
        if place.data().join(dataset).exists() {
            let rows = place.sql(&format!("select COLUMNS(*)::VARCHAR from @{dataset}"));
            assert!(!rows.iter().any(|row| row.to_string().contains("4711")), "{dataset} holds {CUSTOMER}");
        }
    }
}

fn assert_verified(place: &Place) {
    let output = place.command(&["verify"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.starts_with("ok  "), "{told}");
}

#[test]
fn a_customer_is_written_nowhere_but_in_sketches() {
    let place = Place::new(&source());
    let running = place.start();
    let good = this_minute().plus(-2).start().to_rfc3339();
    let lines =
        [event(&good, CUSTOMER), event("yesterday", CUSTOMER), json!({"ts": good, CUSTOMER: [CUSTOMER]})];
    send(&place, &running, &lines);
    let rejects = place.data().join("rejects");
    eventually("a refused line is noted", PATIENCE, || rejects.exists() && !files(&rejects).is_empty());
    let sample = fs::read_to_string(&files(&rejects)[0]).unwrap();
    assert!(sample.contains("bad_time") && sample.contains(r#"\"customer\":\"x0000xxxxxx\""#), "{sample}");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_unknown_customer(&place);
    running.signal(Signal::KILL);
    running.wait(PATIENCE);
    assert_unknown_customer(&place);
    let running = place.start();
    send(&place, &running, &lines);
    assert_verified(&place);
    running.stop_in_order();
    assert_unknown_customer(&place);
    assert_verified(&place);
}

#[test]
fn refused_lines_can_be_kept_out_altogether() {
    let place = Place::new(&(source() + "[rejects]\nkeep = \"off\"\n"));
    let running = place.start();
    send(&place, &running, &[event("yesterday", CUSTOMER)]);
    running.stop_in_order();
    assert!(!place.data().join("rejects").exists());
}

fn assert_nothing_hidden(what: &str, text: &str) {
    let hidden = text.lines().find(|line| line.contains(is_hidden));
    assert!(hidden.is_none(), "{what}: {hidden:?}");
}

#[test]
fn names_from_the_network_do_nothing_to_a_terminal() {
    let place = Place::new(&source());
    let running = place.start();
    let evil = "\u{1b}[2J\n\u{9b}1m\u{202e}evil\u{7f}";
    let mut line = event(&this_minute().plus(-1).start().to_rfc3339(), "c1");
    line["marketplace"] = json!(evil);
    line["host"] = json!(evil);
    let mark =
        json!({"ebbd": "mark", "kind": evil, "what": evil, "at": line["ts"], "scope": {"feature": evil}});
    send(&place, &running, &[line, mark, json!({"ts": evil, "host": evil})]);
    eventually("the host is known", PATIENCE, || running.status().to_string().contains("evil"));
    fs::write(place.path("sample.ndjson"), json!({"ts": evil, evil: evil}).to_string() + "\n").unwrap();
    let sample = place.path("sample.ndjson");
    let commands: [&[&str]; 9] = [
        &["status"],
        &["status", "--json"],
        &["sources", "list"],
        &["sources", "list", "--json"],
        &["sources", "expect", evil],
        &["mark", "deploy", evil],
        &["mark", "deploy", evil, "--json"],
        &["check", "--sample", sample.to_str().unwrap()],
        &["check", "--json", "--sample", sample.to_str().unwrap()],
    ];
    for arguments in commands {
        let output = place.command(arguments).output().unwrap();
        let (out, complaints) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_nothing_hidden(&format!("{arguments:?}"), &out);
        assert_nothing_hidden(&format!("{arguments:?}"), &complaints);
    }
    let listed = place.command(&["sources", "list"]).output().unwrap().stdout;
    assert!(String::from_utf8(listed).unwrap().contains("\\u{1b}[2J\\u{a}"));
    assert_nothing_hidden("/", &running.get("/").unwrap().1);
    assert_nothing_hidden("/metrics", &running.get("/metrics").unwrap().1);
    assert!(!running.get("/api/v1/status").unwrap().1.contains('\u{1b}'));
    assert_nothing_hidden("the log", &running.told());
    running.stop_in_order();
}

#[test]
fn everything_has_its_mode_whatever_the_umask() {
    let place = Place::new(&source());
    let mut command = Command::new("sh");
    command.args(["-c", "umask 0; exec \"$0\" run -c \"$1\"", EBBD]).arg(place.config());
    let running = place.when_ready(place.spawn_by(command, Stdio::null()));
    let good = this_minute().plus(-2).start().to_rfc3339();
    send(&place, &running, &[event(&good, "c1"), event("yesterday", "c1")]);
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o777;
    let others = |path: &Path| mode(path) & 0o007;
    for socket in files(&place.data()) {
        if fs::symlink_metadata(&socket).unwrap().file_type().is_socket() {
            assert_eq!(others(&socket), 0, "{} {:o}", socket.display(), mode(&socket));
        }
    }
    running.stop_in_order();
    for path in files(&place.data()) {
        if fs::symlink_metadata(&path).unwrap().file_type().is_socket() {
            continue;
        }
        let private = path.starts_with(place.data().join("rejects"));
        assert!(others(&path) == 0 && mode(&path) & 0o022 == 0, "{} {:o}", path.display(), mode(&path));
        assert!(!private || mode(&path) == 0o600, "{} {:o}", path.display(), mode(&path));
        let folder = path.parent().unwrap();
        assert_eq!(mode(folder), if private { 0o700 } else { 0o750 }, "{}", folder.display());
    }
}
