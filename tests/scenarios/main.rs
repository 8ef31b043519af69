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

/// A test for each story.
macro_rules! stories {
    ($($name:ident: $file:literal,)+) => {
        $(
            #[test]
            fn $name() {
                holds($file);
            }
        )+
        const STORIES: &[&str] = &[$($file),+];
    };
}

stories! {
    a_country_ramps_down: "a-country-ramps-down.toml",
    a_fifth_of_everything: "a-fifth-of-everything.toml",
    at_night: "at-night.toml",
    blind_while_open: "blind-while-open.toml",
    calm_other_seed: "calm-other-seed.toml",
    calm_small_shop: "calm-small-shop.toml",
    calm_week: "calm-week.toml",
    comes_again: "comes-again.toml",
    declared_holiday: "declared-holiday.toml",
    declared_sale: "declared-sale.toml",
    deploy_among_many: "deploy-among-many.toml",
    everything_ramps_down: "everything-ramps-down.toml",
    everything_stops: "everything-stops.toml",
    far_away: "far-away.toml",
    half_of_everything: "half-of-everything.toml",
    holiday_of_a_country: "holiday-of-a-country.toml",
    host_missing: "host-missing.toml",
    hours_apart: "hours-apart.toml",
    it_gets_worse: "it-gets-worse.toml",
    it_spreads: "it-spreads.toml",
    large_shop: "large-shop.toml",
    last_feature: "last-feature.toml",
    log_change: "log-change.toml",
    long_outage: "long-outage.toml",
    moves_to_a_sibling: "moves-to-a-sibling.toml",
    new_normal: "new-normal.toml",
    nobody_sends: "nobody-sends.toml",
    one_click_in_us: "one-click-in-us.toml",
    one_country_stops: "one-country-stops.toml",
    one_feature_everywhere: "one-feature-everywhere.toml",
    one_payment_everywhere: "one-payment-everywhere.toml",
    outage_and_missing_host: "outage-and-missing-host.toml",
    outage_on_a_holiday: "outage-on-a-holiday.toml",
    outage_last_week: "outage-last-week.toml",
    payment_of_a_country: "payment-of-a-country.toml",
    promotion_ends: "promotion-ends.toml",
    promotion_last_week: "promotion-last-week.toml",
    rollback: "rollback.toml",
    rush_after_an_outage: "rush-after-an-outage.toml",
    short_burst: "short-burst.toml",
    short_dip: "short-dip.toml",
    slow_recovery: "slow-recovery.toml",
    small_shop: "small-shop.toml",
    sparse_slice: "sparse-slice.toml",
    still_learning: "still-learning.toml",
    two_at_once: "two-at-once.toml",
    two_features_of_a_country: "two-features-of-a-country.toml",
    two_weeks_known: "two-weeks-known.toml",
    undeclared_holiday: "undeclared-holiday.toml",
    whole_dip: "whole-dip.toml",
}

#[test]
fn every_story_is_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = std::fs::read_dir(folder).expect("a folder").flatten().map(|file| file.file_name());
    let files: Vec<_> = files.filter(|name| name.to_string_lossy().ends_with(".toml")).collect();
    assert!(files.len() >= 40);
    let untold = files.iter().find(|name| !STORIES.contains(&&*name.to_string_lossy()));
    assert_eq!(untold, None, "add it to the list above");
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
