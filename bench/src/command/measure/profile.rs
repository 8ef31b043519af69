//! Which functions of the daemon take the time, sampled by perf while the reference comes over a UNIX stream.

use std::path::Path;
use std::process::{Command, Stdio};

use ebbd_bench::{Pace, Sender, ShopLoad, ShopSpec, WireFormat};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::either;
use crate::command::this_minute;
use crate::kept::{Figure, Outcome};
use crate::rig::{Daemon, Failure, Setup, Transport};

/// Functions that are told.
const TOLD: usize = 16;

pub(super) fn measure(quick: bool) -> Result<Outcome, Failure> {
    let events = either(quick, 8_000_000, 2_000_000);
    let text = ShopLoad::new(ShopSpec::reference(events, this_minute())).text(WireFormat::Ndjson);
    let daemon = Daemon::start(&Setup::new(Transport::Unix, WireFormat::Ndjson))?;
    let dir = tempfile::tempdir()?;
    let samples = dir.path().join("samples");
    let mut perf = Command::new("perf");
    perf.args(["record", "-q", "-e", "cpu-clock", "-F", "1999", "-p", &daemon.pid().to_string(), "-o"]);
    let perf = perf.arg(&samples).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut perf =
        perf.map_err(|error| format!("perf does not start ({error}): Debian has it in linux-perf"))?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut sender = Sender::open(&daemon.target, Pace::default())?;
    sender.send(&text)?;
    sender.finish()?;
    daemon.await_lines(events)?;
    kill(Pid::from_raw(perf.id() as i32), Signal::SIGINT)?;
    perf.wait()?;
    let figures = functions(&samples)?;
    daemon.stop()?;
    let remarks =
        vec!["Share of all CPU time from the first byte to the last line, kernel included.".to_owned()];
    Ok(Outcome::new("profile", figures, remarks))
}

/// The functions with the most samples, by share.
fn functions(samples: &Path) -> Result<Vec<Figure>, Failure> {
    let mut report = Command::new("perf");
    report.args(["report", "--stdio", "--no-children", "-s", "comm,symbol", "-g", "none", "-i"]);
    let told = report.arg(samples).stderr(Stdio::null()).output()?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let figure = |line: &str| {
        let (share, what) = line.trim().split_once("%")?;
        let share: f64 = share.trim().parse().ok()?;
        let words: Vec<&str> = what.split_whitespace().collect();
        Some(Figure::new(&words.join(" "), "% of the CPU time", vec![share]))
    };
    Ok(told.lines().filter(|line| !line.starts_with('#')).filter_map(figure).take(TOLD).collect())
}
