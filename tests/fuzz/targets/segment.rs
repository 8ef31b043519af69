//! Segments of the journal that are damaged in any way: reading them ends, without a panic, with frames that
//! were written, in their order, and never with one of another place. Any bytes at all are survived, too.
#![no_main]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ebbd::journal::{About, Beginning, FrameKind, Journal, Recovered, Sync, recover};
use ebbd::sys::{Disk, FaultDisk};
use ebbd::telemetry::Telemetry;
use libfuzzer_sys::fuzz_target;

const DIR: &str = "/journal";
const PATIENCE: Duration = Duration::from_secs(20);

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Three segments that go on from one another, with four frames each that were synced one after the other.
static WHOLE: LazyLock<Files> = LazyLock::new(|| {
    let disk: Arc<dyn Disk> = Arc::new(FaultDisk::new());
    let left = recover(Arc::clone(&disk), Path::new(DIR)).expect("an empty disk");
    let about = About { host: "fuzz".to_owned(), config: "lanes = 2\n".to_owned() };
    let checkpoint = |number| vec![(FrameKind::Checkpoint, format!("checkpoint {number}").into_bytes())];
    let telemetry = Arc::new(Telemetry::new(&[], &[], 0));
    let journal = Journal::begin(Arc::clone(&disk), &left, about, &checkpoint(1), telemetry).expect("begun");
    let handle = journal.handle();
    for number in 1..=3 {
        if number > 1 {
            handle.begin_segment(checkpoint(number), Beginning::GoesOn).expect("begun");
        }
        for part in 0..4 {
            let body = format!("frame {part} of segment {number} ").repeat(part * 3).into_bytes();
            let lsn = handle.append(vec![(FrameKind::Commit, body)], Sync::Now).expect("appended");
            handle.wait(lsn, PATIENCE).expect("durable");
        }
    }
    let paths = disk.list(Path::new(DIR)).expect("listed");
    paths.into_iter().map(|path| (path.clone(), disk.read(&path).expect("there"))).collect()
});

/// What the whole segments have, by number.
static FRAMES: LazyLock<BTreeMap<u64, Vec<(u64, Vec<u8>)>>> =
    LazyLock::new(|| frames(&looked_at(&WHOLE).expect("nothing is wrong with them")));

fn looked_at(files: &Files) -> Option<Recovered> {
    let disk = FaultDisk::new();
    disk.make_dir(Path::new(DIR)).expect("made");
    for (path, bytes) in files {
        disk.create(path).and_then(|mut file| file.write_all(bytes)).expect("a new file");
    }
    // A later version, another directory's: refused in words.
    recover(Arc::new(disk), Path::new(DIR)).inspect_err(|error| assert!(!error.to_string().is_empty())).ok()
}

/// The number of each frame, and its body, by segment.
fn frames(recovered: &Recovered) -> BTreeMap<u64, Vec<(u64, Vec<u8>)>> {
    let of = |segment: &ebbd::journal::Segment| {
        let bytes = recovered.read(segment).expect("it has just been looked at");
        (segment.number, bytes.frames().map(|frame| (frame.seq, frame.body.to_vec())).collect())
    };
    let unbroken = recovered.unbroken().iter().map(|segment| segment.number);
    assert!(
        unbroken.eq(recovered.segments.iter().rev().take(recovered.unbroken().len()).rev().map(|s| s.number))
    );
    recovered.segments.iter().map(of).collect()
}

/// Does to the files what five bytes say: which file, what, where (two), with what.
fn damage(files: &mut Files, order: &[u8]) {
    let paths: Vec<PathBuf> = files.keys().cloned().collect();
    let path = &paths[usize::from(order[0]) % paths.len()];
    let other = files[&paths[usize::from(order[4]) % paths.len()]].clone();
    let bytes = files.get_mut(path).expect("it is one of them");
    let at = usize::from(u16::from_le_bytes([order[2], order[3]])) % bytes.len().max(1);
    match order[1] % 8 {
        0 => bytes.truncate(at),
        1 if at < bytes.len() => bytes[at] = order[4],
        2 if at < bytes.len() => bytes[at] ^= 1 << (order[4] % 8),
        3 => bytes.extend_from_within(at..),
        4 => drop(bytes.drain(at..(at + usize::from(order[4])).min(bytes.len()))),
        5 => bytes.resize(bytes.len() + usize::from(order[4]), 0),
        6 => *bytes = other,
        _ => bytes.splice(at.min(other.len()).., other[at.min(other.len())..].to_vec()).for_each(drop),
    }
}

fuzz_target!(|data: &[u8]| {
    // Bytes that nobody wrote.
    let mut files = WHOLE.clone();
    files.insert(Path::new(DIR).join("0000000004.segment"), data.to_vec());
    looked_at(&files).iter().for_each(|recovered| drop(frames(recovered)));
    // Segments with a few injuries.
    let mut files = WHOLE.clone();
    data.chunks_exact(5).take(6).for_each(|order| damage(&mut files, order));
    let Some(recovered) = looked_at(&files) else { return };
    for (number, found) in frames(&recovered) {
        let written = FRAMES
            .values()
            .any(|written| found.len() <= written.len() && written[..found.len()] == found[..]);
        assert!(written, "segment {number} has frames that were never written there");
    }
});
