//! What is wrong with segments is told once, set aside and survived; what another ebbd wrote is left alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::frame::Chain;
use super::*;
use crate::sys::RealDisk;

struct Dir {
    disk: Arc<dyn Disk>,
    temporary: tempfile::TempDir,
}

impl Dir {
    fn new() -> Dir {
        Dir { disk: Arc::new(RealDisk), temporary: tempfile::tempdir().expect("a temporary directory") }
    }

    fn path(&self) -> &Path {
        self.temporary.path()
    }

    fn recovered(&self) -> Recovered {
        recovered(&self.disk, self.path())
    }

    /// Writes segments 1 to 3, each with a checkpoint and two frames that are synced one after the other.
    fn filled(&self) -> [PathBuf; 3] {
        let journal = begin(&self.disk, self.path(), &[frame(FrameKind::Checkpoint, "c1")]);
        let handle = journal.handle();
        for number in 1..=3 {
            if number > 1 {
                let state = format!("c{number}");
                handle
                    .begin_segment(vec![frame(FrameKind::Checkpoint, &state)], Beginning::GoesOn)
                    .expect("begun");
            }
            for letter in ["a", "b"] {
                let body = format!("{letter}{number}");
                let lsn = handle.append(vec![frame(FrameKind::Commit, &body)], Sync::Now).expect("appended");
                handle.wait(lsn, std::time::Duration::from_secs(20)).expect("durable");
            }
        }
        [1, 2, 3].map(|number| self.path().join(format!("{number:010}.segment")))
    }

    /// Starts and crashes once more.
    fn restart(&self) {
        drop(begin(&self.disk, self.path(), &[frame(FrameKind::Checkpoint, "again")]));
    }
}

fn flip(path: &Path, what: &str) {
    let mut bytes = fs::read(path).expect("there");
    let at = bytes.windows(what.len()).position(|part| part == what.as_bytes()).expect("in there");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("written");
}

#[test]
fn segments_go_on_from_one_another_and_are_released_in_order() {
    let dir = Dir::new();
    dir.filled();
    let left = dir.recovered();
    let links: Vec<Link> = left.segments.iter().map(|segment| segment.link).collect();
    assert_eq!(links, [Link::Fresh, Link::Follows, Link::Follows]);
    assert_eq!(texts(&left), ["c1", "a1", "b1", "c2", "a2", "b2", "c3", "a3", "b3"]);
    assert_eq!((left.epoch, left.torn_bytes, left.ended_in_order()), (1, 0, false));
    let journal = begin(&dir.disk, dir.path(), &[frame(FrameKind::Checkpoint, "c4")]);
    journal.handle().release_before(3);
    journal.close(&[frame(FrameKind::Checkpoint, "end")]).expect("closed");
    let left = dir.recovered();
    assert_eq!((texts(&left), left.ended_in_order(), left.epoch), (vec!["end".to_owned()], true, 2));
    assert!(left.missing.is_empty() && left.broken.is_empty() && left.damaged.is_empty());
}

#[test]
fn a_torn_tail_is_cut_and_counted_once() {
    let dir = Dir::new();
    let [_, _, newest] = dir.filled();
    let bytes = fs::read(&newest).expect("there");
    fs::write(&newest, &bytes[..bytes.len() - 1]).expect("cut");
    let left = dir.recovered();
    assert_eq!((left.torn_bytes, left.damaged.len()), (27, 0));
    assert_eq!(texts(&left).last().map(String::as_str), Some("a3"));
    dir.restart();
    assert_eq!((dir.recovered().torn_bytes, dir.recovered().damaged.len()), (0, 0));
}

#[test]
fn damage_anywhere_is_told_once_set_aside_and_survived() {
    for (segment, body, kept) in [(1, "a2", vec!["c3", "a3", "b3"]), (2, "a3", vec!["c1", "a1", "b1", "c2"])]
    {
        let dir = Dir::new();
        let paths = dir.filled();
        flip(&paths[segment], body);
        let left = dir.recovered();
        assert_eq!(left.damaged, [paths[segment].clone()]);
        let texts = texts(&left);
        assert!(
            texts.starts_with(&kept.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()),
            "{texts:?}"
        );
        dir.restart();
        assert!(dir.path().join(format!("{:010}.segment.damaged", segment + 1)).exists());
        let left = dir.recovered();
        assert!(left.damaged.is_empty() && left.broken.is_empty() && left.missing.is_empty(), "told twice");
        assert_eq!(super::texts(&left).last().map(String::as_str), Some("again"));
    }
}

