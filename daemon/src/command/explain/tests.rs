//! Tables explained, as lines and as text.

use std::io::Write as _;

use clap::Parser as _;

use super::*;

/// US / one-click is down to 2 %, everything else as expected.
fn table(rate: impl Fn(&str, &str) -> f64) -> String {
    let mut text = "marketplace,feature,payment,observed,expected\n".to_owned();
    for (marketplace, size) in [("US", 500.0), ("DE", 300.0), ("UK", 200.0), ("JP", 90.0)] {
        for (feature, part) in [("cart", 0.6), ("one-click", 0.3), ("subscription", 0.1)] {
            for (payment, share) in [("card", 0.7), ("paypal", 0.3)] {
                let expected: f64 = size * part * share;
                let observed = (expected * rate(marketplace, feature)).round();
                text += &format!("{marketplace},{feature},{payment},{observed},{expected}\n");
            }
        }
    }
    text
}

#[derive(Debug, clap::Parser)]
pub(super) struct Line {
    #[command(flatten)]
    pub(super) args: ExplainArgs,
}

fn args(path: &Path) -> ExplainArgs {
    let line = Line::try_parse_from(["explain", "--table", path.to_str().unwrap()]);
    line.unwrap().args
}

fn told(text: &str, json: bool, rise: bool) -> (i32, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let table = read(file.path(), &[]).unwrap();
    let mut out = Vec::new();
    let code = explain(&table, &ExplainArgs { rise, ..args(file.path()) }, json, &mut out);
    (code, String::from_utf8(out).unwrap())
}

#[test]
fn the_cause_is_named_for_programs() {
    let hit =
        table(|marketplace, feature| if (marketplace, feature) == ("US", "one-click") { 0.02 } else { 1.0 });
    let (code, lines) = told(&hit, true, false);
    assert_eq!(code, OK);
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["slice"], serde_json::json!({"feature": "one-click", "marketplace": "US"}));
    assert_eq!((first["cause"].as_bool(), first["expected"].as_f64()), (Some(true), Some(150.0)));
    assert!(first["explains"].as_f64().unwrap() > 0.95, "{lines}");
    let effect: Vec<f64> = serde_json::from_value(first["effect"].clone()).unwrap();
    assert!(effect[0] > 0.7 && effect[1] > 0.97 && effect[2] == 1.0, "{effect:?}");
    assert_eq!(lines.lines().count(), 1);
}

#[test]
fn and_for_people() {
    let hit = table(|marketplace, feature| match (marketplace, feature) {
        ("US" | "DE", "one-click") => 0.02,
        _ => 1.0,
    });
    let (_, text) = told(&hit, false, false);
    insta::assert_snapshot!(text, @r"
    855 observed, 1,090 expected: 235 (22 %) below
    24 combinations of marketplace, feature, payment
    100 %  feature=one-click, marketplace=US|DE
           5 of 240, 98 % gone
    ");
}

#[test]
fn a_surplus_is_a_fall_seen_from_the_other_side() {
    let hit = table(|marketplace, _| if marketplace == "DE" { 3.0 } else { 1.0 });
    assert_eq!(told(&hit, true, false).0, NO);
    let (code, text) = told(&hit, false, true);
    assert_eq!(code, OK);
    insta::assert_snapshot!(text, @r"
    1,690 observed, 1,090 expected: 600 (55 %) above
    24 combinations of marketplace, feature, payment
    100 %  marketplace=DE
           900 of 300, 3.0 times as many
    ");
}

#[test]
fn nothing_named_is_an_answer() {
    let (code, text) = told(&table(|_, _| 0.7), false, false);
    assert_eq!(code, NO);
    insta::assert_snapshot!(text, @r"
    763 observed, 1,090 expected: 327 (30 %) below
    24 combinations of marketplace, feature, payment
    Everything alike is at 70 %: input is incomplete, or the cause lies outside
    the dimensions.
    not localised: no combination of dimensions stands out from chance
    ");
    assert_eq!(told(&table(|_, _| 1.0), true, false), (NO, String::new()));
}

#[test]
fn what_is_no_table_is_refused() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(run(&args(Path::new("/nowhere/at/all.csv"))), TROUBLE);
    file.write_all(b"a,observed\nx,1\n").unwrap();
    assert_eq!(run(&args(file.path())), USAGE);
}
