//! The Debian package: what it lists is there, and with `PACKAGE=full` it is built, installed into a Debian root of
//! its own, looked at, removed and purged. That needs root, cargo-deb and mmdebstrap, and takes minutes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").to_owned()
}

/// Source patterns and targets of the package's assets.
fn assets() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("daemon/Cargo.toml")).expect("readable");
    let manifest: toml::Table = text.parse().expect("TOML");
    let deb = &manifest["package"]["metadata"]["deb"];
    let text = |value: &toml::Value| value.as_str().expect("a text").to_owned();
    let assets = deb["assets"].as_array().expect("a list");
    assets.iter().map(|asset| (text(&asset[0]), text(&asset[1]))).collect()
}

/// Files of a folder whose names fit a pattern with at most one star.
fn matching(pattern: &str) -> BTreeSet<PathBuf> {
    let pattern = root().join("daemon").join(pattern);
    let name = pattern.file_name().expect("it has a name").to_string_lossy().into_owned();
    let (begin, end) = name.split_once('*').unwrap_or((&name, ""));
    let is_exact = !name.contains('*');
    let folder = fs::read_dir(pattern.parent().expect("it has a folder")).into_iter().flatten().flatten();
    let fits =
        |name: &str| if is_exact { name == begin } else { name.starts_with(begin) && name.ends_with(end) };
    folder.map(|entry| entry.path()).filter(|path| path.is_file() && fits(&file_name(path))).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("it has a name").to_string_lossy().into_owned()
}

#[test]
fn every_unit_is_packed_and_every_asset_is_there() {
    let listed: Vec<(String, String)> =
        assets().into_iter().filter(|(from, _)| !from.contains("target/")).collect();
    let mut packed = BTreeSet::new();
    for (from, _) in &listed {
        let found = matching(from);
        assert!(!found.is_empty(), "{from} names nothing");
        packed.extend(found.iter().map(|path| file_name(path)));
    }
    for entry in fs::read_dir(root().join("systemd")).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_unit = [".service", ".socket", ".timer", ".toml"].iter().any(|end| name.ends_with(end));
        assert!(!is_unit || packed.contains(&name), "{name} is not packed");
    }
    for script in ["postinst", "prerm", "postrm"] {
        let path = root().join("systemd/debian").join(script);
        let checked = Command::new("sh").arg("-n").arg(&path).status().expect("sh runs");
        assert!(checked.success(), "{script}");
    }
}

fn run(command: &mut Command) -> String {
    let output: Output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {told}");
    told
}

/// A Debian root in a directory.
struct Debian(tempfile::TempDir);

impl Debian {
    fn new() -> Debian {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("root");
        run(Command::new("mmdebstrap")
            .args(["--variant=minbase", "--include=systemd,man-db", "bookworm"])
            .arg(&path));
        Debian(dir)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join("root").join(path)
    }

    fn sh(&self, script: &str) -> String {
        run(Command::new("chroot").arg(self.path("")).args(["sh", "-ec", script]).env("LC_ALL", "C"))
    }
}

#[test]
fn it_is_installed_upgraded_removed_and_purged() {
    if std::env::var("PACKAGE").as_deref() != Ok("full") {
        return;
    }
    let packed = root().join("target/debian");
    let _ = fs::remove_dir_all(&packed);
    let binary = std::env::var("PACKAGE_BINARY").unwrap_or_else(|_| "target/ci/ebbd".to_owned());
    run(Command::new(root().join("systemd/package.sh")).arg(binary));
    let package = fs::read_dir(&packed).expect("made").flatten().next().expect("a package").path();
    let debian = Debian::new();
    fs::copy(&package, debian.path("ebbd.deb")).expect("copied");
    let before = debian.sh("ls /usr/bin /lib/systemd/system");

    debian.sh("dpkg -i /ebbd.deb");
    assert!(debian.sh("ebbd --version").starts_with("ebbd "));
    debian.sh("ebbd check -c /etc/ebbd/ebbd.toml");
    assert_eq!(debian.sh("dpkg --verify ebbd"), "");
    let groups = debian.sh("cut -d: -f1 /etc/group");
    for group in ["ebbd", "ebbd-ingest", "ebbd-alarm", "ebbd-admin", "ebbd-read"] {
        assert!(groups.lines().any(|line| line == group), "{group} in {groups}");
    }
    assert_eq!(debian.sh("stat -c '%U %G %a' /var/lib/ebbd"), "ebbd ebbd-read 750\n");
    assert!(
        debian
            .sh("systemctl is-enabled ebbd.service ebbd-events.socket ebbd-compact.timer")
            .lines()
            .all(|l| l == "enabled")
    );
    assert!(debian.sh("dpkg-query -W -f '${Conffiles}' ebbd").contains("/etc/ebbd/ebbd.toml"));
    assert!(debian.sh("man -w ebbd ebbd-compact").lines().count() == 2);
    debian.sh("test -s /usr/share/bash-completion/completions/ebbd");

    // An upgrade leaves what somebody wrote into the configuration.
    debian.sh("echo '# mine' >> /etc/ebbd/ebbd.toml; dpkg -i --force-confdef /ebbd.deb; grep -q '# mine' /etc/ebbd/ebbd.toml");
    debian.sh("echo kept > /var/lib/ebbd/kept");
    debian.sh("dpkg -r ebbd; test -e /etc/ebbd/ebbd.toml; test ! -e /usr/bin/ebbd");
    let links = "find /etc/systemd/system -name 'ebbd*'";
    assert_eq!(debian.sh(links), "");
    debian.sh("dpkg -P ebbd; test ! -e /etc/ebbd; test -e /var/lib/ebbd/kept");
    assert_eq!(debian.sh("ls /usr/bin /lib/systemd/system"), before);
}
