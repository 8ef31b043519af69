//! The dashboard, looked at by a real browser while the demo's shop breaks and is mended.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::support::{EBBD, python};

#[test]
fn a_browser_sees_the_shop_break_and_be_mended() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody else may have the usual port: the demo takes any other then.
    let mut demo = Command::new(EBBD)
        .args(["demo", "--weeks", "2", "--pace", "0.5", "--dir"])
        .arg(dir.path().join("demo"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.by_ref().find_map(|line| line.split_once("http    ").map(|(_, url)| url.to_owned()));
    let address = address.expect("the demo says where its dashboard is");
    // What it tells from here on has to go somewhere.
    let told = std::thread::spawn(move || lines.collect::<Vec<String>>().join("\n"));
    let shots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/dashboard");
    let pid = demo.id().to_string();
    let output = python("dashboard.py", &[address.trim_end_matches('/'), &pid, shots.to_str().unwrap()]);
    if !output.status.success() {
        demo.kill().unwrap();
    }
    let ended = demo.wait().unwrap();
    let told = told.join().unwrap();
    assert!(output.status.success(), "{}\n{told}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(ended.code(), Some(0), "the demo ends in order while browsers look at it:\n{told}");
    println!("{}", String::from_utf8_lossy(&output.stdout));
}
