//! JSON values by their extent: where one ends, if it is one.
//!
//! In: bytes and the place where a value begins. Out: the place behind it, or `None` where it is none or
//! there is any doubt; then the general parser decides, and names the reason. Must not know: keys, fields.

use crate::model::Limits;
use crate::simd::scan::{WINDOW, digit_mask, digits_end, string_end, window};

/// The general parser refuses whole numbers of more digits than this.
const DIGITS: usize = 4000;

/// The byte at `at`, and 0, which no JSON has, behind the end.
#[inline(always)]
pub(in crate::decode) fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The first byte from `at` on that is no white space. An LF ends a line and is none here.
#[inline(always)]
pub(in crate::decode) fn space(bytes: &[u8], at: usize) -> usize {
    if byte(bytes, at) > b' ' { at } else { some_space(bytes, at) }
}

fn some_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(byte(bytes, at), b' ' | b'\t' | b'\r') {
        at += 1;
    }
    at
}

/// The place behind the value at `at`, which stands inside `depth` containers.
pub(in crate::decode) fn value(bytes: &[u8], at: usize, depth: u8) -> Option<usize> {
    match byte(bytes, at) {
        b'"' => string(bytes, at),
        b'{' | b'[' => container(bytes, at, depth),
        b't' | b'f' | b'n' => word(bytes, at),
        _ => number(bytes, at),
    }
}

/// The place behind `true`, `false` or `null`.
#[inline(always)]
pub(in crate::decode) fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let len = [&b"true"[..], b"false", b"null"].into_iter().find(|word| rest.starts_with(word))?.len();
    Some(at + len)
}

/// The place behind the string whose opening quote is at `at`.
#[inline(always)]
fn string(bytes: &[u8], at: usize) -> Option<usize> {
    let end = string_end(bytes, at + 1);
    match byte(bytes, end) {
        b'"' => Some(end + 1),
        b'\\' => unescape(bytes, end, |_, _| {}),
        _ => None,
    }
}

/// Reads a string from its first backslash, at `at`, to the place behind its closing quote. `piece` gets
/// what each escape stands for and the bounds of the plain text behind it.
#[inline(always)]
pub(in crate::decode) fn unescape(
    bytes: &[u8],
    mut at: usize,
    mut piece: impl FnMut(char, (usize, usize)),
) -> Option<usize> {
    loop {
        let (c, behind) = escape(bytes, at)?;
        at = string_end(bytes, behind);
        piece(c, (behind, at));
        match byte(bytes, at) {
            b'"' => return Some(at + 1),
            b'\\' => {}
            _ => return None,
        }
    }
}

/// The character of the escape at `at`, and the place behind it.
fn escape(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let c = match byte(bytes, at + 1) {
        b'u' => return unicode(bytes, at),
        same @ (b'"' | b'\\' | b'/') => char::from(same),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return None,
    };
    Some((c, at + 2))
}

/// The character of `\u00e9` or of a pair of surrogates.
fn unicode(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let high = hex(bytes, at + 2)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(high)?, at + 6));
    }
    let low = hex(bytes, at + 8).filter(|_| bytes.get(at + 6..at + 8) == Some(b"\\u"))?;
    let both = 0x1_0000 + ((high - 0xd800) << 10) + low.checked_sub(0xdc00).filter(|&low| low < 0x400)?;
    Some((char::from_u32(both)?, at + 12))
}

fn hex(bytes: &[u8], at: usize) -> Option<u32> {
    let digits: &[u8; 4] = bytes.get(at..)?.first_chunk()?;
    let code = digits.iter().fold(0, |code, &digit| code << 4 | HEX[usize::from(digit)]);
    (code <= 0xffff).then_some(code)
}

