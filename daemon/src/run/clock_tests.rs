//! The whole pipeline while somebody sets the wall clock: nothing is lost, nobody is missed for it.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use ebbd_core::alarm::{AlarmRecord, Kind};
use ebbd_core::model::{Reason, TimeUs};

use super::{Daemon, Surroundings};
use crate::config::{self, Config};
use crate::service::ServiceManager;
use crate::sys::{Clock, Inherited, Slewed};

/// 2026-11-22T13:00:00Z.
const START_US: i64 = 1_795_352_400_000_000;
/// So much faster does time pass here.
const FASTER: i64 = 20;
const HOUR_US: i64 = 3_600_000_000;
/// Between two events.
const PACE: Duration = Duration::from_millis(4);

/// The daemon's own kind of clock, with a wall that can be set.
struct Stepped {
    begun: Instant,
    slewed: Slewed,
    wall_is_off_us: AtomicI64,
}

impl Stepped {
    fn new() -> Stepped {
        let slewed = Slewed::new(0, START_US);
        Stepped { begun: Instant::now(), slewed, wall_is_off_us: AtomicI64::new(0) }
    }

    /// Time since boot.
    fn boot_us(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_micros()).unwrap() * FASTER
    }

    /// What time it really is.
    fn truth(&self) -> TimeUs {
        TimeUs(START_US + self.boot_us())
    }

    fn wall_us(&self) -> i64 {
        self.truth().0 + self.wall_is_off_us.load(Ordering::Relaxed)
    }
}

impl Clock for Stepped {
    fn now(&self) -> TimeUs {
        self.slewed.now(self.boot_us(), || self.wall_us())
    }

    fn step_us(&self) -> i64 {
        self.wall_us() - self.now().0
    }
}

fn config(dir: &Path) -> Config {
    let dir = dir.display();
    let text = format!(
        "data_dir = \"{dir}\"\nlanes = 1\nhttp = \"127.0.0.1:0\"\n[stream.orders]\ndimensions = [\"shop\"]\n\
         watched = {{}}\nwatch = [[]]\nseal = \"20s\"\n[source.shop]\ntype = \"unix\"\nlisten = \"{dir}/shop.sock\"\n\
         stream = \"orders\"\n[alarms]\nlisten = \"{dir}/alarms.sock\"\n[control]\nlisten = \"{dir}/control.sock\"\n"
    );
    let checked = Config::check(&text, None, &config::Surroundings::here());
    let told: Vec<String> = checked.errors.iter().map(|problem| problem.render("test", "error")).collect();
    checked.config.unwrap_or_else(|| panic!("{}", told.concat()))
}

fn event(at: TimeUs) -> String {
    format!("{{\"ts\":\"{at}\",\"shop\":\"a\"}}\n")
}

/// Waits until the daemon has the alarm about the clock, or has it no more.
fn await_clock_alarm(daemon: &Daemon, is_open: bool) {
    let begun = Instant::now();
    let about = |record: &AlarmRecord| record.kind == Kind::Ebbd && record.key.ends_with("/clock");
    while daemon.view().seen().open.iter().any(about) != is_open {
        assert!(begun.elapsed() < Duration::from_secs(20), "the alarm about the clock: {is_open}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_wall_clock_that_is_set_by_an_hour_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Stepped::new());
    let surroundings = Surroundings {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        service: Arc::new(ServiceManager::default()),
    };
    let daemon = Daemon::start(config(dir.path()), surroundings, &mut Inherited::none()).unwrap();
    let mut shop = UnixStream::connect(dir.path().join("shop.sock")).unwrap();
    let mut sent = 0;
    for off_us in [0, HOUR_US, -HOUR_US, 0] {
        clock.wall_is_off_us.store(off_us, Ordering::Relaxed);
        let begun = clock.boot_us();
        // Over two minutes' edges.
        while clock.boot_us() - begun < 130_000_000 {
            shop.write_all(event(clock.truth()).as_bytes()).unwrap();
            sent += 1;
            std::thread::sleep(PACE);
        }
        await_clock_alarm(&daemon, off_us != 0);
    }
    for wrong in [TimeUs(0), TimeUs(4_102_444_800_000_000)] {
        shop.write_all(event(wrong).as_bytes()).unwrap();
    }
    drop(shop);
    let begun = Instant::now();
    let counted = || daemon.view().telemetry().streams[0].1.events.get();
    let rejected = |reason: Reason| daemon.view().telemetry().rejects.of(reason).get();
    while counted() + rejected(Reason::TooLate) + rejected(Reason::InFuture) < sent + 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{} of {sent}", counted());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(counted(), sent, "every one of them");
    assert_eq!((rejected(Reason::TooLate), rejected(Reason::InFuture)), (1, 1), "1970 and 2100");
    let late = daemon.view().telemetry().streams[0].1.late.get();
    assert_eq!(late, 0, "each in its minute");
    // Opened and over, once for each way; nobody was missed and nothing fell.
    assert_eq!(daemon.view().telemetry().judge.records.get(), 3, "{:?}", daemon.view().seen().open);
    assert!(daemon.view().seen().open.is_empty());
    daemon.stop().unwrap();
}
