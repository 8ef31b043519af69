//! A daemon of one's own: a directory with its configuration, the running process, what it told, and
//! the Python readers that look at what it wrote.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ebbd_core::model::Minute;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for anything that ought to happen at once.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
pub const EBBD: &str = env!("CARGO_BIN_EXE_ebbd");

/// The stream of the documentation under another name.
pub fn stream(name: &str) -> String {
    format!(
        r#"
[stream.{name}]
dimensions = ["marketplace", "feature", "payment", "status"]
sums = {{ amount = {{ field = "amount", scale = 2, currency = "currency" }} }}
distinct = ["customer"]
origin = "host"
watched = {{ status = ["placed"] }}
watch = [[], ["marketplace"], ["feature"], ["marketplace", "feature"]]
"#
    )
}

/// The minute that it is now.
pub fn this_minute() -> Minute {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Minute(i32::try_from(since_1970.as_secs() / 60).unwrap())
}

/// A port that is free for TCP and UDP, below those that the system hands out itself.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 1000) as u16 * 12;
    loop {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let place = ("127.0.0.1", port);
        if TcpListener::bind(place).is_ok() && UdpSocket::bind(place).is_ok() {
            return port;
        }
    }
}

/// Waits for something to become true.
pub fn eventually(what: &str, patience: Duration, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < patience, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Notes for docs/reliability.md what a harness did: `figure` of `what`, by `part`.
pub fn result(what: &str, part: &str, figure: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/reliability");
    let note = serde_json::json!({ "what": what, "part": part, "figure": figure });
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join(format!("{what}-{part}.json").replace(' ', "-")), note.to_string()).unwrap();
}

/// A directory with a configuration and everything that a daemon keeps.
pub struct Place {
    dir: TempDir,
    http: u16,
}

impl Place {
    /// A new directory; `tables` is the configuration but for its first lines. `@` in it is the directory.
    pub fn new(tables: &str) -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap(), http: free_port() };
        place.configure(tables);
        place
    }

    /// Writes another configuration.
    pub fn configure(&self, tables: &str) {
        let head = format!("data_dir = \"@/data\"\nhttp = \"127.0.0.1:{}\"\nhost = \"test\"\n", self.http);
        let text = (head + tables).replace('@', self.dir.path().to_str().unwrap());
        fs::write(self.config(), text).unwrap();
    }

    /// A file of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.path("ebbd.toml")
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Runs another command of the binary with its configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(EBBD);
        command.args(arguments).arg("-c").arg(self.config()).stdin(Stdio::null());
        command
    }

    /// Starts `ebbd run` and waits until it counts.
    pub fn start(&self) -> Running {
        self.start_reading(Stdio::null())
    }

    /// The same with something on standard input.
    pub fn start_reading(&self, input: Stdio) -> Running {
        self.when_ready(self.spawn(input))
    }

    /// Waits until it counts.
    pub fn when_ready(&self, running: Running) -> Running {
        let begun = Instant::now();
        while !running.is_ready() {
            assert!(begun.elapsed() < PATIENCE, "it does not get ready:\n{}", running.told());
            assert!(running.is_alive(), "it ended instead of starting:\n{}", running.told());
            std::thread::sleep(Duration::from_millis(10));
        }
        running
    }

    /// Starts `ebbd run`.
    pub fn spawn(&self, input: Stdio) -> Running {
        self.spawn_by(self.command(&["run"]), input)
    }

    /// Starts it by this command.
    pub fn spawn_by(&self, mut command: Command, input: Stdio) -> Running {
        let told = tempfile::NamedTempFile::new_in(self.dir.path()).unwrap().keep().unwrap().1;
        let stderr = File::create(&told).unwrap();
        command.stdin(input).stderr(stderr).env("NO_COLOR", "1");
        Running { child: Some(command.spawn().unwrap()), http: self.http, told }
    }

    /// Rows of a DuckDB statement; `@NAME` is the dataset NAME of its data directory.
    pub fn sql(&self, statement: &str) -> Vec<Value> {
        let mut parts = statement.split('@');
        let mut text = parts.next().unwrap().to_owned();
        for part in parts {
            let end = part.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(part.len());
            let files = self.data().join(&part[..end]).join("**/*.parquet");
            let options = "hive_partitioning = true, union_by_name = true";
            text += &format!("read_parquet('{}', {options}){}", files.display(), &part[end..]);
        }
        let output = python("sql.py", &[&text]);
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        let rows = String::from_utf8(output.stdout).unwrap();
        rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect()
    }

    /// The ledger's sums per source.
    pub fn ledger(&self) -> Vec<Value> {
        let reasons: Vec<String> = ebbd_core::model::Reason::ALL
            .iter()
            .map(|reason| format!("sum(rejected_{0}) as {0}", reason.name()))
            .collect();
        let rows = self.sql(&format!(
            "select source, sum(received) as received, sum(counted) as counted, sum(control) as control, \
             sum(duplicate) as duplicate, sum(dropped_queue) as dropped_queue, sum(late) as late, \
             sum(dropped_crash) as dropped_crash, sum(kernel_datagrams) as kernel_datagrams, {} \
             from @ledger group by source order by source",
            reasons.join(", ")
        ));
        rows.iter().for_each(assert_balanced);
        rows
    }

    /// Recounts raw lines by DuckDB and compares with `streams`; how many events each has.
    pub fn recount(&self, raw: &Path, streams: &[&str], more: &[&str]) -> u64 {
        let mut arguments: Vec<&str> = streams.iter().flat_map(|stream| ["--stream", stream]).collect();
        arguments
            .extend(["marketplace", "feature", "payment", "status"].iter().flat_map(|d| ["--dimension", d]));
        let data = self.data();
        arguments.extend(more.iter().copied());
        arguments.extend(["--data-dir", data.to_str().unwrap(), raw.to_str().unwrap()]);
        let output = python("recount.py", &arguments);
        let (told, complaints) = (output.stdout, String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8(told).unwrap();
        assert!(output.status.success(), "the recount differs:\n{told}{complaints}");
        let first: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
        first["written"].as_u64().unwrap()
    }
}

