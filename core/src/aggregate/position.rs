//! How far each connection or file was counted: the contiguous prefix of its lines over all lanes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::delta::Position;
use crate::model::{ConnId, SourceId, TimeUs};

/// Connections that are followed at most; closed ones make room, beyond that new ones are not followed.
const CONNECTIONS: usize = 131_072;
/// Pieces of one connection that may wait for what lies before them. A lane's queue has 64 places, so up to 64
/// lanes never have more in flight.
const PIECES: usize = 4096;
/// A closed connection is remembered this long, for its last lines may still be in a lane.
const LINGER_US: i64 = 60_000_000;

/// How far one connection or file was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reached {
    /// Number of the line after the last of the prefix.
    pub next_line: u64,
    /// Byte offset behind the prefix.
    pub end_offset: u64,
    /// What its source said of the bytes up to there: see [`Block::check`](crate::decode::Block::check).
    pub check: u32,
    /// Lines of the prefix that were refused.
    pub rejected: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Conn {
    pub(super) mark: Reached,
    /// Pieces behind a hole, by first line. Of a piece `rejected` are its own lines.
    pub(super) waiting: BTreeMap<u64, Reached>,
}

/// The positions of all connections and files.
#[derive(Debug, Default)]
pub(super) struct Positions {
    pub(super) conns: BTreeMap<(SourceId, ConnId), Conn>,
    /// Told before or after the connection's last lines.
    pub(super) closed: BTreeMap<(SourceId, ConnId), TimeUs>,
    overflows: u64,
}

impl Default for Reached {
    /// Nothing was counted; lines are numbered from 1.
    fn default() -> Reached {
        Reached { next_line: 1, end_offset: 0, check: 0, rejected: 0 }
    }
}

impl Reached {
    /// Moves on to the end of a piece that begins here or before.
    fn pass(&mut self, piece: &Reached) {
        if piece.next_line >= self.next_line && piece.end_offset >= self.end_offset {
            *self = Reached { rejected: self.rejected + piece.rejected, ..*piece };
        }
    }
}

impl Conn {
    fn new() -> Conn {
        Conn { mark: Reached::default(), waiting: BTreeMap::new() }
    }

    /// Takes in a piece; `false` if it lies behind a hole and there is no room for it to wait. Then the mark
    /// stays before the hole for ever: what is beyond a hole must not be said to be counted.
    fn moved(&mut self, first_line: u64, piece: Reached) -> bool {
        if first_line > self.mark.next_line {
            return self.wait(first_line, piece);
        }
        self.mark.pass(&piece);
        while let Some(piece) = self.waiting.first_entry() {
            if *piece.key() > self.mark.next_line {
                break;
            }
            self.mark.pass(&piece.remove());
        }
        true
    }

    fn wait(&mut self, first_line: u64, piece: Reached) -> bool {
        let full = self.waiting.len() >= PIECES;
        match self.waiting.entry(first_line) {
            // One of them has no lines and only moves the offset.
            Entry::Occupied(mut other) => other.get_mut().pass(&piece),
            Entry::Vacant(_) if full => return false,
            Entry::Vacant(place) => {
                place.insert(piece);
            }
        }
        true
    }
}

impl Positions {
    /// Takes in consecutive lines of a connection, whose lines are numbered from 1.
    pub(super) fn moved(&mut self, position: &Position) {
        let &Position { source, conn, first_line, next_line, end_offset, check, rejected } = position;
        if self.conns.len() >= CONNECTIONS && !self.conns.contains_key(&(source, conn)) {
            self.make_room();
        }
        let piece = Reached { next_line, end_offset, check, rejected };
        let conn = match self.conns.len() < CONNECTIONS {
            true => Some(self.conns.entry((source, conn)).or_insert_with(Conn::new)),
            false => self.conns.get_mut(&(source, conn)),
        };
        let taken = conn.is_some_and(|conn| conn.moved(first_line, piece));
        self.overflows += u64::from(!taken);
    }

    /// Notes that a connection is closed: it is forgotten a little later.
    pub(super) fn closed(&mut self, source: SourceId, conn: ConnId, now: TimeUs) {
        self.closed.insert((source, conn), now);
        if self.closed.len() > CONNECTIONS {
            self.make_room();
        }
    }

    /// Forgets all connections and files.
    pub(super) fn clear(&mut self) {
        self.conns.clear();
        self.closed.clear();
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

    /// How far one connection or file was counted.
    pub(super) fn mark(&self, source: SourceId, conn: ConnId) -> Option<Reached> {
        self.conns.get(&(source, conn)).map(|state| state.mark)
    }

    /// How often a bound was hit.
    pub(super) fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Forgets a connection that is closed. Those that are open are never forgotten: they would be thought
    /// to begin anew.
    fn make_room(&mut self) {
        self.overflows += 1;
        if let Some((key, _)) = self.closed.pop_first() {
            self.conns.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(first_line: u64, next_line: u64) -> Position {
        let (source, conn) = (SourceId(0), ConnId(7));
        let (end_offset, check, rejected) = ((next_line - 1) * 10, next_line as u32, 1);
        Position { source, conn, first_line, next_line, end_offset, check, rejected }
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
        let (_, _, reached) = positions.marks().next().unwrap();
        assert_eq!((reached.check, reached.rejected), (12, 3));
    }

    #[test]
    fn of_two_pieces_that_wait_at_one_place_the_lines_count() {
        let empty = Position { end_offset: 44, rejected: 0, ..piece(5, 5) };
        for order in [[piece(5, 9), empty], [empty, piece(5, 9)]] {
            let mut positions = Positions::default();
            order.iter().for_each(|position| positions.moved(position));
            assert_eq!(mark(&positions), (1, 0));
            positions.moved(&piece(1, 5));
            assert_eq!(mark(&positions), (9, 80));
            assert_eq!(positions.marks().next().unwrap().2.rejected, 2);
        }
    }

    #[test]
    fn a_hole_is_never_jumped_over() {
        let mut positions = Positions::default();
        for at in 0..PIECES as u64 + 10 {
            positions.moved(&piece(10 + at, 11 + at));
        }
        assert_eq!((mark(&positions), positions.overflows()), ((1, 0), 10));
        positions.moved(&piece(1, 10));
        assert_eq!(mark(&positions).0, 10 + PIECES as u64, "what did not fit in is missing");
        assert_eq!(positions.overflows(), 10);
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
