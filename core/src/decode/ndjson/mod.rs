//! NDJSON: one JSON object a line (RFC 8259). The general parser here is the truth; the quick walk that
//! is tried before it gives up wherever the two might differ.

pub(super) mod skip;
mod walk;

use jiter::{Jiter, Peek};

use crate::model::{Limits, Reason};

use super::control;
use super::layout::{Edge, Layout};
use super::mapping::CONTROL_KEY;
use super::outline::Outline;
use super::parser::{Outcome, Parse};
use super::record::{Kind, Record, Span, Value};

use walk::Walk as Quick;
pub(super) use walk::unescaped;

/// Reads JSON objects.
#[derive(Debug, Default)]
pub(super) struct Ndjson {
    tape: Vec<u8>,
    general_only: bool,
    /// Of the line that is outlined.
    scratch: Record,
}

impl Parse for Ndjson {
    fn parse(&mut self, line: &str, layout: &Layout, record: &mut Record) -> Result<Outcome, Reason> {
        let tape = std::mem::take(&mut self.tape);
        let mut walk = Walk { line, json: Jiter::with_tape(line.as_bytes(), tape), layout, record };
        let result = walk.document();
        self.tape = walk.json.into_tape();
        result?;
        if is_control(layout, record) {
            control::from_json(line).map(Outcome::Control)
        } else {
            Ok(Outcome::Record)
        }
    }

    fn parse_ahead(&mut self, text: &str, layout: &Layout, record: &mut Record) -> Option<usize> {
        if self.general_only {
            return None;
        }
        record.clear();
        let end = Quick::new(text, layout, record).document()?;
        (!is_control(layout, record)).then_some(end)
    }

    fn outline(&mut self, line: &str, layout: &Layout, outline: &mut Outline) -> bool {
        self.scratch.values.resize(layout.slots() + 1, Value::default());
        self.scratch.clear();
        let mut walk = Quick::new(line, layout, &mut self.scratch).with_outline(outline);
        walk.document().is_some()
    }

    fn set_general_only(&mut self) {
        self.general_only = true;
    }
}

/// Whether what was read is a control record.
#[inline]
fn is_control(layout: &Layout, record: &Record) -> bool {
    layout.flat_slot(CONTROL_KEY).is_some_and(|slot| record.values[slot].kind != Kind::Missing)
}

/// One pass over one line.
struct Walk<'w, 'j> {
    line: &'j str,
    json: Jiter<'j>,
    layout: &'w Layout,
    record: &'w mut Record,
}

impl Walk<'_, '_> {
    fn document(&mut self) -> Result<(), Reason> {
        match self.json.peek() {
            Ok(Peek::Object) => self.object(Layout::ROOT, 1)?,
            _ => return Err(Reason::BadSyntax),
        }
        self.json.finish().map_err(syntax)
    }

    /// Reads an object of which some keys are wanted; it is the `depth`th around the reader.
    fn object(&mut self, node: usize, depth: u8) -> Result<(), Reason> {
        let layout = self.layout;
        let mut hint = 0;
        let mut key = self.json.known_object().map_err(syntax)?;
        while let Some(name) = key {
            match layout.find(node, hint, name) {
                Some(at) => {
                    self.wanted(layout.edge(node, at), depth)?;
                    hint = at + 1;
                }
                None => {
                    let peek = self.json.peek().map_err(syntax)?;
                    self.skip(peek, depth)?;
                }
            }
            key = self.json.next_key().map_err(syntax)?;
        }
        Ok(())
    }

    /// Reads the value of a wanted key. A key that comes again replaces all that its first value brought.
    fn wanted(&mut self, edge: &Edge, depth: u8) -> Result<(), Reason> {
        self.record.values[edge.beneath.clone()].fill(Value::default());
        let peek = self.json.peek().map_err(syntax)?;
        let value = match (peek, edge.slot, edge.child) {
            (Peek::Object, _, Some(child)) => {
                within_depth(depth)?;
                self.object(child, depth + 1)?;
                Value::COMPOSITE
            }
            (Peek::String, Some(_), _) => self.string()?,
            (Peek::Null, ..) => {
                self.skip(peek, depth)?;
                Value::default()
            }
            _ => self.plain(peek, depth)?,
        };
        if let Some(slot) = edge.slot {
            self.record.values[slot] = value;
        }
        Ok(())
    }

    /// A string, where it stands if it has no escapes, else unescaped into the arena.
    fn string(&mut self) -> Result<Value, Reason> {
        let raw = self.line.get(self.json.current_index() + 1..).unwrap_or_default();
        let text = self.json.known_str().map_err(syntax)?;
        let in_place = std::ptr::eq(text.as_ptr(), raw.as_ptr());
        let start = self.line.len() - raw.len();
        let span = if in_place { Span::of_line(start, start + text.len()) } else { self.record.keep(text) };
        Ok(Value::new(Kind::Text, span))
    }

    /// A number, boolean, object or array, by its text.
    fn plain(&mut self, peek: Peek, depth: u8) -> Result<Value, Reason> {
        let start = self.json.current_index();
        self.skip(peek, depth)?;
        let kind = match peek {
            Peek::Object | Peek::Array => return Ok(Value::COMPOSITE),
            Peek::True | Peek::False => Kind::Bool,
            _ => Kind::Number,
        };
        Ok(Value::new(kind, Span::of_line(start, self.json.current_index())))
    }

    /// Checks a value that nobody wants.
    fn skip(&mut self, peek: Peek, depth: u8) -> Result<(), Reason> {
        match peek {
            Peek::Object => {
                within_depth(depth)?;
                let mut more = self.json.next_object_bytes().map_err(syntax)?.is_some();
                while more {
                    let peek = self.json.peek().map_err(syntax)?;
                    self.skip(peek, depth + 1)?;
                    more = self.json.next_key_bytes().map_err(syntax)?.is_some();
                }
                Ok(())
            }
            Peek::Array => {
                within_depth(depth)?;
                let mut next = self.json.known_array().map_err(syntax)?;
                while let Some(peek) = next {
                    self.skip(peek, depth + 1)?;
                    next = self.json.array_step().map_err(syntax)?;
                }
                Ok(())
            }
            _ => self.json.known_skip(peek).map_err(syntax),
        }
    }
}

/// Whether a container may open inside `depth` others.
fn within_depth(depth: u8) -> Result<(), Reason> {
    if depth >= Limits::DEPTH { Err(Reason::TooDeep) } else { Ok(()) }
}

fn syntax<E>(_: E) -> Reason {
    Reason::BadSyntax
}
