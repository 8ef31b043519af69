//! Where the values of an accepted line stand: what a parser tells the templates, from which they learn
//! the line's shape.
//!
//! In: pieces from left to right. Out: the same, or that the line has no shape worth learning. Must not
//! know: columns, streams.

use super::pieces::Flat;

/// Most pieces of a shape.
pub(super) const PIECES: usize = 64;

/// What may stand in a piece's place in other lines of the same shape, and how its end is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The inside of a JSON string.
    Text,
    /// A JSON number.
    Number,
    /// Any JSON value, inside so many containers.
    Any(u8),
    /// A value of a flat format.
    Flat(Flat),
    /// These bytes and no others: the value is the same in every line of the shape.
    Fixed,
}

impl Class {
    /// Whether it is text.
    pub(super) fn is_text(self) -> bool {
        self == Class::Text || matches!(self, Class::Flat(flat) if flat.is_text())
    }

    /// Whether it is a number that a field holds.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Class::Number | Class::Flat(Flat::Figure))
    }

    /// Whether it is the line's own time.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Class::Flat(flat) if flat.is_time())
    }
}

/// A value of a line: the bytes `start..end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// What may stand there.
    pub(super) class: Class,
    /// The slot of the layout that it fills, if any.
    pub(super) slot: Option<usize>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The pieces of a line. All that lies between them is the same in every line of its shape.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pieces: Vec<Piece>,
    refused: bool,
}

impl Outline {
    /// Forgets the last line, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.pieces.reserve(PIECES);
        self.refused = false;
    }

    /// Adds the next piece to the right.
    pub(super) fn push(&mut self, piece: Piece) {
        let behind_the_last = self.pieces.last().is_none_or(|last| last.end <= piece.start);
        if self.pieces.len() < PIECES && behind_the_last && piece.start <= piece.end {
            self.pieces.push(piece);
        } else {
            self.refused = true;
        }
    }

    /// Says that the line has no shape that others could share.
    pub(super) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Whether a piece is the line's own time.
    pub(super) fn has_time(&self) -> bool {
        self.pieces.iter().any(|piece| piece.class.is_time())
    }

    /// The pieces; `None` if the line has no shape worth learning.
    pub(super) fn pieces(&self) -> Option<&[Piece]> {
        (!self.refused).then_some(&self.pieces)
    }
}
