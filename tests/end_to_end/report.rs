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
    the_bill_is_that_of_duckdb(data);
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

/// What `impact` and `explain` say of the outage is what DuckDB counts in the datasets.
fn the_bill_is_that_of_duckdb(data: &Path) {
    let bill = first_of(data, "impact");
    let (from, to) = (bill["from"].as_str().unwrap(), bill["to"].as_str().unwrap());
    let (slice, at) = (bill["slice"].to_string(), data.display());
    let during = format!("minute >= timestamptz '{from}' and minute < timestamptz '{to}'");
    let judged = duckdb(&format!(
        "select sum(observed)::double as observed, sum(expected) as expected, count(*) as minutes from (select * from \
         read_parquet('{at}/slices/**/*.parquet', hive_partitioning=true, union_by_name=true) \
         where slice = '{slice}' and {during} \
         qualify row_number() over (partition by minute order by revision desc) = 1)"
    ));
    assert_eq!(bill["minutes"], judged["minutes"], "{bill} but {judged}");
    let of = |value: &Value, key: &str| value[key].as_f64().unwrap_or_else(|| panic!("{key}: {value}"));
    assert_eq!(of(&bill, "observed"), of(&judged, "observed"), "{bill} but {judged}");
    // Until the alarm opened its minutes were expected by the level of the member that saw it, which is no column.
    let lost = of(&judged, "expected") - of(&judged, "observed");
    let told = bill["orders"][1].as_f64().unwrap();
    assert!((told / lost - 1.0).abs() < 0.02, "{told} orders lost, DuckDB says {lost}");

    let cause = first_of(data, "explain");
    assert_eq!(cause["slice"], bill["slice"], "{cause}");
    let counted = duckdb(&format!(
        "select coalesce(sum(count), 0)::double as orders from \
         read_parquet('{at}/minutes/stream=orders/**/*.parquet', union_by_name=true) \
         where watched and marketplace = 'US' and feature = 'one-click' and {during}"
    ));
    assert_eq!(of(&cause, "observed"), of(&counted, "orders"), "{cause}");
    assert!((of(&cause, "expected") / of(&judged, "expected") - 1.0).abs() < 0.1, "{cause} but {judged}");
}

/// The first line that a command has to say of the alarm.
fn first_of(data: &Path, command: &str) -> Value {
    let mut ebbd = Command::new(EBBD);
    ebbd.args([command, "--alarm", "1", "--json", "--data-dir"]).arg(data);
    let said = text(ebbd.output().unwrap());
    serde_json::from_str(said.lines().next().unwrap()).unwrap()
}

fn duckdb(statement: &str) -> Value {
    let rows = text(python("sql.py", &[statement]));
    serde_json::from_str(rows.lines().next().unwrap()).unwrap()
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
