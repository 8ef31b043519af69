//! Prometheus and Alertmanager as Debian has them: metrics that are scraped and checked, alarms that are
//! received, grouped and resolved, and what is shipped for both.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::support::{PATIENCE, Place, Running, eventually, free_port, python_command, stream, this_minute};
use super::wire::through_unix;

/// A program that tests/setup.sh unpacks.
pub fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/usr").join(name);
    assert!(path.exists(), "{} is missing: run tests/setup.sh once", path.display());
    path
}

/// A server in the background. It is killed when it is dropped.
pub struct Server(Child);

impl Server {
    /// Starts it; what it says goes to `log`.
    pub fn start(mut command: Command, log: &Path) -> Server {
        let said = fs::File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        Server(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(port: u16, path: &str) -> Option<Value> {
    let url = format!("http://127.0.0.1:{port}{path}");
    let output = Command::new("curl").args(["-fsS", "-g", "-m", "20", &url]).output().unwrap();
    serde_json::from_slice(&output.stdout).ok()
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/watching").join(name)
}

fn promtool(arguments: &[&str], input: Option<&Path>) {
    let mut command = Command::new(tool("bin/promtool"));
    command.args(arguments);
    if let Some(input) = input {
        command.stdin(fs::File::open(input).unwrap());
    }
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
}

/// Names of ebbd's metrics in a text: `ebbd_…`.
fn names(text: &str) -> Vec<String> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let mut names: Vec<String> =
        text.split(word).filter(|w| w.starts_with("ebbd_")).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

fn order(marketplace: &str) -> String {
    let now = this_minute().plus(-10).start().to_rfc3339();
    format!(
        "{{\"ts\":\"{now}\",\"marketplace\":\"{marketplace}\",\"status\":\"placed\",\"host\":\"web-01\"}}\n"
    )
}

const SOURCE: &str = "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\n[parquet]\nroll = \"2s\"\n";

/// Metrics as they are at some time, kept in a file.
fn metrics(running: &Running, place: &Place) -> (String, PathBuf) {
    let (status, text) = running.get("/metrics").unwrap();
    assert_eq!(status, 200);
    let body = unchunked(&text);
    let path = place.path("metrics");
    fs::write(&path, &body).unwrap();
    (body, path)
}

/// A body without the lengths of its chunks.
fn unchunked(text: &str) -> String {
    let is_length = |line: &str| !line.is_empty() && line.len() < 7 && u32::from_str_radix(line, 16).is_ok();
    text.lines().filter(|line| !is_length(line)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn prometheus_scrapes_and_its_tool_finds_nothing_to_say() {
    let place = Place::new(
        &(stream("orders") + SOURCE + "[outlet.pager]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:9\"\n"),
    );
    let running = place.start();
    through_unix(&place.path("events.sock"), order("US").repeat(500).as_bytes());
    running.await_lines(500);
    let (text, path) = metrics(&running, &place);
    promtool(&["check", "metrics"], Some(&path));

    let (port, config) = (free_port(), place.path("prometheus.yml"));
    let target = running.address();
    let rules = shipped("ebbd-rules.yml");
    fs::write(
        &config,
        format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{}]\n\
             scrape_configs: [{{ job_name: ebbd, static_configs: [{{ targets: [\"{target}\"] }}] }}]\n",
            rules.display()
        ),
    )
    .unwrap();
    promtool(&["check", "config", config.to_str().unwrap()], None);
    let mut command = Command::new(tool("bin/prometheus"));
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", place.path("tsdb").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let _prometheus = Server::start(command, &place.path("prometheus.log"));
    let query = "/api/v1/query?query=sum(ebbd_source_lines_total{source=\"shop\"})";
    eventually("it has scraped", PATIENCE, || {
        get(port, query).is_some_and(|answer| answer["data"]["result"][0]["value"][1] == "500")
    });
    let rules = get(port, "/api/v1/rules").unwrap();
    assert!(rules["data"]["groups"][0]["rules"].as_array().unwrap().len() >= 8, "{rules}");
    let known = names(&text);
    for file in ["ebbd-rules.yml", "ebbd-grafana.json"] {
        let used = fs::read_to_string(shipped(file)).unwrap();
        for name in names(&used) {
            assert!(known.contains(&name), "{file} names {name}, which /metrics does not have");
        }
    }
    running.stop_in_order();
}

#[test]
fn shipped_rules_fire_when_they_should_and_the_dashboard_is_whole() {
    let rules = shipped("ebbd-rules.yml");
    promtool(&["check", "rules", rules.to_str().unwrap()], None);
    promtool(&["test", "rules", shipped("ebbd-rules-test.yml").to_str().unwrap()], None);
    let text = fs::read_to_string(shipped("ebbd-grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 8);
    for panel in panels {
        assert!(panel["targets"].as_array().is_some_and(|t| !t.is_empty()), "{}", panel["title"]);
    }
}

/// Alertmanager's alerts by name.
fn alerts(port: u16, name: &str) -> Vec<Value> {
    let all = get(port, "/api/v2/alerts").unwrap_or_default();
    let all = all.as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|alert| alert["labels"]["alertname"] == name).collect()
}

#[test]
fn alertmanager_receives_groups_and_resolves() {
    let (port, hook) = (free_port(), free_port());
    let place = Place::new(
        &(stream("orders")
            + SOURCE
            + &format!("[outlet.pager]\ntype = \"alertmanager\"\nurl = \"http://127.0.0.1:{port}\"\n")),
    );
    let config = place.path("alertmanager.yml");
    fs::write(
        &config,
        format!(
            "route:\n  receiver: people\n  group_by: [alertname, stream, no]\n  group_wait: 0s\n  \
             group_interval: 1s\nreceivers:\n- name: people\n  webhook_configs:\n  \
             - url: http://127.0.0.1:{hook}/\n    send_resolved: true\n"
        ),
    )
    .unwrap();
    // Whom it notifies: whatever comes is kept.
    let told = place.path("told");
    let mut listener = python_command("hook.py");
    listener.arg(hook.to_string()).arg(&told);
    let _listener = Server::start(listener, &place.path("hook.log"));
    let running = place.start();
    // Debian's reads its templates from a fixed place, which is here only for this process.
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", "mount --bind \"$0\" /usr/share && exec \"$@\""]);
    command.arg(tool("share")).arg(tool("bin/prometheus-alertmanager"));
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.path={}", place.path("am").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--cluster.listen-address=");
    let _alertmanager = Server::start(command, &place.path("alertmanager.log"));
    eventually("Alertmanager listens", PATIENCE, || listens(port));
    eventually("the watchdog fires", PATIENCE, || alerts(port, "Watchdog").len() == 1);

    // A file system without room is ebbd's own trouble: here, a folder that takes no files.
    let trouble = Trouble::make(&place);
    through_unix(&place.path("events.sock"), order("US").repeat(10).as_bytes());
    eventually("the alarm is there", 2 * PATIENCE, || alerts(port, "EbbdTrouble").len() == 1);
    let alert = &alerts(port, "EbbdTrouble")[0];
    assert_eq!(alert["labels"]["host"], "test");
    assert!(!alert["annotations"]["summary"].as_str().unwrap().is_empty(), "{alert}");
    assert!(!alert["annotations"]["description"].as_str().unwrap().is_empty(), "{alert}");
    assert_eq!(alert["status"]["state"], "active");
    trouble.mend();
    eventually("it is over", 2 * PATIENCE, || alerts(port, "EbbdTrouble").is_empty());
    eventually("people were told of both", PATIENCE, || {
        let told = fs::read_to_string(&told).unwrap_or_default();
        let of = |status: &str| {
            told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).any(|group| {
                group["groupLabels"]["alertname"] == "EbbdTrouble"
                    && group["groupLabels"]["no"] != ""
                    && group["status"] == status
            })
        };
        of("firing") && of("resolved")
    });
    assert_eq!(alerts(port, "Watchdog").len(), 1);
    running.stop_in_order();
}

/// Makes certificates with `openssl`, in a folder: `ca.pem`, and what is asked for.
struct Authority(PathBuf);

impl Authority {
    fn new(folder: PathBuf) -> Authority {
        fs::create_dir(&folder).unwrap();
        let authority = Authority(folder);
        let made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
        let name = authority.0.file_name().unwrap().to_string_lossy().into_owned();
        authority.openssl(&format!("{made} -subj /CN={name} -keyout ca.key -out ca.pem"));
        authority
    }

    /// A certificate with its key in one file: for this host, valid for so many days.
    fn vouches(&self, name: &str, host: &str, days: &str) -> PathBuf {
        fs::write(self.0.join("names"), format!("subjectAltName={host}\n")).unwrap();
        let key = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=hook";
        self.openssl(&format!("{key} -keyout {name}.key -out {name}.csr"));
        let sign = "x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names";
        self.openssl(&format!("{sign} -days {days} -in {name}.csr -out {name}.crt"));
        let both = ["crt", "key"].map(|end| fs::read(self.0.join(format!("{name}.{end}"))).unwrap());
        let path = self.0.join(format!("{name}.pem"));
        fs::write(&path, both.concat()).unwrap();
        path
    }

    fn file(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split(' ')).current_dir(&self.0).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Only a server whose certificate is vouched for, for its name and now, is told anything.
#[test]
fn https_is_spoken_with_those_who_prove_who_they_are() {
    let place = Place::new("");
    let (ours, theirs) = (Authority::new(place.path("ours")), Authority::new(place.path("theirs")));
    let servers = [
        ("good", ours.vouches("good", "IP:127.0.0.1", "2")),
        ("stranger", theirs.vouches("stranger", "IP:127.0.0.1", "2")),
        ("namesake", ours.vouches("namesake", "DNS:hooks.example.com", "2")),
        ("stale", ours.vouches("stale", "IP:127.0.0.1", "-1")),
    ];
    let mut tables = stream("orders") + SOURCE;
    let mut listening = Vec::new();
    for (name, certificate) in &servers {
        let port = free_port();
        let mut hook = python_command("hook.py");
        hook.arg(port.to_string()).arg(place.path(name)).arg(certificate);
        listening.push(Server::start(hook, &place.path(&format!("{name}.log"))));
        eventually("it listens", PATIENCE, || listens(port));
        tables += &format!(
            "[outlet.{name}]\ntype = \"webhook\"\nurl = \"https://127.0.0.1:{port}/\"\nca_file = \"{}\"\n",
            ours.file().display()
        );
    }
    place.configure(&tables);
    let running = place.start();
    let trouble = Trouble::make(&place);
    through_unix(&place.path("events.sock"), order("US").repeat(10).as_bytes());
    eventually("the alarm is there", 2 * PATIENCE, || place.path("good").exists());
    let told = fs::read_to_string(place.path("good")).unwrap();
    let record: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    assert_eq!(record["kind"], "ebbd", "{record}");
    let refused = [("stranger", "UnknownIssuer"), ("namesake", "not valid for name"), ("stale", "Expired")];
    for (name, why) in refused {
        let is_told = || {
            let told = running.told();
            told.lines().any(|line| line.contains(&format!("outlet.{name}")) && line.contains(why))
        };
        eventually(&format!("{name}: {why}\n{}", running.told()), PATIENCE, is_told);
        assert!(!place.path(name).exists(), "{name} was told something");
    }
    // A `ca_file` that is not there is a mistake that `check` tells.
    let other = place.path("good").with_extension("toml");
    let text = fs::read_to_string(place.config()).unwrap();
    let missing = text.replace(&ours.file().display().to_string(), "/nowhere/ca.pem");
    fs::write(&other, missing).unwrap();
    let checked = Command::new(super::support::EBBD).args(["check", "-c"]).arg(&other).output().unwrap();
    let said =
        String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.code() == Some(2) && said.contains("/nowhere/ca.pem"), "{said}");
    trouble.mend();
    running.stop_in_order();
}

/// A dataset's folder that takes no files.
struct Trouble(PathBuf);

impl Trouble {
    fn make(place: &Place) -> Trouble {
        let folder = place.data().join("minutes");
        assert!(!folder.exists(), "rows have been written already");
        fs::write(&folder, "in the way").unwrap();
        Trouble(folder)
    }

    fn mend(self) {
        fs::remove_file(self.0).unwrap();
        // Longer than a failed write is left alone.
        std::thread::sleep(Duration::from_millis(10));
    }
}
