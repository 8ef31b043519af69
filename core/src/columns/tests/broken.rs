//! Broken files are errors that name a place, never panics, whatever byte is wrong.

use bytes::Bytes;

use super::samples::*;
use crate::columns::*;
use crate::model::{Rng, SplitMix64, StreamSpec};

fn read_all(file: Bytes) -> Result<usize, ColumnsError> {
    read_footer(&file)?;
    let minutes = read_minutes(&StreamSpec::example(), file.clone())?;
    let rows = minutes.map(|minute| minute.map(|m| m.rows.len())).sum::<Result<usize, _>>()?;
    read_table_parquet(&StreamSpec::example(), file)?;
    Ok(rows)
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let (whole, _) = minutes_file();
    assert_eq!(read_all(whole.clone()).unwrap(), 5);
    for length in (0..whole.len()).step_by(7) {
        let error = read_all(whole.slice(..length)).expect_err("cut off").to_string();
        assert!(error.starts_with("reading the footer"), "{error}");
    }
}

#[test]
fn any_flipped_byte_is_an_error_or_other_figures() {
    let (whole, _) = minutes_file();
    let mut refused = 0;
    for at in 0..whole.len() {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1 << (at % 8);
        refused += usize::from(read_all(Bytes::from(bytes)).is_err());
    }
    assert!(refused > whole.len() / 10, "only {refused} of {} flips were noticed", whole.len());
}

#[test]
fn noise_between_head_and_tail_is_an_error_or_other_figures() {
    let (whole, _) = minutes_file();
    let mut rng = SplitMix64::new(7);
    for _ in 0..500 {
        let mut bytes = whole.to_vec();
        for _ in 0..8 {
            let at = (rng.next_u64() % bytes.len() as u64) as usize;
            bytes[at] = rng.next_u64() as u8;
        }
        let _ = read_all(Bytes::from(bytes));
    }
}

#[test]
fn the_place_of_a_broken_page_is_named() {
    let (whole, _) = minutes_file();
    let mut bytes = whole.to_vec();
    bytes[4..40].fill(0xff);
    let error = read_all(Bytes::from(bytes)).unwrap_err().to_string();
    assert!(error.contains("row 0"), "{error}");
}

#[test]
fn a_column_outside_the_file_is_told_before_it_is_read() {
    // Found in the footer alone, so that it holds where panics abort, too.
    let (whole, _) = minutes_file();
    let told = |at: usize| {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1 << (at % 8);
        read_footer(&Bytes::from(bytes)).map(|_| ()).map_err(|error| error.to_string())
    };
    let errors: Vec<String> = (0..whole.len()).filter_map(|at| told(at).err()).collect();
    assert!(errors.iter().any(|e| e.starts_with("row group 0, column ") && e.contains("outside the file")));
}
