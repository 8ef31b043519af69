//! Latencies: each thread records into its own histogram and hands it over whenever it likes, without
//! ever waiting; whoever asks merges what has been handed over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam::queue::ArrayQueue;
use hdrhistogram::Histogram;

/// Longest time told apart, in microseconds: ten minutes. Longer ones count as this.
const MAX_US: u64 = 600_000_000;
/// Histograms that wait to be merged; a thread that finds no room goes on with its own.
const HANDOVERS: usize = 64;

/// Bucket bounds of the exposed histograms, in seconds.
pub(super) const BUCKETS_S: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_US, 2).expect("the bounds are constants that hdrhistogram accepts")
}

/// How long one thing takes, over all threads and since the start.
#[derive(Debug)]
pub struct Latency {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    merged: Mutex<Merged>,
    exchange: Arc<Exchange>,
}

#[derive(Debug)]
struct Merged {
    histogram: Histogram<u64>,
    sum_us: u128,
}

#[derive(Debug)]
struct Exchange {
    filled: ArrayQueue<Recorded>,
    empties: ArrayQueue<Recorded>,
}

#[derive(Debug)]
struct Recorded {
    histogram: Histogram<u64>,
    sum_us: u128,
}

/// One thread's pen. Recording and handing over never wait; what is left is handed over when it is
/// dropped, if there is room.
#[derive(Debug)]
pub struct LatencyRecorder {
    own: Option<Recorded>,
    exchange: Arc<Exchange>,
}

/// What has been measured so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatencySummary {
    /// Measurements.
    pub count: u64,
    /// Their sum, in seconds.
    pub sum_s: f64,
    /// Median, in microseconds.
    pub p50_us: u64,
    /// 99th percentile, in microseconds.
    pub p99_us: u64,
    /// 99.9th percentile, in microseconds.
    pub p999_us: u64,
    /// Longest, in microseconds.
    pub max_us: u64,
    /// Measurements per bucket (not cumulated), the last one beyond every bound.
    pub buckets: [u64; BUCKETS_S.len() + 1],
}

impl Latency {
    pub(super) fn new(name: &'static str, help: &'static str) -> Latency {
        let exchange = Exchange { filled: ArrayQueue::new(HANDOVERS), empties: ArrayQueue::new(HANDOVERS) };
        let merged = Mutex::new(Merged { histogram: empty(), sum_us: 0 });
        Latency { name, help, merged, exchange: Arc::new(exchange) }
    }

    /// A pen for one thread.
    pub fn recorder(&self) -> LatencyRecorder {
        LatencyRecorder { own: Some(Recorded::new()), exchange: Arc::clone(&self.exchange) }
    }

    /// Merges what has been handed over and sums it up. Threads that record never wait for this.
    pub fn summary(&self) -> LatencySummary {
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut recorded) = self.exchange.filled.pop() {
            merged.histogram.add(&recorded.histogram).expect("both histograms have the same bounds");
            merged.sum_us += recorded.sum_us;
            recorded.clear();
            let _ = self.exchange.empties.push(recorded);
        }
        merged.summary()
    }
}

impl Merged {
    fn summary(&self) -> LatencySummary {
        let histogram = &self.histogram;
        LatencySummary {
            count: histogram.len(),
            sum_s: self.sum_us as f64 / 1e6,
            p50_us: histogram.value_at_quantile(0.5),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
            buckets: self.buckets(),
        }
    }

    fn buckets(&self) -> [u64; BUCKETS_S.len() + 1] {
        let mut buckets = [0; BUCKETS_S.len() + 1];
        for step in self.histogram.iter_recorded() {
            let seconds = step.value_iterated_to() as f64 / 1e6;
            let at = BUCKETS_S.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS_S.len());
            buckets[at] += step.count_since_last_iteration();
        }
        buckets
    }
}

impl Recorded {
    fn new() -> Recorded {
        Recorded { histogram: empty(), sum_us: 0 }
    }

    fn clear(&mut self) {
        self.histogram.reset();
        self.sum_us = 0;
    }
}

impl LatencyRecorder {
    /// Records one measurement in microseconds.
    pub fn record_us(&mut self, micros: u64) {
        let own = self.own.get_or_insert_with(Recorded::new);
        own.histogram.saturating_record(micros.max(1));
        own.sum_us += u128::from(micros);
    }

    /// Records one measurement.
    pub fn record(&mut self, took: Duration) {
        self.record_us(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Takes in measurements that a thread collected by itself, in nanoseconds.
    pub fn record_all_ns(&mut self, collected: &Histogram<u64>) {
        let own = self.own.get_or_insert_with(Recorded::new);
        for step in collected.iter_recorded() {
            let (micros, count) =
                ((step.value_iterated_to() / 1_000).max(1), step.count_since_last_iteration());
            own.histogram.saturating_record_n(micros, count);
            own.sum_us += u128::from(micros) * u128::from(count);
        }
    }

    /// Hands over what has been recorded since the last time, if anybody took the last ones. Call it
    /// about once a second.
    pub fn hand_over(&mut self) {
        if self.own.as_ref().is_none_or(|own| own.histogram.is_empty()) {
            return;
        }
        if let Some(own) = self.own.take() {
            self.own = match self.exchange.filled.push(own) {
                Ok(()) => Some(self.exchange.empties.pop().unwrap_or_else(Recorded::new)),
                Err(back) => Some(back),
            };
        }
    }
}

impl Drop for LatencyRecorder {
    fn drop(&mut self) {
        self.hand_over();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_what_threads_hand_over() {
        let latency = Latency::new("x_seconds", "x");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut pen = latency.recorder();
                    for micros in 1..=1_000 {
                        pen.record_us(micros);
                        if micros % 100 == 0 {
                            pen.hand_over();
                        }
                    }
                });
            }
        });
        let summary = latency.summary();
        assert_eq!(summary.count, 4_000);
        assert!((summary.sum_s - 4.0 * 0.5005).abs() < 1e-9);
        assert!((495..=510).contains(&summary.p50_us), "{summary:?}");
        assert_eq!(summary.buckets.iter().sum::<u64>(), 4_000);
        assert!(summary.buckets[0].abs_diff(400) <= 4, "{summary:?}");
    }

    #[test]
    fn a_full_exchange_loses_nothing() {
        let latency = Latency::new("x_seconds", "x");
        let mut pen = latency.recorder();
        for _ in 0..3 * HANDOVERS {
            pen.record(Duration::from_secs(3_600));
            pen.hand_over();
        }
        assert_eq!(latency.summary().count, HANDOVERS as u64);
        pen.hand_over();
        let summary = latency.summary();
        assert_eq!(summary.count, 3 * HANDOVERS as u64);
        assert_eq!(summary.buckets[BUCKETS_S.len()], 3 * HANDOVERS as u64);
    }
}
