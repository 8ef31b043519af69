//! Loom models of what this module adds to crossbeam. Run by `tests/loom.sh`.
//!
//! Each model runs in spawned threads (a consumer on the main thread once explored a single
//! execution and passed a bug), asserts that more than one execution was explored and that data
//! was seen, and has a mutant that it must catch. A mutant is an ignored test which a test of its own runs in
//! another process (loom ends a failed model by aborting). crossbeam's queue doesn't take part in
//! loom: a one-slot mailbox of loom atomics stands in.

use std::sync::Arc as PlainArc;
use std::sync::atomic::{AtomicUsize, Ordering as PlainOrdering};

use loom::sync::Arc;
use loom::thread;

use super::atomic::{AtomicU32, AtomicU64, Ordering};
use super::{Doorbell, Notice, Tally};

/// What a model explored.
#[derive(Clone, Default)]
struct Explored {
    executions: PlainArc<AtomicUsize>,
    seen: PlainArc<AtomicUsize>,
}

/// Explores `model` and checks that the exploration was real.
fn explore(model: impl Fn(&Explored) + Sync + Send + 'static) {
    let explored = Explored::default();
    let counting = explored.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        counting.executions.fetch_add(1, PlainOrdering::Relaxed);
        model(&counting);
    });
    assert!(explored.executions.load(PlainOrdering::Relaxed) > 1, "only one execution was explored");
    assert!(explored.seen.load(PlainOrdering::Relaxed) > 0, "no data was ever seen");
    println!("{} executions", explored.executions.load(PlainOrdering::Relaxed));
}

/// Runs the ignored test `mutant` in a process of its own; it must find what `complaint` says.
fn assert_caught(mutant: &str, complaint: &str) {
    let this = std::env::current_exe().expect("a running test has a path");
    let name = format!("sync::loom_tests::{mutant}");
    let run = std::process::Command::new(this)
        .args([&name, "--exact", "--ignored", "--nocapture"])
        .output()
        .expect("the test binary starts");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success(), "the model passed {mutant}");
    assert!(said.contains(complaint), "{mutant} failed for another reason: {said}");
}

/// The doorbell's operations, so that a mutant can take its place.
trait Bell: Send + Sync + 'static {
    fn make() -> Self;
    fn ring(&self) -> bool;
    fn lie_down(&self) -> bool;
    fn is_asleep(&self) -> bool;
}

impl Bell for Doorbell {
    fn make() -> Self {
        Doorbell::new()
    }
    fn ring(&self) -> bool {
        Doorbell::ring(self)
    }
    fn lie_down(&self) -> bool {
        Doorbell::lie_down(self)
    }
    fn is_asleep(&self) -> bool {
        Doorbell::is_asleep(self)
    }
}

/// Lies down by a plain store: a ring that came just before is overwritten.
struct DeafBell(AtomicU32);

impl Bell for DeafBell {
    fn make() -> Self {
        DeafBell(AtomicU32::new(0))
    }
    fn ring(&self) -> bool {
        self.0.swap(1, Ordering::AcqRel) == 2
    }
    fn lie_down(&self) -> bool {
        self.0.store(2, Ordering::Release);
        true
    }
    fn is_asleep(&self) -> bool {
        self.0.load(Ordering::Acquire) == 2
    }
}

/// Rings without publishing: the sleeper may miss the work it was rung for.
struct RelaxedBell(AtomicU32);

