//! Orders come in and can't be shipped: two tables of counts go in, and the replay tells a funnel's alarm.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use ebbd_core::model::Minute;
use serde_json::Value;

use crate::support::EBBD;

const BEGIN: Minute = Minute(29_900_160);
const CONFIG: &str = r#"
data_dir = "data"
[stream.orders]
dimensions = ["marketplace"]
watch = [[], ["marketplace"]]
[stream.shipments]
dimensions = ["marketplace"]
watch = [[], ["marketplace"]]
[source.shop]
type = "unix"
listen = "shop.sock"
stream = { field = "type", ordered = "orders", shipped = "shipments" }
[funnel.shipped]
from = "orders"
to = "shipments"
by = ["marketplace"]
within = "2h"
"#;

/// Five days; in the last hour but one nothing is shipped in the US. A wave and a stir, without chance.
fn tables() -> [String; 2] {
    let wave = |at: i32, period: f64| (f64::from(at) * std::f64::consts::TAU / period).sin();
    let rate = |at: i32, usual: f64| {
        let stir = f64::from((at * 7919).rem_euclid(101) - 50) / 50.0;
        let mean = usual * (1.0 + 0.5 * wave(at, 1440.0) + 0.1 * wave(at, 217.0));
        (mean + stir * mean.sqrt()).round()
    };
    let outage = 5 * 1440 - 120..5 * 1440 - 60;
    let mut tables = ["minute,marketplace,count\n".to_owned(), "minute,marketplace,count\n".to_owned()];
    for at in 0..5 * 1440 {
        for (market, usual) in [("DE", 60.0), ("US", 150.0)] {
            let kept = if market == "US" && outage.contains(&at) { 0.0 } else { 0.8 };
            let shipped =
                (kept * (0..3).map(|part| rate(at - 20 - 15 * part, usual)).sum::<f64>() / 3.0).round();
            for (table, count) in tables.iter_mut().zip([rate(at, usual), shipped]) {
                writeln!(table, "{},{market},{count}", BEGIN.plus(at)).unwrap();
            }
        }
    }
    tables
}

fn ebbd(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new(EBBD).current_dir(dir).args(arguments).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{arguments:?}: {told}{}", String::from_utf8_lossy(&output.stderr));
    told
}

#[test]
fn what_cannot_be_shipped_is_told_as_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ebbd.toml"), CONFIG).unwrap();
    for (stream, table) in ["orders", "shipments"].into_iter().zip(tables()) {
        let file = format!("{stream}.csv");
        fs::write(dir.path().join(&file), table).unwrap();
        ebbd(dir.path(), &["ingest", &file, "--format", "minutes", "--stream", stream]);
    }
    let told = ebbd(dir.path(), &["replay", "data", "--json"]);
    let records: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let alarms = records.iter().filter(|record| record["type"] == "alarm" && record["because"] == "opened");
    let funnels: Vec<&Value> = alarms.filter(|record| record["kind"] == "funnel").collect();
    assert_eq!(funnels.len(), 1, "{told}");
    let alarm = funnels[0];
    assert_eq!((&alarm["stream"], &alarm["slice"]["marketplace"]), (&"shipments".into(), &"US".into()));
    assert!(alarm["title"].as_str().unwrap().starts_with("US: shipments per orders -100 %"), "{alarm}");
    let over = records.iter().any(|r| r["no"] == alarm["no"] && r["because"] == "resolved");
    assert!(over, "{told}");
}
