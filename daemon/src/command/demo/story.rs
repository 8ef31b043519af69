//! What happens in the demo, and what of it is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ebbd_core::alarm::{AlarmRecord, Kind, State};
use ebbd_core::model::{MICROS_PER_MINUTE, Minute, Slice, StreamSpec, TimeUs};
use ebbd_core::report::watch::{self, Style};
use ebbd_core::simulate::{Incident, Shop, ShopSpec};

use super::feeder::{Feeder, mark_line};
use super::history;
use super::listener::Listener;
use super::settings;
use crate::command::report::page_of;
use crate::run::{Daemon, StartError, Surroundings};
use crate::service::ServiceManager;
use crate::sys::{Clock, Inherited, ScaledClock};

/// Minutes of the shop before anything happens.
const CALM_MIN: i32 = 8;
/// The shop begins to send so many minutes before the daemon is there: however long a start takes, the
/// daemon's first minute has its orders.
const BEHIND_MIN: i32 = 2;
/// Minutes between the deploy and the trouble it makes.
const DEPLOY_BEFORE_US: i64 = 50_000_000;
/// Minutes that the outage goes on after its alarm.
const SUFFER_MIN: i32 = 8;
/// How long anything is waited for, in minutes of the shop.
const PATIENCE_MIN: i32 = 45;

/// The demo's shop, place and pace.
pub(super) struct Story {
    dir: PathBuf,
    weeks: u32,
    seed: u64,
    per_second: f64,
}

/// The story while the daemon runs.
struct Stage<'a> {
    story: &'a Story,
    daemon: &'a Daemon,
    feeder: &'a Feeder,
    listener: Listener,
    clock: Arc<dyn Clock>,
}

impl Story {
    pub(super) fn new(dir: PathBuf, weeks: u32, seed: u64, per_second: f64) -> Story {
        Story { dir, weeks, seed, per_second }
    }

    /// Tells it; with `once` to its end, else until Ctrl-C.
    pub(super) fn tell(&self, once: bool) -> Result<(), String> {
        let spec = StreamSpec::example();
        let start = busy_hour();
        let shop = Shop::new(ShopSpec::demo(self.seed), &spec);
        say("a simulated shop: 48 series, up to 900 orders a minute");
        let from = start.plus(-(self.weeks as i32) * 7 * 1440);
        let begun = Instant::now();
        history::write(&shop, &spec, &self.dir, from, start)?;
        let wrote_s = begun.elapsed().as_secs_f64();
        say(&format!("{} weeks of its history are written ({wrote_s:.1} s)", self.weeks));

        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::new(start.start(), 60.0 * self.per_second));
        let daemon = self.daemon(&clock)?;
        self.introduce(&daemon);
        let first = clock.now().minute().plus(-BEHIND_MIN);
        let feeder = Feeder::start(shop, &self.dir.join("events.sock"), Arc::clone(&clock), first)
            .map_err(|error| format!("cannot send to the daemon: {error}"))?;
        let listener = Listener::connect(&self.dir.join("alarms.sock"))
            .map_err(|error| format!("cannot listen to the daemon: {error}"))?;
        let told = Stage { story: self, daemon: &daemon, feeder: &feeder, listener, clock }.play();
        if told.is_ok() && !once {
            self.linger(&daemon);
        }
        feeder.stop().map_err(|error| format!("the shop's connection broke: {error}"))?;
        daemon.stop().map_err(|error| error.to_string())?;
        self.report(told?)?;
        self.farewell();
        Ok(())
    }

    fn daemon(&self, clock: &Arc<dyn Clock>) -> Result<Daemon, String> {
        let start = |http: &str| {
            let config = settings::config(&self.dir, http).map_err(StartError::Refused)?;
            // Other commands find the shop by it: `ebbd replay ebbd-demo -c ebbd-demo/ebbd.toml`.
            std::fs::write(self.dir.join("ebbd.toml"), &config.text)
                .map_err(|error| StartError::Refused(format!("{}: {error}", self.dir.display())))?;
            let surroundings =
                Surroundings { clock: Arc::clone(clock), service: Arc::new(ServiceManager::default()) };
            Daemon::start(config, surroundings, &mut Inherited::none())
        };
        // Where the usual port is taken, any other serves as well.
        start("127.0.0.1:7780").or_else(|_| start(&free_address())).map_err(|error| error.to_string())
    }

    fn introduce(&self, daemon: &Daemon) {
        let history = daemon.view().history();
        say(&format!(
            "the daemon has learnt {} minutes of it ({:.1} s); one minute of the shop takes {:.1} s",
            thousands(history.minutes),
            history.seconds,
            1.0 / self.per_second
        ));
        say(&format!("events  {}", self.dir.join("events.sock").display()));
        say(&format!("alarms  nc -U {}", self.dir.join("alarms.sock").display()));
        if let Some(address) = daemon.http_address() {
            say(&format!("http    http://{address}/"));
        }
        // Every command that it prints works there, the alarm's `next` line too.
        let config = self.dir.join("ebbd.toml");
        say(&format!("ask it  export EBBD_CONFIG={}; ebbd top", config.display()));
        println!();
    }

    /// Goes on counting until the user has seen enough.
    fn linger(&self, daemon: &Daemon) {
        say("the shop goes on; look around, Ctrl-C ends it and writes the report");
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // Where no handler can be set, the signal ends the process, which is what it is for.
            let _ = signal_hook::flag::register(signal, Arc::clone(&stop));
        }
        while !stop.load(std::sync::atomic::Ordering::Relaxed) && !daemon.is_finished() {
            std::thread::sleep(Duration::from_millis(100));
        }
        println!();
    }

    /// The alarm's story as a page: an orderly stop has stored everything of it.
    fn report(&self, no: u64) -> Result<(), String> {
        let page = page_of(&self.dir, &settings::config(&self.dir, "")?, no)?;
        let path = self.dir.join(format!("ebbd-report-{no}.html"));
        std::fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display()))?;
        say(&format!("the report is written: {}", path.display()));
        say(&format!("the same as text: ebbd report {no} --format md --data-dir {}", self.dir.display()));
        Ok(())
    }

    fn farewell(&self) {
        let dir = self.dir.display();
        println!("\nThe counts, the verdicts and the alarm are Parquet under {dir}. With DuckDB:");
        println!(
            "  duckdb -c \"select minute, observed, round(expected) as expected, verdict from \
             read_parquet('{dir}/slices/**/*.parquet') where slice = '{{\\\"feature\\\":\\\"one-click\\\",\
             \\\"marketplace\\\":\\\"US\\\"}}' order by minute desc limit 20\""
        );
        println!(
            "  duckdb -c \"select date, sum(count) from read_parquet('{dir}/minutes/**/*.parquet', \
             hive_partitioning=true, union_by_name=true) where watched group by date order by date desc limit 7\""
        );
    }

    fn real(&self, minutes: i32) -> Duration {
        Duration::from_secs_f64(f64::from(minutes) / self.per_second)
    }
}

