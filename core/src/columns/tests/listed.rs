//! The columns that the specification lists, written out: names, types, NULL or not, order of rows.

use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::{Compression, Encoding};

use super::samples::*;
use crate::columns::*;

/// `name type` per column; a `?` behind the type says that NULL is a value it may have.
fn columns(file: &Bytes) -> Vec<String> {
    let metadata = ArrowReaderMetadata::load(file, Default::default()).unwrap();
    let fields = metadata.schema().fields().iter();
    fields
        .map(|f| format!("{} {}{}", f.name(), word(f.data_type()), if f.is_nullable() { "?" } else { "" }))
        .collect()
}

fn word(data_type: &DataType) -> String {
    match data_type {
        DataType::Timestamp(unit, Some(zone)) => format!("time({unit:?},{zone})"),
        DataType::Dictionary(key, value) => format!("dictionary({key},{value})"),
        DataType::Decimal128(digits, scale) => format!("decimal({digits},{scale})"),
        other => other.to_string().to_lowercase(),
    }
}

const TIME: &str = "time(Microsecond,UTC)";
const WORD: &str = "dictionary(Int32,Utf8)";

/// The list of a test: blank-separated `name:kind`.
fn list(text: &str) -> Vec<String> {
    let kind = |short: &str| match short.trim_end_matches('?') {
        "time" => TIME.to_owned(),
        "word" => WORD.to_owned(),
        "double" => "float64".to_owned(),
        "money" => "decimal(18,2)".to_owned(),
        "text" => "utf8".to_owned(),
        "bool" => "boolean".to_owned(),
        other => other.to_owned(),
    };
    let column = |item: &str| {
        let (name, short) = item.split_once(':').unwrap();
        format!("{name} {}{}", kind(short), if short.ends_with('?') { "?" } else { "" })
    };
    text.split_whitespace().map(column).collect()
}

#[test]
fn minutes_have_their_columns() {
    let want = "minute:time marketplace:word feature:word payment:word status:word watched:bool count:int64 \
        amount:money amount_currency:word customer_hll:binary revision:int32 host:word";
    assert_eq!(columns(&minutes_file().0), list(want));
}

#[test]
fn slices_have_their_columns() {
    let want = "minute:time slice:word marketplace:word? feature:word? payment:word? status:word? \
        observed:int64? observed_max:double? expected:double? low:double? high:double? verdict:word \
        completeness:double evidence:double revision:int32 judged_at:time host:word";
    assert_eq!(columns(&slices_file().0), list(want));
}

#[test]
fn incidents_and_money_have_their_columns() {
    let want = "id:text host:word stream:word kind:word slice:word cause:word? onset:time detected:time acked:time? \
        ended:time? state:word severity:word label:word? orders_low:double? orders:double? orders_high:double? \
        customers_low:double? customers:double? customers_high:double? recovered_later:double? change:text? \
        provisional_until:time?";
    assert_eq!(columns(&incidents_file().0), list(want));
    let money = "id:text currency:word low:double amount:double high:double";
    assert_eq!(columns(&money_file().0), list(money));
}

#[test]
fn alarms_have_their_columns() {
    let want = "seq:int64 no:int64 id:text key:word rev:int64 at:time host:word view:word state:word kind:word \
        severity:word notify:word because:word stream:word slice:word title:text minute:time onset:time? \
        ended:time? observed:int64? observed_max:double? expected:double? low:double? high:double? \
        evidence:double? threshold:double? completeness:double early:bool late:bool durable:bool acked:text? \
        silenced_until:time? label:word? reason:text? config:word url:text? record:text";
    assert_eq!(columns(&alarms_file().0), list(want));
}

#[test]
fn marks_and_sources_have_their_columns() {
    let marks = "id:text kind:word what:text at:time until:time? scope:word retracted:bool received:time by:word \
        host:word";
    assert_eq!(columns(&marks_file().0), list(marks));
    let sources = "minute:time stream:word source:word origin:word state:word share:double completeness:double \
        lost_upper:double missing_since:time? host:word";
    assert_eq!(columns(&sources_file().0), list(sources));
}

