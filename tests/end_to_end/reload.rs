//! SIGHUP: a mistake changes nothing and says so; what is new is taken up at the minute's edge.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ebbd_bench::WireFormat;
use rustix::process::Signal;

use super::support::{MONEY, PATIENCE, Place, eventually, stream, this_minute};
use super::wire::{load, through_unix};

fn configuration(streams: &[&str]) -> String {
    let part = |name: &&str| {
        let source =
            format!("[source.{name}]\ntype = \"unix\"\nlisten = \"@/{name}.sock\"\nstream = \"{name}\"\n");
        stream(name) + &source
    };
    streams.iter().map(part).collect()
}

#[test]
fn a_reload_takes_up_what_is_new_and_keeps_what_is_counted() {
    let place = Place::new(&configuration(&["orders"]));
    let text = load(51, 9_000).text(WireFormat::Ndjson);
    let raw = place.path("raw.ndjson");
    fs::write(&raw, &text).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let send = |name: &str, part: usize| {
        through_unix(
            &place.path(&format!("{name}.sock")),
            lines[part * 3_000..][..3_000].concat().as_bytes(),
        );
    };
    let running = place.start();
    send("orders", 0);
    running.await_lines(3_000);

    place.configure("[stream.orders]\ndimensons = []\n");
    running.signal(Signal::HUP);
    eventually("the mistake is told", PATIENCE, || running.told().contains("the old one stays"));
    let told = running.told();
    assert!(told.contains("ebbd.toml:5:1: error") && told.contains("`dimensions`"), "{told}");
    send("orders", 1);
    running.await_lines(6_000);

    place.configure(&configuration(&["orders", "shipments"]));
    running.signal(Signal::HUP);
    eventually("the new stream is taken up", PATIENCE + Duration::from_secs(15), || {
        running.told().contains("the new configuration is taken up")
    });
    send("orders", 2);
    (0..3).for_each(|part| send("shipments", part));
    eventually("the lines are there", PATIENCE, || {
        let status = running.status();
        let named =
            |name: &str| status["streams"].as_array().unwrap().iter().find(|s| s["name"] == name).cloned();
        named("shipments").is_some_and(|stream| stream["counted"] == 9_000) && running.lines() == 18_000
    });
    running.stop_in_order();
    assert_eq!(place.recount(&raw, &["orders", "shipments"], &MONEY), 9_000);
}

/// Connected, and never waiting for ever.
fn connected(socket: &Path) -> (UnixStream, BufReader<UnixStream>) {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let answers = BufReader::new(stream.try_clone().unwrap());
    (stream, answers)
}

fn heard(answers: &mut BufReader<UnixStream>) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    line
}

