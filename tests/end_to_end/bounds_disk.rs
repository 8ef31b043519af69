//! Disks that are full, refuse or can't be written at all: counting and alarms go on, records say that they
//! are not durable, and when the disk works again nothing is missing from the files.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::strain::Strain;
use super::support::{PATIENCE, Place, Running, eventually};
use super::wire::through_unix;

/// Marks sent at once to have something written.
const MARKS: u64 = 200;

/// A small file system of one's own in place of a directory. It goes with it.
pub struct Mounted(PathBuf);

impl Mounted {
    /// None, with the reason told, where mounting is not allowed.
    pub fn at(dir: &Path, options: &str) -> Option<Mounted> {
        std::fs::create_dir_all(dir).unwrap();
        let mut mount = Command::new("mount");
        let output = mount.args(["-t", "tmpfs", "-o", options, "ebbd-test"]).arg(dir).output();
        match output {
            Ok(output) if output.status.success() => Some(Mounted(dir.to_owned())),
            Ok(output) => skipped(&format!("mount: {}", String::from_utf8_lossy(&output.stderr))),
            Err(error) => skipped(&format!("mount: {error}")),
        }
    }

    /// Takes all the space there is.
    pub fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).unwrap();
        let block = vec![7_u8; 1 << 16];
        while file.write_all(&block).is_ok() {}
        while file.write_all(&block[..512]).is_ok() {}
    }

    /// Gives it back.
    pub fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What can't be unmounted yet goes with its last user.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn skipped<T>(why: &str) -> Option<T> {
    eprintln!("skipped: {why}");
    None
}

/// A disk that fails the system calls named in `calls` with `error` until it is dropped; none, with the
/// reason told, where processes can't be traced.
fn failing(running: &Running, calls: &str, error: &str) -> Option<Failing> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    strace.args(["-e", &format!("inject={calls}:error={error}")]);
    strace.arg("-p").arg(running.pid().as_raw_nonzero().to_string()).stderr(Stdio::piped());
    let mut child = match strace.spawn() {
        Ok(child) => child,
        Err(error) => return skipped(&format!("strace: {error}")),
    };
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut said).unwrap();
    if said.contains("attached") { Some(Failing(child, stderr)) } else { skipped(&format!("strace: {said}")) }
}

/// With what it says of new threads, which it would end of if nobody kept it.
struct Failing(Child, #[expect(dead_code, reason = "kept open")] BufReader<ChildStderr>);

impl Drop for Failing {
    fn drop(&mut self) {
        // The traced process goes on without it.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// The records of kind `ebbd` that come over the alarm socket.
struct Troubles(BufReader<UnixStream>);

impl Troubles {
    fn of(place: &Place) -> Troubles {
        let stream = UnixStream::connect(place.data().join("alarms.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Troubles(BufReader::new(stream))
    }

    /// The next one in this state.
    fn next(&mut self, state: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(
                self.0.read_line(&mut line).expect("a line within a minute") > 0,
                "the socket was closed"
            );
            let record: Value = serde_json::from_str(&line).unwrap();
            if record["kind"] == "ebbd" && record["state"] == state {
                return record;
            }
        }
    }
}

/// Has marks written until `is_told` of it; how many were sent.
fn until_noticed(strain: &Strain, from: u64, is_told: impl Fn() -> bool) -> u64 {
    let mut sent = from;
    eventually("the trouble is noticed", PATIENCE, || {
        let padding = "x".repeat(900);
        let mark = |n| format!("{{\"ebbd\":\"mark\",\"kind\":\"note\",\"what\":\"{n} {padding}\"}}\n");
        let text: String = (sent..sent + MARKS).map(mark).collect();
        through_unix(&strain.target(), text.as_bytes());
        sent += MARKS;
        std::thread::sleep(Duration::from_millis(200));
        is_told()
    });
    sent
}

/// After the disk works again: nothing is degraded, the alarm is over, every file is whole.
fn heals(strain: &Strain, running: &Running, troubles: &mut Troubles) {
    eventually("it heals by itself", PATIENCE, || running.degraded() == "[]");
    let over = troubles.next("resolved");
    assert_eq!((&over["durable"], &over["no"]), (&true.into(), &1.into()), "one alarm: {over}");
    running.is_calm();
    running.kept_memory();
    strain.is_served_again(running, 100, 100);
}

fn journal_fails(running: &Running) -> bool {
    running.metric("ebbd_journal_degraded", "") > 0.0
}

#[test]
fn a_full_disk_heals() {
    let strain = Strain::new("");
    let Some(disk) = Mounted::at(&strain.place.data(), "size=24m") else { return };
    let running = strain.place.start();
    let mut troubles = Troubles::of(&strain.place);
    let healthy = strain.healthy(false);
    disk.fill();
    let marks = until_noticed(&strain, 0, || journal_fails(&running));
    let told = troubles.next("firing");
    assert_eq!(told["durable"], false, "{told}");
    eventually("files can't be written either", PATIENCE, || running.degraded().contains("Parquet"));
    running.is_calm();
    disk.free();
    heals(&strain, &running, &mut troubles);
    let sent = healthy.finish(&running);
    let ledger = strain.finish(running, sent, 100);
    let attacked = ledger.iter().find(|row| row["source"] == "attacked").unwrap();
    assert_eq!(attacked["control"].as_u64(), Some(marks));
    let kept = strain.place.sql("select count(distinct what) as n from @marks");
    assert_eq!(kept[0]["n"].as_u64(), Some(marks));
}

#[test]
fn a_disk_that_can_t_sync_heals() {
    let strain = Strain::new("");
    let running = strain.place.start();
    let mut troubles = Troubles::of(&strain.place);
    let healthy = strain.healthy(false);
    let Some(bad) = failing(&running, "fsync,fdatasync", "EIO") else { return };
    until_noticed(&strain, 0, || journal_fails(&running));
    assert_eq!(troubles.next("firing")["durable"], false);
    running.is_calm();
    drop(bad);
    heals(&strain, &running, &mut troubles);
    let sent = healthy.finish(&running);
    strain.finish(running, sent, 100);
}

#[test]
fn a_disk_that_became_read_only_heals() {
    let strain = Strain::new("");
    let running = strain.place.start();
    let mut troubles = Troubles::of(&strain.place);
    let healthy = strain.healthy(false);
    let calls = "openat,rename,renameat2,mkdir,unlink,fallocate,ftruncate";
    let Some(bad) = failing(&running, calls, "EROFS") else { return };
    until_noticed(&strain, 0, || running.degraded().contains("Parquet"));
    let told = troubles.next("firing");
    // The journal's next segment may have been refused first.
    assert!(told["title"].as_str().unwrap().contains(" cannot be written"), "{told}");
    let open = running.status()["alarms"].as_array().unwrap().len();
    assert_eq!(open, 1, "the status has it at once");
    running.is_calm();
    drop(bad);
    heals(&strain, &running, &mut troubles);
    assert_eq!(running.status()["alarms"].as_array().unwrap().len(), 0);
    let sent = healthy.finish(&running);
    strain.finish(running, sent, 100);
}

#[test]
fn a_disk_that_can_t_be_written_is_refused_at_the_start() {
    let strain = Strain::new("");
    let Some(_disk) = Mounted::at(&strain.place.data(), "size=8m,ro") else { return };
    let ended = strain.place.spawn(Stdio::null()).wait(PATIENCE);
    assert_eq!(ended.code, Some(3), "{}", ended.told);
    assert!(ended.told.contains("Read-only file system"), "{}", ended.told);
    assert!(!ended.told.contains("panicked"), "{}", ended.told);
}
