//! The quick way through a JSON object: one pass, wanted keys by table, values by their extent.
//!
//! In: text that begins with a line. Out: the record, filled exactly as the general parser fills it, and
//! where the object ends; or `None` on any doubt (a key with escapes, a wrong byte, too deep): then the
//! general parser reads the line from the beginning, and its word counts. An LF is no white space here, so
//! that an object never goes beyond its line. Must not know: streams, reasons for rejection.

use crate::model::Limits;
use crate::simd::scan::{string_end, varied_string_end, word};

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
        let end =
            if byte(self.bytes(), at) == b'{' { self.object(Layout::ROOT, at, 1)? } else { return None };
        self.record.values[self.layout.slots()] = Value::default();
        Some(end)
    }

    #[inline(always)]
    fn bytes(&self) -> &'w [u8] {
        self.text.as_bytes()
    }

    /// Whether these few bytes stand at `at`, with more behind them.
    #[inline(always)]
    fn are<const N: usize>(&self, at: usize, few: [u8; N]) -> bool {
        word(self.bytes(), at).is_some_and(|word| word.to_le_bytes()[..N] == few)
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
            if byte(bytes, at) != b'"' {
                return None;
            }
            at = self.members(node, at + 1, depth)?;
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

    /// Reads the member whose key begins at `at`, and those that follow as long as they are
    /// plain texts: the place behind the last one. Which one comes next can't be foreseen, so these go one way.
    #[inline(always)]
    fn members(&mut self, node: &Node, mut at: usize, depth: u8) -> Option<usize> {
        loop {
            let (taker, end) = node.key_at(self.text, at);
            if !self.are(end, *b"\":\"") {
                let colon = if self.are(end, *b"\":") { end + 1 } else { self.colon(end)? };
                return self.value(node.edge_of(taker), space(self.bytes(), colon + 1), depth);
            }
            let (start, end) = (end + 3, varied_string_end(self.bytes(), end + 3));
            if OUTLINE || taker.nests || !self.are(end, *b"\",\"") {
                return self.string(node.edge_of(taker), (start, end), depth);
            }
            self.record.values[taker.slot as usize] = Value::new(Kind::Text, Span::of_line(start, end));
            at = end + 3;
        }
    }

    /// The colon behind a key that ends at `end`.
    fn colon(&self, end: usize) -> Option<usize> {
        let colon = space(self.bytes(), end + 1);
        (byte(self.bytes(), end) == b'"' && byte(self.bytes(), colon) == b':').then_some(colon)
    }

    /// Reads the string that begins at `at`, behind a wanted or an unwanted key; its plain text ends at `end`.
    #[inline(always)]
    fn string(&mut self, edge: Option<&Edge>, (at, end): (usize, usize), depth: u8) -> Option<usize> {
        if byte(self.bytes(), end) != b'"' {
            return self.odd_string(edge, (at, end), depth);
        }
        match edge {
            Some(edge) => {
                self.note(Class::Text, edge.slot, at, end);
                self.put(edge, Value::new(Kind::Text, Span::of_line(at, end)));
            }
            None => self.note(Class::Any(depth), None, at - 1, end + 1),
        }
        Some(end + 1)
    }

    /// [`Walk::string`] where the plain text from `start` on ends at `at` and the string does not.
    #[inline(never)]
    fn odd_string(&mut self, edge: Option<&Edge>, (start, at): (usize, usize), depth: u8) -> Option<usize> {
        if byte(self.bytes(), at) != b'\\' {
            return None;
        }
        let Some(edge) = edge else {
            let behind = skip::unescape(self.bytes(), at, |_, _| {})?;
            self.note(Class::Any(depth), None, start - 1, behind);
            return Some(behind);
        };
        let (span, behind) = unescaped(self.text, start, at, self.record)?;
        self.note(Class::Text, edge.slot, start, behind - 1);
        self.put(edge, Value::new(Kind::Text, span));
        Some(behind)
    }

    /// Keeps the value of a wanted key. A key that comes again replaces all that its first value brought.
    #[inline(always)]
    fn put(&mut self, edge: &Edge, value: Value) {
        self.forget(edge);
        if let Some(slot) = edge.slot {
            self.record.values[slot] = value;
        }
    }

    /// Forgets what an earlier value of this key brought that its next one might not replace.
    #[inline(always)]
    fn forget(&mut self, edge: &Edge) {
        if edge.child.is_some() {
            self.record.values[edge.beneath.clone()].fill(Value::default());
        }
    }

    /// Reads the value at `at`, behind a wanted or an unwanted key.
    #[inline(always)]
    fn value(&mut self, edge: Option<&Edge>, at: usize, depth: u8) -> Option<usize> {
        let Some(edge) = edge else { return self.unwanted(at, depth) };
        match byte(self.bytes(), at) {
            b'"' => self.string(Some(edge), (at + 1, string_end(self.bytes(), at + 1)), depth),
            b'{' | b'[' | b't' | b'f' | b'n' => self.other(edge, at, depth),
            _ => {
                let end = skip::number(self.bytes(), at)?;
                self.note(Class::Number, edge.slot, at, end);
                self.put(edge, Value::new(Kind::Number, Span::of_line(at, end)));
                Some(end)
            }
        }
    }

    /// Reads a container or a word behind a wanted key.
    fn other(&mut self, edge: &Edge, at: usize, depth: u8) -> Option<usize> {
        self.forget(edge);
        let (value, behind) = match byte(self.bytes(), at) {
            b'{' | b'[' => (Value::COMPOSITE, self.composite(edge, at, depth)?),
            _ => self.word(edge.slot, at)?,
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
