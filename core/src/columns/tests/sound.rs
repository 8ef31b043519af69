//! Whole files are sound, and one flipped bit before the footer is found wherever it is.

use bytes::Bytes;

use super::samples::*;
use crate::columns::*;
use crate::model::{Ledger, LedgerKey, SourceId};

#[test]
fn whatever_is_written_is_sound() {
    for (file, written) in [minutes_file(), alarms_file(), marks_file(), sources_file(), ledger_file()] {
        let sound = read_through(file).unwrap();
        assert_eq!((sound.findings, sound.info.rows), (Vec::new(), written.rows));
    }
}

#[test]
fn every_flipped_bit_before_the_footer_is_found() {
    for (whole, _) in [minutes_file(), ledger_file()] {
        let end = read_footer(&whole).unwrap().checksum.unwrap().bytes;
        assert!(end > 0 && end < whole.len() as u64);
        for at in 0..whole.len() {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 1 << (at % 8);
            let found = read_through(Bytes::from(bytes)).map(|sound| !sound.findings.is_empty());
            assert!(at as u64 >= end || found.unwrap_or(true), "byte {at} of {end}");
        }
    }
}

#[test]
fn a_ledger_that_does_not_balance_is_found() {
    let mut ledger = Ledger::default();
    let key = LedgerKey { arrival: START, source: SourceId(0), origin: String::new(), stream: String::new() };
    ledger.entry(key.clone()).received = 3;
    ledger.entry(key).counted = 2;
    let mut file = Vec::new();
    let names = LedgerNames { sources: &[], bad_fields: &[] };
    write_ledger(&ledger, names, &Footer::default(), &mut file).unwrap();
    let sound = read_through(Bytes::from(file)).unwrap();
    assert_eq!(sound.findings, ["row 1: 3 lines were received, 2 are accounted for"]);
}
