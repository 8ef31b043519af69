//! What stays while daemons come and go: the disk, time, senders, and what was promised.
//!
//! In: a seed. Out: what was wrong. Must not know: how a daemon does its work.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ebbd_core::alarm::AlarmRecord;
use ebbd_core::model::{Rng, SplitMix64, TimeUs};

use super::super::recover::{Recovered, again};
use super::life::{Life, NotBegun};
use super::recount;
use super::senders::{Acked, Log, Plain, Written};
use crate::config::{Config, Surroundings};
use crate::journal;
use crate::judge::AlarmSink;
use crate::sys::{Clock, Fault, FaultDisk, ManualClock, Mutant, make_mutant, stop_time};

/// Lives before the last one, which is left in peace.
const LIVES: u64 = 4;
/// A life has up to so many steps.
const STEPS: u64 = 50;
/// With nothing in the way everything is counted within so many.
const QUIET_STEPS: u64 = 200;
/// After the last fault a daemon lives for so many.
const HEALING_STEPS: u64 = 40;
/// 2026-11-22T13:04:05Z.
const BEGIN: TimeUs = TimeUs(1_795_352_645_000_000);

/// What befalls daemons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Faults {
    /// Kills: what was written stays.
    Kill,
    /// Power cuts and kills: what was not synced goes by chance.
    PowerCut,
    /// Calls fail, then kills and power cuts come, whether the disk was well by then or not.
    Disk,
}

/// A disk and all who know what should be on it.
pub(super) struct World {
    rng: SplitMix64,
    faults: Faults,
    pub(super) disk: FaultDisk,
    pub(super) config: Arc<Config>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) mutant: Option<Mutant>,
    passing: Instant,
    till: Acked,
    shop: Plain,
    log: Log,
    written: Written,
    heard: Arc<Heard>,
    /// Whether a trouble of ebbd's own is there.
    pub(super) ails: Arc<AtomicBool>,
    /// Checkpoints that what was told again was compared with.
    pub(super) told_again: Cell<u64>,
    pub(super) cuts: u64,
    pub(super) kills: u64,
    dir: tempfile::TempDir,
}

/// Records that went out as durable.
struct Heard {
    disk: FaultDisk,
    records: Mutex<BTreeMap<u64, String>>,
}

impl AlarmSink for Heard {
    fn publish(&self, record: &AlarmRecord) {
        // The dead say nothing.
        if record.durable && !self.disk.is_dead() {
            let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            records.insert(record.seq, record.key.clone());
        }
    }
}

fn config(dir: &Path) -> Config {
    let stream = |name: &str| {
        format!(
            "[stream.{name}]\ndimensions = [\"shop\"]\nwatch = [[], [\"shop\"]]\n\
             sums = {{ amount = {{ field = \"amount\", scale = 2, currency = \"currency\" }} }}\n"
        )
    };
    let socket = |name: &str, stream: &str| {
        format!("[source.{name}]\ntype = \"unix\"\nlisten = \"/@/{name}.sock\"\nstream = \"{stream}\"\n")
    };
    let text = "data_dir = \"/nowhere\"\nhost = \"sim\"\nlanes = 2\n".to_owned()
        + &["acked", "plain", "orders"].map(stream).concat()
        + &socket("till", "acked")
        + &socket("shop", "plain")
        + &format!(
            "[source.logs]\ntype = \"file\"\npath = \"{}/orders.log\"\nstream = \"orders\"\n",
            dir.display()
        )
        + "[parquet]\nroll = \"2s\"\n[rejects]\nkeep = \"off\"\n";
    let surroundings = Surroundings { host: "sim".to_owned(), cores: 2, ..Surroundings::here() };
    let checked = Config::check(&text, None, &surroundings);
    let problems = format!("{:?}", checked.errors);
    checked.config.unwrap_or_else(|| panic!("{problems}"))
}

impl World {
    pub(super) fn new(seed: u64, faults: Faults) -> World {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let disk = FaultDisk::new();
        World {
            rng: SplitMix64::new(seed),
            faults,
            config: Arc::new(config(dir.path())),
            clock: Arc::new(ManualClock::new(BEGIN)),
            mutant: None,
            passing: Instant::now(),
            till: Acked::default(),
            shop: Plain::default(),
            log: Log::new(dir.path().join("orders.log")),
            written: Written::default(),
            heard: Arc::new(Heard { disk: disk.clone(), records: Mutex::default() }),
            disk,
            ails: Arc::default(),
            told_again: Cell::new(0),
            cuts: 0,
            kills: 0,
            dir,
        }
    }

    /// The file that a process leaves in the page cache.
    pub(super) fn tally(&self) -> PathBuf {
        self.dir.path().join("tally")
    }

    pub(super) fn sink(&self) -> Arc<dyn AlarmSink> {
        Arc::clone(&self.heard) as Arc<dyn AlarmSink>
    }

    /// Some lives with bad ends, one in peace, and the recount.
    pub(super) fn live(&mut self) -> Result<(), String> {
        make_mutant(self.mutant);
        for _ in 0..LIVES {
            self.pass();
            self.plan();
            let steps = 1 + self.rng.below(STEPS);
            self.one_life(steps)?;
            self.end();
        }
        self.disk.revive();
        self.disk.heal();
        self.last_life()?;
        make_mutant(None);
        recount::check(&self.disk, &self.config, &self.written, self.shop.sent)?;
        recount::check_records(&self.disk, &self.config.data_dir, &self.heard())
    }

