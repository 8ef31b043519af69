//! A shop in its own time, some minutes of it: what falls silent pages within seconds, what was only late is
//! withdrawn, what is lost or refused is no drop, and what is missing beyond that is one.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ebbd_core::model::TimeUs;
use rustix::process::Signal;
use serde_json::Value;

use super::alarms::Listening;
use super::support::{PATIENCE, Place, stream, this_minute};

/// A market, a feature, orders a minute.
type Traffic = (&'static str, &'static str, f64);

const ORDERS: [Traffic; 3] = [("US", "cart", 720.0), ("US", "one-click", 480.0), ("DE", "cart", 360.0)];
const SHIPMENTS: [Traffic; 1] = [("US", "cart", 300.0)];
/// Another rate than that of shipments: a table that is the same is refused as known.
const RETURNS: [Traffic; 1] = [("US", "cart", 280.0)];
/// Days of history: enough to be judged.
const DAYS: i32 = 10;
/// Open minutes are looked at once ebbd has been running for a minute, and silence is told of a slice that was seen
/// to grow in sixty seconds since.
const SETTLED: Duration = Duration::from_secs(150);

/// What goes wrong.
#[derive(Default)]
struct Trouble {
    us_is_held_up: AtomicBool,
    times_are_bad: AtomicBool,
    most_are_missing: AtomicBool,
    /// Lines that are sent once they are no longer held up.
    held_up: Mutex<String>,
    stop: AtomicBool,
}

fn now() -> TimeUs {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    TimeUs(i64::try_from(since_1970.as_micros()).unwrap())
}

/// Days of counts with the scatter of chance, up to this minute.
fn history(slices: &[Traffic]) -> String {
    let mut table = "minute,marketplace,feature,payment,status,count\n".to_owned();
    let (end, mut random) = (this_minute(), 1u64);
    for at in -DAYS * 1440..0 {
        for (market, feature, mean) in slices {
            let mut noise = -6.0;
            for _ in 0..12 {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                noise += (random >> 40) as f64 / (1u64 << 24) as f64;
            }
            let count = (mean + noise * mean.sqrt()).round();
            writeln!(table, "{},{market},{feature},card,placed,{count}", end.plus(at)).unwrap();
        }
    }
    table
}

/// Orders come evenly; whoever is cut off connects again.
struct Sender {
    socket: PathBuf,
    slices: &'static [Traffic],
    trouble: Arc<Trouble>,
    begun: Instant,
    sent: Vec<u64>,
    dropped: u64,
    connection: Option<UnixStream>,
}

impl Sender {
    fn spawn(
        place: &Place,
        name: &str,
        slices: &'static [Traffic],
        trouble: &Arc<Trouble>,
    ) -> JoinHandle<()> {
        let mut sender = Sender {
            socket: place.path(&format!("{name}.sock")),
            slices,
            trouble: Arc::clone(trouble),
            begun: Instant::now(),
            sent: vec![0; slices.len()],
            dropped: 0,
            connection: None,
        };
        let is_lossy = name == "returns";
        std::thread::spawn(move || {
            while !sender.trouble.stop.load(Relaxed) {
                let lines = sender.lines(is_lossy);
                sender.send(lines.as_bytes());
                std::thread::sleep(Duration::from_millis(100));
            }
        })
    }

