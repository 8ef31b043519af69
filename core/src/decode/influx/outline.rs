//! Where the values of a line stand that the parser has accepted.

use crate::model::Reason;

use super::super::flat::Cursor;
use super::super::layout::Layout;
use super::super::outline::{Class, Outline, Piece};
use super::super::pieces::Flat;
use super::super::time::TimeUnit;
use super::token::{Place, Token};
use super::{Scalar, WEIGHT_KEY, another_field, begin_fields};

/// Tells the pieces of `line`. The field `count` is none: what it says holds for all lines of a shape.
///
/// # Errors
/// As the parser's; none for a line that it has accepted.
pub(super) fn outline(
    line: &str,
    unit: TimeUnit,
    layout: &Layout,
    room: &mut String,
    outline: &mut Outline,
) -> Result<(), Reason> {
    let mut cursor = Cursor { line, at: line.len() - line.trim_start_matches(' ').len() };
    Token::read(&mut cursor, Place::Measurement)?;
    while cursor.peek() == Some(b',') {
        cursor.at += 1;
        let slot = layout.flat_slot(Token::key(&mut cursor)?.text_in(line, room));
        let start = cursor.at;
        Token::read(&mut cursor, Place::Name)?;
        outline.push(Piece { class: Class::Flat(Flat::Tag), slot, start, end: cursor.at });
    }
    begin_fields(&mut cursor)?;
    loop {
        let key = cursor.at;
        let slot = layout.flat_slot(Token::key(&mut cursor)?.text_in(line, room));
        let weighs = cursor.since(key).as_bytes() == WEIGHT_KEY;
        let start = cursor.at;
        let value = Scalar::field(&mut cursor)?;
        let (class, inside) = match value {
            _ if weighs => (Class::Fixed, 0),
            Scalar::Tag(_) | Scalar::Text(_) => (Class::Flat(Flat::Quoted), 1),
            Scalar::Number(_) => (Class::Flat(Flat::Figure), 0),
            Scalar::Bool(flag) => {
                // It is read as it is spelled elsewhere; only that spelling can be taken as it stands.
                if slot.is_some() && cursor.since(start) != if flag { "true" } else { "false" } {
                    outline.refuse();
                }
                (Class::Fixed, 0)
            }
        };
        outline.push(Piece { class, slot, start: start + inside, end: cursor.at - inside });
        if !another_field(&mut cursor)? {
            break;
        }
    }
    let rest = cursor.line.get(cursor.at..).unwrap_or_default();
    let stamp = rest.trim_matches(' ');
    if !stamp.is_empty() {
        let start = line.len() - rest.trim_start_matches(' ').len();
        let class = Class::Flat(Flat::Units(unit));
        outline.push(Piece { class, slot: None, start, end: start + stamp.len() });
    }
    Ok(())
}