#[test]
fn the_ledger_has_its_columns() {
    let want = "minute:time source:word origin:word stream:word received:int64 counted:int64 control:int64 \
        duplicate:int64 rejected_bad_syntax:int64 rejected_bad_utf8:int64 rejected_too_deep:int64 \
        rejected_too_long:int64 rejected_bad_time:int64 rejected_too_late:int64 rejected_in_future:int64 \
        rejected_unknown_stream:int64 rejected_bad_value:int64 rejected_bad_type:int64 \
        rejected_bad_control:int64 rejected_partial_line:int64 dropped_queue:int64 dropped_crash:int64 late:int64 \
        bad_amount:int64 bad_amount_currency:int64 bad_customer:int64 bad_feature:int64 bad_marketplace:int64 \
        bad_payment:int64 bad_status:int64 bad_unlisted:int64 kernel_datagrams:int64 sender_dropped:int64 \
        host:word";
    assert_eq!(columns(&ledger_file().0), list(want));
}

#[test]
fn files_are_written_as_agreed() {
    let metadata = ArrowReaderMetadata::load(&minutes_file().0, Default::default()).unwrap();
    let group = metadata.metadata().row_group(0);
    let sorted: Vec<i32> = group.sorting_columns().unwrap().iter().map(|c| c.column_idx).collect();
    assert_eq!(sorted, [0, 1, 2, 3, 4, 8, 10], "minute, dimensions, currency, revision");
    assert!(group.columns().iter().all(|c| matches!(c.compression(), Compression::ZSTD(_))));
    let sketches = group.columns().iter().find(|c| c.column_descr().name() == "customer_hll").unwrap();
    assert!(sketches.statistics().is_none() && sketches.dictionary_page_offset().is_none());
    assert!(sketches.encodings().all(|e| e != Encoding::RLE_DICTIONARY));
    assert!(group.column(0).statistics().is_some());
    assert_eq!(metadata.metadata().file_metadata().version(), 1);
}

#[test]
fn the_footer_says_where_a_file_comes_from() {
    let (file, written) = minutes_file();
    assert_eq!(written.rows, 5);
    assert_eq!((written.min_minute, written.max_minute), (Some(START), Some(START.next())));
    let info = read_footer(&file).unwrap();
    assert_eq!((info.schema, info.dataset), (Some(SCHEMA_VERSION), Some(Dataset::Minutes)));
    assert_eq!(info.stream.as_deref(), Some("orders"));
    assert_eq!((info.host.as_str(), info.config.as_str(), info.sequence), ("web-01", "9f3c", 7));
    assert_eq!((info.span, info.revisions), (Some((START, START.next())), Some((0, 1))));
    assert_eq!((info.rows, info.columns.len()), (5, 12));
    assert_eq!(info.ebbd, env!("CARGO_PKG_VERSION"));
    for (key, value) in
        [("family", "HLL"), ("lgk", "12"), ("type", "HLL_4"), ("hash", "raw utf-8, seed 9001")]
    {
        assert_eq!(info.keys[&format!("ebbd.sketch.{key}")], value);
    }
    let empty = written_empty();
    assert_eq!((empty.span, empty.rows), (None, 0));
}

fn written_empty() -> FileInfo {
    read_footer(&written(|out| write_alarms(&[], &footer(), out)).0).unwrap()
}

#[test]
fn every_dataset_has_a_name_and_a_place() {
    let places: Vec<String> = Dataset::ALL.iter().map(|d| d.directory("orders", START.start())).collect();
    let date = "date=2026-11-22";
    assert_eq!(places[0], format!("minutes/stream=orders/{date}"));
    assert_eq!(places[1], format!("slices/stream=orders/{date}"));
    assert_eq!(places[2..4], ["incidents", "incident_money"]);
    for (at, name) in ["alarms", "marks", "sources", "ledger"].iter().enumerate() {
        assert_eq!(places[4 + at], format!("{name}/{date}"));
    }
    assert!(Dataset::ALL.iter().all(|d| Dataset::named(d.name()) == Some(*d)));
    assert_eq!(Dataset::named("other"), None);
}

#[test]
fn a_row_of_another_shape_is_an_error() {
    let mut spec = crate::model::StreamSpec::example();
    spec.dimensions.pop();
    let refused = write_minutes(&spec, &minutes(), &footer(), Vec::new());
    assert!(matches!(refused, Err(ColumnsError::Shape(_))), "{refused:?}");
    let mut record = record(1);
    record.at = "yesterday".into();
    assert!(matches!(write_alarms(&[record], &footer(), Vec::new()), Err(ColumnsError::Shape(_))));
}
