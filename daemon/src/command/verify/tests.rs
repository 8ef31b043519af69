//! A healthy directory, and one mistake at a time.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ebbd_core::columns::{Dataset, Footer, write_marks};
use ebbd_core::model::{Mark, Slice, TimeUs};

use super::*;
use crate::journal::{About, FrameKind, Journal, Sync, recover};
use crate::store::Place;
use crate::sys::RealDisk;
use crate::telemetry::Telemetry;

struct Data(tempfile::TempDir);

impl Data {
    fn new() -> Data {
        let data = Data(tempfile::tempdir().unwrap());
        data.publish("1", TimeUs(60_000_000));
        let journal = data.journal();
        let disk = Arc::new(RealDisk);
        let telemetry = Arc::new(Telemetry::new(&[], &[], 1));
        let recovered = recover(disk.clone(), &journal).unwrap();
        let frames = [(FrameKind::Boot, b"one".to_vec()), (FrameKind::Checkpoint, vec![b'x'; 400])];
        let journal = Journal::begin(disk, &recovered, About::default(), &frames, telemetry).unwrap();
        journal.handle().append(vec![(FrameKind::Mark, vec![b'm'; 300])], Sync::Now).unwrap();
        journal.close(&frames).unwrap();
        assert_eq!(data.verified().0, OK, "{}", data.verified().1);
        data
    }

    fn journal(&self) -> PathBuf {
        self.0.path().join("journal")
    }

    fn publish(&self, name: &str, at: TimeUs) -> PathBuf {
        let mark = Mark {
            id: "m".into(),
            kind: "deploy".into(),
            what: "v42".into(),
            at,
            until: None,
            scope: Slice::default(),
            retracted: false,
            received: at,
            by: "shop".into(),
        };
        let place = Place::new(Arc::new(RealDisk), self.0.path(), "host");
        let write = |out: &mut _| write_marks(&[mark], &Footer::default(), out).map(drop);
        place.publish(Dataset::Marks, "", TimeUs(0), name, false, write).unwrap()
    }

    fn segment(&self) -> PathBuf {
        let listed = fs::read_dir(self.journal()).unwrap().flatten().map(|entry| entry.path());
        listed.filter(|path| path.extension().is_some_and(|e| e == "segment")).max().unwrap()
    }

    fn verified(&self) -> (i32, String) {
        let mut out = Vec::new();
        let code = verify(self.0.path(), false, &mut out);
        (code, String::from_utf8(out).unwrap())
    }
}

fn flip(path: &PathBuf, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_healthy_directory_is_fine_and_an_empty_one_too() {
    let data = Data::new();
    assert!(data.verified().1.starts_with("ok  1 file, 1 row; "), "{}", data.verified().1);
    let mut out = Vec::new();
    assert_eq!(verify(data.0.path(), true, &mut out), OK);
    let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&line["type"], &line["ok"]), (&"summary".into(), &true.into()));
    assert_eq!(verify(tempfile::tempdir().unwrap().path(), false, &mut Vec::new()), OK);
    assert_eq!(verify(std::path::Path::new("/nonexistent"), false, &mut Vec::new()), TROUBLE);
}

#[test]
fn a_flipped_bit_in_parquet_is_found_with_its_file() {
    let data = Data::new();
    let path = data.publish("2", TimeUs(120_000_000));
    assert_eq!(data.verified().0, OK);
    flip(&path, 40);
    let (code, said) = data.verified();
    assert_eq!(code, NO);
    assert!(said.contains("host-2.parquet: ") && said.contains("1 finding in 2 files"), "{said}");
    fs::write(&path, "PAR1").unwrap();
    assert_eq!(data.verified().0, NO);
}

#[test]
fn rows_twice_and_rows_in_the_wrong_place_are_found() {
    let data = Data::new();
    data.publish("2", TimeUs(60_000_000));
    let (code, said) = data.verified();
    assert!(code == NO && said.contains("count twice"), "{said}");
    let data = Data::new();
    data.publish("2", TimeUs(200_000_000_000));
    let (code, said) = data.verified();
    assert!(code == NO && said.contains("another date"), "{said}");
}

#[test]
fn a_torn_segment_is_a_note_and_a_damaged_one_a_finding() {
    let data = Data::new();
    let segment = data.segment();
    let whole = fs::read(&segment).unwrap();
    fs::write(&segment, [&whole[..], &[9, 0, 0]].concat()).unwrap();
    fs::remove_file(data.journal().join("state.journal")).unwrap();
    let (code, said) = data.verified();
    assert!(code == OK && said.contains("note: ") && said.contains("middle of a write"), "{said}");
    fs::write(&segment, &whole).unwrap();
    flip(&segment, 20);
    let (code, said) = data.verified();
    assert!(code == NO && said.contains("damaged"), "{said}");
}
