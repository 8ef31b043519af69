//! Minute tables: what the user may write, what is told, and zero against missing.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampSecondArray};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;

use super::samples::*;
use crate::columns::*;
use crate::model::*;

fn table(text: &str) -> MinuteTable {
    read_table_csv(&StreamSpec::example(), text.as_bytes()).unwrap()
}

fn problems(text: &str) -> String {
    read_table_csv(&StreamSpec::example(), text.as_bytes()).unwrap_err().to_string()
}

/// `minute offset, marketplace, count` of every row.
fn rows(table: &MinuteTable) -> Vec<(i32, &str, Option<i64>)> {
    let first = table.span().unwrap().0;
    let shown = |row: &TableRow| {
        let key = &table.series[row.series as usize];
        (row.minute.0 - first.0, key.dimensions[0].as_ref().to_owned(), row.count)
    };
    let rows: Vec<_> = table.rows.iter().map(shown).collect();
    rows.into_iter().map(|(m, name, count)| (m, &*Box::leak(name.into_boxed_str()), count)).collect()
}

#[test]
fn times_and_counts_may_be_written_in_many_ways() {
    let read = table(
        "minute,marketplace,count\n\
         2026-11-22T13:04:00Z,US,1\n\
         2026-11-22T14:05:30+01:00,US,2.0\n\
         2026-11-22 13:06,US,3\n\
         2026-11-22T13:07:00,US,4\n\
         1795352880,US,5\n\
         1795352940.5,US,6\n",
    );
    assert_eq!(read.span(), Some((START, START.plus(5))));
    let counts: Vec<_> = rows(&read).into_iter().map(|(minute, _, count)| (minute, count.unwrap())).collect();
    assert_eq!(counts, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)]);
}

#[test]
fn a_series_from_elsewhere_is_a_table() {
    let text = "timestamp,value,label\n2014-07-01 00:00:00,10844,0\n2014-07-01 00:01:00,8127.6,1\n";
    let columns = crate::columns::table_columns_csv(text.as_bytes()).expect("a header");
    let spec = crate::columns::table_spec("orders", &columns);
    assert_eq!((spec.dimensions.len(), spec.watch.len()), (0, 1));
    let table = crate::columns::read_table_csv(&spec, text.as_bytes()).expect("a table");
    let counts: Vec<Option<i64>> = table.rows.iter().map(|row| row.count).collect();
    assert_eq!(counts, [Some(10_844), Some(8_128)]);
    assert_eq!(table.rows[0].minute.to_string(), "2014-07-01T00:00:00Z");
    assert!(table.notes.iter().any(|note| note == "column `value` is taken as count"), "{:?}", table.notes);
    // A count of one's own is not rounded, and a table with both keeps to its own names.
    assert!(problems("minute,count\n2014-07-01T00:00:00Z,1.5\n").contains("1.5"));
}

#[test]
fn unsorted_rows_are_sorted_and_duplicates_add() {
    let read = table(
        "region;marketplace;minute;count;amount;amount_currency\n\
         east;US;2026-11-22T13:05:00Z;1;10.50;USD\n\
         east;US;2026-11-22T13:04:00Z;2;20;USD\n\
         west;DE;2026-11-22T13:04:00Z;7;;\n\
         west;US;2026-11-22T13:04:00Z;3;0.005;USD\n",
    );
    assert_eq!(rows(&read), [(0, "DE", Some(7)), (0, "US", Some(5)), (1, "US", Some(1))]);
    assert_eq!(read.rows[1].sums[0], Money(2001));
    assert!(read.notes.iter().any(|n| n == "column `region` is no dimension of stream orders: ignored"));
    assert!(read.notes.iter().any(|n| n.contains("no column `status`: every row is taken as status=placed")));
    assert!(read.series.iter().all(|key| key.watched && key.dimensions[3].as_ref() == "placed"));
}

#[test]
fn what_cannot_be_read_is_told_by_line() {
    let told = problems(
        "minute,marketplace,count\nyesterday,US,1\n2026-11-22T13:04:00Z,US,1.5\n2026-11-22T13:04:00Z,US\n\
         2026-11-22T13:04:00Z,US,-1\n2026-11-22T13:04:00Z,US,1\n",
    );
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 4, "{told}");
    assert_eq!(lines[0], "line 2: minute \"yesterday\" is no time");
    assert!(lines[1].starts_with("line 3: count \"1.5\""), "{told}");
    assert_eq!(lines[2], "line 4: 2 fields where the header has 3");
    assert_eq!(lines[3], "line 5: count -1 is negative");
    assert!(
        problems("marketplace,count\nUS,1\n")
            .contains("no column `minute`; the columns are: marketplace, count")
    );
    assert!(problems("minute,count,count\n").contains("column `count` twice"));
    assert_eq!(problems(""), "the table is empty");
    assert!(problems("minute,count\n0,1\n1795352640,1\n").contains("is the unit of `minute` right?"));
    assert!(problems("minute,count,completeness\n0,1,98\n").contains("between 0 and 1"));
}

#[test]
fn many_problems_are_counted_not_all_shown() {
    let told = problems(&format!("minute,count\n{}", "x,1\n".repeat(100)));
    assert!(told.ends_with("and 80 more lines"), "{told}");
}

fn sealed_of(text: &str) -> Vec<SealedMinute> {
    let spec = StreamSpec::example();
    table(text).sealed(StreamId(3), &spec).collect()
}

