//! An alarm in people's hands, through the real binary: taken, silenced, labelled, the same after a kill.

use std::path::Path;

use serde_json::{Value, json};

use super::alarms::{Demo, Listening, ebbd, is_alarm, replayed};
use super::support::{PATIENCE, Place, eventually, stream};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What `alarms list --json` says of alarm 1.
fn first(socket: &Path) -> Value {
    let listed = lines(&ebbd(&["alarms", "list", "--json"], socket));
    listed.into_iter().find(|record| record["no"] == 1).expect("alarm 1 is known")
}

fn is_about_orders(record: &&Value) -> bool {
    is_alarm(record) && record["kind"] == "drop"
}

#[test]
fn an_alarm_is_taken_silenced_and_labelled_and_a_kill_forgets_nothing() {
    let mut demo = Demo::start();
    let (alarms, control) = (demo.path("alarms.sock"), demo.path("control.sock"));
    eventually("the demo serves its alarms", 2 * PATIENCE, || alarms.exists());
    let watching = Listening::nc(&alarms);
    let mut told = watching.until(|line| is_alarm(line) && line["state"] == "firing");
    let said = ebbd(&["alarms", "ack", "1", "on it", "--by", "ann"], &control);
    assert!(said.starts_with("1 is taken by ann: US / one-click: orders -"), "{said}");
    // The demo's shop lives up to a day ago: what is silenced is silenced after the restart in our own time, too.
    ebbd(&["alarms", "silence", "--slice", "marketplace=US", "--for", "3d", "--by", "ann"], &control);
    ebbd(&["alarms", "silence", "--stream", "orders", "--for", "2d", "--by", "bob"], &control);
    ebbd(&["alarms", "unsilence", "2", "--by", "bob"], &control);
    let label = ebbd(&["alarms", "label", "1", "expected", "--by", "ann"], &control);
    assert!(label.contains("half-hours of its slices are kept out of the baseline"), "{label}");
    let silences = lines(&ebbd(&["alarms", "silences", "--json"], &control));
    assert_eq!((silences.len(), &silences[0]["id"]), (1, &json!(1)), "{silences:?}");
    told.extend(watching.until(|line| is_alarm(line) && line["because"] == "recovering"));

    let records: Vec<Value> = told.iter().filter(is_about_orders).cloned().collect();
    let acked = records.iter().position(|record| record["because"] == "acked").expect("it was acked");
    let who = records[acked]["acked"].as_str().unwrap();
    assert!(who.ends_with("Z ann: on it"), "{who}");
    for record in &records[acked..] {
        assert_eq!(record["acked"], *who);
    }
    let silenced = records.iter().position(|record| !record["silenced_until"].is_null()).unwrap();
    assert!(records[silenced..].iter().all(|record| record["notify"] == "none"), "{records:#?}");
    let last = &records[records.len() - 1];
    assert_eq!(last["label"], "expected");
    assert!(
        records.windows(2).all(|pair| pair[1]["rev"].as_u64() == pair[0]["rev"].as_u64().map(|rev| rev + 1))
    );

    demo.kill();
    let place =
        Place::new(&(stream("orders") + "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\n"));
    std::fs::rename(demo.path(""), place.data()).unwrap();
    let (running, control) = (place.start(), place.data().join("control.sock"));
    let again = first(&control);
    for key in ["acked", "label", "id", "onset"] {
        assert_eq!(again[key], last[key], "{key}");
    }
    assert_eq!(lines(&ebbd(&["alarms", "silences", "--json"], &control)).len(), 1);
    let shown = String::from_utf8(place.command(&["alarms", "show", "1"]).output().unwrap().stdout).unwrap();
    for words in
        ["clearly over", "THE SAME MINUTE of", "not judged", "HISTORY", "acked", "labelled expected by ann"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let unknown = place.command(&["alarms", "ack", "7"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(1), "{}", String::from_utf8_lossy(&unknown.stderr));
    ebbd(&["alarms", "label", "1", "false"], &control);
    assert_eq!(first(&control)["label"], "false");
    running.stop_in_order();

    let rows = place.sql(
        "select distinct label, severity, acked is not null as acked from @incidents \
         where kind = 'drop' and label = 'false'",
    );
    assert_eq!(rows, [json!({"label": "false", "severity": "page", "acked": true})]);
    assert_replayed(&place, &records);
    let offline = place.command(&["alarms", "list"]).output().unwrap();
    let (table, told) =
        (String::from_utf8(offline.stdout).unwrap(), String::from_utf8(offline.stderr).unwrap());
    assert!(
        table.contains("US / one-click: orders -") && told.contains("no daemon answers"),
        "{table}{told}"
    );
    assert_eq!(place.command(&["alarms", "ack", "1"]).output().unwrap().status.code(), Some(3));
}

/// A replay of the minutes gives the same records but for what people did.
fn assert_replayed(place: &Place, records: &[Value]) {
    let of_minutes = |record: &&Value| {
        let reason = record["reason"].as_str().unwrap_or_default();
        let by_people =
            ["silenced until", "labelled", "the silence was"].iter().any(|words| reason.starts_with(words));
        record["because"] != "acked" && !by_people && record["early"] == false && record["late"] == false
    };
    let bare = |record: &Value| {
        let mut record = record.clone();
        for key in
            ["seq", "rev", "notify", "acked", "silenced_until", "label", "durable", "config", "url", "host"]
        {
            record[key] = Value::Null;
        }
        record
    };
    let sent: Vec<Value> = records.iter().filter(of_minutes).map(bare).collect();
    let replayed: Vec<Value> = replayed(&place.data()).iter().filter(is_about_orders).map(bare).collect();
    assert!(sent.len() >= 3 && replayed.len() >= sent.len(), "{} {}", sent.len(), replayed.len());
    for (sent, replayed) in sent.iter().zip(&replayed) {
        assert_eq!(sent, replayed);
    }
}
