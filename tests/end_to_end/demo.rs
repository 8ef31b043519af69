//! `ebbd demo`: the newcomer's first command tells its story and leaves its data behind.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::readers::read_all;
use super::report::stories_are_told;
use super::support::{EBBD, python};

/// Removes the history that the demo made up, so that the readers look at what its daemon wrote.
fn forget_history(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            forget_history(&path);
        } else if path.file_name().unwrap().to_str().unwrap().contains("history") {
            fs::remove_file(path).unwrap();
        }
    }
}

/// docs/analysis.md: DuckDB, DataSketches, Polars, pandas and chDB on what the demo wrote.
fn every_query_of_the_page_runs(dir: &Path, data: &Path) {
    std::os::unix::fs::symlink(data, dir.join("ebbd-data")).unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/analysis.md");
    let output = python("analysis.py", &[page.to_str().unwrap(), dir.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let brought: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(brought.as_object().unwrap().len() >= 16, "{brought}");
    assert_eq!(brought["What did incidents cost?"], 1, "the demo has one");
}

#[test]
fn the_demo_tells_its_story_and_ends_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("demo");
    let output =
        Command::new(EBBD).args(["demo", "--once", "--pace", "4", "--dir"]).arg(&data).output().unwrap();
    let (told, complaints) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{told}{complaints}");
    let page =
        told.lines().find(|line| line.starts_with("PAGE ")).unwrap_or_else(|| panic!("no page:\n{told}"));
    assert!(page.contains("US / one-click: orders -") && page.contains(" LOSING "), "{page}");
    assert!(told.contains("suspect  deploy \"checkout v42\""), "{told}");
    assert!(told.lines().any(|line| line.starts_with("RESOLVED ")), "{told}");
    assert!(told.contains("duckdb -c \"select"), "it says how to read its data:\n{told}");

    every_query_of_the_page_runs(dir.path(), &data);
    let written = told.lines().find_map(|line| line.strip_prefix("demo: the report is written: "));
    let page = Path::new(written.unwrap_or_else(|| panic!("no report:\n{told}")));
    assert!(page.starts_with(&data));
    stories_are_told(&data, page);

    forget_history(&data.join("minutes"));
    let read = read_all(&data);
    let datasets =
        ["minutes", "slices", "incidents", "incident_money", "alarms", "marks", "sources", "ledger"];
    for dataset in datasets {
        assert!(read[dataset]["rows"].as_u64() > Some(0), "{dataset}: {}", read[dataset]);
    }
    assert_eq!(read["ledger"]["sums"]["counted"], read["minutes"]["sums"]["count"]);
    assert_eq!(read["incidents"]["rows"], 1, "the demo's outage is one alarm");
}
