//! Who is connected: told by source threads when a connection or file is opened or closed, read by the
//! committer (for completeness and positions) and by `status`.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ebbd_core::model::{ConnId, SourceId, TimeUs};

use super::file::{FileTrack, Position};

/// Most changes kept until the committer takes them; beyond, they are counted as lost.
const MOST_CHANGES: usize = 65_536;

/// The connections, files and sockets of all sources. Locked when one is opened or closed and once per
/// commit, never per block.
#[derive(Debug, Default)]
pub struct ConnTable {
    last_id: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    open: HashMap<ConnId, Conn>,
    files: HashMap<ConnId, FileTrack>,
    /// How often something in `files` was changed.
    files_version: u64,
    changes: Changes,
}

/// An open connection, file or datagram socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conn {
    /// The source it belongs to.
    pub source: SourceId,
    /// When it was opened, by the daemon's clock.
    pub opened: TimeUs,
    /// Who it is, for people: an address, `pid 4711 uid 1000`, a path.
    pub who: String,
}

/// Something was opened or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnChange {
    /// The source it belongs to.
    pub source: SourceId,
    /// Its id.
    pub conn: ConnId,
    /// When, by the daemon's clock.
    pub at: TimeUs,
    /// Opened, or closed.
    pub opened: bool,
}

/// What changed since the last call of [`ConnTable::take_changes`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In the order in which they happened.
    pub list: Vec<ConnChange>,
    /// Changes that came when the list was full. [`ConnTable::open`] still tells the truth.
    pub lost: u64,
}

impl ConnTable {
    /// Nothing is open.
    pub fn new() -> ConnTable {
        ConnTable::default()
    }

    /// Notes that something was opened and gives it its id, unique since the daemon's start, from 1.
    pub fn opened(&self, source: SourceId, who: String, at: TimeUs) -> ConnId {
        let conn = ConnId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let mut inner = self.lock();
        inner.open.insert(conn, Conn { source, opened: at, who });
        inner.changes.push(ConnChange { source, conn, at, opened: true });
        conn
    }

    /// Notes that it was closed; whether it was open. All its blocks have been handed over before.
    pub fn closed(&self, conn: ConnId, at: TimeUs) -> bool {
        let mut inner = self.lock();
        inner.files.remove(&conn);
        let Some(Conn { source, .. }) = inner.open.remove(&conn) else { return false };
        inner.changes.push(ConnChange { source, conn, at, opened: false });
        true
    }

    /// Lets go of a connection because its source is stopped: nobody closed it, nothing is missing. Gives who
    /// it was, if it was open.
    pub(super) fn forgotten(&self, conn: ConnId) -> Option<String> {
        self.lock().open.remove(&conn).map(|conn| conn.who)
    }

    /// Notes what identifies the file that `conn` is, and where reading it began.
    pub(super) fn tracked(&self, conn: ConnId, track: FileTrack) {
        let mut inner = self.lock();
        inner.files.insert(conn, track);
        inner.files_version += 1;
    }

    /// Changes what identifies a file.
    pub(super) fn retrack(&self, conn: ConnId, change: impl FnOnce(&mut FileTrack)) {
        let mut inner = self.lock();
        inner.files.get_mut(&conn).map(change);
        inner.files_version += 1;
    }

    /// Where reading each followed file began, and what identifies it; nothing if that is as it was at
    /// `version`. The other number is the present version.
    pub(super) fn files_since(&self, version: u64) -> (u64, Vec<(ConnId, Position)>) {
        let inner = self.lock();
        let files = if inner.files_version == version { None } else { Some(inner.files.iter()) };
        let list = files.into_iter().flatten().map(|(conn, track)| (*conn, track.beginning())).collect();
        (inner.files_version, list)
    }

    /// The positions of all followed files, to be resumed from: `reached` says how far a file's lines
    /// are counted (offset behind the last of them), or nothing if none of them are yet. Reads the last
    /// bytes before each position, so call it when state is saved rather than per commit.
    pub fn positions(&self, reached: impl Fn(ConnId) -> Option<u64>) -> Vec<Position> {
        let tracks: Vec<_> = self.lock().files.iter().map(|(conn, track)| (*conn, track.clone())).collect();
        let mut positions: Vec<_> =
            tracks.into_iter().map(|(conn, track)| track.position(reached(conn))).collect();
        positions.sort_by(|a, b| (&a.source, &a.path).cmp(&(&b.source, &b.path)));
        positions
    }

    /// Lets go of all that belongs to a source which was taken out of the configuration.
    pub fn forget_source(&self, source: SourceId) {
        let mut inner = self.lock();
        let Inner { open, files, .. } = &mut *inner;
        open.retain(|_, conn| conn.source != source);
        files.retain(|conn, _| open.contains_key(conn));
    }

    /// What was opened and closed since the last call. Taken *before* the markers of an epoch are sent,
    /// a closing is applied after that epoch's deltas: they hold all its lines.
    pub fn take_changes(&self) -> Changes {
        mem::take(&mut self.lock().changes)
    }

    /// Whether nothing was opened or closed since [`ConnTable::take_changes`].
    pub fn is_unchanged(&self) -> bool {
        let changes = &self.lock().changes;
        changes.list.is_empty() && changes.lost == 0
    }

    /// What is open now.
    pub fn open(&self) -> Vec<(ConnId, Conn)> {
        let mut open: Vec<_> = self.lock().open.iter().map(|(id, conn)| (*id, conn.clone())).collect();
        open.sort_by_key(|(id, _)| *id);
        open
    }

    /// How many connections of `source` are open.
    pub fn open_of(&self, source: SourceId) -> usize {
        self.lock().open.values().filter(|conn| conn.source == source).count()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half-way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes {
    fn push(&mut self, change: ConnChange) {
        if self.list.len() < MOST_CHANGES {
            self.list.push(change);
        } else {
            self.lost += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_opened_and_closed_in_order() {
        let table = ConnTable::new();
        let first = table.opened(SourceId(1), "a".to_owned(), TimeUs(10));
        let second = table.opened(SourceId(2), "b".to_owned(), TimeUs(11));
        assert!(first < second && first.0 > 0);
        table.closed(first, TimeUs(12));
        table.closed(first, TimeUs(13));
        let told: Vec<_> =
            table.take_changes().list.iter().map(|c| (c.source.0, c.conn, c.at.0, c.opened)).collect();
        assert_eq!(told, [(1, first, 10, true), (2, second, 11, true), (1, first, 12, false)]);
        assert_eq!(table.take_changes(), Changes::default());
        assert_eq!((table.open_of(SourceId(1)), table.open_of(SourceId(2))), (0, 1));
        assert_eq!(table.open()[0].1.who, "b");
    }

    #[test]
    fn a_full_list_counts_what_it_loses() {
        let table = ConnTable::new();
        for _ in 0..MOST_CHANGES / 2 + 5 {
            let conn = table.opened(SourceId(0), String::new(), TimeUs(0));
            table.closed(conn, TimeUs(0));
        }
        let changes = table.take_changes();
        assert_eq!((changes.list.len(), changes.lost), (MOST_CHANGES, 10));
    }
}
