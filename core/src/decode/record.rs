//! What a format's parser leaves behind for one line: values in numbered slots, as spans into the
//! line or into an arena of unescaped text. It is reused, so that steady state allocates nothing.

use crate::model::{TimeUs, Weight};

/// Spans from here on lie in the arena, below in the line. Lines are shorter than this.
pub(super) const ARENA: u32 = 1 << 30;

/// The longest line that spans can address, whatever `limits.line` says.
pub(super) const LONGEST_LINE: usize = ARENA as usize;

/// A piece of text: in the line or in the arena. The default is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// Bytes `start..end` of the line.
    #[inline(always)]
    pub(super) fn of_line(start: usize, end: usize) -> Span {
        debug_assert!(start <= end, "spans begin before they end");
        Span { start: start as u32, len: end.wrapping_sub(start) as u32 }
    }

    /// Where it begins, from the beginning of the line, or from [`ARENA`] on in the arena.
    pub(super) fn start(self) -> u32 {
        self.start
    }

    /// Its length in bytes.
    pub(super) fn len(self) -> usize {
        self.len as usize
    }

    /// What `read` makes of the text where it stands in `line`, if it reads exactly this text and gives its
    /// end. `None` for text of the arena.
    #[inline(always)]
    pub(super) fn read<T>(
        self,
        line: &str,
        read: impl FnOnce(&[u8], usize) -> Option<(T, usize)>,
    ) -> Option<T> {
        let start = Some(self.start).filter(|&start| start < ARENA)? as usize;
        let (value, end) = read(line.as_bytes(), start)?;
        (end == start + self.len()).then_some(value)
    }
}

/// What kind of value a slot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Absent, or null.
    #[default]
    Missing,
    /// Text.
    Text,
    /// A number, by its digits as written.
    Number,
    /// `true` or `false`.
    Bool,
    /// An object or an array: nothing that a field can use.
    Composite,
}

/// A slot's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Value {
    /// What it is.
    pub(super) kind: Kind,
    /// Its text; empty if missing or composite.
    pub(super) span: Span,
}

impl Value {
    /// A value of `kind` with the text of `span`.
    pub(super) fn new(kind: Kind, span: Span) -> Value {
        Value { kind, span }
    }

    /// An object or array.
    pub(super) const COMPOSITE: Value = Value { kind: Kind::Composite, span: Span { start: 0, len: 0 } };
}

/// When the event of a line happened, as far as its format knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum When {
    /// In the field that its stream names.
    #[default]
    Field,
    /// The line says it.
    At(TimeUs),
    /// When the line arrived.
    Arrival,
}

/// The values of one line.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// One value per slot of the layout, and one that nobody reads.
    pub(super) values: Vec<Value>,
    /// Measurement or metric; empty where the format has none.
    pub(super) name: Span,
    /// How many events the line stands for.
    pub(super) weight: Weight,
    /// Where its time is.
    pub(super) when: When,
    arena: String,
}

impl Record {
    /// A record with `slots` slots.
    pub(super) fn new(slots: usize) -> Record {
        Record { values: vec![Value::default(); slots + 1], weight: Weight::ONE, ..Record::default() }
    }

    /// Forgets the last line, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.values.fill(Value::default());
        self.arena.clear();
        self.name = Span::default();
        self.weight = Weight::ONE;
        self.when = When::Field;
    }

    /// Forgets the texts of the arena.
    #[inline(always)]
    pub(super) fn clear_arena(&mut self) {
        self.arena.clear();
    }

    /// The text of a span.
    pub(super) fn text<'r>(&'r self, line: &'r str, span: Span) -> &'r str {
        let (whole, start) =
            if span.start >= ARENA { (self.arena.as_str(), span.start - ARENA) } else { (line, span.start) };
        whole.get(start as usize..(start + span.len) as usize).unwrap_or_default()
    }

    /// The arena's text.
    pub(super) fn arena(&self) -> &str {
        &self.arena
    }

    /// Keeps `text` in the arena.
    pub(super) fn keep(&mut self, text: &str) -> Span {
        self.keep_all(|arena| arena.push_str(text))
    }

    /// Keeps what `write` appends to the arena.
    pub(super) fn keep_all(&mut self, write: impl FnOnce(&mut String)) -> Span {
        let start = self.arena.len();
        write(&mut self.arena);
        Span { start: ARENA + start as u32, len: (self.arena.len() - start) as u32 }
    }

    /// Keeps what `write` makes of the text of `span`.
    pub(super) fn rewrite(&mut self, line: &str, span: Span, write: impl FnOnce(&str, &mut String)) -> Span {
        if span.start < ARENA {
            let text = line.get(span.start as usize..(span.start + span.len) as usize).unwrap_or_default();
            return self.keep_all(|arena| write(text, arena));
        }
        // Text of the arena is moved out while it is read: rare (an escaped value that is too long).
        let text = self.text(line, span).to_owned();
        self.keep_all(|arena| write(&text, arena))
    }
}