/// What hexadecimal digits say; more than any four of them for other bytes.
const HEX: [u32; 256] = {
    let mut values = [1 << 16; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value as usize];
        values[digit as usize] = value;
        values[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    values
};

/// The place behind the number at `at`.
#[inline(always)]
pub(in crate::decode) fn number(bytes: &[u8], at: usize) -> Option<usize> {
    match usual_number(bytes, at) {
        Some(end) => Some(end),
        None => any_number(bytes, at),
    }
}

/// [`number`] of one without sign and exponent that ends within a window.
#[inline(always)]
fn usual_number(bytes: &[u8], at: usize) -> Option<usize> {
    let here = window(bytes, at)?;
    let others = !digit_mask(here);
    let whole = others.trailing_zeros() as usize;
    if whole == 0 || (whole > 1 && here[0] == b'0') {
        return None;
    }
    let mut end = whole;
    if *here.get(whole)? == b'.' {
        // A shift by all bits leaves none: nothing is known of what follows.
        let fraction = others.checked_shr(whole as u32 + 1)?.trailing_zeros() as usize;
        end = whole + 1 + fraction;
        if fraction == 0 || end >= WINDOW {
            return None;
        }
    }
    (here[end] | 0x20 != b'e').then_some(at + end)
}

#[inline(never)]
fn any_number(bytes: &[u8], at: usize) -> Option<usize> {
    let start = at + usize::from(byte(bytes, at) == b'-');
    let mut end = digits_end(bytes, start);
    let digits = end - start;
    if digits == 0 || digits > DIGITS || (digits > 1 && byte(bytes, start) == b'0') {
        return None;
    }
    if byte(bytes, end) == b'.' {
        end = some_digits(bytes, end + 1)?;
    }
    if byte(bytes, end) | 0x20 == b'e' {
        let signed = matches!(byte(bytes, end + 1), b'+' | b'-');
        end = some_digits(bytes, end + 1 + usize::from(signed))?;
    }
    Some(end)
}

#[inline(always)]
fn some_digits(bytes: &[u8], at: usize) -> Option<usize> {
    let end = digits_end(bytes, at);
    (end > at && end - at <= DIGITS).then_some(end)
}

/// The place behind the object or array at `at`, which stands inside `depth` containers.
fn container(bytes: &[u8], at: usize, depth: u8) -> Option<usize> {
    if depth >= Limits::DEPTH {
        return None;
    }
    let object = byte(bytes, at) == b'{';
    let close = if object { b'}' } else { b']' };
    let mut at = space(bytes, at + 1);
    if byte(bytes, at) == close {
        return Some(at + 1);
    }
    loop {
        if object {
            at = key(bytes, at)?;
        }
        at = space(bytes, value(bytes, at, depth + 1)?);
        match byte(bytes, at) {
            b',' => at = space(bytes, at + 1),
            end if end == close => return Some(at + 1),
            _ => return None,
        }
    }
}

/// The place of the value behind the key at `at`.
fn key(bytes: &[u8], at: usize) -> Option<usize> {
    if byte(bytes, at) != b'"' {
        return None;
    }
    let colon = space(bytes, string(bytes, at)?);
    (byte(bytes, colon) == b':').then(|| space(bytes, colon + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_json_says() {
        for text in [
            "0",
            "-0",
            "10",
            "-1.5e+10",
            "0.25",
            "1E5",
            "true",
            "false",
            "null",
            "\"\"",
            r#""a\n\u00e9\ud83d\ude00""#,
            "[]",
            "{}",
            "[ 1 , [ ] ]",
            r#"{ "a" : { } , "b":[null]}"#,
        ] {
            for behind in ["", ",", " ", "}", "\n"] {
                assert_eq!(
                    value(format!("{text}{behind}").as_bytes(), 0, 1),
                    Some(text.len()),
                    "{text}{behind}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_value_is_left_to_others() {
        for text in [
            "",
            "-",
            "01",
            "1.",
            ".5",
            "1e",
            "+1",
            "nul",
            "NaN",
            "\"",
            "\"\n\"",
            r#""\x""#,
            r#""\ud800""#,
            r#""\udc00""#,
            r#""\ud800\u0041""#,
            r#""\u12g4""#,
            r#""\u+123""#,
            "[",
            "[1,]",
            "[1 2]",
            "{",
            r#"{"a"}"#,
            r#"{"a":1,}"#,
            "{1:2}",
        ] {
            assert_eq!(value(text.as_bytes(), 0, 1), None, "{text}");
        }
        let nested = "[".repeat(32) + &"]".repeat(32);
        assert_eq!((value(nested.as_bytes(), 0, 1), value(nested.as_bytes(), 0, 0)), (None, Some(64)));
    }
}