impl Bell for RelaxedBell {
    fn make() -> Self {
        RelaxedBell(AtomicU32::new(0))
    }
    fn ring(&self) -> bool {
        self.0.swap(1, Ordering::Relaxed) == 2
    }
    fn lie_down(&self) -> bool {
        let fell_asleep = self.0.compare_exchange(0, 2, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !fell_asleep {
            self.0.swap(0, Ordering::Relaxed);
        }
        fell_asleep
    }
    fn is_asleep(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 2
    }
}

/// Two producers put one item each into their mailbox and ring; the consumer takes both, sleeping
/// when it finds nothing. A lost wake-up shows as a deadlock, which loom reports.
fn two_ringers<B: Bell>(explored: &Explored) {
    let bell = Arc::new(B::make());
    let mailboxes = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let consumer = {
        let (bell, mailboxes, seen) = (Arc::clone(&bell), Arc::clone(&mailboxes), explored.seen.clone());
        thread::spawn(move || {
            let mut taken = 0;
            while taken < 2 {
                let found: u32 = mailboxes.iter().map(|slot| slot.swap(0, Ordering::Relaxed)).sum();
                taken += found;
                if taken < 2 && found == 0 && bell.lie_down() {
                    while bell.is_asleep() {
                        thread::park();
                    }
                }
            }
            seen.fetch_add(taken as usize, PlainOrdering::Relaxed);
        })
    };
    let sleeper = consumer.thread().clone();
    let other = {
        let (bell, mailboxes, sleeper) = (Arc::clone(&bell), Arc::clone(&mailboxes), sleeper.clone());
        thread::spawn(move || put(&*bell, &mailboxes[1], &sleeper))
    };
    put(&*bell, &mailboxes[0], &sleeper);
    other.join().expect("the producer ends");
    consumer.join().expect("the consumer ends");
}

fn put(bell: &impl Bell, mailbox: &AtomicU32, sleeper: &thread::Thread) {
    // A swap, not a store: loom orders a store against swaps too loosely and would lose the item itself.
    mailbox.swap(1, Ordering::Relaxed);
    if bell.ring() {
        sleeper.unpark();
    }
}

/// One ringer that hands over unsynchronised data: what the sleeper finds after it was rung must be
/// the data written before the ring.
fn publishes<B: Bell>(explored: &Explored) {
    let bell = Arc::new(B::make());
    let data = Arc::new(AtomicU32::new(0));
    let seen = explored.seen.clone();
    let consumer = {
        let (bell, data) = (Arc::clone(&bell), Arc::clone(&data));
        thread::spawn(move || {
            if !bell.lie_down() || !bell.is_asleep() {
                assert_eq!(data.load(Ordering::Relaxed), 7, "rung, but the work isn't visible");
                seen.fetch_add(1, PlainOrdering::Relaxed);
            }
        })
    };
    data.store(7, Ordering::Relaxed);
    bell.ring();
    consumer.join().expect("the consumer ends");
}

#[test]
fn doorbell_never_sleeps_through_a_ring() {
    explore(two_ringers::<Doorbell>);
    assert_caught("deaf_bell", "deadlock");
}

#[test]
#[ignore = "a mutant: it has to fail"]
fn deaf_bell() {
    explore(two_ringers::<DeafBell>);
}

#[test]
fn doorbell_publishes_the_work_it_rings_for() {
    explore(publishes::<Doorbell>);
    assert_caught("relaxed_bell", "the work isn't visible");
}

#[test]
#[ignore = "a mutant: it has to fail"]
fn relaxed_bell() {
    explore(publishes::<RelaxedBell>);
}

/// Drains by load and store instead of a swap: what was added between them is lost.
fn leaky_drain(counter: &AtomicU64) -> u64 {
    let taken = counter.load(Ordering::Acquire);
    counter.store(0, Ordering::Release);
    taken
}

/// Two threads add while a third drains; the sum of the drains must be what was added.
fn conserved<T: Send + Sync + 'static>(
    explored: &Explored,
    tally: T,
    add: fn(&T, u64),
    drain: fn(&T) -> u64,
) {
    let tally = Arc::new(tally);
    let adders: Vec<_> = (1..=2_u64)
        .map(|count| {
            let tally = Arc::clone(&tally);
            thread::spawn(move || add(&tally, count))
        })
        .collect();
    let early = drain(&tally);
    for adder in adders {
        adder.join().expect("the adder ends");
    }
    assert_eq!(early + drain(&tally), 3, "what was added isn't what was drained");
    explored.seen.fetch_add(early as usize, PlainOrdering::Relaxed);
}

#[test]
fn tally_loses_and_doubles_nothing() {
    explore(|explored| {
        conserved(explored, Tally::<1>::new(), |tally, count| tally.add(0, count), |tally| tally.drain()[0]);
    });
    assert_caught("leaky_tally", "what was added isn't what was drained");
}

#[test]
#[ignore = "a mutant: it has to fail"]
fn leaky_tally() {
    explore(|explored| {
        let add = |counter: &AtomicU64, count| {
            counter.fetch_add(count, Ordering::Release);
        };
        conserved(explored, AtomicU64::new(0), add, leaky_drain);
    });
}

/// One thread brings two things, another asks the notice and looks only if it is raised. What it did not
/// find must still be announced at the end.
fn announced(explored: &Explored, bring: fn(&Notice, &AtomicU32)) {
    let shared = Arc::new((Notice::new(), [AtomicU32::new(0), AtomicU32::new(0)]));
    let bringer = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || shared.1.iter().for_each(|slot| bring(&shared.0, slot)))
    };
    let look = |(notice, slots): &(Notice, [AtomicU32; 2])| match notice.take() {
        true => slots.iter().map(|slot| slot.swap(0, Ordering::AcqRel)).sum(),
        false => 0,
    };
    let early: u32 = look(&shared) + look(&shared);
    bringer.join().expect("the bringer ends");
    assert_eq!(early + look(&shared), 2, "something came and nobody was told");
    explored.seen.fetch_add(early as usize, PlainOrdering::Relaxed);
}

#[test]
fn notice_announces_whatever_came() {
    explore(|explored| {
        announced(explored, |notice, slot| {
            slot.swap(1, Ordering::AcqRel);
            notice.raise();
        });
    });
    assert_caught("hasty_notice", "something came and nobody was told");
}

#[test]
#[ignore = "a mutant: it has to fail"]
fn hasty_notice() {
    explore(|explored| {
        announced(explored, |notice, slot| {
            notice.raise();
            slot.swap(1, Ordering::AcqRel);
        });
    });
}
