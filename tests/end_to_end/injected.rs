//! The daemon's own system calls, gone through one by one: at the Nth call of a kind it is killed, or the call
//! fails, and whatever it was in the middle of, followed files and acknowledged senders are counted once.
//!
//! `INJECT_ROUNDS` lives (three dozen unless told), spread evenly over all that are asked for; 1200 are all.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ebbd_bench::WireFormat;
use rustix::process::{Pid, Signal, kill_process};

use super::crash::{
    Till, assert_not_stuck, await_quiet, number, place, recounted, sent_for_sure, sent_plainly,
    written_slowly,
};
use super::support::{EBBD, Place, Running, result};
use super::wire::{append, load};

/// Calls that change what is on the disk, or what others see of it.
const CALLS: [&str; 10] = [
    "write",
    "fdatasync",
    "fsync",
    "openat",
    "rename",
    "renameat2",
    "pwrite64",
    "unlink",
    "ftruncate",
    "mkdir",
];
/// What becomes of the call.
const INJECTED: [&str; 3] = ["signal=KILL", "error=EIO", "error=ENOSPC"];
/// The first so many calls of each thread.
const DEPTH: u64 = 40;
/// A life that nothing ends is ended after so long: at least one roll is in it.
const LIFE: Duration = Duration::from_millis(1_700);
const LINES_A_ROUND: usize = 300;

/// All lives have their turn, and a part of them is of all kinds: it has no divisor in common with their number.
const STRIDE: u64 = 641;

/// The `at`th of all lives: a call, what becomes of it, which one it is.
fn injection(at: u64) -> String {
    let (call, rest) = (CALLS[at as usize % CALLS.len()], at / CALLS.len() as u64);
    let (what, nth) = (INJECTED[(rest % 3) as usize], 1 + rest / 3 % DEPTH);
    format!("{call}:{what}:when={nth}")
}

/// Whether a process can be traced here; else the reason.
fn can_trace() -> Result<(), String> {
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("strace: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("strace: {error}")),
    }
}

/// A daemon below strace.
fn traced(place: &Place, injection: &str) -> Running {
    let call = injection.split(':').next().expect("a call");
    let mut command = Command::new("strace");
    command.args(["-f", "--seccomp-bpf", "-e", &format!("trace={call}"), "-o"]).arg(place.path("calls"));
    command.args(["-e", &format!("inject={injection}"), EBBD, "run", "-c"]).arg(place.config());
    place.spawn_by(command, Stdio::null())
}

/// Kills what is traced; its tracer ends by itself.
fn killed(running: Running) {
    let tracer = running.pid().as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children"));
    for child in children.unwrap_or_default().split_whitespace() {
        let pid = child.parse().ok().and_then(Pid::from_raw).expect("a process id");
        // It may have died by itself.
        let _ = kill_process(pid, Signal::KILL);
    }
    running.wait(super::support::PATIENCE);
}

/// One life: whether what was asked for has happened.
fn lived(place: &Place, injection: &str) -> bool {
    let (running, begun) = (traced(place, injection), Instant::now());
    while running.is_alive() && begun.elapsed() < LIFE {
        thread::sleep(Duration::from_millis(10));
    }
    let told = running.told();
    assert!(!told.contains("panicked"), "{injection}:\n{told}");
    let died = !running.is_alive();
    killed(running);
    died || std::fs::read_to_string(place.path("calls")).is_ok_and(|calls| calls.contains("(INJECTED)"))
}

#[test]
fn nothing_is_lost_or_doubled_at_any_call() {
    if let Err(reason) = can_trace() {
        println!("skipped: {reason}");
        return result("injected calls", "skipped", &reason);
    }
    let all = CALLS.len() as u64 * INJECTED.len() as u64 * DEPTH;
    let rounds = number("INJECT_ROUNDS", 36).clamp(1, all);
    let place = place("type = \"unix\"\nlisten = \"@/till.sock\"");
    let lines = LINES_A_ROUND * rounds as usize;
    let text = load(77, lines).text(WireFormat::Ndjson);
    let plain: Vec<String> = text.lines().map(str::to_owned).collect();
    let time = LIFE * u32::try_from(rounds).unwrap();
    let (log, stop) = (place.path("orders.log"), Arc::new(AtomicBool::new(false)));
    let writer = written_slowly(log.clone(), text, time);
    let sender = sent_plainly(place.path("events.sock"), plain, Arc::clone(&stop));
    let till: Vec<String> =
        load(78, lines / 2).text(WireFormat::Ndjson).split_inclusive('\n').map(str::to_owned).collect();
    append(&place.path("till.ndjson"), till.concat().as_bytes());
    let to = Till::Unix(place.path("till.sock"));
    let till = sent_for_sure(to, till, time / u32::try_from(lines / 2).unwrap());
    let happened = (0..rounds).filter(|round| lived(&place, &injection(round * STRIDE % all))).count();
    writer.join().unwrap();
    let running = place.start();
    stop.store(true, Ordering::Relaxed);
    let sent = sender.join().unwrap();
    till.join().unwrap();
    await_quiet(&running);
    assert_not_stuck(&running);
    running.stop_in_order();
    assert!(happened as u64 * 4 >= rounds, "{happened} of {rounds} lives had their call: this shows little");
    recounted(&place, &log, lines as u64, sent, 77);
    println!("{happened} of {rounds} lives came to their call");
    result("injected calls", "all", &happened.to_string());
}
