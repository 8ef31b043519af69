//! The quick way through a JSON object: one pass, wanted keys by table, values by their extent.
//!
//! In: a line and the text behind it. Out: the record, filled exactly as the general parser fills it, or
//! `None` on any doubt (a key with escapes, a wrong byte, too deep): then the general parser reads the
//! line from the beginning, and its word counts. Must not know: streams, reasons for rejection.

use crate::model::Limits;
use crate::simd::scan::string_end;

use super::skip::{self, byte, space};
use crate::decode::layout::{Edge, Layout};
use crate::decode::outline::{Class, Outline, Piece};
use crate::decode::record::{Kind, Record, Span, Value};

/// One pass over one line.
pub(super) struct Walk<'w> {
    /// The line, perhaps with what follows it in its block.
    text: &'w str,
    /// Where the line ends.
    end: usize,
    layout: &'w Layout,
    record: &'w mut Record,
    /// Where the values stand, for who wants to know.
    outline: Option<&'w mut Outline>,
    at: usize,
}

impl<'w> Walk<'w> {
    /// At the beginning of the line of `end` bytes with which `text` begins.
    pub(super) fn new(text: &'w str, end: usize, layout: &'w Layout, record: &'w mut Record) -> Walk<'w> {
        Walk { text, end, layout, record, outline: None, at: 0 }
    }

    /// Notes down where the values stand.
    pub(super) fn with_outline(mut self, outline: &'w mut Outline) -> Walk<'w> {
        self.outline = Some(outline);
        self
    }

    /// Reads the line's object; `None` on any doubt.
    pub(super) fn document(&mut self) -> Option<()> {
        self.at = space(self.bytes(), 0);
        if self.byte() != b'{' {
            return None;
        }
        self.object(Layout::ROOT, 1)?;
        // White space of the next lines may have been passed, too, but nothing else.
        let rest = self.bytes().get(self.at..self.end)?;
        rest.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).then_some(())
    }

    #[inline(always)]
    fn bytes(&self) -> &'w [u8] {
        self.text.as_bytes()
    }

    #[inline(always)]
    fn byte(&self) -> u8 {
        byte(self.bytes(), self.at)
    }

    /// Reads an object of which some keys are wanted; it is the `depth`th around the reader.
    fn object(&mut self, node: usize, depth: u8) -> Option<()> {
        self.at = space(self.bytes(), self.at + 1);
        if self.byte() == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            let edge = self.key(node)?;
            match edge {
                Some(edge) => self.wanted(edge, depth)?,
                None => self.unwanted(depth)?,
            }
            self.at = space(self.bytes(), self.at);
            match self.byte() {
                b',' => self.at = space(self.bytes(), self.at + 1),
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// Reads a key up to its value: the edge that it is, if it is wanted.
    #[inline(always)]
    fn key(&mut self, node: usize) -> Option<Option<&'w Edge>> {
        let bytes = self.bytes();
        let start = self.at + 1;
        let end = string_end(bytes, start);
        if self.byte() != b'"' || byte(bytes, end) != b'"' {
            return None;
        }
        let colon = space(bytes, end + 1);
        if byte(bytes, colon) != b':' {
            return None;
        }
        self.at = space(bytes, colon + 1);
        let layout = self.layout;
        Some(layout.find_at(node, self.text, start, end - start).map(|at| layout.edge(node, at)))
    }

    /// Reads the value of a wanted key. A key that comes again replaces all that its first value brought.
    #[inline(always)]
    fn wanted(&mut self, edge: &Edge, depth: u8) -> Option<()> {
        if edge.child.is_some() {
            self.record.values[edge.beneath.clone()].fill(Value::default());
        }
        let value = match (self.byte(), edge.child) {
            (b'"', _) => self.string(edge.slot)?,
            (b'{', Some(child)) => {
                self.composite(edge.slot);
                if depth >= Limits::DEPTH {
                    return None;
                }
                self.object(child, depth + 1)?;
                Value::COMPOSITE
            }
            (b'{' | b'[', _) => {
                self.composite(edge.slot);
                self.at = skip::value(self.bytes(), self.at, depth)?;
                Value::COMPOSITE
            }
            (b't' | b'f' | b'n', _) => self.word(edge.slot)?,
            _ => self.number(edge.slot)?,
        };
        if let Some(slot) = edge.slot {
            self.record.values[slot] = value;
        }
        Some(())
    }

    /// Checks a value that nobody wants.
    #[inline(always)]
    fn unwanted(&mut self, depth: u8) -> Option<()> {
        let start = self.at;
        self.at = skip::value(self.bytes(), start, depth)?;
        self.note(Class::Any(depth), None, start, self.at);
        Some(())
    }

    /// A string, where it stands if it has no escapes, else unescaped into the arena.
    #[inline(always)]
    fn string(&mut self, slot: Option<usize>) -> Option<Value> {
        let start = self.at + 1;
        let end = string_end(self.bytes(), start);
        let span = match byte(self.bytes(), end) {
            b'"' => {
                self.at = end + 1;
                Span::of_line(start, end)
            }
            b'\\' => self.escaped(start, end)?,
            _ => return None,
        };
        self.note(Class::Text, slot, start, self.at - 1);
        Some(Value::new(Kind::Text, span))
    }

    /// A string that begins at `start` and has its first escape at `at`.
    fn escaped(&mut self, start: usize, at: usize) -> Option<Span> {
        let (span, behind) = unescaped(self.text, start, at, self.record)?;
        self.at = behind;
        Some(span)
    }

    #[inline(always)]
    fn number(&mut self, slot: Option<usize>) -> Option<Value> {
        let start = self.at;
        self.at = skip::number(self.bytes(), start)?;
        self.note(Class::Number, slot, start, self.at);
        Some(Value::new(Kind::Number, Span::of_line(start, self.at)))
    }

    /// `true` and `false` are values, `null` is none.
    fn word(&mut self, slot: Option<usize>) -> Option<Value> {
        let start = self.at;
        self.at = skip::word(self.bytes(), start)?;
        if byte(self.bytes(), start) == b'n' {
            return Some(Value::default());
        }
        self.note(Class::Fixed, slot, start, self.at);
        Some(Value::new(Kind::Bool, Span::of_line(start, self.at)))
    }

    #[inline(always)]
    fn note(&mut self, class: Class, slot: Option<usize>, start: usize, end: usize) {
        if let Some(outline) = &mut self.outline {
            outline.push(Piece { class, slot, start, end });
        }
    }

    /// A wanted value that is no text has no place in an outline.
    fn composite(&mut self, slot: Option<usize>) {
        if let Some(outline) = self.outline.as_mut().filter(|_| slot.is_some()) {
            outline.refuse();
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