    fn lines(&mut self, is_lossy: bool) -> String {
        let (ts, trouble) = (now().to_rfc3339(), Arc::clone(&self.trouble));
        let mut lines = String::new();
        for (at, (market, feature, rate)) in self.slices.iter().enumerate() {
            let due = (rate * self.begun.elapsed().as_secs_f64() / 60.0) as u64;
            for number in self.sent[at]..due {
                let fails = is_lossy && trouble.most_are_missing.load(Relaxed);
                if fails && number % 5 < 4 {
                    // A quarter of what is missing was dropped by the sender, who says so.
                    self.dropped += u64::from(number % 5 == 0);
                    continue;
                }
                let is_bad = trouble.times_are_bad.load(Relaxed) && self.socket.ends_with("shipments.sock");
                let ts = if is_bad && number % 25 < 18 { "yesterday" } else { &ts };
                let line = format!(
                    "{{\"ts\":\"{ts}\",\"marketplace\":\"{market}\",\"feature\":\"{feature}\",\"payment\":\"card\",\
                     \"status\":\"placed\",\"amount\":\"20.00\",\"currency\":\"USD\",\"host\":\"web-17\"}}\n"
                );
                let is_orders = self.socket.ends_with("orders.sock");
                match is_orders && *market == "US" && trouble.us_is_held_up.load(Relaxed) {
                    true => trouble.held_up.lock().unwrap().push_str(&line),
                    false => lines.push_str(&line),
                }
            }
            self.sent[at] = due;
        }
        if is_lossy {
            let dropped = self.dropped;
            writeln!(
                lines,
                "{{\"ebbd\":\"heartbeat\",\"origin\":\"web-17\",\"through\":\"{ts}\",\"dropped\":{dropped}}}"
            )
            .unwrap();
        }
        if self.socket.ends_with("orders.sock") && !trouble.us_is_held_up.load(Relaxed) {
            lines.push_str(&std::mem::take(&mut *trouble.held_up.lock().unwrap()));
        }
        lines
    }

    fn send(&mut self, lines: &[u8]) {
        if self.connection.is_none() {
            self.connection = UnixStream::connect(&self.socket).ok();
        }
        if self.connection.as_mut().is_some_and(|connection| connection.write_all(lines).is_err()) {
            self.connection = None;
        }
    }
}

