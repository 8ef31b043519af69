//! Requests and answers over a real socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ebbd_core::model::{Mark, Slice, TimeUs};
use serde_json::{Value, json};

use super::*;
use crate::outlet::{AlarmHub, Outlets, bind_unix};
use crate::telemetry::{SourceStatus, Telemetry};

#[derive(Default)]
struct Told {
    marks: Mutex<Vec<Mark>>,
    names: Mutex<Vec<String>>,
}

impl ControlHandler for Told {
    fn now(&self) -> TimeUs {
        TimeUs(1_795_352_645_000_000)
    }

    fn status(&self) -> StatusReport {
        let source = SourceStatus { name: "shop".to_owned(), ..SourceStatus::default() };
        StatusReport { v: 1, sources: vec![source], ..StatusReport::default() }
    }

    fn mark(&self, mark: Mark) -> Result<(), Refusal> {
        self.marks.lock().unwrap().push(mark);
        Ok(())
    }

    fn sources_expect(&self, name: &str) -> Result<(), Refusal> {
        self.names.lock().unwrap().push(format!("expect {name}"));
        Ok(())
    }

    fn sources_forget(&self, name: &str) -> Result<(), Refusal> {
        Err(Refusal(format!("nobody knows {name}")))
    }
}

struct Served {
    told: Arc<Told>,
    telemetry: Arc<Telemetry>,
    path: PathBuf,
    _outlets: Outlets,
    _folder: tempfile::TempDir,
}

fn served() -> Served {
    let telemetry = Arc::new(Telemetry::new(&[], &[], 1));
    let outlets = Outlets::start(AlarmHub::new(Arc::clone(&telemetry)), Arc::clone(&telemetry)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let listener = bind_unix(&path, 0o660, None).unwrap();
    let told = Arc::new(Told::default());
    let handler: Arc<dyn ControlHandler> = told.clone();
    outlets
        .serve_unix(listener, |listener| {
            serve_control(listener, Admission::at(&path), handler, Arc::clone(&telemetry), outlets.stopping())
        })
        .unwrap();
    Served { told, telemetry, path, _outlets: outlets, _folder: folder }
}

#[test]
fn a_mark_is_read_as_in_band() {
    let served = served();
    let request = MarkRequest {
        kind: "deploy".to_owned(),
        what: "checkout v42".to_owned(),
        until: Some("2026-11-22T15:00:00+01:00".to_owned()),
        scope: [("feature".to_owned(), "one-click".to_owned())].into(),
        ..MarkRequest::default()
    };
    let taken = call(&served.path, &Request::Mark(request)).unwrap();
    let taken: MarkTaken = serde_json::from_value(taken).unwrap();
    let mark = served.told.marks.lock().unwrap().pop().unwrap();
    assert_eq!((mark.id.as_str(), mark.at), (taken.id.as_str(), served.told.now()));
    assert_eq!((mark.kind.as_str(), mark.what.as_str()), ("deploy", "checkout v42"));
    assert_eq!(mark.scope, Slice::of([("feature", "one-click")]));
    assert_eq!((mark.by.as_str(), mark.until.map(|t| t.minute().0)), ("ebbd mark", Some(29_922_600)));

    let empty = Request::Mark(MarkRequest { kind: "deploy".to_owned(), ..MarkRequest::default() });
    assert!(matches!(call(&served.path, &empty), Err(CallError::Refused(_))));
    let unnamed = MarkRequest { kind: "x".to_owned(), retract: true, ..MarkRequest::default() };
    let refused = call(&served.path, &Request::Mark(unnamed)).unwrap_err();
    assert!(refused.to_string().contains("needs the id"), "{refused}");
}

#[test]
fn sources_and_status() {
    let served = served();
    let status: StatusReport = serde_json::from_value(call(&served.path, &Request::Status).unwrap()).unwrap();
    assert_eq!(status, served.told.status());
    let list = call(&served.path, &Request::SourcesList).unwrap();
    assert_eq!(list[0]["name"], "shop");
    let named = |name: &str| NamedSource { name: name.to_owned() };
    let done = call(&served.path, &Request::SourcesExpect(named("web-03"))).unwrap();
    assert_eq!(done, json!({"expected": "web-03"}));
    assert_eq!(*served.told.names.lock().unwrap(), ["expect web-03"]);
    let refused = call(&served.path, &Request::SourcesForget(named("web-04"))).unwrap_err();
    assert_eq!(refused.to_string(), "nobody knows web-04");
    let odd = call(&served.path, &Request::SourcesExpect(named("a\nb"))).unwrap_err();
    assert!(odd.to_string().contains("can't be"), "{odd}");
    assert_eq!((served.telemetry.control.requests.get(), served.telemetry.control.refused.get()), (5, 2));
}

#[test]
fn one_connection_asks_many_things_and_survives_nonsense() {
    let served = served();
    let mut stream = UnixStream::connect(&served.path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut ask = |line: &str| -> Value {
        writeln!(stream, "{line}").unwrap();
        let mut text = String::new();
        lines.read_line(&mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    assert_eq!(ask("status please")["code"], "bad_request");
    assert_eq!(ask(r#"{"request":"shutdown"}"#)["ok"], false);
    assert_eq!(ask("\n{\"request\":\"status\"}")["result"]["v"], 1);
    // Much more than a socket's buffer: the answer is there although the line is refused half-way.
    assert_eq!(ask(&"x".repeat(700_000))["code"], "bad_request");
}

#[test]
fn nobody_there() {
    let error = call(std::path::Path::new("/nonexistent/control.sock"), &Request::Status).unwrap_err();
    assert!(error.to_string().starts_with("no daemon answers at /nonexistent/control.sock"), "{error}");
}