#[test]
fn a_reload_leaves_alone_what_it_does_not_change() {
    // Whoever waits for the minute's edge in the middle of a line is patient.
    let patient = |streams: &[&str]| {
        configuration(streams).replace("type = \"unix\"", "type = \"unix\"\npartial_line = \"10m\"")
    };
    let place = Place::new(&patient(&["orders", "shipments"]));
    let text = load(52, 3_000).text(WireFormat::Ndjson);
    let raw = place.path("raw.ndjson");
    fs::write(&raw, &text).unwrap();
    let running = place.start();
    let half = text.len() / 2 + 11;
    let lines = text[..half].matches('\n').count() as u64;
    let (mut plain, _) = connected(&place.path("orders.sock"));
    plain.write_all(&text.as_bytes()[..half]).unwrap();
    let (mut greeted, mut answers) = connected(&place.path("orders.sock"));
    greeted.write_all(b"EBBD/1 id=till\n").unwrap();
    assert_eq!(heard(&mut answers), "OK 0\n");
    greeted.write_all(b"{\"ts\":1}\n\n{\"ts\":").unwrap();
    while heard(&mut answers) != "ACK 1\n" {}
    let (mut changed, _) = connected(&place.path("shipments.sock"));
    changed.write_all(b"{\"ts\":1}\n").unwrap();
    let (_subscriber, mut records) = connected(&place.path("data/alarms.sock"));
    let hello = heard(&mut records);
    assert!(hello.contains("\"hello\""), "{hello}");
    running.await_lines(lines + 2);

    // One that cannot be run with changes nothing, either.
    place.configure(&patient(&["orders", "shipments"]).replace("@/shipments.sock", "/proc/x/y.sock"));
    running.signal(Signal::HUP);
    let edge = PATIENCE + Duration::from_secs(15);
    eventually("what cannot be bound is told", edge, || running.told().contains("the old one stays"));
    place.configure(
        &patient(&["orders", "shipments", "returns"])
            .replace("listen = \"@/shipments.sock\"", "listen = \"@/shipments.sock\"\nconnections = 7"),
    );
    running.signal(Signal::HUP);
    eventually("the change is taken up", edge, || running.told().contains("configuration is taken up"));
    assert_eq!(changed.read(&mut [0]).unwrap(), 0, "its source was changed");
    through_unix(&place.path("shipments.sock"), b"{\"ts\":1}\n");
    through_unix(&place.path("returns.sock"), b"{\"ts\":1}\n");
    plain.write_all(&text.as_bytes()[half..]).unwrap();
    drop(plain);
    greeted.write_all(b"1}\n").unwrap();
    greeted.shutdown(Shutdown::Write).unwrap();
    let last = answers.lines().map_while(Result::ok).last();
    assert_eq!(last.as_deref(), Some("BYE 2 counted=0 rejected=2 duplicate=0"));
    running.await_lines(3_000 + 5);
    assert_eq!(running.status()["subscribers"], 1);
    // Whoever waits long for minutes' edges may hear of senders that are silent meanwhile.
    while !heard(&mut records).contains("\"heartbeat\"") {}
    let (_, metrics) = running.get("/metrics").unwrap();
    assert!(metrics.contains("ebbd_source_lines_total{source=\"returns\"} 1"), "{metrics}");
    // One line was acknowledged before the reload and one after it: the figure goes on.
    assert!(metrics.contains("ebbd_acked_lines_total 2"), "{metrics}");
    running.stop_in_order();
    assert_eq!(place.recount(&raw, &["orders"], &MONEY), 3_000);
}

/// What is watched anew is judged at once: ten days of it lie in the Parquet.
#[test]
fn a_grouping_that_is_watched_anew_has_learnt() {
    let with = |watch: &str| {
        let all = "[[], [\"marketplace\"], [\"feature\"], [\"marketplace\", \"feature\"]]";
        configuration(&["orders"]).replace(all, watch)
    };
    let place = Place::new(&with("[[]]"));
    let mut table = "minute,marketplace,feature,payment,status,count\n".to_owned();
    for at in -14_400..0 {
        let (minute, noise) = (this_minute().plus(at), at.rem_euclid(13));
        table += &format!("{minute},US,cart,card,placed,{}\n{minute},DE,cart,card,placed,40\n", 60 + noise);
    }
    fs::write(place.path("past.csv"), table).unwrap();
    let file = place.path("past.csv");
    let ingested =
        place.command(&["ingest", "--format", "minutes", file.to_str().unwrap()]).output().unwrap();
    assert!(ingested.status.success(), "{ingested:?}");
    let running = place.start();
    place.configure(&with("[[], [\"marketplace\"]]"));
    running.signal(Signal::HUP);
    eventually("what is watched anew was learnt", PATIENCE * 3, || {
        running.told().contains("2 slices that are watched anew were learnt")
    });
    let learning = || running.status()["streams"][0]["learning"].clone();
    eventually("a minute is judged", PATIENCE * 3, || learning()["slices"] == 3);
    assert_eq!(learning()["learning"], 0, "{}", learning());
    // A crash doesn't make it forget that, whatever the journal begins with.
    drop(running);
    let running = place.start();
    assert!(!running.told().contains("were learnt"), "{}", running.told());
    let learning = || running.status()["streams"][0]["learning"].clone();
    eventually("a minute is judged again", PATIENCE * 3, || learning()["slices"] == 3);
    assert_eq!(learning()["learning"], 0, "{}", learning());
    running.stop_in_order();
}
