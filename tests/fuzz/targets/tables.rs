//! Minute tables and explain tables as CSV: any bytes are a table or told problems; a table's rows are in order,
//! each series once a minute.
#![no_main]

use ebbd_core::columns::{read_leaf_table_csv, read_table_csv, table_columns_csv, table_spec};
use ebbd_core::model::StreamSpec;
use ebbd_fuzz::stream;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let columns = table_columns_csv(data).unwrap_or_default();
    let read = |spec: &StreamSpec| match read_table_csv(spec, data) {
        Ok(table) => {
            let known = |row: &ebbd_core::columns::TableRow| (row.series as usize) < table.series.len();
            assert!(table.rows.iter().all(known), "rows of series that are there");
            let in_order = table.rows.is_sorted_by(|a, b| (a.minute, a.series) < (b.minute, b.series));
            assert!(in_order, "sorted, each once");
            assert!(table.rows.iter().all(|row| (0.0..=1.0).contains(&row.completeness)));
        }
        Err(problems) => assert!(problems.total > 0 && !problems.to_string().is_empty()),
    };
    read(&stream());
    if !columns.is_empty() {
        read(&table_spec("fuzz", &columns));
    }
    if let Err(error) = read_leaf_table_csv(data, &["region".to_owned()]) {
        assert!(!error.to_string().is_empty());
    }
});
