//! Requests and answers over a real socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ebbd_core::alarm::HeldSilence;
use ebbd_core::model::{AlarmOrder, Mark, Silenced, Slice, TimeUs};
use serde_json::{Value, json};

use super::*;
use crate::outlet::{AlarmHub, Outlets, bind_unix};
use crate::telemetry::{SourceStatus, Telemetry};

#[derive(Default)]
struct Told {
    marks: Mutex<Vec<Mark>>,
    names: Mutex<Vec<String>>,
    alarms: Mutex<AlarmsKnown>,
    orders: Mutex<Vec<AlarmOrder>>,
}

impl ControlHandler for Told {
    fn now(&self) -> TimeUs {
        TimeUs(1_795_352_645_000_000)
    }

    fn status(&self) -> StatusReport {
        let source = SourceStatus { name: "shop".to_owned(), ..SourceStatus::default() };
        StatusReport { v: 1, sources: vec![source], ..StatusReport::default() }
    }

    fn now_shown(&self) -> (Vec<StreamNow>, Vec<AlarmRecord>) {
        (vec![StreamNow { stream: "orders".to_owned(), ..StreamNow::default() }], Vec::new())
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

    fn streams(&self) -> Vec<(String, Vec<String>)> {
        vec![("orders".to_owned(), vec!["marketplace".to_owned(), "feature".to_owned()])]
    }

    fn alarms(&self) -> Result<AlarmsKnown, Refusal> {
        Ok(self.alarms.lock().unwrap().clone())
    }

    fn records_of(&self, no: u64) -> Vec<Value> {
        vec![json!({"no": no})]
    }

    fn alarm_order(&self, order: AlarmOrder) -> Result<(), Refusal> {
        let mut alarms = self.alarms.lock().unwrap();
        if let AlarmOrder::Silence(silence) = &order {
            let id = alarms.silences.len() as u64 + 1;
            alarms.silences.push(HeldSilence { id, silence: silence.clone() });
        }
        self.orders.lock().unwrap().push(order);
        Ok(())
    }

    fn label_effect(&self, _: u64) -> Result<LabelEffect, Refusal> {
        Ok(LabelEffect { masked_half_hours: 4, raised_slices: 0, raised_until: None })
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
fn what_is_meant_by_a_silence_is_checked() {
    let served = served();
    let ask = |change: &dyn Fn(&mut SilenceRequest)| {
        let mut request = SilenceRequest { for_s: 7_200, by: "ann".to_owned(), ..SilenceRequest::default() };
        change(&mut request);
        call(&served.path, &Request::AlarmsSilence(request)).map_err(|error| error.to_string())
    };
    let us = || [("marketplace".to_owned(), "US".to_owned())].into();
    let refused = |change: &dyn Fn(&mut SilenceRequest), why: &str| {
        let error = ask(change).unwrap_err();
        assert!(error.contains(why), "{error}");
    };
    refused(&|_| {}, "say what to silence");
    refused(&|request| request.no = Some(47), "alarm 47 is not known");
    refused(
        &|request| request.slice = [("market".to_owned(), "US".to_owned())].into(),
        "no dimension market (",
    );
    refused(
        &|request| request.stream = Some("ordres".to_owned()),
        "no stream is called ordres (there is orders)",
    );
    refused(&|request| (request.slice, request.for_s) = (us(), 59), "at least a minute");
    refused(&|request| (request.slice, request.by) = (us(), " ".to_owned()), "say who");
    refused(&|request| (request.slice, request.text) = (us(), "a\nb".to_owned()), "one line");
    let silenced = ask(&|request| request.slice = us()).unwrap();
    assert_eq!((&silenced["id"], &silenced["until"]), (&json!(1), &json!("2026-11-22T15:04:05Z")));
    ask(&|request| request.stream = Some("orders".to_owned())).unwrap();
    let orders = served.told.orders.lock().unwrap().clone();
    let whole = Silenced::Slice { stream: Some("orders".to_owned()), slice: Slice::default() };
    assert!(matches!(&orders[1], AlarmOrder::Silence(silence) if silence.what == whole), "{orders:?}");
    let ended = UnsilenceRequest { id: 3, by: "ann".to_owned() };
    let error = call(&served.path, &Request::AlarmsUnsilence(ended)).unwrap_err().to_string();
    assert!(error.contains("no silence 3"), "{error}");
}

#[test]
fn sources_and_status() {
    let served = served();
    let status: StatusReport = serde_json::from_value(call(&served.path, &Request::Status).unwrap()).unwrap();
    assert_eq!(status, served.told.status());
    let now: NowReport = serde_json::from_value(call(&served.path, &Request::Now).unwrap()).unwrap();
    assert_eq!((now.status, now.streams[0].stream.as_str()), (status, "orders"));
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
    assert_eq!((served.telemetry.control.requests.get(), served.telemetry.control.refused.get()), (6, 2));
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
