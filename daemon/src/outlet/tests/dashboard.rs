//! The page, its parts, and the answers that it is made from.

use ebbd_core::alarm::{AlarmRecord, State};
use ebbd_core::model::{Mark, Minute, Slice, StreamSpec, TimeUs};
use serde_json::Value;

use super::http::{get, served};
use super::record;
use crate::outlet::board::tests::minute;

fn json(address: std::net::SocketAddr, path: &str) -> (u16, Value) {
    let (code, _, body) = get(address, path, "");
    (code, serde_json::from_str(&body).unwrap_or(Value::Null))
}

#[test]
fn every_answer_tells_browsers_to_load_nothing_from_elsewhere() {
    let (_served, address) = served();
    for path in ["/", "/slices?slice=", "/alarms/47", "/assets/main.js", "/api/v1/slices", "/nowhere"] {
        let (_, head, _) = get(address, path, "");
        let policy = head.lines().find(|line| line.starts_with("content-security-policy:"));
        let policy = policy.unwrap_or_else(|| panic!("{path} has no policy: {head}"));
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(head.contains("x-content-type-options: nosniff") && head.contains("no-store"), "{head}");
    }
    assert_eq!(get(address, "/alarms/x", "").0, 404);
}

#[test]
fn the_page_and_its_parts_refer_to_what_is_served_and_to_nothing_else() {
    let (_served, address) = served();
    let mut texts = vec![get(address, "/", "").2];
    assert!(!texts[0].contains("<style") && !texts[0].contains(" style=") && !texts[0].contains("<script>"));
    let names = ["style.css", "main.js", "views.js", "chart.js", "words.js", "icon.svg"];
    for name in names {
        let (code, _, body) = get(address, &format!("/assets/{name}"), "");
        assert_eq!(code, 200, "{name}");
        texts.push(body);
    }
    for text in &texts {
        for quoted in text.split('"').filter(|part| part.starts_with("/assets/") || part.starts_with("./")) {
            let name = quoted.rsplit('/').next().unwrap();
            assert!(names.contains(&name), "{quoted} is not served");
        }
        let foreign = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!foreign.contains("://") && !foreign.contains("innerHTML"), "{text}");
    }
    assert_eq!(get(address, "/assets/../main.rs", "").0, 404);
    assert_eq!(get(address, "/assets/none.js", "").0, 404);
}

#[test]
fn slices_are_answered_with_their_verdicts_and_minutes() {
    let (served, address) = served();
    assert_eq!(json(address, "/api/v1/slices").1["streams"], serde_json::json!([]));
    assert_eq!(get(address, "/api/v1/slices?slice=", "").0, 404);
    let spec = StreamSpec::example();
    for at in 1_000..1_100 {
        served.board.judged(&spec, &minute(at, 3));
    }
    let (_, all) = json(address, "/api/v1/slices");
    let stream = &all["streams"][0];
    assert_eq!((stream["watched"].as_u64(), stream["verdicts"]["drop"].as_u64()), (Some(3), Some(1)));
    assert_eq!(
        (stream["slices"][0]["title"].as_str(), stream["slices"][0]["verdict"].as_str()),
        (Some("00002"), Some("drop"))
    );
    assert_eq!(stream["slices"][1]["title"], "all");
    let (code, one) = json(address, "/api/v1/slices?stream=orders&slice=marketplace%3D00002&hours=1");
    let minutes = one["minutes"].as_array().unwrap();
    assert_eq!((code, minutes.len(), minutes[59]["observed"].as_i64()), (200, 60, Some(1_099)));
    assert_eq!(minutes[0]["minute"], Minute(1_040).start().to_rfc3339());
    assert_eq!((&minutes[0]["low"], &minutes[0]["verdict"]), (&Value::from(5.0), &Value::from("drop")));
    assert_eq!(one["to"], Minute(1_100).start().to_rfc3339());
    // What memory lacks is asked of the past, and so is the week before.
    let (_, more) = json(address, "/api/v1/slices?slice=&hours=3");
    let minutes = more["minutes"].as_array().unwrap();
    assert_eq!(
        (minutes.len(), &minutes[0]["observed"], &minutes[0]["low"]),
        (180, &920.into(), &Value::Null)
    );
    assert_eq!((&minutes[0]["completeness"], &minutes[179]["completeness"]), (&Value::Null, &1.0.into()));
    let week_ago = more["last_week"].as_array().unwrap();
    assert_eq!((week_ago.len(), &week_ago[0]["minute"]), (180, &minutes[0]["minute"]));
    assert_eq!(week_ago[0]["observed"], 920 - 7 * 1_440);
    let (_, early) = json(address, "/api/v1/slices?slice=&hours=1&until=1970-01-01T01:00:00Z");
    assert_eq!(early["from"], "1970-01-01T00:00:00Z");
    assert_eq!(early["minutes"][59]["observed"], 59);
    for (code, path) in
        [(404, "slice=marketplace%3DXX"), (404, "stream=none"), (400, "slice=US"), (400, "slice=&hours=99")]
    {
        let (found, why) = json(address, &format!("/api/v1/slices?{path}"));
        assert!(found == code && why["error"].is_string(), "{path}: {found} {why}");
    }
}

