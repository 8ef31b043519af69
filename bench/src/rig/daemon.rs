//! A fresh daemon as a child process: configured, watched through its HTTP, stopped in order.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ebbd_bench::{Spent, Target, WireFormat};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::ingest::stream_config;
use super::{Failure, free_address, sibling};

/// How long a daemon may take to start, and to count what it was sent.
const PATIENCE: Duration = Duration::from_secs(120);
/// When nothing more has come for so long, the rest is lost.
const LOST_AFTER: Duration = Duration::from_millis(1500);
const POLL: Duration = Duration::from_millis(20);

/// How lines come to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Transport {
    /// A UNIX stream.
    Unix,
    /// A TCP connection.
    Tcp,
    /// UDP datagrams.
    Udp,
    /// UNIX datagrams.
    Unixgram,
    /// A file that is there from the start.
    File,
}

impl Transport {
    /// Its name as a source's type.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Unix => "unix",
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::Unixgram => "unix_datagram",
            Transport::File => "file",
        }
    }

    /// Whether lines can get lost.
    pub fn is_lossy(self) -> bool {
        self == Transport::Udp
    }

    /// A target of this transport in `dir`.
    ///
    /// # Errors
    /// No address is free.
    pub fn target(self, dir: &std::path::Path) -> Result<Target, Failure> {
        let path = dir.join("in").display().to_string();
        Ok(match self {
            Transport::Unix => Target::Unix(path),
            Transport::Unixgram => Target::UnixDatagram(path),
            Transport::File => Target::File(path),
            Transport::Tcp => Target::Tcp(free_address()?),
            Transport::Udp => Target::Udp(free_address()?),
        })
    }
}

/// How a daemon is configured.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its one source.
    pub transport: Transport,
    /// The format of its lines.
    pub format: WireFormat,
    /// Threads that count.
    pub lanes: usize,
    /// `limits.series`.
    pub series: u64,
    /// `limits.memory` in MiB.
    pub memory_mib: u64,
    /// `parquet.roll` in seconds.
    pub roll_s: u32,
    /// Groupings that are judged, as TOML; empty for the default.
    pub watch: &'static str,
    /// Further lines of the source.
    pub source_more: &'static str,
}

impl Setup {
    /// The reference: one lane, the default limits.
    pub fn new(transport: Transport, format: WireFormat) -> Setup {
        Setup {
            transport,
            format,
            lanes: 1,
            series: 200_000,
            memory_mib: 1024,
            roll_s: 300,
            watch: "",
            source_more: "",
        }
    }

    fn toml(&self, dir: &std::path::Path, http: &str, target: &Target) -> String {
        let place = match target {
            Target::Unix(path) | Target::UnixDatagram(path) => format!("listen = \"{path}\""),
            Target::Tcp(address) | Target::Udp(address) => format!("listen = \"{address}\""),
            Target::File(path) => format!("path = \"{path}\"\nfrom = \"start\""),
            Target::Stdout => String::new(),
        };
        let watch = if self.watch.is_empty() { String::new() } else { format!("watch = {}\n", self.watch) };
        format!(
            "data_dir = \"{}\"\nhttp = \"{http}\"\nlanes = {}\n{}{watch}\n[source.load]\ntype = \"{}\"\nformat = \"{}\"\n{place}\n{}\n\
             [limits]\nmemory = \"{}MiB\"\nseries = {}\n[parquet]\nroll = \"{}s\"\n",
            dir.join("data").display(),
            self.lanes,
            stream_config(self.format),
            self.transport.name(),
            self.format.name(),
            self.source_more,
            self.memory_mib,
            self.series,
            self.roll_s,
        )
    }
}

/// A running daemon.
pub struct Daemon {
    child: Child,
    http: String,
    dir: tempfile::TempDir,
    before: Spent,
    /// Where its lines go.
    pub target: Target,
}

/// What a daemon has been through.
#[derive(Debug)]
pub struct Ended {
    /// CPU of its whole life, start and stop included.
    pub spent: Spent,
    /// CPU microseconds of each thread up to the stop, by name.
    pub threads: BTreeMap<String, f64>,
    /// Peak of its resident memory, in KiB.
    pub peak_kib: u64,
    /// Its last status report.
    pub status: Value,
    /// Where its Parquet lies.
    pub dir: tempfile::TempDir,
}

