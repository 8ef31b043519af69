//! The units as they would be installed: verified, scored, and of one mind with the example configuration.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ebbd::config::{Config, Secrets, SocketPath, SourceKind, Surroundings};

/// Those that nobody needs who doesn't ask for them.
const OPTIONAL: [&str; 2] = ["ebbd-statsd.socket", "ebbd-write.socket"];

const SOCKETS: [&str; 7] = [
    "ebbd-events.socket",
    "ebbd-events-dgram.socket",
    "ebbd-alarms.socket",
    "ebbd-control.socket",
    "ebbd-http.socket",
    "ebbd-statsd.socket",
    "ebbd-write.socket",
];

/// What merges closed days, and what starts it.
const COMPACTION: [&str; 2] = ["ebbd-compact.service", "ebbd-compact.timer"];

/// The sender's unit as somebody would start it.
const SENDER: &str = "ebbd-send@shop.service";

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the root")
        .join("systemd")
        .join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(shipped(name)).expect("a shipped file can be read")
}

/// A file system root with the units, a fake `ebbd` and `kill`, and the targets they refer to.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Root {
        let root = Root(tempfile::tempdir().expect("a temporary directory"));
        let units = root.units();
        fs::create_dir_all(&units).expect("a folder for units");
        for target in
            ["sysinit", "basic", "sockets", "shutdown", "multi-user", "time-sync", "network-online", "timers"]
        {
            fs::write(units.join(format!("{target}.target")), "[Unit]\nDescription=target\n")
                .expect("written");
        }
        for unit in SOCKETS.into_iter().chain(COMPACTION).chain(["ebbd.service", "ebbd-send@.service"]) {
            fs::copy(shipped(unit), units.join(unit)).expect("copied");
        }
        fs::create_dir_all(root.path().join("etc")).expect("a folder for users");
        root.program("usr/bin/ebbd");
        root.program("bin/kill");
        root
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn units(&self) -> PathBuf {
        self.path().join("usr/lib/systemd/system")
    }

    fn program(&self, name: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder for programs");
        fs::write(&path, "#!/bin/sh\n").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }

    fn with_drop_in(self) -> Root {
        let folder = self.units().join("ebbd.service.d");
        fs::create_dir_all(&folder).expect("a folder for drop-ins");
        for name in ["outbound.conf", "write-token.conf"] {
            fs::copy(shipped(&format!("optional/ebbd.service.d/{name}")), folder.join(name)).expect("copied");
        }
        self
    }

    /// Runs a program of systemd on this root.
    fn systemd(&self, program: &str, arguments: &[&str]) -> Output {
        let root = format!("--root={}", self.path().display());
        let mut command = Command::new(program);
        command.args(arguments).arg(root).env("SYSTEMD_COLORS", "0").env("LC_ALL", "C");
        command.output().unwrap_or_else(|error| panic!("{program}: {error}: run tests/setup.sh first"))
    }

    fn verify(&self) -> Output {
        let units = SOCKETS.into_iter().chain(COMPACTION).chain(["ebbd.service", SENDER]);
        self.systemd("systemd-analyze", &["verify", "--man=no"].into_iter().chain(units).collect::<Vec<_>>())
    }

    /// The exposure of a service; it fails when it is above `threshold` tenths.
    fn exposure(&self, service: &str, threshold: u32) -> f64 {
        let limit = format!("--threshold={threshold}");
        let output =
            self.systemd("systemd-analyze", &["security", "--offline=true", "--no-pager", &limit, service]);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        let line = told.lines().find(|line| line.contains("Overall exposure level")).expect("a score");
        let score = line.split(": ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a number");
        score.parse().expect("a number")
    }
}

#[test]
fn verify_is_clean() {
    for root in [Root::new(), Root::new().with_drop_in()] {
        let output = root.verify();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        assert!(output.status.success());
    }
}