#[test]
fn a_segment_without_a_readable_head_or_without_a_file_is_told_once() {
    for is_gone in [false, true] {
        let dir = Dir::new();
        let [_, second, _] = dir.filled();
        if is_gone {
            fs::remove_file(&second).expect("removed")
        } else {
            flip(&second, "ebbd journal")
        }
        let left = dir.recovered();
        assert_eq!((left.missing.clone(), left.broken.clone()), (vec![2], vec![3]));
        assert_eq!(left.damaged.is_empty(), is_gone);
        assert_eq!(texts(&left), ["c3", "a3", "b3"]);
        dir.restart();
        let left = dir.recovered();
        assert!(left.damaged.is_empty() && left.missing.is_empty() && left.broken.is_empty(), "told twice");
    }
}

#[test]
fn foreign_and_newer_segments_are_refused_and_nothing_is_touched() {
    let listing = |dir: &Dir| -> Vec<(PathBuf, Vec<u8>)> {
        let mut entries: Vec<_> = fs::read_dir(dir.path())
            .expect("there")
            .map(|entry| entry.expect("an entry").path())
            .map(|path| (path.clone(), fs::read(path).expect("readable")))
            .collect();
        entries.sort();
        entries
    };
    let (dir, other) = (Dir::new(), Dir::new());
    let [first, _, _] = dir.filled();
    other.filled();
    fs::copy(&first, other.path().join("0000000009.segment")).expect("copied");
    let before = listing(&other);
    let refused = recover(Arc::clone(&other.disk), other.path()).map(drop);
    assert!(matches!(refused, Err(RecoverError::Foreign(..))), "{refused:?}");
    assert_eq!(listing(&other), before);
    let mut bytes = Vec::new();
    let head = br#"{"magic":"ebbd journal","version":2}"#;
    Chain::default().encode(FrameKind::Head, 1, head, &mut bytes);
    fs::write(dir.path().join("0000000004.segment"), bytes).expect("written");
    let before = listing(&dir);
    let refused = recover(Arc::clone(&dir.disk), dir.path()).map(drop);
    assert!(matches!(refused, Err(RecoverError::Newer(_))), "{refused:?}");
    assert_eq!(listing(&dir), before);
}

#[test]
fn the_file_of_the_release_before_is_read_and_left_behind() {
    let dir = Dir::new();
    let old = |epoch: u64, body: &str| {
        let frames = [frame(FrameKind::Alarm, "1"), frame(FrameKind::Checkpoint, body)];
        legacy::write(dir.disk.as_ref(), dir.path(), epoch, &frames).expect("written");
    };
    old(7, "old");
    let left = dir.recovered();
    assert_eq!((texts(&left), left.epoch, left.ended_in_order()), (vec!["1".into(), "old".into()], 7, true));
    let journal = begin(&dir.disk, dir.path(), &[frame(FrameKind::Checkpoint, "new")]);
    journal.handle().release_before(journal.first());
    let lsn = journal.handle().append(vec![frame(FrameKind::Alarm, "2")], Sync::Now).expect("appended");
    journal.handle().wait(lsn, std::time::Duration::from_secs(20)).expect("durable");
    assert!(!dir.path().join("state.journal").exists(), "it would be taken for the present state");
    journal.close(&[frame(FrameKind::Checkpoint, "closed")]).expect("closed");
    assert_eq!(texts(&dir.recovered()), ["closed"]);
    assert_eq!(dir.recovered().newest().map(|newest| newest.number > 0), Some(true));
    // It went back to the release before, which wrote on.
    old(9, "later");
    let left = dir.recovered();
    assert_eq!((texts(&left)[1].as_str(), left.epoch), ("later", 9));
    let journal = begin(&dir.disk, dir.path(), &[frame(FrameKind::Checkpoint, "x")]);
    journal.handle().release_before(journal.first());
    assert_eq!(texts(&dir.recovered()), ["x"]);
}
