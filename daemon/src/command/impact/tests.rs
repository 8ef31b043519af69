//! What was lost, from Parquet files to what is printed, against what the shop would have sold.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use ebbd_core::columns::{Footer, write_minutes};
use ebbd_core::model::{Minute, SealedMinute, Slice, StreamId, StreamSpec};
use ebbd_core::simulate::{Incident, Shop, ShopSpec};
use serde_json::Value;
use tempfile::TempDir;

use super::{ImpactArgs, run_to};
use crate::command::{NO, OK, TROUBLE, USAGE};

/// Sunday 2026-11-22, 14:00 UTC.
pub(in crate::command) const BEGIN: Minute = Minute(29_922_600);
pub(in crate::command) const LASTS: i32 = 40;
const DAY: i32 = 1440;

pub(in crate::command) const CONFIG: &str = r#"
host = "test"
[stream.orders]
dimensions = ["marketplace", "feature", "payment", "status"]
sums = { amount = { field = "amount", scale = 2, currency = "currency" } }
watched = { status = ["placed"] }
"#;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: ImpactArgs,
}

pub(in crate::command) fn spec() -> StreamSpec {
    StreamSpec { distincts: Vec::new(), ..StreamSpec::example() }
}

pub(in crate::command) fn us() -> Slice {
    Slice::of([("feature", "one-click"), ("marketplace", "US")])
}

/// A shop in which one-click in the US is out for forty minutes, and the same shop if it were not.
pub(in crate::command) fn shop(is_hit: bool) -> Shop {
    let incident = Incident { slice: us(), from: BEGIN, to: BEGIN.plus(LASTS), remaining: 0.0 };
    Shop::new(
        ShopSpec { incidents: is_hit.then_some(incident).into_iter().collect(), ..ShopSpec::demo(7) },
        &spec(),
    )
}

/// Its days as a data directory.
pub(in crate::command) fn directory(days: i32) -> TempDir {
    let (dir, shop) = (tempfile::tempdir().unwrap(), shop(true));
    std::fs::write(dir.path().join("ebbd.toml"), CONFIG).unwrap();
    let first = Minute((BEGIN.0 - days * DAY).div_euclid(DAY) * DAY);
    for day in 0..=days {
        let start = first.plus(day * DAY);
        let minutes: Vec<Arc<SealedMinute>> = (start.0..start.plus(DAY).0.min(BEGIN.0 + 100))
            .map(|at| Arc::new(shop.sealed(Minute(at), StreamId(0), &spec())))
            .collect();
        let folder = dir.path().join(format!("minutes/stream=orders/date={}", start.start().utc_date()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = File::create(folder.join("test-1.parquet")).unwrap();
        write_minutes(&spec(), &minutes, &Footer::default(), file).unwrap();
    }
    dir
}

fn impact(dir: &Path, arguments: &str) -> (i32, String) {
    let dir = dir.display();
    let line = format!("{arguments} --data-dir {dir} -c {dir}/ebbd.toml");
    let line = Line::try_parse_from(["impact"].into_iter().chain(line.split(' '))).unwrap();
    let mut out = Vec::new();
    match run_to(&line.args, &mut out) {
        Ok(code) => (code, String::from_utf8(out).unwrap()),
        Err(failure) => (failure.code, failure.message),
    }
}

/// Orders and cents that the slice would have had in the incident, but had not.
fn truth() -> (f64, f64) {
    let (would, had) = (shop(false), shop(true));
    let names = spec().dimension_names().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let of = |shop: &Shop, at: i32| {
        let sealed = shop.sealed(BEGIN.plus(at), StreamId(0), &spec());
        let own = |row: &ebbd_core::model::RowView<'_>| {
            let has = |(d, v): (&String, &String)| {
                names.iter().position(|name| name == d).is_some_and(|at| *row.key.dimensions[at] == **v)
            };
            row.key.watched && us().0.iter().all(has)
        };
        let rows = sealed.rows.iter().filter(own);
        rows.fold((0.0, 0.0), |(orders, money), row| {
            (orders + row.count as f64, money + row.sums[0].0 as f64)
        })
    };
    (0..LASTS).fold((0.0, 0.0), |(orders, money), at| {
        let ((a, b), (c, d)) = (of(&would, at), of(&had, at));
        (orders + a - c, money + (b - d) / 100.0)
    })
}

const PERIOD: &str = "--from 2026-11-22T14:00:00Z --to 2026-11-22T14:40:00Z";
const SLICE: &str = "--slice marketplace=US --slice feature=one-click";

fn interval(value: &Value) -> [f64; 3] {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn a_period_costs_what_the_shop_would_have_sold() {
    let dir = directory(15);
    let (code, line) = impact(dir.path(), &format!("{PERIOD} {SLICE} --json"));
    assert_eq!(code, OK, "{line}");
    let told: Value = serde_json::from_str(&line).unwrap();
    let (orders, money) = truth();
    let [low, estimate, high] = interval(&told["orders"]);
    assert!(low <= orders && orders <= high, "{orders} in {line}");
    assert!(low > 0.8 * estimate && high < 1.2 * estimate, "as narrow as it can be said: {line}");
    let [low, estimate, high] = interval(&told["amount"]["USD"]);
    assert!(low <= money && money <= high && low > 0.7 * estimate, "{money} in {line}");
    assert_eq!((told["minutes"].as_u64(), told["observed"].as_f64()), (Some(40), Some(0.0)));
    assert_eq!(told["recovered_later"].as_f64(), Some(0.0), "nobody ordered later what could not be ordered");
    let (code, text) = impact(dir.path(), &format!("{PERIOD} {SLICE}"));
    assert_eq!(code, OK);
    assert!(
        text.starts_with("US / one-click: orders\n  2026-11-22 14:00 UTC to 2026-11-22 14:40 UTC (40 min)\n")
    );
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn where_nothing_can_be_expected_or_asked_it_is_said() {
    let dir = directory(3);
    let (code, text) = impact(dir.path(), &format!("{PERIOD} {SLICE}"));
    assert_eq!(code, NO);
    assert!(text.contains("eight days"), "{text}");
    assert_eq!(impact(dir.path(), &format!("{PERIOD} --slice colour=red")).0, USAGE);
    let empty = "--from 2025-01-01 --to 2025-01-01";
    assert_eq!(impact(dir.path(), empty).0, TROUBLE);
    assert_eq!(impact(dir.path(), "--alarm 47").0, NO);
    let (code, text) = impact(dir.path(), "--incidents --from 2026-11-01 --to 2026-11-30");
    assert_eq!(
        (code, text.as_str()),
        (OK, "0 incidents from 2026-11-01 00:00 UTC to 2026-12-01 00:00 UTC\n")
    );
}
