//! Tables as people write them, and what is wrong with others.

use std::sync::Arc;

use arrow_array::{Float64Array, Int32Array, RecordBatch, StringArray};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;

use super::*;

const TABLE: &str = "market,version,observed,expected,note\nUS,8,12,540.2,x\nDE,9,300.5,299,y\nUS,9,7,8,\n";

#[test]
fn columns_that_are_no_figure_are_dimensions() {
    let table = read_leaf_table_csv(TABLE.as_bytes(), &["note".to_owned()]).unwrap();
    let names: Vec<&str> = table.dimensions.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["market", "version"]);
    assert_eq!(table.observed, [12.0, 300.5, 7.0]);
    assert_eq!(table.expected, [540.2, 299.0, 8.0]);
    assert_eq!(
        (table.dimensions[0].values.join(" "), &table.dimensions[0].codes),
        ("US DE".into(), &vec![0, 1, 0])
    );
    let tabs = TABLE.replace(',', "\t");
    assert_eq!(read_leaf_table_csv(tabs.as_bytes(), &["note".to_owned()]).unwrap(), table);
}

#[test]
fn parquet_says_the_same() {
    let batch = RecordBatch::try_from_iter([
        ("market", Arc::new(StringArray::from(vec!["US", "DE", "US"])) as _),
        ("version", Arc::new(Int32Array::from(vec![8, 9, 9])) as _),
        ("observed", Arc::new(Float64Array::from(vec![12.0, 300.5, 7.0])) as _),
        ("expected", Arc::new(Float64Array::from(vec![540.2, 299.0, 8.0])) as arrow_array::ArrayRef),
    ])
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let table = read_leaf_table_parquet(Bytes::from(bytes), &[]).unwrap();
    assert_eq!(table, read_leaf_table_csv(TABLE.as_bytes(), &["note".to_owned()]).unwrap());
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let said = |table: &str, ignored: &[&str]| {
        let ignored: Vec<String> = ignored.iter().map(|name| (*name).to_owned()).collect();
        read_leaf_table_csv(table.as_bytes(), &ignored).unwrap_err().to_string()
    };
    assert!(said("a,expected\nx,1\n", &[]).contains("no column observed; there are a, expected"));
    assert!(said("observed,expected\n1,1\n", &[]).contains("0 dimensions"));
    assert!(said("a,observed,expected\nx,1,many\n", &[]).contains("line 2: expected \"many\" is no number"));
    assert!(said("a,observed,expected\nx,1,-3\n", &[]).contains("expected -3 is not"));
    assert!(said("a,observed,expected\nx,1\n", &[]).contains("line 2"));
    assert!(said("a,observed,expected\n", &[]).contains("no rows"));
    assert!(said(TABLE, &["nota"]).contains("no column nota to ignore"));
}
