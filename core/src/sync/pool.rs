//! A fixed set of receive buffers. A lease is returned by dropping it, on whatever thread.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

/// A bounded pool of byte buffers of one capacity.
#[derive(Clone, Debug)]
pub struct Pool {
    idle: Arc<ArrayQueue<Vec<u8>>>,
    buffer_bytes: usize,
}

/// A buffer on loan. It derefs to its `Vec<u8>` and goes home, emptied, when it is dropped.
#[derive(Debug)]
pub struct Lease {
    bytes: Vec<u8>,
    home: Option<Arc<ArrayQueue<Vec<u8>>>>,
}

impl Pool {
    /// A pool of `buffers` buffers of `buffer_bytes` each, all allocated now.
    pub fn new(buffers: usize, buffer_bytes: usize) -> Pool {
        let idle = ArrayQueue::new(buffers.max(1));
        while idle.push(Vec::with_capacity(buffer_bytes)).is_ok() {}
        Pool { idle: Arc::new(idle), buffer_bytes }
    }

    /// An empty buffer, or `None` while all are on loan: the caller waits (streams) or sheds (datagrams).
    pub fn take(&self) -> Option<Lease> {
        self.idle.pop().map(|bytes| Lease { bytes, home: Some(Arc::clone(&self.idle)) })
    }

    /// Capacity of each buffer in bytes.
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// Buffers that are not on loan.
    pub fn idle(&self) -> usize {
        self.idle.len()
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
            // The queue has room for every buffer it ever gave; a refusal would only free the memory.
            let _ = home.push(bytes);
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
}