    /// When and how the next life ends, and what fails before.
    fn plan(&mut self) {
        let calls = self.disk.calls();
        if self.faults != Faults::Disk && self.rng.below(8) > 0 {
            // Most of a life's calls come with rolls and rotations; one in four ends while it starts.
            let within = if self.rng.below(4) == 0 { 30 } else { 600 };
            self.disk.die_at(calls + 1 + self.rng.below(within));
        }
        if self.faults == Faults::Disk {
            for _ in 0..self.rng.below(4) {
                let fault = if self.rng.below(2) == 0 { Fault::Broken } else { Fault::Full };
                self.disk.fail_at(calls + 1 + self.rng.below(300), fault);
            }
        }
    }

    fn one_life(&mut self, steps: u64) -> Result<(), String> {
        let Some(mut life) = self.begun()? else { return Ok(()) };
        for _ in 0..steps {
            self.step(&mut life, true)?;
            if self.disk.is_dead() {
                break;
            }
        }
        // What fails may go on failing until the end, unless it ends in order.
        let is_well = self.faults != Faults::Disk || self.rng.below(2) == 0;
        if self.faults == Faults::Disk && is_well {
            self.heal(&mut life)?;
        }
        let in_order = is_well && !self.disk.is_dead() && self.rng.below(3) == 0;
        self.let_go();
        if in_order {
            // Power may go while it stops.
            return life.stop().or_else(|error| if self.disk.is_dead() { Ok(()) } else { Err(error) });
        }
        life.kill();
        Ok(())
    }

    /// The disk is well again: so is the daemon a little later, and what it only had in memory is in files.
    fn heal(&mut self, life: &mut Life) -> Result<(), String> {
        self.disk.heal();
        for _ in 0..HEALING_STEPS {
            self.step(life, true)?;
        }
        Ok(())
    }

    fn begun(&self) -> Result<Option<Life>, String> {
        match Life::begin(self) {
            Ok(life) => Ok(Some(life)),
            Err(NotBegun::Wrong(what)) => Err(what),
            Err(NotBegun::Disk(_)) if self.disk.is_dead() || self.faults == Faults::Disk => Ok(None),
            Err(NotBegun::Disk(error)) => Err(format!("it does not start: {error}")),
        }
    }

    /// The process is gone; so is what was not synced, if it was the power.
    fn end(&mut self) {
        if self.faults != Faults::Kill && self.rng.below(3) > 0 {
            self.cuts += 1;
            let (disk, rng) = (self.disk.clone(), &mut self.rng);
            disk.crash(&mut |n| rng.below(n));
            // The page cache is gone. There may be no such file yet.
            let _ = std::fs::remove_file(self.tally());
        } else {
            self.kills += 1;
        }
        self.disk.revive();
    }

    fn last_life(&mut self) -> Result<(), String> {
        let mut life = self.begun()?.ok_or("it does not start on a sound disk")?;
        let mut steps = 0;
        while !self.till.is_done() || steps < 30 {
            if steps == 10 {
                self.log.finish();
            }
            self.step(&mut life, steps < 10)?;
            steps += 1;
            if steps > QUIET_STEPS {
                return Err(format!("it never gets quiet: {}", self.till.told()));
            }
        }
        self.let_go();
        life.stop()?;
        // Nothing happens to what is there by starting and stopping.
        self.begun()?.ok_or("it does not start again")?.stop()
    }

    /// The senders' ends of all connections go.
    fn let_go(&mut self) {
        self.till.let_go();
        self.shop.let_go();
    }

    /// Time passes for everybody.
    fn pass(&mut self) {
        let long = if self.rng.below(20) == 0 { 11_000 } else { 900 };
        let ms = 50 + self.rng.below(long);
        self.passing += Duration::from_millis(ms);
        self.clock.set(self.clock.now().plus_us(ms as i64 * 1000));
        stop_time(Some(self.passing));
    }

    fn step(&mut self, life: &mut Life, is_busy: bool) -> Result<(), String> {
        self.pass();
        let now = self.clock.now();
        if is_busy {
            self.till.produce(&mut self.rng, now, &mut self.written);
            self.log.produce(&mut self.rng, now, &mut self.written);
        }
        if is_busy && self.rng.below(12) == 0 {
            self.ails.store(self.rng.below(2) == 0, Ordering::Relaxed);
        }
        self.till.send(&mut self.rng, &mut life.sources[0])?;
        self.shop.send(&mut self.rng, now, &mut life.sources[1], is_busy);
        life.turn(self.passing);
        self.till.hear()
    }

    fn heard(&self) -> MutexGuard<'_, BTreeMap<u64, String>> {
        self.heard.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the oracle says of what a start found.
    pub(super) fn check_recovered(&self, left: &journal::Recovered, state: &Recovered) -> Result<(), String> {
        let is_whole = left.damaged.is_empty() && left.missing.is_empty() && left.broken.is_empty();
        if self.faults != Faults::Disk && !is_whole {
            return Err(format!(
                "told without a reason: {:?} {:?} {:?}",
                left.damaged, left.missing, left.broken
            ));
        }
        if let Some(trouble) = state.trouble.as_ref().filter(|_| self.faults != Faults::Disk) {
            return Err(trouble.clone());
        }
        let is_told_again = self.faults != Faults::Disk && self.mutant.is_none();
        if is_told_again {
            match again::compared(left, &self.config) {
                Ok(compared) => self.told_again.set(self.told_again.get() + compared),
                Err(_) if self.disk.is_dead() => {}
                Err(difference) => return Err(difference),
            }
        }
        let heard = self.heard();
        let found = |seq: &u64, key: &String| {
            state.records.iter().any(|record| record.seq == *seq && record.key == *key)
        };
        let lost = heard.iter().find(|(seq, key)| !found(seq, key));
        lost.map_or(Ok(()), |(seq, key)| {
            Err(format!("the record {seq} {key} was sent as durable and is gone"))
        })
    }
}
