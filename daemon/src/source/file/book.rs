//! The book of followed files: which connection is which file, so that what a commit counted of a connection
//! is a position in a file after a crash, too.
//!
//! In: what the table of connections knows, live; what was noted of it, in a recovery. Out: notes to be
//! written down with each commit, and positions to be resumed from. Must not know: how notes are written.

use std::collections::BTreeMap;

use ebbd_core::aggregate::{Aggregator, Reached};
use ebbd_core::model::ConnId;
use serde::{Deserialize, Serialize};

use super::identity::Position;
use crate::source::conns::ConnTable;

/// A connection is this file, read from this position on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileNote {
    /// The connection, by its id.
    pub conn: u64,
    /// What identifies the file, and where reading it began.
    pub began: Position,
}

/// The files of a run.
#[derive(Debug, Default)]
pub struct FileBook {
    /// Positions of earlier runs.
    before: Vec<Position>,
    open: BTreeMap<ConnId, Position>,
    version: u64,
}

impl FileBook {
    /// A run that goes on from these positions.
    pub fn new(before: Vec<Position>) -> FileBook {
        FileBook { before, ..FileBook::default() }
    }

    /// What is new in the table since the last call. Asked for after a cut, it has the files of all lines in
    /// that cut.
    pub fn notes(&mut self, conns: &ConnTable) -> Vec<FileNote> {
        let (version, files) = conns.files_since(self.version);
        self.version = version;
        let is_new = |(conn, began): &(ConnId, Position)| self.open.get(conn) != Some(began);
        let notes: Vec<FileNote> =
            files.into_iter().filter(is_new).map(|(conn, began)| FileNote { conn: conn.0, began }).collect();
        notes.iter().cloned().for_each(|note| self.note(note));
        notes
    }

    /// Which connections are files now: whoever begins in the middle of a run has to know.
    pub fn followed(&self) -> Vec<FileNote> {
        self.open.iter().map(|(conn, began)| FileNote { conn: conn.0, began: began.clone() }).collect()
    }

    /// Takes a note in again.
    pub fn note(&mut self, note: FileNote) {
        self.open.insert(ConnId(note.conn), note.began);
    }

    /// A connection was closed: if it was a file, that is not followed any more.
    pub fn closed(&mut self, conn: ConnId) {
        if let Some(file) = self.open.remove(&conn) {
            self.before.retain(|before| !is_same(before, &file));
        }
    }

    /// A new run begins here; the connections of this one are in `aggregator` still.
    pub fn resumed(&mut self, aggregator: &Aggregator) {
        *self = FileBook::new(self.positions(aggregator));
    }

    /// How far each file was counted, those of earlier runs that were not begun in this one included.
    pub fn positions(&self, aggregator: &Aggregator) -> Vec<Position> {
        let reached: BTreeMap<ConnId, Reached> =
            aggregator.positions().map(|(_, conn, reached)| (conn, reached)).collect();
        let now = |(conn, began): (&ConnId, &Position)| match reached.get(conn) {
            Some(at) if at.next_line > 1 => {
                Position { offset: at.end_offset, tail_crc: Some(at.check), ..began.clone() }
            }
            _ => began.clone(),
        };
        let mut positions: Vec<Position> = self.open.iter().map(now).collect();
        let begun = positions.len();
        for before in &self.before {
            if !positions[..begun].iter().any(|file| is_same(before, file)) {
                positions.push(before.clone());
            }
        }
        positions
    }
}

fn is_same(a: &Position, b: &Position) -> bool {
    a.id() == b.id() && a.source == b.source
}
