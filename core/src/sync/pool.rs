//! A fixed set of receive buffers. A lease is returned by dropping it, on whatever thread.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

/// Buffers that go round while few are on loan: what was just read is still in the cache when the next
/// read overwrites it, and memory that a burst once needed is left alone.
const WARM: usize = 6;

/// A bounded pool of byte buffers of one capacity.
#[derive(Clone, Debug)]
pub struct Pool {
    shelves: Arc<Shelves>,
    buffer_bytes: usize,
}

/// Where idle buffers lie: the warm ones are taken first and filled up first.
#[derive(Debug)]
struct Shelves {
    warm: ArrayQueue<Vec<u8>>,
    cold: ArrayQueue<Vec<u8>>,
}

/// A buffer on loan. It derefs to its `Vec<u8>` and goes home, emptied, when it is dropped.
#[derive(Debug)]
pub struct Lease {
    bytes: Vec<u8>,
    home: Option<Arc<Shelves>>,
}

impl Pool {
    /// A pool of `buffers` buffers of `buffer_bytes` each, all allocated now.
    pub fn new(buffers: usize, buffer_bytes: usize) -> Pool {
        let buffers = buffers.max(1);
        let shelves = Shelves { warm: ArrayQueue::new(buffers.min(WARM)), cold: ArrayQueue::new(buffers) };
        (0..buffers).for_each(|_| shelves.put(Vec::with_capacity(buffer_bytes)));
        Pool { shelves: Arc::new(shelves), buffer_bytes }
    }

    /// An empty buffer, or `None` while all are on loan: the caller waits (streams) or sheds (datagrams).
    pub fn take(&self) -> Option<Lease> {
        let bytes = self.shelves.warm.pop().or_else(|| self.shelves.cold.pop())?;
        Some(Lease { bytes, home: Some(Arc::clone(&self.shelves)) })
    }

    /// Capacity of each buffer in bytes.
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// Buffers that are not on loan.
    pub fn idle(&self) -> usize {
        self.shelves.warm.len() + self.shelves.cold.len()
    }
}

impl Shelves {
    fn put(&self, bytes: Vec<u8>) {
        // The cold shelf has room for every buffer there is; a refusal would only free the memory.
        let _ = self.warm.push(bytes).or_else(|bytes| self.cold.push(bytes));
    }
}

impl Lease {
    /// A lease of bytes that belong to no pool (files, tests).
    pub fn owned(bytes: Vec<u8>) -> Lease {
        Lease { bytes, home: None }
    }
}

impl Deref for Lease {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.clear();
            home.put(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_come_home_empty_with_their_capacity() {
        let pool = Pool::new(2, 1024);
        let mut first = pool.take().expect("two are idle");
        let second = pool.take().expect("one is idle");
        assert!(pool.take().is_none());
        first.extend_from_slice(b"abc");
        drop(first);
        let again = pool.take().expect("one came home");
        assert!(again.is_empty() && again.capacity() >= 1024);
        drop((second, again));
        assert_eq!(pool.idle(), 2);
    }

    #[test]
    fn few_buffers_go_round_while_few_are_needed() {
        let pool = Pool::new(40, 16);
        let mut used = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let pair = [pool.take(), pool.take()].map(|lease| lease.expect("most are idle"));
            used.extend(pair.iter().map(|lease| lease.as_ptr() as usize));
        }
        assert!(used.len() <= WARM, "{} of 40 were used", used.len());
        let all: Vec<Lease> = std::iter::from_fn(|| pool.take()).collect();
        assert_eq!(all.len(), 40);
        drop(all);
        assert_eq!(pool.idle(), 40);
    }
}