#[test]
fn verify_would_notice_a_mistake() {
    let root = Root::new();
    let broken = text("ebbd.service").replace("ProtectHome=yes", "ProtectHouse=yes");
    fs::write(root.units().join("ebbd.service"), broken).expect("written");
    // It exits 0 for an unknown key: only what it says tells.
    assert!(String::from_utf8_lossy(&root.verify().stderr).contains("ProtectHouse"));
}

#[test]
fn the_sandbox_is_tight() {
    let shipped = Root::new().exposure("ebbd.service", 5);
    assert!(shipped <= 0.5, "{shipped}");
    let outbound = Root::new().with_drop_in().exposure("ebbd.service", 13);
    assert!(outbound > shipped && outbound <= 1.3, "{outbound}");
    let compaction = Root::new().exposure("ebbd-compact.service", 5);
    assert!(compaction <= 0.5, "{compaction}");
    // It talks to other hosts and reads what the group of logs may.
    let sender = Root::new().exposure(SENDER, 15);
    assert!(sender <= 1.5, "{sender}");
}

#[test]
fn users_groups_and_directories_come_to_be() {
    let root = Root::new();
    let sysusers = shipped("sysusers.d/ebbd.conf").display().to_string();
    let output = root.systemd("systemd-sysusers", &[&sysusers]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let groups = fs::read_to_string(root.path().join("etc/group")).expect("groups were made");
    let mut wanted: Vec<String> =
        vec!["ebbd".to_owned(), value("ebbd.service", "Group").expect("it has one")];
    wanted.extend(SOCKETS.iter().filter_map(|socket| value(socket, "SocketGroup")));
    for group in wanted {
        assert!(groups.lines().any(|line| line.starts_with(&format!("{group}:"))), "{group} in {groups}");
    }
    let tmpfiles = text("tmpfiles.d/ebbd.conf");
    assert!(tmpfiles.lines().any(|line| line == "d /run/ebbd 0755 root root -"), "{tmpfiles}");
}

/// The value of a key that stands once in a unit.
fn value(unit: &str, key: &str) -> Option<String> {
    let text = text(unit);
    text.lines().find_map(|line| line.strip_prefix(&format!("{key}="))).map(str::to_owned)
}

fn check(text: &str) -> Config {
    let surroundings = Surroundings { host: "web-01".to_owned(), cores: 2, secrets: Secrets::default() };
    let checked = Config::check(text, Some(Path::new("ebbd.toml")), &surroundings);
    let told: Vec<String> = checked.errors.iter().map(|p| p.render("ebbd.toml", "error")).collect();
    assert!(told.is_empty(), "{}", told.concat());
    checked.config.expect("nothing is wrong")
}

/// The example with every commented key and section in force (`#key = …`, not `# words`).
fn uncommented(example: &str) -> String {
    let bare = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    example.lines().map(bare).collect()
}

#[test]
fn the_example_is_valid_with_and_without_its_comments() {
    let example = text("ebbd.toml");
    let config = check(&example);
    assert_eq!(config.data_dir, Path::new("/var/lib/ebbd"));
    assert!(config.warnings().is_empty(), "as shipped, all of it is acted on");
    let all = check(&uncommented(&example));
    assert_eq!(all.sources.len(), config.sources.len() + 3, "statsd, web and logs are commented");
}

/// What its comments call defaults are the defaults: in force they change nothing.
#[test]
fn commented_defaults_are_the_defaults() {
    let example = text("ebbd.toml");
    let exceptions = ["#host", "#id ", "#dedupe", "#timezone", "#expect"];
    let some: String = example
        .lines()
        .filter(|line| !exceptions.iter().any(|key| line.starts_with(key)))
        .take_while(|line| !line.starts_with("# StatsD"))
        .chain(example.lines().skip_while(|line| !line.starts_with("[alarms]")))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(some.contains("#seal") && some.contains("#retain") && some.contains("#partial_line"));
    let diff = check(&uncommented(&some)).diff(&check(&example));
    assert!(diff.is_empty(), "{diff:?}");
}

/// Transport and address → mode and group.
type Listeners = BTreeMap<String, Option<(u32, Option<String>)>>;

fn of_configuration(config: &Config) -> Listeners {
    let path = |socket: &SocketPath| Some((socket.mode, socket.group.clone()));
    let mut listeners = Listeners::new();
    for source in &config.sources {
        let place = source.kind.place();
        match &source.kind {
            SourceKind::Unix(socket) => listeners.insert(format!("stream {place}"), path(socket)),
            SourceKind::UnixDatagram(socket) => listeners.insert(format!("datagram {place}"), path(socket)),
            SourceKind::Tcp { .. } | SourceKind::Http { .. } => {
                listeners.insert(format!("stream {place}"), None)
            }
            SourceKind::Udp { .. } => listeners.insert(format!("datagram {place}"), None),
            SourceKind::File { .. } | SourceKind::Stdin => None,
        };
    }
    for socket in [&config.alarms, &config.control] {
        listeners.insert(format!("stream {}", socket.path.display()), path(socket));
    }
    listeners.extend(config.http.map(|addr| (format!("stream {addr}"), None)));
    listeners
}

fn of_units(units: &[&str]) -> Listeners {
    let listener = |unit: &&str| {
        let stream = value(unit, "ListenStream").map(|place| format!("stream {place}"));
        let place = stream.or(value(unit, "ListenDatagram").map(|place| format!("datagram {place}")));
        let mode = value(unit, "SocketMode").map(|mode| u32::from_str_radix(&mode, 8).expect("octal"));
        (place.expect("it listens"), mode.map(|mode| (mode, value(unit, "SocketGroup"))))
    };
    units.iter().map(listener).collect()
}

#[test]
fn units_and_configuration_name_the_same_listeners() {
    let example = text("ebbd.toml");
    let usual: Vec<&str> = SOCKETS.into_iter().filter(|unit| !OPTIONAL.contains(unit)).collect();
    assert_eq!(of_units(&usual), of_configuration(&check(&example)));
    assert_eq!(of_units(&SOCKETS), of_configuration(&check(&uncommented(&example))));
    let wants = value("ebbd.service", "Wants").expect("it wants its sockets");
    assert_eq!(wants.split(' ').collect::<Vec<_>>(), usual);
}

#[test]
fn every_socket_is_named_and_serves_the_daemon() {
    let mut names: Vec<String> =
        SOCKETS.iter().filter_map(|unit| value(unit, "FileDescriptorName")).collect();
    assert!(SOCKETS.iter().all(|unit| value(unit, "Service").as_deref() == Some("ebbd.service")));
    names.sort();
    names.dedup();
    assert_eq!(names.len(), SOCKETS.len());
}

/// It works on the daemon's files: as its user, with its mask.
#[test]
fn compaction_is_started_by_its_timer_as_the_daemons_user() {
    for key in ["User", "Group", "UMask", "StateDirectory", "StateDirectoryMode", "Environment"] {
        assert_eq!(value("ebbd-compact.service", key), value("ebbd.service", key), "{key}");
    }
    assert_eq!(value("ebbd-compact.service", "ExecStart").as_deref(), Some("/usr/bin/ebbd compact"));
    assert_eq!(value("ebbd-compact.timer", "WantedBy").as_deref(), Some("timers.target"));
}

#[test]
fn the_service_is_what_the_daemon_counts_on() {
    for (key, wanted) in [
        ("Type", "notify"),
        ("NotifyAccess", "main"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        ("WatchdogSec", "30"),
        ("Restart", "always"),
        ("RestartPreventExitStatus", "2"),
        ("FileDescriptorStoreMax", "1024"),
        ("StateDirectory", "ebbd"),
        ("StateDirectoryMode", "0750"),
        ("Environment", "EBBD_CONFIG=/etc/ebbd/ebbd.toml"),
    ] {
        assert_eq!(value("ebbd.service", key).as_deref(), Some(wanted), "{key}");
    }
    let config = check(&text("ebbd.toml"));
    let quarter_more = config.limits.memory / (1 << 20) * 5 / 4;
    assert_eq!(value("ebbd.service", "MemoryMax"), Some(format!("{quarter_more}M")));
}
