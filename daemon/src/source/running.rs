//! The running check of an acknowledged sender's lines: what tells whether lines that are sent again are
//! those that were counted.
//!
//! In: blocks of whole lines. Out: the CRC32C of all non-empty lines with their ends, however they were cut
//! into blocks. Must not know: who sends, what the lines mean.

use ebbd_core::simd::count_lines;
use memchr::{memchr, memchr_iter};

use super::cut::LeftOut;

/// A block of whole lines, looked at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    /// Non-empty lines: those that have a number.
    pub(super) lines: u64,
    /// Empty lines.
    pub(super) empty: u64,
}

impl Counted {
    /// Counts the lines of a block whose last line has its end.
    pub(super) fn of(bytes: &[u8]) -> Counted {
        let lines = count_lines(bytes);
        Counted { lines, empty: memchr_iter(b'\n', bytes).count() as u64 - lines }
    }
}

/// The check behind a block, from that before it. `cut_short` says what is missing of its first line.
pub(super) fn behind(check: u32, bytes: &[u8], counted: Counted, cut_short: Option<LeftOut>) -> u32 {
    if counted.empty == 0 {
        return append(check, bytes, cut_short);
    }
    let mut cut_short = cut_short;
    lines(bytes).fold(check, |check, line| append(check, line, cut_short.take()))
}

/// The check behind one line with its end, or several.
pub(super) fn append(check: u32, bytes: &[u8], cut_short: Option<LeftOut>) -> u32 {
    let Some(LeftOut { at, bytes: missing, check: missing_check }) = cut_short else {
        return crc32c::crc32c_append(check, bytes);
    };
    let before = crc32c::crc32c_append(check, &bytes[..at]);
    let over = crc32c::crc32c_combine(before, missing_check, missing as usize);
    crc32c::crc32c_append(over, &bytes[at..])
}

/// The non-empty lines of a block, each with its end.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let next = move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, behind) = rest.split_at(end);
        rest = behind;
        Some(line)
    };
    std::iter::from_fn(next).filter(|line| !matches!(*line, b"\n" | b"\r\n"))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use ebbd_core::decode::lines as decoded;
    use proptest::prelude::*;

    use super::*;
    use crate::source::cut::Cutter;

    #[test]
    fn lines_are_those_that_have_a_number() {
        let bytes = b"\na\r\n\r\n\n\r\r\n b\n\n";
        let found: Vec<&[u8]> = lines(bytes).collect();
        assert_eq!(found, [&b"a\r\n"[..], b"\r\r\n", b" b\n"]);
        let counted = Counted::of(bytes);
        assert_eq!((counted.lines, counted.empty), (3, 4));
        assert_eq!(decoded(bytes).count(), 3);
    }

    proptest! {
        #[test]
        fn cutting_changes_neither_check_nor_numbers(
            text in prop::collection::vec("[a\r]{0,14}\n", 0..40),
            sizes in prop::collection::vec(1_usize..30, 1..60),
        ) {
            let text = text.concat().into_bytes();
            let whole = Counted::of(&text);
            let want = behind(0, &text, whole, None);
            let (mut cutter, mut check, mut count) = (Cutter::keeping(6), 0, 0);
            let (mut rest, mut sizes) = (text.as_slice(), sizes.into_iter().cycle());
            while !rest.is_empty() {
                let (chunk, others) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
                rest = others;
                let mut bytes = Vec::new();
                cutter.begin(&mut bytes);
                bytes.extend_from_slice(chunk);
                prop_assert!(!cutter.cut(&mut bytes, Instant::now()));
                let counted = Counted::of(&bytes);
                check = behind(check, &bytes, counted, cutter.take_cut_short());
                count += counted.lines;
                prop_assert!(cutter.unfinished_bytes() <= 40 && bytes.len() <= 60);
            }
            prop_assert_eq!((check, count), (want, whole.lines));
        }
    }
}
