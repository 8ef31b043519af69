//! Interning: dense ids, the limit, what stays exact beyond it.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::model::{OTHER, SeriesId, StreamSpec};

struct Key<'a>([&'a str; 4], &'a str);

impl Keyed for Key<'_> {
    fn dimension(&self, at: usize) -> &str {
        self.0[at]
    }

    fn currency(&self, _: usize) -> &str {
        self.1
    }
}

fn table(limit: usize) -> SeriesTable {
    SeriesTable::new(&StreamSpec::example(), limit, 7)
}

fn texts(table: &SeriesTable, id: SeriesId) -> Vec<String> {
    let key = table.key(id);
    key.dimensions.iter().chain(&key.currencies).map(|text| text.to_string()).collect()
}

#[test]
fn the_same_key_has_the_same_id_and_its_texts_come_back() {
    let mut table = table(100);
    let us = table.intern(&Key(["US", "one-click", "card", "placed"], "USD"));
    let de = table.intern(&Key(["DE", "", "card", "failed"], "EUR"));
    assert_eq!(us.id, SeriesId(0));
    assert_eq!(de.id, SeriesId(1));
    assert_eq!(table.intern(&Key(["US", "one-click", "card", "placed"], "USD")), us);
    assert_ne!(table.intern(&Key(["US", "one-click", "card", "placed"], "EUR")).id, us.id);
    assert_eq!(texts(&table, de.id), ["DE", "", "card", "failed", "EUR"]);
    assert!(table.key(us.id).watched && !table.key(de.id).watched);
}

#[test]
fn beyond_the_limit_the_widest_free_dimension_gives_way_first() {
    let mut table = table(20);
    for at in 0..20 {
        table.intern(&Key(["US", &format!("feature-{at}"), "card", "placed"], "USD"));
    }
    assert_eq!(table.cap_hits(), 0);
    let more = table.intern(&Key(["US", "feature-99", "card", "placed"], "USD"));
    assert_eq!(texts(&table, more.id), ["US", OTHER, "card", "placed", "USD"]);
    let failed = table.intern(&Key(["US", "feature-99", "card", "weird"], "USD"));
    assert_eq!(texts(&table, failed.id), ["US", OTHER, "card", "weird", "USD"]);
    // The reserve of two is used up: all but the filter's dimension give way.
    let third = table.intern(&Key(["JP", "feature-99", "card", "placed"], "USD"));
    assert_eq!(texts(&table, third.id), [OTHER, OTHER, OTHER, "placed", "USD"]);
    let fourth = table.intern(&Key(["JP", "feature-99", "card", "odd"], "USD"));
    assert_eq!(texts(&table, fourth.id), [OTHER, OTHER, OTHER, OTHER, "USD"]);
    let fifth = table.intern(&Key(["JP", "feature-99", "card", "odd"], "EUR"));
    assert_eq!(texts(&table, fifth.id), [OTHER, OTHER, OTHER, OTHER, ""]);
    assert_eq!((fourth.refused_sums, fifth.refused_sums), (0, 1));
    assert_eq!(table.cap_hits(), 5);
}

#[test]
fn currencies_are_bounded() {
    let mut table = table(10_000);
    let codes: Vec<String> = (0..600).map(|at| format!("C{at}")).collect();
    let refused = codes
        .iter()
        .map(|code| table.intern(&Key(["US", "", "", "placed"], code)))
        .filter(|found| found.refused_sums == 1)
        .count();
    assert_eq!(refused, 600 + 2 - crate::model::Limits::CURRENCIES);
}

#[test]
fn forgetting_keeps_what_is_asked_for_and_frees_the_rest() {
    let mut table = table(4);
    let names = ["a", "b", "c", "d"];
    let ids = names.map(|name| table.intern(&Key([name, "", "", "placed"], "USD")).id);
    let kept = table.retain(|id| id == ids[2]);
    assert_eq!(kept, [None, None, Some(SeriesId(0)), None]);
    assert_eq!(texts(&table, SeriesId(0)), ["c", "", "", "placed", "USD"]);
    assert!(table.key(SeriesId(0)).watched);
    assert_eq!(table.intern(&Key(["c", "", "", "placed"], "USD")).id, SeriesId(0));
    assert_eq!(table.intern(&Key(["a", "", "", "placed"], "USD")).id, SeriesId(1));
    let coarse = table.coarsest(SeriesId(1));
    assert_eq!(texts(&table, coarse), [OTHER, OTHER, OTHER, "placed", "USD"]);
    table.clear();
    assert!(table.is_empty());
}

proptest! {
    #[test]
    fn a_table_is_a_map_below_the_limit_and_watched_is_exact_beyond(
        keys in prop::collection::vec((0..6u8, 0..6u8, 0..3u8, 0..3u8), 1..300),
        limit in 1..80usize,
    ) {
        let mut table = table(limit);
        let mut plain = HashMap::new();
        for (market, feature, currency, status) in keys {
            let owned = [format!("m{market}"), format!("f{feature}"), String::new()];
            let status = ["placed", "failed", ""][status as usize];
            let currency = ["USD", "EUR", ""][currency as usize];
            let key = Key([&owned[0], &owned[1], &owned[2], status], currency);
            let found = table.intern(&key);
            let before = table.cap_hits();
            prop_assert_eq!(table.intern(&key), found, "asked again, the same answer");
            let got = table.key(found.id);
            prop_assert_eq!(got.watched, status == "placed");
            if before == 0 {
                let next = plain.len() as u32;
                let id = *plain.entry((owned, status, currency)).or_insert(next);
                prop_assert_eq!(found.id, SeriesId(id));
            }
            prop_assert!(table.len() <= limit + 2 * (limit / 10) + 2 * 4);
        }
    }
}
