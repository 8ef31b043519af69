//! Cutting bytes into lines: at LF, without one trailing CR, without empty lines.
//!
//! In: a block's bytes. Out: its lines, checked as text for the whole block at once where that can be
//! done. Must not know: what a line says.

use crate::simd::scan::line_feed;

use super::record::LONGEST_LINE;
use super::row::{ROW, Starts};

/// Bytes by which a line may be shorter than those before it and is still told from the next one.
const SLACK: usize = 16;

/// The lines of `bytes`. An empty line (nothing, or a lone CR, before its LF) is skipped: it has no
/// number. Bytes behind the last LF are a line of their own.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len()));
    ends.scan(0usize, |start, end| {
        // The end of the bytes comes last and is never before `start`.
        let line = bytes.get(*start..end).unwrap_or_default();
        *start = end + 1;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
    .filter(|line| !line.is_empty())
}

/// The way of a decoder through the lines of a block.
#[derive(Debug)]
pub struct Lines<'b> {
    bytes: &'b [u8],
    /// All of the bytes, if they are text without NUL. Else every line is checked for itself, so that
    /// only the bad one is refused.
    text: Option<&'b str>,
    at: usize,
    /// Where the lines end that were handed out as a row.
    row_end: usize,
    /// Bytes that the lines of the last row had at least.
    shortest: usize,
}

impl<'b> Lines<'b> {
    /// At the first line of `bytes`.
    pub fn new(bytes: &'b [u8]) -> Lines<'b> {
        let text = simdutf8::basic::from_utf8(bytes).ok();
        let text = text.filter(|_| memchr::memchr(0, bytes).is_none());
        Lines { bytes, text, at: 0, row_end: 0, shortest: 0 }
    }

    /// Where it stands.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// All text, if it is checked and its lines can be told by where they begin in it.
    #[inline]
    pub(super) fn whole(&self) -> Option<&'b str> {
        self.text.filter(|text| text.len() < LONGEST_LINE)
    }

    /// Whether it stands at a line that was handed out as part of a row.
    #[inline]
    pub(super) fn is_in_row(&self) -> bool {
        self.at < self.row_end
    }

    /// Hands out the next lines together, if there are enough whole ones: where each begins, as far as that
    /// can be told without looking at every byte. A line that is much shorter than those before it is taken
    /// for one with the next; reading finds out.
    #[inline]
    pub(super) fn row(&mut self) -> Option<Starts> {
        let (mut starts, mut shortest) = ([self.at; ROW + 1], usize::MAX);
        for nth in 0..ROW {
            let start = starts[nth];
            let end = line_feed(self.bytes, start + self.shortest)?;
            shortest = shortest.min(end - start);
            starts[nth + 1] = end + 1;
        }
        self.row_end = starts[ROW];
        self.shortest = shortest.saturating_sub(SLACK);
        Some(starts)
    }

    /// Lines may have any length again.
    #[inline]
    pub(super) fn forget_lengths(&mut self) {
        self.shortest = 0;
    }

    /// All text from the beginning of the next line on, if it is checked.
    #[inline]
    pub(super) fn rest(&mut self) -> Option<&'b str> {
        loop {
            match self.bytes.get(self.at..)? {
                [b'\n', ..] => self.at += 1,
                [b'\r', b'\n', ..] => self.at += 2,
                _ => return self.text.map(|text| &text[self.at..]),
            }
        }
    }

    /// Passes the line at which it stands, of which `len` bytes are no line end; `next` bytes further
    /// the next one begins.
    #[inline]
    pub(super) fn pass(&mut self, len: usize, next: usize) -> &'b [u8] {
        let line = &self.bytes[self.at..self.at + len];
        self.at += next;
        line
    }

    /// The next line without its end; and all text from its beginning on, if it is checked.
    pub(super) fn next(&mut self) -> Option<(&'b [u8], Option<&'b str>)> {
        loop {
            let start = self.at;
            let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            self.at = start + end + 1;
            let line = &rest[..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                return Some((line, self.text.map(|text| &text[start..])));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, lines};

    fn cut(text: &str) -> Vec<&str> {
        lines(text.as_bytes()).map(|line| std::str::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn cuts_at_lf_and_drops_one_cr() {
        assert_eq!(cut("a\nb\r\nc"), ["a", "b", "c"]);
        assert_eq!(cut("a\r\r\n"), ["a\r"]);
        assert_eq!(cut("\n\r\n\na\n\n"), ["a"]);
        assert_eq!(cut("a\rb"), ["a\rb"]);
        assert!(cut("").is_empty() && cut("\n").is_empty() && cut("\r").is_empty());
    }

    #[test]
    fn a_block_has_the_same_lines() {
        for text in ["", "\n", "a", "a\nb\r\nc", "a\r\r\n", "\n\r\n\na\n\n", "é\n\0\n", "\r", "a\n\r"] {
            for bytes in [text.as_bytes(), &[text.as_bytes(), b"\n\xff\n"].concat()] {
                let mut block = Lines::new(bytes);
                for line in lines(bytes) {
                    let (got, rest) = block.next().unwrap();
                    assert_eq!(got, line);
                    assert!(rest.is_none_or(|rest| rest.as_bytes().starts_with(line)));
                }
                assert!(block.next().is_none() && block.next().is_none());
            }
        }
    }
}
