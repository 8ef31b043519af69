//! What is written to `minutes` is read back equal, by other versions of the stream, too.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use datasketches::hll::HllSketch;
use proptest::prelude::*;

use super::samples::*;
use crate::columns::*;
use crate::detect::Verdict;
use crate::model::*;

fn read(spec: &StreamSpec, file: &Bytes) -> Vec<FileMinute> {
    read_minutes(spec, file.clone()).unwrap().collect::<Result<_, _>>().unwrap()
}

fn as_read(sealed: &SealedMinute) -> FileMinute {
    FileMinute { minute: sealed.minute, revision: sealed.revision, rows: sealed.rows.to_vec() }
}

#[test]
fn minutes_read_back_equal() {
    let mut want: Vec<FileMinute> = minutes().iter().map(|sealed| as_read(sealed)).collect();
    want.sort_by_key(|m| (m.minute, m.revision));
    assert_eq!(read(&StreamSpec::example(), &minutes_file().0), want);
}

#[test]
fn batches_and_row_groups_end_between_rows_not_minutes() {
    let rows = |minute: i32| {
        let one = |n: i64| {
            let name = format!("m{n:05}");
            row([name.as_str(), "", "card", "placed"], "USD", n + i64::from(minute), n, &[])
        };
        (0..25_000).map(one).collect::<Vec<_>>()
    };
    let minutes: Vec<_> = (0..4).map(|at| sealed(START.plus(at), 0, rows(at))).collect();
    let (file, written) = written(|out| write_minutes(&StreamSpec::example(), &minutes, &footer(), out));
    assert_eq!(written.rows, 100_000);
    let back = read(&StreamSpec::example(), &file);
    assert_eq!(back.len(), 4);
    assert!(back.iter().zip(&minutes).all(|(b, m)| *b == as_read(m)));
}

#[test]
fn a_column_that_a_file_lacks_is_empty_or_zero() {
    let mut old = StreamSpec::example();
    old.dimensions.remove(1);
    (old.sums, old.distincts) = (Vec::new(), Vec::new());
    let key = SeriesKey {
        dimensions: ["US", "card", "placed"].map(Arc::from).into(),
        currencies: [].into(),
        watched: true,
    };
    let old_row = SealedRow { key: Arc::new(key), count: 5, sums: [].into(), sketches: [].into() };
    let (file, _) = written(|out| write_minutes(&old, &[sealed(START, 0, vec![old_row])], &footer(), out));
    let back = read(&StreamSpec::example(), &file);
    assert_eq!(back[0].rows, [row(["US", "", "card", "placed"], "", 5, 0, &[])]);
}

#[test]
fn a_dimension_that_the_stream_no_longer_has_adds_up() {
    let rows = vec![
        row(["US", "cart", "card", "placed"], "USD", 2, 200, &["a", "b"]),
        row(["US", "one-click", "card", "placed"], "USD", 3, 300, &["b", "c"]),
    ];
    let (file, _) =
        written(|out| write_minutes(&StreamSpec::example(), &[sealed(START, 0, rows)], &footer(), out));
    let mut spec = StreamSpec::example();
    spec.dimensions.remove(1);
    spec.watched = WatchedFilter(vec![(2, vec!["placed".to_owned()])]);
    let back = read(&spec, &file);
    assert_eq!(back[0].rows.len(), 1);
    let merged = &back[0].rows[0];
    assert_eq!((merged.count, merged.sums[0], merged.key.watched), (5, Money(500), true));
    let customers = HllSketch::deserialize(&merged.sketches[0]).unwrap().estimate();
    assert!((customers - 3.0).abs() < 0.01, "{customers}");
}

#[test]
fn another_scale_is_brought_to_the_streams_own() {
    let mut fine = StreamSpec::example();
    fine.sums[0].scale = 4;
    let rows = vec![row(["US", "", "card", "placed"], "USD", 1, 199_950, &[])];
    let (file, _) = written(|out| write_minutes(&fine, &[sealed(START, 0, rows)], &footer(), out));
    assert_eq!(read(&StreamSpec::example(), &file)[0].rows[0].sums[0], Money(2000), "19.9950 rounds up");
}

#[test]
fn a_file_of_another_dataset_is_told() {
    let error = read_minutes(&StreamSpec::example(), marks_file().0).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("no column minute"), "{error}");
}