/// What is compared beside counts where events carry amounts and customers.
pub const MONEY: [&str; 4] = ["--sum", "amount:2:currency", "--distinct", "customer"];

fn assert_balanced(row: &Value) {
    let figure = |name: &str| row[name].as_u64().unwrap();
    let refused: u64 = ebbd_core::model::Reason::ALL.iter().map(|reason| figure(reason.name())).sum();
    let spent: u64 =
        ["counted", "control", "duplicate", "dropped_queue", "dropped_crash"].iter().map(|n| figure(n)).sum();
    assert_eq!(figure("received"), spent + refused, "the ledger does not balance: {row}");
}

/// Runs a script of tests/python with the environment that tests/setup.sh makes.
pub fn python(script: &str, arguments: &[&str]) -> Output {
    python_command(script).args(arguments).output().unwrap()
}

/// The same, to be started by the caller.
pub fn python_command(script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let python = root.join(".venv/bin/python");
    assert!(python.exists(), "the Python readers are not installed: run tests/setup.sh once");
    let mut command = Command::new(python);
    command.arg(root.join("tests/python").join(script));
    command
}

/// A running daemon. It is killed when it is dropped.
pub struct Running {
    child: Option<Child>,
    http: u16,
    told: PathBuf,
}

/// How a daemon ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Its standard error.
    pub told: String,
}

impl Running {
    /// What it has written to standard error so far.
    pub fn told(&self) -> String {
        fs::read_to_string(&self.told).unwrap_or_default()
    }

    /// Its process.
    pub fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("it runs until it is dropped")
    }

    /// Where it answers HTTP.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.http)
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().expect("it runs until it is dropped"))
    }

    /// Whether its process is there.
    pub fn is_alive(&self) -> bool {
        let state = fs::read_to_string(format!("/proc/{}/stat", self.pid().as_raw_nonzero()));
        state.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
    }

    fn is_ready(&self) -> bool {
        self.get("/readyz").is_some_and(|(status, _)| status == 200)
    }

    /// An answer over HTTP: status and body.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Its status.
    pub fn status(&self) -> Value {
        let (code, body) = self.get("/api/v1/status").expect("it answers");
        assert_eq!(code, 200);
        serde_json::from_str(&body).unwrap()
    }

    /// Lines that its sources have received since it started.
    pub fn lines(&self) -> u64 {
        self.status()["sources"].as_array().unwrap().iter().map(|s| s["lines"].as_u64().unwrap()).sum()
    }

    /// Waits until its sources have received `lines` lines in all.
    pub fn await_lines(&self, lines: u64) {
        let begun = Instant::now();
        loop {
            let now = self.lines();
            if now >= lines {
                assert_eq!(now, lines, "more lines than were sent");
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{now} of {lines} lines came:\n{}", self.told());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// SIGTERM, and its end.
    pub fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.wait(PATIENCE)
    }

    /// SIGTERM, and an end as it ought to be.
    pub fn stop_in_order(self) {
        let ended = self.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.told);
        assert!(!ended.told.contains("panicked"), "{}", ended.told);
    }

    /// Its end.
    pub fn wait(mut self, patience: Duration) -> Ended {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child().try_wait().unwrap() {
                return Ended { code: status.code(), told: self.told() };
            }
            assert!(begun.elapsed() < patience, "it does not end:\n{}", self.told());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