#[test]
fn markers_of_the_last_hours_are_answered() {
    let (served, address) = served();
    served.board.judged(&StreamSpec::example(), &minute(1_000, 1));
    for (id, at) in [("old", 700), ("new", 990)] {
        served.board.marked(&Mark {
            id: id.to_owned(),
            kind: "deploy".to_owned(),
            what: "v\u{202e}42".to_owned(),
            at: Minute(at).start(),
            until: None,
            scope: Slice::of([("feature", "one-click")]),
            retracted: false,
            received: TimeUs(0),
            by: "test".to_owned(),
        });
    }
    let (_, answer) = json(address, "/api/v1/marks?hours=1");
    let marks = answer["marks"].as_array().unwrap();
    assert_eq!(
        (marks.len(), &marks[0]["id"], &marks[0]["scope"]["feature"]),
        (1, &"new".into(), &"one-click".into())
    );
    assert_eq!(marks[0]["what"], "v\\u{202e}42", "what hides is shown");
    assert_eq!(json(address, "/api/v1/marks?hours=6").1["marks"].as_array().unwrap().len(), 2);
}

#[test]
fn an_alarm_is_told_in_the_words_of_watch_and_the_readers_zone() {
    let (served, address) = served();
    let onset = ["2026-11-22T13:02:00Z", "2026-11-22T13:03:00Z", "2026-11-22T13:03:00Z"].map(str::to_owned);
    let mut opened = record(1, 7, State::Firing);
    opened.onset = Some(onset);
    served.hub.publish(&opened);
    let (_, alarms) = json(address, "/api/v1/alarms?zone=Europe/Berlin");
    assert_eq!(alarms["open"][0]["no"], 7);
    let told = &alarms["told"]["open"][0];
    assert_eq!(told["mark"], "PAGE 7");
    assert!(told["head"][0].as_str().unwrap().contains("since 14:03 CET"), "{told}");
    served.hub.publish(&record(2, 7, State::Resolved));
    let (code, alarm) = json(address, "/api/v1/alarms/7");
    assert_eq!((code, alarm["records"].as_array().unwrap().len()), (200, 2));
    assert_eq!(
        (&alarm["now"]["mark"], &alarm["while_open"]["mark"]),
        (&"RESOLVED 7".into(), &"PAGE 7".into())
    );
    assert_eq!(json(address, "/api/v1/alarms/8").0, 404);
    // An alarm that has left the ring, and one of which the ring has the end.
    let (_, old) = json(address, "/api/v1/alarms/99");
    assert_eq!(old["records"].as_array().unwrap().len(), 2);
    served.hub.publish(&AlarmRecord { rev: 3, ..record(3, 99, State::Resolved) });
    let (_, old) = json(address, "/api/v1/alarms/99");
    let revisions: Vec<u64> =
        old["records"].as_array().unwrap().iter().map(|r| r["rev"].as_u64().unwrap()).collect();
    assert_eq!(revisions, [1, 2, 3]);
    assert_eq!(json(address, "/api/v1/alarms/7?zone=Atlantis").0, 400);
}