impl Stage<'_> {
    /// Plays it through; gives the alarm's number.
    fn play(&self) -> Result<u64, String> {
        let calm_until = self.now().minute().plus(CALM_MIN);
        self.watch_until(calm_until);
        let breaks = calm_until.next();
        self.deploy(breaks);
        let alarm = self.await_alarm()?;
        let detected_min = (alarm_time(&alarm).since_us(breaks.start())) as f64 / MICROS_PER_MINUTE as f64;
        say(&format!("the alarm came {detected_min:.1} minutes of the shop after the first lost order\n"));
        self.watch_until(self.now().minute().plus(SUFFER_MIN));
        self.roll_back();
        self.await_recovery(alarm.no)?;
        Ok(alarm.no)
    }

    /// Says how the shop is doing every few minutes, and shows what the alarm socket says.
    fn watch_until(&self, minute: Minute) {
        let mut told = None;
        while self.now().minute() < minute {
            self.listener.until(self.story.real(1) / 4, show, |_| false);
            let pulse = self.daemon.view().pulse("orders");
            if let Some(pulse) =
                pulse.filter(|pulse| told.is_none_or(|last: Minute| pulse.minute >= last.plus(4)))
            {
                told = Some(pulse.minute);
                let expected =
                    pulse.expected.map_or("still learning".to_owned(), |e| format!("{e:.0} expected"));
                let observed = pulse.observed.map_or("no data".to_owned(), |o| format!("{o} orders"));
                println!("{}  {observed} a minute, {expected}", clock_time(pulse.minute.start()));
            }
        }
    }

    fn deploy(&self, breaks: Minute) {
        let at = breaks.start().plus_us(-DEPLOY_BEFORE_US);
        self.feeder.say(mark_line("deploy", "checkout v42", at, "one-click"));
        println!("{}  deploy \"checkout v42\" goes out to one-click", clock_time(at));
        println!("{}  one-click breaks in US; nobody tells ebbd\n", clock_time(breaks.start()));
        self.feeder.break_slice(Incident {
            slice: Slice::of([("marketplace", "US"), ("feature", "one-click")]),
            from: breaks,
            to: breaks.plus(24 * 60),
            remaining: 0.02,
        });
    }

    fn await_alarm(&self) -> Result<AlarmRecord, String> {
        let opened = |record: &AlarmRecord| record.kind == Kind::Drop && record.state == State::Firing;
        self.listener
            .until(self.story.real(PATIENCE_MIN), show, opened)
            .ok_or_else(|| "no alarm came; this is a bug, please report it".to_owned())
    }

    fn roll_back(&self) {
        let repaired = self.now().minute().next();
        self.feeder.say(mark_line("rollback", "checkout v41", repaired.start(), "one-click"));
        self.feeder.repair(repaired);
        println!("{}  rollback to checkout v41\n", clock_time(repaired.start()));
    }

    fn await_recovery(&self, no: u64) -> Result<(), String> {
        let over = |record: &AlarmRecord| record.no == no && record.state == State::Resolved;
        self.listener
            .until(self.story.real(PATIENCE_MIN), show, over)
            .map(drop)
            .ok_or_else(|| "the recovery was not noticed; this is a bug, please report it".to_owned())
    }

    fn now(&self) -> TimeUs {
        self.clock.now()
    }
}

fn show(record: &AlarmRecord) {
    let block = watch::block(record, &Style::plain());
    if !block.is_empty() {
        println!("{block}");
    }
}

fn say(line: &str) {
    println!("demo: {line}");
}

fn alarm_time(record: &AlarmRecord) -> TimeUs {
    let stamp: Option<jiff::Timestamp> = record.at.parse().ok();
    TimeUs(stamp.map_or(0, jiff::Timestamp::as_microsecond))
}

/// `18:04 UTC`.
fn clock_time(at: TimeUs) -> String {
    let text = at.to_rfc3339();
    format!("{} UTC", text.get(11..16).unwrap_or(&text))
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A loopback address whose port was free a moment ago.
fn free_address() -> String {
    let found = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    found.map_or_else(|_| "127.0.0.1:7781".to_owned(), |address| address.to_string())
}

/// The last time before now at which all of the shop's countries are awake enough: 18:00 UTC.
fn busy_hour() -> Minute {
    let now = crate::sys::WallClock::new().now().minute();
    let today = now.0 - now.0.rem_euclid(1440) + 18 * 60;
    Minute(if today <= now.0 { today } else { today - 1440 })
}
