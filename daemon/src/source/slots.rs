//! A table of connections with stable keys that are reused.

use super::connection::Connection;

/// Open connections by key.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Option<Connection>>,
    free: Vec<usize>,
}

impl Slots {
    /// Open connections.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The key that the next [`Slots::insert`] will give.
    pub(super) fn next_key(&self) -> usize {
        self.free.last().copied().unwrap_or(self.slots.len())
    }

    pub(super) fn insert(&mut self, connection: Connection) {
        match self.free.pop() {
            Some(key) => self.slots[key] = Some(connection),
            None => self.slots.push(Some(connection)),
        }
    }

    pub(super) fn get_mut(&mut self, key: usize) -> Option<&mut Connection> {
        self.slots.get_mut(key)?.as_mut()
    }

    pub(super) fn remove(&mut self, key: usize) -> Option<Connection> {
        let removed = self.slots.get_mut(key)?.take()?;
        self.free.push(key);
        Some(removed)
    }

    /// The keys that were ever used; some may be free.
    pub(super) fn keys(&self) -> std::ops::Range<usize> {
        0..self.slots.len()
    }
}
