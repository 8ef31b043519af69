//! What the flat formats share: going through a line a chunk at a time, and the keys met so far.
//!
//! In: a line, the layout. Out: where the next stop byte is; the slot of a key. Must not know: what a
//! line means.

use crate::simd::Chunk;

use super::layout::Layout;

/// Reads a line from left to right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'l> {
    /// The line.
    pub(super) line: &'l str,
    /// Where the cursor is: at most at the line's end.
    pub(super) at: usize,
}

impl<'l> Cursor<'l> {
    /// The byte at the cursor.
    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    /// The sixteen bytes from the cursor on.
    #[inline(always)]
    pub(super) fn chunk(&self) -> Chunk {
        Chunk::at(self.line.as_bytes(), self.at)
    }

    /// Goes on to the first byte that is in `stops`, or to the line's end. NUL can't be a stop.
    #[inline(always)]
    pub(super) fn seek<const N: usize>(&mut self, stops: [u8; N]) {
        loop {
            let hits = self.chunk().any(stops);
            if hits != 0 {
                self.at += hits.trailing_zeros() as usize;
                return;
            }
            self.at += Chunk::LEN;
            if self.at >= self.line.len() {
                self.at = self.line.len();
                return;
            }
        }
    }

    /// The text from `start` to the cursor.
    #[inline]
    pub(super) fn since(&self, start: usize) -> &'l str {
        self.line.get(start..self.at).unwrap_or_default()
    }
}

/// The longest key that is remembered, with the byte behind it.
const LONGEST: usize = 2 * Chunk::LEN;

/// How many keys are remembered that nobody wants. More of them are looked up again each time.
const STRANGERS: usize = 16;

/// A key as it stands in lines, and what comes of it.
#[derive(Clone, Copy, Debug)]
struct Key {
    /// The key and the byte that ends it.
    text: [u8; LONGEST],
    /// A bit for each byte of `text` that counts.
    mask: u32,
    /// Bytes of `text` that count.
    len: u32,
    /// Place of the key that came behind it last time.
    next: u32,
    slot: Option<u32>,
}

impl Key {
    /// Stands nowhere: its bytes are in no text.
    const NONE: Key = Key { text: [0xff; LONGEST], mask: u32::MAX, len: 0, next: 0, slot: None };

    #[inline(always)]
    fn stands_at(&self, cursor: &Cursor<'_>) -> bool {
        let (low, high) = self.text.split_at(Chunk::LEN);
        let same = |at, half: &[u8]| {
            half.first_chunk().map_or(0, |half| Chunk::at(cursor.line.as_bytes(), at).same(half))
        };
        let mut equal = same(cursor.at, low);
        if self.mask >> Chunk::LEN != 0 {
            equal |= same(cursor.at + Chunk::LEN, high) << Chunk::LEN;
        }
        equal & self.mask == self.mask
    }
}

/// The keys of a source's lines. Senders write them in one order, so the key that came behind another
/// is looked for behind it again: then it costs one comparison, and no search for its end.
#[derive(Debug)]
pub(super) struct Keys {
    /// First a key that stands for a line's beginning, then those that nobody wants, then those of
    /// the layout's edges.
    known: Vec<Key>,
    /// The stranger that is forgotten next.
    oldest: usize,
    /// The last key of this line.
    last: usize,
    /// What ends a key that has a value.
    end: u8,
}

impl Keys {
    const EDGES: usize = 1 + STRANGERS;

    /// None yet; `end` stands behind every key that has a value.
    pub(super) fn new(end: u8) -> Keys {
        Keys { known: vec![Key::NONE; Self::EDGES], oldest: 1, last: 0, end }
    }

    /// A line begins.
    #[inline(always)]
    pub(super) fn restart(&mut self) {
        self.last = 0;
    }

    /// If the expected key stands at the cursor: moves behind it and what ends it, and gives its slot.
    #[inline(always)]
    pub(super) fn expected(&mut self, cursor: &mut Cursor<'_>) -> Option<Option<usize>> {
        let next = self.known.get(self.last)?.next as usize;
        let key = self.known.get(next)?;
        if !key.stands_at(cursor) {
            return None;
        }
        cursor.at += key.len as usize;
        self.last = next;
        Some(key.slot.map(|slot| slot as usize))
    }

    /// The slot of a key that wasn't expected. `plain` says that it stands in the line as it is, with
    /// what ends it behind it, and can be recognised there.
    pub(super) fn find(&mut self, key: &str, plain: bool, layout: &Layout) -> Option<usize> {
        let edge = layout.find(Layout::ROOT, (self.last + 1).saturating_sub(Self::EDGES), key);
        let slot = edge.and_then(|at| layout.edge(Layout::ROOT, at).slot);
        if plain && key.len() < LONGEST {
            self.remember(key, edge, slot);
        }
        slot
    }

    fn remember(&mut self, key: &str, edge: Option<usize>, slot: Option<usize>) {
        let mut text = [0; LONGEST];
        text.iter_mut().zip(key.bytes().chain([self.end])).for_each(|(to, from)| *to = from);
        let place = match edge {
            Some(edge) => Self::EDGES + edge,
            None => self.stranger(&text),
        };
        if place >= self.known.len() {
            self.known.resize(place + 1, Key::NONE);
        }
        let len = key.len() as u32 + 1;
        let next = self.known[place].next;
        let mask = u32::MAX >> (LONGEST as u32 - len);
        self.known[place] = Key { text, mask, len, next, slot: slot.map(|slot| slot as u32) };
        self.known[self.last].next = place as u32;
        self.last = place;
    }

    /// The place of a key that nobody wants; it takes the oldest one's if it is new.
    fn stranger(&mut self, text: &[u8; LONGEST]) -> usize {
        let known = self.known.iter().take(Self::EDGES).position(|key| key.text == *text);
        known.unwrap_or_else(|| {
            let place = self.oldest;
            self.oldest = if place + 1 < Self::EDGES { place + 1 } else { 1 };
            place
        })
    }
}