/// A shop with ten days behind it.
fn learnt(streams: &[(&str, &[Traffic])]) -> Place {
    let part = |(name, _): &(&str, &[Traffic])| {
        let source =
            format!("[source.{name}]\ntype = \"unix\"\nlisten = \"@/{name}.sock\"\nstream = \"{name}\"\n");
        stream(name) + &source
    };
    let limits = "[limits]\nmemory = \"2GiB\"\n";
    let place = Place::new(&(streams.iter().map(part).collect::<String>() + limits));
    for (name, slices) in streams {
        let table = place.path(&format!("{name}.csv"));
        fs::write(&table, history(slices)).unwrap();
        let mut ingest = place.command(&["ingest", "--format", "minutes", "--stream", name]);
        let output = ingest.arg(&table).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    place
}

fn is_opened(record: &Value, stream: &str, early: bool) -> bool {
    record["because"] == "opened" && record["stream"] == stream && record["early"] == early
}

fn listen(place: &Place) -> Listening {
    Listening::nc(&place.data().join("alarms.sock"))
}

/// Eight minutes of a shop: only with `MINUTES=full`.
#[test]
fn minutes_as_they_come_are_told_for_what_they_are() {
    if std::env::var_os("MINUTES").is_none_or(|size| size != "full") {
        return;
    }
    let place = learnt(&[("orders", &ORDERS), ("shipments", &SHIPMENTS), ("returns", &RETURNS)]);
    let running = place.start();
    let watching = listen(&place);
    let trouble = Arc::new(Trouble::default());
    let shops: [(&str, &'static [Traffic]); 3] =
        [("orders", &ORDERS), ("shipments", &SHIPMENTS), ("returns", &RETURNS)];
    let senders = shops.map(|(name, slices)| Sender::spawn(&place, name, slices, &trouble));
    std::thread::sleep(SETTLED);
    trouble.us_is_held_up.store(true, Relaxed);
    let fell = now();
    let early = watching.until(|record| is_opened(record, "orders", true)).pop().unwrap();
    let took_s = now().since_us(fell) as f64 / 1e6;
    eprintln!("silence was told {took_s:.1} s after the last order");
    assert!(took_s <= 60.0, "{took_s} s: {early}");
    assert_eq!((&early["severity"], &early["notify"]), (&"page".into(), &"page".into()), "{early}");
    assert_eq!(early["slice"], serde_json::json!({"marketplace": "US"}), "{early}");

    trouble.times_are_bad.store(true, Relaxed);
    trouble.most_are_missing.store(true, Relaxed);
    let mut records: Vec<Value> = Vec::new();
    let begun = Instant::now();
    let is_told = |records: &[Value]| {
        ["orders", "shipments", "returns"].iter().all(|s| records.iter().any(|r| is_opened(r, s, false)))
    };
    while !is_told(&records) {
        assert!(begun.elapsed() < 8 * PATIENCE, "{records:#?}");
        records.push(watching.json());
    }
    let opened = |stream: &str| records.iter().find(|r| is_opened(r, stream, false)).unwrap();
    let orders = opened("orders");
    assert_eq!((&orders["id"], &orders["no"]), (&early["id"], &early["no"]), "{orders}\n{early}");
    assert_eq!((&orders["rev"], &orders["notify"]), (&2.into(), &"none".into()), "nobody is called twice");

    let refused = opened("shipments");
    assert_eq!((&refused["kind"], &refused["notify"]), (&"no_data".into(), &"ticket".into()), "{refused}");
    let title = refused["title"].as_str().unwrap();
    assert!(title.contains("of lines rejected as bad_time since"), "{title}");
    assert!(title.ends_with("looks like a log change, not fewer shipments"), "{title}");

    let fewer = opened("returns");
    assert_eq!(fewer["kind"], "drop", "{fewer}");
    let figure = |key: &str| fewer[key].as_f64().unwrap();
    assert!(fewer["completeness"]["dropped"].as_u64() > Some(0), "{fewer}");
    assert!(figure("observed_max") > figure("observed") && figure("observed_max") < figure("low"), "{fewer}");

    trouble.us_is_held_up.store(false, Relaxed);
    let is_withdrawn = |r: &Value| r["no"] == early["no"] && r["state"] == "withdrawn";
    let late = watching.until(is_withdrawn);
    let withdrawn = late.last().unwrap();
    assert_eq!((&withdrawn["late"], &withdrawn["id"]), (&true.into(), &early["id"]), "{withdrawn}");
    assert!(withdrawn["reason"].as_str().unwrap().starts_with("late data: "), "{withdrawn}");
    trouble.stop.store(true, Relaxed);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    running.stop_in_order();
    let is_drop = |r: &Value| r["stream"] == "shipments" && r["kind"] == "drop";
    assert!(!records.iter().chain(&late).any(is_drop), "{records:#?}");
    let verdicts = place.sql("select distinct stream, verdict from @slices order by all");
    let has = |stream: &str, verdict: &str| {
        verdicts.iter().any(|row| row["stream"] == stream && row["verdict"] == verdict)
    };
    assert!(
        has("shipments", "incomplete") && !has("shipments", "drop") && has("returns", "drop"),
        "{verdicts:?}"
    );
}

#[test]
fn what_an_open_minute_said_outlives_a_kill() {
    let place = learnt(&[("orders", &ORDERS)]);
    let running = place.start();
    let watching = listen(&place);
    let trouble = Arc::new(Trouble::default());
    let sender = Sender::spawn(&place, "orders", &ORDERS, &trouble);
    std::thread::sleep(SETTLED);
    trouble.us_is_held_up.store(true, Relaxed);
    let mut early = watching.until(|record| is_opened(record, "orders", true)).pop().unwrap();
    running.signal(Signal::KILL);
    running.wait(PATIENCE);
    let running = place.start();
    let again = listen(&place).until(|record| record["type"] == "alarm").pop().unwrap();
    early["snapshot"] = true.into();
    assert_eq!(again, early, "told again word for word");
    trouble.stop.store(true, Relaxed);
    sender.join().unwrap();
    running.stop_in_order();
}
