//! How far each connection or file was counted: the contiguous prefix of its lines over all lanes.

use std::collections::BTreeMap;

use super::delta::Position;
use crate::model::{ConnId, SourceId, TimeUs};

/// Connections that are followed at most; the oldest closed ones go first.
const CONNECTIONS: usize = 131_072;
/// Pieces of one connection that may wait for what lies before them.
const PIECES: usize = 4096;
/// A closed connection is remembered this long, for its last lines may still be in a lane.
const LINGER_US: i64 = 60_000_000;

/// How far one connection or file was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Number of the line after the last of the prefix.
    pub next_line: u64,
    /// Byte offset behind the prefix.
    pub end_offset: u64,
}

#[derive(Debug)]
struct Conn {
    mark: Reached,
    /// Pieces behind a hole, by first line.
    waiting: BTreeMap<u64, Reached>,
}

/// The positions of all connections and files.
#[derive(Debug, Default)]
pub(super) struct Positions {
    conns: BTreeMap<(SourceId, ConnId), Conn>,
    /// Told before or after the connection's last lines.
    closed: BTreeMap<(SourceId, ConnId), TimeUs>,
    overflows: u64,
}

impl Positions {
    /// Takes in consecutive lines of a connection, whose lines are numbered from 1.
    pub(super) fn moved(&mut self, position: &Position) {
        let mark = Reached { next_line: position.next_line, end_offset: position.end_offset };
        let conn = self.conns.entry((position.source, position.conn)).or_insert_with(|| Conn {
            mark: Reached { next_line: 1, end_offset: 0 },
            waiting: BTreeMap::new(),
        });
        conn.waiting.insert(position.first_line, mark);
        let full = conn.waiting.len() > PIECES;
        self.overflows += u64::from(full);
        while let Some(piece) = conn.waiting.first_entry() {
            if *piece.key() > conn.mark.next_line && !full {
                break;
            }
            let reached = piece.remove();
            if reached.next_line >= conn.mark.next_line && reached.end_offset >= conn.mark.end_offset {
                conn.mark = reached;
            }
        }
        self.shrink();
    }

    /// Notes that a connection is closed: it is forgotten a little later.
    pub(super) fn closed(&mut self, source: SourceId, conn: ConnId, now: TimeUs) {
        self.closed.insert((source, conn), now);
        self.shrink();
    }

    /// Forgets connections that were closed a while ago.
    pub(super) fn forget(&mut self, now: TimeUs) {
        let Positions { conns, closed, .. } = self;
        closed.retain(|key, &mut at| {
            let lingers = now.since_us(at) <= LINGER_US;
            if !lingers {
                conns.remove(key);
            }
            lingers
        });
    }

    /// How far each connection or file was counted.
    pub(super) fn marks(&self) -> impl Iterator<Item = (SourceId, ConnId, Reached)> {
        self.conns.iter().map(|(&(source, conn), state)| (source, conn, state.mark))
    }

    /// How often a bound was hit.
    pub(super) fn overflows(&self) -> u64 {
        self.overflows
    }

    fn shrink(&mut self) {
        while self.conns.len().max(self.closed.len()) > CONNECTIONS {
            self.overflows += 1;
            match self.closed.pop_first() {
                Some((key, _)) => self.conns.remove(&key),
                None => self.conns.pop_first().map(|(_, conn)| conn),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(first_line: u64, next_line: u64) -> Position {
        let (source, conn) = (SourceId(0), ConnId(7));
        Position { source, conn, first_line, next_line, end_offset: (next_line - 1) * 10 }
    }

    fn mark(positions: &Positions) -> (u64, u64) {
        let (_, _, mark) = positions.marks().next().unwrap();
        (mark.next_line, mark.end_offset)
    }

    #[test]
    fn only_the_contiguous_prefix_counts() {
        let mut positions = Positions::default();
        positions.moved(&piece(1, 5));
        positions.moved(&piece(9, 12));
        assert_eq!(mark(&positions), (5, 40));
        positions.moved(&piece(5, 9));
        assert_eq!(mark(&positions), (12, 110));
    }

    #[test]
    fn empty_blocks_move_the_offset_and_closed_ones_are_forgotten() {
        let mut positions = Positions::default();
        positions.moved(&piece(1, 5));
        positions.moved(&Position { end_offset: 44, ..piece(5, 5) });
        assert_eq!(mark(&positions), (5, 44));
        positions.closed(SourceId(0), ConnId(7), TimeUs(0));
        positions.forget(TimeUs(LINGER_US));
        assert_eq!(positions.marks().count(), 1);
        positions.forget(TimeUs(LINGER_US + 1));
        assert_eq!(positions.marks().count(), 0);
    }
}
