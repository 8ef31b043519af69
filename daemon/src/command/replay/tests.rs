//! Whole replays, from files to what is printed.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use ebbd_core::columns::{Footer, read_judged, write_minutes};
use ebbd_core::model::{Minute, SealedMinute, Slice, StreamId, StreamSpec};
use ebbd_core::simulate::{Incident, Shop, ShopSpec};
use serde_json::Value;
use tempfile::TempDir;

use super::{ReplayArgs, run_to};
use crate::command::{NO, OK, TROUBLE, USAGE};

/// Sunday 2026-11-22, 13:00 UTC.
const BEGIN: Minute = Minute(29_922_540);
const HISTORY: i32 = 9 * 1440;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: ReplayArgs,
}

/// A shop's past in a directory: as CSV and as Parquet, nine days and then an outage of one-click in the US.
struct Past {
    dir: TempDir,
}

fn spec() -> StreamSpec {
    StreamSpec { distincts: Vec::new(), sums: Vec::new(), ..StreamSpec::example() }
}

fn shop() -> Shop {
    let slice = Slice::of([("feature", "one-click"), ("marketplace", "US")]);
    let incident = Incident { slice, from: BEGIN.plus(60), to: BEGIN.plus(100), remaining: 0.0 };
    Shop::new(ShopSpec { incidents: vec![incident], ..ShopSpec::demo(7) }, &spec())
}

fn minutes() -> Vec<Arc<SealedMinute>> {
    let shop = shop();
    (-HISTORY..160).map(|at| Arc::new(shop.sealed(BEGIN.plus(at), StreamId(0), &spec()))).collect()
}

const CONFIG: &str = r#"
host = "test"
[stream.orders]
dimensions = ["marketplace", "feature", "payment", "status"]
watched = { status = ["placed"] }
watch = [[], ["marketplace"], ["feature"], ["marketplace", "feature"]]
"#;

