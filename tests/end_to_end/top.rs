//! `ebbd top` in a real terminal, and for scripts.

use std::fs;
use std::process::Output;

use serde_json::Value;

use super::support::{PATIENCE, Place, eventually, python_command, stream};
use super::wire::through_unix;

const SOURCE: &str = "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\n";

/// Orders came, and a minute is judged.
fn judged() -> (Place, super::support::Running) {
    let place = Place::new(&(stream("orders") + SOURCE));
    let running = place.start();
    let at = super::support::this_minute().plus(-2).start().to_rfc3339();
    let line = format!(
        "{{\"ts\":\"{at}\",\"marketplace\":\"US\",\"feature\":\"one-click\",\"status\":\"placed\",\"host\":\"web-01\"}}\n"
    );
    through_unix(&place.path("events.sock"), line.repeat(40).as_bytes());
    eventually("a minute is judged", PATIENCE, || {
        let now = json(&place.command(&["top", "--json", "--once"]).output().unwrap());
        now["streams"][0]["minutes"].as_array().is_some_and(|minutes| !minutes.is_empty())
    });
    (place, running)
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// The lines of a picture without what only a terminal understands.
fn lines(picture: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = picture.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            rest.by_ref().find(|c| c.is_ascii_alphabetic());
        } else {
            plain.push(c);
        }
    }
    plain.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn it_fills_a_terminal_and_leaves_it_as_it_was() {
    let (place, running) = judged();
    for (columns, rows, end) in [(80, 24, "q"), (200, 50, "^C"), (80, 24, "TERM"), (100, 30, "HUP")] {
        let out = place.path("terminal");
        let mut command = python_command("terminal.py");
        command.args([&columns.to_string(), &rows.to_string()]).arg(&out).args([end, "--"]);
        command.arg(super::support::EBBD).args(["top", "--every", "100ms", "-c"]).arg(place.config());
        let ended = json(&command.output().unwrap());
        let told = fs::read_to_string(&out).unwrap();
        assert_eq!(ended["code"], 0, "{end}: {ended} {told}");
        assert_eq!(
            (&ended["keys_at_once"], &ended["restored"]),
            (&true.into(), &true.into()),
            "{end}: {ended}"
        );
        assert!(told.ends_with("\u{1b}[0m\u{1b}[?25h\u{1b}[?1049l"), "{end}: {told:?}");
        let picture = told.split("\u{1b}[H").nth(2).unwrap();
        let shown = lines(picture);
        assert!(
            shown.len() <= rows && shown.iter().all(|line| line.chars().count() <= columns),
            "{shown:#?}"
        );
        for part in ["ebbd on test", "orders", "ALARMS", "SLICES", "SOURCES", "LEDGER", "40 received"] {
            assert!(shown.iter().any(|line| line.contains(part)), "{part}: {shown:#?}");
        }
    }
    running.stop_in_order();
}

/// What a command tells a terminal of 80 columns.
fn told_a_terminal(place: &Place, command: &[&str], colours: bool) -> String {
    let out = place.path("terminal");
    let mut terminal = python_command("terminal.py");
    terminal.args(["80", "24"]).arg(&out).args(["q", "--", super::support::EBBD]);
    terminal.args(command).arg("-c").arg(place.config());
    if !colours {
        terminal.env("WITHOUT_COLOUR", "1");
    }
    let ended = json(&terminal.output().unwrap());
    assert_eq!(ended["code"], 0, "{command:?}: {ended}");
    fs::read_to_string(&out).unwrap()
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let (place, running) = judged();
    for command in [&["top", "--every", "100ms"][..], &["top", "--once"]] {
        let [with, without] = [true, false].map(|colours| told_a_terminal(&place, command, colours));
        assert!(with.contains("\u{1b}[1mSLICES"), "{command:?}: {with:?}");
        assert!(without.contains("SLICES") && !without.contains("\u{1b}[1m"), "{command:?}: {without:?}");
        assert_eq!(with.contains("q quits"), command.len() == 3, "{command:?}: {with:?}");
    }
    running.stop_in_order();
}

#[test]
fn scripts_get_text_or_json_and_an_exit_code() {
    let (place, running) = judged();
    let text = place.command(&["top"]).output().unwrap();
    let told = String::from_utf8(text.stdout).unwrap();
    assert!(text.status.success() && told.contains("SLICES") && !told.contains('\u{1b}'), "{told}");
    let now = json(&place.command(&["top", "--json", "--once"]).output().unwrap());
    assert_eq!((&now["v"], &now["status"]["streams"][0]["counted"]), (&1.into(), &40.into()), "{now}");
    assert_eq!(now["streams"][0]["stream"], "orders", "{now}");
    assert!(now["streams"][0]["minutes"][0]["minute"].is_string(), "{now}");
    assert_eq!(now["open"], Value::Array(Vec::new()));
    running.stop_in_order();
    let nobody = place.command(&["top"]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(3), "{nobody:?}");
}
