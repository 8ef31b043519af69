//! Where the values of a line stand that the parser has accepted.

use super::super::flat::Cursor;
use super::super::layout::Layout;
use super::super::outline::{Class, Outline, Piece};
use super::super::pieces::Flat;

/// Tells the pieces of `line`: its name, its tags, its time, and what nobody knows. Its values and its rate are
/// none: what they say holds for all lines of a shape. `false` for a line with two of a kind.
pub(super) fn outline(line: &str, layout: &Layout, outline: &mut Outline) -> bool {
    let mut cursor = Cursor { line, at: 0 };
    cursor.seek([b':']);
    outline.push(Piece { class: Class::Flat(Flat::Metric), slot: None, start: 0, end: cursor.at });
    cursor.seek([b'|']);
    cursor.at += 1;
    cursor.seek([b'|']);
    let (mut tagged, mut timed) = (false, false);
    while cursor.peek() == Some(b'|') {
        cursor.at += 1;
        let kind = cursor.peek();
        let start = cursor.at + 1;
        if kind == Some(b'#') {
            cursor.at = start;
            tags(&mut cursor, layout, outline);
            if std::mem::replace(&mut tagged, true) {
                return false;
            }
            continue;
        }
        cursor.seek([b'|']);
        let class = match kind {
            Some(b'T') if std::mem::replace(&mut timed, true) => return false,
            Some(b'T') => Flat::Stamp,
            None | Some(b'@' | b'|') => continue,
            Some(first) if !first.is_ascii() => continue,
            Some(_) => Flat::Section,
        };
        outline.push(Piece { class: Class::Flat(class), slot: None, start, end: cursor.at });
    }
    true
}

fn tags(cursor: &mut Cursor<'_>, layout: &Layout, outline: &mut Outline) {
    loop {
        let start = cursor.at;
        cursor.seek([b':', b',', b'|']);
        let key = cursor.since(start);
        let valued = cursor.peek() == Some(b':');
        cursor.at += usize::from(valued);
        let start = cursor.at;
        cursor.seek([b',', b'|']);
        if !key.is_empty() || valued {
            let class = if valued { Class::Flat(Flat::Label) } else { Class::Fixed };
            outline.push(Piece { class, slot: layout.flat_slot(key), start, end: cursor.at });
        }
        if cursor.peek() != Some(b',') {
            return;
        }
        cursor.at += 1;
    }
}
