//! The cells that figures live in: plain relaxed atomics, written by one stage, read by whoever asks.
//! They order nothing and must not be used to hand anything over between threads.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Takes over a total that is kept elsewhere; a smaller one than before is ignored.
    pub fn raise_to(&self, total: u64) {
        self.0.fetch_max(total, Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A whole number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// Adds `n`, which may be negative.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A fractional number that goes up and down.
#[derive(Debug, Default)]
pub struct Ratio(AtomicU64);

impl Ratio {
    /// Sets it.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

/// What a cell holds when it is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    /// Of a [`Counter`].
    Counter(u64),
    /// Of a [`Gauge`] or [`Ratio`].
    Gauge(f64),
}

/// Anything that can be read as a [`Value`].
pub(super) trait Cell {
    fn value(&self) -> Value;
}

impl Cell for Counter {
    fn value(&self) -> Value {
        Value::Counter(self.get())
    }
}

impl Cell for Gauge {
    fn value(&self) -> Value {
        Value::Gauge(self.get() as f64)
    }
}

impl Cell for Ratio {
    fn value(&self) -> Value {
        Value::Gauge(self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_what_they_were_told() {
        let (counter, gauge, ratio) = (Counter::default(), Gauge::default(), Ratio::default());
        counter.add(3);
        counter.inc();
        counter.raise_to(2);
        gauge.set(5);
        gauge.add(-7);
        ratio.set(0.25);
        assert_eq!(counter.value(), Value::Counter(4));
        assert_eq!(gauge.value(), Value::Gauge(-2.0));
        assert_eq!(ratio.value(), Value::Gauge(0.25));
    }
}
