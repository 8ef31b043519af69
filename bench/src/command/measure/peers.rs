//! Whoever else does the same: query engines on files, counters of StatsD lines, a JSON library.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ebbd_bench::{Pace, Sender, ShopLoad, ShopSpec, Spent, Target, Truth, WireFormat};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use crate::command::this_minute;
use crate::rig::{Failure, run_child};

/// The query engines, in the order in which they run.
pub(super) const TOOLS: [&str; 3] = ["duckdb", "polars", "chdb"];
/// What bench/peers/setup.sh makes.
const FOLDER: &str = "bench/peers";
/// Sums of estimates may differ by so much.
const DISTINCT_TOLERANCE: f64 = 0.03;

/// What a query engine answers.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Answer {
    /// CPU of the query alone, imports apart.
    pub(super) cpu_ns: f64,
    rows: u64,
    events: u64,
    cents: u64,
    distinct: f64,
}

impl Answer {
    /// Compares with what was written, and its estimates with ours.
    pub(super) fn must_agree(self, tool: &str, truth: &Truth, distinct: f64) -> Result<(), Failure> {
        let same = (self.rows, self.events, self.cents) == (truth.rows, truth.events, truth.cents);
        if same && (self.distinct / distinct - 1.0).abs() < DISTINCT_TOLERANCE {
            return Ok(());
        }
        let Truth { rows, events, cents, .. } = truth;
        Err(format!("{tool} answers {self:?}; it is {rows} rows, {events} events, {cents} cents, {distinct}")
            .into())
    }
}

/// Reads a file to its end, so that it is in memory.
pub(super) fn warm(file: &Path) -> io::Result<()> {
    let (mut file, mut buffer) = (File::open(file)?, vec![0; 1 << 20]);
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}

/// The query on `file`; `None` where the tool is not installed.
pub(super) fn query(tool: &str, format: WireFormat, file: &Path) -> Result<Option<Answer>, Failure> {
    let python = PathBuf::from(FOLDER).join(".venv/bin/python");
    if !python.exists() {
        return Ok(None);
    }
    let out = tempfile::tempdir()?;
    let mut command = Command::new(python);
    command.arg(Path::new(FOLDER).join("query.py")).args([tool, format.name()]);
    let ended = run_child(command.arg(file).arg(out.path().join("out.parquet")))?;
    if ended.told.trim() == "missing" {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&ended.told)?))
}

/// The program with the JSON library, on a file of NDJSON; `None` where it is not built.
pub(super) fn sonic(file: &Path, truth: &Truth) -> Result<Option<f64>, Failure> {
    let program = Path::new(FOLDER).join("sonic/target/release/sonic-typed");
    if !program.exists() {
        return Ok(None);
    }
    let ended = run_child(Command::new(program).arg(file))?;
    let told: serde_json::Value = serde_json::from_str(&ended.told)?;
    if told["events"] != truth.events || told["cents"] != truth.cents || told["rows"] != truth.rows {
        return Err(format!("sonic-rs counts {told}, it is {truth:?}").into());
    }
    Ok(Some(ended.spent.ns_each(truth.lines)))
}

/// A counter of StatsD lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    Brubeck,
    Statsite,
}

impl Counter {
    /// Its name and that of its program.
    pub(super) fn name(self) -> &'static str {
        match self {
            Counter::Brubeck => "brubeck",
            Counter::Statsite => "statsite",
        }
    }

    /// Its configuration: one UDP port, nothing written while it is measured.
    fn config(self, port: u16) -> String {
        match self {
            Counter::Brubeck => format!(
                r#"{{"sharding": false, "server_name": "b", "dumpfile": "/dev/null", "capacity": 15,
                "backends": [{{"type": "carbon", "address": "127.0.0.1", "port": 1, "frequency": 600}}],
                "samplers": [{{"type": "statsd", "address": "127.0.0.1", "port": {port}, "workers": 1,
                "multisock": false, "multimsg": 1}}]}}"#
            ),
            Counter::Statsite => format!(
                "[statsite]\nport = 0\nudp_port = {port}\nudp_rcvbuf = 8388608\nflush_interval = 600\nlog_level = WARN\n\
                 stream_cmd = cat >/dev/null\n"
            ),
        }
    }
}

/// CPU ns per line received of each round, the lines packed as for the daemon but with the dimensions in the
/// names; `None` where it is not built.
pub(super) fn counter(
    counter: Counter,
    events: u64,
    rate: u64,
    rounds: usize,
) -> Result<Option<Vec<f64>>, Failure> {
    let program = Path::new(FOLDER).join(".built").join(counter.name());
    if !program.exists() {
        return Ok(None);
    }
    let text = ShopLoad::new(ShopSpec::reference(events, this_minute())).text(WireFormat::StatsdPlain);
    (0..rounds)
        .map(|_| counter_round(counter, &program, &text, events, rate))
        .collect::<Result<_, _>>()
        .map(Some)
}

fn counter_round(
    counter: Counter,
    program: &Path,
    text: &[u8],
    events: u64,
    rate: u64,
) -> Result<f64, Failure> {
    let dir = tempfile::tempdir()?;
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let port = socket.local_addr()?.port();
    drop(socket);
    let config = dir.path().join("config");
    std::fs::write(&config, counter.config(port))?;
    let mut command = Command::new(std::fs::canonicalize(program)?);
    let flag = if counter == Counter::Brubeck { "--config" } else { "-f" };
    command.arg(flag).arg(&config).current_dir(dir.path());
    let before = Spent::by_children();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    std::thread::sleep(Duration::from_millis(700));
    let pace = Pace { lines_per_s: rate, ..Pace::default() };
    let mut sender = Sender::open(&Target::Udp(format!("127.0.0.1:{port}")), pace)?;
    sender.send(text)?;
    sender.finish()?;
    std::thread::sleep(Duration::from_millis(500));
    let lost = dropped_datagrams(port)? as f64 * pace.datagram_bytes as f64 / text.len() as f64;
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL)?;
    child.wait()?;
    Ok((Spent::by_children() - before).ns_each(events) / (1.0 - lost))
}

/// Datagrams that the kernel dropped at a port, as long as somebody has it.
fn dropped_datagrams(port: u16) -> Result<u64, Failure> {
    let table = std::fs::read_to_string("/proc/net/udp")?;
    let local = format!(":{port:04X}");
    let is_it = |line: &&str| line.split_whitespace().nth(1).is_some_and(|address| address.ends_with(&local));
    let drops = table.lines().find(is_it).and_then(|line| line.split_whitespace().last()?.parse().ok());
    Ok(drops.unwrap_or(0))
}
