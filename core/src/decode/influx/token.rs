//! A name or text of a line, perhaps with escapes: where it ends, and what it says.

use crate::model::Reason;

use super::super::flat::Cursor;
use super::super::record::{Record, Span};

/// Which part of a line a token is: they differ in what ends them and what can be escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Measurement,
    /// A tag key, tag value or field key.
    Name,
    /// The inside of a string field.
    Quoted,
}

impl Place {
    /// Whether a backslash before `byte` stands for `byte`.
    fn escapes(self, byte: u8) -> bool {
        match self {
            Place::Measurement => matches!(byte, b',' | b' ' | b'\\'),
            Place::Name => matches!(byte, b',' | b' ' | b'=' | b'\\'),
            Place::Quoted => matches!(byte, b'"' | b'\\'),
        }
    }

    /// Goes on to the next byte that ends the token or is a backslash.
    #[inline(always)]
    fn seek(self, cursor: &mut Cursor<'_>) {
        match self {
            Place::Measurement => cursor.seek([b',', b' ', b'\\']),
            Place::Name => cursor.seek([b',', b' ', b'=', b'\\']),
            Place::Quoted => cursor.seek([b'"', b'\\']),
        }
    }
}

/// A piece of the line, perhaps with escapes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    start: usize,
    end: usize,
    place: Place,
    /// Whether it has to be unescaped.
    pub(super) escaped: bool,
}

impl Token {
    /// Reads up to the next byte that ends it, or to the end of the line. Names are never empty.
    #[inline(always)]
    pub(super) fn read(cursor: &mut Cursor<'_>, place: Place) -> Result<Token, Reason> {
        let start = cursor.at;
        place.seek(cursor);
        let escaped = cursor.peek() == Some(b'\\') && escapes(cursor, place);
        if cursor.at == start && place != Place::Quoted {
            return Err(Reason::BadSyntax);
        }
        Ok(Token { start, end: cursor.at, place, escaped })
    }

    /// Reads a key and its `=`.
    pub(super) fn key(cursor: &mut Cursor<'_>) -> Result<Token, Reason> {
        let key = Token::read(cursor, Place::Name)?;
        if cursor.peek() != Some(b'=') {
            return Err(Reason::BadSyntax);
        }
        cursor.at += 1;
        Ok(key)
    }

    /// Reads the inside of a string field, from its opening to behind its closing quote.
    #[inline(always)]
    pub(super) fn quoted(cursor: &mut Cursor<'_>) -> Result<Token, Reason> {
        cursor.at += 1;
        let token = Token::read(cursor, Place::Quoted)?;
        if cursor.peek() != Some(b'"') {
            return Err(Reason::BadSyntax);
        }
        cursor.at += 1;
        Ok(token)
    }

    fn raw(self, line: &str) -> &str {
        line.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn text(self, line: &str) -> String {
        let mut text = String::new();
        self.unescape(line, &mut text);
        text
    }

    /// Its text, in `room` if it has to be unescaped.
    pub(super) fn text_in<'t>(self, line: &'t str, room: &'t mut String) -> &'t str {
        if !self.escaped {
            return self.raw(line);
        }
        room.clear();
        self.unescape(line, room);
        room
    }

    /// A span of its text, in the arena if it has to be unescaped.
    #[inline(always)]
    pub(super) fn keep(self, line: &str, record: &mut Record) -> Span {
        if self.escaped {
            record.keep_all(|arena| self.unescape(line, arena))
        } else {
            Span::of_line(self.start, self.end)
        }
    }

    fn unescape(self, line: &str, out: &mut String) {
        let mut rest = self.raw(line);
        while let Some(at) = rest.bytes().position(|byte| byte == b'\\') {
            out.push_str(&rest[..at]);
            let next = rest.as_bytes().get(at + 1).copied().filter(|&byte| self.place.escapes(byte));
            out.push(next.map_or('\\', char::from));
            rest = &rest[at + 1 + usize::from(next.is_some())..];
        }
        out.push_str(rest);
    }
}

/// Goes on from a backslash to the byte that ends the token; says whether any backslash stood for what
/// follows it.
#[inline(never)]
fn escapes(cursor: &mut Cursor<'_>, place: Place) -> bool {
    let mut escaped = false;
    while cursor.peek() == Some(b'\\') {
        let next = cursor.line.as_bytes().get(cursor.at + 1);
        let escape = next.is_some_and(|&next| place.escapes(next));
        escaped |= escape;
        cursor.at += if escape { 2 } else { 1 };
        place.seek(cursor);
    }
    escaped
}
