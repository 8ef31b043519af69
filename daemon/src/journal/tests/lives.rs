//! Lives of a journal on a disk that forgets what was not synced, with calls that fail, kills and power
//! cuts. Whatever was told durable is there afterwards, in order, with nothing between and nothing invented.

use std::path::Path;

use super::super::log::{NewFrame, SegmentLog};
use super::super::{About, Beginning, FrameKind, Recovered, recover};
use super::{DIR, on};
use crate::sys::{Fault, FaultDisk, Mutant, make_mutant, result};

/// Items that are appended are numbers; the state is how many there are.
struct Life {
    disk: FaultDisk,
    seed: u64,
    /// Items ever handed over.
    items: u64,
    /// The most that can be found: a start that failed told nobody how many it had found, so a name that
    /// it had not seen may come back.
    most: u64,
    /// Items told durable.
    durable: u64,
    /// A call failed: what its process could still read may never have reached the medium.
    broke: bool,
    faults: bool,
}

fn item(number: u64) -> NewFrame {
    let mut body = number.to_le_bytes().to_vec();
    body.extend((0..number.wrapping_mul(0x9e37) % 1_500).map(|at| (number + at) as u8));
    (FrameKind::Commit, body)
}

fn state(items: u64) -> [NewFrame; 1] {
    [(FrameKind::Checkpoint, items.to_le_bytes().to_vec())]
}

fn number(body: &[u8]) -> u64 {
    body[..8].iter().rev().fold(0, |value, &b| value << 8 | u64::from(b))
}

impl Life {
    fn chance(&mut self, n: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % n
    }

    fn cut_power(&mut self) {
        let (disk, mut seed) = (self.disk.clone(), self.seed);
        disk.crash(&mut |n| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % n
        });
        self.seed = seed;
    }

    /// What the segments say now: how many items there are.
    fn replay(&self, left: &Recovered) -> Result<u64, String> {
        let mut count = None;
        for segment in left.unbroken() {
            let bytes = left.read(segment).map_err(|error| error.to_string())?;
            for frame in bytes.frames() {
                let next = count.unwrap_or(0);
                match frame.kind {
                    FrameKind::Checkpoint if count.is_none() || number(frame.body) == next => {
                        count = Some(number(frame.body));
                    }
                    FrameKind::Commit if frame.body == item(next).1 => count = Some(next + 1),
                    // Once more, behind a failure; without a state before it, it says nothing.
                    FrameKind::Commit if count.is_none() || number(frame.body) < next => {}
                    kind => return Err(format!("{kind:?} {} behind {next} items", number(frame.body))),
                }
            }
        }
        Ok(count.unwrap_or(0))
    }

    fn check(&mut self) -> Result<Recovered, String> {
        let left = recover(on(&self.disk), Path::new(DIR)).map_err(|error| error.to_string())?;
        let told = (&left.damaged, &left.missing, &left.broken);
        let is_clean = left.damaged.is_empty() && left.missing.is_empty() && left.broken.is_empty();
        if !is_clean && !self.broke {
            return Err(format!("told without a reason: {told:?}"));
        }
        let count = self.replay(&left)?;
        if count < self.durable || self.most < count {
            return Err(format!("{count} items of {}, {} were durable", self.most, self.durable));
        }
        self.items = count;
        Ok(left)
    }

    fn fault(&mut self) {
        let fault = if self.chance(2) == 0 { Fault::Broken } else { Fault::Full };
        self.broke = true;
        let call = self.disk.calls() + 1 + self.chance(8);
        self.disk.fail_at(call, fault);
    }

    /// The state alone, or behind whatever may be in no segment.
    fn beginning(&mut self) -> (Vec<NewFrame>, Beginning) {
        if self.chance(3) == 0 {
            return (state(self.items).to_vec(), Beginning::Alone);
        }
        let bridge = (self.durable..self.items).map(item);
        (bridge.chain(state(self.items)).collect(), Beginning::GoesOn)
    }

    fn step(&mut self, log: &mut SegmentLog) {
        match self.chance(12) {
            0..=4 => {
                let frames: Vec<NewFrame> = (self.items..=self.items + self.chance(3)).map(item).collect();
                self.items += frames.len() as u64;
                self.most = self.items;
                log.take(&frames);
            }
            5..=6 => drop(log.write()),
            7..=8 => {
                let synced = log.write().and_then(|()| log.sync());
                self.durable = if synced.is_ok() { self.items } else { self.durable };
            }
            9 => {
                let (frames, beginning) = self.beginning();
                if let Ok(number) = log.begin(&frames, beginning) {
                    self.durable = self.items;
                    let keep = self.chance(3);
                    let _ = log.release_before(number.saturating_sub(keep));
                }
            }
            10 if self.faults => self.fault(),
            _ => {}
        }
    }

    fn run(&mut self, left: &Recovered) -> std::io::Result<()> {
        let mut log = SegmentLog::after(on(&self.disk), left, About::default())?;
        let number = log.begin(&state(self.items), Beginning::GoesOn)?;
        (self.durable, self.most) = (self.items, self.items);
        if self.chance(2) == 0 {
            log.release_before(number)?;
        }
        for _ in 0..self.chance(40) {
            self.step(&mut log);
        }
        Ok(())
    }
}

/// One life of some runs; the error says what was wrong.
fn live(seed: u64, faults: bool) -> Result<(), String> {
    let mut life = Life { disk: FaultDisk::new(), seed, items: 0, most: 0, durable: 0, broke: false, faults };
    for _ in 0..5 {
        let left = life.check()?;
        if life.faults && life.chance(4) == 0 {
            life.fault();
        }
        // A start that fails is followed by another one.
        let _ = life.run(&left);
        life.disk.heal();
        if life.chance(3) > 0 {
            life.cut_power();
        }
    }
    life.check().map(drop)
}

#[test]
fn whatever_was_told_durable_is_recovered() {
    for seed in 0..1_500 {
        for faults in [false, true] {
            let lived = live(seed, faults);
            assert!(lived.is_ok(), "seed {seed}, faults {faults}: {lived:?}");
        }
    }
    result("lives of the journal", "all", "3000");
}

#[test]
fn every_mistake_is_noticed() {
    for mistake in [Mutant::NoSync, Mutant::UnlinkEarly, Mutant::RetrySync, Mutant::RotateUnsynced] {
        make_mutant(Some(mistake));
        let noticed = (0..1_500).find(|seed| live(*seed, mistake == Mutant::RetrySync).is_err());
        make_mutant(None);
        assert!(noticed.is_some(), "{mistake:?} survives");
        let by = format!("lives of the journal, seed {}", noticed.unwrap_or_default());
        result("mutant", &format!("{mistake:?} in the journal"), &by);
    }
}
