//! Files become one file: every row once, in the order that the footer states, in the columns of today.

use bytes::Bytes;

use super::order::stated_order_holds;
use super::samples::*;
use crate::columns::*;
use crate::model::{Minute, StreamSpec};

const ALL: (Minute, Minute) = (Minute(i32::MIN), Minute(i32::MAX));

fn merged(merger: &Merger, files: &[Bytes], parts: &[(Minute, Minute)]) -> (Bytes, Written) {
    written(|out| merger.write(parts, |_| Ok(files.to_vec()), &footer(), out))
}

#[test]
fn every_dataset_by_day_is_merged_row_by_row() {
    let spec = StreamSpec::example();
    for (file, rows) in
        [minutes_file(), slices_file(), alarms_file(), marks_file(), sources_file(), ledger_file()]
            .map(|(file, written)| (file, written.rows))
    {
        let dataset = read_footer(&file).unwrap().dataset.unwrap();
        let names = bad_field_names(std::slice::from_ref(&spec));
        let by_stream = dataset.partition() == Partition::StreamDate;
        let mut merger = Merger::new(dataset, by_stream.then_some(&spec), &names).unwrap();
        assert!(merger.admit(&file).unwrap());
        let (both, written) = merged(&merger, &[file.clone(), file.clone()], &[ALL]);
        assert_eq!(
            (written.rows, stated_order_holds(&both) as u64),
            (2 * rows, 2 * rows),
            "{}",
            dataset.name()
        );
        let (before, after) = (read_footer(&file).unwrap(), read_footer(&both).unwrap());
        assert_eq!((before.span, before.revisions), (after.span, after.revisions));
        // One that the configuration does not list comes last.
        let sorted = |mut names: Vec<String>| (names.sort(), names).1;
        assert_eq!(sorted(before.columns), sorted(after.columns.clone()), "{}", dataset.name());
        assert!(!merger.is_outdated(&after.columns));
        assert!(after.checksum.is_some());
    }
}

#[test]
fn minutes_in_parts_and_older_columns_keep_every_figure() {
    let spec = StreamSpec::example();
    let (file, _) = minutes_file();
    let mut older = spec.clone();
    older.dimensions.pop();
    older.distincts.clear();
    let old_rows = vec![sealed(START, 0, vec![])];
    let (old, _) = written(|out| write_minutes(&older, &old_rows, &footer(), out));
    let mut merger = Merger::new(Dataset::Minutes, Some(&spec), &[]).unwrap();
    assert!(merger.is_outdated(&read_footer(&old).unwrap().columns));
    assert!(!merger.is_outdated(&read_footer(&file).unwrap().columns));
    assert!(merger.admit(&old).unwrap());
    let parts = [(Minute(i32::MIN), START), (START.plus(1), Minute(i32::MAX))];
    let (whole, written) = merged(&merger, &[file.clone(), old], &parts);
    assert_eq!(stated_order_holds(&whole) as u64, written.rows);
    let all = |file: Bytes| read_minutes(&spec, file).unwrap().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(all(file), all(whole));
}

#[test]
fn a_column_that_only_old_files_have_is_kept_and_one_that_they_lack_is_filled() {
    let spec = StreamSpec::example();
    let mut other = spec.clone();
    other.dimensions[0].name = "shop".to_owned();
    let (old, _) = written(|out| write_minutes(&other, &minutes(), &footer(), out));
    let (file, one) = minutes_file();
    let mut merger = Merger::new(Dataset::Minutes, Some(&spec), &[]).unwrap();
    assert!(merger.admit(&old).unwrap());
    let (both, written) = merged(&merger, &[file.clone(), old.clone()], &[ALL]);
    assert_eq!(written.rows, 2 * one.rows);
    assert_eq!(stated_order_holds(&both) as u64, written.rows);
    let count = |spec: &StreamSpec, file: &Bytes, at: usize, value: &str| -> i64 {
        let minutes = read_minutes(spec, file.clone()).unwrap().map(Result::unwrap);
        minutes
            .flat_map(|m| m.rows)
            .filter(|row| &*row.key.dimensions[at] == value)
            .map(|row| row.count)
            .sum()
    };
    for value in ["US", "DE"] {
        assert_eq!(count(&spec, &both, 0, value), count(&spec, &file, 0, value));
        assert_eq!(count(&other, &both, 0, value), count(&other, &old, 0, value));
    }
    let total = |spec: &StreamSpec, file: &Bytes| -> i64 {
        read_minutes(spec, file.clone()).unwrap().flat_map(|m| m.unwrap().rows).map(|row| row.count).sum()
    };
    assert_eq!(total(&spec, &both), 2 * total(&spec, &file));
}

#[test]
fn a_file_with_a_sum_of_another_scale_is_left_alone() {
    let spec = StreamSpec::example();
    let mut finer = spec.clone();
    finer.sums[0].scale = 3;
    let (file, _) = minutes_file();
    assert!(!Merger::new(Dataset::Minutes, Some(&finer), &[]).unwrap().admit(&file).unwrap());
}