#[test]
fn sources_read_back_equal() {
    let back = read_sources(&["shop".to_owned()], sources_file().0).unwrap();
    let (alive, silent) = (source("web-02", SourceState::Alive), source("web-01", SourceState::Silent));
    let row = |minute, source| SourceRow { minute, stream: "orders".into(), source };
    assert_eq!(back, [row(START, silent), row(START, alive.clone()), row(START.next(), alive)]);
    let unknown = read_sources(&[], sources_file().0).unwrap();
    assert_eq!(unknown[0].source.source, SourceId(0), "behind the last of none");
    assert!(read_sources(&[], marks_file().0).unwrap_err().to_string().contains("no column stream"));
}

#[test]
fn verdicts_read_back_as_they_were_judged() {
    let us = Slice::of([("marketplace", "US")]);
    let back = read_verdicts(slices_file().0, START..START.plus(9), |slice| *slice == us).unwrap();
    let told = |row: &StoredVerdict| (row.minute, row.verdict, row.observed, row.expected, row.revision);
    let like = |verdict, observed, minute, revision| {
        let made = super::samples::verdict(verdict, observed);
        (minute, verdict, observed, made.expected, revision)
    };
    assert_eq!(
        back.iter().map(told).collect::<Vec<_>>(),
        [
            like(Verdict::Learning, Some(4), START, 0),
            like(Verdict::Ok, Some(9), START, 1),
            like(Verdict::NoData, None, START.next(), 0)
        ]
    );
    assert_eq!((&*back[0].slice, &*back[0].host, back[0].judged_at), (&us, "web-01", START.end()));
    assert_eq!(read_verdicts(slices_file().0, START.next()..START.plus(2), |_| true).unwrap().len(), 1);
    assert!(
        read_verdicts(marks_file().0, START..START, |_| true).unwrap_err().to_string().contains("no column")
    );
}

#[test]
fn records_and_incidents_read_back_equal() {
    assert_eq!(
        read_alarms(alarms_file().0, |no, id| no == 47 && id == "01JD").unwrap(),
        [record(8), record(9)]
    );
    assert_eq!(read_alarms(alarms_file().0, |no, _| no == 48).unwrap(), []);
    assert!(read_alarms(marks_file().0, |_, _| true).is_err());
    let back = read_incidents(incidents_file().0).unwrap();
    let told: Vec<_> = back.iter().map(|(host, row)| (host.as_str(), row.id.as_str(), row.ended)).collect();
    assert_eq!(told, [("web-01", "a", Some(START.plus(38).start())), ("web-01", "b", None)]);
    let (_, first) = &back[0];
    assert_eq!((first.orders, first.customers), (Some([2010.0, 2110.0, 2205.0]), None));
    assert_eq!(first.cause, Some(Slice::of([("feature", "one-click")])));
    let money = read_incident_money(money_file().0).unwrap();
    let told: Vec<_> =
        money.iter().map(|row| (row.id.as_str(), row.currency.as_str(), row.amount[2])).collect();
    assert_eq!(told, [("a", "EUR", 3.5), ("a", "USD", 3.5), ("b", "USD", 3.5)]);
}

/// Rows of a minute by key: what the generator makes, so that no key comes twice.
type Made = BTreeMap<(u8, u8, u8), Figures>;
type Figures = (i64, i64, Vec<u8>);

fn made() -> impl Strategy<Value = Vec<(i32, u32, Made)>> {
    let figures = (0..1_000_000i64, -MAX_CELL..=MAX_CELL, prop::collection::vec(0..20u8, 0..6));
    let rows = prop::collection::btree_map((0..4u8, 0..3u8, 0..3u8), figures, 0..12);
    prop::collection::vec((0..5i32, 0..3u32, rows), 0..6)
}

fn as_sealed((minute, revision, rows): &(i32, u32, Made)) -> Arc<SealedMinute> {
    let names = ["", "US", "DE", "ä\u{1F600}"];
    let one = |(&(a, b, c), (count, cents, ids)): (&(u8, u8, u8), &Figures)| {
        let values = [names[a as usize], names[b as usize], "card", "placed"];
        let ids: Vec<String> = ids.iter().map(u8::to_string).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        row(values, names[c as usize], *count, *cents, &ids)
    };
    sealed(START.plus(*minute), *revision, rows.iter().map(one).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_written_is_read_back(made in made()) {
        let distinct: BTreeMap<(i32, u32), _> = made.iter().map(|m| ((m.0, m.1), m)).collect();
        let minutes: Vec<_> = distinct.values().rev().map(|m| as_sealed(m)).collect();
        let (file, _) = written(|out| write_minutes(&StreamSpec::example(), &minutes, &footer(), out));
        let want: Vec<_> = minutes.iter().rev().filter(|m| !m.rows.is_empty()).map(|m| as_read(m)).collect();
        prop_assert_eq!(read(&StreamSpec::example(), &file), want);
    }
}
