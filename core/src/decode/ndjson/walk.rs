//! The quick way through a JSON object: one pass, wanted keys by table, values by their extent.
//!
//! In: text that begins with a line. Out: the record, filled exactly as the general parser fills it, and
//! where the object ends; or `None` on any doubt (a key with escapes, a wrong byte, too deep): then the
//! general parser reads the line from the beginning, and its word counts. An LF is no white space here, so
//! that an object never goes beyond its line. Must not know: streams, reasons for rejection.

use crate::model::Limits;
use crate::simd::scan::{string_end, word};

use super::skip::{self, byte, space};
use crate::decode::layout::{Edge, Layout, Node};
use crate::decode::outline::{Class, Outline, Piece};
use crate::decode::record::{Kind, Record, Span, Value};

/// One pass over one line. `OUTLINE` says whether someone wants to know where the values stand.
pub(super) struct Walk<'w, const OUTLINE: bool> {
    text: &'w str,
    layout: &'w Layout,
    record: &'w mut Record,
    outline: Option<&'w mut Outline>,
}

impl<'w> Walk<'w, false> {
    /// At the beginning of `text`.
    pub(super) fn new(text: &'w str, layout: &'w Layout, record: &'w mut Record) -> Self {
        Walk { text, layout, record, outline: None }
    }

    /// The same, noting down where the values stand.
    pub(super) fn with_outline(self, outline: &'w mut Outline) -> Walk<'w, true> {
        Walk { text: self.text, layout: self.layout, record: self.record, outline: Some(outline) }
    }
}

impl<'w, const OUTLINE: bool> Walk<'w, OUTLINE> {
    /// Reads an object: the place behind it. `None` on any doubt.
    pub(super) fn document(&mut self) -> Option<usize> {
        let at = space(self.bytes(), 0);
        if byte(self.bytes(), at) == b'{' { self.object(Layout::ROOT, at, 1) } else { None }
    }

    #[inline(always)]
    fn bytes(&self) -> &'w [u8] {
        self.text.as_bytes()
    }

    /// Whether these two bytes stand at `at`, with a few more behind them.
    #[inline(always)]
    fn are(&self, at: usize, two: [u8; 2]) -> bool {
        word(self.bytes(), at).is_some_and(|word| word as u16 == u16::from_le_bytes(two))
    }

    /// Reads the object at `at`, of which some keys are wanted; it is the `depth`th around the reader.
    fn object(&mut self, node: usize, at: usize, depth: u8) -> Option<usize> {
        let (bytes, layout) = (self.bytes(), self.layout);
        let node = layout.node(node);
        let mut at = space(bytes, at + 1);
        if byte(bytes, at) == b'}' {
            return Some(at + 1);
        }
        loop {
            let (edge, value) = self.key(node, at)?;
            at = match edge {
                Some(edge) => self.wanted(edge, value, depth)?,
                None => self.unwanted(value, depth)?,
            };
            if self.are(at, *b",\"") {
                at += 1;
                continue;
            }
            at = space(bytes, at);
            match byte(bytes, at) {
                b',' => at = space(bytes, at + 1),
                b'}' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// Reads the key at `at`: the edge that it is, if it is wanted, and the place of its value.
    #[inline(always)]
    fn key(&mut self, node: &'w Node, at: usize) -> Option<(Option<&'w Edge>, usize)> {
        let bytes = self.bytes();
        let end = string_end(bytes, at + 1);
        let colon = if self.are(end, *b"\":") { end + 1 } else { self.colon(end)? };
        if byte(bytes, at) != b'"' {
            return None;
        }
        let edge = node.find_at(self.text, at + 1, end - at - 1);
        Some((edge, space(bytes, colon + 1)))
    }

    /// The colon behind a key that ends at `end`.
    fn colon(&self, end: usize) -> Option<usize> {
        let colon = space(self.bytes(), end + 1);
        (byte(self.bytes(), end) == b'"' && byte(self.bytes(), colon) == b':').then_some(colon)
    }

    /// Reads the value of a wanted key. A key that comes again replaces all that its first value brought.
    #[inline(always)]
    fn wanted(&mut self, edge: &Edge, at: usize, depth: u8) -> Option<usize> {
        let bytes = self.bytes();
        if edge.child.is_some() {
            self.record.values[edge.beneath.clone()].fill(Value::default());
        }
        let (value, behind) = match byte(bytes, at) {
            b'"' => {
                let end = string_end(bytes, at + 1);
                let (span, behind) = match byte(bytes, end) {
                    b'"' => (Span::of_line(at + 1, end), end + 1),
                    b'\\' => unescaped(self.text, at + 1, end, self.record)?,
                    _ => return None,
                };
                self.note(Class::Text, edge.slot, at + 1, behind - 1);
                (Value::new(Kind::Text, span), behind)
            }
            b'{' | b'[' => (Value::COMPOSITE, self.composite(edge, at, depth)?),
            b't' | b'f' | b'n' => self.word(edge.slot, at)?,
            _ => {
                let end = skip::number(bytes, at)?;
                self.note(Class::Number, edge.slot, at, end);
                (Value::new(Kind::Number, Span::of_line(at, end)), end)
            }
        };
        if let Some(slot) = edge.slot {
            self.record.values[slot] = value;
        }
        Some(behind)
    }

    /// Reads an object or array behind a wanted key.
    fn composite(&mut self, edge: &Edge, at: usize, depth: u8) -> Option<usize> {
        if let Some(outline) = self.outline.as_mut().filter(|_| edge.slot.is_some()) {
            // A wanted value that is no text has no place in an outline.
            outline.refuse();
        }
        match edge.child.filter(|_| byte(self.bytes(), at) == b'{') {
            Some(child) if depth < Limits::DEPTH => self.object(child, at, depth + 1),
            Some(_) => None,
            None => skip::value(self.bytes(), at, depth),
        }
    }

    /// Checks a value that nobody wants.
    #[inline(always)]
    fn unwanted(&mut self, at: usize, depth: u8) -> Option<usize> {
        let end = skip::value(self.bytes(), at, depth)?;
        self.note(Class::Any(depth), None, at, end);
        Some(end)
    }

    /// `true` and `false` are values, `null` is none.
    fn word(&mut self, slot: Option<usize>, at: usize) -> Option<(Value, usize)> {
        let end = skip::word(self.bytes(), at)?;
        if byte(self.bytes(), at) == b'n' {
            return Some((Value::default(), end));
        }
        self.note(Class::Fixed, slot, at, end);
        Some((Value::new(Kind::Bool, Span::of_line(at, end)), end))
    }

    #[inline(always)]
    fn note(&mut self, class: Class, slot: Option<usize>, start: usize, end: usize) {
        if let Some(outline) = self.outline.as_mut().filter(|_| OUTLINE) {
            outline.push(Piece { class, slot, start, end });
        }
    }
}

/// Unescapes the string that begins at `start` of `text` and has its first escape at `at` into the arena
/// of `record`: its span there, and the place behind its closing quote.
#[cold]
pub(in crate::decode) fn unescaped(
    text: &str,
    start: usize,
    at: usize,
    record: &mut Record,
) -> Option<(Span, usize)> {
    let mut behind = None;
    let span = record.keep_all(|arena| {
        arena.push_str(text.get(start..at).unwrap_or_default());
        behind = skip::unescape(text.as_bytes(), at, |c, (from, to)| {
            arena.push(c);
            arena.push_str(text.get(from..to).unwrap_or_default());
        });
    });
    behind.map(|behind| (span, behind))
}
