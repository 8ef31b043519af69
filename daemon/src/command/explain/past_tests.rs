//! Data directories explained: a period, an alarm, a minute, and what had better been watched.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use clap::Parser as _;
use ebbd_core::alarm::{AlarmRecord, Kind, Severity, State};
use ebbd_core::columns::{Footer, IncidentRow, write_alarms, write_incidents};
use ebbd_core::judge::{Judge, JudgeContext};
use ebbd_core::model::{StreamId, View};
use serde_json::{Value, json};

use super::tests::Line;
use super::{NO, OK, TROUBLE, USAGE, run_to};
use crate::command::impact::tests::{BEGIN, CONFIG, LASTS, directory, shop, spec, us};
use crate::config::Config;
use crate::run::judge_context;

fn explained(dir: &Path, arguments: &str, json: bool) -> (i32, String) {
    let dir = dir.display();
    let line = format!("{arguments} --data-dir {dir} -c {dir}/ebbd.toml");
    let line = Line::try_parse_from(["explain"].into_iter().chain(line.split(' '))).unwrap();
    let mut out = Vec::new();
    match run_to(&line.args, json, &mut out) {
        Ok(code) => (code, String::from_utf8(out).unwrap()),
        Err(failure) => (failure.code, failure.message),
    }
}

fn first(lines: &str) -> Value {
    serde_json::from_str(lines.lines().next().unwrap_or("null")).unwrap()
}

#[test]
fn a_period_is_explained_from_the_minutes_alone() {
    let dir = directory(15);
    let (code, lines) = explained(dir.path(), "--from 2026-11-22T14:00:00Z --to 2026-11-22T14:40:00Z", true);
    assert_eq!(code, OK, "{lines}");
    let cause = first(&lines);
    assert_eq!(cause["slice"], json!({"feature": "one-click", "marketplace": "US"}), "{lines}");
    assert!(cause["explains"].as_f64().unwrap() > 0.8 && cause["observed"] == 0.0, "{lines}");
    // What the cause had is what its rows add up to: a week before it had orders, in the incident none.
    assert!(cause["expected"].as_f64().unwrap() > 100.0, "{lines}");
    let quiet = explained(dir.path(), "--from 2026-11-22T12:00:00Z --to 2026-11-22T12:40:00Z", true);
    assert_eq!(quiet, (NO, String::new()));
    let within = "--from 2026-11-22T14:00:00Z --to 2026-11-22T14:40:00Z --slice marketplace=DE";
    assert_eq!(explained(dir.path(), within, true).0, NO, "DE had nothing to do with it");
    assert_eq!(explained(dir.path(), "--alarm 47", true).0, NO);
}

#[test]
fn a_minute_says_why_it_did_or_did_not_alarm() {
    let dir = directory(15);
    let slice = "--slice marketplace=US --slice feature=one-click";
    let (code, line) = explained(dir.path(), &format!("{slice} --at 2026-11-22T14:06:00Z"), true);
    let told = first(&line);
    assert_eq!((code, told["verdict"].as_str(), told["observed"].as_i64()), (OK, Some("drop"), Some(0)));
    assert!(told["evidence"].as_f64() > told["threshold"].as_f64(), "{line}");
    let weeks = told["weeks_before"].as_array().unwrap();
    assert!(weeks[0].as_i64().unwrap() > 0 && weeks[1].as_i64().unwrap() > 0 && weeks[3].is_null(), "{line}");
    let (code, text) = explained(dir.path(), &format!("{slice} --at 2026-11-22T13:30:00Z"), false);
    assert_eq!(code, NO);
    assert!(text.starts_with("US / one-click at 2026-11-22 13:30 UTC: ok\n"), "{text}");
    assert!(
        text.contains("clearly under its bar") && text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert_eq!(explained(dir.path(), "--slice colour=red --at 2026-11-22T13:30:00Z", true).0, USAGE);
    assert_eq!(explained(dir.path(), "--at 2025-01-01T00:00:00Z", true).0, TROUBLE);
}

/// The records of the alarm, as the daemon's own judge writes them.
fn records(dir: &Path) -> Vec<AlarmRecord> {
    let config = Config::load_file(&dir.join("ebbd.toml")).unwrap();
    let context = JudgeContext { view: View::Whole, ..judge_context(&config) };
    let mut judge = Judge::new(Arc::from([spec()]), context);
    let (shop, mut records) = (shop(true), Vec::new());
    for at in -9 * 1440..100 {
        let sealed = shop.sealed(BEGIN.plus(at), StreamId(0), &spec());
        if at < -60 {
            judge.learn(&sealed);
        } else {
            records.extend(judge.judge(&sealed, sealed.sealed_at).records);
        }
    }
    records
}

#[test]
fn an_alarm_is_explained_over_its_whole_time() {
    let dir = directory(15);
    let records = records(dir.path());
    let folder = dir.path().join("alarms/date=2026-11-22");
    std::fs::create_dir_all(&folder).unwrap();
    write_alarms(&records, &Footer::default(), File::create(folder.join("test-1.parquet")).unwrap()).unwrap();
    let (code, lines) = explained(dir.path(), "--alarm 1", true);
    assert_eq!(code, OK, "{lines}");
    assert_eq!(first(&lines)["slice"], json!({"feature": "one-click", "marketplace": "US"}), "{lines}");
    assert_eq!(records.last().unwrap().state, State::Resolved);
    let (_, words) = explained(dir.path(), "--alarm 1", false);
    let heading: Vec<&str> = words.lines().take(2).collect();
    assert!(heading[0].starts_with("1  US / one-click: orders -"), "{words}");
    assert!(heading[1].starts_with("   2026-11-22 ") && heading[1].ends_with(" min)"), "{words}");
}

#[test]
fn what_would_have_been_seen_sooner_is_suggested() {
    let dir = directory(15);
    let config = CONFIG.to_owned() + "watch = [[]]\n";
    std::fs::write(dir.path().join("ebbd.toml"), config).unwrap();
    let row = IncidentRow {
        id: "01KAP0000000000000000000AA".to_owned(),
        stream: "orders".to_owned(),
        kind: Kind::Drop,
        slice: us(),
        cause: None,
        onset: BEGIN.start(),
        detected: BEGIN.plus(25).start(),
        acked: None,
        ended: Some(BEGIN.plus(LASTS).start()),
        state: State::Resolved,
        severity: Severity::Page,
        label: None,
        orders: Some([2000.0, 2100.0, 2200.0]),
        customers: None,
        recovered_later: None,
        change: None,
        provisional_until: None,
    };
    std::fs::create_dir_all(dir.path().join("incidents")).unwrap();
    let file = File::create(dir.path().join("incidents/test-1.parquet")).unwrap();
    write_incidents(&[row], &Footer::default(), file).unwrap();
    let period = "--suggest-watch --from 2026-11-22 --to 2026-11-22";
    let (code, lines) = explained(dir.path(), period, true);
    assert_eq!(code, OK, "{lines}");
    let all: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let both = all.iter().find(|line| line["dimensions"] == json!(["marketplace", "feature"])).unwrap();
    assert_eq!(both["sooner"], 1, "{lines}");
    assert!(both["minutes_sooner"].as_i64().unwrap() >= 15, "{lines}");
    let (code, text) = explained(dir.path(), period, false);
    assert!(
        code == OK && text.contains("watch [\"marketplace\", \"feature\"]\n  1 of 1 incidents sooner"),
        "{text}"
    );
    let none = "--suggest-watch --from 2026-11-10 --to 2026-11-11";
    assert_eq!(explained(dir.path(), none, true).0, TROUBLE);
}
