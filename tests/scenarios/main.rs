//! A day's story in a file that an on-call engineer can read, told to the judge by a simulated shop; the
//! alarms have to be those that the story expects.

mod story;

use std::path::Path;

use ebbd_core::report::watch::{self, Style};
use story::{Outcome, Story};

fn told(name: &str) -> Outcome {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let story: Story = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    story.tell()
}

fn holds(name: &str) {
    let outcome = told(name);
    let missed = outcome.missed();
    assert!(missed.is_empty(), "{name}:\n  {}\nalarms:\n{}", missed.join("\n  "), outcome.alarms());
}

#[test]
fn one_feature_breaks_in_one_country() {
    holds("one-click-in-us.toml");
}

#[test]
fn a_calm_week_is_quiet() {
    holds("calm-week.toml");
}

#[test]
fn everything_stops() {
    holds("everything-stops.toml");
}

#[test]
fn a_sending_host_goes_missing() {
    holds("host-missing.toml");
}

#[test]
fn two_things_break_at_once() {
    holds("two-at-once.toml");
}

#[test]
fn a_short_dip_wakes_nobody() {
    holds("short-dip.toml");
}

/// The alarm in the README is one that the program prints.
#[test]
fn the_readme_shows_a_real_alarm() {
    let outcome = told("one-click-in-us.toml");
    let block = watch::block(outcome.first(), &Style::plain());
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("there is a README");
    assert!(readme.contains(block.trim_end()), "the README should show:\n{block}");
}

/// The runner itself: an expectation that is not met has to be told.
#[test]
fn an_unmet_expectation_is_told() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/calm-week.toml"));
    let mut story: Story = toml::from_str(&text.expect("readable")).expect("a story");
    story.minutes = 60;
    story.expect_an_alarm_that_will_not_come();
    assert_eq!(story.tell().missed().len(), 1);
}