impl Daemon {
    /// Starts a daemon in a directory of its own and waits until it is ready.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(setup: &Setup) -> Result<Daemon, Failure> {
        let dir = tempfile::Builder::new().prefix("ebbd-bench.").tempdir()?;
        let (http, target) = (free_address()?, setup.transport.target(dir.path())?);
        let config = dir.path().join("ebbd.toml");
        fs::write(&config, setup.toml(dir.path(), &http, &target))?;
        let told = fs::File::create(dir.path().join("told"))?;
        let mut command = Command::new(sibling("ebbd")?);
        command.arg("run").arg("-c").arg(&config).current_dir(dir.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(told).spawn()?;
        let mut daemon = Daemon { child, http, dir, before: Spent::by_children(), target };
        let start = Instant::now();
        while daemon.get("/readyz").is_err() {
            if start.elapsed() > PATIENCE || daemon.child.try_wait()?.is_some() {
                let told = fs::read_to_string(daemon.dir.path().join("told"))?;
                return Err(format!("the daemon does not start: {told}").into());
            }
            std::thread::sleep(POLL);
        }
        Ok(daemon)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its Parquet appears.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The body of a page of its HTTP.
    fn get(&self, path: &str) -> Result<String, Failure> {
        let mut stream = TcpStream::connect(&self.http)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("half an answer")?;
        if head.split(' ').nth(1) == Some("200") { Ok(body.to_owned()) } else { Err(head.to_owned().into()) }
    }

    /// Its status report.
    ///
    /// # Errors
    /// It doesn't answer.
    pub fn status(&self) -> Result<Value, Failure> {
        Ok(serde_json::from_str(&self.get("/api/v1/status")?)?)
    }

    /// Waits until it has taken `lines`, or until no more come.
    ///
    /// # Errors
    /// It doesn't answer.
    pub fn await_lines(&self, lines: u64) -> Result<u64, Failure> {
        let (start, mut last, mut since) = (Instant::now(), 0, Instant::now());
        loop {
            let status = self.status()?;
            let ledger = &status["ledger"];
            let received = ledger["received"].as_u64().unwrap_or(0);
            if received >= lines {
                return Ok(received);
            }
            if received > last {
                (last, since) = (received, Instant::now());
            }
            if start.elapsed() > PATIENCE || since.elapsed() > LOST_AFTER && start.elapsed() > LOST_AFTER * 2
            {
                return Ok(received);
            }
            std::thread::sleep(POLL);
        }
    }

    /// CPU microseconds of each thread so far; threads of the same kind are told together.
    ///
    /// # Errors
    /// The process is gone.
    pub fn threads(&self) -> Result<BTreeMap<String, f64>, Failure> {
        let mut threads = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            let task = task?.path();
            let name = fs::read_to_string(task.join("comm"))?.trim().to_owned();
            let stat = fs::read_to_string(task.join("schedstat"))?;
            let ns: f64 = stat.split(' ').next().ok_or("no schedstat")?.parse()?;
            let name = if name.starts_with("ebbd-tokio") { "tokio".to_owned() } else { name };
            *threads.entry(name).or_default() += ns / 1e3;
        }
        Ok(threads)
    }

    /// A figure of `/proc/PID/status`, in KiB.
    ///
    /// # Errors
    /// The process is gone.
    pub fn memory_kib(&self, key: &str) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)).ok_or("no such figure")?;
        Ok(line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?)
    }

    /// Stops it in order and says what it spent.
    ///
    /// # Errors
    /// It ends with an error.
    pub fn stop(mut self) -> Result<Ended, Failure> {
        let (status, threads, peak_kib) = (self.status()?, self.threads()?, self.memory_kib("VmHWM")?);
        kill(Pid::from_raw(self.pid() as i32), Signal::SIGTERM)?;
        let exit = self.child.wait()?;
        if !exit.success() {
            let told = fs::read_to_string(self.dir.path().join("told"))?;
            return Err(format!("the daemon ended with {exit}: {told}").into());
        }
        let spent = Spent::by_children() - self.before;
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir()?);
        Ok(Ended { spent, threads, peak_kib, status, dir })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Gone already after an orderly stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
