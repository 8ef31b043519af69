//! Many subscribers at once: healthy ones, ones that hang, ones that come and go.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ebbd_core::alarm::State;

use super::peer::{Peer, until};
use super::{Served, quick, record};

const HEALTHY: usize = 60;
const HANGING: usize = 100;
const CHURNING: usize = 40;
const RECORDS: u64 = 2_500;
const KEPT: usize = 1_500;

/// Reads alarms up to the last one; every number once and in order.
fn read_all(mut peer: Peer, had: &AtomicU64) {
    assert_eq!(peer.words(1), ["hello"]);
    for expected in 1..=RECORDS {
        let line = peer.next();
        assert_eq!((line["type"].as_str(), line["seq"].as_u64()), (Some("alarm"), Some(expected)));
        had.store(expected, Relaxed);
    }
}

/// Comes and goes until it is over.
fn churn(served: &Served, over: &AtomicBool) {
    while !over.load(Relaxed) {
        let some: Vec<Peer> = (0..CHURNING / 4).map(|_| Peer::connect(&served.path)).collect();
        std::thread::sleep(Duration::from_millis(10));
        drop(some);
    }
}

/// Publishes every record and says how long the slowest took. Waits for the test's own readers, which
/// share two cores with everything else, so that none is driven out of the ring.
fn publish_all(served: &Served, had: &[AtomicU64]) -> Duration {
    let mut slowest = Duration::ZERO;
    for seq in 1..=RECORDS {
        let start = Instant::now();
        served.hub.publish(&record(seq, seq, State::Resolved));
        slowest = slowest.max(start.elapsed());
        until("readers keep up", || had.iter().all(|had| had.load(Relaxed) + 1_000 >= seq));
    }
    slowest
}

/// Two hundred subscribers, half of which never read: publishing takes microseconds, the healthy ones
/// miss nothing, and one that hung is told its gap and can go on.
#[test]
fn those_who_hang_and_churn_disturb_nobody() {
    let served = Served::with(quick(), KEPT);
    let mut hanging: Vec<Peer> = (0..HANGING).map(|_| Peer::connect(&served.path)).collect();
    let healthy: Vec<Peer> = (0..HEALTHY).map(|_| Peer::asking(&served.path, r#"{"since":0}"#)).collect();
    let counters = &served.telemetry.alarm_socket;
    until("all are connected", || counters.subscribers.get() == (HANGING + HEALTHY) as i64);
    std::thread::sleep(Duration::from_millis(150));
    let had: Vec<AtomicU64> = (0..HEALTHY).map(|_| AtomicU64::new(0)).collect();
    let over = AtomicBool::new(false);
    let (slowest, outcome) = std::thread::scope(|scope| {
        let readers: Vec<_> =
            healthy.into_iter().zip(&had).map(|(peer, had)| scope.spawn(|| read_all(peer, had))).collect();
        (0..4).for_each(|_| drop(scope.spawn(|| churn(&served, &over))));
        let slowest = catch_unwind(AssertUnwindSafe(|| publish_all(&served, &had)));
        let outcome: Vec<_> = readers.into_iter().map(|reader| reader.join().is_ok()).collect();
        over.store(true, Relaxed);
        (slowest, outcome)
    });
    assert!(outcome.iter().all(|ok| *ok), "a healthy subscriber missed something");
    let slowest = slowest.unwrap();
    // A publisher that waited for a subscriber that hangs would wait for ever; a busy machine's
    // scheduler takes its time, but not seconds.
    assert!(slowest < Duration::from_secs(2), "publishing took {slowest:?}");
    catches_up(&mut hanging[0]);
    assert!(counters.gaps.get() > 0 && counters.inbox_full.get() == 0);
    drop(hanging);
    until("all seats are free", || counters.subscribers.get() == 0);
}

/// What hung reads on: each number comes once, as a record or inside a gap.
fn catches_up(peer: &mut Peer) {
    assert_eq!(peer.words(1), ["hello"]);
    let mut expected = 1;
    let mut gaps = 0;
    while expected <= RECORDS {
        let line = peer.next();
        if line["type"] == "gap" {
            assert_eq!(line["from"].as_u64(), Some(expected));
            expected = line["to"].as_u64().unwrap() + 1;
            gaps += 1;
        } else {
            assert_eq!(line["seq"].as_u64(), Some(expected), "{line}");
            expected += 1;
        }
    }
    assert!(gaps > 0, "it hung for more records than are kept");
}
