//! The thread: numbers in order, failures told to those who wait, a fresh segment that heals.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::sys::Fault;

const LONG: Duration = Duration::from_secs(20);

fn begun(disk: &FaultDisk) -> Journal {
    begin(&on(disk), Path::new(DIR), &[frame(FrameKind::Checkpoint, "c")])
}

fn item(text: &str) -> Vec<NewFrame> {
    vec![frame(FrameKind::Commit, text)]
}

#[test]
fn many_append_and_everything_is_in_the_order_of_its_numbers() {
    let disk = FaultDisk::new();
    let journal = begun(&disk);
    let mut numbered: Vec<(u64, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let handle = journal.handle();
                let append = move |at: u32| {
                    let text = format!("{thread}.{at}");
                    (handle.append(item(&text), Sync::Soon).expect("appended"), text)
                };
                scope.spawn(move || (0..200).map(append).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("it ends")).collect()
    });
    numbered.sort();
    journal.handle().wait(800, LONG).expect("durable by the timer");
    disk.crash(&mut |_| 0);
    let left = recovered(&on(&disk), Path::new(DIR));
    let written: Vec<String> = numbered.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts(&left)[1..], written[..]);
    drop(journal);
}

#[test]
fn a_failure_is_told_and_one_fresh_segment_heals_it() {
    let disk = FaultDisk::new();
    // Too small for a reserve: no calls but those that are counted here.
    disk.set_capacity(50 << 20);
    let journal = begun(&disk);
    let handle = journal.handle();
    let first = handle.append(item("first"), Sync::Now).expect("appended");
    handle.wait(first, LONG).expect("durable");
    disk.fail_at(disk.calls() + 2, Fault::Broken);
    let failed = handle.append(item("failed"), Sync::Now).expect("handed over");
    assert!(matches!(handle.wait(failed, LONG), Err(JournalError::Failed(_))));
    assert!(handle.failing().is_some() && handle.wants_segment() && handle.durable() == first);
    assert!(handle.append(item("not taken"), Sync::Now).is_err());
    let state = vec![frame(FrameKind::Checkpoint, "first failed")];
    let number = handle.begin_segment(state, Beginning::Alone).expect("healed");
    handle.release_before(number);
    assert!(handle.failing().is_none() && handle.durable() > failed);
    assert!(handle.wait(failed, LONG).is_err(), "as such it went down");
    // The next failure comes so soon that the disk is left alone for a while.
    disk.fail_at(disk.calls() + 3, Fault::Broken);
    while handle.append(item("more"), Sync::Now).and_then(|lsn| handle.wait(lsn, LONG)).is_ok() {}
    assert!(handle.failing().is_some() && !handle.wants_segment());
    drop(journal);
    disk.crash(&mut |_| 0);
    assert_eq!(texts(&recovered(&on(&disk), Path::new(DIR)))[0], "first failed");
}

#[test]
fn a_segment_that_heals_goes_on_where_the_failed_one_was_durable() {
    for is_cut in [false, true] {
        let disk = FaultDisk::new();
        // Too small for a reserve, as above.
        disk.set_capacity(50 << 20);
        let journal = begun(&disk);
        let handle = journal.handle();
        let first = handle.append(item("first"), Sync::Now).expect("appended");
        handle.wait(first, LONG).expect("durable");
        disk.fail_at(disk.calls() + 2, Fault::Broken);
        let failed = handle.append(item("failed"), Sync::Now).expect("handed over");
        assert!(handle.wait(failed, LONG).is_err());
        let frames = ["failed", "not taken"].map(|text| frame(FrameKind::Commit, text));
        let frames = frames.into_iter().chain([frame(FrameKind::Checkpoint, "first failed not taken")]);
        handle.begin_segment(frames.collect(), Beginning::GoesOn).expect("healed");
        drop(journal);
        if is_cut {
            disk.crash(&mut |_| 0);
        }
        let left = recovered(&on(&disk), Path::new(DIR));
        let links: Vec<Link> = left.segments.iter().map(|segment| segment.link).collect();
        assert_eq!(links, [Link::Fresh, Link::Follows]);
        assert!(left.damaged.is_empty() && left.broken.is_empty());
        let mut texts = texts(&left);
        // The one that failed may be there, too, if nothing but the sync did.
        texts.dedup();
        assert_eq!(texts, ["c", "first", "failed", "not taken", "first failed not taken"]);
        // Once nobody needs the failed one any more, it begins with its own state.
        let oldest = disk.list(Path::new(DIR)).expect("listed").into_iter().next().expect("there");
        disk.unlink(&oldest).expect("removed");
        let left = recovered(&on(&disk), Path::new(DIR));
        assert_eq!(left.segments[0].link, Link::Fresh);
    }
}

#[test]
fn on_a_full_disk_the_reserve_makes_room_and_a_start_goes_on_failing() {
    let disk = FaultDisk::new();
    let dir = Path::new(DIR);
    disk.make_dir(dir).expect("made");
    disk.set_capacity(512 << 20);
    let mut log =
        SegmentLog::after(on(&disk), &recovered(&on(&disk), dir), About::default()).expect("opened");
    let state = [frame(FrameKind::Checkpoint, &"x".repeat(1 << 20))];
    log.begin(&state, Beginning::Alone).expect("begun");
    log.refill_reserve();
    let reserve = dir.join("reserve");
    assert!(disk.list(dir).expect("listed").contains(&reserve));
    disk.set_capacity(0);
    log.take(&item("no room"));
    assert!(log.write().is_err() && log.begin(&state, Beginning::Alone).is_err());
    assert!(!disk.list(dir).expect("listed").contains(&reserve), "it was worth a try");
    disk.set_capacity(3 << 20);
    log.begin(&state, Beginning::Alone).expect("room again");
    drop(log);
    disk.set_capacity(0);
    let left = recovered(&on(&disk), dir);
    let journal = Journal::begin(on(&disk), &left, About::default(), &state, telemetry()).expect("it starts");
    assert!(journal.handle().failing().is_some());
    disk.set_capacity(512 << 20);
    journal.handle().begin_segment(state.to_vec(), Beginning::Alone).expect("healed");
    assert!(journal.handle().append(item("on"), Sync::Now).is_ok());
    journal.close(&state).expect("closed");
}
