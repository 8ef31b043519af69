//! `ebbd report`: the story of the demo's outage from what its daemon has stored, looked at in a browser.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::support::{EBBD, python};

/// Looks at everything that a report can be, given a demo's directory and the page that the demo wrote.
pub fn stories_are_told(data: &Path, page: &Path) {
    let again = fs::read_to_string(page).unwrap();
    let told = |arguments: &[&str]| report(data, arguments);
    assert_eq!(text(told(&["1", "-o", "-"])), again, "the same data give the same page");
    let named = data.join("named.html");
    let printed = text(told(&["#1", "--output", named.to_str().unwrap()]));
    assert_eq!(printed.trim(), named.to_str().unwrap());
    assert_eq!(fs::read_to_string(&named).unwrap(), again);
    let markdown = text(told(&["1", "--format", "md"]));
    assert!(markdown.starts_with("# US / one-click: orders -"), "{markdown}");
    for part in
        ["Suspect: deploy \"checkout v42\"", "Way back: rollback \"checkout v41\"", "## What happened", "USD"]
    {
        assert!(markdown.contains(part), "no {part:?} in\n{markdown}");
    }
    let account: Value = serde_json::from_str(&text(told(&["1", "--format", "json"]))).unwrap();
    assert_eq!((&account["type"], &account["state"]), (&"report".into(), &"resolved".into()));
    assert_eq!(account["mended"]["recovered"], true);
    let id = account["id"].as_str().unwrap();
    assert_eq!(text(told(&[id, "-o", "-"])), again, "by its id");
    missed_ones_are_told(data, &account);
    in_a_browser(page, &data.join("shots"));
}

/// The same time asked for by period: told as an incident without an alarm.
fn missed_ones_are_told(data: &Path, account: &Value) {
    let (from, to) = (account["span"]["from"].as_str().unwrap(), account["span"]["to"].as_str().unwrap());
    let period = ["--from", from, "--to", to, "--format", "json"];
    let slice = ["--slice", "marketplace=US", "--slice", "feature=one-click"];
    let missed: Value = serde_json::from_str(&text(report(data, &[&period[..], &slice].concat()))).unwrap();
    assert_eq!((&missed["state"], &missed["no"]), (&"missed".into(), &Value::Null));
    assert_eq!(missed["series"][0], account["series"][0], "the verdicts are the same");
    let lost = |account: &Value| account["lost"]["orders"][1].as_f64().unwrap();
    assert!((lost(&missed) / lost(account) - 1.0).abs() < 0.1, "{} and {}", lost(&missed), lost(account));
    for (arguments, code) in [
        (&["2"][..], 1),
        (&["nonsense"], 2),
        (&[], 2),
        (&["--from", from, "--to", to, "--slice", "marketplace=FR"], 1),
        (&["--from", to, "--to", from], 2),
        (&["1", "--slice", "marketplace=US"], 2),
    ] {
        let output = report(data, arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}");
    }
}

/// The page in Chromium, wide and narrow, light and dark, on paper.
fn in_a_browser(page: &Path, shots: &Path) {
    let seen = text(python("report.py", &[page.to_str().unwrap(), shots.to_str().unwrap()]));
    assert_eq!(seen.trim(), "5 readers");
}

fn report(data: &Path, arguments: &[&str]) -> Output {
    Command::new(EBBD).arg("report").args(arguments).arg("--data-dir").arg(data).output().unwrap()
}

fn text(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