#[test]
fn absent_rows_are_zero_and_absent_minutes_missing() {
    let minutes = sealed_of(
        "minute,marketplace,count\n2026-11-22T13:04:00Z,US,30\n2026-11-22T13:04:00Z,DE,10\n\
         2026-11-22T13:05:00Z,US,30\n2026-11-22T13:07:00Z,DE,10\n",
    );
    assert_eq!(minutes.len(), 4);
    assert!(minutes.iter().zip(0..).all(|(m, at)| m.minute == START.plus(at) && m.stream == StreamId(3)));
    assert_eq!(minutes[1].completeness, Completeness::whole());
    assert_eq!((minutes[1].rows.len(), minutes[1].watched_count()), (1, 30));
    assert_eq!(minutes[2].completeness, Completeness::absent());
    assert_eq!(minutes[2].sealed_at, START.plus(3).start().plus_us(StreamSpec::example().seal_us));
    assert_eq!(minutes[3].completeness, Completeness::whole());
}

#[test]
fn an_empty_count_is_missing_by_its_usual_share() {
    let minutes = sealed_of(
        "minute,marketplace,count,completeness\n\
         2026-11-22T13:04:00Z,US,30,1\n2026-11-22T13:04:00Z,DE,10,\n\
         2026-11-22T13:05:00Z,US,30,1\n2026-11-22T13:05:00Z,DE,,1\n\
         2026-11-22T13:06:00Z,US,30,1\n2026-11-22T13:06:00Z,DE,5,0\n\
         2026-11-22T13:07:00Z,US,15,0.5\n2026-11-22T13:07:00Z,DE,5,0.5\n\
         2026-11-22T13:08:00Z,US,,\n2026-11-22T13:08:00Z,DE,,\n",
    );
    let (us, de) = (105.0 / 4.0, 15.0 / 2.0);
    let lack = de / (us + de);
    assert_eq!(minutes[0].completeness, Completeness::whole());
    for minute in &minutes[1..3] {
        let told = &minute.completeness;
        assert!((told.fraction - (1.0 - lack)).abs() < 1e-9, "{told:?}");
        assert_eq!(told.missing[0].origin, "marketplace=DE,status=placed");
        assert_eq!(told.missing[0].since, START.plus(1).start());
        assert_eq!(minute.watched_count(), 30);
    }
    assert_eq!(minutes[3].completeness.fraction, 0.5);
    assert_eq!((minutes[3].watched_count(), minutes[3].completeness.missing[0].share), (20, 0.5));
    assert_eq!(minutes[4].completeness, Completeness::absent());
}

#[test]
fn a_lone_missing_series_does_not_hide_the_others() {
    let minutes = sealed_of(
        "minute,marketplace,count\n2026-11-22T13:04:00Z,US,30\n2026-11-22T13:04:00Z,DE,10\n2026-11-22T13:05:00Z,DE,\n",
    );
    let told = &minutes[1].completeness;
    assert!(!told.no_data && (told.fraction - 0.6).abs() < 1e-9, "{told:?}");
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Bytes {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    Bytes::from(bytes)
}

#[test]
fn parquet_tables_of_other_types_are_read() {
    let seconds = START.start().0 / MICROS_PER_SECOND;
    let minute: ArrayRef = Arc::new(TimestampSecondArray::from(vec![seconds + 60, seconds, seconds]));
    let text: ArrayRef =
        Arc::new(StringArray::from(vec!["2026-11-22 13:05", "1795352640", "2026-11-22T13:04:59Z"]));
    let place: ArrayRef = Arc::new(StringArray::from(vec![Some("US"), Some("DE"), None]));
    let count: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None, Some(3.0)]));
    for minute in [minute, text] {
        let file =
            parquet(vec![("minute", minute), ("marketplace", place.clone()), ("count", count.clone())]);
        let read = read_table_parquet(&StreamSpec::example(), file).unwrap();
        assert_eq!(rows(&read), [(0, "", Some(3)), (0, "DE", None), (1, "US", Some(1))]);
    }
}

#[test]
fn own_minutes_are_a_minute_table_too() {
    let read = read_table_parquet(&StreamSpec::example(), minutes_file().0).unwrap();
    assert_eq!(read.notes, Vec::<String>::new());
    assert_eq!(read.rows.iter().filter_map(|row| row.count).sum::<i64>(), 11);
}

#[test]
fn a_bad_parquet_row_is_named() {
    let half: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 1.5]));
    let minute: ArrayRef = Arc::new(StringArray::from(vec!["1795352640", "1795352640"]));
    let error =
        read_table_parquet(&StreamSpec::example(), parquet(vec![("minute", minute), ("count", half)]));
    assert_eq!(error.unwrap_err().to_string(), "row 2, column count: \"1.5\" is no whole number");
}

#[test]
fn a_stream_can_be_made_up_from_columns() {
    let text = "minute,region,channel,count,amount,amount_currency,completeness\n";
    let columns = table_columns_csv(text.as_bytes()).unwrap();
    let spec = table_spec("table", &columns);
    assert_eq!(spec.dimension_names(), ["region", "channel"]);
    assert_eq!(spec.watch, vec![vec![], vec![0], vec![1], vec![0, 1]]);
    assert_eq!((spec.sums[0].name.as_str(), spec.sums.len()), ("amount", 1));
    assert!(spec.watched.0.is_empty() && spec.distincts.is_empty());
    assert_eq!(table_spec("t", &["minute".into(), "count".into()]).watch, vec![Vec::<usize>::new()]);
}
