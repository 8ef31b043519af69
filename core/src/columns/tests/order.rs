//! Rows stand in the order that the footer states.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::samples::*;

/// A cell as something that sorts as Parquet sorts: NULL first.
fn cell(batch: &RecordBatch, column: usize, row: usize) -> (bool, i64, String) {
    use arrow_array::Array;
    let column = batch.column(column);
    if column.is_null(row) {
        return (false, 0, String::new());
    }
    match column.data_type() {
        DataType::Timestamp(..) => {
            (true, column.as_primitive::<TimestampMicrosecondType>().value(row), String::new())
        }
        DataType::Int64 => (true, column.as_primitive::<Int64Type>().value(row), String::new()),
        DataType::Int32 => (true, column.as_primitive::<Int32Type>().value(row).into(), String::new()),
        DataType::Utf8 => (true, 0, column.as_string::<i32>().value(row).to_owned()),
        DataType::Dictionary(..) => {
            let words = column.as_dictionary::<Int32Type>();
            let at = words.keys().value(row);
            (true, 0, words.values().as_string::<i32>().value(at as usize).to_owned())
        }
        other => panic!("{other} in the sort order"),
    }
}

pub(super) fn stated_order_holds(file: &Bytes) -> usize {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
    let stated: Vec<usize> = {
        let group = builder.metadata().row_group(0);
        group.sorting_columns().unwrap().iter().map(|c| c.column_idx as usize).collect()
    };
    assert!(!stated.is_empty());
    let mut keys = Vec::new();
    for batch in builder.build().unwrap() {
        let batch = batch.unwrap();
        keys.extend(
            (0..batch.num_rows())
                .map(|row| stated.iter().map(|&column| cell(&batch, column, row)).collect::<Vec<_>>()),
        );
    }
    assert!(keys.is_sorted(), "{keys:?}");
    keys.len()
}

#[test]
fn every_dataset_is_sorted_as_it_says() {
    let files = [
        minutes_file(),
        slices_file(),
        incidents_file(),
        money_file(),
        alarms_file(),
        marks_file(),
        sources_file(),
        ledger_file(),
    ];
    for (file, written) in files {
        assert!(written.rows >= 2, "an order needs two rows");
        assert_eq!(stated_order_holds(&file) as u64, written.rows);
    }
}