impl Past {
    fn new() -> Past {
        let past = Past { dir: tempfile::tempdir().unwrap() };
        let minutes = minutes();
        std::fs::write(past.path("ebbd.toml"), CONFIG).unwrap();
        std::fs::write(past.path("counts.csv"), csv(&minutes)).unwrap();
        let file = File::create(past.path("counts.parquet")).unwrap();
        write_minutes(&spec(), &minutes, &Footer::default(), file).unwrap();
        past
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Replays with its configuration; `@` in an argument is the directory. Exit code and what was printed.
    fn replay(&self, arguments: &str) -> (i32, String) {
        let config = self.path("ebbd.toml");
        self.bare(&format!("{arguments} -c {}", config.display()))
    }

    fn bare(&self, arguments: &str) -> (i32, String) {
        let arguments = arguments.replace('@', self.dir.path().to_str().unwrap());
        let line = Line::try_parse_from(["replay"].into_iter().chain(arguments.split(' '))).unwrap();
        let mut out = Vec::new();
        match run_to(&line.args, &mut out) {
            Ok(code) => (code, String::from_utf8(out).unwrap()),
            Err(failure) => (failure.code, failure.message),
        }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
}

fn csv(minutes: &[Arc<SealedMinute>]) -> String {
    let mut text = "minute,marketplace,feature,payment,status,count,note\n".to_owned();
    for sealed in minutes {
        for row in sealed.rows.iter() {
            let values: Vec<&str> = row.key.dimensions.iter().map(|value| &**value).collect();
            writeln!(text, "{},{},{},x", sealed.minute, values.join(","), row.count).unwrap();
        }
    }
    text
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn judged(path: &Path) -> Vec<Minute> {
    read_judged(File::open(path).unwrap()).unwrap().into_iter().map(|judged| judged.minute).collect()
}

const EXPECTED: &str = r#"
max_false = 0
[[expect]]
slice = { marketplace = "US", feature = "one-click" }
from = "2026-11-22T14:00:00Z"
to = "2026-11-22T14:30:00Z"
within = "6m"
[[quiet]]
from = "2026-11-16T00:00:00Z"
to = "2026-11-22T13:50:00Z"
"#;

#[test]
fn tables_are_judged_alike_as_csv_and_as_parquet() {
    let past = Past::new();
    let (code, told) = past.replay("@/counts.csv --json --slices @/verdicts.parquet");
    assert_eq!(code, OK, "{told}");
    let (_, same) = past.replay("@/counts.parquet --json");
    assert_eq!(told, same);
    let all = lines(&told);
    let last = all.last().unwrap();
    assert_eq!((&last["type"], &last["alarms"], &last["ok"]), (&"summary".into(), &1.into(), &true.into()));
    assert_eq!(all[0]["slice"], serde_json::json!({"feature": "one-click", "marketplace": "US"}));
    assert_eq!(last["minutes"], HISTORY + 160);
    let verdicts = judged(&past.path("verdicts.parquet"));
    assert_eq!((verdicts.len() as i32, verdicts[0]), (HISTORY + 160, BEGIN.plus(-HISTORY)));
    narrowed(&past);
    without_a_configuration(&past);
}

/// What lies before `--from` is learnt from.
fn narrowed(past: &Past) {
    let (_, told) = past.replay("@/counts.parquet --json --from 2026-11-22 --to 2026-11-22T14:20:00Z");
    let last = lines(&told).pop().unwrap();
    assert_eq!(
        (&last["from"], &last["to"]),
        (&"2026-11-22T00:00:00Z".into(), &"2026-11-22T14:19:00Z".into())
    );
    assert_eq!((&last["alarms"], &last["open"]), (&1.into(), &1.into()), "{last}");
    assert!(last["learnt"].as_i64().unwrap() > i64::from(HISTORY) - 1440);
    assert_eq!(past.replay("@/counts.parquet --from 2027-01-01").0, TROUBLE);
}

/// Every dimension is watched, and all together.
fn without_a_configuration(past: &Past) {
    let (code, told) = past.bare("@/counts.parquet --json --stream sales");
    assert_eq!(code, OK);
    let last = lines(&told).pop().unwrap();
    assert_eq!(last["streams"][0], "sales");
    // The whole, 4 + 3 + 2 + 2 values, and 48 leaves.
    assert_eq!(last["slices"], 60);
}

#[test]
fn expectations_are_found_missed_and_broken() {
    let past = Past::new();
    past.write("good.toml", EXPECTED);
    let (code, told) = past.replay("@/counts.parquet --expect @/good.toml");
    assert_eq!(code, OK, "{told}");
    assert!(told.contains("found   drop feature=one-click,marketplace=US"), "{told}");
    past.write("bad.toml", &EXPECTED.replace("\"6m\"", "6"));
    let (code, told) = past.replay("@/counts.parquet --expect @/bad.toml");
    assert_eq!(code, USAGE, "{told}");
    assert!(told.contains("bad.toml:7:10: error: `within` must be a duration"), "{told}");
    past.write("missed.toml", &EXPECTED.replace("\"US\"", "\"DE\"").replace("22T13:50", "22T14:50"));
    let (code, told) = past.replay("@/counts.parquet --expect @/missed.toml");
    assert_eq!(code, NO, "{told}");
    for words in
        ["MISSED  drop", "verdicts: ok", "nats needed", "alarm 1: it is about", "BROKEN  quiet", "TOO MANY 1"]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    let (_, told) = past.replay("@/counts.parquet --json --expect @/missed.toml");
    let all = lines(&told);
    let expect = all.iter().find(|line| line["type"] == "expect").unwrap();
    assert_eq!(expect["found"], false);
    assert!(expect["why"]["most_evidence"]["threshold"].as_f64().unwrap() > 8.0);
    assert_eq!(all.last().unwrap()["missed"], 1);
}

#[test]
fn the_table_for_people_fits_the_terminal() {
    let past = Past::new();
    let (_, told) = past.replay("@/counts.parquet");
    assert!(told.lines().all(|line| line.chars().count() <= 200), "{told}");
    let at = |columns: usize| {
        let line = Line::try_parse_from(["replay", "x"]).unwrap();
        let table = vec![past.path("counts.parquet")];
        let opened = super::Past::open(&table, Some(&past.path("ebbd.toml")), None).unwrap();
        let span = super::Span { from: line.args.from, to: None };
        let mut round = super::Round::new(span, ebbd_core::replay::Expectations::default());
        round.run(&opened, opened.config(), &mut |_| {}, None).unwrap();
        super::text::all(&round.finish(), None, None, columns)
    };
    insta::assert_snapshot!(format!("{}\n{}", at(80), at(200)), @r"
      NO          WHAT                   ONSET (UTC)         DELAY    LASTED     LOST
       1  PAGE    US / one-click -100 %  2026-11-22 14:00    3 min    40 min     2.6k

    1 alarm (1 page, 0 tickets) in orders: 20 slices, 13,120 minutes judged
    from 2026-11-13 13:00 to 2026-11-22 15:39

      NO          WHAT                   ONSET (UTC)         DELAY    LASTED     LOST
       1  PAGE    US / one-click -100 %  2026-11-22 14:00    3 min    40 min     2.6k

    1 alarm (1 page, 0 tickets) in orders: 20 slices, 13,120 minutes judged
    from 2026-11-13 13:00 to 2026-11-22 15:39
    ");
}

#[test]
fn another_configuration_is_compared() {
    let past = Past::new();
    past.write("deaf.toml", &CONFIG.replace("[stream.orders]", "[stream.orders]\nmin_loss = 1000000"));
    let (code, told) = past.replay("@/counts.parquet --json --against @/deaf.toml");
    assert_eq!(code, OK);
    let all = lines(&told);
    let against = all.iter().find(|line| line["type"] == "against").unwrap();
    assert_eq!((&against["change"], &against["alarm"]["no"]), (&"vanishes".into(), &1.into()));
    assert_eq!(all.last().unwrap()["vanish"], 1);
    let (_, told) = past.replay("@/counts.parquet --against @/ebbd.toml");
    assert!(told.contains("1 alarm is the same"), "{told}");
}

#[test]
fn what_cannot_be_replayed_is_said() {
    let past = Past::new();
    past.write("nothing.csv", "minute,count\n");
    past.write("torn.csv", "minute,count\nyesterday,4\n");
    let second =
        "[stream.shipments]\ndimensions = [\"carrier\"]\n[source.a]\ntype = \"stdin\"\nstream = \"orders\"\n";
    past.write("two.toml", &format!("{CONFIG}\n{second}"));
    std::fs::create_dir(past.path("empty")).unwrap();
    let cases = [
        ("@/nothing.csv", TROUBLE, "no minute"),
        ("@/torn.csv", TROUBLE, "line 2"),
        ("@/absent.csv", TROUBLE, "absent.csv"),
        ("@/empty", TROUBLE, "no data of ebbd"),
        ("@/empty @/counts.csv", USAGE, "not both"),
        ("@/counts.csv --config @/two.toml", USAGE, "--stream"),
    ];
    for (arguments, code, words) in cases {
        let (got, told) = past.bare(arguments);
        assert!(got == code && told.contains(words), "{arguments}: {got} {told}");
    }
}

#[test]
fn a_saved_incident_is_a_regression_test() {
    let past = Past::new();
    let (code, told) = past.replay("@/counts.csv --json --save-incident 1 @/kept");
    assert_eq!(code, OK, "{told}");
    let (code, told) = past.bare("@/kept --json --expect @/kept/expect.toml");
    assert_eq!(code, OK, "{told}");
    let all = lines(&told);
    assert_eq!(all.last().unwrap()["found"], 1);
    // The same stream, the same minutes, the same alarm.
    let (_, first) = past.replay("@/counts.csv --json");
    let same = |key: &str| assert_eq!(all[0][key], lines(&first)[0][key], "{key}");
    ["id", "onset", "observed", "expected", "evidence", "slice", "text"].into_iter().for_each(same);
    assert_eq!(past.replay("@/counts.csv --save-incident 9 @/none").0, USAGE);
    // What was worse then is missed now: the test is red.
    let config = std::fs::read_to_string(past.path("kept/ebbd.toml")).unwrap();
    past.write("kept/ebbd.toml", &config.replace("min_loss = 5.0", "min_loss = 1000000.0"));
    assert_eq!(past.bare("@/kept --expect @/kept/expect.toml").0, NO);
}

#[test]
fn what_was_missed_or_false_is_saved_from_a_period() {
    let past = Past::new();
    let outage = "--period 2026-11-22T14:00:00Z 2026-11-22T14:39:59Z";
    // A time that ought to have been quiet, but was not: the saved test is red, the saving is not.
    let (code, told) = past.replay(&format!("@/counts.csv --save-incident quiet @/quiet {outage}"));
    assert_eq!(code, OK, "{told}");
    assert_eq!(past.bare("@/quiet --expect @/quiet/expect.toml").0, NO);
    let expected = std::fs::read_to_string(past.path("quiet/expect.toml")).unwrap();
    assert!(expected.starts_with("[[quiet]]") && expected.contains("2026-11-22T14:39:59Z"), "{expected}");
    let names = ["ebbd.toml", "expect.toml", "marks.ndjson", "minutes.parquet"];
    let mut found: Vec<_> =
        std::fs::read_dir(past.path("quiet")).unwrap().map(|e| e.unwrap().file_name()).collect();
    found.sort();
    assert_eq!(found, names);
    // An incident that is found after all: green. In another slice nothing fell: red.
    let us = "--slice marketplace=US --slice feature=one-click";
    assert_eq!(past.bare(&format!("@/quiet --save-incident missed @/missed {outage} {us}")).0, OK);
    assert_eq!(past.bare("@/missed --expect @/missed/expect.toml").0, OK);
    let expected = std::fs::read_to_string(past.path("missed/expect.toml")).unwrap();
    past.write("missed/expect.toml", &expected.replace("\"US\"", "\"JP\"").replace("one-click", "cart"));
    assert_eq!(past.bare("@/missed --expect @/missed/expect.toml").0, NO);
    for wrong in [
        "--save-incident missed @/x",
        "--save-incident quiet @/x --period 2026-11-22T14:00:00Z 2026-11-22T13:00:00Z",
        "--save-incident quiet @/x --period noon 2026-11-22T13:00:00Z",
        "--save-incident missed @/x --period 2026-11-22 2026-11-22 --slice colour=red",
        "--save-incident 1 @/x --period 2026-11-22 2026-11-22",
    ] {
        assert_eq!(past.bare(&format!("@/missed {wrong}")).0, USAGE, "{wrong}");
    }
}

#[test]
fn unsorted_and_incomplete_tables_are_judged_like_sorted_ones() {
    let past = Past::new();
    let text = std::fs::read_to_string(past.path("counts.csv")).unwrap();
    let (head, rest) = text.split_once('\n').unwrap();
    let turned: Vec<&str> = rest.lines().rev().collect();
    past.write("turned.csv", &format!("{head}\n{}\n", turned.join("\n")));
    let (_, told) = past.replay("@/turned.csv --json");
    assert_eq!(told, past.replay("@/counts.parquet --json").1);
    // A minute without rows, and rows without counts, are missing data.
    let at = |text: &str, minute: i32| text.starts_with(&BEGIN.plus(minute).to_string());
    let empty = |line: &str| {
        let (front, _) = line.rsplit_once(',').unwrap();
        let (front, _) = front.rsplit_once(',').unwrap();
        format!("{front},,x")
    };
    let holes: Vec<String> = rest
        .lines()
        .filter(|line| !at(line, 5))
        .map(|line| if at(line, 7) { empty(line) } else { line.to_owned() })
        .collect();
    past.write("holes.csv", &format!("{head}\n{}\n", holes.join("\n")));
    let (code, told) = past.replay("@/holes.csv --json");
    assert_eq!((code, &lines(&told).last().unwrap()["no_data"]), (OK, &2.into()), "{told}");
}
