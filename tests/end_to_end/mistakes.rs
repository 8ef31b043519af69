//! Mistakes in a configuration: where, what, what to write instead; exit 2. A daemon that is not there: exit 3.

use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::{Place, stream};

/// Runs `check` and `run` on a configuration that both have to refuse in the same words.
fn refused(tables: &str) -> String {
    let place = Place::new(tables);
    let check = place.command(&["check"]).output().unwrap();
    let checked = String::from_utf8(check.stdout).unwrap() + &String::from_utf8(check.stderr).unwrap();
    assert_eq!(check.status.code(), Some(2), "{checked}");
    let run = place.spawn(Stdio::null()).wait(Duration::from_secs(20));
    assert_eq!(run.code, Some(2), "{}", run.told);
    let problem =
        run.told.lines().find(|line| line.contains("error:")).unwrap_or_else(|| panic!("{}", run.told));
    assert!(checked.contains(problem), "check says something else:\n{checked}\nthan run:\n{}", run.told);
    assert!(!place.data().exists(), "nothing is made for a configuration that is refused");
    run.told
}

/// Asserts that a message names the line, points at it and helps.
fn assert_tells(told: &str, line: usize, parts: &[&str]) {
    assert!(told.contains(&format!("ebbd.toml:{line}:")), "line {line} is not named:\n{told}");
    assert!(told.lines().any(|l| l.trim_start_matches([' ', '|']).starts_with('^')), "no caret:\n{told}");
    assert!(told.lines().any(|l| l.trim_start().starts_with("= ")), "no hint:\n{told}");
    parts.iter().for_each(|part| assert!(told.contains(part), "{part:?} is missing:\n{told}"));
}

#[test]
fn a_misspelt_key_is_told_with_the_nearest_known_one() {
    let told = refused("[stream.orders]\ndimensons = [\"marketplace\"]\n");
    assert_tells(&told, 5, &["dimensons = ", "`dimensions`"]);
}

#[test]
fn a_wrong_type_is_told() {
    let told = refused("lanes = \"two\"\n");
    assert_tells(&told, 4, &["lanes = \"two\"", "number"]);
}

#[test]
fn a_bad_duration_is_told() {
    let told = refused("[stream.orders]\nseal = \"5 parsecs\"\n");
    assert_tells(&told, 5, &["seal = \"5 parsecs\"", "\"30s\""]);
}

#[test]
fn an_unknown_stream_is_told_with_those_that_there_are() {
    let source = "[source.shop]\ntype = \"unix\"\nlisten = \"@/events.sock\"\nstream = \"order\"\n";
    let told = refused(&(source.to_owned() + &stream("orders")));
    assert_tells(&told, 7, &["unknown stream \"order\"", "did you mean \"orders\"?"]);
}

/// Starts a daemon that cannot have an address.
fn refused_address(tables: &str, parts: &[&str]) {
    let place = Place::new(tables);
    let ended = place.spawn(Stdio::null()).wait(Duration::from_secs(20));
    assert_eq!(ended.code, Some(2), "{}", ended.told);
    let said = ended.told.lines().last().unwrap_or_default();
    parts.iter().for_each(|part| assert!(said.contains(part), "{part:?} is missing:\n{}", ended.told));
}

#[test]
fn an_address_in_use_is_told_with_its_owner_in_the_configuration() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (kind, address) in [("tcp", tcp.local_addr().unwrap()), ("udp", udp.local_addr().unwrap())] {
        let source = format!("[source.shop]\ntype = \"{kind}\"\nlisten = \"{address}\"\n");
        refused_address(&source, &["shop", &address.to_string(), "in use"]);
    }
    let other = Place::new("");
    let text = std::fs::read_to_string(other.config()).unwrap();
    let running = other.start();
    let http = text.lines().find_map(|line| line.strip_prefix("http = ")).unwrap().trim_matches('"');
    let tables = format!("[source.shop]\ntype = \"tcp\"\nlisten = \"{http}\"\n");
    refused_address(&tables, &["shop", http, "in use"]);
    let alarms = other.data().join("alarms.sock");
    let tables = format!("[alarms]\nlisten = \"{}\"\n", alarms.display());
    refused_address(&tables, &["alarms.sock", "is ebbd running already?"]);
    running.stop_in_order();
}

#[test]
fn a_usage_error_is_2_and_help_is_0() {
    let code = |arguments: &[&str]| {
        let output = Command::new(super::support::EBBD).args(arguments).output().unwrap();
        output.status.code()
    };
    assert_eq!(code(&["rnu"]), Some(2));
    assert_eq!(code(&["run", "--what"]), Some(2));
    assert_eq!(code(&["run", "-c", "/nonexistent/ebbd.toml"]), Some(2));
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["run", "--help"]), Some(0));
}
