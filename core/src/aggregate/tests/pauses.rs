//! A daemon that stood still: a machine that slept, a process that was frozen. Nobody is missed for that.

use super::senders::{state_of, two_known_hosts};
use super::*;
use crate::model::SourceState;

const FROM: f64 = 910.0;
const TO: f64 = 910.0 + 3600.0;

/// Two hosts that are known, and an hour in which the daemon did not run.
fn paused(slept: bool) -> Bench {
    let mut bench = two_known_hosts();
    bench.orders("web-1", 900, 910);
    let pause = Pause { from: at(FROM), to: at(TO), slept };
    let step =
        Step { commit: 1, at: at(TO), now: at(TO), orders: vec![Order::Paused(pause)], ..Step::default() };
    assert!(bench.aggregator.apply(step).sealed.is_empty(), "senders get a moment to be heard again");
    bench
}

#[test]
fn a_machine_that_slept_misses_nobody_and_says_that_it_knows_nothing() {
    let mut bench = paused(true);
    let sealed = bench.advance(TO + 5.0);
    assert_eq!(sealed.len(), 60);
    let (first, rest) = sealed.split_first().unwrap();
    assert_eq!(first.watched_count(), 10, "what had come before it slept");
    assert!((0.1..=10.0 / 60.0).contains(&first.completeness.fraction), "{:?}", first.completeness);
    for minute in rest {
        assert!(minute.completeness.no_data && minute.completeness.missing.is_empty(), "{minute:?}");
        assert!(minute.sources.iter().all(|row| row.state == SourceState::Alive), "{minute:?}");
    }
    bench.orders("web-1", TO as i64 + 1, TO as i64 + 120);
    let sealed = bench.advance(TO + 125.0).pop().unwrap();
    assert_eq!(state_of(&sealed, "web-1").state, SourceState::Alive);
    let silent = state_of(&sealed, "web-2");
    assert_eq!(silent.state, SourceState::Silent, "who does not come back is missed then");
    assert_eq!(silent.missing_since, Some(at(896.0)));
}

#[test]
fn a_process_that_was_frozen_counts_what_the_kernel_held() {
    let mut bench = paused(false);
    for second in (910..TO as i64).step_by(2) {
        let host = if second % 4 == 0 { "web-2" } else { "web-1" };
        bench.send(0, at(TO + 1.0), &[order(at(second as f64), host)]);
    }
    let sealed = bench.advance(TO + 5.0);
    assert_eq!(sealed.len(), 60);
    assert_eq!(sealed.iter().map(SealedMinute::watched_count).sum::<i64>(), 10 + 1795);
    for minute in &sealed {
        assert!(!minute.completeness.no_data && minute.completeness.missing.is_empty(), "{minute:?}");
        assert!(minute.completeness.fraction > 0.99 && minute.completeness.late == 0.0, "{minute:?}");
    }
}

#[test]
fn a_pause_before_the_first_sign_or_backwards_is_none() {
    let mut bench = Bench::new();
    bench.aggregator.paused(&Pause { from: at(0.0), to: at(100.0), slept: true });
    bench.advance(0.0);
    bench.aggregator.paused(&Pause { from: at(100.0), to: at(50.0), slept: true });
    bench.orders("web-1", 0, 60);
    let sealed = bench.advance(65.0).pop().unwrap();
    assert_eq!((count(&sealed), sealed.completeness.fraction), (60, 1.0));
}
